#!/usr/bin/env bash
# A header of the request's in the body, one of our own in the head.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
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
done

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
