# shellcheck shell=bash
# Sourced after needs.sh: a run of tests or bench. It has a name, may start a container engine, and leaves nothing.
engine_data=/var/lib/plane-test-docker   # of an engine that a run starts; images stay there for the next run
own_engine='' own_bridge=''
started=()   # pids of what this run started, ended in reverse order
summary=     # the last line of the output

# Whatever this run starts has its name in the environment (PLANE_TEST_RUN), and ends with it.
begin_run() {
    export PLANE_TEST_RUN=${PLANE_TEST_RUN:-r$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')}
    work=$(mktemp -d "${TMPDIR:-/tmp}/plane-test-XXXXXX")
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

finish() {
    local code=$? pid i
    trap - EXIT INT TERM
    unlock_services
    if [ -n "$work" ]; then
        remove_containers
        remove_processes
        for ((i = ${#started[@]} - 1; i >= 0; i--)); do
            pid=${started[i]}
            kill -TERM "$pid" 2>/dev/null || continue
            for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
            kill -KILL "$pid" 2>/dev/null || true
            wait "$pid" 2>/dev/null || true
        done
        # An engine that ends does not remove its bridge.
        if [ -n "$own_engine" ] && [ -n "$own_bridge" ]; then ip link delete docker0 2>/dev/null || true; fi
        local left="pt-$PLANE_TEST_RUN-"
        rm -rf "$work" "${TMPDIR:-/tmp}/$left"* "/dev/shm/$left"* 2>/dev/null || true
    fi
    [ -z "$summary" ] || echo "$summary"
    exit "$code"
}

# Removes containers with this run's image tags or label, which a crashed test may have left, and then the tags.
remove_containers() {
    engine_answers || return 0
    local repository=plane-test-run-${PLANE_TEST_RUN,,} left=() format
    mapfile -t left < <({
        docker ps -aq --no-trunc --filter "label=dev.plane.test.run=$PLANE_TEST_RUN"
        docker ps -a --no-trunc --format '{{.ID}} {{.Image}}' | awk -v r="$repository:" 'index($2, r) == 1 { print $1 }'
    } | sort -u)
    if [ ${#left[@]} -gt 0 ]; then
        say "removing containers that tests left:"
        format='  {{.Name}} {{.State.Status}} {{.Config.Image}} {{json .Config.Labels}}'
        docker inspect --format "$format" "${left[@]}" 2>/dev/null | cut -c1-300 || true
        docker rm -fv "${left[@]}" >/dev/null 2>&1 || true
    fi
    mapfile -t left < <(docker images --format '{{.Repository}}:{{.Tag}}' "$repository")
    [ ${#left[@]} = 0 ] || docker rmi --no-prune "${left[@]}" >/dev/null 2>&1 || true
}

# Ends processes with this run's name in their environment, which tests left.
remove_processes() {
    local environ pid
    for environ in /proc/[0-9]*/environ; do
        pid=${environ#/proc/} pid=${pid%/environ}
        if [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ]; then continue; fi
        if { tr '\0' '\n' <"$environ"; } 2>/dev/null | grep -qx "PLANE_TEST_RUN=$PLANE_TEST_RUN"; then
            case " ${started[*]-} " in *" $pid "*) continue ;; esac
            say "ending a process that tests left: $pid" \
                "$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | cut -c1-100)"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
}

# Two engines in one network namespace would share a bridge and firewall chains, which breaks the first one's network.
# So none is started beside another; one that is just starting or stopping is waited for.
other_engine() { # prints the pid of an engine that runs and does not answer
    local running
    for _ in $(seq 100); do
        running=$(grep -lx dockerd /proc/[0-9]*/comm 2>/dev/null | head -1) || true
        [ -n "$running" ] || return 0
        sleep 0.2
        if engine_answers; then return 0; fi
    done
    running=${running#/proc/}
    echo "${running%/comm}"
}

start_docker() {
    engine_answers && return 0
    local running flags=() arguments pid
    if [ "$(id -u)" != 0 ] || ! have dockerd; then
        say "no container engine answers${DOCKER_HOST:+ at $DOCKER_HOST}, and this run can't start one:" \
            "that needs root and the command dockerd. What needs it will fail"
        return 0
    fi
    running=$(other_engine)
    if [ -n "$running" ]; then
        say "no container engine answers${DOCKER_HOST:+ at $DOCKER_HOST}, but this machine has one" \
            "(process $running): a second one would break its network."
        say "Set DOCKER_HOST to its socket; what needs it will fail"
        return 0
    fi
    engine_answers && return 0
    mkdir -p "$engine_data"
    # A bridge that exists already belongs to an engine that is stopped: it is used, and stays.
    [ -e /sys/class/net/docker0 ] || own_bridge=1
    say "starting a container engine for this run"
    export DOCKER_HOST=unix://$work/docker.sock
    # Where the network may not be configured (a container without the capability), published ports still work
    # through docker-proxy.
    for arguments in "" "--iptables=false --ip6tables=false"; do
        read -ra flags <<<"$arguments"
        # Without this run's name, by which the engine and its containerd would be ended as left by a test.
        env -u PLANE_TEST_RUN setsid dockerd --host "$DOCKER_HOST" --data-root "$engine_data/data" \
            --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" "${flags[@]}" >"$work/dockerd.log" 2>&1 &
        pid=$!
        for _ in $(seq 300); do
            if engine_answers; then started+=("$pid"); own_engine=1; return 0; fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    tail -5 "$work/dockerd.log" >&2
    say "the container engine does not start; what needs it will fail"
}
