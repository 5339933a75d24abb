# What the interop jobs share (sourced, not run): the cache of jars and engines, and the end of a job that cannot run.
cache="${PAIMON_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/paimon-interop}"

unavailable() {
  echo "interop unavailable: $*" >&2
  exit 3
}

# Prints the comment at the top of a script.
help_of() {
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

# Makes the cache, once all tools are there.
need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || unavailable "there is no $tool on the PATH"
  done
  mkdir -p "$cache"
}

# One jar of Paimon without what its description asks for; the parents of some are not published, and an old version of the
# plugin does not look for them. Usage: paimon_jar ARTIFACT VERSION; what Maven says goes to standard error.
paimon_jar() {
  local jar="$cache/$1-$2.jar" part
  if [ ! -s "$jar" ]; then
    part="$(mktemp -d "$cache/part.XXXXXX")"
    mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:copy -DoutputDirectory="$part" \
      -Dartifact="org.apache.paimon:$1:$2:jar" >&2 && mv "$part/$(basename "$jar")" "$jar"
    rm -rf "$part"
  fi
  [ -s "$jar" ] && echo "$jar"
}
