"""A store over another one at a cut: what is written goes into memory, and what is read is both together.

The store beneath is only read, at the epoch at which the overlay began, and nothing of it is copied; what is above is small,
and whatever has to be told apart is looked up for what is above, never gone through for what is beneath. Epochs go on from
those beneath.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from heapq import merge
from itertools import chain, islice

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.manifest import Block
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, exact, kind_of, plain
from rhizomedb.store.chunks import NOBODY, ChunkStore, MemoryChunks, Stored
from rhizomedb.store.layout import pack
from rhizomedb.store.memory import MemoryStore
from rhizomedb.store.progress import Passed, Progress
from rhizomedb.store.storage import Storage
from rhizomedb.store.store import AttributeSummary, Cut, Epoch, Finding, Held, Store, most_facts_first
from rhizomedb.store.writing import Open

Row = tuple[Cell, ...]


class OverlayStore:
    """What is supposed, over a store as it is at a cut."""

    def __init__(self, beneath: Store, cut: Cut) -> None:
        self.path = beneath.path
        self.quota = replace(beneath.quota, bytes=None, memory=None)  # nothing is written to the disk
        self._beneath = beneath
        self._first = beneath.epoch() if cut.epoch is None else cut.epoch
        self._window = replace(cut, epoch=self._first)
        self.above = MemoryStore(beneath.path, quota=self.quota)
        """What is supposed, alone; its epochs begin with 1."""
        self.chunks: ChunkStore = OverlayChunks(beneath.chunks, self.above.chunks)
        self._released: dict[Cid, None] = {}
        self._released_before: dict[Cid, None] = {}

    @property
    def is_writing(self) -> bool:
        """Whether `writing` is open."""
        return self.above.is_writing

    @is_writing.setter
    def is_writing(self, is_writing: bool) -> None:
        self.above.is_writing = is_writing

    def _below(self, cut: Cut) -> Cut:
        """What of a cut lies beneath."""
        window = self._window
        since = [each for each in (cut.since, window.since) if each is not None]
        both = cut.authors is not None and window.authors is not None
        return Cut(
            _least(cut.epoch, window.epoch),
            max(since, default=None),
            _least(cut.until, window.until),
            cut.authors & window.authors if both else cut.authors if window.authors is None else window.authors,  # type: ignore[operator]  # both are there
        )

    def _over(self, cut: Cut) -> Cut:
        """What of a cut lies above."""
        return cut if cut.epoch is None else replace(cut, epoch=max(cut.epoch - self._first, 0))

    def layers(self, cut: Cut) -> tuple[tuple[Store, Cut], tuple[Store, Cut]]:
        """What lies beneath and what above, each with what of a cut lies there."""
        return (self._beneath, self._below(cut)), (self.above, self._over(cut))

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch."""
        return self._first + self.above.epoch()

    def epochs(self, after: int = 0) -> list[Epoch]:
        """All epochs after one, oldest first."""
        below = [epoch for epoch in self._beneath.epochs(after) if epoch.number <= self._first]
        above = self.above.epochs(after - self._first)
        return below + [replace(epoch, number=epoch.number + self._first) for epoch in above]

    def totals(self, epoch: int) -> tuple[int, int]:
        """How many deltas and facts were here at the end of an epoch."""
        deltas, facts = self._beneath.totals(min(epoch, self._first))
        if epoch <= self._first:
            return deltas, facts
        more, _ = self.above.totals(epoch - self._first)
        return deltas + more, facts + sum(1 for _ in self._new_facts({}, Cut(epoch=epoch)))

    def storage(self) -> Storage:
        """How many bytes of what there are beneath: what is supposed is kept nowhere."""
        return self._beneath.storage()

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[Row]:
        """The distinct tuples of a stored relation that agree with `bound`, visible at the cut when this is called."""
        below = self._beneath.scan(relation, bound, self._below(cut))
        above = self.above.scan(relation, self._raised(relation, bound), self._over(cut))
        return chain(below, list(self._more(relation, above, cut)))

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[Row],
        cut: Cut,
    ) -> Iterator[Row]:
        """What `scan` gives for `bound` together with each of some distinct keys over `names`."""
        rows = list(rows)
        below = self._beneath.scan_keys(relation, bound, names, rows, self._below(cut))
        keys: Iterable[Row] = rows
        if relation == "arrival" and "epoch" in names:
            keys = [tuple(self._raised(relation, dict(zip(names, row, strict=True))).values()) for row in rows]
        above = self.above.scan_keys(relation, self._raised(relation, bound), names, keys, self._over(cut))
        return chain(below, list(self._more(relation, above, cut)))

    def _raised(self, relation: str, bound: Mapping[str, Cell]) -> Mapping[str, Cell]:
        """What is bound, by the numbers of the epochs above."""
        epoch = bound.get("epoch") if relation == "arrival" else None
        return {**bound, "epoch": epoch - self._first} if type(epoch) is int else bound

    def _more(self, relation: str, above: Iterable[Row], cut: Cut) -> Iterator[Row]:
        """The tuples from above that are not visible beneath as well, as they are seen here."""
        if relation == "arrival":
            return ((delta, epoch + self._first, at, origin) for delta, epoch, at, origin in above)  # type: ignore[operator]  # an epoch is an int
        if relation in ("fact", "cause"):
            return (row for row in above if not self._is_below(row[0], cut))
        return iter(above)

    def _is_below(self, fact: Cell, cut: Cut) -> bool:
        return any(True for _ in self._beneath.scan("fact", {"$cid": fact}, self._below(cut)))

    def _new_facts(self, bound: Mapping[str, Cell], cut: Cut) -> Iterator[Row]:
        """The facts that are visible above and not beneath."""
        return self._more("fact", self.above.scan("fact", bound, self._over(cut)), cut)

    def digests_by_entity(self, entities: Iterable[bytes], cut: Cut) -> dict[bytes, set[bytes]]:
        """The digests of all visible facts of some distinct entities, without the entities that have none."""
        entities = list(entities)
        found = {
            entity: set(digests)
            for entity, digests in self._beneath.digests_by_entity(entities, self._below(cut)).items()
        }
        for entity, digests in self.above.digests_by_entity(entities, self._over(cut)).items():
            found.setdefault(entity, set()).update(digests)
        return found

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give."""
        return self._beneath.size(relation, bound) + self.above.size(relation, bound)

    def has(self, delta: Cid) -> bool:
        """Whether a delta is here and visible."""
        return self.above.has(delta) or self._has_below(delta)

    def _has_below(self, delta: Cid) -> bool:
        return any(True for _ in self._beneath.scan("delta", {"id": delta}, self._window))

    def place(self, delta: Cid) -> int:
        """Where in the log a visible delta is, counted from 1; 0 where it is not there."""
        above = self.above.place(delta)
        if above:
            return self._beneath.totals(self._first)[0] + above
        return self._beneath.place(delta) if self._has_below(delta) else 0

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of a delta, visible or held back, or None."""
        return self.above.envelope(delta) or self._beneath.envelope(delta)

    def envelopes(self, after_epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """The epoch and exact bytes of every visible delta, in the order of the log."""
        above = self.above.envelopes(after_epoch - self._first)
        return chain(self._envelopes_below(after_epoch), [(epoch + self._first, each) for epoch, each in above])

    def _envelopes_below(self, after_epoch: int) -> Iterator[tuple[int, bytes]]:
        if after_epoch >= self._first:
            return
        for epoch, envelope in self._beneath.envelopes(after_epoch):
            if epoch > self._first:
                return
            if self._window.is_window:
                delta = Delta.decode(envelope)
                if not self._window.admits(epoch, delta.time.ms, delta.author):
                    continue
            yield epoch, envelope

    def entities(self, cut: Cut) -> Iterator[bytes]:
        """Every entity of a visible fact, once each, in the order of their bytes; streamed."""
        last: bytes | None = None
        for entity in merge(self._beneath.entities(self._below(cut)), self.above.entities(self._over(cut))):
            if entity != last:
                yield entity
            last = entity

    def entities_starting(self, digits: str, cut: Cut, most: int = 10) -> list[bytes]:
        """Up to `most` visible entities whose hexadecimal id begins with these lower-case digits."""
        below = self._beneath.entities_starting(digits, self._below(cut), most)
        above = self.above.entities_starting(digits, self._over(cut), most)
        return list(islice(sorted({*below, *above}), most))

    def may_have_fact(self, fact: Cid) -> bool:
        """Whether a fact may be here: False is certain."""
        return self.above.may_have_fact(fact) or self._beneath.may_have_fact(fact)

    def has_author(self, author: bytes) -> bool:
        """Whether any delta of this author may be visible."""
        return self.above.has_author(author) or self._beneath.has_author(author)

    def repeated(self, epoch: int) -> Iterator[tuple[bytes, Cell]]:
        """The registers about which more than one fact was known at an epoch, and perhaps others."""
        yield from self._beneath.repeated(min(epoch, self._first))
        cut = Cut(epoch=epoch)
        for entity, attribute in dict.fromkeys((row[1], row[2]) for row in self._new_facts({}, cut)):
            bound: dict[str, Cell] = {"entity": entity, "attribute": attribute}
            whole = Cut(epoch=self._first)
            below = sum(1 for _ in islice(self._beneath.scan("fact", bound, whole), 2))
            if below < 2 and below + sum(1 for _ in islice(self._new_facts(bound, cut), 2)) > 1:
                yield entity, attribute  # type: ignore[misc]  # an entity is bytes

    def attribute_names(self) -> list[Attribute]:
        """Every attribute that any fact here ever had."""
        names = [*self._beneath.attribute_names(), *self.above.attribute_names()]
        return list({exact(name): name for name in names}.values())

    def attributes(self, cut: Cut) -> list[AttributeSummary]:
        """A summary of every attribute in use, most facts first."""
        found = {exact(each.attribute): each for each in self._beneath.attributes(self._below(cut))}
        met: set[tuple[Cell, Cell]] = set()
        for _, entity, attribute, value in self._new_facts({}, cut):
            before = found.get(attribute)
            kinds = dict(before.kinds) if before is not None else {}
            kind = KIND_NAMES[kind_of(plain(value))]
            kinds[kind] = kinds.get(kind, 0) + 1
            is_new = (entity, attribute) not in met and not self._any_below(cut, entity=entity, attribute=attribute)
            met.add((entity, attribute))
            found[attribute] = AttributeSummary(
                plain(attribute),  # type: ignore[arg-type]  # an attribute is one
                (before.facts if before is not None else 0) + 1,
                (before.entities if before is not None else 0) + is_new,
                tuple((name, kinds[name]) for name in KIND_NAMES if name in kinds),
            )
        return most_facts_first(found.values())

    def _any_below(self, cut: Cut, **bound: Cell) -> bool:
        return any(True for _ in self._beneath.scan("fact", bound, self._below(cut)))

    def counts(self, cut: Cut) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        found = dict(self._beneath.counts(self._below(cut)))
        facts = list(self._new_facts({}, cut))
        over, below = self._over(cut), self._below(cut)
        deltas = list(self.above.scan("delta", {}, over))
        found["facts"] += len(facts)
        found["entities"] += sum(not self._any_below(cut, entity=each) for each in {row[1] for row in facts})
        found["attributes"] += sum(not self._any_below(cut, attribute=each) for each in {row[2] for row in facts})
        found["deltas"] += len(deltas)
        found["authors"] += sum(
            not any(True for _ in self._beneath.scan("delta", {"author": each}, below))
            for each in {row[1] for row in deltas}
        )
        found["causes"] += sum(1 for _ in self._more("cause", self.above.scan("cause", {}, over), cut))
        return found

    def last_time(self) -> HybridTime:
        """The greatest claimed time among the deltas: where the next one's clock goes on."""
        return max(self._beneath.last_time(), self.above.last_time())

    def held(self) -> list[Held]:
        """The deltas kept back, soonest first; those that wait for no time last."""
        held = [*(each for each in self._beneath.held() if each.id not in self._released), *self.above.held()]
        return sorted(held, key=lambda each: (each.due_ms is None, each.due_ms or 0))

    def next_due(self) -> int | None:
        """When the first of the deltas kept back above is due; what is held back beneath stays so here."""
        return self.above.next_due()

    def held_sizes(self) -> list[tuple[bytes, str, int, int]]:
        """How many deltas of which author and origin are kept back, and their bytes."""
        return [*self._beneath.held_sizes(), *self.above.held_sizes()]

    def members(self, author: bytes, group: Group) -> tuple[int, list[Held]]:
        """How many deltas of an author's group are visible, and those that are held back."""
        visible, held = self._beneath.members(author, group)
        more, supposed = self.above.members(author, group)
        return visible + more, [*(each for each in held if each.id not in self._released), *supposed]

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        return dict(sorted({**self._beneath.names(), **self.above.names()}.items()))

    def verify(self, progress: Progress | None = None) -> Iterator[Finding]:
        """Re-check everything beneath, and what is supposed; yield what is wrong."""
        yield from self._beneath.verify(progress)
        yield from self.above.verify()

    # -- writing ----------------------------------------------------------------------------------------------------

    def rebuild_index(self) -> list[Finding]:
        """Make anew what is derived from what is supposed; what is beneath is not touched."""
        return self.above.rebuild_index()

    def writing(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """One atomic write: everything inside is kept here or nothing is."""
        return Open(partial(self._begin_write, wait_ms), self.above.end_write, self.abandon_write)

    def _begin_write(self, wait_ms: int | None) -> None:
        self.above.begin_write(wait_ms)
        self._released_before = dict(self._released)

    def abandon_write(self) -> None:
        """Take back what is open, and nothing where nothing is."""
        if self.above.is_writing:
            self._released = self._released_before
        self.above.abandon_write()

    def begin(self, at_ms: int, origin: str) -> int:
        """Open the next epoch inside `writing` and return its number."""
        return self._first + self.above.begin(at_ms, origin)

    def append(self, deltas: Sequence[Delta], epoch: int) -> int:
        """Add verified deltas, in order, to the epoch that was begun last; known ones are passed over."""
        return self.above.append([each for each in deltas if not self._has_below(each.id)], epoch - self._first)

    def hold(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> bool:
        """Keep a verified delta back. False if it was known."""
        held_below = any(each.id == delta.id for each in self._beneath.held() if each.id not in self._released)
        return not (held_below or self._has_below(delta.id)) and self.above.hold(
            delta, arrived_ms, origin, due_ms, reason
        )

    def release(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take a held delta out and return its bytes and origin. Beneath it stays held."""
        found = self.above.release(delta)
        if found is None and delta not in self._released:
            for held in self._beneath.held():
                if held.id == delta:
                    self._released[delta] = None
                    envelope = self._beneath.envelope(delta)
                    assert envelope is not None, "what is held has an envelope"
                    return envelope, held.origin
        return found

    def name(self, author: bytes, name: str) -> None:
        """Remember here what an author key is called."""
        self.above.name(author, name)

    def close(self) -> None:
        """Forget what was supposed. What is beneath stays open."""
        self.above.close()


class OverlayChunks:
    """The blocks of attachments: those beneath are read, others are kept in memory."""

    def __init__(self, beneath: ChunkStore, above: MemoryChunks) -> None:
        self._beneath = beneath
        self._above = above

    def put(self, blocks: Iterable[Block]) -> Stored:
        """Keep blocks that are not beneath; gives how many were new. Inside `writing`."""
        return self._above.put(block for block in blocks if not self._beneath.sizes([block.cid]))

    def get(self, cid: Cid) -> bytes | None:
        """The bytes of a block, or None."""
        body = self._above.get(cid)
        return self._beneath.get(cid) if body is None else body

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Those of some CIDs whose blocks are here, with the sizes of the blocks."""
        cids = list(cids)
        return {**self._beneath.sizes(cids), **self._above.sizes(cids)}

    def cids(self, *, manifests: bool = False) -> Iterator[Cid]:
        """The CIDs of all blocks, or of the manifests only, in the order of their bytes; streamed."""
        return merge(self._beneath.cids(manifests=manifests), self._above.cids(manifests=manifests), key=pack)

    def total(self) -> Stored:
        """How much is here."""
        below, above = self._beneath.total(), self._above.total()
        return Stored(below.blocks + above.blocks, below.bytes + above.bytes)

    def drop(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Remove blocks that are only supposed. Inside `writing`."""
        return self._above.drop(cids)

    def verify(self, passed: Passed = NOBODY) -> Iterator[Finding]:
        """Hash every block again; yield what is wrong."""
        yield from self._beneath.verify(passed)
        yield from self._above.verify(passed)


def _least(one: int | None, other: int | None) -> int | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, default=None)
