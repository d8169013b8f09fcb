"""Views of registers: run the program of `crdt.register` and group what survives.

There is one path: `get`, `conflicts`, `why`, `history`, an import and a transaction all read registers here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra import Table
from rhizomedb.budget import Budget
from rhizomedb.crdt.policy import Claim, agreed, distinct
from rhizomedb.crdt.register import CLAIMS, CLAIMS_WITHOUT_WITHDRAWALS, WITHDRAWS, claims_of_subjects
from rhizomedb.db.programs.compiled import Compiled, Prepared, answering
from rhizomedb.db.programs.query import prepare
from rhizomedb.db.programs.reading import reading_of
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, plain
from rhizomedb.flow.cells import cells_of
from rhizomedb.logic import parse
from rhizomedb.store.store import COLUMNS, Cut, Store

if TYPE_CHECKING:
    from rhizomedb.algebra import Evaluation

Row: TypeAlias = tuple[Cell, ...]
Key: TypeAlias = tuple[Entity, Cell]
"""A register: an entity and the exact form of an attribute."""

SURVIVOR = "survivor"
SUBJECT = {"subject": ("entity",)}
ASKED = {"asked": ("entity", "attribute")}

VIEW_BUDGET = Budget(facts=200_000_000, rounds=10_000_000, seconds=None, bytes=8 << 30)
"""For the database's own views: their size is that of the data asked for, not of a program that somebody wrote."""

REGISTERS_AT_ONCE = 5_000
"""How many registers are evaluated together when all that may be contested are gone through."""


@dataclass(slots=True)
class Register:
    """One attribute of one entity, with the claims that stand."""

    entity: Entity
    attribute: Attribute
    claims: list[Claim] = field(default_factory=list)

    @property
    def is_contested(self) -> bool:
        """Whether the standing claims contradict each other."""
        return len({agreed(claim.value) for claim in self.claims}) > 1

    @property
    def values(self) -> tuple[Value, ...]:
        """The different values that stand, in the total order."""
        return distinct(claim.value for claim in self.claims)

    def claims_by_value(self) -> list[tuple[Value, list[Claim]]]:
        """What stands, with its claims, the most recent first; one number in two kinds is one."""
        groups: dict[Cell, list[Claim]] = {}
        for claim in sorted(self.claims, key=lambda claim: claim.rank, reverse=True):
            groups.setdefault(agreed(claim.value), []).append(claim)
        return [(claims[0].value, claims) for claims in groups.values()]


Derived: TypeAlias = Mapping[str, Iterable[Row]]
"""The tuples of the relations of the register program."""


@cache
def _of_subjects(relation: str | None, may_withdraw: bool) -> Compiled:
    return answering(claims_of_subjects(may_withdraw=may_withdraw), COLUMNS, SUBJECT, relation)


def registers(store: Store, cut: Cut, entities: Iterable[Entity], budget: Budget) -> dict[Key, Register]:
    """The registers of the given entities that hold anything."""
    subjects = {"subject": [(entity,) for entity in entities]}
    return group(_run(partial(_of_subjects, SURVIVOR), store, cut, subjects, budget)[SURVIVOR])


def derived(store: Store, cut: Cut, entities: Iterable[Entity], budget: Budget) -> Derived:
    """All that the register program says of the given entities."""
    subjects = {"subject": [(entity,) for entity in entities]}
    found = _run(partial(_of_subjects, None), store, cut, subjects, budget)
    return found if "written" in found else {**found, "written": found["write"], "withdrawn": ()}


@cache
def _explained() -> Prepared:
    return prepare(claims_of_subjects(), {**COLUMNS, **SUBJECT}, relation=SURVIVOR)


def evaluated(store: Store, cut: Cut, entities: Iterable[Entity], budget: Budget) -> Evaluation:
    """The same by an evaluation that can say how it came to each tuple."""
    source = StoreSource(store, cut, {"subject": Table(SUBJECT["subject"], ((entity,) for entity in entities))})
    return _explained().run(source, budget)


def run(program: Compiled, store: Store, cut: Cut, tuples: Mapping[str, Sequence[Row]], budget: Budget) -> Derived:
    """What a program derives, with the tuples that come with the question."""
    return _run(lambda _: program, store, cut, tuples, budget)


def _run(
    program: Callable[[bool], Compiled],
    store: Store,
    cut: Cut,
    tuples: Mapping[str, Sequence[Row]],
    budget: Budget,
) -> Derived:
    """What a program derives, which may be another where nothing is withdrawn."""
    reading = reading_of(store, cut, StoreSource(store, cut))
    # What is read is fixed by now, and may lack a withdrawal that came since: never the other way round.
    chosen = program(any(True for _ in store.scan("fact", {"attribute": WITHDRAWS}, Cut())))
    engine = chosen.bringing(tuples).run(reading, budget)
    dictionary = reading.reading.dictionary
    return {name: cells_of(engine.relation(name).table.read(), dictionary) for name in chosen.answers}


