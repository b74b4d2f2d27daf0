#!/usr/bin/env bash
# How long each role takes to its ready line, and what it uses at rest: resident memory, and CPU over a while, as processes of their own on
# built binaries, with a SQLite controller. Prints a Markdown table. Nothing else should run meanwhile.
#
#   bench/start-and-rest.sh [SECONDS AT REST, default 30]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rest=${1:-30}
plane=$root/plane
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
"$plane" --version >/dev/null   # builds, if need be

now() { date +%s%N; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
rss() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$1/status"; }
declare -A ready pid

start() { # NAME ARGUMENTS…
    local name=$1 begin log=$work/$1.log
    shift
    begin=$(now)
    : >"$log"
    "$plane" "$@" >"$log" 2>"$log.err" &
    pid[$name]=$!
    pids+=($!)
    until grep -q '^ready ' "$log"; do
        kill -0 "${pid[$name]}" 2>/dev/null || { cat "$log" "$log.err" >&2; exit 1; }
        sleep 0.01
    done
    ready[$name]=$((($(now) - begin) / 1000000))
}

# rows NAME…: a row for each, once it is at rest.
rows() {
    local name used hz=$(getconf CLK_TCK)
    local -A before
    # What runs often has been compiled again by then: that is part of the start, not of rest.
    sleep 60
    for name in "$@"; do before[$name]=$(ticks "${pid[$name]}"); done
    sleep "$rest"
    for name in "$@"; do
        used=$(($(ticks "${pid[$name]}") - before[$name]))
        echo "| $name | ${ready[$name]} ms | $(rss "${pid[$name]}") MB | $(awk -v u="$used" -v h="$hz" -v r="$rest" 'BEGIN { printf "%.2f %%", 100 * u / h / r }') |"
    done
}

cd "$work"
echo "| role | ready after | resident | CPU at rest, of one core, over $rest s |"
echo "| --- | --- | --- | --- |"
start controller controller --db "sqlite:$work/plane.db" --port 0 --gateway-port 0
gateway=$(grep -o 'gateway=[^ ]*' "$work/controller.log" | cut -d= -f2)
start drone drone --gateway "$gateway" --cluster localhost:1 --state "$work/drone.db" --run-dir "$work/run" --runtime process
start proxy proxy --gateway "$gateway" --cluster localhost:1 --port 0 --host 127.0.0.1
rows controller drone proxy
for p in "${pids[@]}"; do kill "$p"; done
wait
pids=()
start up up --data "$work/up" --port 0 --proxy-port 0 --runtime process
# Its first line is the controller's; the last role's line is what a user waits for.
begin=$(now)
until [ "$(grep -c '^ready ' "$work/up.log")" -ge 3 ]; do sleep 0.01; done
ready[up]=$((ready[up] + ($(now) - begin) / 1000000))
rows up
