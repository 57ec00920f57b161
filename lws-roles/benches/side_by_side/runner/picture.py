"""Pictures as SVG text: bars for a workload, lines for a curve over the number of connections or
timers. No library; readable on light and dark pages."""

import math
from html import escape

COLOURS = {"ours": "#0a8f7b", "base": "#d9822b", "floor": "#9aa5b1", "peer": "#6b8fb5"}
LINES = ["#6b8fb5", "#b56b9f", "#8f7bd0", "#b5a36b", "#5f9e5f", "#c25b5b", "#4aa3b8", "#888888", "#a0725a", "#607080"]
STYLE = "<style>text{font:13px sans-serif;fill:#777}.t{font-size:15px;font-weight:bold}.o{font-weight:bold;fill:#0a8f7b}</style>"


def kind(server):
    return "ours" if server.ours else "base" if server.base else "floor" if server.floor else "peer"


def svg(width, height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])


def text(x, y, words, cls="", anchor="start"):
    cls = f' class="{cls}"' if cls else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{cls}>{escape(words)}</text>'


def number(v):
    return f"{v:,.0f}" if v >= 100 else f"{v:.3g}"


def bars(title, unit, rows, aim):
    """`rows`: (server, figure), the best on top. A dashed line is the aim."""
    rows = sorted(rows, key=lambda r: r[1])
    left, width, step = 190, 720, 24
    scale = (width - left - 90) / (max([v for _, v in rows] + [aim or 0]) or 1)
    height = 50 + step * len(rows) + 12
    parts = [text(10, 24, f"{title}: {unit}, less is better", "t")]
    for i, (server, v) in enumerate(rows):
        y = 44 + i * step
        cls = "o" if server.ours else ""
        parts.append(text(left - 8, y + 13, server.name, cls, "end"))
        long = max(1.0, v * scale)
        parts.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="17" fill="{COLOURS[kind(server)]}"/>')
        parts.append(text(left + long + 6, y + 13, number(v), cls))
    if aim:
        x = left + aim * scale
        parts.append(f'<path d="M{x:.1f} 38V{height - 8}" stroke="#c22" stroke-dasharray="4 3"/>')
        parts.append(text(x + 4, height - 2, f"aim {number(aim)}"))
    return svg(width, height + 6, parts)


def curve(title, unit, series):
    """`series`: (server, [(x, y)]); both axes logarithmic."""
    width, height, left, right, top, bottom = 720, 400, 70, 170, 50, 40
    points = [p for _, line in series for p in line if p[1] > 0]
    x0, x1 = (math.log10(f(p[0] for p in points)) for f in (min, max))
    y0, y1 = math.floor(math.log10(min(p[1] for p in points))), math.ceil(math.log10(max(p[1] for p in points)))
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)

    def at(x, y):
        return (
            left + (math.log10(x) - x0) / (x1 - x0) * (width - left - right),
            height - bottom - (math.log10(y) - y0) / (y1 - y0) * (height - top - bottom),
        )

    parts = [text(10, 24, f"{title}: {unit}, less is better", "t")]
    for decade in range(y0, y1 + 1):
        y = at(10**x0, 10**decade)[1]
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#8884"/>')
        parts.append(text(left - 8, y + 4, number(10.0**decade), anchor="end"))
    for x in sorted({p[0] for p in points}):
        parts.append(text(at(x, 10**y0)[0], height - bottom + 20, f"{x:,}", anchor="middle"))
    labels = []
    for i, (server, line) in enumerate(series):
        colour = COLOURS[kind(server)] if kind(server) != "peer" else LINES[i % len(LINES)]
        spots = [at(x, y) for x, y in line if y > 0]
        if not spots:
            continue
        wide = 3 if server.ours else 1.5
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{wide}"/>')
        labels.append([spots[-1][1], spots[-1][0], server, colour])
    labels.sort(key=lambda label: label[0])
    lowest = 0.0
    for y, x, server, colour in labels:
        lowest = max(y, lowest + 15)
        parts.append(f'<path d="M{x:.1f} {y:.1f}L{width - right + 12} {lowest:.1f}" stroke="{colour}" stroke-width=".7"/>')
        parts.append(text(width - right + 16, lowest + 4, server.name, "o" if server.ours else ""))
    return svg(width, max(height, int(lowest) + 12), parts)
