#!/bin/sh
# Makes what compose.yaml must not start without: .env with a password for each NATS user and the key of tokens, and
# secrets/ with the certificates that brokers and balancer show. In the folder that is named, else in the repository's.
# Changes nothing that is there.
set -eu

root=${1:-$(cd "$(dirname "$0")/.." && pwd)}
[ ! -e "$root/.env" ] || { echo "$root/.env is there already: nothing done" >&2; exit 0; }
command -v openssl >/dev/null || { echo "openssl is missing: apt install openssl" >&2; exit 1; }
secrets=$root/secrets
days=825

umask 077
mkdir -p "$secrets/authority" "$secrets/broker" "$secrets/services" "$secrets/balancer"
authority=$secrets/authority

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt; }

# A certificate for these names, signed by the authority: `certificate FILE NAME …` makes FILE.key and FILE.pem.
certificate() {
    file=$1; shift
    names=$(printf ',DNS:%s' "$@")
    key >"$file.key"
    printf 'subjectAltName=%s,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "${names#,}" >"$file.ext"
    openssl req -new -key "$file.key" -subj "/CN=$1" |
        openssl x509 -req -days "$days" -CA "$authority/ca.pem" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
            -extfile "$file.ext" -out "$file.pem" 2>/dev/null
    rm "$file.ext"
}

key >"$authority/ca.key"
openssl req -x509 -new -key "$authority/ca.key" -days "$days" -subj "/CN=Klatch compose authority" -out "$authority/ca.pem"
certificate "$secrets/broker/broker" broker-1 broker-2 broker-3
certificate "$secrets/balancer/balancer" localhost
# HAProxy wants both in one file.
cat "$secrets/balancer/balancer.key" >>"$secrets/balancer/balancer.pem"
rm "$secrets/balancer/balancer.key"
cp "$authority/ca.pem" "$secrets/broker/"
cp "$authority/ca.pem" "$secrets/services/"
# Containers run as a user of their own, which must read these. The folder above them is closed to everybody else.
chmod -R u=rwX,go=rX "$secrets/broker" "$secrets/services" "$secrets/balancer"

{
    echo "# Made by scripts/compose_secrets.sh. Whoever has this file can be anybody: keep it."
    echo "SECRETS=$secrets"
    echo "TOKEN_SECRET=$(openssl rand -hex 32)"
    for user in EDGE PROJECTOR ERASER ACCOUNTS NOTIFIER OPERATOR LISTENER; do
        echo "${user}_PASSWORD=$(openssl rand -hex 24)"
    done
} >"$root/.env"
echo "made $root/.env and $secrets"
