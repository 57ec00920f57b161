#!/usr/bin/env bash
# TLS as curl and openssl see it: versions, ALPN, resumption, key updates, clients' certificates,
# certificates that change while the server runs, and what is said of bad ones.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl openssl
test_certificates

# ask [OPENSSL ARGUMENT...]: /connection with openssl as the client; all it says goes to OUT.
ask() {
    OUT=$(printf 'GET /connection HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n' |
        timeout 20 openssl s_client -ign_eof -CAfile "$LOCALHOST_CERT" -servername localhost \
            -connect "localhost:$PORT" "$@" 2>&1) || true
}
serial_of() {
    openssl x509 -noout -serial -in "$1"
}
# The serial number that a new connection is shown.
serial() {
    openssl s_client -connect "localhost:$PORT" </dev/null 2>/dev/null | openssl x509 -noout -serial
}

SSLKEYLOGFILE=$WORK/secrets start_server minimal-http-server-tls
get / --tlsv1.3
expect_file "by TLS 1.3" mount-origin/index.html "$BODY"
get / --tls-max 1.2
expect_file "by TLS 1.2" mount-origin/index.html "$BODY"
get /no-such-page.html -L
expect_file "error document" mount-origin/404.html "$BODY"
expect_in "days left" "days left" "$(cat "$SERVER_LOG")"

get /connection --tls-max 1.2 --http1.1
expect_in "version" "version: TLSv1.2" "$(cat "$BODY")"
expect_in "ALPN" "alpn: http/1.1" "$(cat "$BODY")"
expect_in "server name" "server name: localhost" "$(cat "$BODY")"
curl -sS --max-time 10 --cacert "$LOCALHOST_CERT" "https://127.0.0.1:$PORT/connection" >"$BODY" || fail "by address"
expect_in "server name for an address" "server name: none" "$(cat "$BODY")"

for version in -tls1_2 -tls1_3; do
    ask $version -alpn spdy/1,http/1.1
    expect_in "ALPN" "ALPN protocol: http/1.1" "$OUT"
    expect_in "verification" "Verify return code: 0 (ok)" "$OUT"
    ask $version -alpn spdy/1
    expect_in "no common protocol" "alert no application protocol" "$OUT"

    ask $version -sess_out "$WORK/session"
    expect_in "first session" "resumed: no" "$OUT"
    ask $version -sess_in "$WORK/session"
    expect_in "resumption, as the client has it" "Reused, TLSv1" "$OUT"
    expect_in "resumption, as the server has it" "resumed: yes" "$OUT"
done

# new keys from both sides, then a request
mkfifo "$WORK/keys.in"
openssl s_client -tls1_3 -CAfile "$LOCALHOST_CERT" -connect "localhost:$PORT" \
    <"$WORK/keys.in" >"$WORK/keys.log" 2>&1 &
PIDS+=("$!")
exec 3>"$WORK/keys.in"
wait_for "$WORK/keys.log" 'Verify return code: 0'
for command in k K k; do
    printf '%s\n' "$command" >&3
    wait_for "$WORK/keys.log" KEYUPDATE
done
printf 'GET /connection HTTP/1.1\r\nhost: localhost\r\n\r\n' >&3
wait_for "$WORK/keys.log" '^version: TLSv1.3'
exec 3>&-

# TLS 1.2 has renegotiation; we don't
mkfifo "$WORK/again.in"
openssl s_client -tls1_2 -CAfile "$LOCALHOST_CERT" -connect "localhost:$PORT" \
    <"$WORK/again.in" >"$WORK/again.log" 2>&1 &
PIDS+=("$!")
exec 5>"$WORK/again.in"
wait_for "$WORK/again.log" 'Verify return code: 0'
printf 'R\n' >&5
wait_for "$WORK/again.log" 'no renegotiation'
exec 5>&-

expect "HSTS without being asked for" "" "$(header strict-transport-security)"
[ ! -e "$WORK/secrets" ] || fail "secrets were written without being asked for"
stop "$PID"

# clients' certificates: wanted, then needed
start_server minimal-http-server-tls --client-ca "$CERTS/ca.cert" --hsts
get /
expect_in "HSTS" "max-age=15768000" "$(header strict-transport-security)"
for version in --tlsv1.3 "--tls-max 1.2"; do
    # shellcheck disable=SC2086 # may be two words
    get /connection $version
    expect_in "no client certificate" "client: none" "$(cat "$BODY")"
    # shellcheck disable=SC2086
    get /connection $version --cert "$CERTS/client.cert" --key "$CERTS/client.key"
    expect_in "client certificate" "client: client" "$(cat "$BODY")"
done
wait_for "$SERVER_LOG" 'client certificate: "client"'
ask -tls1_3 -cert "$CERTS/client.cert" -key "$CERTS/client.key" -sess_out "$WORK/session"
ask -tls1_3 -cert "$CERTS/client.cert" -key "$CERTS/client.key" -sess_in "$WORK/session"
expect_in "client certificate of a resumed session" "client: client" "$OUT"
stop "$PID"

start_server minimal-http-server-tls --client-ca "$CERTS/ca.cert" --require-client-cert -d info,user
get /connection --cert "$CERTS/client.cert" --key "$CERTS/client.key"
expect_in "client certificate that is needed" "client: client" "$(cat "$BODY")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=client \
    -addext basicConstraints=critical,CA:FALSE -keyout "$WORK/own.key" -out "$WORK/own.cert" 2>"$WORK/openssl.log"
for version in -tls1_2 -tls1_3; do
    ask $version
    expect_in "no certificate" "alert" "$OUT"
    ask $version -cert "$WORK/own.cert" -key "$WORK/own.key"
    expect_in "somebody else's certificate" "alert" "$OUT"
    [[ $OUT != *"HTTP/1.1 200"* ]] || fail "a client with a bad certificate was served"
