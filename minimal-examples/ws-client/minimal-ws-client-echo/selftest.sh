#!/usr/bin/env bash
# An independent server gets its messages back as they were; the client connects again when it was
# closed, or with -o ends and says how it was.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
cat >"$WORK/server.py" <<'PYTHON'
import asyncio
from websockets.asyncio.server import serve


def bytes_of(size):
    return bytes((i * 7 + (i >> 8) * 13 + 0x80) & 0xFF for i in range(size))


async def echoed(ws, message, whole):
    # sent beside the receiving: the client echoes a message before it has all of it
    sending = asyncio.create_task(ws.send(message))
    assert await ws.recv() == whole, f"{len(whole)} came back wrong"
    await sending


sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20, 4 << 20]


async def handle(ws):
    assert ws.request.path == "/some/path?and=query", ws.request.path
    for size in sizes:
        await echoed(ws, bytes_of(size), bytes_of(size))
        await echoed(ws, "x" * size, "x" * size)
    await echoed(ws, ["ein", " ", "", "Stück", ""], "ein Stück")
    await echoed(ws, [bytes_of(70000)] * 3, bytes_of(70000) * 3)
    await (await ws.ping(b"alive?"))
    messages = [f"{i}:" + "p" * (i % 300) for i in range(1000)]

    async def send_all():
        for message in messages:
            await ws.send(message)

    sending = asyncio.create_task(send_all())
    for message in messages:
        assert await ws.recv() == message
    await sending
    await ws.close(1000, "enough")
    # the biggest one only once
    del sizes[7:]
    print("CLOSED", ws.protocol.close_rcvd.code, flush=True)


async def main():
    async with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print("PORT", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
PYTHON
start server "$PYTHON" "$WORK/server.py"
log=$WORK/server.log
wait_for "$log" '^PORT '
PORT=$(sed -n 's/^PORT //p' "$log")

run minimal-ws-client-echo -s 127.0.0.1 -p "$PORT" -u "/some/path?and=query" -o
wait_for "$log" 'CLOSED 1000'

start client "$BIN_DIR/minimal-ws-client-echo" -p "$PORT" -u "some/path?and=query" -i 127.0.0.1
client=$PID
for _ in {1..200}; do
    [ "$(grep -c CLOSED "$log")" -ge 3 ] && break
    sleep 0.05
done
expect "closes answered after connecting again" 3 "$(grep -c CLOSED "$log")"
stop "$client"
expect "errors of the server" "" "$(grep -A20 Traceback "$log" || true)"

start_peer ws_server.py
refused=$PORT
stop "$PID"
run_failing minimal-ws-client-echo -p "$refused" -o
expect_in "without a server" "connection failed" "$OUT"
start_peer ws_server.py --case refuse/403
run_failing minimal-ws-client-echo -p "$PORT" -o -u /refuse/403
expect_in "refused" "status 403" "$OUT"
stop "$PID"
