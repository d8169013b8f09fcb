"""Writing the index: deltas in log order become rows.

Appending and rebuilding share it, so that an index made anew is the index that was. Deltas are gathered until they
hold some thousands of facts: what is known of them is then asked for once for many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rhizomedb.facts import codec
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Attribute
from rhizomedb.store.file import File
from rhizomedb.store.layout import STUB_BYTES, Mark, pack, stub

BATCH_FACTS: Final = 4096
"""How many facts are gathered before they are written."""

ASK_KEYS: Final = 500
"""How many keys are looked up by one statement."""

REMEMBERED_MAX: Final = 200_000
"""How many entities, attributes or authors are remembered with their numbers."""

_KEYS: Final = ",".join("?" * ASK_KEYS)
_FIND_FACTS: Final = f"SELECT cid, row FROM fact INDEXED BY fact_cid WHERE substr(cid, 1, 8) IN ({_KEYS})"
_FIND: Final = {
    table: f"SELECT stub, row FROM {table} WHERE stub IN ({_KEYS})" for table in ("author", "entity", "attribute")
}
_INTERN: Final = {
    "author": "INSERT INTO author(row, stub) VALUES (?, ?)",
    "entity": "INSERT INTO entity(row, stub) VALUES (?, ?)",
    "attribute": "INSERT INTO attribute(row, stub, facts) VALUES (?, ?, 0)",
}


class Indexer:
    """The rows and numbers of one write: `start` behind the newest mark, `add`, and `mark` what was reached."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._rows: dict[str, dict[bytes, int]] = {table: {} for table in _FIND}
        self._stubs: dict[tuple[type, Attribute], bytes] = {}
        self._pending: list[tuple[int, int, Delta]] = []
        self._pending_ids: set[Cid] = set()
        self._pending_facts = 0
        self.start(Mark())

    def start(self, mark: Mark) -> None:
        """Go on behind a mark, with nothing pending."""
        self._totals = mark._asdict()
        self._time = (mark.ms, mark.counter)
        self._drop_pending()

    def forget(self) -> None:
        """Drop what is remembered: after a rollback the rows are gone, after a rebuild they are others."""
        for rows in self._rows.values():
            rows.clear()
        self._stubs.clear()
        self._drop_pending()

    def has(self, delta: Cid) -> bool:
        """Whether a delta is in the index, or about to be."""
        packed = pack(delta)
        return delta in self._pending_ids or bool(
            self._file.run("SELECT 1 FROM delta WHERE substr(id, 1, 8) = ? AND id = ?", (packed[:8], packed))
        )

    def add(self, seq: int, epoch: int, delta: Delta) -> None:
        """Index a delta that the index does not hold yet, the next in the log."""
        self._pending.append((seq, epoch, delta))
        self._pending_ids.add(delta.id)
        self._pending_facts += len(delta.facts)
        if self._pending_facts >= BATCH_FACTS:
            self.flush()

    def reach(self, seq: int) -> None:
        """Count a row of the log whether it can be indexed or not."""
        self._totals["deltas"] = seq

    def mark(self, epoch: int) -> Mark:
        """Write everything, and the totals, as those of an epoch."""
        self.flush()
        self._totals.update(epoch=epoch, ms=self._time[0], counter=self._time[1])
        mark = Mark(**self._totals)
        self._file.run("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", mark)
        return mark

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        known = self._find(_FIND_FACTS, [pack(fact.cid)[:8] for *_, delta in self._pending for fact in delta.facts])
        last = self._totals["facts"]
        new: list[tuple[bytes, Fact, int]] = []
        repeats: list[tuple[int, int]] = []
        ranges: list[tuple[int, int]] = []
        for seq, _, delta in self._pending:
            after = last
            for fact in delta.facts:
                cid = pack(fact.cid)
                row = known.get(cid)
                if row is None:
                    last += 1
                    known[cid] = last
                    new.append((cid, fact, seq))
                else:
                    repeats.append((row, seq))
            ranges.append((after, last))
        self._write_facts(new)
        self._write_deltas(ranges)
        self._file.run_many("INSERT INTO repeat(fact, delta) VALUES (?, ?)", repeats)
        self._totals["repeats"] += len(repeats)
        self._drop_pending()

    def _write_facts(self, new: Sequence[tuple[bytes, Fact, int]]) -> None:
        entities = self._intern("entity", [stub(fact.entity) for _, fact, _ in new])
        attribute_stubs = [self._attribute_stub(fact.attribute) for _, fact, _ in new]
        attributes = self._intern("attribute", attribute_stubs)
        scalars = codec.SCALARS
        row = self._totals["facts"]
        facts: list[tuple[int, bytes, int, int, bytes, int]] = []
        causes: list[tuple[int, bytes]] = []
        uses: dict[int, int] = {}
        for (cid, fact, seq), attribute_stub in zip(new, attribute_stubs, strict=True):
            row += 1
            value = scalars[type(fact.value)](fact.value)
            if len(value) >= STUB_BYTES:
                value = self._shorten(value)
            entity = fact.entity if len(fact.entity) < STUB_BYTES else self._shorten(fact.entity)
            attribute = attributes[attribute_stub]
            uses[attribute] = uses.get(attribute, 0) + 1
            facts.append((row, cid, entities[entity], attribute, value, seq))
            if fact.causes:
                causes += [(row, pack(cause)) for cause in fact.causes]
        self._file.run_many("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)", facts)
        self._file.run_many("INSERT INTO cause(fact, cid) VALUES (?, ?)", causes)
        self._file.run_many(
            "UPDATE attribute SET facts = facts + ? WHERE row = ?", [(count, each) for each, count in uses.items()]
        )
        self._totals["facts"] = row
        self._totals["causes"] += len(causes)

    def _write_deltas(self, ranges: Iterable[tuple[int, int]]) -> None:
        authors = self._intern("author", [delta.author for *_, delta in self._pending])
        rows = [
            (
                seq,
                pack(delta.id),
                authors[delta.author],
                delta.system,
                delta.time.ms,
                delta.time.counter,
                self._shorten(delta.edge or b""),
                delta.scope,
                epoch,
                delta.group.id if delta.group else None,
                delta.group.size if delta.group else None,
                after,
                last,
            )
            for (seq, epoch, delta), (after, last) in zip(self._pending, ranges, strict=True)
        ]
        self._file.run_many("INSERT INTO delta VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._totals["deltas"] = max(self._totals["deltas"], self._pending[-1][0])
        self._time = max(self._time, *((delta.time.ms, delta.time.counter) for *_, delta in self._pending))

    def _shorten(self, data: bytes) -> bytes:
        """The stub of bytes, the whole being kept in `long` if it is longer."""
        short = stub(data)
        if len(short) == STUB_BYTES:
            self._file.run("INSERT OR IGNORE INTO long(stub, body) VALUES (?, ?)", (short, data))
        return short

    def _attribute_stub(self, attribute: Attribute) -> bytes:
        key = (type(attribute), attribute)  # 1, 1.0 and True are one key to Python
        found = self._stubs.get(key)
        if found is None:
            if len(self._stubs) >= REMEMBERED_MAX:
                self._stubs.clear()
            found = self._stubs[key] = self._shorten(codec.SCALARS[type(attribute)](attribute))
        return found

    def _intern(self, table: str, stubs: Sequence[bytes]) -> dict[bytes, int]:
        """The numbers of stubs, new ones numbered in the order in which they come."""
        remembered = self._rows[table]
        missing = {each: None for each in stubs if each not in remembered}  # a dict, for its order
        if missing:
            if len(remembered) + len(missing) > REMEMBERED_MAX:
                remembered.clear()
                missing = dict.fromkeys(stubs)
            remembered.update(self._find(_FIND[table], list(missing)))
            last = self._totals[_TOTAL[table]]
            new = [each for each in missing if each not in remembered]
            rows = list(enumerate(new, start=last + 1))
            self._file.run_many(_INTERN[table], rows)
            remembered.update((each, row) for row, each in rows)
            self._totals[_TOTAL[table]] = last + len(new)
        return remembered

    def _find(self, sql: str, keys: Sequence[bytes]) -> dict[bytes, int]:
        """What a statement that takes `ASK_KEYS` keys finds for any number of them."""
        found: dict[bytes, int] = {}
        for start in range(0, len(keys), ASK_KEYS):
            asked: list[bytes | None] = [*keys[start : start + ASK_KEYS]]
            found.update(self._file.run(sql, asked + [None] * (ASK_KEYS - len(asked))))
        return found

    def _drop_pending(self) -> None:
        self._pending.clear()
        self._pending_ids.clear()
        self._pending_facts = 0


_TOTAL: Final = {"author": "authors", "entity": "entities", "attribute": "attributes"}
"""Where the totals count the rows of a table."""
