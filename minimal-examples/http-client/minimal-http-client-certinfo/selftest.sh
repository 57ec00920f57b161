#!/usr/bin/env bash
# Says of a certificate what openssl says of it.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need openssl
test_certificates

# key FILE: the public key of a certificate in hexadecimal.
key() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | od -An -v -tx1 | tr -d ' \n'; }
# dumped: the same out of the program's hexdump.
dumped() { sed -nE 's/.*U: [0-9a-f]{4}: ([0-9a-f ]{47}).*/\1/p' <<<"$OUT" | tr -d ' \n'; }

for name in server localhost-rsa; do
    for version in 1.2 1.3; do
        start_openssl "$name" "-tls${version/./_}" -www
        run minimal-http-client-certinfo --server localhost -p "$PORT" --ca "$CERTS/$name.cert" --h1
        expect_in "$name" "Completed: OK" "$OUT"
        issuer=$(openssl x509 -in "$CERTS/$name.cert" -noout -issuer -nameopt RFC2253)
        expect_in "$name" " Peer Cert CN        : localhost" "$OUT"
        expect_in "$name" " Peer Cert issuer    : ${issuer#issuer=}" "$OUT"
        expect_in "$name" " Peer Cert Valid from: 2020-01-01 00:00:00 UTC" "$OUT"
        expect_in "$name" " Peer Cert Valid to  : 2119-12-08 00:00:00 UTC" "$OUT"
        expect_in "$name" " Peer Cert for       : DNS:*.localhost" "$OUT"
        expect "public key of $name" "$(key "$CERTS/$name.cert")" "$(dumped)"
        usage=$(openssl x509 -in "$CERTS/$name.cert" -noout -ext keyUsage | sed -n '2s/^ *//p')
        expect_in "$name" " Peer Cert usage bits: 0x" "$OUT"
        expect_in "$name" "(${usage,,})" "$OUT"
        case $name in
            server) expect_in "$name" " Peer Cert public key: EC P-256, 256 bits" "$OUT" ;;
            *) expect_in "$name" " Peer Cert public key: RSA, 2048 bits" "$OUT" ;;
        esac
        kill "$PID"
    done
done

# nothing is known of a certificate that isn't taken, and -k takes any
start_openssl other-name -www
run_failing minimal-http-client-certinfo --server localhost -p "$PORT"
expect_in "refused" "connection failed" "$OUT"
run minimal-http-client-certinfo --server localhost -p "$PORT" -k
expect_in "with -k" " Peer Cert CN        : other.example" "$OUT"
kill "$PID"

start_server minimal-http-server -s
run minimal-http-client-certinfo -p "$PORT"
expect_in "our own server" " Peer Cert CN        : localhost" "$OUT"
run minimal-http-client-certinfo -l --server 127.0.0.1 -p "$PORT"
stop "$PID"
