#!/usr/bin/env bash
# Files, the error document, ranges and validators, asked for with curl.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server

get /
expect "status of /" 200 "$STATUS"
expect "type of /" text/html "$(header content-type)"
expect_file "/" mount-origin/index.html "$BODY"
expect_in "security headers" "default-src 'none'" "$(header content-security-policy)"

get /1.png
expect "type of /1.png" image/png "$(header content-type)"
expect_file "/1.png" mount-origin/1.png "$BODY"
get /1.png -r 0-7
expect "status of a range" 206 "$STATUS"
expect "length of a range" 8 "$(wc -c <"$BODY" | tr -d ' ')"
etag=$(header etag)
get /1.png -H "if-none-match: $etag"
expect "status of an unchanged file" 304 "$STATUS"

get /no-such-page.html
expect_in "location of a missing page" /404.html "$(header location)"
get /no-such-page.html -L
expect_file "error document" mount-origin/404.html "$BODY"
get /../Cargo.toml --path-as-is
expect_in "status of a path out of the mount" "$STATUS" "302 403 404"

stop "$PID"
