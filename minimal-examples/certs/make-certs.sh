#!/usr/bin/env bash
#
# Makes certificates for tests and examples; see README.md beside it. Needs openssl 1.1.1 or later.
#
#   make-certs.sh [--all] FOLDER
#
# Alone it makes the pair localhost-100y, with --all the others too. Files of these names in FOLDER
# are replaced.
set -euo pipefail

usage() {
    sed -n '3,8s/^# \{0,1\}//p' "$0"
    exit "$1"
}

all=
case ${1-} in
-h | --help) usage 0 ;;
--all)
    all=1
    shift
    ;;
esac
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    usage 2 >&2
fi

out=$1
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/index"

# Fixed dates, so that no clock that is a little slow finds a certificate not valid yet. `openssl
# ca` is what takes a first date in every version; `req` and `x509` learned it in 3.4.
FROM=20200101000000Z
TO=21191208000000Z # 36500 days later

cat >"$work/config" <<END
[ca]
default_ca = this
[this]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]

[localhost]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1, IP:::1
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1, IP:::1
[other]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:other.example, DNS:*.other.example
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = email:client@localhost
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
END

# key NAME ALGORITHM...: a new private key, PKCS#8 in PEM.
key() {
    local name=$1
    shift
    openssl genpkey -out "$out/$name.key" "$@" 2>/dev/null
}
EC=(-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve)
RSA=(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)

# sign NAME COMMON-NAME EXTENSIONS ISSUER FROM TO: the certificate of NAME.key. Its issuer is NAME
# itself, or another pair.
sign() {
    local name=$1 subject=$2 extensions=$3 issuer=$4 from=$5 to=$6 by=()
    if [ "$issuer" = "$name" ]; then
        by=(-selfsign)
    else
        by=(-cert "$out/$issuer.cert")
    fi
    openssl req -new -config "$work/config" -key "$out/$name.key" -subj "/CN=$subject" -out "$work/request"
    openssl ca -batch -config "$work/config" -create_serial -notext -preserveDN \
        -in "$work/request" -keyfile "$out/$issuer.key" "${by[@]}" -extensions "$extensions" \
        -startdate "$from" -enddate "$to" -out "$out/$name.cert" 2>"$work/log" || {
        cat "$work/log" >&2
        return 1
    }
}

# der NAME: the pair in DER too.
der() {
    openssl x509 -in "$out/$1.cert" -outform DER -out "$out/$1.cert.der"
    openssl pkcs8 -topk8 -nocrypt -in "$out/$1.key" -outform DER -out "$out/$1.key.der"
}

key localhost-100y "${EC[@]}"
sign localhost-100y localhost localhost localhost-100y "$FROM" "$TO"
der localhost-100y
[ -n "$all" ] || exit 0

key localhost-rsa "${RSA[@]}"
sign localhost-rsa localhost localhost localhost-rsa "$FROM" "$TO"

key ca "${EC[@]}"
sign ca "Test CA of lws in Rust" authority ca "$FROM" "$TO"

key server "${EC[@]}"
sign server localhost server ca "$FROM" "$TO"
cat "$out/server.cert" "$out/ca.cert" >"$out/server-chain.cert"

key expired "${EC[@]}"
sign expired localhost server ca "$FROM" 20200201000000Z

key not-yet "${EC[@]}"
sign not-yet localhost server ca 21000101000000Z "$TO"

key other-name "${EC[@]}"
sign other-name other.example other ca "$FROM" "$TO"

key client "${EC[@]}"
sign client client client ca "$FROM" "$TO"
