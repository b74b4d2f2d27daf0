#!/usr/bin/env bash
# Questions a second that the DNS server answers over UDP, beside nsd with the same zone, on this machine by dnsperf: the two take turns, and the medians of
# the rounds and of their ratios are printed as a Markdown table, with the server's memory before and after. Nothing else should run meanwhile.
# Needs the packages nsd and dnsperf.
#
#   bench/dns.sh [ROUNDS, default 5] [SECONDS OF A ROUND, default 5]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rounds=${1:-5}
seconds=${2:-5}
plane=$root/plane
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
for tool in nsd dnsperf; do
    PATH=$PATH:/usr/sbin command -v $tool >/dev/null || { echo "needs $tool" >&2; exit 2; }
done
nsd=$(PATH=$PATH:/usr/sbin command -v nsd)
"$plane" --version >/dev/null   # builds, if need be
free_port() { local p; while p=$((20000 + RANDOM % 10000)); ss -Hlnut "sport = :$p" | grep -q .; do :; done; echo "$p"; }

start() { # NAME ARGUMENTS…
    local log=$work/$1.log
    shift
    : >"$log"
    "$plane" "$@" >"$log" 2>"$log.err" &
    pids+=($!)
    until grep -q '^ready ' "$log"; do
        kill -0 "${pids[-1]}" 2>/dev/null || { cat "$log" "$log.err" >&2; exit 1; }
        sleep 0.05
    done
}

cd "$work"
zone=acme.bench
start controller controller --db "sqlite:$work/plane.db" --port 0 --gateway-port 0
gateway=$(grep -o 'gateway=[^ ]*' controller.log | cut -d= -f2)
http=$(grep -o 'url=[^ ]*' controller.log | cut -d= -f2 || true)
port=$(free_port)
start dns dns --gateway "$gateway" --zone $zone --host 127.0.0.1 --port "$port" --rate-limit 0 --name-server "ns.$zone=192.0.2.53"
dns=${pids[-1]}

# The same names and values on both sides: 50 clusters with two values each, as during an order.
{
    printf '$ORIGIN %s.\n$TTL 1\n@ 3600 IN SOA ns hostmaster 1 7200 900 1209600 1\n@ 3600 IN NS ns\nns 3600 IN A 192.0.2.53\n' $zone
    for i in $(seq 50); do for v in a b; do printf 'c%s.example.com 1 IN TXT "%s"\n' "$i" "$v-$(printf '%040d' "$i")"; done; done
} >zone
for i in $(seq 50); do
    curl -fsS -o /dev/null -H 'content-type: application/json' "$http/ctrl/c/c$i.example.com/dns/txt" \
        -d "{\"values\":[\"a-$(printf '%040d' "$i")\",\"b-$(printf '%040d' "$i")\"]}"
done
{
    for i in $(seq 50); do
        printf 'c%s.example.com.%s TXT\nc%s.example.com.%s TXT\nc%s.example.com.%s CAA\n_x%s.%s TXT\n' "$i" $zone "$i" $zone "$i" $zone "$i" $zone
    done
    printf '%s SOA\n%s NS\nns.%s A\nexample.org TXT\n' $zone $zone $zone
} >questions
nsd_port=$(free_port)
cat >nsd.conf <<CONF
server:
  ip-address: 127.0.0.1@$nsd_port
  username: ""
  zonesdir: "$work"
  database: ""
  pidfile: "$work/nsd.pid"
  xfrdfile: "$work/xfrd"
  zonelistfile: "$work/zone.list"
  server-count: ${NSD_SERVERS:-1}
  minimal-responses: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: $zone
  zonefile: zone
CONF
"$nsd" -d -c nsd.conf >nsd.log 2>&1 &
pids+=($!)
until dnsperf -q 1 -n 1 -d questions -s 127.0.0.1 -p "$nsd_port" 2>/dev/null | grep -q 'Queries completed: *204'; do
    kill -0 "${pids[-1]}" 2>/dev/null || { cat nsd.log >&2; exit 1; }
    sleep 0.1
done

ask() { # PORT SECONDS: questions a second
    dnsperf -s 127.0.0.1 -p "$1" -d questions -l "$2" -c 8 -q 200 -e >out 2>&1 || { cat out >&2; exit 1; }
    grep -q 'Queries lost: *0 ' out || echo "  $(grep 'Queries lost' out) on port $1" >&2
    grep 'Response codes' out >>"codes.$1"
    awk '/Queries per second/ { print $4 }' out
}
rss() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$dns/status"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

ask "$port" 3 >/dev/null   # compiled by then
ask "$nsd_port" 1 >/dev/null
before=$(rss)
echo "| round | plane dns, questions/s | nsd, questions/s | ratio |"
echo "| --- | --- | --- | --- |"
for round in $(seq "$rounds"); do
    ours=$(ask "$port" "$seconds")
    theirs=$(ask "$nsd_port" "$seconds")
    ratio=$(awk "BEGIN { print $ours / $theirs }")
    echo "$ours" >>ours; echo "$theirs" >>theirs; echo "$ratio" >>ratios
    printf '| %s | %.0f | %.0f | %.2f |\n' "$round" "$ours" "$theirs" "$ratio"
done
printf '| median | %.0f | %.0f | %.2f |\n' "$(median <ours)" "$(median <theirs)" "$(median <ratios)"
echo
echo "Memory of plane dns: $before MiB before the rounds, $(rss) MiB after."
echo "Answers, plane dns: $(tail -1 "codes.$port" | sed 's/.*: *//')"
echo "Answers, nsd: $(tail -1 "codes.$nsd_port" | sed 's/.*: *//')"
