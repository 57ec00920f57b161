"""Runs workloads against servers, interleaved, and writes RESULTS.md, results.json and pictures."""

import argparse
import datetime
import os
import platform
import re
import sys
from pathlib import Path

from . import picture
from .config import BUILD, HERE, RUN, absent, curves, servers, workloads
from .report import Row, document
from .session import Session, median


def options():
    ap = argparse.ArgumentParser(prog="run", description=__doc__)
    ap.add_argument("workload", nargs="*", help="only these (see --list); default: those of --quick")
    how = ap.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="a dozen workloads in two minutes (the default)")
    how.add_argument("--full", action="store_true", help="everything in twenty minutes")
    how.add_argument("--list", action="store_true", help="the workloads and who takes part; runs nothing")
    ap.add_argument("--only", help="comma-separated servers")
    ap.add_argument("--rounds", type=int, help="runs of each (quick 2, else 5)")
    ap.add_argument("--secs", type=float, help="seconds of each run (quick 0.3, else 0.6)")
    ap.add_argument("--budget", type=float, help="seconds after which no run begins (quick 110, full 1170)")
    ap.add_argument("--out", type=Path, default=BUILD / "results", help="where the results go (%(default)s)")
    return ap.parse_args()


def pick(a, all_workloads):
    known = {w.name for w in all_workloads}
    if unknown := set(a.workload) - known:
        sys.exit(f"no such workload: {', '.join(sorted(unknown))}; --list names them")
    if a.workload:
        return [w for w in all_workloads if w.name in a.workload]
    return [w for w in all_workloads if a.full or a.list or w.quick]


def cpu_model():
    with open("/proc/cpuinfo") as f:
        models = re.findall(r"^model name\s*:\s*(.*)", f.read(), re.M)
    return f"{len(models) or os.cpu_count()} x {models[0] if models else platform.machine()}"


def facts(here, missing):
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "machine": cpu_model(),
        "kernel": f"{platform.system()} {platform.release()}",
        "command": " ".join(["run", *sys.argv[1:]]),
        "versions": {s.name: s.version() for s in here},
        "skipped": {s.name: s.install for s in missing} | absent(),
    }


def draw(out, rows, all_servers):
    """A picture per workload and per curve that has figures; returns the curves' names and titles."""
    for row in rows:
        figures = [(s, v) for s in row.servers if (v := row.value(s)) is not None]
        if figures:
            (out / f"{row.w.name}.svg").write_text(picture.bars(row.w.title, row.unit, figures, row.aim))
    by_name = {row.w.name: row for row in rows}
    drawn = []
    for c in curves():
        series = []
        for s in all_servers:
            line = []
            for x, name, *key in c["points"]:
                row = by_name.get(name)
                runs = row.runs.get(s.name) if row else None
                v = median(runs, key[0] if key else row.key) if runs else None
                if v is not None:
                    line.append((x, v if key else v * row.scale))
            if len(line) > 1:
                series.append((s, line))
        if series:
            (out / f"{c['name']}.svg").write_text(picture.curve(c["title"], c["unit"], series))
            drawn.append((c["name"], c["title"]))
    return drawn


def main():
    a = options()
    quick = not (a.full or a.workload)
    here, missing = servers()
    for name, why in ({s.name: s.install for s in missing} | absent()).items():
        print(f"skipped: {name} ({why})", file=sys.stderr)
    if a.only:
        names = set(a.only.split(","))
        if unknown := names - {s.name for s in here}:
            sys.exit(f"not here: {', '.join(sorted(unknown))}")
        here = [s for s in here if s.name in names]
    plan = []
    for w in pick(a, workloads()):
        able = [s for s in here if s.can & set(w.need)]
        if able:
            plan.append((w, able))
    if a.list:
        for w, able in plan:
            print(f"{w.name:14} {w.title}\n{'':14}   {' '.join(s.name for s in able)}")
        return
    RUN.mkdir(parents=True, exist_ok=True)
    a.out.mkdir(parents=True, exist_ok=True)
    session = Session(a.out, facts(here, missing))
    budget = a.budget or (110 if quick else 1170 if a.full else 1e9)
    try:
        session.run(plan, a.rounds or (2 if quick else 5), a.secs or (0.3 if quick else 0.6), budget)
    except KeyboardInterrupt:
        print("interrupted: what there is goes into the report", file=sys.stderr)
    session.save()
    measured = session.data["workloads"]
    rows = [Row(w, measured[w.name], here) for w in workloads() if w.name in measured]
    rows = [row for row in rows if row.servers or row.errors]
    lines = list(document(rows, session.data["facts"], draw(a.out, rows, here)))
    (a.out / "RESULTS.md").write_text("\n".join(lines) + "\n")
    started = next(i for i, line in enumerate(lines) if line == "\n## Ours and the aims\n")
    ended = next(i for i, line in enumerate(lines) if i > started and line.startswith("\n## "))
    print("\n".join(lines[started:ended]))
    print(f"\nwritten: {a.out}/RESULTS.md, results.json and pictures; in {HERE.name} run --help tells more")


if __name__ == "__main__":
    main()
