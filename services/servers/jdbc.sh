# Databases of JDBC catalogs. SQLite is part of the tests; PostgreSQL is the machine's own, on a cluster made for the run; MySQL is
# one that the environment names.
sqlite_install() { :; }
sqlite_start() { :; }
sqlite_tests() { suite it jdbc::on_sqlite; }

# Prints the folder of PostgreSQL's programs. Debian has them beside each release; what is on the PATH may be a link.
postgres_bin() {
  local initdb
  initdb="$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)"
  initdb="${initdb:-$(readlink -f "$(command -v initdb)")}"
  [ -n "$initdb" ] && dirname "$initdb"
}

postgres_install() {
  local bin program
  bin="$(postgres_bin)" || { reason="there is no PostgreSQL (initdb) on the machine"; return 1; }
  for program in postgres createdb pg_isready; do
    [ -x "$bin/$program" ] || { reason="PostgreSQL has no $program in $bin"; return 1; }
  done
}

postgres_start() {
  local port="$((SERVICES_PORT + 50))" data="$run/postgres" bin as=()
  free "$port" || return 1
  bin="$(postgres_bin)"
  mkdir -p "$data"
  # the server refuses to run as root
  if [ "$(id -u)" = 0 ]; then
    chown postgres: "$data"
    as=(setpriv --reuid postgres --regid postgres --init-groups)
  fi
  (cd / && "${as[@]}" "$bin/initdb" -D "$data" -U paimon -A trust -E UTF8 --locale=C --no-sync) >"$run/initdb.log" 2>&1 ||
    { tail -n 20 "$run/initdb.log" >&2; return 1; }
  background postgres "${as[@]}" "$bin/postgres" -D "$data" -p "$port" -h 127.0.0.1 -k "$data" -c fsync=off
  await postgres "$port" || return 1
  until_true "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U paimon || return 1
  "$bin/createdb" -h 127.0.0.1 -p "$port" -U paimon paimon || return 1
  export PAIMON_TEST_POSTGRES="jdbc:postgresql://127.0.0.1:$port/paimon" PAIMON_TEST_POSTGRES_USER=paimon
}

postgres_tests() { suite it jdbc::on_postgresql; }

mysql_install() {
  [ -n "${PAIMON_TEST_MYSQL:-}" ] || { reason="PAIMON_TEST_MYSQL names no server (jdbc:mysql://host:port/database)"; return 1; }
}
mysql_start() { :; }
mysql_tests() { suite it jdbc::on_mysql; }
