# Azure Blob Storage: Azurite, from npm; everything in memory.
azure_install() {
  needs node npm python3 || return 1
  once azurite-3.37.0 limited npm install --silent --no-fund --no-audit --ignore-scripts --omit=dev azurite@3.37.0 --prefix
}

azure_start() {
  local port="$((SERVICES_PORT + 10))"
  free "$port" || return 1
  background azure node "$SERVICES_HOME/azurite-3.37.0/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
    --blobPort "$port" --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --silent
  await azure "$port" || return 1
  make_azure_container "$port" || return 1
  export AZURE_STORAGE_USE_EMULATOR=true AZURITE_BLOB_STORAGE_URL="http://127.0.0.1:$port"
  export PAIMON_TEST_AZURE_WAREHOUSE=abfs://paimon-test@devstoreaccount1.dfs.core.windows.net/suite
}

# Makes the container, signed with the emulator's published key.
make_azure_container() {
  python3 - "$1" <<'PY'
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
}

azure_tests() { suite stores a_real_azure_server; }
