"""Figures: many runs of one thing as a median with its spread, ours beside a peer's, and how they grow."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.process import Run, Time

Pick = Callable[[Sequence[float]], float]
"""From the laps of one process to the one figure that it counts for."""


def p99(laps: Sequence[float]) -> float:
    """The lap that one in a hundred is slower than."""
    return sorted(laps)[min(len(laps) - 1, len(laps) * 99 // 100)]


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of several processes that did the same: one wall and one CPU time each, and their peak memory."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    peak_bytes: float

    @classmethod
    def of(cls, runs: Sequence[Run], name: str, pick: Pick = statistics.median) -> Series:
        """What runs took for the stretch of a name; `pick` makes one figure of several laps."""

        def figures(clock: Callable[[Time], float]) -> tuple[float, ...]:
            return tuple(pick([clock(lap) for lap in run.times[name]]) for run in runs)

        peak = statistics.median(run.peak_bytes for run in runs)
        return cls(figures(lambda lap: lap.wall), figures(lambda lap: lap.cpu), peak)

    @property
    def median(self) -> float:
        """The median wall time."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """The median CPU time."""
        return statistics.median(self.cpu)

    def __str__(self) -> str:
        if len(self.wall) == 1:
            return duration(self.median)
        return f"{duration(self.median)} ({duration(min(self.wall))} – {duration(max(self.wall))})"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a table: what was done at which size, ours, and the peer's where there is one."""

    what: str
    size: int
    ours: Series
    peer_name: str = ""
    peer: Series | None = None


HEADER = (
    "what",
    "size",
    "ours",
    "CPU",
    "peak",
    "peer",
    "its time",
    "CPU",
    "peak",
    "ours ÷ peer",
    "growth, ours",
    "growth, peer",
)


def case_table(cases: Iterable[Case]) -> str:
    """Cases as a Markdown table, the sizes of one case together. Growth is the time over that of the size before."""
    families: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        families.setdefault((case.what, case.peer_name), []).append(case)
    rows = []
    for family in families.values():
        for before, case in zip((None, *family), family, strict=False):
            rows.append(
                (
                    case.what,
                    f"{case.size:,}",
                    *_series(case.ours),
                    case.peer_name or "none",
                    *_series(case.peer),
                    _ratio(case),
                    "" if before is None else _growth(before.ours, case.ours),
                    "" if before is None else _growth(before.peer, case.peer),
                )
            )
    return table(HEADER, rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def duration(seconds: float) -> str:
    """Seconds to three digits in the unit that fits."""
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def mebibytes(count: float) -> str:
    """Bytes as MiB."""
    return f"{count / (1 << 20):,.{0 if count >= 10 << 20 else 1}f} MiB"


def _series(series: Series | None) -> tuple[str, str, str]:
    if series is None:
        return ("", "", "")
    return (str(series), duration(series.median_cpu), mebibytes(series.peak_bytes))


def _ratio(case: Case) -> str:
    if case.peer is None:
        return ""
    cpu = case.ours.median_cpu / case.peer.median_cpu
    return f"{factor(case.ours.median / case.peer.median)} (CPU {factor(cpu)})"


def _growth(smaller: Series | None, larger: Series | None) -> str:
    return "" if smaller is None or larger is None else factor(larger.median / smaller.median)


def factor(number: float) -> str:
    """How many times as much, to two digits or to the whole."""
    return f"×{number:,.0f}" if number >= 9.95 else f"×{number:.2g}"
