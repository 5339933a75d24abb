# S3: moto, from PyPI; everything in memory.
s3_install() {
  needs python3 curl || return 1
  once moto-5.2.5 fetch_moto
}

# The programs of a virtual environment know its folder, which `once` renames: it is called through python.
fetch_moto() {
  python3 -m venv "$1" && limited "$1/bin/python" -m pip install -q --disable-pip-version-check 'moto[s3,server]==5.2.5'
}

s3_start() {
  local port="$SERVICES_PORT"
  free "$port" || return 1
  background s3 "$SERVICES_HOME/moto-5.2.5/bin/python" -m moto.server -H 127.0.0.1 -p "$port"
  await s3 "$port" || return 1
  curl -sf -o /dev/null -X PUT "http://127.0.0.1:$port/paimon-test" || return 1
  export PAIMON_TEST_S3_WAREHOUSE=s3://paimon-test/suite
  export PAIMON_TEST_S3_OPTIONS="s3.endpoint=http://127.0.0.1:$port,s3.access-key=paimon,s3.secret-key=paimon-secret"
}

s3_tests() { suite stores a_real_s3_server; }
