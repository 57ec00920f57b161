#!/usr/bin/env bash
# One port: http, https and neither, with each set of options what they say.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl nc

# echoed TEXT: what isn't http comes back.
echoed() {
    expect "echo of $1" "$1" "$(printf '%s\n' "$1" | timeout 10 nc -q 1 localhost "$PORT")"
}
page() {
    get /
    expect_file "page by $SCHEME" mount-origin/index.html "$BODY"
}

start_server minimal-raw-fallback-http-server
page
echoed 'SSH-2.0-hello'
stop "$PID"

start_server minimal-raw-fallback-http-server -s
page
echoed 'SSH-2.0-hello'
echoed 'GET / HTTP/1.0'
stop "$PID"

start_server minimal-raw-fallback-http-server -s -h
page
echoed 'SSH-2.0-hello'
SCHEME=http page
stop "$PID"

start_server minimal-raw-fallback-http-server -s -u
page
echoed 'SSH-2.0-hello'
SCHEME=http get /
expect "status by http" 301 "$STATUS"
expect "location by http" "https://localhost:$PORT/" "$(header location)"
stop "$PID"

run_failing minimal-raw-fallback-http-server -s -h -u
expect_in "-h with -u" "can't both be" "$OUT"
