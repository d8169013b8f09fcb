"""Writers who come together: threads and processes that each commit one fact at a time, durably, to the same file."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.child import Watch
from bench.process import part
from bench.series import table
from bench.store.engine import module
from bench.store.measure import ENGINES, OURS

KINDS = ("threads", "processes")
WRITERS = (1, 2, 4, 8)
PEER = "sqlite"

COMMITS = 100
QUICK_COMMITS = 10
"""How many commits each writer makes."""

WAIT_S = 120


@dataclass(frozen=True, slots=True)
class Together:
    """What some writers did: their commits in a second, and how often each waited for the disk, where that shows."""

    kind: str
    writers: int
    engine: str
    per_second: float
    syncs: float | None


def measured(path_of: Callable[[str], Path], commits: int) -> list[Together]:
    """Every number of writers, ours and the peer in turn."""
    return [
        _measure(kind, writers, engine, path_of(engine), commits)
        for kind in KINDS
        for writers in WRITERS
        for engine in (OURS, PEER)
    ]


def _measure(kind: str, writers: int, engine: str, path: Path, commits: int) -> Together:
    run = part("store.together", "write", engine=engine, path=path, kind=kind, writers=writers, commits=commits)
    done = writers * commits
    (lap,) = run.times["write"]
    syncs = run.answer["syncs"]
    return Together(kind, writers, engine, done / lap.wall, None if syncs is None else syncs / done)


def together_table(found: Sequence[Together]) -> str:
    """A line for each number of writers."""
    by = {(each.kind, each.writers, each.engine): each for each in found}

    def rows() -> Iterator[tuple[str, ...]]:
        for kind in KINDS:
            for writers in WRITERS:
                ours, peer = by[kind, writers, OURS], by[kind, writers, PEER]
                syncs = "" if ours.syncs is None else f"{ours.syncs:.2f}"
                rates = f"{ours.per_second:,.0f}", syncs, f"{peer.per_second:,.0f}"
                yield kind, str(writers), *rates, f"×{ours.per_second / peer.per_second:.2g}"

    peer_name = ENGINES[PEER]
    header = ("writers", "how many", "ours, commits/s", "syncs a commit", f"{peer_name}, commits/s", "ours ÷ peer")
    return table(header, rows())


# -- parts -------------------------------------------------------------------------------------------------------------


def write(watch: Watch, engine: str, path: str, kind: str, writers: int, commits: int) -> dict[str, int | None]:
    """Let writers begin together, each with the file open; returns how often they waited for the disk in all."""
    context: Any = multiprocessing.get_context("spawn") if kind == "processes" else None
    make_barrier, worker = (
        (threading.Barrier, threading.Thread) if context is None else (context.Barrier, context.Process)
    )
    begin, end = make_barrier(writers + 1), make_barrier(writers + 1)
    said: Any = context.SimpleQueue() if context else _Said()
    options = [(engine, path, number, commits, begin, end, said) for number in range(writers)]
    started = [worker(target=_writer, args=each, daemon=True) for each in options]
    for each in started:
        each.start()
    begin.wait(WAIT_S)
    with watch("write"):
        end.wait(WAIT_S)
    counts = [said.get() for _ in started]
    for each in started:
        each.join(WAIT_S)
    return {"syncs": None if None in counts else sum(counts)}


class _Said(list[Any]):
    """The queue of threads."""

    put = list.append
    get = list.pop


def _writer(engine: str, path: str, number: int, commits: int, begin: Any, end: Any, said: Any) -> None:
    watch = Watch()
    reader = module(engine).open_reader(path)
    first = (number + 1) * 1_000_000
    reader.commit(reader.make(first))
    shows_syncs = reader.time_syncs(watch)
    begin.wait(WAIT_S)
    for place in range(1, commits + 1):
        reader.commit(reader.make(first + place))
    said.put(len(watch.times["sync"]) if shows_syncs else None)
    end.wait(WAIT_S)
    reader.close()
