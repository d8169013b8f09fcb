"""From what somebody wants to say to the facts that say it: causes are what the author had seen.

A person writing here has seen the view: what they say has as causes all that stood, replaces what they said
themselves, and takes back, claim by claim, what others said that differs. So whoever says the same elsewhere, or later,
unseen by that person, still stands against it. A source that is imported has seen only itself: what it says replaces
what it said before, whatever others say. Saying again what one already says adds nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import chain, islice
from typing import Literal, NamedTuple, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.crdt.policy import Claim
from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db.view import Key, Surroundings
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Group
from rhizomedb.facts.fact import CAUSES_MAX, Fact
from rhizomedb.facts.kernels import DIGEST_BYTES
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, check_attribute, check_value, exact, plain

Item: TypeAlias = Fact | tuple[Entity | str, Attribute, object]
"""What a transaction can be given: a whole fact, or an entity, an attribute and a value."""

Scope: TypeAlias = Literal["seen", "own"]
"""What a write replaces: what the view showed, or only what the same author said before."""

DELTA_FACTS_MAX = 1_000
"""Facts in one delta of ours: large enough that a signature costs nothing per fact, small enough to pass on."""

DELTA_BYTES_MAX = 900_000
"""Bytes of facts in one delta of ours, below the limit of a delta."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a write did: the epoch, the deltas and the facts that were new. Nothing new is no epoch."""

    epoch: int | None
    deltas: tuple[Cid, ...] = ()
    facts: int = 0

    def __bool__(self) -> bool:
        return self.epoch is not None


class Part(NamedTuple):
    """What one delta of a write says: facts, what they replace, and the hyperedge that they are, if any."""

    facts: Sequence[Fact]
    scope: Scope
    edge: Entity | None = None


def group_of(parts: Sequence[Part]) -> Group | None:
    """The group that makes the deltas of one write visible together, or none of them; one alone needs none."""
    return Group(secrets.token_bytes(16), len(parts)) if len(parts) > 1 else None


class Columns(NamedTuple):
    """Values of registers as columns: the entity, the attribute and the value of each, best entity by entity."""

    entities: list[Entity]
    attributes: list[Attribute]
    values: list[Value]

    def items(self) -> Iterator[tuple[Entity, Attribute, Value]]:
        """The same, one by one."""
        return zip(self.entities, self.attributes, self.values, strict=True)

    def at(self, places: Iterable[int]) -> Columns:
        """Some of them."""
        entities, attributes, values = self
        chosen = list(places)
        return Columns([entities[n] for n in chosen], [attributes[n] for n in chosen], [values[n] for n in chosen])

    def stretch(self) -> tuple[Columns, Stretch]:
        """What they are as facts without causes, each once; and the columns of these."""
        for attribute in set(self.attributes):
            check_unreserved(check_attribute(attribute))
        stretch = Stretch.from_columns(*self)
        if not stretch.has_repeats():
            return self, stretch
        digests = digests_of(stretch)
        once = self.at({digest: place for place, digest in reversed(list(enumerate(digests)))}.values())
        return once, Stretch.from_columns(*once)


