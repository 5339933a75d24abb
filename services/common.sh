# What the scripts of the servers share (sourced, not run): fetching, starting, waiting.
# SERVICES_HOME keeps what is fetched, `run` is a folder of this run alone: data, settings and logs.

# What `java` must allow to Hadoop and Hive on JDK 17.
java_opens=()
for package in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent \
  java.util.concurrent.atomic sun.nio.ch sun.util.calendar; do
  java_opens+=(--add-opens "java.base/$package=ALL-UNNAMED")
done

# Why the current service cannot be had, for `leave_out` of run.sh.
reason=""

# needs TOOL..: whether all are on the PATH.
needs() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { reason="there is no $tool on the PATH"; return 1; }
  done
}

# once FOLDER COMMAND..: fills a folder of SERVICES_HOME by a command, whose last argument is a folder beside it that gets
# its name when the command succeeds. What the command says goes to a log.
once() {
  local folder="$SERVICES_HOME/$1" part log
  shift
  [ ! -d "$folder" ] || return 0
  log="$run/$(basename "$folder").fetch.log"
  part="$(mktemp -d "$SERVICES_HOME/part.XXXXXX")"
  chmod 755 "$part"
  if "$@" "$part" >"$log" 2>&1; then
    mv -T "$part" "$folder"
  else
    rm -rf "$part"
    reason="fetching it failed: $(grep -v '^[[:space:]]*$' "$log" | grep -m1 -i error || tail -n 1 "$log")"
    return 1
  fi
}

# A registry that does not answer must not hold up everything else.
limited() { timeout "${SERVICES_FETCH_SECONDS:-300}" "$@"; }

# The jars that a POM asks for.
fetch_jars() { limited mvn -B -q -f "$1" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$2"; }

# One artifact alone. The parents of some are not published, and an old version of the plugin does not look for them.
fetch_artifact() { limited mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:copy -DoutputDirectory="$2" -Dartifact="$1"; }

# background NAME COMMAND..: starts a server; its output is the log `$run/NAME.log`.
background() {
  local name="$1"
  shift
  "$@" >"$run/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free PORT..: whether nothing listens there yet.
free() {
  local port
  for port in "$@"; do
    ! is_open "$port" || { echo "port $port is taken: SERVICES_PORT chooses others" >&2; return 1; }
  done
}

# await NAME PORT: until the server that was started last listens there, at most two minutes.
await() {
  local tries=0 pid="${pids[-1]}"
  until is_open "$2"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || ! kill -0 "$pid" 2>/dev/null; then
      echo "$1 does not listen on port $2:" >&2
      tail -n 20 "$run/$1.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# until_true COMMAND..: repeats it, at most a minute.
until_true() {
  local tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -le 300 ] || { echo "in vain for a minute: $*" >&2; return 1; }
    sleep 0.2
  done
}

# site FILE KEY VALUE..: a configuration file of Hadoop or Hive.
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
