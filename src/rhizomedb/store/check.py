"""Checking a file against itself, and making its index anew.

The log proves itself: each envelope carries its author's signature, and its payload hashes to its id. The index proves
nothing, so every row of it is compared with what the log says. A bad row is a finding and stops nothing; what cannot be
read is a finding too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts import codec
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import PUBLIC_BYTES
from rhizomedb.store.file import File
from rhizomedb.store.index import ASK_KEYS, Indexer
from rhizomedb.store.layout import INDEX, INDEX_TABLES, STUB_BYTES, Mark, pack, stub, unpack
from rhizomedb.store.store import Finding

ROWS_PAGE: Final = 16
FAULTS_OF_SQLITE_MAX: Final = 100
LOG_ROW_BYTES_MIN: Final = 100
"""No row of the log is shorter than this, which bounds how many a file can hold."""

DAMAGED: Final = "store.damaged"

BROKEN: Final = (Error, TypeError, ValueError)
"""What a value that nobody wrote may lead to."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the log: its delta if it is intact, else what is wrong with it."""

    seq: int
    epoch: int
    delta: Delta | None
    fault: Error | None = None


def verify(path: str) -> Iterator[Finding]:
    """Everything that is wrong with a file, as it is now: read through a connection of its own, at one moment."""
    try:
        file = File(path, create=False, wait_ms=0)
    except StoreError as error:
        yield Finding("file", error.code, error.message)
        return
    with closing(file):
        checks = (_structure, _epochs, _Comparison(file).run, _totals, _held, _names)
        file.run("BEGIN")
        for check in checks:
            try:
                yield from check(file)
            except BROKEN as error:
                yield _finding("file", error)


def rebuild(file: File) -> list[Finding]:
    """Make the index anew inside a write, leaving out deltas that are not intact; returns those."""
    last = last_seq(file)
    for table in INDEX_TABLES:
        file.run(f"DROP TABLE IF EXISTS {table}")
    file.run("; ".join(INDEX))
    newest = one(file, "SELECT count(*) FROM epoch")
    findings: list[Finding] = []
    indexer = Indexer(file)
    epoch = 0
    for row in log_rows(file, last):
        while epoch < min(row.epoch, newest):  # what was added so far belongs to earlier epochs
            if epoch:
                indexer.mark(epoch)
            epoch += 1
        indexer.reach(row.seq)
        if row.delta is None or indexer.has(row.delta.id):
            fault = row.fault or StoreError(DAMAGED, "the log holds it twice")
            findings.append(Finding(f"delta {row.seq}", fault.code, fault.message))
        else:
            indexer.add(row.seq, max(epoch, 1), row.delta)
    for number in range(max(epoch, 1), newest + 1):
        indexer.mark(number)
    return findings


def _finding(record: str, error: Exception) -> Finding:
    if isinstance(error, Error):
        return Finding(record, error.code, error.message)
    return Finding(record, DAMAGED, f"a value in the index has another type: {error}")


# -- reading the log ---------------------------------------------------------------------------------------------------


