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

more_ports 2
SCHEME=https PORT=${PORTS[1]}
get /dyn -H 'DNT: 1'
expect "body by https" "DNT length 1 value '1'" "$(cat "$BODY")"
expect "our header by https" hello "$(header test-custom-header)"

stop "$PID"
