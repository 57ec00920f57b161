#!/usr/bin/env bash
# Every question gets its answer, also when 40 % of the datagrams are lost both ways; without a server, or when
# all are lost, it is given up.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

start_server minimal-raw-adopt-udp
run minimal-raw-udp-transaction --port "$PORT"
expect_in "without losses" "20 transactions in 20 datagrams" "$OUT"

run minimal-raw-udp-transaction --port "$PORT" -c 15 --udp-rx-loss 40 --udp-tx-loss 40
expect_in "with losses" "15 transactions in " "$OUT"
datagrams=$(sed -nE 's/^15 transactions in ([0-9]+) datagrams$/\1/p' <<<"$OUT")
[ "$datagrams" -gt 15 ] || fail "$datagrams datagrams for 15 transactions: nothing was lost"
stop "$PID"

run_failing minimal-raw-udp-transaction --port "$PORT"
expect_in "without a server" "Completed: failed" "$OUT"