@cache
def _of_asked(may_withdraw: bool) -> Compiled:
    return answering(parse(CLAIMS if may_withdraw else CLAIMS_WITHOUT_WITHDRAWALS), COLUMNS, ASKED, SURVIVOR)


def contested(
    store: Store, cut: Cut, budget: Budget, keep: Callable[[Key], bool], at_once: int = REGISTERS_AT_ONCE
) -> Iterator[Register]:
    """The registers in which different values stand, of those that `keep` lets through; so many are evaluated together."""
    epoch = store.epoch() if cut.epoch is None else cut.epoch
    keys = (key for key in store.repeated(epoch) if keep(key))
    while some := list(islice(keys, at_once)):
        yield from (register for register in asked(store, cut, some, budget).values() if register.is_contested)


def asked(store: Store, cut: Cut, keys: Sequence[Key], budget: Budget) -> dict[Key, Register]:
    """Those of some registers that hold anything."""
    return group(_run(_of_asked, store, cut, {"asked": keys}, budget)[SURVIVOR])


def group(rows: Iterable[Row]) -> dict[Key, Register]:
    """Registers from the tuples of `survivor`, claims in order of rank."""
    found: dict[Key, Register] = {}
    for entity, attribute, value, fact, delta, author, time, counter in rows:
        key = (entity, attribute)
        if key not in found:
            found[key] = Register(entity, plain(attribute))  # type: ignore[index, arg-type]  # columns hold the kinds that `COLUMNS` says
        found[key].claims.append(  # type: ignore[index]  # columns hold the kinds that `COLUMNS` says
            Claim(plain(value), fact, delta, author, HybridTime(time, counter))  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
        )
    for register in found.values():
        register.claims.sort(key=lambda claim: claim.rank)
    return found


class Surroundings:
    """What an author who writes has around: the claims that stand, and what keeps a new claim from standing."""

    def __init__(self, derived: Derived | None, author: bytes) -> None:
        self._derived = derived
        self._registers = group(derived[SURVIVOR]) if derived else {}
        self._fallen: set[Row] = set()
        self._past: set[Row] = set()
        if derived is not None:
            self._fallen.update(derived["seen"])
            # What was taken back by name could stand again as the same fact; but whoever is behind and replaces the first
            # saying of it would replace the second, unseen. No write says a fact that stands, so this names none of them.
            self._fallen.update((e, a, fact) for fact, _, e, a, _ in derived["written"])
            for e, a, by, fact in derived["past"]:
                self._past.add((e, a, fact))
                if by == author:
                    self._fallen.add((e, a, fact))

    def claims(self, key: Key) -> list[Claim]:
        """The claims that stand in a register."""
        return self._registers[key].claims if key in self._registers else []

    def would_fall(self, key: Key, fact: Cid) -> bool:
        """Whether a fact could not stand as if it were new: it was said before, or a write of this author, or of one who
        saw the view, has it among its ancestors."""
        return (*key, fact) in self._fallen

    def is_past(self, key: Key, fact: Cid) -> bool:
        """Whether any write of the register has the fact among its ancestors: who joins that write, replaces the fact."""
        return (*key, fact) in self._past

    def heads(self, key: Key) -> set[Cid]:
        """The facts of a register that no other write of it has among its ancestors, standing or not."""
        assert self._derived is not None, "a register without writes has nothing that falls"
        written = {row[0] for row in self._derived["written"] if (row[2], row[3]) == key}
        past = {row[3] for row in self._derived["past"] if (row[0], row[1]) == key}
        return written - past  # type: ignore[return-value]  # facts are CIDs


@dataclass(frozen=True, slots=True)
class Fate:
    """What took a claim away: a word for it, and the facts that name the claim, if any do."""

    word: str
    by: tuple[Cid, ...] = ()


def fates(derived: Derived) -> Mapping[tuple[Cid, Cid], Fate]:
    """The fate of every claim (fact, delta) of the evaluated registers."""
    found: dict[tuple[Cid, Cid], Fate] = {}
    for fact, delta, *_ in derived["superseded"]:
        found[fact, delta] = Fate("replaced")  # type: ignore[index]  # columns hold the kinds that `COLUMNS` says
    for word, relation in (("retracted", "retracted"), ("withdrawn", "withdrawn")):
        for fact, delta, by in derived[relation]:
            found[fact, delta] = Fate(word, (by,))  # type: ignore[index, arg-type]  # columns hold the kinds that `COLUMNS` says
    return found


def batches(entities: Iterable[Entity], size: int) -> Iterator[list[Entity]]:
    """The entities in lists of at most `size`."""
    batch: list[Entity] = []
    for entity in entities:
        batch.append(entity)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
