"""Taking back all that somebody, a run, an import or a stretch of time said, as new statements by name; nothing is erased.

Of each register that nobody has written since, what was said is *withdrawn*: it is as if it had not been said, so what it had
replaced or taken back stands again, as its own authors said it. Where somebody has written since, seeing it, their word stays,
and of what is reverted only a claim that still stands is taken back. Hyperedges are negated, negations among them.

A reversal is a transaction like any other, and can be reverted: what it withdrew is said again, what it negated is negated no
more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget
from rhizomedb.crdt.library import OPERATIONS
from rhizomedb.crdt.register import RETRACTS, WITHDRAWS, WRITER
from rhizomedb.db import view
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import check_list, set_of
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.handing_on import sound_among
from rhizomedb.db.moment import to_ms
from rhizomedb.db.naming import Names
from rhizomedb.db.programs.result import show
from rhizomedb.db.transaction import DELTA_BYTES_MAX, DELTA_FACTS_MAX, Part, Transaction, batches, group_of
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, exact, plain
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.pointer import NEGATED_BY, NEGATES, Hyperedge, Pointer, Reference, facts_of, hyperedge_of
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.db.connection import Connection
    from rhizomedb.db.graph.hyperedges import Moment

ENTITIES_AT_ONCE: Final = 1_000
"""Of how many entities what is said is looked at together."""

FACTS_AT_ONCE: Final = 10_000
"""How many facts are read together."""

LABELS_MAX: Final = 200
"""How many things are called by their names; others by their ids."""

BUDGET: Final = Budget(facts=10_000_000, rounds=None, seconds=None, bytes=None)
"""How many statements one reversal may be about."""

EPOCHS_MAX: Final = 100
"""What came in so many epochs is looked up epoch by epoch; of more, all that is here is gone through."""

NEAR_MAX: Final = 3
"""How many origins are told as near."""

SHOWN_MAX: Final = 20
"""How many statements a reversal prints."""

What: TypeAlias = Literal["value", "retraction", "reversal", "hyperedge", "negation"]
Register: TypeAlias = view.Key


@dataclass(frozen=True, slots=True)
class Undone:
    """One statement that a reversal is about, and what becomes of it.

    `text` says it for people; `becomes` is "withdrawn", "taken back", "said again" or "left", and `reason` says why it is left.
    """

    what: What
    text: str
    author: str
    delta: Cid
    becomes: Literal["withdrawn", "taken back", "said again", "left"]
    reason: str = ""

    def __str__(self) -> str:
        said = f"{self.text}  ({self.author})"
        return f"{self.becomes}: {said}{f': {self.reason}' if self.reason else ''}"

    def as_dict(self) -> dict[str, object]:
        """As data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Reversal(Transaction):
    """What a reversal did, or with `dry_run` would do: a transaction, of which `of` are the deltas that it is about.

    `statements` are all of theirs, with what becomes of each; `author` is who takes them back, by name.
    """

    of: tuple[Cid, ...] = ()
    statements: tuple[Undone, ...] = field(default=())
    author: str = ""

    @property
    def undone(self) -> tuple[Undone, ...]:
        """The statements that are taken back."""
        return tuple(each for each in self.statements if each.becomes != "left")

    @property
    def left(self) -> tuple[Undone, ...]:
        """The statements that stay as they are, each with a reason."""
        return tuple(each for each in self.statements if each.becomes == "left")

    def __str__(self) -> str:
        undone, left = len(self.undone), len(self.left)
        lines = [f"{undone:,} of {_plural(undone + left, 'statement')} taken back by {self.author}"]
        lines[0] += "" if self.epoch is not None else " (not written)"
        ordered = [*self.undone, *self.left]
        lines += [f"  {each}" for each in ordered[:SHOWN_MAX]]
        return "\n".join([*lines, *([f"  … {len(ordered) - SHOWN_MAX:,} more"] if len(ordered) > SHOWN_MAX else [])])

    def __repr__(self) -> str:
        return str(self)


# -- which ------------------------------------------------------------------------------------------------------------


