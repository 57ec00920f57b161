#!/usr/bin/env bash
# Eight requests, over eight connections or one.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

# eight OPTION...: all must succeed, with -p over one connection.
eight() {
    run minimal-http-client-multi --port "$PORT" "$@"
    expect_in "options $*" "8 of 8 succeeded" "$OUT"
    case " $* " in
        *" -p "*) expect_in "options $*" "8 requests over 1 network connections" "$OUT" ;;
        *) expect_in "options $*" "8 requests over 8 network connections" "$OUT" ;;
    esac
}

start_server minimal-http-server
for options in "" "-p" "-s" "-s -p" "-n" "-p -n" "-s -p -n"; do
    # shellcheck disable=SC2086
    eight --no-tls $options
done
stop "$PID"

run_failing minimal-http-client-multi --no-tls --port "$PORT"
expect_in "without a server" "0 of 8 succeeded" "$OUT"

# --- by TLS
start_server minimal-http-server -s
for options in "" "-p" "-p -n" "-s -p" "-s --h1" "-p --h1" "-s -p -n --h1"; do
    # shellcheck disable=SC2086
    eight $options
    case $options in
        *--h1) alpn=http/1.1 ;;
        *) alpn=h2 ;;
    esac
    expect "all eight by $alpn, options $options" 8 "$(grep -c "status 200, alpn $alpn" <<<"$OUT")"
done
stop "$PID"

# a server that ends each connection: all after the first resume its session, as the peer has it
need curl
test_certificates
for version in 1.2 1.3; do
    start_openssl server-chain "-tls${version/./_}" -www
    run minimal-http-client-multi -p --server localhost --port "$PORT" --ca "$CERTS/ca.cert"
    expect_in "result with openssl" "8 of 8 succeeded" "$OUT"
    expect "resumed with $version" 7 "$(grep -c 'session resumed' <<<"$OUT")"
    count=$(curl -sS --max-time 10 --cacert "$CERTS/ca.cert" "https://localhost:$PORT/")
    expect "openssl's count with $version" 7 "$(sed -nE 's/^ *([0-9]+) session cache hits/\1/p' <<<"$count")"
    kill "$PID"
done
