#!/bin/bash
# The tests over containers: `make test-compose`; arguments are names of tests to run, else all. Needs root, Debian's docker.io, docker-compose and haproxy, and what
# builds Klatch; pulls no image.
#
# Everything runs in namespaces of its own (processes, network, mounts): a Docker daemon that nobody else sees, whose bridges
# and firewall rules are nobody else's, beside any other that runs. When the first process in there ends, however it ends,
# the kernel ends all the others and takes the rest away. What stays are files in one folder, which the next lines remove;
# after a kill -9 of this script itself, the next run does.
set -euo pipefail
cd "$(dirname "$0")/.."

place=/var/tmp/klatch-test-compose     # short: it holds sockets
project=klatch-test
say() { echo "test-compose: $*"; }

missing() {
    [ "$(id -u)" = 0 ] || { say "needs root: a Docker daemon is started" >&2; exit 1; }
    local packages=()
    command -v dockerd >/dev/null || packages+=(docker.io)
    compose >/dev/null || packages+=(docker-compose)
    builds || packages+=(docker-buildx)
    command -v haproxy >/dev/null || packages+=(haproxy)
    command -v iptables >/dev/null || packages+=(iptables)
    command -v ip >/dev/null || packages+=(iproute2)
    command -v openssl >/dev/null || packages+=(openssl)
    [ ${#packages[@]} -eq 0 ] || { say "missing: apt install ${packages[*]}" >&2; exit 1; }
}

# Debian's own first: it goes with Debian's daemon.
export PATH=/usr/bin:$PATH
compose() {
    if docker compose version >/dev/null 2>&1; then echo "docker compose"; else command -v docker-compose; fi
}
# BuildKit is in the client up to version 22, afterwards in a plugin.
builds() {
    local version
    version=$(docker --version 2>/dev/null | sed -n 's/^Docker version \([0-9]*\).*/\1/p')
    [ "${version:-0}" -lt 23 ] || docker buildx version >/dev/null 2>&1
}

# What a run leaves behind in files, also one that was killed.
remove() {
    local mounts
    mounts=$(awk -v place="$place/" 'index($2, place) == 1 { print $2 }' /proc/self/mounts | sort -r)
    for mount in $mounts; do umount -l "$mount"; done
    rm -rf "$place"
    find /sys/fs/cgroup -depth -type d -path "*/$project*" -exec rmdir {} + 2>/dev/null || true
}

left_behind() {
    [ ! -e "$place" ] || echo "$place"
    awk -v place="$place" 'index($2, place) == 1 { print "mount", $2 }' /proc/self/mounts
    pgrep -af "$place" | grep -v pgrep || true
    find /sys/fs/cgroup -type d -path "*/$project*" 2>/dev/null || true
}

# Everything below happens in namespaces.
inside() {
    # Processes go when this one goes, but a way out for whoever presses Ctrl-C.
    trap 'exit 130' INT TERM
    ip link set lo up
    # Where the daemon and containerd leave sockets and keys, whatever folder they are told.
    mount -t tmpfs tmpfs /run
    for folder in /etc/docker /opt; do
        [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
    done
    export DOCKER_HOST=unix://$place/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$place/data" --exec-root "$place/exec" --pidfile "$place/docker.pid" \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$project" >"$place/dockerd.log" 2>&1 &
    local daemon=$!
    until docker info >/dev/null 2>&1; do
        kill -0 $daemon 2>/dev/null || { tail -n 20 "$place/dockerd.log" >&2; say "dockerd does not start" >&2; exit 1; }
        sleep 0.1
    done
    say "a Docker daemon of its own runs ($(docker info --format '{{.ServerVersion}}, {{.Driver}}' 2>/dev/null))"
    images
    local code=0
    "$KLATCH_TEST_PROGRAM" --test-threads=1 --nocapture "$@" || code=$?
    local ids
    ids=$(docker ps --all --quiet; docker volume ls --quiet)
    [ -z "$ids" ] || { say "the tests left containers or volumes: $ids" >&2; code=1; }
    kill $daemon
    wait $daemon || true
    exit $code
}

# From programs of this machine, the bases that the Dockerfile takes from registries elsewhere.
images() {
    local root=$place/images
    mkdir -p "$root/binaries/data" "$root/runtime" "$root/haproxy"
    strip --strip-debug -o "$root/binaries/klatch" "$KLATCH_BIN" 2>/dev/null || cp "$KLATCH_BIN" "$root/binaries/klatch"
    cp -L .tools/bin/nats-server "$root/binaries/"
    with_libraries "$root/runtime" "$KLATCH_BIN"
    mkdir -p "$root/runtime/etc/ssl/certs" "$root/runtime/tmp"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/runtime/etc/ssl/certs/"
    with_libraries "$root/haproxy" "$(command -v haproxy)"
    mkdir -p "$root/haproxy/usr/bin"
    cp -L "$(command -v haproxy)" "$root/haproxy/usr/bin/"
    for base in binaries runtime haproxy; do
        tar -c -C "$root/$base" . | docker import --change 'ENV PATH=/usr/local/bin:/usr/bin' - "$project/$base" >/dev/null
    done
    rm -rf "$root"
    for target in klatch balancer; do
        DOCKER_BUILDKIT=1 docker build --quiet --network none --target "$target" --tag "$project/$target" \
            --build-arg BINARIES="$project/binaries" --build-arg RUNTIME="$project/runtime" \
            --build-arg HAPROXY="$project/haproxy" . >/dev/null
        say "image $target: $(docker image inspect --format '{{.Size}}' "$project/$target" | numfmt --to=si)B"
    done
}

# The shared libraries of a program, and the loader, where it looks for them.
with_libraries() {
    local root=$1 program=$2 library
    for library in $(ldd "$program" | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

if [ "${1:-}" = --inside ]; then
    inside "${@:2}"
fi

missing
exec 9<"$0"
flock --nonblock 9 || { say "another run is under way" >&2; exit 1; }
remove
mkdir -p "$place"
scripts/compose_secrets.sh "$place" >/dev/null
KLATCH_TEST_SECRETS=$place KLATCH_TEST_COMPOSE=$(compose)
# Outside the namespaces, where there is a network.
KLATCH_TEST_PROGRAM=$(cargo test --quiet --workspace --features klatch-tests/compose --test compose --no-run --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "compose": print(built["executable"])')
: "${KLATCH_BIN:?names the klatch to test}"
export KLATCH_TEST_SECRETS KLATCH_TEST_COMPOSE KLATCH_TEST_PROGRAM KLATCH_BIN KLATCH_IMAGE=$project/klatch BALANCER_IMAGE=$project/balancer

code=0
unshare --mount --net --pid --fork --mount-proc --kill-child "$0" --inside "$@" 9<&- || code=$?
remove
left=$(left_behind)
if [ -n "$left" ]; then
    say "NOT clean, this is left: $left" >&2
    exit 1
fi
say "the machine is as it was: no container, volume, network, image, process, mount or file is left"
exit $code
