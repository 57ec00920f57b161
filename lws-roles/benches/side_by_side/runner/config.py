"""What is measured: the rows of servers.toml and workloads.toml, and which of the servers are here.

A command line may name {plain} {tls} {h2c} ports, {cert} {key} files, the {root} of static files, {build}
and {examples} for programs built here, {run} for scratch; {conf:FILE} is a file of servers/ with the
same words filled in. Ports are free ones, chosen when the program starts.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BENCH_BUILD", HERE / "build"))
EXAMPLES = Path(os.environ.get("BENCH_EXAMPLES", HERE / "build"))
RUN = BUILD / "run"


def free_ports(n):
    """`n` ports that nobody listens on now."""
    socks = [socket.socket() for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


PORTS = dict(zip(("plain", "tls", "h2c"), free_ports(3)))


def fill(text, cert="ec"):
    """`text` with its {words} replaced."""
    words = {
        "build": BUILD / "release",
        "c": BUILD,
        "examples": EXAMPLES,
        "run": RUN,
        "root": BUILD / "www",
        "cert": BUILD / f"{cert}.crt",
        "key": BUILD / f"{cert}.key",
        **PORTS,
    }

    def conf(match):
        source = HERE / "servers" / match.group(1)
        made = RUN / source.name.removesuffix(".in")
        made.write_text(fill(source.read_text(), cert))
        return str(made)

    text = re.sub(r"\{conf:([^}]+)\}", conf, text)
    for word, value in words.items():
        text = text.replace("{%s}" % word, str(value))
    return text


class Server:
    """A row of servers.toml."""

    def __init__(self, row):
        self.name = row["name"]
        self.cmd = row["cmd"]
        self.can = set(row["can"])
        self.ours = row.get("ours", False)
        self.main = row.get("main", False)
        self.floor = row.get("floor", False)
        self.base = row.get("base", False)
        self.path = row.get("path")
        self.proto = row.get("proto", {})
        self.h2c = row.get("h2c", "h2c")
        self.extra = row.get("extra", {})
        self.install = row.get("install", "built by `run`: see its messages")
        self.version_of = row.get("version")

    def argv(self, workload):
        extra = self.extra.get(workload.name, "")
        own = workload.args if workload.tool == "timers" else ""
        return shlex.split(fill(f"{self.cmd} {extra} {own}", workload.cert))

    def port(self, workload):
        """Where it is asked."""
        return PORTS[self.h2c if workload.port == "h2c" else workload.port]

    def program(self):
        """Its executable, or None if that isn't installed."""
        first, *rest = shlex.split(re.sub(r"\{conf:[^}]+\}", "", self.cmd))
        found = shutil.which(fill(first))
        needed = [fill(word) for word in rest if word.endswith(".js")]
        if found and all((Path(word).parent / "node_modules").is_dir() for word in needed):
            return Path(found)
        return None

    def version(self):
        """What it says of its version, or an empty text."""
        if not self.version_of:
            return ""
        r = subprocess.run(self.version_of, shell=True, capture_output=True, text=True, cwd=HERE)
        lines = (r.stdout + r.stderr).strip().splitlines()
        return lines[0].strip() if lines else ""


class Workload:
    """A row of workloads.toml."""

    def __init__(self, row):
        self.name = row["name"]
        self.title = row["title"]
        self.tool = row.get("tool", "load")
        self.args = row.get("args", "")
        self.need = row["need"]
        self.port = row.get("port", "plain")
        self.cert = row.get("cert", "ec")
        self.aim = row.get("aim")
        self.quick = row.get("quick", False)
        self.bytes = row.get("bytes")
        self.slow = row.get("slow", False)

    @property
    def memory(self):
        return self.args.startswith("idle ")

    @property
    def metric(self):
        """The key of the figure that is compared, its unit and its scale in that unit."""
        if self.memory:
            return "bytes_per_conn", "B", 1.0
        if self.args == "precision":
            return "late_p50_us", "us", 1.0
        return {
            "start": ("start_ms", "ms", 1.0),
            "size": ("with_libs", "KiB", 1 / 1024),
            "timers": ("postpone_ns_100000", "ns", 1.0),
        }.get(self.tool, ("server_ns_per_op", "us", 1e-3))


def load_rows(file, key):
    with open(HERE / file, "rb") as f:
        return tomllib.load(f)[key]


def absent():
    """Name -> why it can't be had: peers one would look for."""
    return {row["name"]: row["why"] for row in load_rows("servers.toml", "absent")}


def servers():
    """(those that are installed, those that aren't)."""
    rows = [Server(row) for row in load_rows("servers.toml", "server")]
    here = [s for s in rows if s.program()]
    return here, [s for s in rows if s not in here]


def workloads():
    return [Workload(row) for row in load_rows("workloads.toml", "workload")]


def curves():
    return load_rows("workloads.toml", "curve")
