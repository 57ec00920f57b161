"""Processes under measurement: started pinned to a core, ended by their own id, and what they used
according to /proc. Server on the first core, load on the second, when there are two."""

import os
import re
import signal
import socket
import subprocess
import time

from .config import RUN

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = (CPUS[0], CPUS[1]) if len(CPUS) > 1 else (CPUS[0], CPUS[0])


class Failed(Exception):
    """A server or tool couldn't do what was asked of it; the text goes into the table."""


def pin(cpu):
    """A command prefix: on this core, before other work where that is allowed."""
    nice = ["nice", "-n", "-15"] if os.geteuid() == 0 else []
    return ["taskset", "-c", str(cpu), *nice]


def ticks():
    """(busy, stolen) ticks of 10 ms of the whole machine."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return v[0] + v[1] + v[2] + v[5] + v[6], v[7]


class Noise:
    """What others took of the machine since it was made, as a share of one core."""

    def __init__(self):
        self.since, (self.busy, self.stolen) = time.monotonic(), ticks()

    def share(self, own_s):
        passed, (busy, stolen) = time.monotonic() - self.since, ticks()
        foreign = max(0.0, (busy - self.busy) / 100 - own_s)
        return (foreign + (stolen - self.stolen) / 100) / passed


def cpu_ns(pid):
    """CPU nanoseconds of a process, all threads, and its children."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            base = f"/proc/{pid}/task/{task}/"
            with open(base + "schedstat") as f:
                total += int(f.read().split()[0])
            with open(base + "children") as f:
                total += sum(cpu_ns(int(child)) for child in f.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def status_kib(pid, field):
    with open(f"/proc/{pid}/status") as f:
        match = re.search(rf"^{field}:\s+(\d+)", f.read(), re.M)
    return int(match.group(1)) if match else 0


def port_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def terminate(proc):
    """Ends a process that was started here; with force after 10 s."""
    if proc.poll() is None:
        proc.send_signal(signal.SIGTERM)
        try:
            proc.wait(10)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()


class Running:
    """A server that listens, for the length of a `with`."""

    def __init__(self, server, workload, prefix=()):
        self.port = server.port(workload)
        self.log_path = RUN / f"{server.name}.log"
        argv = [*pin(SERVER_CPU), *prefix, *server.argv(workload)]
        if port_open(self.port):
            raise Failed(f"port {self.port} is taken")
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=RUN)
        deadline = time.monotonic() + (60 if prefix else 15)
        while not port_open(self.port):
            if self.proc.poll() is not None or time.monotonic() > deadline:
                terminate(self.proc)
                raise Failed(f"does not listen: {self.last_words()}")
            time.sleep(0.01)

    def last_words(self):
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1][:120] if lines else f"see {self.log_path}"

    @property
    def pid(self):
        return self.proc.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        terminate(self.proc)


def run_pinned(argv, cpu, timeout):
    """Output of a command on this core."""
    try:
        r = subprocess.run([*pin(cpu), *argv], capture_output=True, text=True, timeout=timeout, cwd=RUN)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"not done after {timeout:.0f} s") from e
    if r.returncode:
        words = (r.stderr.strip() or r.stdout.strip()).splitlines()
        raise Failed(words[-1][-160:] if words else f"ended with {r.returncode}")
    return r.stdout