def revert(
    db: Connection,
    by: str | Iterable[str] | None,
    origin: str | None,
    since: Moment | None,
    until: Moment | None,
    epochs: int | Iterable[int] | None,
    author: str | None,
    dry_run: bool,
) -> Reversal:
    """See `TakingBack.revert`."""
    if by is origin is since is until is epochs is None:
        raise RequestError(
            "db.usage", "nothing says what to revert", fix='db.revert(by="a script", since="2 hours ago")'
        )
    if origin is not None and not isinstance(origin, str):
        raise RequestError("db.usage", f"{origin!r:.60} is no origin", fix='origin="import of films.csv"')
    numbers = _numbers(epochs)
    names = [by] if isinstance(by, str) else by
    authors = set_of(names, db.author_key)
    first = None if since is None else to_ms(since, db._clock()) - 1  # a cut leaves out its beginning
    last = None if until is None else to_ms(until, db._clock(), edge="end")

    def meant() -> list[Cid]:
        cut = Cut(db.cut.epoch, first, last, authors)
        found = list(_arrived(db._store, cut, origin, numbers))
        if not found:
            known = [epoch.origin for epoch in db.arrivals()]
            raise RequestError(
                "db.nothing-to-revert",
                "nothing that is visible here was said so",
                nearest=_near(origin, known) if origin is not None else (),
                fix="rhizome history FILE NAME shows what brought a statement, and who said it",
            )
        return found

    return _done(db, meant, author, dry_run, "revert")


def _arrived(store: Store, cut: Cut, origin: str | None, numbers: Collection[int] | None) -> Iterator[Cid]:
    """The deltas of a cut, those that one origin brought and that came in some epochs."""
    if origin is None and numbers is None:
        return (row[0] for row in store.scan("arrival", {}, cut))  # type: ignore[misc]  # a delta is a CID
    epochs = {
        each.number
        for each in store.epochs()
        if (origin is None or each.origin == origin) and (numbers is None or each.number in numbers)
    }
    if len(epochs) > EPOCHS_MAX:
        scans = [store.scan("arrival", {}, cut)]
    else:
        scans = [store.scan("arrival", {"epoch": number}, cut) for number in sorted(epochs)]
    return (delta for scan in scans for delta, epoch, *_ in scan if epoch in epochs)  # type: ignore[misc]  # a delta is a CID


def undo(db: Connection, transaction: Transaction | None, author: str | None, dry_run: bool) -> Reversal:
    """See `TakingBack.undo`."""
    if transaction is not None and not isinstance(transaction, Transaction):
        raise RequestError("db.usage", f"{transaction!r:.60} is no transaction", fix="db.undo(db.transact(...))")
    if transaction is not None and not transaction.deltas:
        return Reversal(None, author=db._author_name(author))

    def meant() -> list[Cid]:
        if transaction is None:
            return _last_of(db, author)
        missing = next((delta for delta in transaction.deltas if not db._store.has(delta)), None)
        if missing is not None:
            raise RequestError("db.nothing-to-revert", f"the delta {missing} of this transaction is not here")
        return list(transaction.deltas)

    return _done(db, meant, author, dry_run, "undo")


def _numbers(epochs: object) -> Collection[int] | None:
    if epochs is None:
        return None
    found = [epochs] if type(epochs) is int else epochs if isinstance(epochs, range) else list(check_list(epochs))
    if not isinstance(found, range) and not all(type(each) is int for each in found):
        raise RequestError("db.epoch", f"{epochs!r:.60} are no epochs", fix="epochs=7, or epochs=range(7, 10)")
    return found if isinstance(found, range) else set(found)


def _last_of(db: Connection, author: str | None) -> list[Cid]:
    """The deltas of the last transaction of an author: the newest one's group, or what its device said in that epoch."""
    name = db._author_name(author)
    key = db._keyring.find(name)
    newest = db._store.epoch()
    after, step = newest, 1
    while key is not None and after > 0:  # most look for what they have just said
        before, after, step = after, max(after - step, 0), step * 4
        found: list[tuple[int, Delta]] = []
        for epoch, envelope in db._store.envelopes(after):
            if epoch > before:
                break
            delta = Delta.decode(envelope)
            if delta.author == key.public:
                found.append((epoch, delta))
        if found:
            epoch, last = found[-1]
            of_epoch = [delta for number, delta in found if number == epoch and delta.system == last.system]
            return [delta.id for delta in of_epoch if delta.group == last.group]
    raise RequestError(
        "db.nothing-to-revert", f"{name} has said nothing here", fix="rhizome revert FILE --last --as AUTHOR"
    )


