# HDFS: a name node and a data node of Hadoop 3.3.6, from Maven Central; formatted anew each time.
hadoop_install() {
  needs java mvn || return 1
  once hadoop-3.3.6 fetch_jars "$here/java/hadoop.xml"
}

hdfs_install() { needs curl && hadoop_install; }

hdfs_start() {
  local port="$((SERVICES_PORT + 20))" data="$run/hdfs" app
  free "$port" "$((port + 1))" "$((port + 2))" || return 1
  mkdir -p "$data/conf"
  # both servers look for their web pages, which the jars do not hold
  for app in hdfs datanode; do
    mkdir -p "$data/conf/webapps/$app/WEB-INF"
    echo '<web-app version="2.4" xmlns="http://java.sun.com/xml/ns/j2ee"></web-app>' >"$data/conf/webapps/$app/WEB-INF/web.xml"
  done
  site "$data/conf/core-site.xml" fs.defaultFS "hdfs://127.0.0.1:$port" hadoop.tmp.dir "$data/tmp"
  site "$data/conf/hdfs-site.xml" dfs.replication 1 dfs.permissions.enabled false dfs.namenode.safemode.extension 0 \
    dfs.namenode.name.dir "file://$data/name" dfs.datanode.data.dir "file://$data/blocks" \
    dfs.namenode.rpc-address "127.0.0.1:$port" dfs.namenode.http-address "127.0.0.1:$((port + 1))" \
    dfs.datanode.address "127.0.0.1:$((port + 2))" dfs.datanode.http.address 127.0.0.1:0 \
    dfs.datanode.ipc.address 127.0.0.1:0 dfs.namenode.datanode.registration.ip-hostname-check false
  local java=(java -Xmx256m -XX:+UseSerialGC "${java_opens[@]}" -cp "$data/conf:$SERVICES_HOME/hadoop-3.3.6/*")
  local package=org.apache.hadoop.hdfs.server
  "${java[@]}" "$package.namenode.NameNode" -format -nonInteractive >"$run/format.log" 2>&1 ||
    { tail -n 20 "$run/format.log" >&2; return 1; }
  background namenode "${java[@]}" "$package.namenode.NameNode"
  await namenode "$port" || return 1
  background datanode "${java[@]}" "$package.datanode.DataNode"
  await datanode "$((port + 2))" || return 1
  until_true has_data_node "$((port + 1))" || return 1
  export PAIMON_TEST_HDFS_WAREHOUSE="hdfs://127.0.0.1:$port/suite"
}

has_data_node() {
  curl -s "http://127.0.0.1:$1/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" | tr -d ' \n' |
    grep -q '"NumLiveDataNodes":1'
}

hdfs_tests() { suite stores a_real_hdfs_server --features paimon-stores/hdfs; }
