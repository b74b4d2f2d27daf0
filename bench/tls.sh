#!/usr/bin/env bash
# TLS 1.3 and 1.2 handshakes a second at a proxy beside those at bare Kestrel with the same certificate (openssl s_time, new sessions, as many clients
# as cores, in turns); then requests by h2load (Debian: nghttp2-client) while the certificate is replaced every half second: none may fail. Nothing else should run meanwhile.
#
#   bench/tls.sh [SECONDS A ROUND, default 5] [ROUNDS, default 3]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:-5} rounds=${2:-3}
. "$root/bench/https-proxy.sh"
dotnet build "$root/bench/BareKestrel/BareKestrel.csproj" -c Release -v q --nologo >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
start_https_proxy traffic.example.test
dotnet "$(find "$root/bench/BareKestrel/bin" -path '*Release*' -name barekestrel.dll | head -1)" "$work/cert.pem" "$work/cert.key" >"$work/bare.log" 2>&1 &
pids+=($!)
wait_for_line "$work/bare.log" '^ready'
bare_port=$(grep -o '[0-9]*$' "$work/bare.log" | head -1)

handshakes() { # PORT VERSION: of all clients together, a second
    local i files=()
    for i in $(seq "$(nproc)"); do
        openssl s_time -connect "127.0.0.1:$1" -new "$2" -time "$seconds" >"$work/time.$i" 2>/dev/null &
        files+=($!)
    done
    wait "${files[@]}"
    cat "$work"/time.* | awk '/real seconds/ { n += $1; s = $4 } END { printf "%d", n / s }'
}

echo "| version | bare Kestrel, handshakes/s | proxy, handshakes/s | ratio |"
echo "| --- | --- | --- | --- |"
fails=0
for version in -tls1_3 -tls1_2; do
    bare=0 proxy=0
    handshakes "$bare_port" "$version" >/dev/null
    handshakes "$https_port" "$version" >/dev/null
    for _ in $(seq "$rounds"); do
        bare=$((bare + $(handshakes "$bare_port" "$version")))
        proxy=$((proxy + $(handshakes "$https_port" "$version")))
    done
    ratio=$(awk -v a="$proxy" -v b="$bare" 'BEGIN { printf "%.2f", a / b }')
    echo "| ${version#-} | $((bare / rounds)) | $((proxy / rounds)) | $ratio |"
    [ "$version" != -tls1_3 ] || awk -v r="$ratio" 'BEGIN { exit r < 0.7 }' || fails=1
done

h2load -D "$((seconds * 2))" -c 20 -m 10 "https://127.0.0.1:$https_port/ready" >"$work/h2load" 2>&1 &
load=$!
swaps=0
while kill -0 "$load" 2>/dev/null; do
    issue traffic.example.test next
    mv "$work/next.key" "$work/cert.key"
    mv "$work/next.pem" "$work/cert.pem"
    swaps=$((swaps + 1))
    sleep 0.5
done
echo
echo "$swaps certificates replaced, $(grep -c 'Serving a certificate' "$work/proxy.log") served, under this load:"
grep -E '^(finished|requests|status codes)' "$work/h2load"
grep -qE ' 0 failed, 0 errored' "$work/h2load" || fails=1
exit "$fails"
