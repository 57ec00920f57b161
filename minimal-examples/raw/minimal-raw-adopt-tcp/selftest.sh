#!/usr/bin/env bash
# Asks our own http server over a connection that was adopted.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

start_server minimal-http-server
run minimal-raw-adopt-tcp --port "$PORT"
expect_in "dump" "HTTP/1.1 200 OK" "$(sed -nE 's/.* (HTTP.*)/\1/p' <<<"$OUT")$OUT"
expect_in "result" "Completed: OK" "$OUT"
stop "$PID"

run_failing minimal-raw-adopt-tcp --port "$PORT"
expect_in "without a server" "refused" "$OUT"
