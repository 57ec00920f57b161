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
run_failing minimal-raw-netcat --port "$PORT" --retry 2
expect "tries without a server" 3 "$(grep -c 'Unable to connect' <<<"$OUT")"
# one that comes late
mkfifo "$WORK/lines"
timeout 30 "$BIN_DIR/minimal-raw-netcat" --port "$PORT" -w 300 --retry 100 <"$WORK/lines" >"$WORK/late.out" 2>"$WORK/late.log" &
late=$!
PIDS+=("$late")
exec 3>"$WORK/lines"
wait_for "$WORK/late.log" "Unable to connect"
start echo "$BIN_DIR/minimal-raw-vhost" -p "$PORT" 3>&-
printf 'late\n' >&3
exec 3>&-
wait "$late" || fail "the server that came late: $(cat "$WORK/late.log")"
expect "what a late server echoes" late "$(cat "$WORK/late.out")"
stop "$PID"
