# The part of selftest.sh that is about TLS: against openssl, Python, and our own server.
# shellcheck shell=bash

need_peers
test_certificates

# a server that says nothing is given up by the library; meanwhile the rest is tested
start_tls_peer server --fault stall
start stalled "$BIN_DIR/minimal-http-client" -p "$PORT" --server localhost
stalled=$PID

# get_tls OPTION...: must succeed; nothing is forgiven but by the options.
get_tls() { run minimal-http-client --server localhost -p "$PORT" "$@"; }

# refused WHY OPTION...: must fail, and say why.
refused() {
    run_failing minimal-http-client --server localhost -p "$PORT" "${@:2}"
    expect_in "options ${*:2}" "connection failed" "$OUT"
    expect_in "options ${*:2}" "$1" "$OUT"
}

# seen EVENT PART: the peer has printed such an event with this in it.
seen() { wait_for "$SERVER_LOG" "\"event\": \"$1\".*$2"; }

# --- our own server: its self-signed certificate needs no option
start_server minimal-http-server -s
server=$PID
run minimal-http-client -p "$PORT"
expect_in "own server" "Completed: OK" "$OUT"
expect_in "own server" "TLSv1.3 " "$OUT"
expect_in "own server" "allowed: self-signed certificate" "$OUT"
run minimal-http-client -l --server 127.0.0.1 -p "$PORT" --path /1.png
refused "self-signed certificate"
run_failing minimal-http-client -p "$PORT" -n
expect_in "plain text on a TLS port" "Completed: failed" "$OUT"
stop "$server"

# --- openssl, either version of TLS
for version in 1.2 1.3; do
    start_openssl server-chain "-tls${version/./_}" -www
    get_tls --ca "$CERTS/ca.cert"
    expect_in "openssl's page" "Completed: OK" "$OUT"
    expect_in "openssl's page" "U: TLSv$version " "$OUT"
    kill "$PID"
done

# --- Python: bodies of all kinds; a redirect's new connection resumes the session, as the peer sees
for version in 1.2 1.3; do
    start_tls_peer server --min "$version" --max "$version" --alpn http/1.1
    for path in /len/0 /len/100000 /chunked/70000 /close/50000 /pieces/300; do
        get_tls --ca "$CERTS/ca.cert" --path "$path"
        expect_in "$path" "Completed: OK" "$OUT"
    done
    seen tls "\"TLSv$version\".*\"name\": \"localhost\", \"resumed\": false"
    get_tls --ca "$CERTS/ca.cert" --h1 --path /redirect/3
    seen tls '"alpn": "http/1.1"'
    expect_in "after redirects" "resumed" "$OUT"
    expect "resumed with $version" 3 "$(grep -c '"resumed": true' "$SERVER_LOG")"
    # from https to https, wherever it is, and never back to plain text
    get_tls --ca "$CERTS/ca.cert" --path "/redirect-to?https://localhost:$PORT/len"
    expect_in "redirect to https" "Completed: OK" "$OUT"
    refused "SSL downgrade" --ca "$CERTS/ca.cert" --path "/redirect-to?http://localhost:$PORT/len"
    # no name is asked for by an address
    run minimal-http-client --server 127.0.0.1 -p "$PORT" --ca "$CERTS/ca.cert" --path /len
    seen tls '"name": null'
    # what ends without close_notify is whole only if its length says so
    get_tls --ca "$CERTS/ca.cert" --path /whole-cut/5000
    expect_in "whole" "received 5000 bytes" "$OUT"
    for path in /cut-close/5000 /cut-length/5000 /truncated /truncated-chunked; do
        run_failing minimal-http-client --server localhost -p "$PORT" --ca "$CERTS/ca.cert" --path "$path"
        expect_in "$path" "Completed: failed" "$OUT"
    done
    kill "$PID"
done

