#!/usr/bin/env bash
# What a form sends gets into the arena, to the log and out again, and the browser elsewhere; too much is refused.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-form-post-lwsac

# posted WHAT CURL-ARGUMENT...: is taken and redirected.
posted() {
    local what=$1
    shift
    get /form1 "$@"
    expect "status, $what" 303 "$STATUS"
    expect "location, $what" after-form1.html "$(header location)"
}

head -c 3000000 /dev/zero | tr '\0' x >"$WORK/large"
for version in --http1.1 --http2-prior-knowledge; do
    posted "urlencoded $version" "$version" --data-raw "text1=one+two%26%C3%BC+$version&send=hello"
    wait_for "$SERVER_LOG" "text1: \(len [0-9]+\) \"one two&ü $version\""
    wait_for "$SERVER_LOG" 'send: \(len 5\) "hello"'
    wait_for "$SERVER_LOG" '[0-9]+ bytes in 1 chunks of 4000 in all'
    posted "multipart $version" "$version" -F "text1=in parts $version" -F other=ignored
    wait_for "$SERVER_LOG" "text1: \(len [0-9]+\) \"in parts $version\""
    wait_for "$SERVER_LOG" 'send: undefined'
    posted "in chunks $version" "$version" -H 'Transfer-Encoding: chunked' --data-raw "text1=chunks$version"
    wait_for "$SERVER_LOG" "text1: \(len [0-9]+\) \"chunks$version\""
    # longer than the first chunk: another beside it
    posted "much $version" "$version" --data-raw "text1=a&send=$(printf '%06000d' 1)"
    wait_for "$SERVER_LOG" '6001 bytes in 2 chunks of [0-9]+ in all'
    posted "nothing $version" "$version" --data-raw ''
    get /form1 "$version" --data-raw "text1=$(printf '%09000d' 1)"
    expect "status of a long value $version" 413 "$STATUS"
    get /form1 "$version" -H 'Content-Type: multipart/form-data; boundary=b' --data-raw 'no boundary'
    expect "status of a cut form $version" 400 "$STATUS"
    get /form1 "$version"
    expect "status of GET $version" 405 "$STATUS"
    # answered before the body has come
    get /form1 "$version" -H 'Content-Type: application/json' --data-raw '{}'
    expect "status of no form $version" 415 "$STATUS"
    get /form1 "$version" -H 'Content-Type: application/json' --data-binary @"$WORK/large"
    expect "status of a large one that is no form $version" 415 "$STATUS"
done
get /form1 --data-raw 'text1=x' -L
expect_file "after the redirect" mount-origin/after-form1.html "$BODY"
posted "after all that" --data-raw 'text1=still+here'
wait_for "$SERVER_LOG" 'text1: \(len 10\) "still here"'

stop "$PID"

start_server minimal-http-server-form-post-lwsac -s
posted "by TLS" -F text1=secret
wait_for "$SERVER_LOG" 'text1: \(len 6\) "secret"'
stop "$PID"
