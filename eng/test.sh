#!/usr/bin/env bash
# ./plane test [FILTER]: installs what is missing, starts a container engine if none answers, builds, tests, and
# removes what the run left. The last line is "N passed, N failed, N skipped".
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=eng/build.sh
. "$here/build.sh"
# shellcheck source=eng/needs.sh
. "$here/needs.sh"
# shellcheck source=eng/run.sh
. "$here/run.sh"

passed=0 failed=0 skipped=0 code=0 failures=''

# The lines of the log about tests that failed, without what the other tests wrote.
read_failures() {
    awk '
        /^  (Failed|Passed|Skipped) / { on = /^  Failed /; lines = 0 }
        /^  Standard Output Messages:|^\[xUnit/ { on = 0 }
        on && lines++ < 40' "$1" | cut -c1-600
}

# run_tests FILTER: builds, tests, counts.
run_tests() {
    local results=$scratch/test status=0 arguments=() clean=() trx log total executed ran
    log=$results/log.txt trx=$results/result.trx
    say "building"
    # In a shell of its own, which a failure ends: this one still has to print its last line.
    if ! (build Plane.Orleans.sln); then code=1; return; fi
    rm -rf "$results"
    mkdir -p "$results"
    case $1 in
        # Tests with this mark install for minutes: they run when they are asked for.
        "") arguments+=(--filter 'Run!=ByName') ;;
        *[=~]*) arguments+=(--filter "$1") ;;
        *) arguments+=(--filter "FullyQualifiedName~$1") ;;
    esac
    say "testing; log in ${log#"$root/"}"
    # A background job of a script ignores Ctrl-C, and so do its children: a test that sends one would wait forever.
    if env --default-signal=INT,QUIT true 2>/dev/null; then clean=(env '--default-signal=INT,QUIT'); fi
    # In the background: a shell handles signals while it waits, and not while a foreground command runs.
    (cd "$root" && "${clean[@]}" dotnet test Tests/Tests.csproj -c "$configuration" --no-build --nologo \
        --logger "trx;LogFileName=result.trx" --logger "console;verbosity=normal" --results-directory "$results" \
        --blame-hang --blame-hang-timeout 5m --blame-hang-dump-type none "${arguments[@]}" 2>&1 | tee "$log") &
    wait $! || status=$?
    count() {
        [ -f "$trx" ] && grep -o '<Counters [^>]*>' "$trx" | grep -oE " $1=\"[0-9]+\"" | grep -oE '[0-9]+' || echo 0
    }
    total=$(count total) executed=$(count executed) ran=$(count passed)
    passed=$ran failed=$((executed - ran)) skipped=$((total - executed))
    [ "$total" -gt 0 ] || { say "no test ran"; status=1; }
    if [ "$status" != 0 ] && [ "$executed" = "$ran" ] && [ "$total" -gt 0 ]; then
        say "the test run ended before all tests had"
    fi
    if [ "$executed" != "$ran" ]; then status=1 failures=$(read_failures "$log"); fi
    [ "$status" = 0 ] || code=1
}

check_sdk
begin_run
# Hundreds of short-lived programs: profiling each for a better compilation later costs more than it gains, and so does compiling again what was called thirty times
# (from 1,000 times on, in hexadecimal).
export DOTNET_TieredPGO=0 DOTNET_TC_CallCountThreshold=3E8
install_needs "test run" test_packages || say "the tests that need them will fail"
start_docker
run_tests "${1:-}"
echo
if [ "$failed" != 0 ]; then
    echo "Failed:"
    echo "$failures"
fi
summary="$passed passed, $failed failed, $skipped skipped"
exit "$code"
