"""What the peer scripts share: failures, time limits, the port line.

Every script ends by itself: clients after `--timeout` seconds, servers after
`--max-seconds`, on SIGTERM/SIGINT, or (with `--with-stdin`) when the stdin
that their parent holds open reaches its end, so that no peer outlives a test
that was killed.
"""

import argparse
import asyncio
import json
import os
import pathlib
import signal
import sys
import traceback


class Failure(Exception):
    """The other side did something wrong; the text says what."""


def check(condition, text):
    """Raises `Failure(text)` unless `condition` holds."""
    if not condition:
        raise Failure(text)


def short(value, limit=120):
    """`repr(value)`, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(value)} long)"


def equal(what, got, want):
    """Raises `Failure` unless `got == want`."""
    if got != want:
        raise Failure(f"{what}: got {short(got)}, want {short(want)}")


def client_parser(doc):
    """An argument parser for a script that is a client."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS",
        help="fail after this long (default %(default)s)",
    )
    return parser


def table_parser(doc, timeout):
    """An argument parser for a client that runs a table over blocking sockets."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose name has this")
    parser.add_argument(
        "--timeout", type=float, default=timeout, metavar="SECONDS",
        help="for each wait on a socket (default %(default)s)",
    )
    parser.add_argument(
        "--total", type=int, default=75, metavar="SECONDS",
        help="fail when not done by then (default %(default)s)",
    )
    return parser


def end_after(seconds):
    """Ends this process with a failure if it is still there in `seconds`."""

    def too_late(_number, frame):
        print(f"FAIL: not done within {seconds} s", flush=True)
        traceback.print_stack(frame)
        os._exit(1)

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)


def server_parser(doc):
    """An argument parser for a script that is a server."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    parser.add_argument(
        "--print-port", action="store_true",
        help="print `PORT n` on stdout as soon as the server listens",
    )
    parser.add_argument(
        "--with-stdin", action="store_true", help="stop when stdin reaches its end"
    )
    parser.add_argument(
        "--max-seconds", type=float, default=300, help="stop after this long (default %(default)s)"
    )
    parser.add_argument(
        "--events", action="store_true", help="print what happens as JSON, one object a line"
    )
    return parser


def event(args, kind, **fields):
    """Prints one event line if `--events` was given."""
    if args.events:
        print(json.dumps({"event": kind, **fields}), flush=True)


def announce(args, port):
    """Tells the parent that the server listens."""
    if args.print_port:
        print(f"PORT {port}", flush=True)


async def until_stopped(args):
    """Returns when the server should end."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if args.with_stdin:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

        async def drain():
            while await reader.read(4096):
                pass
            stop.set()

        watcher = asyncio.create_task(drain())
    try:
        await asyncio.wait_for(stop.wait(), args.max_seconds)
    except TimeoutError:
        print(f"stopped after {args.max_seconds} s", file=sys.stderr)
    if args.with_stdin:
        watcher.cancel()


def innermost(error):
    """The first cause in an exception group, else the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def place(error):
    """Where in a peer script an error passed, as `file:line`."""
    here = pathlib.Path(__file__).parent
    frames = [
        f for f in traceback.extract_tb(error.__traceback__)
        if pathlib.Path(f.filename).parent == here
    ]
    return f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def run_client(name, coroutine, seconds):
    """Runs a client's coroutine within `seconds`; returns the exit code."""

    async def bounded():
        await asyncio.wait_for(coroutine, seconds)

    try:
        asyncio.run(bounded())
    except Exception as caught:  # whatever a server can do to a client ends up as one line
        error = innermost(caught)
        if isinstance(error, Failure):
            print(f"FAIL {name}: {error}")
        elif isinstance(error, TimeoutError) and error is caught:
            print(f"FAIL {name}: not done within {seconds} s")
        else:
            print(f"FAIL {name}: {type(error).__name__}: {error} (at {place(error)})")
        return 1
    print(f"ok {name}")
    return 0
