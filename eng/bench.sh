#!/usr/bin/env bash
# ./plane bench [NAME …]: measures Plane against its peers, which are Debian's packages and one from npm.
# Nothing else should run on the machine meanwhile.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=eng/build.sh
. "$here/build.sh"
# shellcheck source=eng/needs.sh
. "$here/needs.sh"
# shellcheck source=eng/run.sh
. "$here/run.sh"

check_sdk
begin_run
install_needs bench bench_packages || exit 1
start_docker
say "building"
build bench/Bench.csproj
# Ten thousand connections through a proxy are twenty thousand files. Root may raise the limit.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
code=0
dotnet "$root/bench/bin/$configuration/net10.0/plane-bench.dll" "$@" &
wait $! || code=$?
exit "$code"
