"""HyperViews: what a schema shows of a thing, as a program over the facts of hyperedges, and put together from its tuples.

The program says which hyperedges show up under which property of which thing, and which things are shown by which schema
because of that. Each is derived once, however many ways lead to it: a view that many others share is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, TypeAlias, final

from rhizomedb._record import dataclass
from rhizomedb.errors import BudgetExceeded
from rhizomedb.facts.value import Entity
from rhizomedb.hyper import json_delta
from rhizomedb.hyper.negation import BY_ANYBODY, BY_AUTHORISED
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.primitive import primitive
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.logic.syntax import show_value

ASKED: Final = "asked"
SHOWN: Final = "shown"
OF: Final = "of"
"""The relations of the program: the things that are asked for; what shows up; what is shown by which schema."""

_RANK: Final = attrgetter("rank")

ENTRIES_MAX: Final = 1_000_000
"""How many entries a view may have, each counted once for each place at which it is written out."""

_SHOWN: Final = """\
shown(schema: {schema}, object: O, property: {property}, edge: E, delta: D) :-
    of(schema: {schema}, object: O), F := fact(entity: O, attribute: {property}, value: E),
    asserts(delta: D, fact: F), delta(id: D, edge: E){unless}.
"""

_NOTHING: Final = """\
shown(schema: {schema}, object: O, property: "", edge: O, delta: O) :- of(schema: {schema}, object: O), O != O.
"""

_NESTED: Final = """\
of(schema: {nested}, object: X) :-
    shown(schema: {schema}, object: O, edge: E, delta: D), G := fact(entity: E, attribute: {role}, value: X),
    asserts(delta: D, fact: G), X != O{when}.
