# The part of selftest.sh that is about proxies: an independent one, named by the environment, is the way
# to an independent server, whose name only the proxy knows. Comes after selftest-tls.sh, which has made CERTS.
# shellcheck shell=bash

# a variable that is set where the tests are run isn't meant for them
unset http_proxy socks_proxy no_proxy

start_peer http_peer.py
plain=$PORT
start_tls_peer server
secure=$PORT
login=me:s%40cret

for kind in http socks; do
    option=()
    [ $kind = http ] || option=(--socks)
    start_peer proxy_peer.py --events "${option[@]}" --login "me:s@cret" --name far.example=127.0.0.1 \
        --name localhost=127.0.0.1 --pieces
    proxy_log=$SERVER_LOG
    scheme=$kind
    [ $kind = http ] || scheme=socks5
    export "${kind}_proxy=$scheme://$login@127.0.0.1:$PORT"

    run minimal-http-client -n --server far.example -p "$plain" --path /len/100000
    expect_in "by a proxy" "received 100000 bytes" "$OUT"
    wait_for "$proxy_log" "\"host\": \"far.example\", \"port\": $plain, \"by\": \"name\""
    run minimal-http-client -n --server 127.0.0.1 -p "$plain" --path /redirect/2
    expect_in "redirects by a proxy" "Completed: OK" "$OUT"
    wait_for "$proxy_log" "\"host\": \"127.0.0.1\", \"port\": $plain, \"by\": \"ipv4\""
    run minimal-http-client --server localhost -p "$secure" --path /len/50000 --ca "$CERTS/ca.cert"
    expect_in "by TLS and a proxy" "received 50000 bytes" "$OUT"
    wait_for "$proxy_log" "\"host\": \"localhost\", \"port\": $secure"
    run_failing minimal-http-client --server far.example -p "$secure" --path /len/5 --ca "$CERTS/ca.cert"
    expect_in "another name's certificate" "connection failed" "$OUT"
    # straight to it, where the proxy isn't wanted
    before=$(grep -c '"event": "tunnel"' "$proxy_log")
    no_proxy=example.com,127.0.0.1 run minimal-http-client -n --server 127.0.0.1 -p "$plain" --path /len/5
    expect "tunnels where none is wanted" "$before" "$(grep -c '"event": "tunnel"' "$proxy_log")"
    # nobody listens there: the proxy says so
    run_failing minimal-http-client -n --server 127.0.0.1 -p 1
    if [ $kind = http ]; then
        expect_in "no target" "ERROR proxy: 502 Bad Gateway" "$OUT"
    else
        expect_in "no target" "ERROR proxy: socks: host unreachable (reply 4)" "$OUT"
    fi
    export "${kind}_proxy=$scheme://me:wrong@127.0.0.1:$PORT"
    run_failing minimal-http-client -n --server far.example -p "$plain"
    if [ $kind = http ]; then
        expect_in "wrong login" "ERROR proxy: 407 Proxy Authentication Required" "$OUT"
    else
        expect_in "wrong login" "ERROR proxy: socks: login refused (status 1)" "$OUT"
    fi
    stop "$PID"
    run_failing minimal-http-client -n --server far.example -p "$plain"
    expect_in "no proxy there" "Unable to connect to the $kind proxy 127.0.0.1:$PORT" "$OUT"
    export "${kind}_proxy=nonsense"
    run_failing minimal-http-client -n --server far.example -p "$plain"
    expect_in "no proxy's name" "environment variable ${kind}_proxy" "$OUT"
    unset "${kind}_proxy"
done
