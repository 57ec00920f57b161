#!/usr/bin/env bash
# Each name its own pages, on a port of its own or shared; under TLS its own certificate too.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-multivhost --destroy-after 0
wait_for "$SERVER_LOG" 'localhost3 was destroyed'
PORT=${PORTS[1]}
get / -H 'Host: localhost3'
expect_file "after localhost3 has gone" mount-origin-localhost2/index.html "$BODY"
stop "$PID"

start_server minimal-http-server-multivhost
more_ports 4
expect "port of localhost3" "${PORTS[1]}" "${PORTS[2]}"
expect "port of *.localhost3" "${PORTS[1]}" "${PORTS[3]}"

get / -H 'Host: localhost3'
expect_file "the only vhost of its port" mount-origin-localhost1/index.html "$BODY"
PORT=${PORTS[1]}
get / -H "Host: localhost2:$PORT"
expect_file "localhost2" mount-origin-localhost2/index.html "$BODY"
get / -H 'Host: LOCALHOST3'
expect_file "localhost3" mount-origin-localhost3/index.html "$BODY"
get / -H 'Host: any.localhost3'
expect_file "a name below localhost3" mount-origin-localhost3/index.html "$BODY"
get / -H 'Host: localhost33'
expect_file "a name nobody has" mount-origin-localhost2/index.html "$BODY"
stop "$PID"

run minimal-http-server-multivhost -p 0 --die-after-vhost
expect_in "--die-after-vhost" "leaving after the vhosts were created" "$OUT"

# as before by https, each vhost with a certificate for its names
need openssl
mkdir "$WORK/names"
for names in localhost1 localhost2 localhost3,DNS:any.localhost3; do
    name=${names%%,*}
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
        -addext "subjectAltName=DNS:$names" -addext basicConstraints=critical,CA:FALSE \
        -keyout "$WORK/names/$name.key" -out "$WORK/names/$name.cert" 2>"$WORK/openssl.log"
done
cat "$WORK"/names/*.cert >"$WORK/all.cert"
start_server minimal-http-server-multivhost --cert-folder "$WORK/names"
more_ports 4
PORT=${PORTS[1]}

# asked NAME [CURL ARGUMENT...]: a request with that name in both the hello and the Host.
asked() {
    local name=$1
    shift
    curl -sS --max-time 10 -o "$WORK/asked" --cacert "$WORK/all.cert" --resolve "$name:$PORT:127.0.0.1" \
        "$@" "https://$name:$PORT/" || fail "curl https://$name: exit status $?"
}
# shown OPENSSL ARGUMENT...: the common name in the certificate that the server shows.
shown() {
    openssl s_client -connect "127.0.0.1:$PORT" "$@" </dev/null 2>/dev/null | openssl x509 -noout -subject |
        sed 's/.*CN = //'
}
for version in --tlsv1.3 "--tls-max 1.2"; do
    for name in localhost2 localhost3 any.localhost3; do
        # shellcheck disable=SC2086 # may be two words
        asked "$name" $version
        expect_file "https://$name" "mount-origin-${name#any.}/index.html" "$WORK/asked"
    done
done
for version in -tls1_3 -tls1_2; do
    expect "certificate, exact name" localhost3 "$(shown $version -servername localhost3)"
    expect "certificate, other case" localhost3 "$(shown $version -servername LOCALHOST3)"
    expect "certificate, below a name" localhost3 "$(shown $version -servername other.localhost3)"
    expect "certificate, unknown name" localhost2 "$(shown $version -servername localhost1)"
    expect "certificate, no name" localhost2 "$(shown $version -noservername)"
done
# one connection may ask for the pages of all vhosts on its port
asked localhost2 -H 'Host: localhost3'
expect_file "another Host than the hello's" mount-origin-localhost3/index.html "$WORK/asked"
stop "$PID"

rm "$WORK/names/localhost3.key"
run_failing minimal-http-server-multivhost -p 0 --cert-folder "$WORK/names"
expect_in "missing key" "localhost3.key" "$OUT"
