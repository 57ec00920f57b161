#!/usr/bin/env bash
# What a form sends gets to the log, and the browser elsewhere.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-form-get

get '/form1?text1=one+two%26%C3%BC&send=hello'
expect "status" 301 "$STATUS"
expect "location" after-form1.html "$(header location)"
wait_for "$SERVER_LOG" 'text1: \(len 10\) "one two&ü"'
wait_for "$SERVER_LOG" 'send: \(len 5\) "hello"'
get '/form1?text1=x' -L
expect_file "after the redirect" mount-origin/after-form1.html "$BODY"
wait_for "$SERVER_LOG" 'send: undefined'

# over HTTP/2 the same
get '/form1?text1=by+h2&send=two' --http2-prior-knowledge
expect "version" "HTTP/2" "$(sed -n '1s/ .*//p' <<<"$HEAD")"
expect "status over HTTP/2" 301 "$STATUS"
expect "location over HTTP/2" after-form1.html "$(header location)"
wait_for "$SERVER_LOG" 'text1: \(len 5\) "by h2"'
get '/form1?text1=x' -L --http2
expect_file "after the redirect, over HTTP/2" mount-origin/after-form1.html "$BODY"

stop "$PID"
