#!/usr/bin/env bash
# Makes what compose.yaml and kubernetes/ read as files: passwords, the control token, and a private authority with the certificates by
# which controllers and their clients know each other. What exists is kept, so that a further client is made by running it again.
#
#   deploy/secrets.sh DIRECTORY [CLIENT …]     clients: drone proxy dns where none is named
#
# CHANGE: for more than a trial keep gateway-ca.key off these machines, and give each machine a client certificate of its own.
# Controllers' certificates are for both uses: to its peers a controller is a client too. Names in them are not compared: a client that has a
# certificate of this authority, and no other, may call the controllers' grains.
set -euo pipefail
umask 077
[ $# -ge 1 ] || { echo "usage: secrets.sh DIRECTORY [CLIENT …]" >&2; exit 2; }
directory=$1
shift
[ $# -gt 0 ] || set -- drone proxy dns
# The directory is closed and the files are not: containers mount single files and read them as users that this machine doesn't know.
mkdir -p "$directory"
chmod 700 "$directory"
cd "$directory"

# An empty file is what a run left that ended in the middle.
random() { [ -s "$1" ] || { rm -f "$1" && openssl rand -hex 24 >"$1"; }; }
random postgres-password
[ -s pgpass ] || { rm -f pgpass && echo "*:*:*:plane:$(cat postgres-password)" >pgpass; }
random ctrl-token

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
if [ ! -e gateway-ca.crt ]; then
    key gateway-ca
    openssl req -x509 -new -key gateway-ca.key -out gateway-ca.crt -days 3650 -subj "/CN=Plane gateway authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
fi
issue() { # name uses
    [ ! -e "$1.crt" ] || return 0
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" |
        openssl x509 -req -CA gateway-ca.crt -CAkey gateway-ca.key -set_serial "0x$(openssl rand -hex 16)" -days 825 -out "$1.crt" \
            -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=DNS:%s\n' "$2" "$1") 2>/dev/null
}
issue controller serverAuth,clientAuth
for client; do issue "$client" clientAuth; done
chmod 444 -- postgres-password pgpass ctrl-token *.crt *.key
chmod 400 gateway-ca.key
