#!/usr/bin/env bash
# Released Java Paimon against tables written here. Usage: run.sh [--share K/N] [--release 1.4.2|2.0.0] [NAME..]
# (only the K-th of every N cases; only one release; only cases whose name holds one of the texts)
#
# run.sh --random A..B [--release 1.4.2|2.0.0] plays random histories of the seeds A to B instead, or of one seed.
#
# Needs JDK 17 or newer and Maven 3. Exit codes: 0 everything agreed, 1 a case failed, 2 bad usage or a broken build,
# 3 Java, Maven or the jars cannot be had.
#
# PAIMON_INTEROP_CACHE  where jars and compiled classes are kept (default: paimon-interop in the user's cache folder)
# PAIMON_INTEROP_JOBS   cases played at a time (default: one per core)
# PAIMON_INTEROP_PROGRAMS  folder that already holds the programs `paimon` and `paimon-interop` (default: they are built)
# PAIMON_INTEROP_KEEP   leave the tables in this folder, below the name of the release
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/common.sh"
case "${1:-}" in
  -h | --help)
    help_of "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
need java javac mvn

only=""
words=()
while [ $# -gt 0 ]; do
  case "$1" in
    --release)
      only="${2:-}"
      shift
      case "$only" in
        1.4.2 | 2.0.0) ;;
        both) only="" ;;
        *)
          echo "--release takes 1.4.2, 2.0.0 or both" >&2
          exit 2
          ;;
      esac
      ;;
    *) words+=("$1") ;;
  esac
  shift
done

# jars of 1.4.2 and what all releases need beside their own jar
pom_key="$(sha256sum "$here/java/pom.xml" | cut -c1-16)"
libs="$cache/libs-$pom_key"
if [ ! -d "$libs" ]; then
  part="$(mktemp -d "$cache/part.XXXXXX")"
  mvn -B -q -f "$here/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part" >&2 ||
    { rm -rf "$part"; unavailable "Maven could not fetch the jars of Paimon 1.4.2"; }
  chmod 755 "$part"
  mv -T "$part" "$libs" 2>/dev/null || rm -rf "$part"
fi
others="$(find "$libs" -name '*.jar' ! -name 'paimon-*' | sort | paste -sd:)"

# No bundle of 2.0.0 is published; the Flink artifact holds the same classes.
flink_jar="$(paimon_jar paimon-flink-2.0 2.0.0 2>"$cache/fetch-2.0.0.log")" || true

# Prints the class path of a release, compiled for it.
class_path() {
  local release="$1" jar="$2" key classes
  key="$(cat "$here"/java/src/interop/*.java | sha256sum | cut -c1-16)"
  classes="$cache/classes-$release-$pom_key-$key"
  if [ ! -d "$classes" ]; then
    rm -rf "$cache/classes-$release-"*
    part="$(mktemp -d "$cache/part.XXXXXX")"
    javac -nowarn -proc:none -encoding UTF-8 -d "$part" -cp "$jar:$others" "$here"/java/src/interop/*.java >&2 ||
      { rm -rf "$part"; return 2; }
    mv -T "$part" "$classes" 2>/dev/null || rm -rf "$part"
  fi
  echo "$classes:$jar:$others"
}

cd "$here/.."
programs="${PAIMON_INTEROP_PROGRAMS:-}"
if [ -z "$programs" ]; then
  cargo build -q -p paimon-cli -p paimon-interop
  programs="${CARGO_TARGET_DIR:-target}/debug"
fi

failed=0
play() {
  local release="$1" jar="$2" path
  shift 2
  echo "== Java Paimon $release"
  path="$(class_path "$release" "$jar")" || exit 2
  "$programs/paimon-interop" --release "$release" --class-path "$path" --program "$programs/paimon" \
    ${PAIMON_INTEROP_JOBS:+--jobs "$PAIMON_INTEROP_JOBS"} \
    ${PAIMON_INTEROP_KEEP:+--keep "$PAIMON_INTEROP_KEEP/$release"} "$@" || failed=1
}

if [ "$only" != 2.0.0 ]; then
  play 1.4.2 "$libs/paimon-bundle-1.4.2.jar" "${words[@]}"
fi
if [ "$only" = 1.4.2 ]; then
  :
elif [ -s "$flink_jar" ]; then
  play 2.0.0 "$flink_jar" "${words[@]}"
else
  echo "== Java Paimon 2.0.0 left out: its jar cannot be fetched ($(grep -m1 -o 'ERROR.*' "$cache/fetch-2.0.0.log" | cut -c1-160))"
fi
exit "$failed"
