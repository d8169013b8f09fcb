"""The memory of an import: how much of its own a process holds, at most, that takes in ten million facts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.data import COLUMNS, write_csv
from bench.process import PROCESS, command, script

ROWS = 2_000_000
QUICK_ROWS = 20_000

SAMPLED_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Held:
    """What an import held at most: pages of its own, and all with the pages of files that it had mapped."""

    facts: int
    anonymous_bytes: int
    peak_bytes: int
    seconds: float


def import_held(folder: Path, rows: int) -> Held:
    """Import a CSV file into a new database, as a process that is looked at while it runs."""
    csv, path = write_csv(folder, rows), folder / "held.db"
    look = _Look()
    words = (script("rhizome"), "import", path, csv, "--as", "first", "--key", "id", "--json")
    run = command(*words, beside=look.during)
    (lap,) = run.times[PROCESS]
    csv.unlink()
    return Held(rows * len(COLUMNS), look.most, int(run.peak_bytes), lap.wall)


class _Look:
    """The most anonymous memory that a process was seen to hold."""

    def __init__(self) -> None:
        self.most = 0

    @contextmanager
    def during(self, process: int) -> Iterator[None]:
        """Look again and again until what happens inside has ended."""
        ended = threading.Event()
        looking = threading.Thread(target=self._look, args=(process, ended))
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()

    def _look(self, process: int, ended: threading.Event) -> None:
        while not ended.wait(SAMPLED_EVERY_S):
            self.most = max(self.most, _anonymous(process))


def _anonymous(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:  # it has ended
        return 0
    figures = dict(line.split(":", 1) for line in status.splitlines())
    return int(figures.get("RssAnon", "0 kB").split()[0]) * 1024