"""

_WHEN: Final = """,
    H{n} := fact(entity: E, attribute: {role}, value: V{n}), asserts(delta: D, fact: H{n}), V{n} {comparison} {value}"""


def program_of(
    schemas: Schemas, id: str, things: Iterable[Entity] | None = None, trusted: Iterable[bytes] | None = None
) -> str:
    """The PomoLogic program of the views of a schema: of the things that are `asked` for, what is `shown`.

    Without `things` the relation `asked` is declared and comes from elsewhere. What is taken back is left out: by whoever
    says so, or where some are `trusted` by these and by who said it.
    """
    said = _given(ASKED, "object", things)
    said.append(f"of(schema: {show_value(id)}, object: O) :- asked(object: O).\n")
    unless = ", !negated(edge: E)"
    for schema in sorted(schemas.reached(id), key=lambda schema: schema.id):
        of = show_value(schema.id)
        said.append(f"\n// {' '.join(schema.name.split())}\n")
        if schema.selects is None:
            said.append(_SHOWN.format(schema=of, property="P", unless=unless))
        else:
            said += [
                _SHOWN.format(schema=of, property=show_value(each), unless=unless) for each in sorted(schema.selects)
            ]
        if schema.selects == frozenset():
            said.append(_NOTHING.format(schema=of))
        for role, nest in sorted(schema.nests.items()):
            when = "".join(
                _WHEN.format(n=n, role=show_value(each.role), comparison=each.comparison, value=show_value(each.value))
                for n, each in enumerate(nest.when)
            )
            said.append(_NESTED.format(nested=show_value(nest.schema), schema=of, role=show_value(role), when=when))
    if trusted is None:
        return "".join([*said, "\n", BY_ANYBODY])
    authors = [b"", *sorted(trusted)]  # nobody is b"": a relation has to have a tuple
    return "".join([*said, "\n", *_given("trusted", "author", authors), BY_AUTHORISED])


def _given(relation: str, column: str, tuples: Iterable[bytes] | None) -> list[str]:
    """A relation that comes from elsewhere, or the facts that it has."""
    if tuples is None:
        return [f"relation {relation}({column}: bytes).\n"]
    return [f"{relation}({column}: {show_value(each)}).\n" for each in dict.fromkeys(tuples)]


Targets: TypeAlias = "tuple[tuple[str, Any], ...]"


@final
class Entry:
    """A hyperedge as a view has it: the targets of its pointers, those that are shown by a schema as views."""

    __slots__ = ("_targets", "edge")

    edge: Hyperedge
    _targets: Targets | None

    def __init__(self, edge: Hyperedge, targets: Targets | None = None) -> None:
        self.edge = edge
        self._targets = targets

    @property
    def targets(self) -> Targets:
        """The role and target of each pointer, in order; where nothing is nested they are those of the hyperedge."""
        if self._targets is None:
            self._targets = tuple([(pointer.role, pointer.target) for pointer in self.edge.pointers])
        return self._targets

    def values(self, role: str) -> list[Any]:
        """The targets of a role: values, things, or views."""
        return [target for name, target in self.targets if name == role]

    def _pairs(self, other: Entry) -> list[tuple[HyperView, HyperView]] | None:
        """The views inside that have to be the same for another entry to be the same as this; None where it is not anyway."""
        if self.edge != other.edge:
            return None
        if self is other or (self._targets is None and other._targets is None):
            return []
        inside = []
        if len(self.targets) != len(other.targets):
            return None
        for (role, target), (its_role, its_target) in zip(self.targets, other.targets, strict=True):
            if role == its_role and type(target) is HyperView and type(its_target) is HyperView:
                inside.append((target, its_target))
            elif role != its_role or target != its_target:
                return None
        return inside

    def __eq__(self, other: object) -> bool:
        if type(other) is not Entry:
            return False
        inside = self._pairs(other)
        return inside is not None and all(one == two for one, two in inside)

    def __hash__(self) -> int:
        return hash(self.edge)

    def __repr__(self) -> str:
        return f"<Entry {self.edge!r}>"


@dataclass(frozen=True, slots=True)
class HyperView:
    """What a schema shows of a thing: under each property the hyperedges that point at it there, oldest first.

    A view that is reached in several ways is one object. `to_dict` writes it out as the RhizomeDB reference does.
    """

    entity: Entity
    schema: HyperSchema
    properties: Mapping[str, tuple[Entry, ...]]

    @property
    def id(self) -> str:
        """The id of the thing as text."""
        return json_delta.id_of(self.entity)

    def __eq__(self, other: object) -> bool:
        """Whether another view shows the same; views that many others share are compared once."""
        if type(other) is not HyperView:
            return NotImplemented
        met: set[tuple[int, int]] = set()
        waiting = [(self, other)]
        while waiting:
            one, two = waiting.pop()
            if one is two or (id(one), id(two)) in met:
                continue
            met.add((id(one), id(two)))
            if (one.entity, one.schema, one.properties.keys()) != (two.entity, two.schema, two.properties.keys()):
                return False
            for property, entries in one.properties.items():
                others = two.properties[property]
                if len(entries) != len(others):
                    return False
                for entry, its in zip(entries, others, strict=True):
                    inside = entry._pairs(its)
                    if inside is None:
                        return False
                    waiting += inside
        return True

    def __hash__(self) -> int:
        return hash((self.entity, self.schema.id))

    def __getitem__(self, property: str) -> tuple[Entry, ...]:
        return self.properties.get(property, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self.properties)

    def __len__(self) -> int:
        return len(self.properties)

    def __repr__(self) -> str:
        shown = ", ".join(f"{property} ({len(entries)})" for property, entries in self.properties.items())
        return f"<HyperView of {self.id} by {self.schema.name}: {shown or 'nothing'}>"

    def missing(self) -> list[str]:
        """The properties that the schema requires and that nothing shows, or only what is taken back."""
        required = (name for name, each in self.schema.properties.items() if each.required)
        return [name for name in required if all(entry.edge.is_negated for entry in self[name])]

    def to_dict(self, name: Callable[[bytes], str] = bytes.hex, most: int = ENTRIES_MAX) -> dict[str, Any]:
        """The view as plain data: `id`, and of each property a list of JSON deltas, nested views in the place of targets.

        A property that is itself called `id` is written as `id[]`, and what is marked as taken back has `is_negated`.
        `name` says what an author's key is called. More than `most` entries, counted wherever they are written, are
        `budget.facts`.
        """
        left = most

        def written(view: HyperView) -> dict[str, Any]:
            nonlocal left
            out: dict[str, Any] = {"id": view.id}
            for property, entries in view.properties.items():
                left -= len(entries)
                if left < 0:
                    raise BudgetExceeded(
                        "budget.facts", f"the view has more than {most:,} entries where they are all written"
                    )
                out["id[]" if property == "id" else property] = [entry(each) for each in entries]
            return out

        def entry(each: Entry) -> dict[str, Any]:
            said = json_delta.of_hyperedge(each.edge, name(each.edge.author))
            targets = [{"role": role, "target": _plain(target, written)} for role, target in each.targets]
            return {**said, "pointers": targets, **({"is_negated": True} if each.edge.is_negated else {})}

        return written(self)


def _plain(target: Any, written: Callable[[HyperView], dict[str, Any]]) -> Any:
    return written(target) if isinstance(target, HyperView) else json_delta.target_of(target)


def entries_of(
    edges: Iterable[Hyperedge],
    entity: Entity,
    property: str,
    schema: HyperSchema,
    view_of: Callable[[tuple[str, Entity]], Any],
) -> tuple[Entry, ...]:
    """What a property of a thing shows of some hyperedges, oldest first; `view_of` gives the view of a schema and a thing."""
    fitting = sorted(_fitting(edges, schema, property), key=_RANK)
    if not schema.nests:
        return tuple(map(Entry, fitting))
    return tuple([Entry(edge, tuple(_targets(edge, entity, schema, view_of))) for edge in fitting])


def _targets(
    edge: Hyperedge, entity: Entity, schema: HyperSchema, view_of: Callable[[tuple[str, Entity]], Any]
) -> Iterator[tuple[str, Any]]:
    for pointer in edge.pointers:
        target = pointer.target
        nest = schema.nests.get(pointer.role)
        if (
            nest is not None
            and isinstance(target, Reference)
            and target.entity != entity
            and all(each.holds(edge) for each in nest.when)
        ):
            yield pointer.role, view_of((nest.schema, target.entity))
        else:
            yield pointer.role, target


def _fitting(edges: Iterable[Hyperedge], schema: HyperSchema, property: str) -> Iterable[Hyperedge]:
    """The hyperedges that have a value that the property may have; where nothing is expected, all."""
    expected = schema.properties.get(property)
    if expected is None or expected.kind is None:
        return edges
    holds = primitive(expected.kind).holds
    role = expected.role or property
    return (edge for edge in edges if any(map(holds, edge.targets(role))))
