"""HyperViews by a vocabulary: contexts and roles by the names that are shown, things that are one as one.

Nothing is written: the program asks for every name of everything, what it finds is read as if it had been said with the names
that the vocabulary shows (`translated`), and the view is put together by schemas that say those. Then each view gets the
names that its schema says itself: who asks for a `title` is given one. What it holds are the hyperedges as they were said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView, program_of, put_together
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest, Property, Schemas
from rhizomedb.hyper.vocabulary import Vocabulary

ONE: Final = "one"
"""The relation of the things that are one, as steps from any of them to any other over the one that is shown."""

_ONE: Final = """
// things that are one are shown as one
of(schema: S, object: Y) :- of(schema: S, object: X), one(thing: X, is: Y).
"""


def translated_program(schemas: Schemas, id: str, vocabulary: Vocabulary) -> str:
    """The program of the views of a schema over everything that a vocabulary says is the same; conditions are left to who reads."""
    wide = Schemas(_widened(each, vocabulary) for each in schemas.values())
    return f"relation {ONE}(thing: bytes, is: bytes).\n{program_of(wide, id, negation=False)}{_ONE}"


def one(vocabulary: Vocabulary) -> list[tuple[Entity, Entity]]:
    """The tuples of `one`."""
    return [
        pair
        for thing, shown in vocabulary.things.pairs()
        if thing != shown
        for pair in ((thing, shown), (shown, thing))
    ]


def put_together_translated(
    schemas: Schemas,
    id: str,
    entities: Sequence[Entity],
    shown: Iterable[tuple[str, Entity, str, Any]],
    read: Callable[[list[Any]], list[Hyperedge]],
    away: frozenset[Entity],
    vocabulary: Vocabulary,
) -> list[HyperView]:
    """The views of some things, as `put_together` makes them, by the names that are shown."""
    attributes, things = vocabulary.attributes, vocabulary.things
    said: dict[object, Hyperedge] = {}

    def read_translated(names: list[Any]) -> list[Hyperedge]:
        found = read(names)
        said.update((each.delta, each) for each in found)
        return [translated(each, vocabulary) for each in found]

    rows = [(of, things.shown(entity), attributes.shown(property), name) for of, entity, property, name in shown]
    known = Schemas(_renamed(each, attributes.shown) for each in schemas.values())
    views = put_together(known, id, [things.shown(each) for each in entities], rows, read_translated, away)
    owns = {each.id: _own_names(each, vocabulary) for each in schemas.values()}
    finals = {each.id: _renamed(each, owns[each.id]) for each in schemas.values()}
    waiting = list(views)
    met = set(map(_identity, views))
    while waiting:
        view = waiting.pop()
        own = owns[view.schema.id]
        for entries in view.properties.values():
            for entry in entries:
                targets = tuple((own(role), _at_home(target, view.entity, own)) for role, target in entry.targets)
                entry.rest_on(said[entry.edge.delta], targets)
                for _, target in targets:
                    if isinstance(target, HyperView) and _identity(target) not in met:
                        met.add(_identity(target))
                        waiting.append(target)
        named = {own(property): entries for property, entries in view.properties.items()}
        view.call_by(finals[view.schema.id], dict(sorted(named.items())))
    return views


def _at_home(target: Any, entity: Entity, own: Callable[[str], str]) -> Any:
    """A target that is the thing of the view itself shows up there under a name of the view's."""
    if isinstance(target, Reference) and target.entity == entity and target.context is not None:
        return Reference(entity, own(target.context))
    return target


def translated(edge: Hyperedge, vocabulary: Vocabulary) -> Hyperedge:
    """A hyperedge with the names that are shown in the place of others that mean the same."""
    attributes, things = vocabulary.attributes, vocabulary.things

    def target(at: Any) -> Any:
        if not isinstance(at, Reference):
            return at
        return Reference(things.shown(at.entity), None if at.context is None else attributes.shown(at.context))

    def said() -> Any:
        pointers = tuple(Pointer(attributes.shown(each.role), target(each.target)) for each in edge.pointers)
        return pointers, edge.claimed_author, edge.json

    return Hyperedge(edge.edge, edge.delta, edge.author, edge.system, edge.time, said, edge.is_negated)


def _renamed(schema: HyperSchema, name: Callable[[str], str]) -> HyperSchema:
    """A schema with other names; of several rules that come to one name, the one that was called so counts, else the first."""

    def nest(each: Nest) -> Nest:
        return Nest(each.schema, tuple(Condition(name(one.role), one.comparison, one.value) for one in each.when))

    def expected(each: Property) -> Property:
        return each if each.role is None else replace(each, role=name(each.role))

    return HyperSchema(
        schema.id,
        schema.name,
        None if schema.selects is None else frozenset(map(name, schema.selects)),
        _named({role: nest(each) for role, each in schema.nests.items()}, name),
        _named({property: expected(each) for property, each in schema.properties.items()}, name),
    )


def _named(rules: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in sorted(rules, key=lambda each: (each != name(each), each)):
        found.setdefault(name(each), rules[each])
    return found


def _own_names(schema: HyperSchema, vocabulary: Vocabulary) -> Callable[[str], str]:
    """From any name to the one of the same meaning that a schema says itself, else to the one that is shown."""
    attributes = vocabulary.attributes
    mentioned = {*(schema.selects or ()), *schema.nests, *schema.properties}
    mentioned.update(each.role for each in schema.properties.values() if each.role is not None)
    mentioned.update(one.role for each in schema.nests.values() for one in each.when)
    own: dict[str, str] = {}
    for each in sorted(mentioned, key=lambda each: (each != attributes.shown(each), each)):
        own.setdefault(attributes.shown(each), each)

    def name(each: str) -> str:
        shown = attributes.shown(each)
        return own.get(shown, shown)

    return name


def _widened(schema: HyperSchema, vocabulary: Vocabulary) -> HyperSchema:
    """A schema for the program alone: every name of what it selects, and of the roles that lead on."""
    names, said = vocabulary.attributes.all, _renamed(schema, vocabulary.attributes.shown)
    return HyperSchema(
        schema.id,
        schema.name,
        None if said.selects is None else frozenset(name for each in said.selects for name in names(each)),
        {name: Nest(each.schema) for role, each in said.nests.items() for name in names(role)},
    )


def _identity(view: HyperView) -> int:
    return id(view)
