#!/usr/bin/env bash
# Several clients share one connection to a Python server: all get all, in order and of the right kind;
# a fast server is held up by a slow client, and one that takes nothing is closed. The server dies and
# comes back while the clients stay. Also with our own server behind it, by TLS, and in a browser.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl
cat >"$WORK/upstream.py" <<'PYTHON'
"""upstream.py PORT [CERT KEY]: sends what lines of commands on a TCP port of its own say.

burst N SIZE: that many messages, every third binary; text T: that message; said when sent."""
import asyncio
import ssl
import sys
from websockets.asyncio.server import serve

members = set()


async def handle(ws):
    assert ws.request.path == "/feed?me" and ws.subprotocol == "numbers", ws.subprotocol
    members.add(ws)
    print("OPEN", len(members), flush=True)
    try:
        async for message in ws:
            print("UNEXPECTED", message, flush=True)
    finally:
        members.discard(ws)
        print("CLOSED", ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, flush=True)


def message(n, size):
    text = f"{n} ".ljust(size, "x")
    return text.encode() if n % 3 == 0 else text


async def command(reader, writer):
    while line := await reader.readline():
        what, *args = line.decode().rstrip("\n").split(" ")
        assert len(members) == 1, members
        ws, = members
        if what == "burst":
            for n in range(int(args[0])):
                await ws.send(message(n, int(args[1])))
        else:
            await ws.send(" ".join(args))
        writer.write(b"sent\n")
    writer.close()


async def main():
    tls = None
    if sys.argv[2:]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*sys.argv[2:])
    control = await asyncio.start_server(command, "127.0.0.1", 0)
    feed = await serve(
        handle, "127.0.0.1", int(sys.argv[1]), ssl=tls, subprotocols=["numbers"], write_limit=4096,
    )
    ports = [server.sockets[0].getsockname()[1] for server in (feed, control)]
    print("PORT", *ports, flush=True)
    await asyncio.Future()


asyncio.run(main())
PYTHON
cat >"$WORK/clients.py" <<'PYTHON'
"""clients.py PROXY UPSTREAM-LOG: the clients of all parts of the test; a new upstream is started between."""
import re
import socket
import subprocess
import sys
import time
from websockets.sync.client import connect

proxy, start_again, proxy_log = int(sys.argv[1]), sys.argv[3:], sys.argv[2]


def join(**more):
    return connect(f"ws://127.0.0.1:{proxy}/", subprotocols=["lws-minimal-proxy"], proxy=None, **more)


def wait_for(what, condition):
    end = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def log_says(pattern, times=1):
    return lambda: len(re.findall(pattern, open(proxy_log).read())) >= times


