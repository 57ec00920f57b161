#!/usr/bin/env bash
# What publishers send reaches all subscribers, what subscribers send nobody; a page does both.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-broker
peer - "ws://127.0.0.1:$PORT" <<'PYTHON'
import sys
from contextlib import ExitStack
from websockets.sync.client import connect

with ExitStack() as stack:

    def opened(path):
        ws = connect(
            sys.argv[1] + path, subprotocols=["lws-minimal-broker"], compression=None, proxy=None
        )
        return stack.enter_context(ws)

    subscribers = [opened("/"), opened("/anything?else")]
    publishers = [opened("/publisher"), opened("/publisher?name=second")]
    for i in range(20):
        subscribers[i % 2].send("not for publication")
        message = f"message {i} " + "ß" * 10000
        publishers[i % 2].send([message[:5], message[5:]])
        for ws in subscribers:
            assert ws.recv(timeout=20) == message, f"message {i} came wrong"

    subscribers.append(opened("/"))
    publishers[0].send("after the late one")
    for ws in subscribers:
        assert ws.recv(timeout=20) == "after the late one"

    for ws in publishers:
        # whatever was sent before the pong is here now
        assert ws.ping().wait(20)
        try:
            raise SystemExit(f"a publisher received {ws.recv(timeout=0)!r}")
        except TimeoutError:
            pass
PYTHON

need chromium chromedriver
peer browser_chat.py "http://127.0.0.1:$PORT/"
stop "$PID"
