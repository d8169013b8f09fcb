"""Hyperedges: one statement that ties any number of things together, laid out as facts.

A hyperedge is a delta whose `edge` is set. Each of its pointers is a *role fact* ⟨edge, role, target⟩; the target is an
entity (bytes) for a reference, else a value. A reference with a context, which says under which property of its target
the statement shows up, is a *context fact* ⟨target, context, edge⟩ besides, with the role fact as its cause. So plain
facts lead from either end to the other, and which role belongs to which context is exact.

Facts of a hyperedge count only where a delta of that very edge says them: nobody adds a pointer to what somebody else
said. Who hyperedges were taken over from, and what facts cannot hold of them, stands in facts under reserved names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn, TypeAlias, final

from rhizomedb._record import dataclass
from rhizomedb.errors import ValueRefused
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_name, is_reserved
from rhizomedb.facts.value import Entity, check_entity, check_value, exact

CLAIMED_AUTHOR: Final = "rhizome/claimed-author"
"""Whom an unsigned statement names as its author. Nobody has verified that."""

AS_JSON: Final = "rhizome/json"
"""What a JSON delta was, where its pointers alone would not give it back."""

BARE: Final = "rhizome/bare"
"""What a hyperedge without pointers says, for a delta says at least one fact."""

NEGATES: Final = "negates"
NEGATED_BY: Final = "negated_by"
"""The role by which a negation points at what it takes back, and the context under which that shows it."""

POINTERS_MAX: Final = 10_000
"""How many pointers one hyperedge may have."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A pointer's target that is a thing: its entity, and under which property of it the hyperedge shows up, if any."""

    entity: Entity
    context: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "entity", check_entity(self.entity))
        if self.context is not None:
            _check_name("context", self.context)


Target: TypeAlias = Reference | bool | int | float | str | Cid


@dataclass(frozen=True, slots=True)
class Pointer:
    """One end of a hyperedge: the role that the target plays in it, and the target."""

    role: str
    target: Target

    def __post_init__(self) -> None:
        _check_name("role", self.role)
        if not isinstance(self.target, Reference):
            target = check_value(self.target)
            if isinstance(target, bytes):
                raise ValueRefused(
                    "hyper.target", "bytes are no primitive target", fix="Reference(entity), for a thing that is meant"
                )
            object.__setattr__(self, "target", target)

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two pointers the same: `1`, `1.0` and `True` are three targets."""
        target = self.target
        return (self.role, target if isinstance(target, Reference) else exact(target))


def trusted_pointer(role: str, target: Target) -> Pointer:
    """A pointer from parts that were checked when they were said."""
    pointer: Pointer = _new(Pointer)
    _set_role(pointer, role)
    _set_target(pointer, target)
    return pointer


def trusted_reference(entity: Entity, context: str | None) -> Reference:
    """A reference from parts that were checked when they were said."""
    reference: Reference = _new(Reference)
    _set_entity(reference, entity)
    _set_context(reference, context)
    return reference


_new: Any = object.__new__
_set_role, _set_target, _set_entity, _set_context = (
    getattr(of, name).__set__
    for of, name in ((Pointer, "role"), (Pointer, "target"), (Reference, "entity"), (Reference, "context"))
)
"""How the slots of a frozen object are filled by who makes it."""


def _check_name(what: str, name: object) -> None:
    if type(name) is not str or not name:
        raise ValueRefused("hyper.name", f"a {what} is a text that is not empty, not {name!r:.60}")
    check_value(name)
    if is_reserved(name):
        raise ValueRefused("hyper.name", f"the {what} {name!r:.60} is reserved for the database's own facts")


Said: TypeAlias = "tuple[tuple[Pointer, ...], str | None, str | None]"
"""What a hyperedge says: its pointers, whom it names as its author, and its text as JSON where that is needed."""


Rank: TypeAlias = tuple[int, int, bytes]
"""Milliseconds and counter of a claimed time, and the digest of the delta's CID."""


