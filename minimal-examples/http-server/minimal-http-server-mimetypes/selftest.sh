#!/usr/bin/env bash
# The type of a suffix of our own.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-mimetypes

get /test.tar.bz2
expect "type of .tar.bz2" application/x-bzip2-compressed-tar "$(header content-type)"
expect_file "archive" mount-origin/test.tar.bz2 "$BODY"
get /test.bz2
expect "type of .bz2" application/x-bzip2 "$(header content-type)"
get /index.html
expect "type of .html" text/html "$(header content-type)"

get /test.tar.bz2 --http2-prior-knowledge
expect "version" "HTTP/2" "$(sed -n '1s/ .*//p' <<<"$HEAD")"
expect "type of .tar.bz2 over HTTP/2" application/x-bzip2-compressed-tar "$(header content-type)"
expect_file "archive over HTTP/2" mount-origin/test.tar.bz2 "$BODY"

stop "$PID"