def _done(db: Connection, meant: Callable[[], list[Cid]], author: str | None, dry_run: bool, origin: str) -> Reversal:
    db._release_if_due()

    def planned() -> tuple[_Plan, str]:
        ids = meant()
        deltas = list(sound_among(db._store, ids, None))
        who = db._author_name(author) if author is not None else _speaker(db, deltas)
        me = db._keyring.find(who)
        return _Plan(db, deltas, None if me is None else me.public), who

    def said() -> Reversal:
        plan, who = planned()
        parts = plan.parts()
        if not parts:
            return Reversal(None, of=plan.of, statements=plan.statements(), author=who)
        statements = plan.statements()
        done = db._say(parts, db._key(who), who, origin, group_of(parts))
        return Reversal(done.epoch, done.deltas, done.facts, plan.of, statements, who)

    if dry_run:
        plan, who = planned()
        plan.parts()
        return Reversal(None, of=plan.of, statements=plan.statements(), author=who)
    result: Reversal = db._write(said)
    return result


def _speaker(db: Connection, deltas: Sequence[Delta]) -> str:
    """Who takes back what one author said: they themselves, if their key is here; else who speaks here."""
    authors = {delta.author for delta in deltas}
    if len(authors) == 1:
        (author,) = authors
        for key, name in db._keyring.names().items():
            if key == author:
                return name
    return db._author_name(None)


# -- what -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Item:
    """A fact that one of the deltas says, the register that it is about, and what becomes of it."""

    what: What
    fact: Fact
    delta: Delta
    register: Register
    attribute: Attribute
    value: Value
    takes_back: bool = False
    becomes: Literal["withdrawn", "taken back", "said again", "left"] = "left"
    reason: str = ""


