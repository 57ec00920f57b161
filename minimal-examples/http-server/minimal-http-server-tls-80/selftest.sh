#!/usr/bin/env bash
# Who comes by http is sent to the same page by https.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-tls-80 --http-port 0
more_ports 2
secure=${PORTS[1]}

get '/some/page.html?a=b'
expect "status by http" 301 "$STATUS"
expect "location" "https://localhost:$secure/some/page.html?a=b" "$(header location)"
get / -L
expect_file "after the redirect" mount-origin/index.html "$BODY"

SCHEME=https PORT=$secure
get /
expect_file "by https" mount-origin/index.html "$BODY"
get /no-such-page.html -L
expect_file "error document" mount-origin/404.html "$BODY"
stop "$PID"
