#!/usr/bin/env bash
# The lease protocol on virtual time: a million schedules, or as many as are asked for, with every kind of fault. Prints how many were run, what came up in
# them, and the first broken rule with its trace; ends with 1 where a rule was broken.
#
#   bench/simulate.sh [SCHEDULES, default 1000000] [options of the simulation: --first SEED, --focus NAME, --bug NAME, --threads N]
#   bench/simulate.sh --seed SEED [--trace [LINES]] [--focus NAME] [--bug NAME]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dotnet build "$root/tools/Simulation/Simulation.csproj" -c Release -v q --nologo -clp:ErrorsOnly
program=$root/tools/Simulation/bin/Release/net10.0/Plane.Simulation
case ${1:-} in
    --seed) exec "$program" "$@" ;;
    -*) exec "$program" --schedules 1000000 "$@" ;;
    *) exec "$program" --schedules "${1:-1000000}" "${@:2}" ;;
esac
