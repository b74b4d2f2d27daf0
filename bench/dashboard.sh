#!/usr/bin/env bash
# How soon the dashboard's pages are there, and how soon its list is filtered, with many backends: an installation on SQLite, one backend whose row is copied, and headless Chromium.
# Prints a Markdown table. Nothing else should run meanwhile.
#
#   bench/dashboard.sh [BACKENDS, default 10000] [ROUNDS, default 10]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
plane=$root/plane
driver=$(compgen -G "${NUGET_PACKAGES:-$HOME/.nuget/packages}/microsoft.playwright/*/.playwright" | sort -V | tail -n 1) || {
    echo "dashboard.sh: the tests' browser driver is needed: dotnet restore Tests" >&2
    exit 1
}
work=$(mktemp -d)
up=
trap '[ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up"; } || true; rm -rf "$work"' EXIT
"$plane" --version >/dev/null   # builds, if need be
cd "$work"
"$plane" up --data "$work/data" --port 0 --proxy-port 0 --runtime process >"$work/log" 2>&1 &
up=$!
until [ "$(grep -c '^ready ' "$work/log")" -ge 3 ]; do
    kill -0 "$up" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
case $(uname -m) in aarch64) machine=arm64 ;; *) machine=x64 ;; esac
url=$(grep -o '^ready controller url=[^ ]*' "$work/log" | cut -d= -f2-)
NODE_NO_WARNINGS=1 "$driver/node/linux-$machine/node" "$root/bench/dashboard.mjs" "$driver/package/index.mjs" "$url" "$work/data/plane.db" "${1:-10000}" "${2:-10}"
