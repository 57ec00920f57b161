#!/usr/bin/env bash
# As many blocks as were asked for, in chunks.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-dynamic

get /dyn/3
expect "status" 200 "$STATUS"
expect "transfer-encoding" chunked "$(header transfer-encoding)"
expect "first line" "block 1 of 3, line 1" "$(head -n 1 "$BODY")"
expect "blocks" 3 "$(cut -d, -f1 "$BODY" | uniq | wc -l | tr -d ' ')"

get /dyn
expect "blocks by default" 10 "$(cut -d, -f1 "$BODY" | uniq | wc -l | tr -d ' ')"

# far more than a socket takes at once, to a reader that dawdles
get /dyn/2000 --limit-rate 4M
expect "blocks of a long response" 2000 "$(cut -d, -f1 "$BODY" | uniq | wc -l | tr -d ' ')"

get /dyn/none
expect "status of no number" 400 "$STATUS"

# one connection, three requests
connects=$(curl -sS --max-time 10 -o "$WORK/1" -o "$WORK/2" -o "$WORK/3" -w '%{num_connects}\n' \
    "http://localhost:$PORT/dyn/1" "http://localhost:$PORT/dyn/2" "http://localhost:$PORT/" | paste -sd ' ' -)
expect "connections made" "1 0 0" "$connects"
expect_file "/" mount-origin/index.html "$WORK/3"

# HTTP/2 has no chunks, and many at once: the one of low urgency doesn't hold up the other
get /dyn/300 --http2-prior-knowledge
expect "version" "HTTP/2" "$(sed -n '1s/ .*//p' <<<"$HEAD")"
expect "transfer-encoding over HTTP/2" "" "$(header transfer-encoding)"
expect "blocks over HTTP/2" 300 "$(cut -d, -f1 "$BODY" | uniq | wc -l | tr -d ' ')"
plain=$PORT

# the same by https, by either version
more_ports 2
SCHEME=https PORT=${PORTS[1]}
for version in --tlsv1.3 "--tls-max 1.2"; do
    for http in --http1.1 --http2; do
        # shellcheck disable=SC2086 # may be two words
        get /dyn/1000 $version $http
        expect "blocks by https, $version $http" 1000 "$(cut -d, -f1 "$BODY" | uniq | wc -l | tr -d ' ')"
    done
done

need_h2_peers
peer h2_client.py "http://localhost:$plain/dyn/200" --case priority --page /dyn/3

stop "$PID"