def last_seq(file: File) -> int:
    """The number of the last row of the log, as far as it can be known, and no more than fit in the file."""
    found = [0]
    for sql in ("SELECT max(seq) FROM log", "SELECT max(deltas) FROM mark", "SELECT max(seq) FROM delta"):
        try:
            found.append(one(file, sql) or 0)
        except StoreError:
            continue  # the others may be readable
    fits = sum(os.path.getsize(file.absolute + end) for end in ("", "-wal") if os.path.exists(file.absolute + end))
    return min(max(found), fits // LOG_ROW_BYTES_MIN)


def log_rows(file: File, last: int) -> Iterator[LogRow]:
    """Every row of the log up to a number, each delta verified. Where a page cannot be read, row by row around it."""
    reached = 0
    while reached < last:
        try:
            rows = file.run(
                "SELECT seq, epoch, envelope FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (reached, last, ROWS_PAGE),
            )
            if not rows:
                return
        except StoreError:
            reached += 1
            try:
                rows = file.run("SELECT seq, epoch, envelope FROM log WHERE seq = ?", (reached,))
            except StoreError as error:
                yield LogRow(reached, 0, None, error)
                continue
        for seq, epoch, envelope in rows:
            if type(epoch) is not int:
                yield LogRow(seq, 0, None, file.damaged("its epoch is no number"))
                continue
            try:
                yield LogRow(seq, epoch, Delta.decode(envelope))
            except Error as error:
                yield LogRow(seq, epoch, None, error)
        reached = max(reached + 1, *(row[0] for row in rows)) if rows else reached  # a broken tree may lead back


def one(file: File, sql: str, bindings: Sequence[Any] = ()) -> Any:
    """The one value that a statement gives."""
    return file.run(sql, bindings)[0][0]


# -- the index against the log -----------------------------------------------------------------------------------------

_KEYS: Final = ",".join("?" * ASK_KEYS)
_FACTS: Final = (
    "SELECT f.cid, f.row, f.delta, f.entity, f.attribute, e.stub, a.stub, f.value"
    " FROM fact f INDEXED BY fact_cid LEFT JOIN entity e ON e.row = f.entity"
    f" LEFT JOIN attribute a ON a.row = f.attribute WHERE substr(f.cid, 1, 8) IN ({_KEYS})"
)
_DELTA: Final = (
    "SELECT d.id, a.stub, d.system, d.ms, d.counter, d.edge, d.scope, d.epoch, d.group_id, d.group_size,"
    " d.author, d.fact_after, d.fact_last FROM delta d LEFT JOIN author a ON a.row = d.author WHERE d.seq = ?"
)


class _Comparison:
    """One walk along the log beside the index; `reached` is what the index should have counted so far."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._reached = Mark()

    def run(self, file: File) -> Iterator[Finding]:
        newest = one(file, "SELECT count(*) FROM epoch")
        expected = 1
        rows = 0
        for row in log_rows(file, last_seq(file)):
            rows += 1
            if row.seq > expected:
                yield Finding(f"delta {expected}", DAMAGED, f"the log goes on with delta {row.seq}")
            expected = row.seq + 1
            try:
                yield from self._row(row, newest)
            except BROKEN as error:
                yield _finding(self._record(row), error)
        if one(file, "SELECT count(*) FROM log") > rows:
            yield Finding("log", DAMAGED, "it has rows far beyond the last that can be read")
        yield from self._marks(newest)
        for table, total in (("fact", "facts"), ("cause", "causes"), ("repeat", "repeats"), ("author", "authors"),
                             ("entity", "entities"), ("attribute", "attributes")):  # fmt: skip
            found, said = one(file, f"SELECT count(*) FROM {table}"), getattr(self._reached, total)
            if found != said:
                yield Finding(f"index {table}", DAMAGED, f"it has {found:,} rows; the log says {said:,}")

    def _record(self, row: LogRow) -> str:
        if row.delta is not None:
            return f"delta {row.seq} ({row.delta.id})"
        try:
            return f"delta {row.seq} ({unpack(one(self._file, 'SELECT id FROM delta WHERE seq = ?', (row.seq,)))})"
        except (IndexError, *BROKEN):  # the index does not know it either
            return f"delta {row.seq}"

    def _row(self, row: LogRow, newest: int) -> Iterator[Finding]:
        record = self._record(row)
        if row.fault is not None:
            yield Finding(record, row.fault.code, row.fault.message)
        if not max(self._reached.epoch, 1) <= row.epoch <= newest:
            if row.epoch or row.delta:  # what cannot be read has no epoch
                yield Finding(record, DAMAGED, f"its epoch {row.epoch} is out of order")
        else:
            yield from self._marks(row.epoch - 1)
            self._reached = self._reached._replace(epoch=row.epoch)
        indexed = self._file.run(_DELTA, (row.seq,))
        reached = self._reached._replace(deltas=row.seq)
        if not indexed:
            self._reached = reached
            if row.delta is not None:
                yield Finding(record, DAMAGED, "the index does not hold it")
            return
        *said, author, after, last = indexed[0]
        if row.delta is not None:
            yield from self._delta(record, row.epoch, row.delta, said)
            yield from self._facts(record, row.seq, row.delta, after, last)
        if after != reached.facts or last < after:
            yield Finding(record, DAMAGED, "the index gives it the facts of another")
        repeats, causes, entity, attribute = self._file.run(
            "SELECT (SELECT count(*) FROM repeat WHERE delta = :seq),"
            " (SELECT count(*) FROM cause WHERE fact > :after AND fact <= :last),"
            " coalesce(max(entity), 0), coalesce(max(attribute), 0) FROM fact WHERE row > :after AND row <= :last",
            {"seq": row.seq, "after": after, "last": last},
        )[0]
        time = max((reached.ms, reached.counter), (said[3], said[4]))
        self._reached = Mark(
            reached.epoch,
            row.seq,
            last,
            max(reached.entities, entity),
            max(reached.attributes, attribute),
            max(reached.authors, author),
            reached.causes + causes,
            reached.repeats + repeats,
            *time,
        )

    def _delta(self, record: str, epoch: int, delta: Delta, said: Sequence[Any]) -> Iterator[Finding]:
        if said[0] != pack(delta.id):
            yield Finding(record, "delta.id-mismatch", f"it is kept under the id {unpack(said[0])}")
        group = (delta.group.id, delta.group.size) if delta.group else (None, None)
        edge = delta.edge or b""
        time = delta.time
        expected = [delta.author, delta.system, time.ms, time.counter, stub(edge), delta.scope, epoch, *group]
        names = ("author", "system", "time", "counter", "edge", "scope", "epoch", "group", "group size")
        for name, is_said, is_expected in zip(names, said[1:], expected, strict=True):
            if is_said != is_expected:
                yield Finding(record, DAMAGED, f"the index has another {name}")
        if one(self._file, "SELECT count(*) FROM delta WHERE substr(id, 1, 8) = ? AND id = ?",
               (pack(delta.id)[:8], pack(delta.id))) > 1:  # fmt: skip
            yield Finding(record, DAMAGED, "it is there twice")
        yield from self._whole(record, edge)

    def _facts(self, record: str, seq: int, delta: Delta, after: int, last: int) -> Iterator[Finding]:
        causes: dict[int, set[bytes]] = {}
        for row, cause in self._file.run("SELECT fact, cid FROM cause WHERE fact > ? AND fact <= ?", (after, last)):
            causes.setdefault(row, set()).add(cause)
        repeats = {row for (row,) in self._file.run("SELECT fact FROM repeat WHERE delta = ?", (seq,))}
        first = 0
        for start in range(0, len(delta.facts), ASK_KEYS):
            facts = delta.facts[start : start + ASK_KEYS]
            keys: list[bytes | None] = [pack(fact.cid)[:8] for fact in facts]
            found = {row[0]: row for row in self._file.run(_FACTS, keys + [None] * (ASK_KEYS - len(keys)))}
            for fact in facts:
                indexed = found.get(pack(fact.cid))
                if indexed is None:
                    yield Finding(f"fact {fact.cid}", DAMAGED, f"the index does not hold it, and {record} says it")
                    continue
                _, row, said_by, _, _, *parts = indexed
                yield from self._fact(fact, parts)
                if said_by == seq and after < row <= last:
                    first += 1
                    if causes.get(row, set()) != {pack(cause) for cause in fact.causes}:
                        yield Finding(f"fact {fact.cid}", DAMAGED, "the index has other causes")
                elif said_by >= seq or row not in repeats:
                    yield Finding(f"fact {fact.cid}", DAMAGED, f"the index does not have that {record} says it")
                else:
                    repeats.discard(row)
        if first != last - after or repeats:
            yield Finding(record, DAMAGED, "the index has facts of it that it does not say")

    def _fact(self, fact: Fact, parts: Sequence[bytes]) -> Iterator[Finding]:
        encode = codec.SCALARS
        expected = fact.entity, encode[type(fact.attribute)](fact.attribute), encode[type(fact.value)](fact.value)
        for name, part, whole in zip(("entity", "attribute", "value"), parts, expected, strict=True):
            if part != stub(whole):
                yield Finding(f"fact {fact.cid}", DAMAGED, f"the index has another {name}")
            elif len(whole) >= STUB_BYTES:
                yield from self._whole(f"fact {fact.cid}", whole)

    def _whole(self, record: str, whole: bytes) -> Iterator[Finding]:
        if len(whole) >= STUB_BYTES:
            rows = self._file.run("SELECT body FROM long WHERE stub = ?", (stub(whole),))
            if not rows or rows[0][0] != whole:
                yield Finding(record, DAMAGED, "the index does not have the whole of a long value")

    def _marks(self, last: int) -> Iterator[Finding]:
        """The marks of the epochs from that which was reached to another, which add nothing."""
        for number in range(max(self._reached.epoch, 1), last + 1):
            self._reached = self._reached._replace(epoch=number)
            rows = self._file.run("SELECT * FROM mark WHERE epoch = ?", (number,))
            if not rows or Mark(*rows[0]) != self._reached:
                yield Finding(f"index epoch {number}", DAMAGED, "its totals are not those of the log")


# -- the rest ----------------------------------------------------------------------------------------------------------


def _structure(file: File) -> Iterator[Finding]:
    for (message,) in file.run(f"PRAGMA integrity_check({FAULTS_OF_SQLITE_MAX})"):
        if message != "ok":
            yield Finding("file", DAMAGED, message)


def _epochs(file: File) -> Iterator[Finding]:
    epochs, first, last = file.run("SELECT count(*), coalesce(min(number), 1), coalesce(max(number), 0) FROM epoch")[0]
    if first != 1 or last != epochs:
        yield Finding("epochs", DAMAGED, f"there are {epochs:,}, numbered {first} to {last}")
    ((marks,),) = file.run("SELECT count(*) FROM mark")
    if marks != epochs:
        yield Finding("index mark", DAMAGED, f"it has {marks:,} rows for {epochs:,} epochs")


def _totals(file: File) -> Iterator[Finding]:
    for row, said, facts in file.run(
        "SELECT a.row, a.facts, coalesce(n, 0) FROM attribute a LEFT JOIN"
        " (SELECT attribute, count(*) AS n FROM fact GROUP BY attribute) f ON f.attribute = a.row"
    ):
        if said != facts:
            yield Finding(f"index attribute {row}", DAMAGED, f"it counts {said:,} facts of {facts:,}")


def _held(file: File) -> Iterator[Finding]:
    for (row,) in file.run("SELECT row FROM held ORDER BY row"):
        try:
            yield from _held_row(file, row)
        except BROKEN as error:
            yield _finding(f"held delta {row}", error)


def _held_row(file: File, row: int) -> Iterator[Finding]:
    ((packed, author, group_id, group_size, envelope),) = file.run(
        "SELECT id, author, group_id, group_size, envelope FROM held WHERE row = ?", (row,)
    )
    record = f"held delta {row} ({unpack(packed)})"
    try:
        delta = Delta.decode(envelope)
    except Error as error:
        yield _finding(record, error)
        return
    group = (delta.group.id, delta.group.size) if delta.group else (None, None)
    if pack(delta.id) != packed:
        yield Finding(record, "delta.id-mismatch", f"its bytes are those of {delta.id}")
    elif (author, group_id, group_size) != (delta.author, *group):
        yield Finding(record, DAMAGED, "it is kept with another author or group")
    elif file.run("SELECT 1 FROM delta WHERE substr(id, 1, 8) = ? AND id = ?", (packed[:8], packed)):
        yield Finding(record, DAMAGED, "it is visible as well")


def _names(file: File) -> Iterator[Finding]:
    for (author,) in file.run("SELECT author FROM name WHERE length(author) <> ?", (PUBLIC_BYTES,)):
        yield Finding(f"name of {author.hex()}", DAMAGED, "this is no author's key")
