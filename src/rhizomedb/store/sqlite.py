"""The store in one file, for many processes: a log of deltas as the truth (SQLite), and an index made of it beside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import Final

from rhizomedb.errors import StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, exact, plain
from rhizomedb.store import check, log
from rhizomedb.store.chunks import Chunks
from rhizomedb.store.columns import Columns, columns_of
from rhizomedb.store.edges import Edges
from rhizomedb.store.file import Durability, File
from rhizomedb.store.framing import Framing
from rhizomedb.store.held import HeldTable
from rhizomedb.store.holder import Waiting
from rhizomedb.store.indexed import Indexed
from rhizomedb.store.keeper import Keeper
from rhizomedb.store.layout import FORMAT, Mark, pack
from rhizomedb.store.numbering import Numbering
from rhizomedb.store.numbers import Came, Numbers
from rhizomedb.store.progress import Progress
from rhizomedb.store.quota import USUAL, Quota
from rhizomedb.store.relations import View
from rhizomedb.store.room import share
from rhizomedb.store.said import said_by
from rhizomedb.store.sealed import SealedTables
from rhizomedb.store.storage import Storage, storage_of
from rhizomedb.store.store import ALL, HEX_DIGITS, AttributeSummary, Cut, Epoch, Finding, Held, most_facts_first
from rhizomedb.store.tiers import Part, Tiers
from rhizomedb.store.writing import Open

_NO_VIEW: Final = (None, None, None)

KEEPER_WAIT_MS_MAX: Final = 10_000
"""How long tidying waits for a writer: who closes a file waits for it, and the next write tidies as well."""


class SqliteStore:
    """A database file. One object is used by one thread at a time; any number of processes share the file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool,
        wait_ms: int = 10_000,
        durability: Durability = "full",
        vfs: str = "",
        quota: Quota = USUAL,
        waiting: Waiting | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.quota = quota
        room = share(quota.memory)
        self.kept: object = None
        """What a reader keeps of the moment that it last asked about; it goes with the store."""
        self._size_before = 0
        self._file = File(
            self.path, create=create, wait_ms=wait_ms, durability=durability, vfs=vfs, waiting=waiting, share=room
        )
        self._indexed = Indexed(self._file, room)
        self._keeper = Keeper(self._file.absolute, min(wait_ms, KEEPER_WAIT_MS_MAX), room)
        self._version = -1
        self._newest: Mark | None = None
        self._last_view: tuple[Mark | None, Tiers | None, View | None] = _NO_VIEW
        self._begun: int | None = None
        self._is_ready = False
        self._holds = True
        self.is_writing = False
        self.chunks = Chunks(self._file)
        self._tables = SealedTables(self._file)
        self._held = HeldTable(self._file)
        self._framing = Framing(self._file, room)
        try:
            self._begin_reading()
        except BaseException:
            self.close()
            raise

    def _begin_reading(self) -> None:
        """Make what an older format, or somebody who took it away, has left no marks of."""
        if self._file.format == FORMAT:
            if self._check_ends():
                return
            if not self._file.read_only:
                self._rebuild(keeps_holes=False)
                return
        marks_found: list[Mark] = []
        self._raise(check.remake(self._file, self._indexed, marks_found.append))
        self._tables.use(marks_found)

    def _check_ends(self) -> bool:
        """Refuse a file whose log goes on where its epochs or marks end; False if only its last marks are missing.

        Of a log that ends before its marks the index may still show what is lost, so that is for `verify` to say.
        """
        ((marks, deltas, epochs, seq, epoch),) = self._file.typed((int,) * 5, _ENDS)
        if max(marks, epoch) > epochs or (marks == epochs and seq > deltas):
            raise self._file.damaged("its log goes on where its epochs end", fix=self._file.salvage)
        return bool(marks == epochs)

    def _raise(self, findings: Sequence[Finding]) -> None:
        if findings:
            raise self._file.damaged(f"{findings[0].record}: {findings[0].message}", fix=self._file.salvage)

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch; 0 when nothing was ever written."""
        return self._mark().epoch

    def epochs(self, after: int = 0) -> list[Epoch]:
        """All epochs after one, oldest first."""
        if not self.is_writing:
            self._mark()
        return self._tables.epochs(after)

    def totals(self, epoch: int) -> tuple[int, int]:
        """How many deltas and facts were here at the end of an epoch."""
        mark = self._mark(epoch)
        return mark.deltas, mark.facts

    def storage(self) -> Storage:
        """How many bytes of what there are, at no cost to speak of; attachments are counted once for each opening."""
        self._mark()
        return storage_of(self._file, self._indexed, self.chunks)

    @property
    def file(self) -> File:
        """The file beneath, for those who look after it."""
        return self._file

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The distinct tuples of a stored relation that agree with `bound`, visible at the cut when this is called."""
        epoch = bound.get("epoch") if relation == "arrival" and len(bound) == 1 else None
        if type(epoch) is int:
            return self._view(cut).arrivals(self._mark(epoch - 1).deltas, self._mark(epoch).deltas)
        return self._view(cut).scan(relation, bound)

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[tuple[Cell, ...]],
        cut: Cut,
    ) -> Iterator[tuple[Cell, ...]]:
        """What `scan` gives for `bound` together with each of some distinct keys over `names`."""
        view = self._view(cut)  # now, and not when the first is asked for
        return chain.from_iterable(view.scan(relation, {**bound, **dict(zip(names, row, strict=True))}) for row in rows)

    def digests_by_entity(self, entities: Iterable[bytes], cut: Cut) -> dict[bytes, set[bytes]]:
        """The digests of all visible facts of some distinct entities, without the entities that have none."""
        return self._view(cut).digests_by_entity(entities)

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        return self._view(Cut()).size(relation, bound)

    def has(self, delta: Cid) -> bool:
        """Whether a delta is here and visible."""
        if not self.is_writing:
            self._mark()
        return delta.is_block and self._indexed.has(pack(delta))

    def place(self, delta: Cid) -> int:
        """Where in the log a visible delta is by the index, counted from 1; 0 where it is not there."""
        self._mark()
        return self._indexed.tiers.index.find_delta(pack(delta)) if delta.is_block else 0

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of a delta as it arrived, visible or held back, or None."""
        self._mark()
        if self.is_writing:
            self._framing.finish()
        seq = self._indexed.tiers.index.find_delta(pack(delta)) if delta.is_block else 0
        if seq:
            return log.envelope_at(self._file, seq)
        return self._held.envelope(delta)

    def envelopes(self, after_epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """The epoch and exact bytes of every delta that is visible when this is called, in the order of the log.

        Those that were altered since come as they are: whoever decodes them finds out.
        """
        if self.is_writing:
            self._framing.finish()
            newest = self._mark()
        else:  # the marks alone are enough: what cannot be indexed can still be handed on
            newest = self._tables.newest_mark()
        after = self._tables.mark(min(after_epoch, newest.epoch)) if after_epoch > 0 else Mark()
        return self._envelopes(after.deltas, newest.deltas)

    def _envelopes(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        epoch = 0
        for seq, epoch, envelope in log.read(self._file, after, last):
            while (after := after + 1) < seq:  # what is not there any more must not go unnoticed
                yield epoch, b""
            yield epoch, b"" if envelope is None else envelope
        for _ in range(after, last):
            yield epoch, b""

    def entities(self, cut: Cut) -> Iterator[bytes]:
        """Every entity of a visible fact, once each, in the order of their bytes; streamed."""
        return self._view(cut).entities(len(self._indexed.tiers.parts), b"")

    def entities_starting(self, digits: str, cut: Cut, most: int = 10) -> list[bytes]:
        """Up to `most` visible entities whose hexadecimal id begins with these lower-case digits (any number of them)."""
        if not set(digits) <= HEX_DIGITS:
            return []
        found: list[bytes] = []
        first = bytes.fromhex(digits + "0" * (len(digits) % 2))
        for entity in self._view(cut).entities(len(self._indexed.tiers.parts), first):
            if len(found) == most or not entity.hex().startswith(digits):
                break
            found.append(entity)
        return found

    def may_have_fact(self, fact: Cid) -> bool:
        """Whether a fact may be here: False is certain, and told without building anything."""
        self._mark()
        return fact.is_block and self._indexed.may_have_fact(pack(fact))

    def has_author(self, author: bytes) -> bool:
        """Whether any delta of this author is visible to all."""
        self._mark()
        index = self._indexed.tiers.index
        number = self._view(Cut()).number(author)
        return bool(number) and bool(index.has_author(number))

    def repeated(self, epoch: int) -> Iterator[tuple[bytes, Cell]]:
        """The registers (entity, attribute) about which more than one fact was known at an epoch; no other is contested."""
        return self._view(Cut(epoch=epoch)).repeated()  # type: ignore[return-value]  # entities are bytes

    def attribute_names(self) -> list[Attribute]:
        """Every attribute that any fact here ever had, at no cost to speak of."""
        self._mark()
        cells = self._indexed.cells.read(self._indexed.tiers.index, self._attribute_numbers())
        return [plain(cells[number]) for number in self._attribute_numbers()]  # type: ignore[misc]  # an attribute is one

    def _attribute_numbers(self) -> list[int]:
        numbers: set[int] = set()
        for place, part in enumerate(self._indexed.tiers.parts):
            first, last = self._indexed.tiers.index.check(place, "attribute.cell")
            numbers.update(memoryview(part.buffer)[first:last].cast("I"))
        return sorted(numbers)

    def attributes(self, cut: Cut) -> list[AttributeSummary]:
        """A summary of every attribute in use, most facts first."""
        view = self._view(cut)
        found = []
        for number, facts, entities, kinds in view.summary()[1]:
            cell = self._indexed.cells.read(self._indexed.tiers.index, [number])[number]
            counts = tuple((name, count) for name, count in zip(KIND_NAMES, kinds, strict=True) if count)
            found.append(AttributeSummary(plain(cell), facts, entities, counts))  # type: ignore[arg-type]  # an attribute is one
        return most_facts_first(found)

    def counts(self, cut: Cut) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        return self._view(cut).counts()

    def columns(self, attribute: Attribute, cut: Cut = ALL) -> Iterator[Columns]:
        """The facts of an attribute as arrays of dense numbers, sorted by entity, part by part.

        A part that is visible whole is handed out in place, without a copy; `cells` says what the numbers stand for.
        """
        view = self._view(cut)
        number = view.number(exact(attribute))
        return columns_of(self._indexed.tiers.parts, view, number) if number else iter(())

    def edges(self, cut: Cut) -> Edges:
        """The hyperedges at a cut, by the index."""
        return Edges(self._view(cut))

    def numbering(self) -> Numbering:
        """Ids for all cells."""
        return Numbering(*self._newest_index())

    def numbers(self, cut: Cut, numbering: Numbering | None = None) -> Numbers:
        """The relations at a cut as the index has them, as ids of a numbering of this store, which follows it."""
        view = self._view(cut)
        if numbering is None:
            numbering = self.numbering()
        else:
            numbering.follow(*self._newest_index())
        return Numbers(view, self._indexed.tiers.parts, self._attribute_numbers(), numbering)

    def is_near(self, numbering: Numbering) -> bool:
        """Whether it costs less to let a numbering of this store follow it than to begin another."""
        view, cell_last, _ = self._newest_index()
        return numbering.is_near(view, cell_last)

    def came(self, before: Cut, after: Cut, numbering: Numbering) -> Came:
        """What is visible at a cut and was not at another, which has an earlier epoch and is the same else."""
        old, new = self._view(before), self._view(after)
        numbering.follow(*self._newest_index())
        return Came(old, new, numbering)

    def _newest_index(self) -> tuple[View, int, Sequence[Part]]:
        view, tiers = self._view(Cut()), self._indexed.tiers
        return view, tiers.last.cell_last, tiers.parts

    def beginnings(self) -> int:
        """How often the index was begun from nothing: while that is the same, each number stands for what it stood for."""
        self._mark()
        return self._indexed.beginnings

    @property
    def is_settled(self) -> bool:
        """Whether nothing is indexed that a write under way may yet take back."""
        return self._begun is None

    def moment(self, cut: Cut) -> tuple[object, ...]:
        """What `numbers` depends on: while it is equal, the same numbers stand for the same cells."""
        mark = self._mark(cut.epoch)
        return mark, tuple(id(part.buffer) for part in self._indexed.tiers.parts)

    def cells(self, numbers: Sequence[int]) -> list[Cell]:
        """What numbers of `columns` stand for."""
        self._mark()
        cells = self._indexed.cells.read(self._indexed.tiers.index, numbers)
        return [cells[number] for number in numbers]

    def last_time(self) -> HybridTime:
        """The greatest claimed time among the visible deltas: where the next one's clock goes on."""
        mark = self._mark()
        return HybridTime(mark.ms, mark.counter)

    def held(self) -> list[Held]:
        """The deltas kept back, soonest first; those that wait for no time last."""
        return self._held.all()

    def next_due(self) -> int | None:
        """When the first of the deltas kept back is due, in milliseconds; None if none waits for its time."""
        return self._held.next_due()

    def held_sizes(self) -> list[tuple[bytes, str, int, int]]:
        """How many deltas of which author and origin are kept back, and their bytes."""
        return self._held.sizes()

    def members(self, author: bytes, group: Group) -> tuple[int, list[Held]]:
        """How many deltas of an author's group are visible, and those that are held back."""
        self._mark()
        view = self._view(Cut())
        numbers = view.number(author), view.number(group.id)
        visible = self._indexed.tiers.index.members(*numbers, group.size) if all(numbers) else 0
        return visible, self._held.of_group(author, group)

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        return self._tables.names()

    def verify(self, progress: Progress | None = None) -> Iterator[Finding]:
        """Re-check every hash, signature, cause and the whole index; yield what is wrong. Nothing is changed."""
        return check.verify(self._file.absolute, progress, name=self._file.name)

    # -- writing ----------------------------------------------------------------------------------------------------

    def writing(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """One atomic write: everything inside is kept or nothing is. Waits for other writers, then says who is in the way."""
        return Open(partial(self.begin_write, wait_ms), self.end_write, self.abandon_write)

    def begin_write(self, wait_ms: int | None) -> None:
        """Begin a write; nothing is begun where this raises."""
        assert not self.is_writing, "a write does not begin inside another"
        try:
            self._framing.forget()  # what a second Ctrl-C kept from being forgotten
            self._file.begin(wait_ms)
            mark = self._mark()
            self.is_writing = True
            if not self._is_ready:
                self._make_ready(mark)
            self._size_before = self._size()
        except BaseException:
            self.abandon_write()
            raise

    def end_write(self) -> None:
        """Keep what was written. Where this raises, nothing of it is kept, or all of it was already."""
        try:
            self._end_epoch()
            self._framing.finish()
            self._check_quota()
            if self._indexed.is_tail_long():
                self._indexed.spill()
            self._file.commit()
            self.is_writing, self._begun = False, None
            self._indexed.committed()
            self._framing.forget()
        except BaseException:
            self.abandon_write()
            raise
        if self._indexed.is_due:
            self._keeper.look()

    def abandon_write(self) -> None:
        """Take back what is open, and know nothing of the file any more."""
        self.is_writing, self._begun = False, None
        self._file.abandon()
        self._forget()
        self._framing.forget()  # last, for it waits for the thread

    def _make_ready(self, mark: Mark) -> None:
        """See to what has to be so before anything is written; it stays so until somebody else writes."""
        if log.last_seq(self._file) != mark.deltas:
            raise self._file.damaged("the index does not reach as far as the log")
        self._indexed.settle()
        self._holds = not self._held.is_empty()
        self._is_ready = True

    def begin(self, at_ms: int, origin: str) -> int:
        """Open the next epoch inside `writing` and return its number."""
        assert self.is_writing, "an epoch begins inside writing()"
        self._end_epoch()
        number = self._mark().epoch + 1
        self._tables.add_epoch(Epoch(number, at_ms, origin))
        self._begun = number
        self._newest = None
        return number

    def append(self, deltas: Sequence[Delta], epoch: int) -> int:
        """Add verified deltas, in order, to the epoch that was begun last; known ones are passed over. Returns how many were new."""
        assert self._begun == epoch, "deltas are added to the epoch that this write began last"
        self._indexed.check()
        new = 0
        for delta in deltas:
            if self._indexed.has(pack(delta.id)):
                continue
            self._framing.add(self._indexed.last_seq() + 1, epoch, delta.encode())
            self._indexed.add(said_by(delta, epoch))
            new += 1
        if new:
            if self._holds:  # what was held back and is visible now is held no more
                self._held.remove([delta.id for delta in deltas])
            self._framing.settle()
            self._newest = None
            self._check_quota()  # here too, so that a great write that is too large ends early
        return new

    def _size(self) -> int:
        if self.quota.bytes is None:
            return 0
        return storage_of(self._file, self._indexed).total_bytes

    def _check_quota(self) -> None:
        if self.quota.bytes is not None:
            self.quota.check_size(self._size(), self._size_before, self._file.name)

    def _end_epoch(self) -> None:
        """Write what was reached in the epoch that this write began last, unless that stands there already."""
        if self._begun is not None and self._newest is None:
            mark = self._newest = self._indexed.mark(self._begun)
            self._last_view = _NO_VIEW  # it would keep segments mapped that are merged since
            self._tables.set_mark(mark)

    def hold(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> bool:
        """Keep a verified delta back. False if it was known."""
        assert self.is_writing, "a delta is held back inside writing()"
        packed = pack(delta.id)
        if self._indexed.has(packed) or self._held.has(packed):
            return False
        self._holds = True
        self._held.add(delta, arrived_ms, origin, due_ms, reason)
        return True

    def release(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take a held delta out and return its bytes and origin."""
        assert self.is_writing, "a delta is released inside writing()"
        return self._held.take(delta)

    def name(self, author: bytes, name: str) -> None:
        """Remember what this copy calls an author key."""
        assert self.is_writing, "a name is given inside writing()"
        self._tables.name(author, name)

    def rebuild_index(self) -> list[Finding]:
        """Make the index anew from the log, leaving out deltas that are altered; returns those."""
        assert not self.is_writing, "a rebuild is a write of its own"
        self._keeper.stop()
        return self._rebuild(keeps_holes=True)

    def _rebuild(self, *, keeps_holes: bool) -> list[Finding]:
        try:
            with self._file.transaction():
                self._forget()
                found = check.rebuild(self._file, self._indexed)
                if not keeps_holes:
                    self._raise(found)
            self._indexed.committed()
        except BaseException:
            self.abandon_write()
            raise
        self._version = -1
        return found

    def close(self) -> None:
        """Release the file, when what this process has to tidy is tidied. Safe to call twice."""
        self._file.check_owner()
        self.kept = None
        self._last_view = _NO_VIEW
        try:
            self._keeper.finish()
        except BaseException:  # Ctrl-C: what is not tidied is only slower
            self._keeper.stop()
            raise
        finally:
            self._framing.forget()
            self._indexed.close()
            self._file.close()

    # -- what was reached -------------------------------------------------------------------------------------------

    def _view(self, cut: Cut) -> View:
        mark = self._mark(cut.epoch)
        tiers = self._indexed.tiers
        of_mark, of_tiers, view = self._last_view
        if view is None or mark is not of_mark or tiers is not of_tiers or cut.is_window:
            is_newest = mark.facts == tiers.last.fact_last
            view = View(tiers.index, self._indexed.cells, self._tables.epoch, cut, mark, is_newest, tiers.check)
            if not cut.is_window:
                self._last_view = mark, tiers, view
        return view

    def _mark(self, epoch: int | None = None) -> Mark:
        """The totals at the end of an epoch, or of the newest; what is indexed reaches at least so far."""
        if not self._indexed.was_whole():
            self._let_go_of_what_was_cut()
        if self.is_writing:  # and so nobody else is
            self._end_epoch()
        else:
            version = self._file.data_version if self._file.is_writing else self._file.written_by_others()
            if version != self._version:  # another process has written; it may have rebuilt the index
                self._newest, self._last_view = None, _NO_VIEW
                self._is_ready = False
                self._tables.forget()
                self._version = version
            if self._newest is None:
                self._newest = self._catch_up()
        newest = self._newest
        assert newest is not None, "it was just read"
        if epoch is None or epoch >= newest.epoch:
            return newest
        if epoch <= 0:
            return Mark()
        return self._tables.mark(epoch)

    def _let_go_of_what_was_cut(self) -> None:
        """Make what was in a file that somebody cut short again, unless a write under way counts on it."""
        if self._begun is not None:
            self._indexed.check()
        self._newest, self._last_view = None, _NO_VIEW
        self._indexed.abandon()

    def _catch_up(self) -> Mark:
        """Read what is newest in the file, and index it."""
        is_writing = self._file.is_writing
        may_keep = not (is_writing or self._file.read_only)
        try:
            missing: set[str] = set()
            while True:
                with self._file.at_one_moment():  # else the catalogue may reach further than the mark
                    mark = self._tables.newest_mark()
                    if self._tables.has_made_marks:
                        return mark
                    if not self._check_ends():
                        raise self._file.damaged("the marks of its last epochs are missing", fix=OPEN_AGAIN)
                    is_of_here = self._indexed.follow(mark)
                    # What is named and not there was merged meanwhile, and the next moment names what replaces it.
                    gone = self._indexed.missing()
                    if not gone <= missing:
                        missing |= gone
                        continue
                    if not (may_keep and self._indexed.is_far_behind(mark)):
                        self._indexed.catch_up(mark, is_of_here)
                        return mark
                may_keep = False
                self._catch_up_in_files()
        except BaseException:
            if not is_writing:
                self._file.abandon()
            self._abandon_index()
            raise

    def _catch_up_in_files(self) -> None:
        """Index what is in no segment and keep it in files, unless somebody else writes, or that cannot be done."""
        try:
            with self._file.transaction(wait_ms=0):
                mark = self._tables.newest_mark()
                self._indexed.catch_up(mark, self._indexed.follow(mark))
                self._indexed.settle()
                self._indexed.spill()
        except StoreError as error:
            self._abandon_index()
            if error.code not in ("store.busy", "store.read-only", "store.full"):
                raise
        else:
            self._indexed.committed()

    def _forget(self) -> None:
        """Drop everything remembered of the file."""
        self._newest, self._last_view = None, _NO_VIEW
        self._is_ready = False
        self._version = -1
        self._tables.forget()
        self._abandon_index()

    def _abandon_index(self) -> None:
        if self._file.is_committed:  # what the catalogue names by now is kept, whatever came after
            self._indexed.committed()
        self._indexed.abandon()


OPEN_AGAIN: Final = "close it and open it again: they are made again"
_ENDS: Final = (
    "SELECT coalesce(m.epoch, 0), coalesce(m.deltas, 0), coalesce(e.number, 0), coalesce(l.seq, 0), coalesce(l.epoch, 0)"
    " FROM (SELECT 1) LEFT JOIN (SELECT epoch, deltas FROM mark ORDER BY epoch DESC LIMIT 1) AS m"
    " LEFT JOIN (SELECT max(number) AS number FROM epoch) AS e"
    " LEFT JOIN (SELECT seq, epoch FROM log ORDER BY seq DESC LIMIT 1) AS l"
)
"""What the last mark, the last epoch and the last delta say of the end of the file; each is one look at the end of a tree."""
