#!/usr/bin/env bash
# Runs the integration suites against real servers: services/run.sh [NAME..]; without names, against all that follow.
#
#   s3 azure hdfs gcs          stores: moto (PyPI), Azurite (npm), Hadoop 3.3.6 (Maven Central), a bucket of Google that
#                              PAIMON_TEST_GCS_WAREHOUSE names
#   cache                      the program with its cache on local disk, on moto (builds the feature `cache`)
#   hive3 hive4                Hive Metastore 3.1.3 and 4.0.1 (Maven Central)
#   kerberos                   Hive Metastore 3.1.3 that wants Kerberos, and MIT's key distribution centre (packages of Debian)
#   sqlite postgres mysql      JDBC catalogs: built in, the machine's PostgreSQL, a MySQL that PAIMON_TEST_MYSQL names
#   rest                       REST catalog: the server among the tests of Java Paimon 2.0.0 (Maven Central)
#
# Those of Maven Central need JDK 17 and Maven. Each server is started on 127.0.0.1 on empty data, tested and stopped. What cannot be
# had is left out and named at the end.
#
# Exit codes: 0 everything ran and passed, 1 a suite failed or a server did not start, 2 bad usage, 3 nothing failed but
# something was left out.
#
# SERVICES_HOME  keeps what is fetched (default: paimon-rs-services in the user's cache folder)
# SERVICES_FETCH_SECONDS  limit of each fetch (default 300); what is not there by then is left out
# PAIMON_TEST_COMMITS  commits of each of the four writers that race on a store (default 50)
# SERVICES_PORT  the first of a hundred ports (default 9300)
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
all=(sqlite s3 cache hive3 kerberos hdfs hive4 postgres rest azure gcs mysql)
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
  [[ " ${all[*]} " == *" $name "* ]] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
done
export SERVICES_HOME="${SERVICES_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/paimon-rs-services}"
SERVICES_PORT="${SERVICES_PORT:-9300}"
mkdir -p "$SERVICES_HOME"
run="$(mktemp -d "${TMPDIR:-/tmp}/paimon-services.XXXXXX")"
# the server of PostgreSQL runs as another user
chmod 755 "$run"

pids=()
stop() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}
trap 'stop; rm -rf "$run"' EXIT
trap 'exit 1' INT TERM

. "$here/common.sh"
for script in "$here"/servers/*.sh; do . "$script"; done

# suite TARGET FILTER [CARGO-ARGUMENT..]: tests by a part of their names in the test programs of one name. That none of them
# ran, or that one found no server, is a failure.
suite() {
  local target="$1" filter="$2" log="$run/suite.log" status=0
  shift 2
  # all packages, as in every other step of CI: with another selection features differ and every dependency is built again
  (cd "$here/.." && cargo test --workspace "$@" --test "$target" -- "$filter" --nocapture) >"$log" 2>&1 || status=1
  if [ "$status" != 0 ] || grep -q '^left out:' "$log" || ! grep -q '^test result: ok. [1-9]' "$log"; then
    tail -n 100 "$log" >&2
    return 1
  fi
  grep '^test result: ok. [1-9]' "$log"
}

failed=() left_out=()
for name in "$@"; do
  reason=""
  echo "== $name"
  if ! "${name}_install"; then
    left_out+=("$name: ${reason:-its parts cannot be fetched}")
  elif ! { "${name}_start" && "${name}_tests"; }; then
    echo "FAILED $name"
    failed+=("$name")
  fi
  stop
done

for line in "${left_out[@]}"; do echo "left out: $line"; done
for name in "${failed[@]}"; do echo "failed: $name"; done
[ ${#failed[@]} = 0 ] || exit 1
[ ${#left_out[@]} = 0 ] || exit 3
