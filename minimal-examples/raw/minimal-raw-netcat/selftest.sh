#!/usr/bin/env bash
# Input to a socket, the socket to output, with our own servers at the other end.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need cmp
start_server minimal-raw-vhost
out=$(printf 'one\ntwo\n' | timeout 20 "$BIN_DIR/minimal-raw-netcat" --port "$PORT" -w 300) || fail "exit status $?"
expect "echo of the lines" $'one\ntwo' "$out"
stop "$PID"

start_server minimal-http-server
out=$(printf 'GET /1.png HTTP/1.0\r\n\r\n' | timeout 20 "$BIN_DIR/minimal-raw-netcat" --server 127.0.0.1 --port "$PORT" -w 10000 | tail -c 8 | od -An -c)
expect_in "end of a picture" "I E N D" "$(tr -s ' ' <<<"$out")"

# input that is a file
printf 'HEAD / HTTP/1.0\r\n\r\n' >"$WORK/request"
out=$(timeout 20 "$BIN_DIR/minimal-raw-netcat" --port "$PORT" -w 10000 <"$WORK/request")
expect_in "answer to a file" "HTTP/1.1 200 OK" "$out"
stop "$PID"

run_failing minimal-raw-netcat --port "$PORT"
expect_in "without a server" "Unable to connect" "$OUT"
