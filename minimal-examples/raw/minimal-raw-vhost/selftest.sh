#!/usr/bin/env bash
# A line of one peer gets to all, as lines and not as packets; the same under TLS.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need nc
start_server minimal-raw-vhost
for peer in one two; do
    mkfifo "$WORK/$peer.in"
    nc localhost "$PORT" <"$WORK/$peer.in" >"$WORK/$peer.out" &
    PIDS+=("$!")
done
exec 3>"$WORK/one.in" 4>"$WORK/two.in"
for _ in {1..200}; do
    [ "$(grep -c 'has connected' "$SERVER_LOG")" = 2 ] && break
    sleep 0.05
done
expect "peers" 2 "$(grep -c 'has connected' "$SERVER_LOG")"

printf 'hello from one\n' >&3
wait_for "$WORK/two.out" '^hello from one$'
printf 'half a ' >&4
printf 'in between\n' >&3
wait_for "$WORK/two.out" '^in between$'
printf 'line\nand another\n' >&4
wait_for "$WORK/one.out" '^and another$'
expect "what all got" "hello from one|in between|half a line|and another" "$(paste -sd '|' "$WORK/one.out")"

head -c 5000 /dev/zero >&4
wait_for "$SERVER_LOG" 'has gone'
printf 'still there\n' >&3
wait_for "$WORK/one.out" '^still there$'

stop "${PIDS[0]}"

need openssl
start_server minimal-raw-vhost -s
server=$PID
secure=(openssl s_client -quiet -verify_return_error -CAfile "$LOCALHOST_CERT" -connect "localhost:$PORT")
for peer in three four; do
    mkfifo "$WORK/$peer.in"
    "${secure[@]}" <"$WORK/$peer.in" >"$WORK/$peer.out" 2>"$WORK/$peer.log" &
    PIDS+=("$!")
done
exec 5>"$WORK/three.in" 6>"$WORK/four.in"
wait_for "$SERVER_LOG" 'wsi1.1 has connected'
wait_for "$SERVER_LOG" 'wsi2.1 has connected'
printf 'in secret\n' >&5
wait_for "$WORK/four.out" '^in secret$'
printf 'likewise\n' >&6
wait_for "$WORK/three.out" '^likewise$'
stop "$server"
