# shellcheck shell=bash
# Sourced by ./plane and the scripts of this folder: builds a project, and runs a program that is built if need be.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
configuration=Release
scratch=$root/.build
# The folders of the product. A change in one of them makes ./plane build again.
product=(Acme Client Grains Grains.Interfaces Storage Hosting Silo DroneHost ProxyHost DnsHost Files Cli)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE=true
export DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export PLANE_HOME=$root
# The programs of this machine are never reached through an HTTP proxy.
export NO_PROXY=${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost,::1
export no_proxy=$NO_PROXY

say() { echo "plane: $*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

check_sdk() {
    local download=https://dotnet.microsoft.com/download/dotnet/10.0
    have dotnet || die "the .NET 10 SDK is needed and dotnet is not on the PATH." \
        "Install it from $download (Debian and Ubuntu: the package dotnet-sdk-10.0), then run this again."
    # dotnet itself compares the SDK with global.json, and fails if it is too old.
    (cd "$root" && dotnet --version >/dev/null 2>&1) || die "the .NET SDK here" \
        "($(cd / && dotnet --version 2>/dev/null || echo none)) is too old: 10.0.100 or later is needed." \
        "Install it from $download, then run this again."
}

# build PROJECT: prints nothing but the whole output of a build that failed. Leaves no build server running.
build() {
    local log=$scratch/build.log code=0
    # One compiler for all projects, with a name that this build alone uses: a new one for each would spend most of its time on being compiled itself.
    local compiler=plane-build-$$
    mkdir -p "$scratch"
    (cd "$root" && dotnet build "$1" -c "$configuration" -nodeReuse:false -p:UseSharedCompilation=true "-p:SharedCompilationId=$compiler" -v quiet) >"$log" 2>&1 || code=$?
    if have pkill; then pkill -f -- "-pipename:$compiler" || true; fi
    if [ "$code" != 0 ]; then
        cat "$log" >&2
        if grep -qE 'NU1301|NU1101|Unable to load the service index' "$log"; then
            die "packages could not be fetched: the package registry (see: dotnet nuget list source)" \
                "did not answer or lacks one. The first build needs the network; later ones don't."
        fi
        die "the build of $1 failed"
    fi
}

# stale STAMP FOLDER…: whether a source, of the product or in a further folder, is newer than the stamp.
# Directories count too: a removed file changes only its directory.
stale() {
    [ -e "$1" ] || return 0
    [ -n "$(cd "$root" && find ./*.props ./*.targets global.json "${product[@]}" "${@:2}" \
        \( -name bin -o -name obj \) -prune -o \( -type d -o -type f \) -newer "$1" -print -quit)" ]
}

# run_program PROJECT PROGRAM [FOLDER …] -- ARGUMENT …: replaces this shell by the program, which is built first
# if it does not exist or if a source of the product or in one of the folders has changed.
run_program() {
    local project=$1 program=$2 folders=()
    shift 2
    while [ "$1" != -- ]; do folders+=("$1"); shift; done
    shift
    local output stamp=$scratch/$program
    output=$root/$(dirname "$project")/bin/$configuration/net10.0
    if [ ! -e "$output/$program.dll" ] || stale "$stamp" "${folders[@]}"; then
        check_sdk
        mkdir -p "$scratch"
        # Two commands that start together build once.
        if have flock; then exec 9>"$scratch/lock" && flock 9; fi
        if [ ! -e "$output/$program.dll" ] || stale "$stamp" "${folders[@]}"; then
            say "building (once; about a minute the first time) …"
            touch "$stamp.new"
            build "$project"
            # The first build makes bin and obj folders, which changes their parents after the build's start.
            if [ -e "$stamp" ]; then mv "$stamp.new" "$stamp"; else rm "$stamp.new" && touch "$stamp"; fi
        fi
        if have flock; then exec 9>&-; fi
    fi
    have dotnet || check_sdk
    exec dotnet "$output/$program.dll" "$@"
}
