#!/usr/bin/env bash
# What the threads make reaches a Python server and, by our broker, a Python subscriber: each thread's
# in order and no faster than it is made. The connection is made again after a close, and after the
# server has been away.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
cat >"$WORK/server.py" <<'PYTHON'
"""server.py PORT [CERT KEY]: closes the first connection after 30 messages."""
import asyncio
import re
import ssl
import sys
import time
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

NAME = "lws-minimal-broker"
began = time.monotonic()
first, last = {}, {}
connections = 0


async def handle(ws):
    global connections
    connections += 1
    limit = 30 if connections == 1 else None
    assert ws.request.path == "/publisher" and ws.subprotocol == NAME
    print("OPEN", connections, flush=True)
    count = 0
    try:
        async for message in ws:
            tid, number = map(int, re.fullmatch(r"tid: ([12]), msg: (\d+)", message).groups())
            expected = last.get(tid, number - 1) + 1
            assert number == expected, f"{message!r} came instead of {expected}"
            last[tid] = number
            # at least 100 ms for each, however late they come
            count_of_thread = number - first.setdefault(tid, number) + 1
            assert count_of_thread <= (time.monotonic() - began) / 0.1 + 1, f"{message!r} came too early"
            count += 1
            if count == limit:
                await ws.close(1000)
                break
            if count % 10 == 0:
                print("COUNT", connections, count, flush=True)
    except ConnectionClosed:
        pass
    print("CLOSED", connections, ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, flush=True)


async def main():
    tls = None
    if sys.argv[2:]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*sys.argv[2:])
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), ssl=tls, subprotocols=[NAME]) as server:
        print("PORT", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
PYTHON
# serve PORT [CERT KEY]: sets PORT and SERVER.
serve() {
    start server "$PYTHON" "$WORK/server.py" "$@"
    SERVER=$PID
    wait_for "$WORK/server.log" '^PORT '
    PORT=$(sed -n 's/^PORT //p' "$WORK/server.log")
}
log=$WORK/server.log
serve 0
start client "$BIN_DIR/minimal-ws-client-tx" --port "$PORT"
client=$PID
wait_for "$log" 'CLOSED 1 1000'
# connected again, and no message is lost or repeated meanwhile: the server sees to that
wait_for "$log" 'COUNT 2 20'
expect "errors of the server" "" "$(grep -A20 Traceback "$log" || true)"

# the server dies, and is away while the client tries; then there is one again
kill -KILL "$SERVER"
wait "$SERVER" 2>/dev/null || true
wait_for "$WORK/client.log" 'connection failed'
serve "$PORT"
wait_for "$log" 'OPEN 1'
wait_for "$log" 'COUNT 1 20'
expect "errors of the server" "" "$(grep -A20 Traceback "$log" || true)"
expect "connections" 3 "$(grep -c ': connected$' "$WORK/client.log")"
stop "$client"
wait_for "$log" 'CLOSED 1 100[01]'
kill "$SERVER"

# nobody is there at all: it can be ended while it waits
start client "$BIN_DIR/minimal-ws-client-tx" --port "$PORT"
client=$PID
wait_for "$WORK/client.log" 'connection failed'
stop "$client"

# --- to our broker
start_server minimal-ws-broker
broker=$PID
start client "$BIN_DIR/minimal-ws-client-tx" --port "$PORT"
client=$PID
peer - "ws://127.0.0.1:$PORT/" <<'PYTHON'
import re
import sys
from websockets.sync.client import connect

last = {}
with connect(sys.argv[1], subprotocols=["lws-minimal-broker"], proxy=None) as ws:
    while sum(last.values()) < 40:
        message = ws.recv(timeout=20)
        tid, number = re.fullmatch(r"tid: ([12]), msg: (\d+)", message).groups()
        assert int(number) > last.get(tid, 0), f"{message!r} after {last[tid]}"
        last[tid] = int(number)
assert len(last) == 2, last
PYTHON
stop "$broker"
stop "$client"

# --- by TLS
test_certificates
serve 0 "$CERTS/server.cert" "$CERTS/server.key"
start client "$BIN_DIR/minimal-ws-client-tx" --server localhost --port "$PORT" --ssl --ca "$CERTS/ca.cert"
client=$PID
wait_for "$log" 'COUNT 1 10'
stop "$client"
