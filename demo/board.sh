#!/usr/bin/env bash
# The demo's session backend in the two forms in which a drone can run it.
#
#   demo/board.sh image     makes the container image if need be (no registry takes part) and prints its name
#   demo/board.sh command   prints the command for the process runtime, as a JSON array on one line
#   demo/board.sh build     builds it if need be, prints nothing
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
output=$root/demo/Board/bin/Release/net10.0
stamp=$root/.build/board
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

stale() {
    [ -e "$output/board.dll" ] && [ -e "$stamp" ] || return 0
    [ -n "$(cd "$root" && find demo/Board Directory.Build.props global.json \( -name bin -o -name obj \) -prune -o -type f -newer "$stamp" -print -quit)" ]
}

build() {
    stale || return 0
    mkdir -p "$root/.build"
    if command -v flock >/dev/null; then exec 8>"$root/.build/board.lock" && flock 8; fi
    if stale; then
        local log=$root/.build/board.log
        touch "$stamp.new"
        (cd "$root" && dotnet build demo/Board/Board.csproj -c Release -nodeReuse:false -p:UseSharedCompilation=false -v quiet) >"$log" 2>&1 ||
            { cat "$log" >&2; echo "board.sh: the board does not build" >&2; exit 1; }
        mv "$stamp.new" "$stamp"
    fi
    if command -v flock >/dev/null; then exec 8>&-; fi
}

quoted() { local s=${1//\\/\\\\}; printf '"%s"' "${s//\"/\\\"}"; }

case ${1:-} in
    build) build ;;
    command) build; printf '[%s, %s]\n' "$(quoted "$(readlink -f "$(command -v dotnet)")")" "$(quoted "$output/board.dll")" ;;
    image) build; exec "$root/demo/image.sh" plane-demo-board "$output" board.dll BOARD_BIND=any ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
