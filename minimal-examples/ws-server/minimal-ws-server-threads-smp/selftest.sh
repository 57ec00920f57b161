#!/usr/bin/env bash
# Connections come to all service threads, and stay with theirs; each is a thread of its own; the
# page is there; the server ends cleanly with connections in all threads.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl chromium chromedriver
start_server minimal-ws-server-threads-smp -t 3
peer - "ws://127.0.0.1:$PORT/" <<'PYTHON'
import re, sys
from contextlib import ExitStack
from websockets.sync.client import connect

MOST = 300


def message(ws):
    text = ws.recv(timeout=20)
    form = re.fullmatch(r"svc: (\d+), tid: ([12]), msg: (\d+)", text)
    assert form, f"received {text!r}"
    return [int(n) for n in form.groups()]


with ExitStack() as stack:
    found = {}
    while len(found) < 3:
        assert (count := len(found)) < 3 and MOST > 0, f"only threads {sorted(found)} serve"
        MOST -= 1
        ws = connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None)
        svc, *_ = message(ws)
        if svc in found:
            ws.close()
        else:
            found[svc] = stack.enter_context(ws)
    assert sorted(found) == [0, 1, 2], sorted(found)
    for svc, ws in found.items():
        last, producers = {}, set()
        for _ in range(30):
            by, tid, number = message(ws)
            assert by == svc, f"a message of thread {by} on a connection of thread {svc}"
            assert number > last.get(tid, 0), f"{number} after {last}"
            last[tid] = number
            producers.add(tid)
        assert producers == {1, 2}, f"only producer {producers} was heard"
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
    session.until("messages", "return /svc: [0-2], tid: [12], msg: /.test(document.getElementById('r').textContent)")
    problems = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
    check(not problems, "; ".join(problems))
PYTHON

# the signal ends every thread, each with its connections
server=$PID
start clients "$PYTHON" -c '
import sys
from websockets.sync.client import connect
from websockets.exceptions import ConnectionClosed
all = [connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None) for _ in range(30)]
print("connected", flush=True)
for ws in all:
    try:
        while True:
            ws.recv(timeout=20)
    except ConnectionClosed as closed:
        assert closed.rcvd and closed.rcvd.code == 1001, closed
print("all closed with 1001", flush=True)
' "ws://127.0.0.1:$PORT/"
wait_for "$WORK/clients.log" '^connected'
stop "$server"
wait_for "$WORK/clients.log" '^all closed with 1001'

run_failing minimal-ws-server-threads-smp -t 0
expect_in "no threads" "0 is not between 1 and 32" "$OUT"
