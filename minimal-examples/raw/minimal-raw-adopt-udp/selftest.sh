#!/usr/bin/env bash
# Datagrams come back whole, to who has sent them, by both families; a port that is taken is said.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need python3
start_server minimal-raw-adopt-udp
cat >"$WORK/ask.py" <<'PY'
import socket, sys

port = int(sys.argv[1])
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        peers = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
        for peer in peers:
            peer.settimeout(10)
            peer.connect((host, port))
    except OSError as e:
        print(f"no {host}: {e}", file=sys.stderr)
        continue
    for size in (0, 1, 1400, 20000):
        for n, peer in enumerate(peers):
            peer.send(bytes([n]) * size)
        for n, peer in enumerate(peers):
            assert peer.recv(65536) == bytes([n]) * size, (host, n, size)
print("good")
PY
expect "datagrams" good "$(timeout 60 python3 "$WORK/ask.py" "$PORT" 2>>"$WORK/ask.log" || true)"

run_failing minimal-raw-adopt-udp -p "$PORT"
expect_in "a port that is taken" "port $PORT: " "$OUT"
run_failing minimal-raw-adopt-udp --udp-rx-loss lots
expect_in "no percent" "option --udp-rx-loss" "$OUT"
stop "$PID"
