#!/usr/bin/env bash
# What is written into a pipe is dumped, until its end.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

mkfifo "$WORK/pipe"
start minimal-raw-file "$BIN_DIR/minimal-raw-file" "$WORK/pipe"
log=$WORK/minimal-raw-file.log
exec 3>"$WORK/pipe"
wait_for "$log" 'RAW_ADOPT_FILE'
printf 'hello' >&3
wait_for "$log" 'RAW_RX_FILE: 5 bytes'
wait_for "$log" '68 65 6[cC] 6[cC] 6[fF] .*hello'
printf 'again\n' >&3
wait_for "$log" 'RAW_RX_FILE: 6 bytes'
exec 3>&-
wait_for "$log" 'RAW_CLOSE_FILE'
wait "$PID" || fail "exit status $?"

out=$(printf 'from standard input' | timeout 20 "$BIN_DIR/minimal-raw-file" /proc/self/fd/0 2>&1) || fail "exit status $?"
expect_in "standard input" "RAW_RX_FILE: 19 bytes" "$out"

# a regular file is always readable; it ends at its end
run minimal-raw-file selftest.sh
expect_in "regular file" RAW_CLOSE_FILE "$OUT"

run_failing minimal-raw-file "$WORK/missing"
expect_in "missing file" "No such file" "$OUT"
