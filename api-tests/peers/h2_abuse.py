"""HTTP/2 peers that break rules or flood; the server must say so, and go on serving others.

  h2_abuse.py URL [--cacert FILE] [--only TEXT] [--pid PID]

URL is a page of status 200, by http (prior knowledge) or https (ALPN). First the table in
`h2_cases.py`: each violation, sent in one piece and in small ones, must end in the error
code that the RFC gives it. Then floods: each must end with ENHANCE_YOUR_CALM, or with
nothing worse than answers, while a well-behaved client is served on another connection;
with `--pid` the server's memory must stay bounded, and afterwards it must be at rest.
Prints `N passed, M failed`.
"""

import argparse
import os
import sys
import threading
import time

import h2_cases
from common import Failure, check, end_after, equal
from h2_floods import FLOODS
from h2_wire import Connection, code_name, settings, INITIAL_WINDOW

PROBE = 1001  # above every stream of a case
MOST_GROWTH_KB = 48 << 10


def outcome(conn, case):
    """Compares what the server does with what the case wants."""
    kind, wanted = case.want
    if kind == "goaway":
        conn.at_end()
        check(conn.goaway_name() in wanted, f"GOAWAY {conn.goaway_name()}, want {' or '.join(wanted)}")
        return
    if kind in ("reset", "either"):
        conn.until("an error", lambda: 1 in conn.resets or conn.goaway is not None)
        if conn.goaway is not None:
            check(kind == "either", f"GOAWAY {conn.goaway_name()}, want RST_STREAM")
            check(conn.goaway_name() in wanted, f"GOAWAY {conn.goaway_name()}, want {' or '.join(wanted)}")
            return
        name = code_name(conn.resets[1])
        check(name in wanted, f"RST_STREAM {name}, want {' or '.join(wanted)}")
    elif kind == "malformed_or_status":
        conn.until("an answer or an error", lambda: 1 in conn.resets or 1 in conn.fields)
        if 1 in conn.fields:
            check(conn.status(1) in wanted, f"status {conn.status(1)}, want {wanted}")
        else:
            equal("code of the reset", code_name(conn.resets[1]), "PROTOCOL_ERROR")
    elif kind == "too_many":
        limit = conn.settings[3] if conn.settings else None
        conn.until("all answers", lambda: len(set(conn.fields) | set(conn.resets)) == 120)
        equal("streams that were taken", len(conn.fields), limit)
        check(all(code_name(code) in wanted for code in conn.resets.values()), f"codes {conn.resets}")
    elif kind in ("status", "bodiless", "answered"):
        check(conn.status(1) in wanted, f"status {conn.status(1)}, want {wanted}")
        conn.until("the end of the response", lambda: 1 in conn.done)
        check(kind != "bodiless" or not conn.bodies.get(1), "a body for HEAD")
        check(1 not in conn.resets, "RST_STREAM behind a whole response")
        if kind == "answered":
            return  # the client has said that it goes
    conn.send(settings((INITIAL_WINDOW, 65535)))
    conn.probe(PROBE)


def run_case(args, case, step):
    with Connection(args, case.hello, case.preface) as conn:
        if case.preface:
            conn.until("SETTINGS", lambda: conn.settings is not None)
        data = case.send
        for at in range(0, len(data), step):
            if not conn.send(data[at : at + step]):
                break
        outcome(conn, case)


def run_table(args):
    scheme = args.url.partition(":")[0]
    for case in h2_cases.table(scheme):
        if args.only not in case.name:
            continue
        steps = [len(case.send)]
        if not case.whole:
            steps += [7] if len(case.send) < 300 else [3000] if len(case.send) > 6000 else []
        for step in steps:
            try:
                run_case(args, case, step)
                yield True
            except (Failure, OSError) as error:
                print(f"FAIL {case.name} (by {step} bytes): {type(error).__name__}: {error}")
                yield False


class Witness:
    """Asks on a connection of its own, again and again, while others misbehave."""

    def __init__(self, args):
        self.args, self.answers, self.slowest, self.error = args, 0, 0.0, None
        self.stop, self.answered = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            with Connection(self.args) as conn:
                stream = 1
                while not self.stop.is_set():
                    started = time.monotonic()
                    equal("status for the witness", conn.get(stream), 200)
                    self.slowest = max(self.slowest, time.monotonic() - started)
                    self.answers += 1
                    self.answered.set()
                    stream += 2
                    self.stop.wait(0.02)
        except (Failure, OSError) as error:
            self.error = error
            self.answered.set()

    def __enter__(self):
        self.thread.start()
        self.answered.wait()
        return self

    def __exit__(self, *_):
        # two more answers: one may have been on its way already
        for _ in range(2):
            self.answered.clear()
            if self.error is None:
                self.answered.wait(self.args.timeout)
        self.stop.set()
        self.thread.join()


class Process:
    """The server's process, seen from outside."""

    def __init__(self, pid):
        self.pid = pid

    def memory_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as lines:
            values = dict(line.split(":", 1) for line in lines)
        return int(values["VmRSS"].split()[0])

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def comes_to_rest(self):
        """Whether there is a tenth of a second, within three, in which it does nothing much."""
        for _ in range(30):
            before = self.cpu_seconds()
            time.sleep(0.1)  # the span that is measured
            if self.cpu_seconds() - before <= 0.02:
                return True
        return False


def run_floods(args):
    process = Process(args.pid) if args.pid else None
    for name, flood in FLOODS.items():
        if args.only not in f"flood_{name}":
            continue
        try:
            before = process.memory_kb() if process else 0
            with Witness(args) as witness:
                said = flood(args)
                grown = process.memory_kb() - before if process else 0
            if witness.error:
                raise Failure(f"the witness: {witness.error}")
            check(witness.answers >= 3, "the witness had no answer afterwards")
            check(witness.slowest < args.timeout / 2, f"the witness waited {witness.slowest:.1f} s for an answer")
            check(grown < MOST_GROWTH_KB, f"the server's memory grew by {grown} KB")
            check(process is None or process.comes_to_rest(), "the server doesn't come to rest")
            print(f"ok flood_{name}: {said}; memory {grown:+} KB, witness {witness.answers} answers, "
                  f"slowest {witness.slowest * 1000:.0f} ms")
            yield True
        except (Failure, OSError) as error:
            print(f"FAIL flood_{name}: {type(error).__name__}: {error}")
            yield False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--cacert", metavar="FILE", help="whom to trust")
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose name has this")
    parser.add_argument("--pid", type=int, help="of the server process")
    parser.add_argument("--timeout", type=float, default=20, metavar="SECONDS", help="for each wait (default %(default)s)")
    parser.add_argument("--total", type=int, default=75, metavar="SECONDS", help="fail when not done (default %(default)s)")
    args = parser.parse_args()
    end_after(args.total)
    results = [*run_table(args), *run_floods(args)]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