# --- every fault of a certificate, with each allowance: only its own and -k forgive it
# faulty CERTIFICATE ALLOWANCE WHY OPTION...
faulty() {
    local certificate=$1 own=$2 why=$3 allowance
    shift 3
    start_tls_peer "$certificate"
    refused "$why" "$@" --path /len
    for allowance in -j -m -e; do
        if [ "$allowance" = "$own" ]; then
            get_tls "$@" --path /len "$allowance"
            expect_in "$certificate with $allowance" "allowed: $why" "$OUT"
        else
            refused "$why" "$@" --path /len "$allowance"
        fi
    done
    get_tls "$@" --path /len -k
    expect_in "$certificate with -k" "Completed: OK" "$OUT"
    kill "$PID"
}
ca=(--ca "$CERTS/ca.cert")
faulty localhost-100y -j "self-signed certificate"
faulty localhost-rsa -j "self-signed certificate"
faulty server-chain -j "self-signed certificate in certificate chain"
faulty expired -e "certificate has expired: valid until 2020-02-01 00:00:00 UTC" "${ca[@]}"
faulty not-yet -e "certificate is not yet valid: valid from 2100-01-01 00:00:00 UTC" "${ca[@]}"
faulty other-name -m 'certificate is for "other.example", "*.other.example", not for "localhost"' "${ca[@]}"
# nobody is known who could have issued it: no allowance but -k
faulty server none 'unable to get local issuer certificate: issued by "CN=Test CA of lws in Rust"'
# the issuer has its own fault; the peer is told why in its words
start_tls_peer expired
refused "unable to get local issuer certificate" -e
seen no-tls ALERT_UNKNOWN_CA
refused "certificate has expired" "${ca[@]}"
seen no-tls ALERT_CERTIFICATE_EXPIRED
kill "$PID"

# --- the CAs of the system, here those of another file
start_openssl server -www
SSL_CERT_FILE=$CERTS/ca.cert get_tls
expect_in "the system's CAs" "Completed: OK" "$OUT"
SSL_CERT_FILE=$CERTS/localhost-100y.cert refused "unable to get local issuer certificate"
SSL_CERT_FILE=$WORK/nothing SSL_CERT_DIR=$WORK/nothing refused "no CA certificates to check the server's with"
SSL_CERT_FILE=$WORK/nothing SSL_CERT_DIR=$WORK/nothing get_tls "${ca[@]}"
kill "$PID"

# --- a client certificate
start_tls_peer server --client-ca "$CERTS/ca.cert"
get_tls "${ca[@]}" --path /len --cert "$CERTS/client.cert" --key "$CERTS/client.key"
seen tls '"client": "client"'
refused "" "${ca[@]}" --path /len
seen no-tls PEER_DID_NOT_RETURN_A_CERTIFICATE
kill "$PID"
start_openssl server -www -Verify 1 -verify_return_error "${ca[@]/--ca/-CAfile}"
refused "peer sent alert CertificateRequired" "${ca[@]}"
refused "peer sent alert" "${ca[@]}" --cert "$CERTS/localhost-100y.cert" --key "$CERTS/localhost-100y.key"
get_tls "${ca[@]}" --cert "$CERTS/client.cert" --key "$CERTS/client.key"
kill "$PID"

# --- what the options say wrongly is said before anything is connected
run_failing minimal-http-client --ca "$WORK/no-such-file"
expect_in "no CA file" "no-such-file" "$OUT"
run_failing minimal-http-client --ca "$CERTS/ca.key"
expect_in "a key as CA" "ca.key" "$OUT"
run_failing minimal-http-client --cert "$CERTS/client.cert" --key "$CERTS/server.key"
expect_in "another's key" "client.cert" "$OUT"
run_failing minimal-http-client --cert "$CERTS/client.cert"
expect_in "no key" "options --cert and --key" "$OUT"

# --- peers that speak no TLS
while IFS=: read -r fault why; do
    start_tls_peer server --fault "$fault"
    refused "$why" "${ca[@]}"
    kill "$PID"
done <<'FAULTS'
garbage:tls: a damaged message
plain:tls: not a TLS record
hangup:Peer hung up during the TLS handshake
FAULTS

status=0
wait "$stalled" || status=$?
expect "exit status of a client whose handshake stalled" 1 "$status"
expect_in "stalled handshake" "connection failed: Timed out waiting SSL" "$(cat "$WORK/stalled.log")"
