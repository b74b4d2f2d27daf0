# shellcheck shell=bash
# Sourced after build.sh: the Debian packages that tests and bench need, and their installation.
policy=   # set while this script keeps packages from starting their services
work=     # the run's own directory (run.sh)

static_busybox() {
    local file
    for file in /usr/bin/busybox /bin/busybox; do
        if [ -x "$file" ] && ! ldd "$file" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

engine_answers() { have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Installed services must not start: a run starts, and stops, its own.
lock_services() {
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=1
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    fi
}
unlock_services() { if [ -n "$policy" ]; then rm -f /usr/sbin/policy-rc.d; policy=; fi; }

test_packages() {
    engine_answers || have dockerd || echo docker.io iptables
    have docker || echo docker.io
    [ -n "${PLANE_TEST_POSTGRES:-}" ] || have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ||
        echo postgresql
    static_busybox || echo busybox-static
    have chromium-headless-shell || have chromium || have google-chrome || echo chromium-headless-shell
    have kdig || echo knot-dnsutils
    have dig || echo bind9-dnsutils
    have drill || echo ldnsutils
    have nsd || [ -x /usr/sbin/nsd ] || echo nsd
    have setpriv || echo util-linux
    have curl || echo curl
    have openssl || echo openssl
    have pebble || echo pebble
    [ -x /usr/sbin/unbound ] || echo unbound
    have certbot || echo certbot
    have ip || echo iproute2
    have node || echo nodejs
    have npm || echo npm
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo faketime
    have haproxy || echo haproxy
    have zsh || echo zsh
    have fish || echo fish
}

bench_packages() {
    local tool
    for tool in wrk nginx haproxy curl npm; do have "$tool" || echo "$tool"; done
    have docker || echo docker.io
    engine_answers || have dockerd || echo docker.io iptables
    static_busybox || echo busybox-static
    compgen -G '/usr/lib/postgresql/*/bin/pgbench' >/dev/null || echo postgresql
}

# On a terminal asks once; Enter means yes. Without a terminal, and in CI, there is no question.
confirm() { # question
    local answer=
    [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ] || return 0
    read -r -p "plane: $1 [Y/n] " answer || return 1
    case ${answer,,} in "" | y | yes) return 0 ;; *) return 1 ;; esac
}

# install_needs WHO PACKAGE-LIST: installs what the list prints, if root may. Returns 1 if something is still missing.
install_needs() {
    local packages=() known=() unknown=() package log=$work/apt.log status=0
    mapfile -t packages < <("$2" | tr ' ' '\n' | sort -u)
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        say "the $1 needs packages that are not installed, and only root on Debian or Ubuntu may install them:"
        say "apt-get install ${packages[*]}"
        return 1
    fi
    say "the $1 needs packages that are not installed: ${packages[*]}"
    confirm "install them now?" || return 1
    say "installing them"
    export DEBIAN_FRONTEND=noninteractive
    lock_services
    # Another installation on this machine is waited for.
    local install=(apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends)
    apt-get update -qq >"$log" 2>&1 || true
    # One name that the distribution does not have would keep apt from installing the others.
    for package in "${packages[@]}"; do
        if apt-cache show "$package" >/dev/null 2>&1; then known+=("$package"); else unknown+=("$package"); fi
    done
    if [ ${#unknown[@]} -gt 0 ]; then say "not in this distribution: ${unknown[*]}"; status=1; fi
    [ ${#known[@]} = 0 ] || "${install[@]}" "${known[@]}" >>"$log" 2>&1 || status=1
    # Newer distributions have the docker command in a package of its own.
    have docker || "${install[@]}" docker-cli >>"$log" 2>&1 || true
    unlock_services
    [ "$status" = 0 ] || { tail -20 "$log" >&2; say "not all packages could be installed"; }
    return "$status"
}
