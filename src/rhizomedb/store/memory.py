"""The store in memory: dictionaries, and one look at every delta that says a fact. The oracle for the one in a file."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import ZERO, HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, exact, kind_of
from rhizomedb.store.chunks import MemoryChunks
from rhizomedb.store.layout import pack
from rhizomedb.store.progress import Passed, Progress
from rhizomedb.store.quota import USUAL, Quota
from rhizomedb.store.storage import Storage
from rhizomedb.store.store import (
    COLUMNS,
    AttributeSummary,
    Cut,
    Epoch,
    Finding,
    Held,
    most_facts_first,
)
from rhizomedb.store.writing import Open

MEMORY: Final = ":memory:"


class Entry(NamedTuple):
    """One delta of the log and the epoch in which it was learned."""

    epoch: int
    delta: Delta

    def is_visible(self, cut: Cut) -> bool:
        """Whether the delta is visible at a cut."""
        return cut.admits(self.epoch, self.delta.time.ms, self.delta.author)


class _Before(NamedTuple):
    """What there was when a write began."""

    epochs: int
    deltas: int
    held: dict[Cid, tuple[Held, bytes]]
    names: dict[bytes, str]


class MemoryStore:
    """A database that ends with the process."""

    def __init__(self, path: str = MEMORY, *, quota: Quota = USUAL) -> None:
        self.path = path
        self.quota = quota
        self.is_writing = False
        self._closed = False
        self._epochs: list[Epoch] = []
        self._log: list[Entry] = []
        self._held: dict[Cid, tuple[Held, bytes]] = {}
        self._names: dict[bytes, str] = {}
        self._begun: int | None = None
        self._before: _Before | None = None
        self._size_before = 0
        self.chunks = MemoryChunks()
        self._index()

    def _index(self) -> None:
        """Make every index anew from the log."""
        self._deltas: dict[Cid, Entry] = {}
        self._places: dict[Cid, int] = {}
        self._facts: dict[Cid, Fact] = {}
        self._sayings: dict[Cell, list[Entry]] = {}
        self._by: dict[tuple[str, Cell], dict[Cid, None]] = {}
        self._effects: dict[Cell, list[Cid]] = {}
        self._groups: Counter[tuple[bytes, Group | None]] = Counter()
        self._authors: set[bytes] = set()
        self._facts_by: list[int] = []  # how many there are by each delta
        self._last_time = ZERO
        for entry in self._log:
            self._index_entry(entry)

    def _index_entry(self, entry: Entry) -> None:
        delta = entry.delta
        self._deltas[delta.id] = entry
        self._places[delta.id] = len(self._places) + 1
        self._authors.add(delta.author)
        self._groups[delta.author, delta.group] += 1
        self._last_time = max(self._last_time, delta.time)
        for fact in delta.facts:
            cid = fact.cid
            self._sayings.setdefault(cid, []).append(entry)
            if cid in self._facts:
                continue
            self._facts[cid] = fact
            for name, cell in zip(COLUMNS["fact"], fact_cells(fact), strict=True):
                if name != "$cid":
                    self._by.setdefault((name, cell), {})[cid] = None
            for cause in fact.causes:
                self._effects.setdefault(cause, []).append(cid)
        self._facts_by.append(len(self._facts))

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch; 0 when nothing was ever written."""
        self._check_open()
        return len(self._epochs)

    def epochs(self, after: int = 0) -> list[Epoch]:
        """All epochs after one, oldest first."""
        self._check_open()
        return self._epochs[max(after, 0) :]

    def totals(self, epoch: int) -> tuple[int, int]:
        """How many deltas and facts were here at the end of an epoch."""
        self._check_open()
        deltas = bisect_right(self._log, epoch, key=lambda entry: entry.epoch)
        return deltas, self._facts_by[deltas - 1] if deltas else 0

    def storage(self) -> Storage:
        """How many bytes of what there are."""
        self._check_open()
        blocks = self.chunks.total()
        log, held = self._log_bytes(), sum(len(envelope) for _, envelope in self._held.values())
        return Storage(
            log_bytes=log + held, attachment_blocks=blocks.blocks, attachment_bytes=blocks.bytes, held_bytes=held
        )

    def _log_bytes(self) -> int:
        return sum(len(delta.encode()) for _, delta in self._log)

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The distinct tuples of a stored relation that agree with `bound`, visible at the cut when this is called."""
        self._check_open()
        assert set(bound) <= set(COLUMNS[relation]), f"{relation} has no such column"
        wanted = [(COLUMNS[relation].index(name), cell) for name, cell in bound.items()]
        tuples = self._tuples(relation, bound, cut)
        return iter([cells for cells in tuples if all(cells[place] == cell for place, cell in wanted)])

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[tuple[Cell, ...]],
        cut: Cut,
    ) -> Iterator[tuple[Cell, ...]]:
        """What `scan` gives for `bound` together with each of some distinct keys over `names`."""
        now = replace(cut, epoch=self.epoch()) if cut.epoch is None else cut
        keys = (dict(zip(names, row, strict=True)) for row in rows)
        return (found for key in keys for found in self.scan(relation, {**bound, **key}, now))

    def digests_by_entity(self, entities: Iterable[bytes], cut: Cut) -> dict[bytes, set[bytes]]:
        """The digests of all visible facts of some distinct entities, without the entities that have none."""
        found: dict[bytes, set[bytes]] = {}
        for entity in entities:
            for cid, *_ in self.scan("fact", {"entity": entity}, cut):
                found.setdefault(entity, set()).add(pack(cid))  # type: ignore[arg-type]  # the first column holds CIDs
        return found

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        self._check_open()
        match relation:
            case "fact":
                return len(self._candidates(bound))
            case "cause":
                return len(self._caused(bound))
            case "asserts":
                return 1 if "fact" in bound else len(self._facts)
        return len(self._entries(bound.get(COLUMNS[relation][0])))

    def _tuples(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The visible tuples of a relation: all that agree with `bound`, and perhaps others."""
        match relation:
            case "fact":
                for cid in self._candidates(bound):
                    if self._sayers(cid, cut):
                        yield fact_cells(self._facts[cid])
            case "cause":
                for cid in self._caused(bound):
                    if self._sayers(cid, cut):
                        yield from ((cid, cause) for cause in self._facts[cid].causes)
            case "delta":
                for _, delta in self._visible(bound.get("id"), cut):
                    time, edge = delta.time, delta.edge or b""
                    yield delta.id, delta.author, delta.system, time.ms, time.counter, edge, delta.scope
            case "asserts" if "fact" in bound:
                yield from ((delta.id, bound["fact"]) for _, delta in self._sayers(bound["fact"], cut))
            case "asserts":
                for _, delta in self._visible(bound.get("delta"), cut):
                    yield from ((delta.id, fact.cid) for fact in delta.facts)
            case "arrival":
                for number, delta in self._visible(bound.get("delta"), cut):
                    epoch = self._epochs[number - 1]
                    yield delta.id, number, epoch.at_ms, epoch.origin

    def _candidates(self, bound: Mapping[str, Cell]) -> Collection[Cid]:
        """The fewest facts that an index gives for the bound columns of `fact`."""
        if "$cid" in bound:
            return list(self._facts.keys() & {bound["$cid"]})
        found = [self._by.get((name, cell), {}) for name, cell in bound.items()]
        return min(found, key=len, default=self._facts)

    def _caused(self, bound: Mapping[str, Cell]) -> Collection[Cid]:
        """The facts whose causes agree with the bound columns of `cause`."""
        if "from" in bound:
            return list(self._facts.keys() & {bound["from"]})
        return self._effects.get(bound["to"], ()) if "to" in bound else self._facts

    def _entries(self, delta: Cell | None) -> Collection[Entry]:
        """The log, or of it the one delta."""
        return self._log if delta is None else [self._deltas[each] for each in self._deltas.keys() & {delta}]

    def _visible(self, delta: Cell | None, cut: Cut) -> list[Entry]:
        return [entry for entry in self._entries(delta) if entry.is_visible(cut)]

    def _sayers(self, fact: Cell, cut: Cut) -> list[Entry]:
        """The visible deltas that say a fact; it is visible if there is one."""
        return [entry for entry in self._sayings.get(fact, ()) if entry.is_visible(cut)]

    def has(self, delta: Cid) -> bool:
        """Whether a delta is here and visible."""
        self._check_open()
        return delta in self._deltas

    def place(self, delta: Cid) -> int:
        """Where in the log a visible delta is by the index, counted from 1; 0 where it is not there."""
        self._check_open()
        return self._places.get(delta, 0)

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of a delta as it arrived, visible or held back, or None."""
        self._check_open()
        if delta in self._deltas:
            return self._deltas[delta].delta.encode()
        return self._held[delta][1] if delta in self._held else None

    def envelopes(self, after_epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """The epoch and exact bytes of every delta that is visible when this is called, in the order of the log."""
        self._check_open()
        first = bisect_right(self._log, after_epoch, key=lambda entry: entry.epoch)
        return iter([(epoch, delta.encode()) for epoch, delta in self._log[first:]])

    def entities(self, cut: Cut) -> Iterator[bytes]:
        """Every entity of a visible fact, once each, in the order of their bytes."""
        self._check_open()
        return iter(sorted({fact.entity for cid, fact in self._facts.items() if self._sayers(cid, cut)}))

    def entities_starting(self, digits: str, cut: Cut, most: int = 10) -> list[bytes]:
        """Up to `most` visible entities whose hexadecimal id begins with these lower-case digits (any number of them)."""
        return [entity for entity in self.entities(cut) if entity.hex().startswith(digits)][:most]

    def may_have_fact(self, fact: Cid) -> bool:
        """Whether a fact may be here: False is certain."""
        self._check_open()
        return fact in self._facts

    def has_author(self, author: bytes) -> bool:
        """Whether any delta of this author is visible to all."""
        self._check_open()
        return author in self._authors

    def repeated(self, epoch: int) -> Iterator[tuple[bytes, Cell]]:
        """The registers (entity, attribute) about which more than one fact was known at an epoch; no other is contested."""
        rows = self.scan("fact", {}, Cut(epoch=epoch))
        counts = Counter((entity, attribute) for _, entity, attribute, _ in rows)
        yield from (register for register, count in counts.items() if count > 1)  # type: ignore[misc]  # entities are bytes

    def attribute_names(self) -> list[Attribute]:
        """Every attribute that any fact here ever had, at no cost to speak of."""
        self._check_open()
        return list({exact(fact.attribute): fact.attribute for fact in self._facts.values()}.values())

    def attributes(self, cut: Cut) -> list[AttributeSummary]:
        """A summary of every attribute in use, most facts first."""
        self._check_open()
        facts: dict[Cell, list[Fact]] = {}
        for cid, fact in self._facts.items():
            if self._sayers(cid, cut):
                facts.setdefault(exact(fact.attribute), []).append(fact)
        summaries = []
        for same in facts.values():
            kinds = Counter(kind_of(fact.value) for fact in same)
            entities = {fact.entity for fact in same}
            summaries.append(
                AttributeSummary(
                    same[0].attribute,
                    len(same),
                    len(entities),
                    tuple((name, kinds[place]) for place, name in enumerate(KIND_NAMES) if place in kinds),
                )
            )
        return most_facts_first(summaries)

    def counts(self, cut: Cut) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        facts = list(self.scan("fact", {}, cut))
        deltas = list(self.scan("delta", {}, cut))
        return {
            "facts": len(facts),
            "entities": len({entity for _, entity, _, _ in facts}),
            "attributes": len({attribute for _, _, attribute, _ in facts}),
            "deltas": len(deltas),
            "authors": len({author for _, author, *_ in deltas}),
            "causes": len(list(self.scan("cause", {}, cut))),
        }

    def last_time(self) -> HybridTime:
        """The greatest claimed time among the visible deltas: where the next one's clock goes on."""
        self._check_open()
        return self._last_time

    def held(self) -> list[Held]:
        """The deltas kept back, soonest first; those that wait for no time last."""
        self._check_open()
        held = [each for each, _ in self._held.values()]
        return sorted(held, key=lambda each: (each.due_ms is None, each.due_ms or 0))

    def next_due(self) -> int | None:
        """When the first of the deltas kept back is due, in milliseconds; None if none waits for its time."""
        self._check_open()
        return min((held.due_ms for held, _ in self._held.values() if held.due_ms is not None), default=None)

    def held_sizes(self) -> list[tuple[bytes, str, int, int]]:
        """How many deltas of which author and origin are kept back, and their bytes."""
        self._check_open()
        return [(held.author, held.origin, 1, len(envelope)) for held, envelope in self._held.values()]

    def members(self, author: bytes, group: Group) -> tuple[int, list[Held]]:
        """How many deltas of an author's group are visible, and those that are held back."""
        self._check_open()
        held = [each for each, _ in self._held.values() if (each.author, each.group) == (author, group)]
        return self._groups[author, group], held

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        self._check_open()
        return dict(sorted(self._names.items()))

    def verify(self, progress: Progress | None = None) -> Iterator[Finding]:
        """Re-check every hash and signature; yield what is wrong. Nothing is changed."""
        self._check_open()
        passed = Passed(progress, len(self._log) + self.chunks.total().blocks)
        for place, (_, delta) in enumerate(self._log, start=1):
            try:
                intact = Delta.decode(delta.encode()).id == delta.id
                code, message = "delta.id-mismatch", "its bytes are those of another delta"
            except Error as error:
                intact, code, message = False, error.code, error.message
            if not intact:
                yield Finding(f"delta {place} ({delta.id})", code, message)
            passed.one()
        yield from self.chunks.verify(passed)

    # -- writing ----------------------------------------------------------------------------------------------------

    def rebuild_index(self) -> list[Finding]:
        """Nothing here is derived and kept but the dicts, which are made anew from the log."""
        self._check_open()
        self._index()
        return []

    def writing(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """One atomic write: everything inside is kept or nothing is."""
        return Open(partial(self.begin_write, wait_ms), self.end_write, self.abandon_write)

    def begin_write(self, wait_ms: int | None) -> None:
        """Begin a write; nothing is begun where this raises."""
        self._check_open()
        assert not self.is_writing, "a write does not begin inside another"
        before = _Before(len(self._epochs), len(self._log), dict(self._held), dict(self._names))
        self._size_before = self._size() if self.quota.bytes is not None else 0
        self.chunks.begin()
        self._before, self.is_writing = before, True

    def end_write(self) -> None:
        """Keep what was written. Where this raises, nothing of it is kept."""
        if self.quota.bytes is not None:
            try:
                self.quota.check_size(self._size(), self._size_before, self.path)
            except BaseException:
                self.abandon_write()
                raise
        self._before, self._begun, self.is_writing = None, None, False

    def abandon_write(self) -> None:
        """Take back what is open, and nothing where nothing is."""
        before = self._before
        if before is not None:
            self._held, self._names = before.held, before.names
            self.chunks.rollback()
            changed = len(self._log) > before.deltas
            del self._epochs[before.epochs :], self._log[before.deltas :]
            if changed:
                self._index()
        self._before, self._begun, self.is_writing = None, None, False

    def _size(self) -> int:
        storage = self.storage()
        return storage.log_bytes + storage.attachment_bytes

    def begin(self, at_ms: int, origin: str) -> int:
        """Open the next epoch inside `writing` and return its number."""
        assert self.is_writing, "an epoch begins inside writing()"
        self._begun = len(self._epochs) + 1
        self._epochs.append(Epoch(self._begun, at_ms, origin))
        return self._begun

    def append(self, deltas: Sequence[Delta], epoch: int) -> int:
        """Add verified deltas, in order, to the epoch that was begun last; known ones are passed over."""
        assert self._begun == epoch, "deltas are added to the epoch that this write began last"
        before = len(self._log)
        for delta in deltas:
            if delta.id not in self._deltas:
                self._held.pop(delta.id, None)
                self._log.append(Entry(epoch, delta))
                self._index_entry(self._log[-1])
        return len(self._log) - before

    def hold(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> bool:
        """Keep a verified delta back. False if it was known."""
        assert self.is_writing, "a delta is held back inside writing()"
        if delta.id in self._deltas or delta.id in self._held:
            return False
        held = Held(delta.id, delta.author, arrived_ms, origin, due_ms, reason, delta.group)
        self._held[delta.id] = held, delta.encode()
        return True

    def release(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take a held delta out and return its bytes and origin."""
        assert self.is_writing, "a delta is released inside writing()"
        found = self._held.pop(delta, None)
        return None if found is None else (found[1], found[0].origin)

    def name(self, author: bytes, name: str) -> None:
        """Remember what this copy calls an author key."""
        assert self.is_writing, "a name is given inside writing()"
        self._names[author] = name

    def close(self) -> None:
        """Forget everything. Safe to call twice."""
        self._closed = True
        self.chunks.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("store.closed", f"{self.path} is closed")


def fact_cells(fact: Fact) -> tuple[Cell, ...]:
    """A fact as a tuple of the relation `fact`."""
    return fact.cid, fact.entity, exact(fact.attribute), exact(fact.value)
