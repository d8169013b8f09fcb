"""The store in one file, for many processes: a log of deltas as the truth, and an index made of it (SQLite)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, plain
from rhizomedb.store import check
from rhizomedb.store.file import File
from rhizomedb.store.index import Indexer
from rhizomedb.store.layout import Mark, pack, unpack
from rhizomedb.store.relations import DELTA_WITHIN, Reader, facts_from, is_windowed, kind_of_encoded
from rhizomedb.store.store import HEX_DIGITS, AttributeSummary, Cut, Epoch, Finding, Held, most_facts_first

ENVELOPES_PAGE: Final = 16
"""How many envelopes are read at once; each may be a mebibyte."""

MARKS_REMEMBERED_MAX: Final = 1024


class SqliteStore:
    """A database file. One object is used by one thread at a time; any number of processes share the file."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool, wait_ms: int = 10_000) -> None:
        self.path = os.fspath(path)
        self._file = File(self.path, create=create, wait_ms=wait_ms)
        self._reader = Reader(self._file)
        self._indexer = Indexer(self._file)
        self._version = -1
        self._newest: Mark | None = None
        self._marks: dict[int, Mark] = {}
        self._begun: int | None = None
        self.is_writing = False

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch; 0 when nothing was ever written."""
        return self._mark().epoch

    def epochs(self) -> list[Epoch]:
        """All epochs, oldest first."""
        sql = "SELECT number, at_ms, origin FROM epoch ORDER BY number"
        return [Epoch(*row) for row in self._file.typed((int, int, str), sql)]

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The distinct tuples of a stored relation that agree with `bound`, visible at the cut when this is called."""
        return self._reader.scan(relation, bound, cut, self._mark(cut.epoch))

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[tuple[Cell, ...]],
        cut: Cut,
    ) -> Iterator[tuple[Cell, ...]]:
        """What `scan` gives for `bound` together with each of some distinct keys over `names`."""
        return self._reader.scan_keys(relation, bound, names, rows, cut, self._mark(cut.epoch))

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        return self._reader.size(relation, bound, self._mark())

    def has(self, delta: Cid) -> bool:
        """Whether a delta is here and visible."""
        return self._indexer.has(delta)

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of a delta as it arrived, visible or held back, or None."""
        packed = pack(delta)
        rows = self._file.typed(
            (bytes,),
            "SELECT l.envelope FROM delta d CROSS JOIN log l ON l.seq = d.seq"
            " WHERE substr(d.id, 1, 8) = ? AND d.id = ?",
            (packed[:8], packed),
        ) or self._file.typed((bytes,), "SELECT envelope FROM held WHERE id = ?", (packed,))
        return rows[0][0] if rows else None

    def envelopes(self, after_epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """The epoch and exact bytes of every delta that is visible when this is called, in the order of the log."""
        return self._envelopes(self._mark(max(after_epoch, 0)).deltas, self._mark().deltas)

    def _envelopes(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        while rows := self._file.typed(
            (int, int, bytes),
            "SELECT seq, epoch, envelope FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (after, last, ENVELOPES_PAGE),
        ):
            for seq, epoch, envelope in rows:
                if seq <= after:  # a broken tree may lead back
                    raise self._file.damaged("the log is out of order")
                after = seq
                yield epoch, envelope

    def entities(self, cut: Cut) -> Iterator[bytes]:
        """Every entity of a visible fact, once each, in the order of their bytes; streamed."""
        return self._reader.entities("", cut, self._mark(cut.epoch))

    def entities_starting(self, digits: str, cut: Cut, most: int = 10) -> list[bytes]:
        """Up to `most` visible entities whose hexadecimal id begins with these lower-case digits (any number of them)."""
        if not set(digits) <= HEX_DIGITS:
            return []
        return list(islice(self._reader.entities(digits, cut, self._mark(cut.epoch)), most))

    def has_author(self, author: bytes) -> bool:
        """Whether any delta of this author is visible to all."""
        return bool(self._file.run("SELECT 1 FROM author WHERE stub = ?", (author,)))

    def repeated(self, epoch: int) -> Iterator[tuple[bytes, Cell]]:
        """The registers (entity, attribute) about which more than one fact was known at an epoch; no other is contested."""
        return self._reader.repeated(self._mark(epoch))

    def attribute_names(self) -> list[Attribute]:
        """Every attribute that any fact here ever had, at no cost to speak of."""
        rows = self._file.run("SELECT row FROM attribute")
        return [plain(self._reader.attribute(row)) for (row,) in rows]  # type: ignore[misc]  # an attribute is one

    def attributes(self, cut: Cut) -> list[AttributeSummary]:
        """A summary of every attribute in use, most facts first."""
        seen, bindings = self._visible_facts(cut)
        entities = dict(
            self._file.run(
                f"SELECT attribute, count(*) FROM (SELECT DISTINCT f.entity, f.attribute {seen}) GROUP BY 1", bindings
            )
        )
        kinds: dict[int, dict[str, int]] = {}
        for attribute, first, count in self._file.run(
            f"SELECT f.attribute, substr(f.value, 1, 1), count(*) {seen} GROUP BY 1, 2", bindings
        ):
            counts = kinds.setdefault(attribute, {})
            kind = kind_of_encoded(first)
            counts[kind] = counts.get(kind, 0) + count
        return most_facts_first(
            AttributeSummary(
                plain(self._reader.attribute(row)),  # type: ignore[arg-type]  # a fact's attribute is one
                sum(counts.values()),
                entities.get(row, 0),
                tuple((name, counts[name]) for name in KIND_NAMES if name in counts),
            )
            for row, counts in kinds.items()
        )

    def counts(self, cut: Cut) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        mark = self._mark(cut.epoch)
        if not is_windowed(cut):
            return {
                "facts": mark.facts,
                "entities": mark.entities,
                "attributes": mark.attributes,
                "deltas": mark.deltas,
                "authors": mark.authors,
                "causes": mark.causes,
            }
        seen, bindings = self._visible_facts(cut)
        facts, entities, attributes = self._file.run(
            f"SELECT count(*), count(DISTINCT f.entity), count(DISTINCT f.attribute) {seen}", bindings
        )[0]
        deltas, authors = self._file.run(
            f"SELECT count(*), count(DISTINCT d.author) FROM delta d WHERE d.seq <= :deltas AND {DELTA_WITHIN}",
            bindings,
        )[0]
        ((causes,),) = self._file.run(f"SELECT count(*) FROM cause WHERE fact IN (SELECT f.row {seen})", bindings)
        return {
            "facts": facts,
            "entities": entities,
            "attributes": attributes,
            "deltas": deltas,
            "authors": authors,
            "causes": causes,
        }

    def last_time(self) -> HybridTime:
        """The greatest claimed time among the visible deltas: where the next one's clock goes on."""
        mark = self._mark()
        return HybridTime(mark.ms, mark.counter)

    def held(self) -> list[Held]:
        """The deltas kept back, soonest first; those that wait for no time last."""
        return [as_held(row) for row in self._file.typed(_HELD_TYPES, f"{_HELD} ORDER BY due_ms IS NULL, due_ms, row")]

    def members(self, author: bytes, group: Group) -> tuple[int, list[Held]]:
        """How many deltas of an author's group are visible, and those that are held back."""
        key = (author, group.id, group.size)
        ((visible,),) = self._file.run(
            "SELECT count(*) FROM delta WHERE author = (SELECT row FROM author WHERE stub = ?)"
            " AND group_id = ? AND group_size = ?",
            key,
        )
        held = self._file.typed(
            _HELD_TYPES, f"{_HELD} WHERE author = ? AND group_id = ? AND group_size = ? ORDER BY row", key
        )
        return visible, [as_held(row) for row in held]

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        return dict(self._file.typed((bytes, str), "SELECT author, name FROM name ORDER BY author"))

    def verify(self) -> Iterator[Finding]:
        """Re-check every hash, signature, cause and index row; yield what is wrong. Nothing is changed."""
        return check.verify(self._file.absolute)

    # -- writing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One atomic write: everything inside is kept or nothing is. Waits for other writers, then says who is in the way."""
        assert not self.is_writing, "a write does not begin inside another"
        self.is_writing = True
        try:
            with self._file.transaction():
                mark = self._mark()
                if self._last_seq() != mark.deltas:
                    raise self._file.damaged("the index does not reach as far as the log")
                self._indexer.start(mark)
                yield
        except BaseException:
            self._forget()
            raise
        finally:
            self.is_writing = False
            self._begun = None

    def begin(self, at_ms: int, origin: str) -> int:
        """Open the next epoch inside `writing` and return its number."""
        assert self.is_writing, "an epoch begins inside writing()"
        number = self._mark().epoch + 1
        self._file.run("INSERT INTO epoch(number, at_ms, origin) VALUES (?, ?, ?)", (number, at_ms, origin))
        self._newest = self._indexer.mark(number)
        self._begun = number
        return number

    def append(self, deltas: Sequence[Delta], epoch: int) -> int:
        """Add verified deltas, in order, to the epoch that was begun last; known ones are passed over. Returns how many were new."""
        assert self._begun == epoch, "deltas are added to the epoch that this write began last"
        seq = first = self._mark().deltas
        rows = []
        for delta in deltas:
            if self._indexer.has(delta.id):
                continue
            seq += 1
            rows.append((seq, epoch, delta.encode()))
            self._indexer.add(seq, epoch, delta)
        if rows:
            if self._file.run("SELECT 1 FROM held LIMIT 1"):  # what was held back and is visible now is held no more
                self._file.run_many("DELETE FROM held WHERE id = ?", [(pack(delta.id),) for delta in deltas])
            self._file.run_many("INSERT INTO log(seq, epoch, envelope) VALUES (?, ?, ?)", rows)
            self._newest = self._indexer.mark(epoch)
        return seq - first

    def hold(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> bool:
        """Keep a verified delta back. False if it was known."""
        assert self.is_writing, "a delta is held back inside writing()"
        packed = pack(delta.id)
        if self._indexer.has(delta.id) or self._file.run("SELECT 1 FROM held WHERE id = ?", (packed,)):
            return False
        group = (delta.group.id, delta.group.size) if delta.group else (None, None)
        self._file.run(
            "INSERT INTO held(id, author, arrived_ms, origin, due_ms, reason, group_id, group_size, envelope)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (packed, delta.author, arrived_ms, origin, due_ms, reason, *group, delta.encode()),
        )
        return True

    def release(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take a held delta out and return its bytes and origin."""
        assert self.is_writing, "a delta is released inside writing()"
        rows = self._file.typed((bytes, str), "SELECT envelope, origin FROM held WHERE id = ?", (pack(delta),))
        if not rows:
            return None
        self._file.run("DELETE FROM held WHERE id = ?", (pack(delta),))
        envelope, origin = rows[0]
        return envelope, origin

    def name(self, author: bytes, name: str) -> None:
        """Remember what this copy calls an author key."""
        assert self.is_writing, "a name is given inside writing()"
        self._file.run("INSERT OR REPLACE INTO name(author, name) VALUES (?, ?)", (author, name))

    def rebuild_index(self) -> list[Finding]:
        """Make the index anew from the log, leaving out deltas that are altered; returns those."""
        assert not self.is_writing, "a rebuild is a write of its own"
        try:
            with self._file.transaction():
                return check.rebuild(self._file)
        finally:
            self._forget()

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._file.close()

    # -- what was reached -------------------------------------------------------------------------------------------

    def _mark(self, epoch: int | None = None) -> Mark:
        """The totals at the end of an epoch, or of the newest."""
        ((version,),) = self._file.run("PRAGMA data_version")
        if version != self._version:  # another process has written; it may have rebuilt the index
            self._forget()
            self._version = version
        newest = self._newest
        if newest is None:
            rows = self._file.typed(_MARK_TYPES, "SELECT * FROM mark ORDER BY epoch DESC LIMIT 1")
            newest = self._newest = Mark(*rows[0]) if rows else Mark()
        if epoch is None or epoch >= newest.epoch:
            return newest
        if epoch <= 0:
            return Mark()
        mark = self._marks.get(epoch)
        if mark is None:
            rows = self._file.typed(_MARK_TYPES, "SELECT * FROM mark WHERE epoch = ?", (epoch,))
            if not rows:
                raise self._file.damaged(f"the index knows nothing of epoch {epoch}")
            if len(self._marks) >= MARKS_REMEMBERED_MAX:
                self._marks.clear()
            mark = self._marks[epoch] = Mark(*rows[0])
        return mark

    def _last_seq(self) -> int:
        ((last,),) = self._file.run("SELECT coalesce(max(seq), 0) FROM log")
        return int(last)

    def _forget(self) -> None:
        """Drop everything remembered of the file."""
        self._newest = None
        self._marks.clear()
        self._reader.forget()
        self._indexer.forget()

    def _visible_facts(self, cut: Cut) -> tuple[str, dict[str, Any]]:
        """FROM and WHERE for the facts that are visible at a cut."""
        mark = self._mark(cut.epoch)
        bindings = {"facts": mark.facts, "deltas": mark.deltas, **self._reader.window(cut)}
        return facts_from(cut), bindings


_MARK_TYPES: Final = (int,) * len(Mark._fields)
_HELD: Final = "SELECT id, author, arrived_ms, origin, due_ms, reason, group_id, group_size FROM held"
_HELD_TYPES: Final = (bytes, bytes, int, str, int | None, str, bytes | None, int | None)


def as_held(row: tuple[Any, ...]) -> Held:
    """A row of the table `held`."""
    packed, author, arrived_ms, origin, due_ms, reason, group_id, group_size = row
    group = None if group_id is None or group_size is None else Group(group_id, group_size)
    return Held(unpack(packed), author, arrived_ms, origin, due_ms, reason, group)
