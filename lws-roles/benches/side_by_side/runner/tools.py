"""One measurement of one server under one workload: a flat dictionary of numbers."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time

from .config import BUILD, PORTS, RUN
from .process import LOAD_CPU, SERVER_CPU, Failed, Noise, Running, cpu_ns, pin, port_open, run_pinned, status_kib
from .process import terminate

LOAD = BUILD / "release/load"


def own_cpu_s():
    t = os.times()
    return t.children_user + t.children_system


def load_command(server, w, pid, secs):
    argv = [str(LOAD), *shlex.split(w.args), "--addr", f"127.0.0.1:{server.port(w)}", "--pid", str(pid)]
    ws = "ws" in w.args.split()[0] or "--kind ws" in w.args
    if ws:
        bcast = argv[1] == "ws-fanout"
        argv += ["--proto", server.proto.get("bcast" if bcast else "echo", "bcast" if bcast else "echo")]
    elif server.path and "--path" not in argv:
        argv += ["--path", server.path]
    if not w.memory:
        argv += ["--secs", str(secs), "--warmup", str(secs / 2)]
    return argv


def load(server, w, secs, limit):
    """The load tool against the running server."""
    with Running(server, w) as running:
        noise, own, cpu = Noise(), own_cpu_s(), cpu_ns(running.pid)
        out = json.loads(run_pinned(load_command(server, w, running.pid, secs), LOAD_CPU, limit))
        used = own_cpu_s() - own + (cpu_ns(running.pid) - cpu) / 1e9
        out["noise"] = noise.share(used)
        out["peak_rss"] = status_kib(running.pid, "VmHWM") * 1024
    if w.memory and out["alive_of_50"] < 50:
        raise Failed(f"only {out['alive_of_50']:.0f} of 50 idle connections were alive at the end")
    return out


def h2load(server, w, secs, limit):
    """nghttp2's load tool against the running server: a short run tells the rate, then as many requests
    as take `secs` are counted, with the few that open the connections."""
    if not shutil.which("h2load"):
        raise Failed("h2load isn't installed: apt install nghttp2-client")
    with Running(server, w) as running:
        scheme = "https" if w.port == "tls" else "http"
        url = f"{scheme}://127.0.0.1:{running.port}{server.path or '/'}"

        def ask(requests):
            out = run_pinned(["h2load", "-t", "1", *shlex.split(w.args), "-n", str(requests), url], LOAD_CPU, limit)
            done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
            rate = re.search(r"finished in .*?, ([\d.]+) req/s", out)
            if not rate or "Application protocol: h2" not in out:
                raise Failed("h2load: no h2: " + " ".join(out.split())[-120:])
            if done is None or [int(n) for n in done.groups()] != [requests, 0, 0, 0]:
                raise Failed(f"h2load: {done.group(0) if done else 'no summary'}")
            return out, float(rate.group(1))

        _, rate = ask(2000)
        requests = max(2000, int(rate * secs))
        noise, own, cpu = Noise(), own_cpu_s(), cpu_ns(running.pid)
        began = time.monotonic()
        out, rate = ask(requests)
        passed = time.monotonic() - began
        server_s, load_s = (cpu_ns(running.pid) - cpu) / 1e9, own_cpu_s() - own
        return {
            "ops": requests,
            "rate": rate,
            "server_ns_per_op": server_s * 1e9 / requests,
            "server_util": server_s / passed,
            "load_util": load_s / passed,
            "noise": noise.share(server_s + load_s),
            "peak_rss": status_kib(running.pid, "VmHWM") * 1024,
        }


STARTS = 15


def start(server, w, _secs, limit):
    """Milliseconds from exec to the first accepted connection: the median of some, when the program has been read
    from the disk. What others took isn't told: that is counted in ticks, of which a start is a fraction."""
    start_once(server, w, limit)
    runs = sorted(start_once(server, w, limit) for _ in range(STARTS))
    took, used = runs[STARTS // 2]
    return {"start_ms": took, "start_cpu_ms": used}


def start_once(server, w, limit):
    """Milliseconds to the first accepted connection, and of the program's CPU."""
    port = PORTS["plain"]
    if port_open(port):
        raise Failed(f"port {port} is taken")
    began = time.monotonic()
    proc = subprocess.Popen(
        [*pin(SERVER_CPU), *server.argv(w)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=RUN,
    )
    try:
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() - began > min(15, limit) or proc.poll() is not None:
                raise Failed("did not start")
        return (time.monotonic() - began) * 1e3, cpu_ns(proc.pid) / 1e6
    finally:
        terminate(proc)


SYSTEM_LIBS = re.compile(r"/(ld-linux|lib(c|m|gcc_s|dl|rt|pthread|stdc\+\+))[-.]")


def size(server, _w, _secs, _limit):
    """Bytes of the stripped program, and with those of its libraries that a bare system hasn't."""
    program = server.program().resolve()
    stripped = RUN / "stripped"
    shutil.copy(program, stripped)
    r = subprocess.run(["strip", str(stripped)], capture_output=True, text=True)
    if r.returncode:
        raise Failed(r.stderr.strip()[-160:])
    own = stripped.stat().st_size
    stripped.unlink()
    ldd = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    libs = [p for p in re.findall(r"=> (/\S+)", ldd) if not SYSTEM_LIBS.search(p)]
    return {"binary": own, "with_libs": own + sum(os.stat(p).st_size for p in libs), "libs": len(libs)}


def timers(server, w, _secs, limit):
    """The program's own figures: a JSON object per population, the precision last."""
    noise, own = Noise(), own_cpu_s()
    out = {}
    for line in run_pinned(server.argv(w), SERVER_CPU, limit).splitlines():
        figures = json.loads(line)
        population = figures.pop("timers", None)
        out |= {k if population is None else f"{k}_{population}": v for k, v in figures.items()}
    out["noise"] = noise.share(own_cpu_s() - own)
    return out


TOOLS = {"load": load, "h2load": h2load, "start": start, "size": size, "timers": timers}


def measure(server, workload, secs, limit):
    """Seconds `secs` are measured; after `limit` seconds the run has failed."""
    return TOOLS[workload.tool](server, workload, secs, limit)
