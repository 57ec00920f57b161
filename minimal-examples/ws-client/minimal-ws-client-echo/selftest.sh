#!/usr/bin/env bash
# An independent server gets its messages back as they were; the client connects again when it was
# closed, or with -o ends and says how it was.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
cat >"$WORK/server.py" <<'PYTHON'
import asyncio
import ssl
import sys
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
    print("EXTENSIONS", [extension.name for extension in ws.protocol.extensions], flush=True)
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
    tls = None
    if len(sys.argv) == 4:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*sys.argv[2:])
    compression = "deflate" if sys.argv[1] == "deflate" else None
    async with serve(handle, "127.0.0.1", 0, ssl=tls, compression=compression, max_size=None) as server:
        print("PORT", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
PYTHON
start server "$PYTHON" "$WORK/server.py" plain
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

# --- the same compressed, unless -n leaves it off
start deflate "$PYTHON" "$WORK/server.py" deflate
log=$WORK/deflate.log
wait_for "$log" '^PORT '
PORT=$(sed -n 's/^PORT //p' "$log")
run minimal-ws-client-echo -s 127.0.0.1 -p "$PORT" -u "/some/path?and=query" -o
run minimal-ws-client-echo -s 127.0.0.1 -p "$PORT" -u "/some/path?and=query" -o -n
expect "extensions" "EXTENSIONS ['permessage-deflate'] EXTENSIONS []" "$(grep EXTENSIONS "$log" | paste -sd ' ')"
expect "closes answered" 2 "$(grep -c 'CLOSED 1000' "$log")"
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

# --- how connections end
peer ws_close.py --client "$BIN_DIR/minimal-ws-client-echo"

# --- node's server, which checks what comes back, with compression in all forms and without
if has_node_peers; then
    for form in plain default fresh server-small both-small; do
        options=()
        [ "$form" = plain ] || options=(--deflate "$form")
        start "node-$form" node "$PEERS/node/ws_node.js" server "${options[@]}"
        wait_for "$WORK/node-$form.log" '^PORT '
        run minimal-ws-client-echo -s 127.0.0.1 -p "$(sed -n 's/^PORT //p' "$WORK/node-$form.log")" -o
        wait_for "$WORK/node-$form.log" '^CLOSED 1000|^FAIL'
        expect "failures of node $form" "" "$(grep '^FAIL' "$WORK/node-$form.log" || true)"
        kill "$PID"
    done
fi

# --- the same by TLS
test_certificates
start tls-server "$PYTHON" "$WORK/server.py" plain "$CERTS/server.cert" "$CERTS/server.key"
log=$WORK/tls-server.log
wait_for "$log" '^PORT '
PORT=$(sed -n 's/^PORT //p' "$log")
run minimal-ws-client-echo --ssl --ca "$CERTS/ca.cert" -s localhost -p "$PORT" -u "/some/path?and=query" -o
wait_for "$log" 'CLOSED 1000'
expect "errors of the server" "" "$(grep -A20 Traceback "$log" || true)"
run_failing minimal-ws-client-echo --ssl -s localhost -p "$PORT" -o
expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
run_failing minimal-ws-client-echo -s localhost -p "$PORT" -o
expect_in "plain text to a TLS port" "connection failed" "$OUT"
start_server minimal-ws-server-echo -s
start own "$BIN_DIR/minimal-ws-client-echo" --ssl -p "$PORT" -o
client=$PID
wait_for "$WORK/own.log" 'connected'
stop "$client"
