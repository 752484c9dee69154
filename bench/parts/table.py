"""The table that a run prints."""

from statistics import median

UNITS = {
    "rps": ("requests/s", "{:,.0f}"),
    "cpu": ("CPU µs per request", "{:.1f}"),
    "p50": ("p50 µs", "{:,.0f}"),
    "p99": ("p99 µs", "{:,.0f}"),
    "gib": ("GiB/s", "{:.2f}"),
    "cpu_gib": ("CPU s per GiB", "{:.3f}"),
    "bytes_each": ("bytes RSS each", "{:,.0f}"),
    "ms": ("ms to the first response", "{:.1f}"),
    "rss": ("bytes RSS idle", "{:,.0f}"),
}


def medians(rounds):
    """The median of each figure over a target's rounds."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: median(figures[name] for figures in rounds if name in figures) for name in names}


def lines(scene, results):
    """One line for each figure of a scene: every target's median, and its ratio to nginx in the same run."""
    settled = {target: medians(rounds) for target, rounds in results.items()}
    base = next((figures for target, figures in settled.items() if target.startswith("nginx")), {})
    for name, (unit, form) in UNITS.items():
        cells = []
        for target, figures in settled.items():
            if name not in figures:
                continue
            cell = form.format(figures[name])
            if base.get(name) and not target.startswith("upstream") and figures is not base:
                cell += f" ({figures[name] / base[name]:.2f})"
            cells.append(f"{target} {cell}")
        if cells:
            yield f"{scene:<16} {unit:<24} {'   '.join(cells)}"
