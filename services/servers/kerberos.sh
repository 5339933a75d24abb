# Hive Metastore 3.1.3 behind Kerberos, with a key distribution centre of its own: MIT's, the machine's or out of packages of
# Debian that are unpacked and not installed. The principals are `alice` and `bob`, with keytabs, and the metastore's.
kerberos_install() {
  local program
  hive3_install || return 1
  [[ "$(ldconfig -p 2>/dev/null)" == *libgssapi_krb5.so.2* ]] || { reason="there is no libgssapi_krb5.so.2"; return 1; }
  for program in krb5kdc kadmin.local kdb5_util kinit; do
    command -v "$program" >/dev/null || { needs apt-get dpkg && once krb5 fetch_krb5; return; }
  done
}

fetch_krb5() {
  (cd "$1" && limited apt-get download krb5-kdc krb5-user krb5-admin-server libkadm5srv-mit12 libkadm5clnt-mit12 libkdb5-10 \
    libgssrpc4 libverto1 libverto-libev1 libev4) || return 1
  local package
  for package in "$1"/*.deb; do dpkg -x "$package" "$1" || return 1; done
  rm "$1"/*.deb
}

# krb5 PROGRAM ARGUMENT..: a program of MIT's, unpacked or installed.
krb5() {
  local program="$1" root="$SERVICES_HOME/krb5/usr" lib
  shift
  if [ ! -d "$root" ]; then "$program" "$@"; return; fi
  for lib in "$root"/lib/*-linux-gnu; do :; done
  case "$program" in kinit) root+=/bin ;; *) root+=/sbin ;; esac
  LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$root/$program" "$@"
}

# kdc_start PORT: the realm PAIMON.TEST, its keytabs and a ticket of alice's in the folder `$run/kdc`.
kdc_start() {
  local port="$1" data="$run/kdc" name modules=""
  mkdir -p "$data" || return 1
  for name in "$SERVICES_HOME"/krb5/usr/lib/*/krb5/plugins/kdb; do [ ! -d "$name" ] || modules="db_module_dir = $name"; done
  cat >"$data/krb5.conf" <<EOF
[libdefaults]
 default_realm = PAIMON.TEST
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 PAIMON.TEST = {
  kdc = 127.0.0.1:$port
 }
EOF
  cat >"$data/kdc.conf" <<EOF
[kdcdefaults]
 kdc_listen = 127.0.0.1:$port
 kdc_tcp_listen = 127.0.0.1:$port
[realms]
 PAIMON.TEST = {
  database_name = $data/principals
  key_stash_file = $data/stash
 }
[dbmodules]
 $modules
EOF
  export KRB5_CONFIG="$data/krb5.conf" KRB5_KDC_PROFILE="$data/kdc.conf" KRB5CCNAME="FILE:$data/tickets"
  {
    krb5 kdb5_util create -s -P master -r PAIMON.TEST || return 1
    for name in alice bob hive/localhost; do
      krb5 kadmin.local -q "addprinc -randkey $name" || return 1
      krb5 kadmin.local -q "ktadd -k $data/${name%%/*}.keytab $name" || return 1
    done
    # her tickets end soon, so that a test can see what follows
    krb5 kadmin.local -q 'modprinc -maxlife "8 seconds" bob' || return 1
  } >"$data/log" 2>&1
  background kdc krb5 krb5kdc -n
  await kdc "$port" || return 1
  krb5 kinit -kt "$data/alice.keytab" alice
}

kerberos_start() {
  local port="$((SERVICES_PORT + 50))" kdc="$((SERVICES_PORT + 51))" folder="$run/kerberos"
  free "$port" "$kdc" && kdc_start "$kdc" || return 1
  local JAVA_TOOL_OPTIONS="-Djava.security.krb5.conf=$KRB5_CONFIG --add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"
  export JAVA_TOOL_OPTIONS
  hive_prepare kerberos 3.1.3 "$port" metastore.sasl.enabled true metastore.kerberos.principal hive/localhost@PAIMON.TEST \
    metastore.kerberos.keytab.file "$run/kdc/hive.keytab" || return 1
  site "$folder/conf/core-site.xml" hadoop.security.authentication kerberos \
    hadoop.rpc.protection authentication,integrity,privacy
  hive_listen kerberos "$port" || return 1
  export PAIMON_TEST_HMS="thrift://localhost:$port" PAIMON_TEST_HMS_KEYTABS="$run/kdc"
}

# The suite of the metastore with each protection of messages, and what concerns the login.
kerberos_tests() {
  local login="hive.metastore.sasl.enabled=true,hive.metastore.kerberos.principal=hive/_HOST@PAIMON.TEST" level
  export PAIMON_TEST_HMS_OPTIONS
  for level in authentication integrity privacy; do
    PAIMON_TEST_HMS_OPTIONS="$login,hadoop.rpc.protection=$level"
    suite it hive_server:: || return 1
  done
  PAIMON_TEST_HMS_OPTIONS="$login"
  suite it hive_kerberos:: || return 1
  unset PAIMON_TEST_HMS_OPTIONS PAIMON_TEST_HMS_KEYTABS KRB5_CONFIG KRB5_KDC_PROFILE KRB5CCNAME
}
