"""Two browser tabs chat through the server under test (headless Chromium).

  browser_chat.py http://127.0.0.1:7681/ [--insecure] [--screenshot FILE]

The page has `#m` (the message), `#b` (sends it), `#r` (received lines: a list
or a textarea) and `#status`, which reads "connected" once it is. What a tab
sends must show in both, and neither console may have an error, such as one of
the page's Content-Security-Policy.
"""

import sys
import time

from common import Failure, check, client_parser
from webdriver import browser, missing

CONNECTED = "return /^connected/.test(document.getElementById('status')?.textContent.trim())"
SHOWS = """
const r = document.getElementById('r');
return (r?.value ?? r?.textContent ?? '').includes(arguments[0]);
"""


def chat(args, session):
    tabs = {"first tab": session.window()}
    session.open(args.url)
    tabs["second tab"] = session.new_tab()
    session.switch_to(tabs["second tab"])
    session.open(args.url)
    for name, handle in tabs.items():
        session.switch_to(handle)
        session.until(f"the {name} to be connected", CONNECTED)

    mark = time.monotonic_ns()
    for turn, sender in enumerate([*tabs, *tabs]):
        text = f"turn {turn} of {mark}: grüße from the {sender}"
        session.switch_to(tabs[sender])
        session.type_into("#m", text)
        session.click("#b")
        for name, handle in tabs.items():
            session.switch_to(handle)
            session.until(f"the {name} to show what the {sender} sent", SHOWS, text)

    if args.screenshot:
        session.screenshot(args.screenshot)
    for name, handle in tabs.items():
        session.switch_to(handle)
        problems = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
        check(not problems, f"console of the {name}: {'; '.join(problems)}")


def main():
    parser = client_parser(__doc__)
    parser.add_argument("url")
    parser.add_argument("--screenshot", metavar="FILE", help="of the second tab, as PNG")
    parser.add_argument("--insecure", action="store_true", help="https: take any certificate")
    args = parser.parse_args()
    if missing():
        print(f"skipped browser_chat: not installed: {' and '.join(missing())}")
        return 77
    try:
        with browser(args.timeout, ["--ignore-certificate-errors"] if args.insecure else ()) as session:
            chat(args, session)
    except Failure as failure:
        print(f"FAIL browser_chat: {failure}")
        return 1
    print("ok browser_chat")
    return 0


if __name__ == "__main__":
    sys.exit(main())
