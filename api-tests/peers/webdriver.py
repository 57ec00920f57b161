"""A small W3C WebDriver client: headless Chromium through chromedriver.

Only the standard library, and only what the browser tests need.
"""

import base64
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from common import Failure, check

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--no-proxy-server", "--window-size=900,700",
)
# A loopback peer must be reached as it is, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def missing():
    """Which of the two programs are not installed."""
    found = {"chromium": browser_path(), "chromedriver": shutil.which("chromedriver")}
    return [name for name, path in found.items() if path is None]


def browser_path():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


class Browser:
    """One session; `deadline` (monotonic) bounds everything done with it."""

    def __init__(self, endpoint, deadline):
        self.endpoint, self.deadline, self.session = endpoint, deadline, None

    def command(self, method, path, body=None):
        left = self.deadline - time.monotonic()
        check(left > 0, "the browser took too long")
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(
            self.endpoint + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with OPENER.open(request, timeout=left) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            try:
                value = json.load(error)["value"]
            except ValueError:
                raise Failure(f"{method} {path}: HTTP {error.code}") from error
            raise Failure(f"{method} {path}: {value['error']}: {value['message']}") from error
        except (OSError, TimeoutError) as error:
            raise Failure(f"{method} {path}: {error}") from error

    def start(self, profile, extra_flags=()):
        options = {
            "args": [*FLAGS, f"--user-data-dir={profile}", *extra_flags], "binary": browser_path()
        }
        answer = self.command("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}})
        self.session = f"/session/{answer['sessionId']}"
        return answer["capabilities"]["browserVersion"]

    def get(self, path):
        return self.command("GET", self.session + path)

    def post(self, path, body=None):
        return self.command("POST", self.session + path, body)

    def open(self, url):
        self.post("/url", {"url": url})

    def window(self):
        return self.get("/window")

    def new_tab(self):
        return self.post("/window/new", {"type": "tab"})["handle"]

    def switch_to(self, handle):
        self.post("/window", {"handle": handle})

    def script(self, text, *arguments):
        return self.post("/execute/sync", {"script": text, "args": list(arguments)})

    def element(self, selector):
        found = self.post("/element", {"using": "css selector", "value": selector})
        return f"/element/{found[ELEMENT]}"

    def type_into(self, selector, text):
        self.post(self.element(selector) + "/value", {"text": text})

    def click(self, selector):
        self.post(self.element(selector) + "/click")

    def console(self):
        """What the page's console got since the last call, as text lines."""
        return [
            f"{entry['level']}: {entry['message']}"
            for entry in self.post("/se/log", {"type": "browser"})
        ]

    def screenshot(self, file):
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.get("/screenshot")))

    def until(self, what, script, *arguments):
        """Asks the page until `script` returns something true; returns that."""
        while True:
            if value := self.script(script, *arguments):
                return value
            if time.monotonic() > self.deadline:
                raise Failure(f"waited in vain for {what}")
            time.sleep(0.05)  # between two looks at a condition


@contextlib.contextmanager
def browser(seconds, extra_flags=()):
    """A started browser with a fresh profile; both end with the block."""
    check(not missing(), f"not installed: {' and '.join(missing())}")
    # A test that is told to end takes its browser with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    profile = tempfile.mkdtemp(prefix="lws-browser-")
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )
    session = None
    impatience = threading.Timer(seconds, driver.kill)
    impatience.start()
    try:
        seen = ""
        for line in driver.stdout:
            seen += line
            if port := re.search(r"started successfully on port (\d+)", line):
                break
        else:
            raise Failure(f"chromedriver did not start: {seen}")
        impatience.cancel()
        session = Browser(f"http://127.0.0.1:{port[1]}", time.monotonic() + seconds)
        session.start(profile, extra_flags)
        yield session
    finally:
        impatience.cancel()
        if session and session.session:
            session.deadline = time.monotonic() + 10
            with contextlib.suppress(Failure):
                session.command("DELETE", session.session)
        driver.terminate()
        try:
            driver.wait(5)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.wait()
        driver.stdout.close()
        shutil.rmtree(profile, ignore_errors=True)
