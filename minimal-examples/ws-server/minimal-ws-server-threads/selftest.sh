#!/usr/bin/env bash
# Two clients get the messages of both threads, each thread's in order; the page is there; the
# server ends cleanly while its threads are at work.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl
start_server minimal-ws-server-threads
peer - "ws://127.0.0.1:$PORT/" <<'PYTHON'
import re, sys
from websockets.sync.client import connect


def opened():
    return connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, proxy=None)


with opened() as one, opened() as two:
    for ws in one, two:
        last = {}
        for _ in range(40):
            message = ws.recv(timeout=20)
            form = re.fullmatch(r"tid: ([12]), msg: (\d+)", message)
            assert form, f"received {message!r}"
            tid, number = form[1], int(form[2])
            assert number > last.get(tid, 0), f"{message!r} after {last[tid]}"
            last[tid] = number
        assert len(last) == 2, f"only thread {list(last)} was heard"
PYTHON
get /
expect_file "page" mount-origin/index.html "$BODY"
stop "$PID"