done
wait_for "$SERVER_LOG" 'no TLS with .*: peer did not return a certificate'
wait_for "$SERVER_LOG" 'no TLS with .*: self-signed certificate'
stop "$PID"

# the files change while it runs
cp "$CERTS/server.cert" "$WORK/live.cert"
cp "$CERTS/server.key" "$WORK/live.key"
start_server minimal-http-server-tls --cert "$WORK/live.cert" --key "$WORK/live.key" --reload-secs 1
server=$PID
expect "serial number" "$(serial_of "$CERTS/server.cert")" "$(serial)"
mkfifo "$WORK/old.in"
openssl s_client -quiet -connect "localhost:$PORT" <"$WORK/old.in" >"$WORK/old.log" 2>&1 &
PIDS+=("$!")
exec 4>"$WORK/old.in"
printf 'GET /connection HTTP/1.1\r\nhost: first\r\n\r\n' >&4
wait_for "$WORK/old.log" '^version: '
cp "$CERTS/localhost-rsa.cert" "$WORK/new.cert"
cp "$CERTS/localhost-rsa.key" "$WORK/new.key"
mv "$WORK/new.cert" "$WORK/live.cert"
mv "$WORK/new.key" "$WORK/live.key"
wait_for "$SERVER_LOG" 'new certificate'
expect "serial number after the change" "$(serial_of "$CERTS/localhost-rsa.cert")" "$(serial)"
: >"$WORK/old.log"
printf 'GET /connection HTTP/1.1\r\nhost: second\r\n\r\n' >&4
wait_for "$WORK/old.log" '^version: '
exec 4>&-
echo "not a certificate" >"$WORK/live.cert"
wait_for "$SERVER_LOG" "keeps its certificate: .*live.cert"
expect "serial number after a bad change" "$(serial_of "$CERTS/localhost-rsa.cert")" "$(serial)"
stop "$server"

# what is said of certificates
start_server minimal-http-server-tls --cert "$CERTS/expired.cert" --key "$CERTS/expired.key"
expect_in "expired" "expired" "$(cat "$SERVER_LOG")"
stop "$PID"
# refused WHY ARGUMENT...
refused() {
    run_failing minimal-http-server-tls -p 0 "${@:2}"
    expect_in "refusal" "$1" "$OUT"
}
echo nothing >"$WORK/nothing"
refused "$WORK/missing" --cert "$WORK/missing"
refused "$WORK/nothing" --cert "$WORK/nothing"
refused "$CERTS/client.key" --cert "$CERTS/server.cert" --key "$CERTS/client.key"
refused "$WORK/nothing" --client-ca "$WORK/nothing"
refused "no client CA" --require-client-cert

# both versions of HTTP on one port; many requests with the figures of C's scripts, the last fewer
start_server minimal-http-server-tls -d err,warn,notice,user
for version in http1.1 http2; do
    get / "--$version"
    expect_file "by --$version" mount-origin/index.html "$BODY"
done
get /connection --http2
expect_in "ALPN of HTTP/2" "alpn: h2" "$(cat "$BODY")"
need nghttp h2load node
nghttp "https://localhost:$PORT/connection" >"$WORK/nghttp.out" 2>"$WORK/nghttp.log" || fail "nghttp"
expect_in "ALPN of nghttp" "alpn: h2" "$(cat "$WORK/nghttp.out")"
h2load_all 10000 1 "https://localhost:$PORT/"
h2load_all 10000 10 "https://localhost:$PORT/"
h2load_all 3000 100 "https://localhost:$PORT/"
h2load_all 5000 10 "https://localhost:$PORT/" -m 100
timeout 30 node - "$PORT" "$LOCALHOST_CERT" <<'JAVASCRIPT' || fail "node's http2"
// a hundred requests at once on one session
const [port, ca] = process.argv.slice(2);
const http2 = require("http2");
const session = http2.connect(`https://localhost:${port}`, {ca: require("fs").readFileSync(ca)});
session.on("error", (error) => { throw error; });
let left = 100;
for (let i = 0; i < 100; i += 1) {
  const request = session.request({":path": "/connection", "x-number": String(i)});
  let body = "", status = 0;
  request.setEncoding("utf8");
  request.on("response", (fields) => { status = fields[":status"]; });
  request.on("data", (data) => { body += data; });
  request.on("end", () => {
    if (status !== 200 || !body.includes("alpn: h2")) throw new Error(`${status}: ${body}`);
    left -= 1;
    if (left === 0) session.close();
  });
}
session.on("close", () => { if (left !== 0) throw new Error(`${left} without an answer`); });
JAVASCRIPT
need_h2_peers
peer h2_client.py "https://localhost:$PORT/" --case many --cacert "$LOCALHOST_CERT" --expect mount-origin/index.html
peer h2_abuse.py "https://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --pid "$PID" --only rfc
need chromium chromedriver
peer browser_h2.py "https://localhost:$PORT/" --says /connection "alpn: h2"
stop "$PID"

# clients that mean harm, stall or vanish
need_peers
start_server minimal-http-server-tls --handshake-secs 2 -d err,warn,notice,info,user
peer tls_abuse.py localhost "$PORT" --cacert "$LOCALHOST_CERT" --pid "$PID" --stalled 2
for why in "plain text on a TLS port" "Timed out waiting SSL" "not a TLS record" "hung up during the TLS handshake" \
    "without close_notify"; do
    expect_in "log" "$why" "$(cat "$SERVER_LOG")"
done
stop "$PID"