class _Plan:
    """What a reversal of some deltas says."""

    def __init__(self, db: Connection, deltas: Sequence[Delta], me: bytes | None) -> None:
        self._db = db
        self._store: Store = db._store
        self._cut = db.cut
        self._me = me
        self._deltas = {delta.id: delta for delta in deltas}
        self._items: list[_Item] = []
        self._edges: dict[Entity, tuple[Delta, Hyperedge]] = {}
        self._edge_fates: dict[Entity, str] = {}
        self._known: dict[Cid, Fact] = {}
        self._said: dict[Cid, Delta | None] = {}
        self._meter = BUDGET.meter()
        self.of = tuple(self._deltas)
        about = [fact for delta in deltas for fact in delta.facts if fact.attribute in (RETRACTS, WITHDRAWS)]
        self._learn(cause for fact in about for cause in fact.causes)
        self._learn(cause for fact in list(self._known.values()) if fact.attribute == RETRACTS for cause in fact.causes)
        for delta in deltas:
            self._sort(delta)

    def parts(self) -> list[Part]:
        """The deltas that say it."""
        taking: list[Fact] = []
        again: dict[Cid, tuple[Delta, list[Fact]]] = {}
        entities: dict[Entity, list[_Item]] = {}
        for item in self._items:
            entities.setdefault(item.register[0], []).append(item)
        for some in view.batches(entities, ENTITIES_AT_ONCE):
            self._decide([item for entity in some for item in entities[entity]], some, taking, again)
        parts = [Part(batch, "own") for batch in batches(taking)]
        for of, facts in sorted(again.values(), key=lambda each: (each[0].time, bytes(each[0].id))):
            parts += [Part(batch, of.scope) for batch in batches(facts)]  # in the order in which it was said
        return [*parts, *self._negations()]

    def statements(self) -> tuple[Undone, ...]:
        """Every statement, and what becomes of it, as people read it."""
        authors, names = self._db._authors(), Names(self._store, self._cut)
        found = []
        things = list(dict.fromkeys(item.register[0] for item in self._items))
        names.learn(things[:LABELS_MAX])
        labels = {thing: names.label(thing) for thing in things[:LABELS_MAX]}
        for item in self._items:
            thing = item.register[0]
            said = f"{labels.get(thing) or f'0x{thing.hex()[:12]}'} · {show(item.attribute)} = {show(item.value)}"
            if item.takes_back:
                said = f"that {said} is taken back"
            text = f"the reversal of {said}" if item.what == "reversal" and item.becomes == "left" else said
            found.append(
                Undone(item.what, text, authors.name(item.delta.author), item.delta.id, item.becomes, item.reason)
            )
        ends = dict.fromkeys(each.entity for _, edge in self._edges.values() for each in edge.references)
        labels = self._db.labels(islice(ends, LABELS_MAX))
        for id, (delta, edge) in self._edges.items():
            parts = (f"{each.role} {_target(each, labels)}" for each in edge.pointers)
            text = f"{id_of(id).removeprefix('rhizome:'):.20}: {', '.join(parts):.200}"
            reason = self._edge_fates.get(id, "")
            what: What = "negation" if edge.negates else "hyperedge"
            found.append(
                Undone(what, text, authors.name(delta.author), delta.id, "left" if reason else "taken back", reason)
            )
        return tuple(found)

    def _sort(self, delta: Delta) -> None:
        """What a delta says: facts by their registers, and a hyperedge."""
        edge = delta.edge
        if edge is not None:
            said = hyperedge_of(delta)
            assert said is not None, "it has an edge"
            self._edges[edge] = delta, said
        for fact in delta.facts:
            if edge is not None and edge in (fact.entity, fact.value):
                continue  # a part of the hyperedge
            if fact.attribute == RETRACTS:
                about = self._facts(fact.causes)
                self._items += [self._item("retraction", fact, delta, each, True) for each in about]
            elif fact.attribute == WITHDRAWS:
                for each in self._facts(fact.causes):
                    takes_back = each.attribute == RETRACTS
                    inner = self._facts(each.causes) if takes_back else [each]
                    self._items += [self._item("reversal", fact, delta, one, takes_back) for one in inner]
            elif not is_reserved(fact.attribute):
                self._items.append(self._item("value", fact, delta, fact))

    def _item(self, what: What, fact: Fact, delta: Delta, about: Fact, takes_back: bool = False) -> _Item:
        self._meter.spend(1)
        register = about.entity, exact(about.attribute)
        return _Item(what, fact, delta, register, about.attribute, about.value, takes_back)

    def _facts(self, cids: Iterable[Cid]) -> list[Fact]:
        """Those of some facts that are here."""
        return [self._known[cid] for cid in cids if cid in self._known]

    def _learn(self, cids: Iterable[Cid]) -> None:
        """Read some facts, as far as they are here."""
        waiting = iter(dict.fromkeys(cid for cid in cids if cid not in self._known))
        while some := list(islice(waiting, FACTS_AT_ONCE)):
            self._meter.spend(len(some))
            rows = list(self._store.scan_keys("fact", {}, ("$cid",), ((cid,) for cid in some), self._cut))
            causes: dict[Cell, list[Cell]] = {}
            for effect, cause in self._store.scan_keys("cause", {}, ("from",), ((row[0],) for row in rows), Cut()):
                causes.setdefault(effect, []).append(cause)
            for cid, entity, attribute, value in rows:
                self._known[cid] = Fact(entity, plain(attribute), plain(value), causes.get(cid, ()))  # type: ignore[index, arg-type]  # columns hold the kinds that `COLUMNS` says

    def _delta(self, id: Cid) -> Delta | None:
        """A delta that was withdrawn, if it is here."""
        if id not in self._said:
            self._said[id] = next(sound_among(self._store, [id], None), None)
        return self._said[id]

    # -- registers --------------------------------------------------------------------------------------------------

    def _decide(
        self,
        items: Sequence[_Item],
        entities: Sequence[Entity],
        taking: list[Fact],
        again: dict[Cid, tuple[Delta, list[Fact]]],
    ) -> None:
        """What becomes of what is said of some entities, and the facts that say so."""
        around = _Around(self._store, self._cut, entities, self._deltas)
        for item in items:
            if exact(item.attribute) in OPERATIONS or around.is_replicated(item.register[0]):
                item.reason = "a value of a data type is taken back by its own means"
                continue
            moved = around.moved(item)
            if item.what == "reversal":
                self._say_again(item, moved, around, taking, again)
            elif (item.fact.cid, item.delta.id) in around.withdrawn:
                item.reason = "it is withdrawn already"
            elif not moved:
                item.becomes = "withdrawn"
                taking.append(Fact(item.fact.entity, WITHDRAWS, item.delta.id, (item.fact.cid,)))
            elif item.what == "value" and (item.fact.cid, item.delta.id) in around.standing:
                item.becomes = "taken back"
                taking.append(Fact(item.fact.entity, RETRACTS, item.delta.id, (item.fact.cid,)))
            else:
                item.reason = "what was said since stays as it was said"

    def _say_again(
        self,
        item: _Item,
        moved: bool,
        around: _Around,
        taking: list[Fact],
        again: dict[Cid, tuple[Delta, list[Fact]]],
    ) -> None:
        """Undo an undoing: say what it withdrew anew, or take back anew what the withdrawn retraction took back."""
        of = item.fact.value
        assert isinstance(of, Cid), "a withdrawal names a delta"
        if of in self._deltas:
            item.reason = "what it takes back is reverted as well"
            return
        if moved:
            item.reason = "what was said since stays as it was said"
            return
        first = self._delta(of)
        if first is None:
            item.reason = "what it takes back is not here"
            return
        for cause in self._facts(item.fact.causes):
            item.becomes = "said again"
            facts = again.setdefault(first.id, (first, []))[1]
            if cause.attribute == RETRACTS:
                facts.append(cause)
                continue
            fresh = Fact(cause.entity, cause.attribute, cause.value, (cause.cid,))
            facts.append(fresh)
            if first.author != self._me:  # it replaced what its author had said before, and its author is another one
                replaced = around.replaced_by(item.register, cause, first)
                taking += [Fact(cause.entity, RETRACTS, delta, (fact,)) for fact, delta in replaced]

    # -- hyperedges -------------------------------------------------------------------------------------------------

    def _negations(self) -> list[Part]:
        """The hyperedges that take back the ones that are reverted, many at once."""
        if not self._edges:
            return []
        away = negated_among(self._store, self._cut, None, self._edges.keys())
        source = edge_source(self._store, self._cut)
        taken: list[Entity] = []
        for id, (_, edge) in self._edges.items():
            others = [each for each in source.read(source.of_edges([id])) if each.delta not in self._deltas]
            if others:
                self._edge_fates[id] = "somebody else says it too"
            elif id in away:
                self._edge_fates[id] = "it is taken back already"
            elif edge.negates and all(of in self._edges for of in edge.negates):
                self._edge_fates[id] = "what it takes back is reverted as well"
            else:
                taken.append(id)
        parts = []
        for some in _that_fit(taken):
            edge_id = secrets.token_bytes(ENTITY_BYTES)
            pointers = [Pointer(NEGATES, Reference(each, NEGATED_BY)) for each in some]
            parts.append(Part(facts_of(edge_id, pointers), "seen", edge_id))
        return parts


