"""What is measured of every engine in the same way: an engine is a module with a `Writer` and a `Reader`.

`open_writer(path, facts)` makes a new database, `open_reader(path)` opens one. Both are imported by name, in a process
that imports nothing of the others.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.child import Watch
from bench.store.sizes import FACTS_PER_EPOCH, FACTS_PREPARED, GROUP, SCANNED, SCANS

Rows = Sequence[Any]


class Writer(Protocol):
    """A database that is being loaded."""

    def prepare(self, batch: Any) -> Any:
        """The facts of an epoch in the form that this engine takes best; not timed."""
        ...

    def load(self, prepared: Any) -> None:
        """Write them, durably."""
        ...

    def settle(self) -> None:
        """Wait for what goes on in the background."""
        ...

    def close(self) -> None: ...


class Reader(Protocol):
    """A database that is asked. Rows are (digest, entity, attribute, value), in the engine's own types."""

    def entity(self, entity: bytes) -> Rows: ...

    def fact(self, digest: bytes) -> Rows: ...

    def attribute(self, name: str) -> Any:
        """The columns entity, value and row of all facts with an attribute, by number."""
        ...

    def counts(self, columns: Any) -> list[int]:
        """How many facts and how many entities those are, to compare."""
        ...

    def plain(self, rows: Rows) -> list[tuple[str, str, Any]]:
        """Rows as (digest in hexadecimal, attribute, value), to compare."""
        ...

    def make(self, number: int) -> Any:
        """One fact about an entity that is known, ready to be committed."""
        ...

    def commit(self, made: Any) -> None:
        """Write it, durably."""
        ...

    def time_syncs(self, watch: Watch) -> bool:
        """From now on time every wait for the disk inside `commit` as `sync`; False if this engine shows none."""
        ...

    def close(self) -> None: ...


def module(engine: str) -> Any:
    """The module of an engine."""
    return importlib.import_module(f"bench.store.{engine}")


# -- parts -------------------------------------------------------------------------------------------------------------


def load(watch: Watch, engine: str, inputs: str, path: str, facts: int) -> dict[str, int]:
    """Load a database from inputs that are made ready in memory; returns what the process held before and at most."""
    import gc
    from itertools import islice

    from bench.store.facts import batches

    offered = module(engine)
    offered.import_all()
    with watch("load"):
        writer: Writer = offered.open_writer(path)
    coming = batches(inputs, facts)
    held_before = 0
    while prepared := [writer.prepare(batch) for batch in islice(coming, FACTS_PREPARED // FACTS_PER_EPOCH)]:
        gc.collect()
        gc.freeze()  # the inputs are no part of the program: its collector need not look at them
        held_before = held_before or resident("VmRSS")
        with watch("load"):
            for each in prepared:
                writer.load(each)
        with watch("settle"):
            writer.settle()
        gc.unfreeze()
        del prepared, each
    with watch("close"):
        writer.close()
    return {"before": held_before, "most": resident("VmHWM")}


def ask(watch: Watch, engine: str, path: str, questions: str) -> dict[str, Any]:
    """Ask for entities and for facts twice, the second time warm, and for an attribute; returns what must agree."""
    from bench.store.facts import answer_hash

    reader: Reader = module(engine).open_reader(path)
    keys = json.loads(Path(questions).read_text())
    answers = []
    for name, get in (("entity", reader.entity), ("fact", reader.fact)):
        asked = [bytes.fromhex(key) for key in keys[name]]
        for time_of in ("first", "warm"):
            found: list[Rows] = []
            for start in range(0, len(asked), GROUP):
                group = asked[start : start + GROUP]
                with watch(f"{name} {time_of}"):
                    found += [get(key) for key in group]
        answers += [reader.plain(rows) for rows in found]
    columns = reader.attribute(SCANNED)
    for _ in range(SCANS):
        with watch("attribute"):
            columns = reader.attribute(SCANNED)
    counts = reader.counts(columns)
    del columns, found
    reader.close()
    return {"rows": answer_hash(answers), "attribute": counts}


def first(watch: Watch, engine: str, path: str, entity: str) -> int:
    """Open and ask once, with everything imported before; returns how many rows came."""
    offered = module(engine)
    offered.import_all()
    with watch("open and get"):
        reader = offered.open_reader(path)
        rows = reader.entity(bytes.fromhex(entity))
    reader.close()
    return len(rows)


def first_of_all(watch: Watch, engine: str, path: str, entity: str) -> int:
    """The same with the imports."""
    with watch("import, open and get"):
        reader = module(engine).open_reader(path)
        rows = reader.entity(bytes.fromhex(entity))
    reader.close()
    return len(rows)


def idle(_watch: Watch, engine: str, path: str, entity: str) -> dict[str, int]:
    """What a process holds that has imported the engine, and then with a database open."""
    offered = module(engine)
    offered.import_all()
    before = resident("VmRSS")
    reader = offered.open_reader(path)
    reader.epoch()
    reader.entity(bytes.fromhex(entity))
    open_bytes, anonymous = resident("VmRSS"), resident("RssAnon")
    reader.close()
    return {"before": before, "open": open_bytes, "anonymous": anonymous}


def commit(watch: Watch, engine: str, path: str, beside: str, commits: int) -> dict[str, int]:
    """Commit single facts, and between them let the disk sync as many bytes, appended to a file and written over."""
    reader: Reader = module(engine).open_reader(path)
    grown = []
    for number in range(20):
        before = _journal_bytes(path)
        reader.commit(reader.make(number))
        grown.append(_journal_bytes(path) - before)
    size = sorted(grown)[len(grown) // 2]
    shows_syncs = reader.time_syncs(watch)
    data = os.urandom(size or PAGE_BYTES)
    disk = os.open(beside, os.O_CREAT | os.O_RDWR)
    for number in range(20, 20 + commits):
        os.lseek(disk, 0, os.SEEK_END)
        os.write(disk, data)
        with watch("append"):
            os.fdatasync(disk)
        with watch("make"):
            made = reader.make(number)
        with watch("commit"):
            reader.commit(made)
        os.pwrite(disk, data, 0)
        with watch("overwrite"):
            os.fdatasync(disk)
    os.close(disk)
    if shows_syncs:
        watch.times["beyond"] = _beyond(watch)
    reader.close()
    return {"bytes": size}


def _beyond(watch: Watch) -> list[tuple[float, float]]:
    """What each commit took, to make it among it, but for the wait for the disk inside it."""
    laps = [watch.times[name] for name in ("make", "commit", "sync")]
    assert len({len(times) for times in laps}) == 1, "each commit waits for the disk once"
    return [
        (make[0] + commit[0] - sync[0], make[1] + commit[1] - sync[1]) for make, commit, sync in zip(*laps, strict=True)
    ]


PAGE_BYTES = 4096
"""What the disk syncs where an engine writes into room that its file has already."""


def _journal_bytes(path: str) -> int:
    journal = f"{path}-wal"
    return os.stat(journal).st_size if os.path.exists(journal) else os.stat(path).st_size


def resident(name: str) -> int:
    """A figure of this process's memory, in bytes, as the kernel keeps it."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            key, _, text = line.partition(":")
            if key == name:
                return int(text.split()[0]) * 1024
    return 0
