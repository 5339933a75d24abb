#!/usr/bin/env bash
# Tables written by this engine, read and changed by Spark SQL and Flink SQL, and taken up again here: every query must give
# the same rows in both engines, at each step. Usage: interop/engines/run.sh [spark] [flink] (default: both)
#
# Spark is 3.5 with the Paimon connector 0.9, the newest that is published for it; Flink is 2.0 with Paimon 2.0. Needs python3
# with venv, JDK 17 and Maven 3, and fetches about 700 MB the first time.
# Exit codes: 0 every row agreed, 1 some did not, 2 bad usage or a broken build, 3 an engine cannot be had.
#
# PAIMON_INTEROP_CACHE     where the engines are kept (default: paimon-interop in the user's cache folder)
# PAIMON_INTEROP_PROGRAMS  folder that already holds the program `paimon` (default: it is built)
# PAIMON_INTEROP_KEEP      leave the warehouses and what the engines printed in this folder
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/../common.sh"
case "${1:-}" in
  -h | --help)
    help_of "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
need java mvn python3

# A virtual environment with one package. Usage: python_home NAME PACKAGE [pip options]
python_home() {
  local home="$cache/$1" package="$2"
  shift 2
  if [ ! -e "$home/complete" ]; then
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$home/bin/pip" install -q --disable-pip-version-check "$@" "$package" >&2 || unavailable "pip could not fetch $package"
    touch "$home/complete"
  fi
  echo "$home"
}

# Runs files of statements in an engine. Usage: spark WAREHOUSE FILE..
spark() {
  local warehouse="$1" home jar root all
  shift
  home="$(python_home spark-3.5 pyspark==3.5.9)"
  jar="$(paimon_jar paimon-spark-3.5 0.9.0)" || unavailable "Maven could not fetch Spark's connector"
  root="$("$home/bin/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')"
  all="$work/spark.sql"
  cat "$@" >"$all"
  (cd "$work" && SPARK_HOME="$root" PYSPARK_PYTHON="$home/bin/python" SPARK_LOCAL_IP=127.0.0.1 \
    "$root/bin/spark-sql" -S --master 'local[2]' --driver-memory 1g --jars "$jar" \
    --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2 \
    --conf spark.driver.bindAddress=127.0.0.1 --conf spark.driver.host=127.0.0.1 \
    --conf spark.sql.catalogImplementation=in-memory --conf spark.sql.session.timeZone=UTC \
    --conf spark.sql.extensions=org.apache.paimon.spark.extensions.PaimonSparkSessionExtensions \
    --conf spark.sql.catalog.paimon=org.apache.paimon.spark.SparkCatalog \
    --conf "spark.sql.catalog.paimon.warehouse=file:$warehouse" --conf spark.sql.defaultCatalog=paimon -f "$all")
}

flink() {
  local warehouse="$1" home jar hadoop opens=() name
  shift
  home="$(python_home flink-2.0 apache-flink-libraries==2.0.2 --no-deps)"
  jar="$(paimon_jar paimon-flink-2.0 2.0.0)" || unavailable "Maven could not fetch Flink's connector"
  hadoop="$cache/hadoop-$(sha256sum "$here/pom.xml" | cut -c1-16)"
  if [ ! -d "$hadoop" ]; then
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$hadoop.part" >&2 ||
      unavailable "Maven could not fetch Hadoop's client"
    mv -T "$hadoop.part" "$hadoop"
  fi
  for name in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent \
    java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
    opens+=(--add-opens "java.base/$name=ALL-UNNAMED")
  done
  cat >"$work/log4j2.properties" <<'LOG'
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = Console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1} %m%n
LOG
  java -Xmx1g -XX:+UseSerialGC "${opens[@]}" -Dlog4j2.configurationFile="$work/log4j2.properties" \
    -cp "$(echo "$home"/lib/python*/site-packages/pyflink/lib)/*:$jar:$hadoop/*" \
    "$here/FlinkRunner.java" "file:$warehouse" "$@"
}

# Runs files of statements in this engine; the header of each result is left out: the line behind a query's name, and the one
# before it.
ours() {
  local warehouse="$1"
  shift
  cat "$@" >"$work/ours.sql"
  "$programs/paimon" --warehouse "$warehouse" -q --format tsv -f "$work/ours.sql" |
    awk '/^h$/ { next } /^== / { print; getline; next } { print }'
}

# The answers of both engines to the queries. Usage: compare STEP
compare() {
  if diff -u "$work/$1.ours" "$work/$1.theirs" >"$work/$1.diff"; then
    echo "  $1: $(grep -c '^== ' "$work/$1.ours") queries agree"
  else
    echo "  $1: the engines differ (- here, + there)"
    cat "$work/$1.diff"
    failed=1
  fi
}

# The rows that an engine gives for the queries after its changes, if any. Usage: theirs STEP ENGINE WAREHOUSE FILE..
theirs() {
  local step="$1" engine="$2"
  shift 2
  # what statements before the first query print is no row of one
  "$engine" "$@" 2>"$work/$step.log" | sed -n '/^== /,$p' >"$work/$step.theirs" || { cat "$work/$step.log" >&2; return 1; }
}

# Everything with one engine.
play() {
  local engine="$1" warehouse queries
  work="$base/$engine"
  warehouse="$work/warehouse"
  mkdir -p "$warehouse"
  queries=("$here/queries.sql" "$here/queries.$engine.sql")
  echo "== $engine"
  ours "$warehouse" "$here/setup.sql" >"$work/setup.out"
  ours "$warehouse" "${queries[@]}" >"$work/written-here.ours"
  theirs written-here "$engine" "$warehouse" "${queries[@]}"
  compare written-here
  theirs changed-there "$engine" "$warehouse" "$here/changes.$engine.sql" "${queries[@]}"
  ours "$warehouse" "${queries[@]}" >"$work/changed-there.ours"
  compare changed-there
  ours "$warehouse" "$here/again.sql" >"$work/again.out"
  ours "$warehouse" "${queries[@]}" >"$work/taken-up-again.ours"
  theirs taken-up-again "$engine" "$warehouse" "${queries[@]}"
  compare taken-up-again
  for table in "$warehouse"/default.db/*/; do
    "$programs/paimon" --warehouse "$warehouse" fsck "default.$(basename "$table")" >"$work/fsck.out" 2>&1 || {
      cat "$work/fsck.out"
      failed=1
    }
  done
}

[ "$#" -gt 0 ] || set -- spark flink
for engine in "$@"; do
  case "$engine" in
    spark | flink) ;;
    *) echo "unknown engine: $engine" >&2; exit 2 ;;
  esac
done
cd "$here/../.."
programs="${PAIMON_INTEROP_PROGRAMS:-}"
if [ -z "$programs" ]; then
  cargo build -q -p paimon-cli
  programs="${CARGO_TARGET_DIR:-target}/debug"
fi
base="${PAIMON_INTEROP_KEEP:-}"
if [ -z "$base" ]; then
  base="$(mktemp -d)"
  trap 'rm -rf "$base"' EXIT
fi
failed=0
for engine in "$@"; do play "$engine"; done
exit "$failed"
