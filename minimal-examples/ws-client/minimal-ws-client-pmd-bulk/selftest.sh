#!/usr/bin/env bash
# A Python server that makes the message by itself checks what comes, how it was framed and how many
# bytes it took on the wire; wrong messages of the server are found. Then the same with our own server.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
cat >"$WORK/server.py" <<'PYTHON'
"""server.py CERT KEY: what is sent is chosen by whether the first message is text; the connection after
one that closed with 1000 gets a message with a wrong end, the next one of the other kind, and so on."""
import asyncio
import itertools
import ssl
import sys
from websockets.asyncio.server import ServerConnection, serve

NAME = "lws-minimal-pmd-bulk"
SIZE = 133700


def random_bytes():
    random, out = 4, bytearray()
    for _ in range(SIZE):
        random ^= random << 21 & (1 << 64) - 1
        random ^= random >> 35
        random ^= random << 4 & (1 << 64) - 1
        out.append(random & 0xFF)
    return bytes(out)


BINARY = random_bytes()


class Counted(ServerConnection):
    received = 0

    def data_received(self, data):
        self.received += len(data)
        super().data_received(data)


async def handle(ws):
    assert ws.subprotocol == NAME
    ws.received = 0
    got = [piece async for piece in ws.recv_streaming()]
    message = got[0][:0].join(got)
    if isinstance(message, str):
        assert message.startswith("No one would have believed in the last years") and len(message) == SIZE
        assert message == message[:1337] * 100
    else:
        assert message == BINARY, "wrong bytes"
    names = [extension.name for extension in ws.protocol.extensions]
    what = "text" if isinstance(message, str) else "binary"
    print("MESSAGE", what, len(got), names, ws.received, flush=True)
    wrong = next(answers)
    if wrong == "end":
        message = message[:-1] + message[:1]
    elif wrong == "short":
        message = message[:-1]
    elif wrong == "kind":
        message = BINARY if isinstance(message, str) else "text"
    elif wrong == "close":
        await ws.close(1011, "not now")
        return
    cuts = [0, 1, 1024, 1024, 70000, SIZE, SIZE]
    try:
        await ws.send([message[a:b] for a, b in zip(cuts, cuts[1:])])
    finally:
        await ws.wait_closed()
        print("CLOSED", ws.protocol.close_rcvd.code, flush=True)


answers = itertools.chain([None] * 4, ["end", "short", "kind", "close"], itertools.repeat(None))


async def main():
    tls = None
    if sys.argv[1:]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*sys.argv[1:])
    async with serve(handle, "127.0.0.1", 0, ssl=tls, max_size=None, create_connection=Counted, subprotocols=[NAME]) as server:
        print("PORT", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
PYTHON
# serve [CERT KEY]
serve() {
    rm -f "$WORK/server.log"
    start server "$PYTHON" "$WORK/server.py" "$@"
    log=$WORK/server.log
    wait_for "$log" '^PORT '
    PORT=$(sed -n 's/^PORT //p' "$log")
}
serve
run minimal-ws-client-pmd-bulk --server 127.0.0.1 --port "$PORT"
run minimal-ws-client-pmd-bulk --port "$PORT" -c
run minimal-ws-client-pmd-bulk --port "$PORT" -n
run minimal-ws-client-pmd-bulk --port "$PORT" -n -c
expect_in "result" "Completed: OK" "$OUT"
expect "what came" "binary 131 ['permessage-deflate']
text 131 ['permessage-deflate']
binary 131 []
text 131 []" "$(sed -nE 's/^MESSAGE (.*) [0-9]+$/\1/p' "$log")"
mapfile -t wire < <(sed -nE 's/^MESSAGE .* ([0-9]+)$/\1/p' "$log")
echo "bytes on the wire: ${wire[*]}"
for n in 0 2 3; do
    [ "${wire[n]}" -gt 133700 ] || fail "only ${wire[n]} bytes came of message $n"
done
[ "${wire[1]}" -lt 40000 ] || fail "the text took ${wire[1]} bytes compressed"
wait_for "$log" 'CLOSED'
for why in "the bulk message" "the bulk message" "the bulk message" "closed by the server: 1011 not now"; do
    run_failing minimal-ws-client-pmd-bulk --port "$PORT"
    expect_in "a wrong message" "$why" "$OUT"
    expect_in "a wrong message" "Completed: failed" "$OUT"
done
for _ in {1..200}; do
    [ "$(grep -c CLOSED "$log")" = 7 ] && break
    sleep 0.05
done
expect "close codes" "1000 1000 1000 1000 1008 1008 1008" "$(sed -n 's/^CLOSED //p' "$log" | paste -sd ' ')"
expect "errors of the server" "" "$(grep -A20 Traceback "$log" || true)"
kill "$PID"

# nobody there; then the other end of the same name
run_failing minimal-ws-client-pmd-bulk --port "$PORT"
expect_in "without a server" "connection failed" "$OUT"
for flags in "" -c "-b -c" "-n -b"; do
    read -ra server <<<"$flags"
    start_server minimal-ws-server-pmd-bulk ${server[@]+"${server[@]}"}
    client=()
    [[ $flags = *-c* ]] && client=(-c)
    run minimal-ws-client-pmd-bulk --port "$PORT" ${client[@]+"${client[@]}"}
    expect_in "with our server $flags" "Completed: OK" "$OUT"
    wait_for "$SERVER_LOG" 'received 133700 bytes'
    # a client that leaves the extension off
    run minimal-ws-client-pmd-bulk --port "$PORT" -n ${client[@]+"${client[@]}"}
    stop "$PID"
done
start_server minimal-ws-server-pmd-bulk -c
run_failing minimal-ws-client-pmd-bulk --port "$PORT"
expect_in "one of them random, one text" "Completed: failed" "$OUT"
stop "$PID"

# --- by TLS
test_certificates
serve "$CERTS/server.cert" "$CERTS/server.key"
run minimal-ws-client-pmd-bulk --server localhost --port "$PORT" --ssl --ca "$CERTS/ca.cert" -c
run_failing minimal-ws-client-pmd-bulk --server localhost --port "$PORT" --ssl
expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
start_server minimal-ws-server-pmd-bulk -s
run minimal-ws-client-pmd-bulk --port "$PORT" --ssl
stop "$PID"
