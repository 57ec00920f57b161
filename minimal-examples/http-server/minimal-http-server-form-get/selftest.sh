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

stop "$PID"
