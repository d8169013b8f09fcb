"""Ours, at the store itself: columns encoded, hashed, signed a thousand facts at a time, admitted and indexed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.child import Watch
from bench.store.sizes import FACTS_PER_DELTA, GROUP
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.signature import Key
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import plain
from rhizomedb.store.admit import admit
from rhizomedb.store.open import open_store
from rhizomedb.store.store import Cut

START_MS = 1_700_000_000_000
NOW_MS = 1_800_000_000_000

MERGER = "rhizomedb-merge"
"""The thread that merges segments."""


def import_all() -> None:
    """Import what opening a file would import."""
    import rhizomedb.store.sqlite  # noqa: F401  # imported for what it does

    Key(bytes(32))


def key() -> Key:
    """Who says everything."""
    return Key(b"rhizomedb benchmark, not a secret"[:32])


class TimedLog:
    """The file that a store syncs, each sync timed."""

    def __init__(self, log: Any, watch: Watch) -> None:
        self._log = log
        self._watch = watch

    def xSync(self, flags: int) -> None:  # it is called by this name
        with self._watch("sync"):
            self._log.xSync(flags)

    def xClose(self) -> None:
        self._log.xClose()


class Writer:
    """A new database file, durable to the full."""

    def __init__(self, path: str) -> None:
        self._store = open_store(path, create=True, durability="full")
        self._key = key()
        self._said = 0

    def prepare(self, batch: Any) -> Any:
        """The columns of each delta."""
        from bench.store.facts import columns

        starts = range(0, len(batch.rows), FACTS_PER_DELTA)
        return [columns(batch.rows[start : start + FACTS_PER_DELTA], batch.ids) for start in starts]

    def load(self, prepared: Any) -> None:
        """One epoch."""
        admitted = admit(self._store, self._deltas(prepared), now_ms=NOW_MS, origin="bench")
        assert admitted.new == len(prepared), "every delta is new"

    def _deltas(self, prepared: Any) -> Iterator[Delta]:
        for each in prepared:
            self._said += 1
            facts = Stretch.from_columns(*each)
            yield Delta.sign(self._key, system="bench", time=HybridTime(START_MS + self._said, 0), facts=facts)

    def settle(self) -> None:
        """Wait for the merges that are under way."""
        for thread in threading.enumerate():
            if thread.name == MERGER:
                thread.join()

    def close(self) -> None:
        self._store.close()


class Reader:
    """A database file that is there."""

    def __init__(self, path: str) -> None:
        self._store: Any = open_store(path, create=False)
        self._key: Key | None = None
        self._time = 0
        self._about: bytes = b""
        self._cause: tuple[Cid, ...] = ()

    def epoch(self) -> int:
        return int(self._store.epoch())

    def entity(self, entity: bytes) -> Any:
        return list(self._store.scan("fact", {"entity": entity}, Cut()))

    def fact(self, digest: bytes) -> Any:
        return list(self._store.scan("fact", {"$cid": Cid(PREFIX + digest)}, Cut()))

    def attribute(self, name: str) -> Any:
        """Whole arrays of our own: what the store hands out in place, part by part, put together."""
        import numpy as np

        parts = list(self._store.columns(name))
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def counts(self, columns: Any) -> list[int]:
        import numpy as np

        entity, _, row = columns
        return [len(row), len(np.unique(entity))]

    def plain(self, rows: Any) -> list[tuple[str, str, Any]]:
        return [(bytes(cid)[len(PREFIX) :].hex(), plain(attribute), plain(value)) for cid, _, attribute, value in rows]

    def make(self, number: int) -> Delta:
        """One fact, encoded and signed; each is about one entity and caused by the one before."""
        if self._key is None:
            self._key = key()
            self._time = self._store.last_time().ms
            self._about = next(self._store.entities(Cut()))
        facts = Stretch.from_columns([self._about], ["status"], [number], [self._cause])
        self._cause = (Cid(PREFIX + facts.digests),)
        return Delta.sign(self._key, system="bench", time=HybridTime(self._time + 1 + number, 0), facts=facts)

    def commit(self, made: Delta) -> None:
        admit(self._store, [made], now_ms=NOW_MS, origin="bench")

    def time_syncs(self, watch: Watch) -> bool:
        """Put a clock between the store and the write-ahead log that it syncs; a commit must have been made."""
        self._store.file._log = TimedLog(self._store.file._log, watch)
        return True

    def close(self) -> None:
        self._store.close()


def ask_the_api(watch: Watch, path: str, questions: str) -> int:
    """Ask a connection for entities, warm, by `get` and by `facts`; returns how many facts came."""
    from rhizomedb.db.connection import connect

    asked = [bytes.fromhex(key) for key in json.loads(Path(questions).read_text())["entity"]]
    came = 0
    with connect(path, create=False) as db:
        for name, get in (("api get", db.get), ("api facts", lambda entity: list(db.facts(entity)))):
            for entity in asked:  # once before: what is measured is warm
                get(entity)
            for start in range(0, len(asked), GROUP):
                with watch(name):
                    found = [get(entity) for entity in asked[start : start + GROUP]]
                came += sum(map(len, found))
    return came


open_writer, open_reader = Writer, Reader
