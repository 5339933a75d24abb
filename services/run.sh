#!/usr/bin/env bash
# Starts real servers and runs the store tests against them: services/run.sh [s3] [azure]; without names, s3.
# S3 is moto (from PyPI, needs python3 with venv), Azure is Azurite (from npm). Both keep everything in memory and listen on
# 127.0.0.1 only. SERVICES_HOME (default target/services) takes what is installed; S3_PORT, AZURE_PORT choose ports.
set -euo pipefail
cd "$(dirname "$0")/.."
SERVICES_HOME="${SERVICES_HOME:-$PWD/target/services}"
S3_PORT="${S3_PORT:-9300}"
AZURE_PORT="${AZURE_PORT:-9310}"
mkdir -p "$SERVICES_HOME"
pids=()
stop() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; }
trap stop EXIT

# await PORT: until something listens there, at most a minute.
await() {
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
    sleep 0.2
  done
  echo "no server on port $1" >&2
  return 1
}

start_s3() {
  local home="$SERVICES_HOME/moto"
  if [ ! -x "$home/bin/moto_server" ]; then
    python3 -m venv "$home"
    "$home/bin/pip" install -q --disable-pip-version-check 'moto[s3,server]==5.2.5'
  fi
  "$home/bin/moto_server" -H 127.0.0.1 -p "$S3_PORT" >"$SERVICES_HOME/moto.log" 2>&1 &
  pids+=($!)
  await "$S3_PORT"
  curl -sf -o /dev/null -X PUT "http://127.0.0.1:$S3_PORT/paimon-test"
  export PAIMON_TEST_S3_WAREHOUSE=s3://paimon-test/suite
  export PAIMON_TEST_S3_OPTIONS="s3.endpoint=http://127.0.0.1:$S3_PORT,s3.access-key=paimon,s3.secret-key=paimon-secret"
}

start_azure() {
  local home="$SERVICES_HOME/azurite"
  [ -x "$home/node_modules/.bin/azurite-blob" ] || npm install --silent --no-fund --no-audit --prefix "$home" azurite@3.37.0
  "$home/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$AZURE_PORT" --inMemoryPersistence \
    --skipApiVersionCheck --silent >"$SERVICES_HOME/azurite.log" 2>&1 &
  pids+=($!)
  await "$AZURE_PORT"
  python3 - "$AZURE_PORT" <<'PY'
# makes the container, signed with the emulator's published key
import base64, email.utils, hashlib, hmac, sys, urllib.request
account, container, version = "devstoreaccount1", "paimon-test", "2021-08-06"
key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
date = email.utils.formatdate(usegmt=True)
text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n/{account}/{account}/{container}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
url = f"http://127.0.0.1:{sys.argv[1]}/{account}/{container}?restype=container"
headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{signature}", "Content-Length": "0"}
urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers))
PY
  export AZURE_STORAGE_USE_EMULATOR=true AZURITE_BLOB_STORAGE_URL="http://127.0.0.1:$AZURE_PORT"
  export PAIMON_TEST_AZURE_WAREHOUSE=abfs://paimon-test@devstoreaccount1.dfs.core.windows.net/suite
}

[ $# -gt 0 ] || set -- s3
filters=()
for name in "$@"; do
  case "$name" in
    s3 | azure) "start_$name"; filters+=("a_real_${name}_server") ;;
    *) echo "usage: services/run.sh [s3] [azure]" >&2; exit 2 ;;
  esac
done
for filter in "${filters[@]}"; do
  # the packages of every other step of CI, so that nothing is built twice; the filter leaves one test
  cargo test ${PAIMON_TEST_PACKAGES:---workspace} --test it -- "$filter" --nocapture
done