@dataclass(slots=True)
class Wishes:
    """What is to be said: values by register, and whole facts as they are."""

    registers: dict[Key, list[Cell]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    def add(self, entity: Entity, attribute: Attribute, value: object) -> None:
        """Say a value of a register; several values of one register all stand together."""
        checked = check_attribute(attribute)
        check_unreserved(checked)
        cell = exact(check_value(value))
        values = self.registers.setdefault((entity, exact(checked)), [])
        if cell not in values:
            values.append(cell)

    def entities(self) -> list[Entity]:
        """The entities whose registers are written."""
        return list(dict.fromkeys(entity for entity, _ in self.registers))


def check_scope(scope: Scope) -> None:
    """Refuse a scope that there is not."""
    if scope not in ("seen", "own"):
        raise RequestError("db.usage", f"there is no scope {scope!r}", fix='scope="seen" or scope="own"')


def check_unreserved(attribute: Attribute) -> None:
    """Refuse an attribute of the database's own facts."""
    if is_reserved(attribute):
        raise RequestError(
            "db.reserved",
            f"{attribute!r} is reserved for the database's own facts",
            fix="choose another attribute name",
        )


def facts_as_person(
    wishes: Wishes, around: Surroundings, me: bytes, fact: Callable[[Cid], Fact], together: bool = False
) -> Iterator[Fact]:
    """What a person's wishes come to: new values, and what they take back; agreement joins the same fact.

    With `together` each entity is said whole, unless it stands so already.
    """
    whole = _said_together(wishes, around, me) if together else set()
    for key, values in wishes.registers.items():
        if key[0] in whole:
            continue
        claims = around.claims(key)
        if not together and claims and {exact(claim.value) for claim in claims} == set(values):
            joined = [_newest(claims, value) for value in values if not _says(claims, value, me)]
            # To join a fact is to have seen what it has seen: that must not replace what else this author says.
            own = [claim.fact for claim in claims if claim.author == me]
            if not joined or not any(around.is_past(key, cid) for cid in (*joined, *own)):
                yield from map(fact, joined)
                continue
        seen, rest = _causes(claims, me)
        yield from _anew(key, values, seen, around)
        differ = (claim for claim in claims if claim.author != me and exact(claim.value) not in values)
        yield from retractions(key[0], [*differ, *(claim for claim in rest if claim.author == me)])


def facts_as_source(wishes: Wishes, around: Surroundings, me: bytes, together: bool = False) -> Iterator[Fact]:
    """What a source's wishes come to, given what that source alone said before: changes replace its own old values.

    With `together` each entity is said whole, unless it stands so already.
    """
    whole = _said_together(wishes, around, me) if together else set()
    for key, values in wishes.registers.items():
        if key[0] in whole:
            continue
        claims = around.claims(key)
        if together:
            seen, rest = _causes(claims, None)
            yield from _anew(key, values, seen, around)
            yield from retractions(key[0], rest)
            continue
        before = {exact(claim.value) for claim in claims}
        dropped = [claim for claim in claims if exact(claim.value) not in values]
        added = [value for value in values if value not in before]
        if not added:
            yield from retractions(key[0], dropped)
            continue
        seen, rest = _causes(dropped, None)
        facts = [_fact(key, value, seen) for value in added]
        if any(around.would_fall(key, fact.cid) for fact in facts):
            seen, rest = _causes(claims, None)
            yield from _anew(key, values, seen, around)
        else:
            yield from facts
        yield from retractions(key[0], rest)


def _said_together(wishes: Wishes, around: Surroundings, me: bytes) -> set[Entity]:
    """The entities of which just what is wished stands, all of it said by one delta of this author."""
    by_entity: dict[Entity, list[Key]] = {}
    for key in wishes.registers:
        by_entity.setdefault(key[0], []).append(key)
    found = set()
    for entity, keys in by_entity.items():
        saying: set[Cid] | None = None
        for key in keys:
            claims = around.claims(key)
            if {exact(claim.value) for claim in claims} != set(wishes.registers[key]):
                break
            for value in wishes.registers[key]:
                mine = {claim.delta for claim in claims if claim.author == me and exact(claim.value) == value}
                saying = mine if saying is None else saying & mine
        else:
            if saying:
                found.add(entity)
    return found


def _anew(key: Key, values: Iterable[Cell], causes: set[Cid], around: Surroundings) -> Iterator[Fact]:
    """All values of a register as facts that will stand: if one was replaced before, the newest writes are causes too."""
    facts = [_fact(key, value, causes) for value in values]
    if any(around.would_fall(key, fact.cid) for fact in facts):
        causes = set(islice(chain(around.heads(key), causes), CAUSES_MAX))
        facts = [_fact(key, value, causes) for value in values]
    yield from facts


def _causes(claims: Iterable[Claim], me: bytes | None) -> tuple[set[Cid], list[Claim]]:
    """The facts that a new one names as causes, and the claims for which there is no room: they are taken back by name.

    One's own come first, then the most recent: as many as a fact can have, short of what `_anew` may add.
    """
    ordered = sorted(claims, key=lambda claim: (claim.author == me, claim.rank), reverse=True)
    causes: dict[Cid, None] = {}
    rest = []
    for claim in ordered:
        if claim.fact in causes or len(causes) < CAUSES_MAX // 2:
            causes[claim.fact] = None
        else:
            rest.append(claim)
    return set(causes), rest


def _fact(key: Key, value: Cell, causes: set[Cid]) -> Fact:
    return Fact(key[0], plain(key[1]), plain(value), causes)  # type: ignore[arg-type]  # cells of checked values


def _newest(claims: Iterable[Claim], value: Cell) -> Cid:
    return max((claim for claim in claims if exact(claim.value) == value), key=lambda claim: claim.rank).fact


def _says(claims: Iterable[Claim], value: Cell, author: bytes) -> bool:
    return any(claim.author == author and exact(claim.value) == value for claim in claims)


def retractions(entity: Entity, claims: Iterable[Claim]) -> Iterator[Fact]:
    """The facts that take claims back: each names the delta that made the claim, and the fact as its cause."""
    for claim in claims:
        yield Fact(entity, RETRACTS, claim.delta, (claim.fact,))


def batches(facts: Iterable[Fact | Stretch]) -> Iterator[Sequence[Fact]]:
    """Facts in lists that fit a delta, without repetition within one list; long stretches, which have none, as they are."""
    batch: dict[Cid, Fact] = {}
    size = 0
    for item in facts:
        if type(item) is Stretch and len(item) >= DELTA_FACTS_MAX // 2:
            yield from _pieces(item)
            continue
        for fact in item if type(item) is Stretch else (item,):
            length = len(fact.encode())
            if batch and (len(batch) >= DELTA_FACTS_MAX or size + length > DELTA_BYTES_MAX):
                yield list(batch.values())
                batch, size = {}, 0
            if fact.cid not in batch:
                batch[fact.cid] = fact
                size += length
    if batch:
        yield list(batch.values())


def whole_batches(facts: Iterable[Fact]) -> Iterator[Sequence[Fact]]:
    """The same, but that all facts of one entity are in one list, and so in one delta."""
    by_entity: dict[Entity, dict[Cid, Fact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, {})[fact.cid] = fact
    batch: list[Fact] = []
    size = 0
    for of_entity in by_entity.values():
        length = sum(len(fact.encode()) for fact in of_entity.values())
        if batch and (len(batch) + len(of_entity) > DELTA_FACTS_MAX or size + length > DELTA_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch += of_entity.values()
        size += length
    if batch:
        yield batch


def _pieces(stretch: Stretch) -> Iterator[Stretch]:
    """A stretch in pieces of about the same size that fit a delta."""
    many = max(-(-len(stretch) // DELTA_FACTS_MAX), -(-len(stretch.encode()) // DELTA_BYTES_MAX))
    count = len(stretch)
    for number in range(many):
        piece = stretch[count * number // many : count * (number + 1) // many]
        if len(piece) > 1 and len(piece.encode()) > DELTA_BYTES_MAX:  # its facts are longer than those of the others
            half = len(piece) // 2
            yield from _pieces(piece[:half])
            yield from _pieces(piece[half:])
        elif piece:
            yield piece


def digests_of(stretch: Stretch) -> list[bytes]:
    """The digests of facts, one by one."""
    digests = stretch.digests
    return [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]