@final
class Hyperedge:
    """A hyperedge as one delta says it: its pointers in order, who says it, and when that is claimed to have been.

    `author` is the key that signed, which is verified. `claimed_author` is a name that the statement carries, which is
    not: only that `author` passed it on. Immutable, and the same as another that the same delta says.
    """

    __slots__ = ("_parts", "_read", "author", "edge", "is_negated", "rank", "system")

    edge: Entity
    author: bytes
    system: str
    rank: Rank
    """The order of hyperedges: claimed time, then the delta, so that the order of arrival never shows."""
    is_negated: bool
    _read: Callable[[Any], Said] | None
    _parts: Any

    def __init__(
        self,
        edge: Entity,
        author: bytes,
        system: str,
        rank: Rank,
        parts: Any,
        read: Callable[[Any], Said] | None = None,
        is_negated: bool = False,
    ) -> None:
        """`parts` is what it says, or what `read` makes that of: many are found at which nobody looks."""
        _set_edge(self, edge)
        _set_author(self, author)
        _set_system(self, system)
        _set_rank(self, rank)
        _set_parts(self, parts)
        _set_read(self, read)
        _set_is_negated(self, is_negated)

    @property
    def delta(self) -> Cid:
        """The delta that says it."""
        return Cid._trusted(PREFIX + self.rank[2])

    @property
    def time(self) -> HybridTime:
        """When it is claimed to have been said."""
        return HybridTime(self.rank[0], self.rank[1])

    def _said(self) -> Said:
        read = (
            self._read
        )  # before the parts: who reads them elsewhere, or was interrupted, leaves them so that they are told apart
        said: Said = self._parts
        if read is not None and type(said) is not tuple:
            said = read(said)
            _set_parts(self, said)
            _set_read(self, None)
        return said

    @property
    def pointers(self) -> tuple[Pointer, ...]:
        """Its ends, in the order in which they are said."""
        return self._said()[0]

    @property
    def claimed_author(self) -> str | None:
        """Whom it names as its author, if anybody; nobody has verified that."""
        return self._said()[1]

    @property
    def json(self) -> str | None:
        """The JSON delta that it was, where its pointers alone would not give it back."""
        return self._said()[2]

    def as_negated(self) -> Hyperedge:
        """The same, marked as taken back."""
        return Hyperedge(self.edge, self.author, self.system, self.rank, self._said(), None, True)

    @property
    def references(self) -> Iterator[Reference]:
        """The targets that are things."""
        return (pointer.target for pointer in self.pointers if isinstance(pointer.target, Reference))

    @property
    def negates(self) -> tuple[Entity, ...]:
        """The hyperedges that this one takes back."""
        targets = (pointer.target for pointer in self.pointers if pointer.role == NEGATES)
        return tuple(target.entity for target in targets if isinstance(target, Reference))

    def targets(self, role: str) -> list[Target]:
        """The targets of a role, in order."""
        return [pointer.target for pointer in self.pointers if pointer.role == role]

    def __eq__(self, other: object) -> bool:
        return type(other) is Hyperedge and (other.rank[2], other.is_negated) == (self.rank[2], self.is_negated)

    def __hash__(self) -> int:
        return hash(self.rank[2])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a hyperedge does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a hyperedge does not change: {name} cannot be deleted")

    def __repr__(self) -> str:
        said = ", ".join(f"{pointer.role}={_shown(pointer.target)}" for pointer in self.pointers)
        return f"<Hyperedge {_called(self.edge)}: {said}{', taken back' if self.is_negated else ''}>"


def _shown(target: Target) -> str:
    if not isinstance(target, Reference):
        return f"{target!r:.40}"
    return f"→ {_called(target.entity)}" + (f" · {target.context:.40}" if target.context is not None else "")


def _called(entity: Entity) -> str:
    """An id as the text that it is, else how it begins in hexadecimal."""
    text = entity.decode(errors="replace")
    return f"{text:.40}" if text and text.isprintable() and "\ufffd" not in text else f"0x{entity.hex()[:12]}"


_set_edge, _set_author, _set_system, _set_rank, _set_parts, _set_read, _set_is_negated = (
    getattr(Hyperedge, name).__set__ for name in ("edge", "author", "system", "rank", "_parts", "_read", "is_negated")
)


def facts_of(
    edge: Entity, pointers: Sequence[Pointer], claimed_author: str | None = None, json: str | None = None
) -> list[Fact]:
    """The facts that say a hyperedge, in the order of its pointers; a pointer that is there twice is said once."""
    if len(pointers) > POINTERS_MAX:
        raise ValueRefused(
            "hyper.too-many", f"a hyperedge has at most {POINTERS_MAX:,} pointers", fix="say it as several hyperedges"
        )
    said: dict[Fact, None] = {}
    for pointer in pointers:
        target = pointer.target
        if not isinstance(target, Reference):
            said[Fact(edge, pointer.role, target)] = None
            continue
        role = Fact(edge, pointer.role, target.entity)
        said[role] = None
        if target.context is not None:
            said[Fact(target.entity, target.context, edge, [role.cid])] = None
    for attribute, text in ((CLAIMED_AUTHOR, claimed_author), (AS_JSON, json)):
        if text is not None:
            said[Fact(edge, attribute, text)] = None
    return list(said) or [Fact(edge, BARE, True)]


def hyperedge_of(delta: Delta) -> Hyperedge | None:
    """The hyperedge that a delta says; None if it says none."""
    if delta.edge is None:
        return None
    own = {
        fact.attribute: fact.value
        for fact in delta.facts
        if fact.entity == delta.edge and fact.attribute in (CLAIMED_AUTHOR, AS_JSON) and isinstance(fact.value, str)
    }
    said = tuple(pointers_of(delta.edge, delta.facts)), own.get(CLAIMED_AUTHOR), own.get(AS_JSON)
    rank = (delta.time.ms, delta.time.counter, bytes(delta.id)[len(PREFIX) :])
    return Hyperedge(delta.edge, delta.author, delta.system, rank, said)


def pointers_of(edge: Entity, facts: Iterable[Fact]) -> list[Pointer]:
    """The pointers that the facts of one delta say of its edge, in order. What is no pointer is passed over."""
    facts = list(facts)
    contexts: dict[Cid, list[str]] = {}
    for fact in facts:
        if fact.value == edge and type(fact.value) is bytes and len(fact.causes) == 1 and is_name(fact.attribute):
            contexts.setdefault(fact.causes[0], []).append(fact.attribute)
    found: list[Pointer] = []
    for fact in facts:
        if fact.entity != edge or not is_name(fact.attribute):
            continue
        if fact.value == edge and fact.causes:  # it shows the edge under a context of itself
            continue
        role, target = fact.attribute, fact.value
        if type(target) is bytes:
            # A context fact names its role fact, which says the same target.
            found += [Pointer(role, Reference(target, context)) for context in contexts.get(fact.cid, [None])]
        else:
            found.append(Pointer(role, target))  # type: ignore[arg-type]  # bytes went before
    return found
