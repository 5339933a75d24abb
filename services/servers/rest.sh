# REST catalog: the server among the tests of Java Paimon 2.0.0, from Maven Central; tables lie on local disk.
rest_install() {
  needs java mvn || return 1
  once rest-libraries fetch_jars "$here/java/rest.xml" || return 1
  once paimon-core-tests-2.0.0 fetch_artifact org.apache.paimon:paimon-core:2.0.0:jar:tests || return 1
  # the jar for Flink holds all classes of Paimon
  once paimon-flink-2.0.0 fetch_artifact org.apache.paimon:paimon-flink-2.0:2.0.0:jar
}

rest_start() {
  local port="$((SERVICES_PORT + 60))"
  free "$port" || return 1
  mkdir -p "$run/rest"
  background rest java -Xmx256m -XX:+UseSerialGC "${java_opens[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$SERVICES_HOME/paimon-core-tests-2.0.0/*:$SERVICES_HOME/paimon-flink-2.0.0/*:$SERVICES_HOME/rest-libraries/*" \
    "$here/java/RestServer.java" "$port" "$run/rest" rest-wh paimon-token
  await rest "$port" || return 1
  export PAIMON_TEST_REST="http://127.0.0.1:$port" PAIMON_TEST_REST_WAREHOUSE=rest-wh PAIMON_TEST_REST_TOKEN=paimon-token
}

rest_tests() { suite it rest::it_does; }
