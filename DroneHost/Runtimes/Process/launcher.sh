#!/bin/sh
# Runs one backend, for dash and busybox. It outlives the agent that started it: a session of its own, output to a file, no pipe.
#
#   launcher.sh DIRECTORY BOOT-ID SOFT-DEADLINE MARK MV CGROUP COMMAND...
#
# In DIRECTORY it leaves, each a line (one without its newline is not complete):
#   pid      its own pid and start time; the launcher that creates this file runs the backend, any other launcher of the directory leaves
#   child    the command's pid and start time
#   started  empty: the last look allowed it
#   refused  empty: the last look did not
#   exit     the command's exit code, 128 + signal for a killed one
# SOFT-DEADLINE counts in milliseconds of CLOCK_BOOTTIME, which is what /proc/uptime shows. MARK is the guard's file that ends it, or empty. MV is mv's path:
# PATH and every other variable are the backend's, so nothing here may depend on them, and all names begin with _plane_.
set -u
_plane_dir=$1 _plane_boot=$2 _plane_soft=$3 _plane_mark=$4 _plane_mv=$5 _plane_cgroup=$6
shift 6

exec </dev/null >>"$_plane_dir/output" 2>&1 || exit 126

# A handler, not '': what is ignored here would be ignored by the command forever. The agent signals the command itself.
trap : HUP INT QUIT TERM

# pid and start time (proc(5), fields 1 and 22) of the shell that calls this: $$ is the outer one's even in a subshell.
_plane_identify() {
    read -r _plane_stat </proc/self/stat || return 1
    _plane_identity=${_plane_stat%% *}
    set -- ${_plane_stat##*) }
    shift 19
    _plane_identity="$_plane_identity $1"
}

_plane_may_start() {
    [ ! -e "$_plane_dir/ended" ] || return 1
    [ -z "$_plane_mark" ] || [ ! -e "$_plane_mark" ] || return 1
    read -r _plane_now </proc/sys/kernel/random/boot_id || return 1
    [ "$_plane_now" = "$_plane_boot" ] || return 1
    read -r _plane_now </proc/uptime || return 1
    _plane_now=${_plane_now%% *}
    # 12.08 is 12 * 1000 + 108 * 10 - 1000: without the 1, 08 would be a bad octal number. It stands for 12.08 to 12.09, so the end of that counts.
    _plane_now=$((${_plane_now%%.*} * 1000 + 1${_plane_now#*.} * 10 - 1000 + 10))
    [ "$_plane_now" -lt "$_plane_soft" ]
}

# What a login gives, whatever the agent itself has. Of limits the soft ones: a program that needs more may raise its own up to the agent's hard ones. Where those are lower, they stay.
# (.NET raises its own limit of open files to the hard one, which it would hand on: some programs then close, or reserve memory for, each of a million descriptors.)
_plane_set_limits() {
    umask 022
    ulimit -S -c 0
    ulimit -S -n 1024
    ulimit -S -s 8192
} 2>/dev/null

# The words that run a command at nice 0: none where it is so already, where only a privileged process may lower it (bit 23 of its capabilities, CAP_SYS_NICE) and this one is not, and
# where the tool is missing.
_plane_find_nice() {
    _plane_nice=
    read -r _plane_stat </proc/self/stat || return 0
    set -- ${_plane_stat##*) }
    shift 16
    [ "$1" -ne 0 ] || return 0
    if [ "$1" -gt 0 ]; then
        while read -r _plane_name _plane_value; do
            [ "$_plane_name" != CapEff: ] || break
        done </proc/self/status
        [ "$((0x$_plane_value >> 23 & 1))" -eq 1 ] || return 0
    fi
    for _plane_tool in /usr/bin/nice /bin/nice; do
        [ -x "$_plane_tool" ] || continue
        _plane_nice="$_plane_tool -n $((-$1))"
        return 0
    done
}

# The agent's protection from the out-of-memory killer (a systemd unit gives it one) is not its backends'. Only a privileged process may lower the value, any may raise it.
{ read -r _plane_oom </proc/self/oom_score_adj && { [ "$_plane_oom" -ge 0 ] || echo 0 >/proc/self/oom_score_adj; }; } 2>/dev/null || :

[ -z "$_plane_cgroup" ] || { echo 0 >"$_plane_cgroup"; } 2>/dev/null || :

_plane_find_nice
_plane_identify || exit 126
set -C
{ printf '%s\n' "$_plane_identity" >"$_plane_dir/pid"; } 2>/dev/null || exit 0
set +C

(
    _plane_identify && printf '%s\n' "$_plane_identity" >"$_plane_dir/child" || exit 126
    _plane_may_start || { : >"$_plane_dir/refused"; exit 125; }
    : >"$_plane_dir/started"
    _plane_set_limits
    exec $_plane_nice "$@"
)
_plane_code=$?

printf '%s\n' "$_plane_code" >"$_plane_dir/exit.new" && "$_plane_mv" -f "$_plane_dir/exit.new" "$_plane_dir/exit"
