"""A page in headless Chromium opens WebSockets to servers under test.

  browser_ws.py PAGE [--deflate URL] [--plain URL] [--refused URL] ...

PAGE is any page without a Content-Security-Policy; its origin is what the servers see.
`--deflate` and `--plain` are echo servers, to which permessage-deflate must be agreed
upon, or must not; messages of all kinds must come back. To `--refused` the page must
see an error and a close with 1006, and never a connection.
"""

import sys

from common import Failure, check, client_parser, equal
from webdriver import browser, missing

# What is found out ends up in window.found, as a text when it went wrong.
ECHO = """
window.found = null;
const ws = new WebSocket(arguments[0]);
ws.binaryType = 'arraybuffer';
const bytes = (size) => Uint8Array.from({length: size}, (_, i) => i * 7 + (i >> 8) * 13 + 128);
const sent = ['', 'x', 'grüße €😀', 'ein Stück '.repeat(10000), 'x'.repeat(1 << 20)];
for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) sent.push(bytes(size));
const same = (one, other) => typeof one === 'string' ? one === other
  : other instanceof ArrayBuffer && one.length === other.byteLength
    && new Uint8Array(other).every((byte, i) => byte === one[i]);
let at = 0;
const fail = (why) => { window.found ??= why; ws.close(); };
ws.onopen = () => ws.send(sent[0]);
ws.onmessage = ({data}) => {
  if (!same(sent[at], data)) return fail(`message ${at} came back wrong`);
  at += 1;
  if (at < sent.length) ws.send(sent[at]);
  else ws.close(1000, 'enough');
};
ws.onerror = () => fail(`an error after ${at} messages`);
ws.onclose = ({code, reason, wasClean}) => {
  window.found ??= {code, reason, wasClean, at, extensions: ws.extensions};
};
return sent.length;
"""

REFUSED = """
window.found = null;
const seen = [];
const ws = new WebSocket(arguments[0]);
for (const what of ['open', 'message', 'error']) ws.addEventListener(what, () => seen.push(what));
ws.onclose = ({code}) => { window.found = {code, seen}; };
"""

FOUND = "return window.found"


def echo(session, url, deflate):
    count = session.script(ECHO, url)
    found = session.until(f"the echoes of {url}", FOUND)
    check(isinstance(found, dict), f"{url}: {found}")
    equal(f"{url}: messages", found["at"], count)
    equal(f"{url}: close", (found["code"], found["wasClean"]), (1000, True))
    equal(f"{url}: extensions", found["extensions"].split(";")[0], "permessage-deflate" if deflate else "")


def refused(session, url):
    session.script(REFUSED, url)
    found = session.until(f"{url} to refuse", FOUND)
    equal(f"{url}: events", found["seen"], ["error"])
    equal(f"{url}: close code", found["code"], 1006)


def run(args, session):
    session.open(args.page)
    for url in args.deflate:
        echo(session, url, True)
    for url in args.plain:
        echo(session, url, False)
    problems = [line for line in session.console() if line.startswith("SEVERE") and "favicon" not in line]
    check(not problems, f"console: {'; '.join(problems)}")
    for url in args.refused:
        refused(session, url)
    # the browser says there what the page isn't told
    said = session.console()
    for url in args.refused:
        check(any(url in line and "Unexpected response code: 4" in line for line in said), f"{url}: {said}")


def main():
    parser = client_parser(__doc__)
    parser.add_argument("page")
    for name in ("deflate", "plain", "refused"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="URL")
    args = parser.parse_args()
    if missing():
        print(f"skipped browser_ws: not installed: {' and '.join(missing())}")
        return 77
    try:
        with browser(args.timeout) as session:
            run(args, session)
    except Failure as failure:
        print(f"FAIL browser_ws: {failure}")
        return 1
    print("ok browser_ws")
    return 0


if __name__ == "__main__":
    sys.exit(main())
