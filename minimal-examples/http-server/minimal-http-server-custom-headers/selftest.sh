#!/usr/bin/env bash
# A header of the request's in the body, one of our own in the head, and trailer fields both ways.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl nghttp
start_server minimal-http-server-custom-headers

get /dyn -H 'DNT: 1'
expect "body" "DNT length 1 value '1'" "$(cat "$BODY")"
expect "our header" hello "$(header test-custom-header)"
get /dyn
expect "body without the header" "DNT not found" "$(cat "$BODY")"
get /
expect "our header on a file" "" "$(header test-custom-header)"

for version in --http2-prior-knowledge --http1.1; do
    get /dyn -H 'DNT: 1' $version
    expect "body, $version" "DNT length 1 value '1'" "$(cat "$BODY")"
    expect "our header, $version" hello "$(header test-custom-header)"
    get /dyn/trailer $version
    expect "our trailer, $version" bye "$(header test-custom-trailer)"
    expect "it is announced, $version" test-custom-trailer "$(header trailer)"
    get /dyn/trailer $version -X POST -d xyz
    expect "body, $version" "trailer not found" "$(cat "$BODY")"
done
expect "no trailer for HTTP/1.0" "trailer not found" "$(curl -s --http1.0 "http://localhost:$PORT/dyn/trailer")"
head -c 100000 /dev/zero >"$WORK/upload"
expect "a trailer of the request's" "trailer length 5 value 'hello'" \
    "$(nghttp -d "$WORK/upload" --trailer 'test-custom-trailer: hello' "http://localhost:$PORT/dyn/trailer")"
chunks=$'POST /dyn/trailer HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n'
chunks+=$'3\r\nabc\r\n0\r\ntest-custom-trailer: hello\r\n\r\n'
exec 3<>"/dev/tcp/127.0.0.1/$PORT"
printf %s "$chunks" >&3
expect_in "a trailer of the request's, http/1.1" "trailer length 5 value 'hello'" "$(cat <&3)"
exec 3>&-

more_ports 2
SCHEME=https PORT=${PORTS[1]}
get /dyn -H 'DNT: 1'
expect "body by https" "DNT length 1 value '1'" "$(cat "$BODY")"
expect "our header by https" hello "$(header test-custom-header)"
expect "version by https" "HTTP/2" "$(sed -n '1s/ .*//p' <<<"$HEAD")"
get /dyn -H 'DNT: 1' --http1.1
expect "body by https, http/1.1" "DNT length 1 value '1'" "$(cat "$BODY")"
expect "version when only 1.1 is offered" "HTTP/1.1" "$(sed -n '1s/ .*//p' <<<"$HEAD")"

stop "$PID"
