"""A session: rounds over all workloads and servers, interleaved so that what drifts on the machine
drifts for all, within a budget of seconds. Keeps what was measured as a JSON file."""

import datetime
import json
import statistics
import sys
import time

from .process import Failed
from .tools import measure

# A run during which others took more than this share of a core counts only if there is no quieter one.
MAX_NOISE = 0.25

# The longest that one run may take, in seconds.
LONGEST = 90


class Session:
    """Runs and their results; `data` is what results.json holds."""

    def __init__(self, out, facts):
        self.path = out / "results.json"
        old = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.data = {"facts": facts, "workloads": old.get("workloads", {})}
        self.fresh = set()

    def rows(self, workload):
        """Server name -> its runs. Those of an earlier session are replaced by the first new one."""
        return self.data["workloads"].setdefault(workload, {"runs": {}, "errors": {}})

    def note(self, workload, server, result, error):
        rows = self.rows(workload)
        if (workload, server) not in self.fresh:
            self.fresh.add((workload, server))
            rows["runs"].pop(server, None)
            rows["errors"].pop(server, None)
        if error:
            rows["errors"][server] = error
        else:
            rows["runs"].setdefault(server, []).append(result)

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.data, indent=1) + "\n")

    def run(self, plan, rounds, secs, budget):
        """`plan`: pairs of a workload and its servers. Ends early when `budget` seconds are over."""
        began = time.monotonic()
        total = sum(len(servers) for _, servers in plan)
        for k in range(rounds):
            done = 0
            for w, servers in plan:
                if k > 0 and w.slow:
                    continue
                turn = k % len(servers)
                for s in [*servers[turn:], *servers[:turn]]:
                    left = began + budget - time.monotonic()
                    if left <= 0:
                        print(f"the {budget:.0f} s are over in round {k + 1}, after {done} of {total}", file=sys.stderr)
                        return
                    self.one(k, w, s, secs, min(LONGEST, left + 5))
                    done += 1
            self.save()

    def one(self, k, w, s, secs, limit):
        if s.name in self.rows(w.name)["errors"] and (w.name, s.name) in self.fresh:
            return
        try:
            result, error = measure(s, w, secs, limit), None
        except Failed as e:
            result, error = None, str(e)
        except (OSError, ValueError, KeyError) as e:
            result, error = None, f"{type(e).__name__}: {e}"
        self.note(w.name, s.name, result, error)
        key, unit, scale = w.metric
        said = error or f"{result[key] * scale:,.2f} {unit}, noise {result.get('noise', 0):.2f}"
        print(f"  {datetime.datetime.now():%H:%M:%S} #{k + 1} {w.name} {s.name}: {said}", file=sys.stderr, flush=True)


def quiet(runs):
    """The runs that count: those with little noise, if there are any; else the quietest."""
    calm = [r for r in runs if r.get("noise", 0) <= MAX_NOISE]
    return calm or sorted(runs, key=lambda r: r.get("noise", 0))[: (len(runs) + 1) // 2]


def median(runs, key):
    """Of the runs that count, or None."""
    values = [r[key] for r in quiet(runs) if key in r]
    return statistics.median(values) if values else None


def spread(runs, key):
    """Largest minus smallest, as a share of the median."""
    values = [r[key] for r in quiet(runs) if key in r]
    middle = statistics.median(values) if values else 0
    return (max(values) - min(values)) / middle if middle else 0.0
