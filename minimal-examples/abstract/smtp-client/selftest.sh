#!/usr/bin/env bash
# A mail server that isn't ours gets the mail as it was written, by every way there is.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
"$PYTHON" -c 'import aiosmtpd' 2>/dev/null || { echo "SKIP: no Python with the package aiosmtpd"; exit 77; }

# mta ARGUMENT...: a mail server; its port goes to PORT, its events to $WORK/mta.log.
mta() {
    start mta "$PYTHON" "$PEERS/smtp_server.py" --print-port --events "$@"
    wait_for "$WORK/mta.log" '^PORT [0-9]+'
    PORT=$(sed -nE 's/^PORT ([0-9]+).*/\1/p' "$WORK/mta.log")
}

# mailed TLS USER: the server has seen the mail, in this way.
mailed() {
    wait_for "$WORK/mta.log" "\"event\": \"mail\".*\"tls\": $1, \"user\": \"$2\""
    expect_in "the mail" '"from": "me@example.com", "to": ["you@example.com"]' "$(cat "$WORK/mta.log")"
    expect_in "the mail's text" 'smtp-client.\r\n\r\n.\r\n-- \r\nlws\r\n"' "$(cat "$WORK/mta.log")"
}

MAIL=(-r you@example.com -f me@example.com --server localhost)
CERT=("--cert" "$LOCALHOST_CERT" "--key" "${LOCALHOST_CERT%.cert}.key")

mta
run smtp-client "${MAIL[@]}" -p "$PORT"
expect_in "in the clear" "sent OK" "$OUT"
mailed false ""
run_failing smtp-client "${MAIL[@]}" -p "$PORT" --starttls required --timeout 1
expect_in "no TLS" "given up: the server has no STARTTLS" "$OUT"
run_failing smtp-client "${MAIL[@]}" -p "$PORT" --user me --password secret --timeout 1
expect_in "a password in the clear" "given up: a password isn't sent without TLS" "$OUT"
run_failing smtp-client "${MAIL[@]}" -f "refused@example.com" -p "$PORT"
expect_in "refused" "rejected: 550" "$OUT"

mta --greylist 1
run smtp-client "${MAIL[@]}" -p "$PORT"
expect_in "at the second try" "sent OK" "$OUT"

mta --starttls "${CERT[@]}"
run smtp-client "${MAIL[@]}" -p "$PORT" --ca "$LOCALHOST_CERT" --starttls required
mailed true ""
run_failing smtp-client "${MAIL[@]}" -p "$PORT" --timeout 1
expect_in "a stranger's certificate" "given up: " "$OUT"
run smtp-client "${MAIL[@]}" -p "$PORT" -k
expect_in "any certificate" "sent OK" "$OUT"

mta --starttls "${CERT[@]}" --auth me:secret
run smtp-client "${MAIL[@]}" -p "$PORT" -k --user me --password secret
mailed true me
run_failing smtp-client "${MAIL[@]}" -p "$PORT" -k --user me --password wrong --timeout 1
expect_in "a wrong password" "given up: 535" "$OUT"

mta --smtps "${CERT[@]}"
run smtp-client "${MAIL[@]}" -p "$PORT" -s --ca "$LOCALHOST_CERT"
# the server's SMTP knows nothing of the TLS beneath it
mailed false ""

mta --inject "${CERT[@]}"
run_failing smtp-client "${MAIL[@]}" -p "$PORT" -k --timeout 1
expect_in "words slipped in before TLS" "given up: " "$OUT"
