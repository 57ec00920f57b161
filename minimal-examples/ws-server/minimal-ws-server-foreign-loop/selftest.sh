#!/usr/bin/env bash
# The loop lives before the server and after it; its timer, its socket and the server's timers work side
# by side; it sleeps when nothing happens.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl chromium chromedriver
start_server minimal-ws-server-foreign-loop --tick 200
expect_in "the loop's own first" "Foreign timer, turn" "$(sed -n '1,/^open/p' "$SERVER_LOG")"
UDP=$(sed -nE 's/^udp 127\.0\.0\.1:([0-9]+)$/\1/p' "$SERVER_LOG")
peer - "ws://127.0.0.1:$PORT/" "$UDP" <<'PYTHON'
import re, socket, sys
from websockets.sync.client import connect

url, udp = sys.argv[1], ("127.0.0.1", int(sys.argv[2]))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.settimeout(20)
clients = [connect(url, subprotocols=["lws-minimal"], compression=None, proxy=None) for _ in range(20)]


def until(ws, wanted):
    for _ in range(1000):
        text = ws.recv(timeout=20)
        if re.fullmatch(wanted, text):
            return
    raise AssertionError(f"no {wanted}")


for ws in clients:
    until(ws, "hello from a timer of lws")
    until(ws, r"foreign timer, turn \d+")
for n in range(10):
    datagrams.sendto(f"datagram {n}".encode(), udp)
    for ws in clients:
        until(ws, f"datagram {n}")
for n, ws in enumerate(clients):
    ws.send(f"from client {n}")
    assert datagrams.recv(100) == f"from client {n}".encode()
for ws in clients:
    ws.close()
PYTHON
get /
expect_file "page" mount-origin/index.html "$BODY"
PYTHONPATH=$PEERS peer - "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys
from common import check
from webdriver import browser

with browser(30) as session:
    session.window()
    session.open(sys.argv[1])
    for text in "hello from a timer of lws", "foreign timer, turn ":
        session.until(text, "return document.getElementById('r').textContent.includes(arguments[0])", text)
    problems = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
    check(not problems, "; ".join(problems))
PYTHON

# an open connection, and nothing to do but the ticks: a turn for each, one for what it makes lws say
server=$PID
start idle "$PYTHON" -c '
import sys
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed
with connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None) as ws:
    assert ws.recv(timeout=20).startswith("hello")
    turns, ticks = [], 0
    while len(turns) < 8:
        text = ws.recv(timeout=20)
        turns.append(int(text.rsplit(" ", 1)[1]))
    steps = [b - a for a, b in zip(turns, turns[1:])]
    print("steps", steps, flush=True)
    assert max(steps[1:]) <= 4 and sum(steps[1:]) <= 3 * len(steps[1:]), steps
    print("quiet", flush=True)
    try:
        while True:
            ws.recv(timeout=20)
    except ConnectionClosed as closed:
        assert closed.rcvd and closed.rcvd.code == 1001, closed
    print("closed with 1001", flush=True)
' "ws://127.0.0.1:$PORT/"
wait_for "$WORK/idle.log" '^quiet'
stop "$server"
wait_for "$WORK/idle.log" '^closed with 1001'
expect_in "its end" "the server has gone after" "$(tail -n 1 "$SERVER_LOG")"