class _Around:
    """What stands around what is reverted, of some entities."""

    def __init__(self, store: Store, cut: Cut, entities: Sequence[Entity], reverted: Mapping[Cid, Delta]) -> None:
        self._store = store
        self._cut = cut
        self._reverted = reverted
        self._entities = entities
        derived = view.derived(store, cut, entities, view.VIEW_BUDGET)
        self._writes: dict[Register, list[tuple[Cid, Cid]]] = {}
        for fact, delta, entity, attribute, _ in derived["write"]:
            self._writes.setdefault((entity, attribute), []).append((fact, delta))  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
        self.withdrawn: set[tuple[Any, Any]] = {(row[0], row[1]) for row in derived["withdrawn"]}
        survivors = list(derived[view.SURVIVOR])
        self.standing: set[tuple[Any, Any]] = {(row[3], row[4]) for row in survivors}
        self._survivors: dict[Register, list[tuple[Cell, ...]]] = {}
        for row in survivors:
            self._survivors.setdefault((row[0], row[1]), []).append(row)  # type: ignore[arg-type]  # as above
        self._taken_by: dict[tuple[Any, Any], list[Any]] = {}
        for fact, delta, by in derived["retracted"]:
            self._taken_by.setdefault((fact, delta), []).append(by)
        self._causes: dict[Cid, list[Cid]] = {}
        self._times: dict[Any, tuple[HybridTime, bytes]] = {}
        self._seen: dict[Register, bool] = {}
        writers = store.scan_keys("fact", {"attribute": WRITER}, ("entity",), ((entity,) for entity in entities), cut)
        self._replicated = {row[1] for row in writers}
        self._last: dict[Register, tuple[HybridTime, bytes] | None] = {}
        self._writers: dict[Register, set[Cid]] = {}

    def is_replicated(self, entity: Entity) -> bool:
        """Whether an entity holds a value of a data type, whose programs read what was said and not what stands."""
        return entity in self._replicated

    def moved(self, item: _Item) -> bool:
        """Whether somebody has said anything of its register since, having seen it."""
        register = item.register
        if item.what == "value" or (item.what == "retraction" and self._writes_too(item)):
            if register not in self._seen:
                self._seen[register] = self._is_seen(register)
            return self._seen[register]
        # Nobody names a retraction as what they have seen; who says anything later is taken to have.
        if register not in self._last:
            others = (self._time(by) for _, by in self._writes.get(register, ()) if by not in self._reverted)
            self._last[register] = max(others, default=None)
        last = self._last[register]
        return last is not None and last > self._time(item.delta.id)

    def _writes_too(self, item: _Item) -> bool:
        """Whether a retraction goes with a new value of its register: then they are one statement."""
        if item.register not in self._writers:
            self._writers[item.register] = {delta for _, delta in self._writes.get(item.register, ())}
        return item.delta.id in self._writers[item.register]

    def _is_seen(self, register: Register) -> bool:
        writes = self._writes.get(register, ())
        others = [each for each in writes if each[1] not in self._reverted]
        mine = [each for each in writes if each[1] in self._reverted]
        for each in mine:  # taken back by name
            for by in self._taken_by.get(each, ()):
                said = [delta for delta, _ in self._store.scan("asserts", {"fact": by}, self._cut)]
                if any(delta not in self._reverted and (by, delta) not in self.withdrawn for delta in said):
                    return True
        if not others:
            return False
        theirs = {fact for fact, _ in others}
        if not self._past(list(theirs)).isdisjoint(fact for fact, _ in mine if fact not in theirs):
            return True
        both = [each for each in mine if each[0] in theirs]
        if not both:
            return False
        seen = self._last_seen(others)  # said by somebody else too: who has seen the fact, may have seen it from them
        return any(fact in seen and seen[fact] > self._time(delta) for fact, delta in both)

    def _last_seen(self, writes: Iterable[tuple[Cid, Cid]]) -> dict[Cid, tuple[HybridTime, bytes]]:
        """When each fact was last seen by one of some writes: each cause is gone to once, from the latest of them."""
        found: dict[Cid, tuple[HybridTime, bytes]] = {}
        for time, last in sorted(
            ((self._time(delta), fact) for fact, delta in writes), key=itemgetter(0), reverse=True
        ):
            waiting = [last]
            while waiting:
                for cause in self._causes[waiting.pop()]:  # `_past` has read them
                    if cause not in found:
                        found[cause] = time
                        waiting.append(cause)
        return found

    def replaced_by(self, register: Register, fact: Fact, delta: Delta) -> list[tuple[Cid, Cid]]:
        """The standing claims that a write, now withdrawn, had replaced: those of its author, or of everybody by its scope."""
        past = self._past([fact.cid])
        return [
            (row[3], row[4])  # type: ignore[misc]  # columns hold the kinds that `COLUMNS` says
            for row in self._survivors.get(register, ())
            if row[3] in past and (delta.scope == "seen" or row[5] == delta.author)
        ]

    def _past(self, facts: Sequence[Cid]) -> set[Cid]:
        """All that came before some facts, by their causes."""
        found: set[Cid] = set()
        waiting = list(dict.fromkeys(facts))
        while waiting:
            unknown = [fact for fact in waiting if fact not in self._causes]
            self._causes.update((fact, []) for fact in unknown)
            for effect, cause in self._store.scan_keys("cause", {}, ("from",), ((fact,) for fact in unknown), Cut()):
                self._causes[effect].append(cause)  # type: ignore[index, arg-type]  # facts are CIDs
            fresh = {cause for fact in waiting for cause in self._causes[fact]} - found
            found |= fresh
            waiting = list(fresh)
        return found

    def _time(self, delta: Cid) -> tuple[HybridTime, bytes]:
        if delta not in self._times:
            for row in self._store.scan("delta", {"id": delta}, Cut()):
                self._times[delta] = HybridTime(row[3], row[4]), bytes(delta)  # type: ignore[arg-type]  # numbers
        return self._times[delta]


def _that_fit(edges: Sequence[Entity]) -> Iterator[list[Entity]]:
    """Hyperedges in lists of which each fits one negation."""
    some: list[Entity] = []
    size = 0
    for edge in edges:
        length = 2 * len(edge) + 256  # a fact with its role, and one with its context and cause
        if some and (len(some) >= DELTA_FACTS_MAX // 2 or size + length > DELTA_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(edge)
        size += length
    if some:
        yield some


def _target(pointer: Pointer, labels: Mapping[Entity, str]) -> str:
    target = pointer.target
    return (labels.get(target.entity) or id_of(target.entity)) if isinstance(target, Reference) else show(target)


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _near(origin: str, known: Sequence[str]) -> Sequence[str]:
    """The origins that may be meant: those that contain the text, as a file's name is a part of what an import is called."""
    inside = [each for each in dict.fromkeys(known) if origin and origin in each]
    return inside[:NEAR_MAX] or nearest_names(origin, dict.fromkeys(known))
