#!/usr/bin/env bash
# Starts real servers and runs the store tests against them: services/run.sh [s3] [azure] [hdfs]; without names, s3.
# S3 is moto (from PyPI, needs python3 with venv), Azure is Azurite (from npm): both keep everything in memory. HDFS is a name
# node and a data node of Hadoop (from Maven Central, needs JDK 17 and mvn), formatted anew each time. All listen on
# 127.0.0.1 only. SERVICES_HOME (default target/services) takes what is installed; S3_PORT, AZURE_PORT, HDFS_PORT (with the
# next two) choose ports.
set -euo pipefail
cd "$(dirname "$0")/.."
SERVICES_HOME="${SERVICES_HOME:-$PWD/target/services}"
S3_PORT="${S3_PORT:-9300}"
AZURE_PORT="${AZURE_PORT:-9310}"
HDFS_PORT="${HDFS_PORT:-9320}"
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

start_hdfs() {
  local home="$SERVICES_HOME/hadoop" data="$SERVICES_HOME/hdfs-data" app
  if [ ! -d "$home" ]; then
    mkdir -p "$home.part"
    cat >"$home.part/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>paimon.services</groupId><artifactId>hadoop</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-common</artifactId><version>3.3.6</version></dependency>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-hdfs</artifactId><version>3.3.6</version></dependency>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-hdfs-client</artifactId><version>3.3.6</version></dependency>
  </dependencies>
</project>
XML
    mvn -B -q -f "$home.part/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DoutputDirectory="$home.part/lib" >&2
    mv "$home.part" "$home"
  fi
  rm -rf "$data"
  mkdir -p "$data/conf"
  # both servers look for their web pages, which the jars do not hold
  for app in hdfs datanode; do
    mkdir -p "$data/conf/webapps/$app/WEB-INF"
    echo '<web-app version="2.4" xmlns="http://java.sun.com/xml/ns/j2ee"></web-app>' >"$data/conf/webapps/$app/WEB-INF/web.xml"
  done
  site "$data/conf/core-site.xml" fs.defaultFS "hdfs://127.0.0.1:$HDFS_PORT" hadoop.tmp.dir "$data/tmp"
  site "$data/conf/hdfs-site.xml" dfs.replication 1 dfs.permissions.enabled false dfs.namenode.safemode.extension 0 \
    dfs.namenode.name.dir "file://$data/name" dfs.datanode.data.dir "file://$data/blocks" \
    dfs.namenode.rpc-address "127.0.0.1:$HDFS_PORT" dfs.namenode.http-address "127.0.0.1:$((HDFS_PORT + 1))" \
    dfs.datanode.address "127.0.0.1:$((HDFS_PORT + 2))" dfs.datanode.http.address 127.0.0.1:0 \
    dfs.datanode.ipc.address 127.0.0.1:0 dfs.namenode.datanode.registration.ip-hostname-check false
  local java=(java -Xmx256m --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.util=ALL-UNNAMED
    -cp "$data/conf:$home/lib/*")
  "${java[@]}" org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive >"$SERVICES_HOME/hdfs.log" 2>&1
  "${java[@]}" org.apache.hadoop.hdfs.server.namenode.NameNode >>"$SERVICES_HOME/hdfs.log" 2>&1 &
  pids+=($!)
  await "$HDFS_PORT"
  "${java[@]}" org.apache.hadoop.hdfs.server.datanode.DataNode >>"$SERVICES_HOME/hdfs.log" 2>&1 &
  pids+=($!)
  await "$((HDFS_PORT + 2))"
  local state="http://127.0.0.1:$((HDFS_PORT + 1))/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
  for _ in $(seq 300); do
    if curl -s "$state" | tr -d ' \n' | grep -q '"NumLiveDataNodes":1'; then break; fi
    sleep 0.2
  done
  export PAIMON_TEST_HDFS_WAREHOUSE="hdfs://127.0.0.1:$HDFS_PORT/suite"
  features=(--features paimon-stores/hdfs)
}

# site FILE KEY VALUE..: a configuration file of Hadoop.
site() {
  local file="$1"
  shift
  echo '<configuration>' >"$file"
  while [ $# -gt 0 ]; do
    echo "<property><name>$1</name><value>$2</value></property>" >>"$file"
    shift 2
  done
  echo '</configuration>' >>"$file"
}

[ $# -gt 0 ] || set -- s3
filters=()
features=()
for name in "$@"; do
  case "$name" in
    s3 | azure | hdfs) "start_$name"; filters+=("a_real_${name}_server") ;;
    *) echo "usage: services/run.sh [s3] [azure] [hdfs]" >&2; exit 2 ;;
  esac
done
for filter in "${filters[@]}"; do
  # the packages of every other step of CI, so that nothing is built twice; the filter leaves one test
  cargo test ${PAIMON_TEST_PACKAGES:---workspace} "${features[@]}" --test it -- "$filter" --nocapture
done
