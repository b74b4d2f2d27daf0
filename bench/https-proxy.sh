# Sourced by benches: a controller and a proxy with HTTPS on built binaries, with certificates of a private authority made here. Sets work, http_port,
# https_port, and ends everything with the shell.
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

make_authority() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/root.key" 2>/dev/null
    openssl req -x509 -new -key "$work/root.key" -subj "/CN=Bench Root" -days 3650 -out "$work/root.pem" 2>/dev/null
}

issue() { # HOST NAME: $work/NAME.pem and .key
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$2.key" 2>/dev/null
    openssl req -new -key "$work/$2.key" -subj "/CN=$1" -out "$work/$2.csr" 2>/dev/null
    openssl x509 -req -in "$work/$2.csr" -CA "$work/root.pem" -CAkey "$work/root.key" -CAcreateserial -days 90 -out "$work/$2.pem" -extfile \
        <(printf 'subjectAltName=DNS:%s,DNS:*.%s\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' "$1" "$1") 2>/dev/null
}

wait_for_line() { # FILE PATTERN
    for _ in $(seq 600); do grep -qs "$2" "$1" && return 0; sleep 0.1; done
    cat "$1" >&2
    return 1
}

start_https_proxy() { # HOST [MORE FLAGS]
    local plane=${PLANE:-$root/plane} gateway   # PLANE: another build of it
    "$plane" --version >/dev/null   # builds, if need be
    make_authority
    issue "$1" cert
    local host=$1
    shift
    "$plane" controller --db "sqlite:$work/plane.db" --port 0 --gateway-port 0 >"$work/controller.log" 2>&1 &
    pids+=($!)
    wait_for_line "$work/controller.log" '^ready controller'
    gateway=$(grep -o 'gateway=[^ ]*' "$work/controller.log" | cut -d= -f2)
    "$plane" proxy --gateway "$gateway" --cluster "$host" --host 127.0.0.1 --https --http-port 0 --https-port 0 \
        --cert "$work/cert.pem" --key "$work/cert.key" --cert-check-every 100ms "$@" >"$work/proxy.log" 2>&1 &
    pids+=($!)
    wait_for_line "$work/proxy.log" 'HTTPS is served at'
    wait_for_line "$work/proxy.log" '^ready proxy'
    https_port=$(grep -o 'HTTPS is served at https://127.0.0.1:[0-9]*' "$work/proxy.log" | grep -o '[0-9]*$')
    http_port=$(grep -o 'ready proxy url=http://127.0.0.1:[0-9]*' "$work/proxy.log" | grep -o '[0-9]*$')
}
