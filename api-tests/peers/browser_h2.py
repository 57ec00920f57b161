"""Headless Chromium opens a page by HTTP/2, and perhaps its WebSocket over the same connection.

  browser_h2.py PAGE [--says PATH TEXT] [--chat]

The browser itself must say that the page came by h2; with `--says` another page of the server
must have that text. With `--chat` PAGE is that of minimal-ws-server: a message that is typed
there must come back, and Chromium's own log of its network must show the WebSocket as a stream
(RFC 8441) of the very connection that the page came by. Certificates aren't looked at.
"""

import json
import pathlib
import sys
import tempfile

from common import Failure, check, client_parser, equal
from webdriver import browser, missing

PROTOCOL = "return performance.getEntriesByType('navigation')[0].nextHopProtocol"


def page(args, session):
    session.open(args.page)
    equal("protocol of the page, as the browser has it", session.script(PROTOCOL), "h2")
    if args.says:
        path, text = args.says
        session.open(args.page.rstrip("/") + path)
        said = session.script("return document.body.innerText")
        check(text in said, f"no {text!r} in {said!r}")


def chat(session):
    session.until("the WebSocket", "return document.getElementById('status').textContent === 'connected'")
    session.type_into("#m", "by way of h2")
    session.click("#b")
    session.until("the message", "return document.getElementById('r').innerText.includes('by way of h2')")


def events(log):
    """Names and events in a log of Chromium's, which has one a line."""
    first, *lines = log.read_text().splitlines()
    names = json.loads(first.rstrip(",") + "}")["constants"]["logEventTypes"]
    names = {number: name for name, number in names.items()}
    for line in lines:
        if line.startswith("{"):
            # behind the last event stands the end of the list, and more
            event, _ = json.JSONDecoder().raw_decode(line)
            yield names.get(event.get("type")), event


def same_connection(log):
    """The connection whose streams are a page and a WebSocket."""
    methods = {}
    for name, event in events(log):
        if name == "HTTP2_SESSION_SEND_HEADERS":
            fields = event["params"]["headers"]
            methods.setdefault(event["source"]["id"], []).extend(
                "websocket" if field == ":protocol: websocket" else "get"
                for field in fields if field in (":protocol: websocket", ":method: GET")
            )
    check(any({"get", "websocket"} <= set(seen) for seen in methods.values()),
          f"no WebSocket on the page's connection: {methods}")
    equal("connections", len(methods), 1)


def main():
    parser = client_parser(__doc__)
    parser.add_argument("page")
    parser.add_argument("--says", nargs=2, metavar=("PATH", "TEXT"))
    parser.add_argument("--chat", action="store_true", help="the page is that of minimal-ws-server")
    args = parser.parse_args()
    if missing():
        print(f"skipped browser_h2: not installed: {' and '.join(missing())}")
        return 77
    try:
        with tempfile.TemporaryDirectory(prefix="lws-netlog-") as folder:
            log = pathlib.Path(folder, "net.json")
            with browser(args.timeout, ("--ignore-certificate-errors", f"--log-net-log={log}")) as session:
                page(args, session)
                if args.chat:
                    chat(session)
            if args.chat:
                same_connection(log)
    except Failure as failure:
        print(f"FAIL browser_h2: {failure}")
        return 1
    print("ok browser_h2")
    return 0


if __name__ == "__main__":
    sys.exit(main())
