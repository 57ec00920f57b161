#!/usr/bin/env bash
# Eight requests, over eight connections or one.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

start_server minimal-http-server
for options in "" "-p" "-s" "-s -p" "-n" "-p -n" "-s -p -n"; do
    # shellcheck disable=SC2086
    run minimal-http-client-multi --port "$PORT" $options
    expect_in "options \"$options\"" "8 of 8 succeeded" "$OUT"
    case $options in
        *-p*) expect_in "options \"$options\"" "8 requests over 1 network connections" "$OUT" ;;
        *) expect_in "options \"$options\"" "8 requests over 8 network connections" "$OUT" ;;
    esac
done
stop "$PID"

run_failing minimal-http-client-multi --port "$PORT"
expect_in "without a server" "0 of 8 succeeded" "$OUT"