class Upstream:
    def __init__(self, port):
        self.process = subprocess.Popen([*start_again, str(port)], stdout=subprocess.PIPE, text=True)
        while not (line := self.process.stdout.readline()).startswith("PORT"):
            assert line, "the upstream ended"
        self.port, control = map(int, line.split()[1:])
        self.control = socket.create_connection(("127.0.0.1", control), timeout=20)
        self.answers = self.control.makefile("rb")

    def says(self, wanted):
        line = self.process.stdout.readline()
        assert line.rstrip("\n") == wanted, f"{line!r}, not {wanted!r}"

    def tell(self, command):
        self.control.sendall(command.encode() + b"\n")

    def done(self):
        assert self.answers.readline() == b"sent\n"

    def die(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.control.close()


def message(n, size):
    text = f"{n} ".ljust(size, "x")
    return text.encode() if n % 3 == 0 else text


def check_burst(ws, count, size):
    for n in range(count):
        assert ws.recv(timeout=20) == message(n, size), f"message {n} is wrong"


upstream = Upstream(int(open(proxy_log + ".port").read()))
upstream.says("OPEN 1")
wait_for("the proxy's connection", log_says("connected to the server"))
one, two = join(), join()
three = join()
clients = [one, two, three]

# --- several messages in a row, far more than the ring holds, none is lost
upstream.tell("burst 500 100")
for ws in clients:
    check_burst(ws, 500, 100)
upstream.done()
upstream.tell("burst 40 65536")
for n in range(40):
    for ws in clients:
        assert ws.recv(timeout=20) == message(n, 65536), f"message {n} is wrong"
upstream.done()

# --- what clients send goes nowhere, and hurts nobody
one.send("to nobody")
assert one.ping().wait(20)

# --- somebody who doesn't read holds the server up for 5 s, and is closed then; the others lose nothing
lagging = socket.create_connection(("127.0.0.1", proxy), timeout=20)
lagging.sendall(
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: lws-minimal-proxy\r\n\r\n"
)
assert lagging.recv(4096).startswith(b"HTTP/1.1 101 ")
count = 700  # 42 MB: more than kernels take for somebody who doesn't read
upstream.tell(f"burst {count} 60000")
for n in range(count):
    for ws in clients:
        assert ws.recv(timeout=20) == message(n, 60000), f"message {n} is wrong"
upstream.done()
assert log_says("lagged behind and is closed")(), "nobody was lagging"
lagging.close()

# --- the server dies; the clients stay, and get what the next one sends
for turn in 1, 2:
    upstream.die()
    failures = len(re.findall("connection to the server failed", open(proxy_log).read()))
    wait_for("a failed try", log_says("connection to the server failed", failures + 1))
    for ws in clients:
        assert ws.ping().wait(20)
    upstream = Upstream(upstream.port)
    upstream.says("OPEN 1")
    # a late client, who gets only what is sent from now on
    clients.append(join())
    upstream.tell(f"text after death {turn}")
    upstream.done()
    for ws in clients:
        assert ws.recv(timeout=20) == f"after death {turn}"
upstream.tell("burst 100 100")
for ws in clients:
    check_burst(ws, 100, 100)
for ws in clients:
    ws.close()
upstream.die()
PYTHON

# a port that nobody listens on until the upstream does
free_port() {
    "$PYTHON" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
upstream=$(free_port)
start_server minimal-ws-proxy -n --server 127.0.0.1 --port "$upstream" --path "/feed?me" --protocol numbers
proxy=$PID
echo "$upstream" >"$SERVER_LOG.port"
wait_for "$SERVER_LOG" 'connection to the server failed'
timeout 75 "$PYTHON" "$WORK/clients.py" "$PORT" "$SERVER_LOG" "$PYTHON" "$WORK/upstream.py" ||
    fail "clients.py ended with $?"
rss=$(sed -nE 's/^VmHWM:\s+([0-9]+) kB/\1/p' "/proc/$proxy/status")
echo "most memory: $rss kB"
[ "$rss" -lt 65536 ] || fail "the proxy had $rss kB"
get /
expect_file "page" mount-origin/index.html "$BODY"
stop "$proxy"

# --- our own server behind it, and a browser before it
start_server minimal-ws-server-threads
server=$PID
start_server minimal-ws-proxy -n --port "$PORT"
proxy=$PID
need chromium chromedriver
peer - "$PEERS" "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from webdriver import browser

LINES = "return [...document.querySelectorAll('#r li')].map((li) => li.textContent)"
with browser(60) as session:
    session.open(sys.argv[2])
    session.until("twenty lines", "return document.querySelectorAll('#r li').length === 20")
    lines = session.script(LINES)
    assert all(line.startswith("tid: ") for line in lines), lines
    session.until("a new line", LINES.replace("return ", "return !") + ".includes(arguments[0])", lines[0])
    console = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
assert not console, console
PYTHON
# the server says goodbye, and the proxy can be ended while it waits for it
stop "$server"
wait_for "$SERVER_LOG" 'the connection to the server is closed'
stop "$proxy"

# --- TLS on both sides
test_certificates
start tls "$PYTHON" "$WORK/upstream.py" 0 "$CERTS/server.cert" "$CERTS/server.key"
wait_for "$WORK/tls.log" '^PORT '
read -r _ upstream control <"$WORK/tls.log"
start_server minimal-ws-proxy -s --server localhost --port "$upstream" --path "/feed?me" --protocol numbers \
    --ca "$CERTS/ca.cert"
proxy=$PID
wait_for "$SERVER_LOG" 'connected to the server'
peer - "wss://localhost:$PORT/" "$LOCALHOST_CERT" "$control" <<'PYTHON'
import socket
import ssl
import sys
from websockets.sync.client import connect

context = ssl.create_default_context(cafile=sys.argv[2])
with connect(sys.argv[1], ssl=context, subprotocols=["lws-minimal-proxy"], proxy=None) as ws:
    socket.create_connection(("127.0.0.1", int(sys.argv[3]))).sendall(b"text by TLS\n")
    assert ws.recv(timeout=20) == "by TLS"
PYTHON
stop "$proxy"
wait_for "$WORK/tls.log" 'CLOSED 1001'
start_server minimal-ws-proxy --server localhost --port "$upstream"
wait_for "$SERVER_LOG" 'unable to get local issuer certificate'
stop "$PID"
