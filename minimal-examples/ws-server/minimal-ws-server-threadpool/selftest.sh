#!/usr/bin/env bash
# Three tasks run, four wait, the eighth is refused; closing one lets the next begin; the loop answers
# while all threads work; the page's tasks all end; the server ends cleanly in the middle of it.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl chromium chromedriver

start_server minimal-ws-server-threadpool -l 3
peer - "ws://127.0.0.1:$PORT/" <<'PYTHON'
import sys
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed

with connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None) as ws:
    lines = []
    try:
        while True:
            lines.append(ws.recv(timeout=20))
    except ConnectionClosed as closed:
        assert closed.rcvd and closed.rcvd.code == 1000, closed
    wanted = [(1, 5000, 48611), (2, 10000, 104729), (3, 15000, 163841)]
    assert lines == [f"line {n} of 3: prime {nth} is {prime}" for n, nth, prime in wanted], lines
PYTHON
PYTHONPATH=$PEERS peer - "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys
from common import check
from webdriver import browser

DONE = "return document.getElementById('status').textContent === '8 of 8 done'"
LINES = """
const all = [...document.querySelectorAll('#r li')].map((line) => line.textContent);
return all.length === 8 && all.every((text) => text.startsWith('line 3 of 3: prime 15000 is 163841'));
"""

with browser(60) as session:
    session.window()
    session.open(sys.argv[1])
    session.until("eight tasks to be done", DONE)
    session.until("eight last lines", LINES)
    problems = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
    check(not problems, "; ".join(problems))
PYTHON
stop "$PID"
wait_for "$SERVER_LOG" 'threads 3, running 0, queued 0, refused [0-9]+, finished 9, stopped 0 \(0 panicked\)'

# tasks without end
start_server minimal-ws-server-threadpool -l 1000000
peer - "ws://127.0.0.1:$PORT/" "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys, urllib.request
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed

def opened():
    return connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None)

def runs(ws):
    return ws.recv(timeout=20).startswith("line 1 of 1000000: ")

running = [opened() for _ in range(3)]
assert all(map(runs, running))
waiting = [opened() for _ in range(4)]
refused = opened()
try:
    refused.recv(timeout=20)
    assert False, "the eighth task was not refused"
except ConnectionClosed as closed:
    assert closed.rcvd and (closed.rcvd.code, closed.rcvd.reason) == (1013, "all threads are busy"), closed
# the loop's thread isn't one of those that work
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
assert b"threadpool" in direct.open(sys.argv[2], timeout=20).read()
# one that goes makes place for the first that waits, and for one more in the queue
running.pop().close()
first, *others = waiting
assert runs(first)
later = opened()
for gone, next_one in zip([*running, first], others):
    gone.close()
    assert runs(next_one)
PYTHON
stop "$PID"
wait_for "$SERVER_LOG" 'running 0, queued 0, refused 1, finished 0, stopped 8 \(0 panicked\)'

run_failing minimal-ws-server-threadpool --threads 0
expect_in "no threads" "threadpool: threads is zero" "$OUT"
