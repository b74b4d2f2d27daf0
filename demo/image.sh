#!/usr/bin/env bash
# Makes a container image of a .NET program without any registry: the program's build output, the .NET runtime of this
# machine and the few shared libraries that it loads, nothing else. Prints the image's name, tagged with a hash of its content;
# an image that exists already costs two calls.
#
#   demo/image.sh NAME DIRECTORY PROGRAM.dll [ENV=VALUE …]
#
# IMAGE_USER (default 65532:65532, nobody that owns anything) is the user that the program runs as.
set -euo pipefail

die() { echo "image.sh: $*" >&2; exit 1; }
[ $# -ge 3 ] || die "usage: image.sh NAME DIRECTORY PROGRAM.dll [ENV=VALUE …]"
name=$1 directory=$2 program=$3
shift 3
user=${IMAGE_USER:-65532:65532}
[ -f "$directory/$program" ] || die "$directory/$program does not exist; build it first"
[ "$(uname -s)" = Linux ] || die "an image is put together from this machine's own .NET runtime, which must be a Linux one"

# The engine: the docker command where there is one, else its socket.
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
engine() {
    case $socket in
        unix://*) curl -sS --fail-with-body --unix-socket "${socket#unix://}" "$@" ;;
        *) die "without the docker command only DOCKER_HOST=unix://… is understood" ;;
    esac
}
exists() {
    if command -v docker >/dev/null; then docker image inspect "$1" >/dev/null 2>&1
    else engine -o /dev/null "http://docker/images/$1/json" 2>/dev/null; fi
}
urlencode() { local s=$1 i c out=; for ((i = 0; i < ${#s}; i++)); do c=${s:i:1}; case $c in [A-Za-z0-9._~-]) out+=$c ;; *) printf -v c %%%02X "'$c"; out+=$c ;; esac; done; echo "$out"; }
import() { # ref change…
    local ref=$1 query args=()
    shift
    if command -v docker >/dev/null; then
        for change; do args+=(--change "$change"); done
        docker import "${args[@]}" - "$ref" >/dev/null
    else
        query="fromSrc=-&repo=$(urlencode "${ref%:*}")&tag=${ref##*:}"
        for change; do query+="&changes=$(urlencode "$change")"; done
        engine -o /dev/null -X POST -H 'content-type: application/x-tar' -T - "http://docker/images/create?$query"
    fi
}

# The newest runtime that the program's major version accepts, beside the dotnet that runs here.
dotnet=$(readlink -f "$(command -v dotnet)") || die "dotnet is not on the PATH"
home=$(dirname "$dotnet")
newest() { local found=("$home/$1"/10.*); printf '%s\n' "${found[@]}" | sort -V | tail -1; }
core=$(newest shared/Microsoft.NETCore.App)
web=$(newest shared/Microsoft.AspNetCore.App)
fxr=$(newest host/fxr)
for part in "$core" "$web" "$fxr"; do [ -d "$part" ] || die "no .NET 10 runtime in $home"; done

# What they load: by the linker, and (OpenSSL, without which a WebSocket's handshake has no SHA-1) by name at run time.
libraries() {
    {
        ldd "$dotnet" "$fxr/libhostfxr.so" "$core"/lib{hostpolicy,coreclr,clrjit,System.Native,System.Security.Cryptography.Native.OpenSsl}.so |
            awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }'
        for ssl in libssl.so libcrypto.so; do
            find /lib /usr/lib /lib64 /usr/lib64 -maxdepth 2 \( -name "$ssl.3" -o -name "$ssl.1.1" \) 2>/dev/null | head -1
        done
    } | sort -u
}
mapfile -t libraries < <(libraries)

hash=$({
    cat "$0"
    echo "$program $user $*" "$core" "$web" "$fxr"
    stat -L -c '%n %s %Y' "${libraries[@]}"
    cd "$directory" && find . -type f ! -name '*.pdb' ! -name '*.xml' -print0 | sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-12)
ref=$name:$hash
if exists "$ref"; then echo "$ref"; exit 0; fi

# One builder at a time; the second finds the image.
if command -v flock >/dev/null; then
    exec 9>"${TMPDIR:-/tmp}/plane-image-$(id -u)-${name//\//-}.lock"
    flock 9
    if exists "$ref"; then echo "$ref"; exit 0; fi
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
at=$root/usr/share/dotnet
mkdir -p "$root"/{app,tmp,etc} "$at"/{host/fxr,shared/Microsoft.NETCore.App,shared/Microsoft.AspNetCore.App}
chmod 1777 "$root/tmp"
echo "app:x:${user%:*}:${user#*:}::/tmp:/" >"$root/etc/passwd"
echo "app:x:${user#*:}:" >"$root/etc/group"
cp -L "$dotnet" "$at/dotnet"
cp -rL "$fxr" "$at/host/fxr/"
cp -rL "$core" "$at/shared/Microsoft.NETCore.App/"
cp -rL "$web" "$at/shared/Microsoft.AspNetCore.App/"
# Debuggers' and tracers' parts: a fifth of the size, of no use in here.
find "$at" \( -name 'libmscordbi.so' -o -name 'libmscordaccore.so' -o -name 'libcoreclrtraceprovider.so' -o -name '*.pdb' -o -name createdump \) -delete
for library in "${libraries[@]}"; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp -rL "$directory/." "$root/app/"
find "$root/app" \( -name '*.pdb' -o -name '*.xml' \) -delete
# Libraries may live where the linker of the image does not look without its cache.
paths=$(printf '%s\n' "${libraries[@]}" | xargs -n1 dirname | sort -u | paste -sd:)

changes=(
    "ENTRYPOINT [\"/usr/share/dotnet/dotnet\", \"/app/$program\"]"
    "WORKDIR /app"
    "USER $user"
    "EXPOSE 8080"
    "ENV DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1"
    "ENV DOTNET_EnableDiagnostics=0"
    "ENV DOTNET_NOLOGO=1"
    "ENV LD_LIBRARY_PATH=$paths"
    "ENV HOME=/tmp"
)
for variable; do changes+=("ENV $variable"); done
tar -C "$root" --owner=0 --group=0 --numeric-owner -cf - . | import "$ref" "${changes[@]}" || die "the container engine refused the image"
echo "$ref"
