"""RESULTS.md: a summary with our figure, the peers', the floor's and the aim, then a table per
workload with throughput, latency and server CPU, and their ratios to C."""

from .session import median, quiet, spread


def show(value):
    """Three digits, or whole when large."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Row:
    """One workload's medians."""

    def __init__(self, workload, data, servers):
        self.w = workload
        self.runs = data["runs"]
        self.errors = data["errors"]
        self.servers = [s for s in servers if s.name in self.runs]
        self.key, self.unit, self.scale = workload.metric

    def value(self, server):
        """The compared figure in its unit."""
        figure = median(self.runs[server.name], self.key) if server else None
        return None if figure is None else figure * self.scale

    def first(self, is_it):
        return next((s for s in self.servers if is_it(s)), None)

    @property
    def ours(self):
        return self.first(lambda s: s.main) or self.first(lambda s: s.ours)

    @property
    def base(self):
        return self.first(lambda s: s.base)

    @property
    def floor(self):
        return self.first(lambda s: s.floor)

    @property
    def best(self):
        """The best peer that isn't C lws."""
        peers = [s for s in self.servers if not (s.ours or s.floor or s.base) and self.value(s) is not None]
        return min(peers, key=self.value, default=None)

    @property
    def aim(self):
        """The figure aimed at: a number, or so many times the floor's or the best one's."""
        aim = self.w.aim
        if aim is None or not isinstance(aim, str):
            return aim
        what, _, times = aim.partition("*")
        if what == "floor":
            reference = self.value(self.floor)
        else:
            others = [self.value(s) for s in (self.best, self.base) if s]
            reference = min((v for v in others if v is not None), default=None)
        return None if reference is None else reference * float(times or 1)


def ratio(a, b):
    return None if a is None or not b else a / b


def summary(rows):
    yield "| workload | unit | ours | C lws | best peer | floor | aim | ours / aim | ours / C |"
    yield "|---|---|---:|---:|---|---:|---:|---:|---:|"
    for row in rows:
        if not row.ours:
            continue
        ours, base, best, floor = (row.value(s) for s in (row.ours, row.base, row.best, row.floor))
        peer = f"{show(best)} {row.best.name}" if row.best else "-"
        to_aim = ratio(ours, row.aim)
        mark = "" if to_aim is None else " ok" if to_aim <= 1 else " **over**"
        yield (
            f"| [{row.w.title}](#{row.w.name}) | {row.unit} | {show(ours)} | {show(base)} | {peer} | {show(floor)} "
            f"| {show(row.aim)} | {show(to_aim)}{mark} | {show(ratio(ours, base))} |"
        )


COLUMNS = {
    "load": [("p50 us", "p50_us", 1), ("p99 us", "p99_us", 1), ("server core", "server_util", 1), ("load core", "load_util", 1)],
    "memory": [("anonymous B", "anon_per_conn", 1), ("RSS before MiB", "rss_before", 2**-20), ("idle CPU", "idle_cpu", 1)],
    "h2load": [("server core", "server_util", 1), ("load core", "load_util", 1)],
    "start": [("CPU ms", "start_cpu_ms", 1)],
    "size": [("program KiB", "binary", 1 / 1024), ("libraries", "libs", 1)],
    "timers": [],
}


def columns(row):
    if row.w.memory:
        return COLUMNS["memory"]
    if row.w.tool != "timers":
        return COLUMNS[row.w.tool]
    keys = sorted({k for runs in row.runs.values() for k in runs[0] if k not in ("noise", row.key)}, key=timer_order)
    return [(k.replace("_ns_", " ").replace("_", " "), k, 1) for k in keys]


def timer_order(key):
    name, _, population = key.rpartition("_")
    return (name, int(population)) if population.isdigit() else (key, 0)


def table(row):
    """Lower is better in the compared figure: its ratio to C is C's divided by it."""
    has_rate = any("rate" in runs[0] for runs in row.runs.values())
    head = ["server"] + (["ops/s", "x C"] if has_rate else []) + (["MiB/s"] if row.w.bytes else [])
    head += [f"CPU {row.unit}/op" if has_rate else row.unit, "x C"] + [c[0] for c in columns(row)]
    head += ["spread", "noise", "runs"]
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    base = row.base
    for s in row.servers:
        runs = row.runs[s.name]
        rate = median(runs, "rate")
        cells = [f"**{s.name}**" if s.ours else s.name]
        if has_rate:
            cells += [show(rate), show(ratio(rate, median(row.runs[base.name], "rate") if base else None))]
        if row.w.bytes:
            cells.append(show(rate * row.w.bytes / 2**20 if rate else None))
        cells += [show(row.value(s)), show(ratio(row.value(base), row.value(s)))]
        cells += [show(v * scale if (v := median(runs, key)) is not None else None) for _, key, scale in columns(row)]
        cells += [f"{spread(runs, row.key):.0%}", show(median(runs, "noise")), f"{len(quiet(runs))}/{len(runs)}"]
        yield "| " + " | ".join(cells) + " |"
    for name, error in sorted(row.errors.items()):
        yield f"\n{name}: {error}"


def document(rows, facts, curves):
    """The lines of RESULTS.md."""
    yield "# Side by side"
    yield f"\n{facts['date']}, {facts['machine']}, {facts['kernel']}. Command: `{facts['command']}`.\n"
    yield "Medians of the runs in which others took little of the machine. CPU is the server's own, per operation;"
    yield "lower is better. The floor is a server that does nothing but `epoll_wait`, `recv` and `send`: when it is"
    yield "faster than everything else, the load tool isn't what is measured. Absolute figures differ between"
    yield "machines and days; ratios within one run don't much.\n"
    yield "| program | version |\n|---|---|"
    for name, version in facts["versions"].items():
        yield f"| {name} | {version} |"
    for name, how in facts["skipped"].items():
        yield f"\nSkipped: {name} ({how})."
    yield "\n## Ours and the aims\n"
    yield from summary(rows)
    if curves:
        yield "\n## As the number grows\n"
        yield from (f"![{title}]({name}.svg)\n" for name, title in curves)
    yield "\n## Each workload"
    for row in rows:
        yield f"\n### {row.w.name}\n\n{row.w.title}: `{row.w.tool} {row.w.args}`".rstrip(" `") + "`.\n"
        yield f"![{row.w.title}]({row.w.name}.svg)\n"
        yield from table(row)
