# Hive Metastore, from Maven Central, on Derby inside its process: hive3 is 3.1.3, hive4 is 4.0.1. The schema of the release is made
# once and copied for each run.
hive3_install() { hive_install 3.1.3 hive-standalone-metastore MetastoreSchemaTool; }
hive4_install() { hive_install 4.0.1 hive-standalone-metastore-server schematool.MetastoreSchemaTool; }

# hive_install VERSION ARTIFACT TOOL
hive_install() {
  hadoop_install && needs tar || return 1
  once "hive-$1" fetch_hive "org.apache.hive:$2:$1:tar.gz:bin" || return 1
  once "hive-schema-$1" make_hive_schema "$1" "$3"
}

fetch_hive() {
  fetch_artifact "$1" "$2" || return 1
  tar xzf "$2"/*.tar.gz -C "$2" --strip-components=1 && rm "$2"/*.tar.gz
}

make_hive_schema() {
  local version="$1" tool="$2" data="$3"
  hive_java "$version" "$data" 0
  METASTORE_HOME="$SERVICES_HOME/hive-$version" "${hive_java[@]}" "org.apache.hadoop.hive.metastore.tools.$tool" \
    -dbType derby -initSchema && rm -r "$data/conf"
}

# hive_java VERSION FOLDER PORT [KEY VALUE..]: fills the array hive_java for a metastore whose data lie in a folder, with more
# properties of its configuration.
hive_java() {
  local version="$1" data="$2" port="$3"
  shift 3
  mkdir -p "$data/conf" "$data/tmp"
  site "$data/conf/metastore-site.xml" \
    metastore.thrift.bind.host 127.0.0.1 metastore.thrift.port "$port" metastore.thrift.uris "thrift://127.0.0.1:$port" \
    metastore.warehouse.dir "$data/warehouse" metastore.warehouse.external.dir "$data/warehouse" \
    javax.jdo.option.ConnectionURL "jdbc:derby:;databaseName=$data/derby;create=true" \
    javax.jdo.option.ConnectionDriverName org.apache.derby.jdbc.EmbeddedDriver \
    metastore.schema.verification true metastore.event.db.notification.api.auth false \
    metastore.task.threads.always org.apache.hadoop.hive.metastore.events.EventCleanerTask \
    metastore.expression.proxy org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy \
    metastore.server.min.threads 4 metastore.server.max.threads 64 "$@"
  printf '%s\n' 'status = error' 'appender.c.type = Console' 'appender.c.name = c' 'appender.c.layout.type = PatternLayout' \
    'rootLogger.level = warn' 'rootLogger.appenderRef.c.ref = c' >"$data/conf/log4j2.properties"
  hive_java=(java -Xmx384m -XX:+UseSerialGC "${java_opens[@]}" -Dderby.system.durability=test
    "-Dderby.stream.error.file=$data/derby.log" "-Djava.io.tmpdir=$data/tmp" "-DMETASTORE_CONF_DIR=$data/conf"
    "-Dlog4j2.configurationFile=file:$data/conf/log4j2.properties"
    -cp "$data/conf:$SERVICES_HOME/hive-$version/lib/*:$SERVICES_HOME/hadoop-3.3.6/*")
}

# hive_prepare NAME VERSION PORT [KEY VALUE..]: empty data of a metastore, and the array hive_java.
hive_prepare() {
  local name="$1" version="$2"
  shift 2
  free "$1" || return 1
  cp -r "$SERVICES_HOME/hive-schema-$version" "$run/$name" || return 1
  mkdir -p "$run/$name/warehouse"
  hive_java "$version" "$run/$name" "$@"
}

# hive_listen NAME PORT: starts what was prepared.
hive_listen() {
  background "$1" "${hive_java[@]}" org.apache.hadoop.hive.metastore.HiveMetaStore -p "$2"
  await "$1" "$2"
}

# hive_start NAME VERSION PORT
hive_start() {
  hive_prepare "$@" && hive_listen "$1" "$3" || return 1
  export PAIMON_TEST_HMS="thrift://127.0.0.1:$3"
}

hive3_start() { hive_start hive3 3.1.3 "$((SERVICES_PORT + 40))"; }
hive4_start() { hive_start hive4 4.0.1 "$((SERVICES_PORT + 45))"; }
hive3_tests() { suite it hive_server::; }
hive4_tests() { suite it hive_server::; }
