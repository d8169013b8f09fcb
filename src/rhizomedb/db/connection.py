"""The connection: the one thing that changes. It signs what is said here, admits it, and answers at the newest epoch."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from rhizomedb.db import view
from rhizomedb.db.attachments.attaching import AttachingWriter
from rhizomedb.db.attachments.intake import Progress
from rhizomedb.db.database import Database
from rhizomedb.db.graph.hypergraph import HypergraphWriter
from rhizomedb.db.graph.viewing import ViewingWriter
from rhizomedb.db.graph.wording import WordingWriter
from rhizomedb.db.handing_on import sound_among, sound_deltas
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.limits import Limits
from rhizomedb.db.live.subscribing import Subscribing
from rhizomedb.db.naming import Authors, Names
from rhizomedb.db.programs.programming import ProgramsWriter
from rhizomedb.db.programs.result import show
from rhizomedb.db.quotas import quota_of
from rhizomedb.db.reader import now_ms
from rhizomedb.db.standing import Changed, sort_out
from rhizomedb.db.taking_back import TakingBack
from rhizomedb.db.transaction import (
    Columns,
    Item,
    Part,
    Scope,
    Transaction,
    Wishes,
    batches,
    check_scope,
    facts_as_person,
    facts_as_source,
    group_of,
    retractions,
    whole_batches,
)
from rhizomedb.db.types.replicated import Replicating, held_by
from rhizomedb.errors import Error, RequestError, ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import AHEAD_MS_MAX, ZERO, tick
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.entity import derive
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Attribute, Entity, Value, check_value, exact
from rhizomedb.store import Admission, admit, open_store, release_due
from rhizomedb.store.store import Cut, Finding, Held, Store
from rhizomedb.store.writing import Result, write

if TYPE_CHECKING:
    from rhizomedb.db.pending import PendingGroup
    from rhizomedb.db.types.document import Document
    from rhizomedb.store.file import Durability
    from rhizomedb.store.holder import Waiting

DEFAULT_LIMITS = Limits()

ENTITIES_AT_ONCE = 1_000
"""How many entities of a source are compared with what it said before in one evaluation."""

RELEASE_AGAIN_MS = 100
"""When to try again to let in what is due, where another process was writing or something is wrong with it."""


class Connection(
    Subscribing,
    Replicating,
    ProgramsWriter,
    HypergraphWriter,
    ViewingWriter,
    WordingWriter,
    AttachingWriter,
    TakingBack,
):
    """An open database. Reads see the newest epoch; `snapshot()` keeps one.

    `author` is who speaks unless a call says otherwise: a name in the user's keyring (default: the login name), for
    which a key is made on first use. `clock` gives wall-clock milliseconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        author: str | None = None,
        keyring: Keyring | None = None,
        clock: Callable[[], int] = now_ms,
        system: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._store = store
        self._limits = limits
        self._author = author
        self._spoken: set[bytes] = set()
        self._keyring = keyring or Keyring()
        self._clock = clock
        self._system = system or secrets.token_hex(8)
        self._due_ms: int | None = None
        self._release()

    @property
    def path(self) -> str:
        """Where the database lives."""
        return self._store.path

    @property
    def memory_bytes_max(self) -> int | None:
        """How much memory of its own a write or an import may take; None: as much as it takes."""
        return self._store.quota.memory

    @property
    def cut(self) -> Cut:
        """Everything up to the newest epoch, what has come due since among it."""
        if not self._store.is_writing:  # what a write released would be taken back with it
            self._release_if_due()
        return Cut(epoch=self._store.epoch())

    def snapshot(self) -> Database:
        """The database as it is now, as a value."""
        return Database(self._store, self.cut, self._authors, self._clock, self._limits)

    # -- writing ----------------------------------------------------------------------------------------------------

    def transact(
        self,
        items: Iterable[Item],
        *,
        author: str | None = None,
        scope: Scope = "seen",
        expect: Mapping[tuple[Entity | str, Attribute], Value | None] | None = None,
        together: bool = False,
        origin: str = "transaction",
    ) -> Transaction:
        """Say some things together, or nothing.

        An item is (entity, attribute, value) or a whole `Fact`. An entity can be given by name: one that is known
        here, else a new one of that name. With `scope="seen"` what is said replaces what the view showed; with
        `"own"` only what the same author said before, as an import does. `expect` maps (entity, attribute) to the
        value that the view must still show (None: nothing), else `db.expectation-failed` and nothing is written. With
        `together` what is said of one entity is said by one delta, also what stands already: for a view in which it belongs
        together (`get`).
        """
        check_scope(scope)
        if type(together) is not bool:
            raise RequestError("db.usage", f"{together!r:.60}: here `together` is True or False", fix="together=True")
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
            raise RequestError(
                "db.item", f"{show_item(items)} is not a list of items", fix='[("The Matrix", "runtime", 136)]'
            )
        self._release_if_due()
        items = list(items)  # whatever is wrong with the iterable shows before anything is locked
        return self._write(lambda: self._transact(items, expect or {}, author, scope, origin, together))

    def doc(self, entity: Entity | str, *, author: str | None = None) -> Document:
        """A document that several people write at the same time, held by an entity, by its id or name.

        Read as plain dicts and lists, written by keys and positions. Copies that met agree on it; what was written at the
        same time in one place is listed by its `conflicts`.
        """
        from rhizomedb.db.types.document import Document  # most programs have none

        return Document(self, held_by(self, entity), self, author, ())

    def retract(
        self,
        entity: Entity | str,
        attribute: Attribute | None = None,
        value: object = None,
        *,
        author: str | None = None,
        scope: Scope = "seen",
        origin: str = "retraction",
    ) -> Transaction:
        """Take back what stands: of an entity, of one attribute, or one value of it. History keeps it.

        With `scope="own"` only what the same author said. Only claims that this copy holds are taken back: the same
        thing said elsewhere, unseen, stands when the copies meet.
        """
        self._release_if_due()
        me = self._keyring.find(self._author_name(author))

        def take_back() -> Transaction:
            cut = self.cut
            names = Names(self._store, cut)
            subject = names.entity(entity, called=True)
            if attribute is not None:
                self.check_attribute(attribute)
            found = view.registers(self._store, cut, [subject], view.VIEW_BUDGET)
            claims = [
                claim
                for register in found.values()
                for claim in register.claims
                if (attribute is None or exact(register.attribute) == exact(attribute))
                and (value is None or exact(claim.value) == exact(check_value(value)))
                and (scope == "seen" or (me is not None and claim.author == me.public))
            ]
            if not claims:
                named = [names.label(subject), *(show(part) for part in (attribute, value) if part is not None)]  # type: ignore[arg-type]  # shown only
                standing = [v for r in found.values() if r.attribute == attribute for v in r.values]
                raise RequestError(
                    "db.nothing-to-retract",
                    f"{' · '.join(named)} does not stand" + (" by this author" if scope == "own" else ""),
                    nearest=map(show, standing),
                    fix="rhizome get FILE NAME shows what stands",
                )
            parts = [Part(batch, "own") for batch in batches(retractions(subject, claims))]
            group = group_of(parts)
            return self._say(parts, self._key(author), author, origin, group)

        return self._write(take_back)

    def write_source(
        self,
        batches_of_items: Iterable[Columns | Sequence[tuple[Entity, Attribute, object]] | Sequence[Fact]],
        *,
        author: str,
        origin: str,
        plainly: bool = False,
    ) -> Transaction:
        """Say what a source says, streamed in batches, in one epoch: all of it or nothing.

        Each register must occur in one batch only. Compared with what the same source said before this write. `Columns`
        are said without a look at each value where nothing was said before, or the same; `plainly` takes no short cut.
        """
        key = self._key(author)

        def say() -> Transaction:
            cut, spoke_before = self.cut, self._has_spoken(key)

            def evaluated(items: Iterable[Item]) -> Iterator[Fact]:
                wishes = self._wishes(items, None)
                yield from self._plan(wishes, key, "own", cut, spoke_before)
                yield from self._unsaid(wishes.facts, key, cut, spoke_before)

            def facts() -> Iterator[Fact | Stretch]:
                changed = Changed()
                for items in batches_of_items:
                    if isinstance(items, Columns) and not plainly:
                        yield from self._said_in(items, key, cut, spoke_before, changed)
                        yield from chain.from_iterable(map(evaluated, changed.take(ENTITIES_AT_ONCE)))
                    else:
                        yield from evaluated(items.items() if isinstance(items, Columns) else items)
                yield from chain.from_iterable(map(evaluated, changed.take(ENTITIES_AT_ONCE, rest=True)))

            return self._say((Part(batch, "own") for batch in batches(facts())), key, author, origin)

        return self._write(say)

    def admit(
        self, envelopes: Iterable[bytes], *, origin: str, refuse: Literal["raise", "collect"] = "raise"
    ) -> Admission:
        """Take in signed deltas from elsewhere: each is verified; what is known already is passed over.

        All of them or none, and the first refusal is raised; with `refuse="collect"` all that pass, and the others
        are the admission's `refused`.
        """
        admission = admit(self._store, envelopes, now_ms=self._clock(), origin=origin, refuse=refuse)
        self._release()
        self._tell_views()
        return admission

    # -- care -------------------------------------------------------------------------------------------------------

    def deltas(self, *, lost: list[Finding] | None = None) -> Iterator[Delta]:
        """Every delta, in the order in which this copy learned them.

        One that was altered in the file since, or that stands where the index knows another, is an error; where a list
        is given for what is `lost`, it is passed over and noted there.
        """
        return sound_deltas(self._store, lost)

    def delta_ids(self) -> Iterator[Cid]:
        """The id of every delta, in the order in which this copy learned them; none of them is read."""
        return (row[0] for row in self._store.scan("delta", {}, self.cut))  # type: ignore[misc]  # the first is a CID

    def get_deltas(self, ids: Iterable[Cid], *, lost: list[Finding] | None = None) -> Iterator[Delta]:
        """Those of some deltas that are here and visible, in the order in which this copy learned them.

        One that was altered in the file since is an error; where a list is given for what is `lost`, it is passed over
        and noted there.
        """
        return sound_among(self._store, ids, lost)

    def held(self) -> list[Held]:
        """Deltas kept back: claimed more than five minutes ahead of this machine's clock, or of incomplete groups."""
        return self._store.held()

    def pending(self) -> list[PendingGroup]:
        """The groups of which a part is here and nothing is shown: who says them, what is here, and how much is missing.

        What one write says in several deltas is visible as a whole or not at all, in whatever order they come.
        """
        from rhizomedb.db.pending import pending  # most copies have none

        return pending(self._store, self.cut, self._authors())

    def verify(self, *, progress: Progress | None = None) -> Iterator[Finding]:
        """Re-check every hash, signature, cause and page of the index; yields what is wrong.

        Content of attachments that is not in this copy is noted too, and is no damage (`Finding.is_damage`). `progress` is told how many records (deltas, blocks of attachments) are done, and of how many.
        """
        return self._store.verify(progress)

    def rebuild_index(self) -> list[Finding]:
        """Make the indexes anew from the log; returns what of the log could not be read."""
        return self._store.rebuild_index()

    def close(self) -> None:
        """Release the file, and close its views. What was read before stays valid; nothing can be asked any more."""
        self._end_subscriptions()
        if self._views is not None:
            self._views.close()
        self._store.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<rhizomedb.Connection {self._store.path}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _write(self, work: Callable[[], Result]) -> Result:
        """One write, of which the views learn when it is kept."""
        result = write(self._store, work)
        self._tell_views()
        return result

    def _transact(
        self,
        items: Sequence[Item],
        expect: Mapping[tuple[Entity | str, Attribute], Value | None],
        author: str | None,
        scope: Scope,
        origin: str,
        together: bool = False,
    ) -> Transaction:
        """Say some things, inside `writing`."""
        cut = self.cut
        names = Names(self._store, cut)
        self._check_expectations(expect, cut, names)
        wishes = self._wishes(items, names)
        if not items:
            return Transaction(None)
        key = self._key(author)
        spoke_before = self._has_spoken(key)
        planned = self._plan(wishes, key, scope, cut, spoke_before, together)
        # What is planned here takes back by name what it replaces; a whole fact replaces all that it names as cause.
        parts = [
            *(Part(batch, "own") for batch in (whole_batches if together else batches)(planned)),
            *(Part(batch, scope) for batch in batches(self._unsaid(wishes.facts, key, cut, spoke_before))),
        ]
        group = group_of(parts)
        return self._say(parts, key, author, origin, group)

    def _key(self, author: str | None) -> Key:
        return self._keyring.key(self._author_name(author))

    def _has_spoken(self, key: Key) -> bool:
        """Whether there may be anything of an author here already; who has once spoken is not asked for again."""
        if key.public not in self._spoken and self._store.has_author(key.public):
            self._spoken.add(key.public)
        return key.public in self._spoken

    def _author_name(self, author: str | None) -> str:
        if author is not None:
            if type(author) is not str or not author.strip():
                raise RequestError("db.usage", f"{author!r:.60} is no name of an author", fix='author="alice"')
            return author
        return self._author or _login_name()

    def _author_of(self, fact: Cid) -> str | None:
        """Who said a fact first here, by name; None if nobody did."""
        said = (delta for delta, _ in self._store.scan("asserts", {"fact": fact}, self.cut))
        first = min(said, key=self._store.place, default=None)  # type: ignore[arg-type]  # deltas are CIDs
        for row in () if first is None else self._store.scan("delta", {"id": first}, self.cut):
            return self._authors().name(row[1])  # type: ignore[arg-type]  # an author is bytes
        return None

    def _authors(self) -> Authors:
        mine = {key: name for key, name in self._keyring.names().items() if self._store.has_author(key)}
        return Authors({**mine, **self._store.names()})

    def _wishes(self, items: Iterable[Item], names: Names | None) -> Wishes:
        wishes = Wishes()
        minted: dict[str, Entity] = {}
        for item in items:
            match item:
                case Fact():
                    wishes.facts.append(item)
                case (bytes() as entity, attribute, value):
                    wishes.add(entity, attribute, value)
                case (str() as name, attribute, value) if names is not None:
                    wishes.add(self._named(name, names, minted, wishes), attribute, value)
                case _:
                    raise RequestError(
                        "db.item",
                        f"{show_item(item)} cannot be said",
                        fix='("The Matrix", "runtime", 136) or rhizomedb.Fact(entity, attribute, value)',
                    )
        return wishes

    def _named(self, name: str, names: Names, minted: dict[str, Entity], wishes: Wishes) -> Entity:
        """The entity of a name: one known here, else a new one, which is then given that name."""
        if name in minted:
            return minted[name]
        found = names.find(name, called=True)
        if found:
            minted[name] = (
                found[0] if len(found) == 1 else names.entity(name, called=True)
            )  # several: the error that lists them
            return minted[name]
        entity = derive({"name": name})
        wishes.add(entity, "name", name)
        minted[name] = entity
        return entity

    def _plan(
        self, wishes: Wishes, key: Key, scope: Scope, cut: Cut, spoke_before: bool, together: bool = False
    ) -> Iterator[Fact]:
        """The facts that wishes come to, without the whole facts, which are said as they are."""
        entities = wishes.entities()
        if scope == "own":
            own = Cut(epoch=cut.epoch, authors=frozenset([key.public]))
            before = view.derived(self._store, own, entities, view.VIEW_BUDGET) if entities and spoke_before else None
            return facts_as_source(wishes, view.Surroundings(before, key.public), key.public, together)
        found = view.derived(self._store, cut, entities, view.VIEW_BUDGET) if entities else None
        return facts_as_person(wishes, view.Surroundings(found, key.public), key.public, self.fact, together)

    def _said_in(self, columns: Columns, key: Key, cut: Cut, spoke_before: bool, changed: Changed) -> Iterator[Stretch]:
        """The facts of a source's columns that need no evaluation; what does need it is added to `changed`."""
        try:
            columns, stretch = columns.stretch()
        except ValueRefused:
            self._wishes(columns.items(), None)  # says it in the words of one value, not of a row of columns
            raise
        if not spoke_before:
            yield stretch  # of nothing too: it comes to no delta
            return
        own = Cut(epoch=cut.epoch, authors=frozenset([key.public]))
        new, differing = sort_out(self._store, own, columns, stretch)
        changed.add(columns.at(differing))
        if new:
            yield stretch if len(new) == len(stretch) else columns.at(new).stretch()[1]

    def _unsaid(self, facts: Iterable[Fact], key: Key, cut: Cut, spoke_before: bool) -> Iterator[Fact]:
        """Whole facts but those that this author has said exactly so."""
        own = Cut(epoch=cut.epoch, authors=frozenset([key.public]))
        for fact in facts:
            may_be_said = spoke_before and self._store.may_have_fact(fact.cid)
            if not (may_be_said and any(True for _ in self._store.scan("fact", {"$cid": fact.cid}, own))):
                yield fact

    def _say(
        self,
        parts: Iterable[Part],
        key: Key,
        author: str | None,
        origin: str,
        group: Group | None = None,
    ) -> Transaction:
        """Sign lists of facts, each as a delta of its scope, and admit them in one epoch."""
        ids: list[Cid] = []
        count = 0
        time = self._store.last_time()
        if time.ms > self._clock() + AHEAD_MS_MAX:  # this clock once ran far ahead: what is said now need not follow it
            time = ZERO

        # A clock that was set back must not hold back what is said here: it is no further ahead than what is known.
        # Nor must a write that takes long run ahead of the moment at which it began: half of what it may leaves room to tick.
        began = max(self._clock(), time.ms)

        def deltas() -> Iterator[Delta]:
            nonlocal count, time
            for facts, scope, edge in parts:
                time = tick(time, min(self._clock(), began + AHEAD_MS_MAX // 2))
                delta = Delta.sign(
                    key, system=self._system, time=time, facts=facts, edge=edge, scope=scope, group=group
                )
                ids.append(delta.id)
                count += len(facts)
                yield delta

        admission = admit(self._store, deltas(), now_ms=began, origin=origin)
        if not ids:
            return Transaction(None)
        self._store.name(key.public, self._author_name(author))
        return Transaction(admission.epoch, tuple(ids), count)

    def _check_expectations(
        self, expect: Mapping[tuple[Entity | str, Attribute], Value | None], cut: Cut, names: Names
    ) -> None:
        here = Database(self._store, cut, self._authors, self._clock)
        if not isinstance(expect, Mapping) or not all(isinstance(key, tuple) and len(key) == 2 for key in expect):
            raise RequestError(
                "db.item", "expect maps (entity, attribute) to a value", fix='expect={("The Matrix", "runtime"): 136}'
            )
        for (entity, attribute), value in expect.items():
            found = (
                names.find(entity, called=True) if isinstance(entity, str) else [entity] if names.exists(entity) else []
            )
            shown = here.get(names.entity(entity, called=True), attribute, default=None) if found else None
            wanted = None if value is None else exact(check_value(value))
            if (None if shown is None else exact(shown)) != wanted:
                label = names.label(found[0]) if found else show(entity)
                raise RequestError(
                    "db.expectation-failed",
                    f"{show(attribute)} of {label} is {'not said' if shown is None else show(shown)}, "
                    f"not {'unsaid' if value is None else show(check_value(value))}; nothing was written",
                    fix="read it again and decide anew",
                )

    def _release_if_due(self) -> None:
        if self._due_ms is not None and self._due_ms <= self._clock():
            self._release()

    def _release(self) -> None:
        """Let held deltas in whose time has come, and note when the next one's comes.

        A copy that cannot be written just goes on holding them; what is wrong with them, `held` and `verify` say.
        """
        self._due_ms = None
        now = self._clock()
        with suppress(Error):
            release_due(self._store, now_ms=now, wait_ms=0)  # who only reads must not wait for who writes
        with suppress(Error):
            due = self._store.next_due()
            # What could not be let in now is not tried again at each read.
            self._due_ms = due if due is None or due > now else now + RELEASE_AGAIN_MS


def connect(
    path: str | Path = ":memory:",
    *,
    author: str | None = None,
    create: bool = True,
    keyring: Keyring | None = None,
    clock: Callable[[], int] = now_ms,
    wait_ms: int = 10_000,
    durability: Durability = "full",
    bytes_max: int | Literal["default"] | None = "default",
    held_deltas_max: int | Literal["default"] | None = "default",
    held_bytes_max: int | Literal["default"] | None = "default",
    memory_bytes_max: int | Literal["default"] | None = "default",
    attachment_bytes_max: int | Literal["default"] | None = "default",
    attachments_total_bytes_max: int | Literal["default"] | None = "default",
    waiting: Waiting | None = None,
) -> Connection:
    """Open a database file, made if it is not there, or `":memory:"`.

    `wait_ms`: how long a write waits for another process before `store.busy`; `waiting` is called after a second of it,
    with the seconds that are left and the process that writes (None where the system does not say). `durability`: what a write promises when
    it returns: "full" (it survives the loss of power), "normal" or "memory". `bytes_max`: the most that the file and its
    index may take; `held_deltas_max` and `held_bytes_max`: how much may be held back of one author or origin, 10,000
    deltas and 32 MiB; `RHIZOME_BYTES_MAX`, `RHIZOME_HELD_DELTAS_MAX` and `RHIZOME_HELD_BYTES_MAX` set other limits,
    and what goes beyond one is `store.quota`. `memory_bytes_max`, or `RHIZOME_MEMORY_BYTES_MAX`: how much memory of its own
    a write or an import may take; it does with less, slower, and where it cannot it is `budget.memory`. `attachment_bytes_max`: the largest
    attachment, 16 GiB unless `RHIZOME_ATTACHMENT_BYTES_MAX` says otherwise; `attachments_total_bytes_max`: how much all
    may have together, without limit unless `RHIZOME_ATTACHMENTS_TOTAL_BYTES_MAX` does. None: no limit.
    """
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise RequestError("db.usage", f"{path!r:.60} is no path of a file", fix='open("films.db")')
    limits = Limits.of_environment(os.environ.items())
    if attachment_bytes_max != "default":
        limits = replace(limits, file_bytes=attachment_bytes_max)
    if attachments_total_bytes_max != "default":
        limits = replace(limits, total_bytes=attachments_total_bytes_max)
    quota = quota_of(
        os.environ, bytes=bytes_max, held_deltas=held_deltas_max, held_bytes=held_bytes_max, memory=memory_bytes_max
    )
    store = open_store(str(path), create=create, wait_ms=wait_ms, durability=durability, quota=quota, waiting=waiting)
    return Connection(store, author=author, keyring=keyring, clock=clock, limits=limits)


def show_item(item: object) -> str:
    """An item of a transaction, shortened for a message."""
    text = repr(item)
    return text if len(text) <= 80 else text[:79] + "…"


@cache
def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "me"
