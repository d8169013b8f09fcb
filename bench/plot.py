"""A picture of how cost grows with size: one line a question, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Points = Sequence[tuple[int, float]]
"""Sizes, each with the seconds that a question took there."""


def growth(path: Path, what: str, ours: Mapping[str, Points], theirs: Mapping[str, Points], peer: str) -> None:
    """Draw each question of ours as a line, and the same question of the peer as a dashed one of the same colour."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "rhizomedb"  # the same figures give the same file
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for number, (name, points) in enumerate(ours.items()):
        colour = f"C{number}"
        sizes, seconds = zip(*points, strict=True)
        axes.loglog(sizes, seconds, marker="o", color=colour, label=name)
        if theirs.get(name):
            sizes, seconds = zip(*theirs[name], strict=True)
            axes.loglog(sizes, seconds, marker="x", linestyle="--", color=colour)
    axes.plot([], [], color="grey", linestyle="--", marker="x", label=peer)
    axes.set_xlabel(what)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(_duration))
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _duration(seconds: float, _place: object = None) -> str:
    """A tick of the axis of time."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:g} {unit}"
    return f"{seconds * 1e9:g} ns"
