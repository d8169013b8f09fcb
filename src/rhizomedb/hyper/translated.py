"""HyperViews by a vocabulary: contexts and roles by the names that are shown, things that are one as one.

Nothing is written: what shows up under any name of a thing is read as if it had been said with the names that the vocabulary
shows (`translated`), by schemas that say those. Then each view gets the names that its schema says itself: who asks for a
`title` is given one. What it holds are the hyperedges as they were said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import Entry, HyperView
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference, Said
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest, Property, Schemas
from rhizomedb.hyper.vocabulary import Vocabulary
from rhizomedb.hyper.walking import Away, Read, Under, walk


def walk_translated(
    schemas: Schemas, id: str, entities: Sequence[Entity], under: Under, read: Read, away: Away, vocabulary: Vocabulary
) -> list[HyperView]:
    """The views of some things, as `walk` makes them, over everything that a vocabulary says is the same."""
    attributes, things = vocabulary.attributes, vocabulary.things
    said: dict[bytes, Hyperedge] = {}

    def under_all(entity: Entity) -> Iterator[tuple[str, Any]]:
        return ((attributes.shown(context), name) for each in things.all(entity) for context, name in under(each))

    def read_translated(names: list[Any]) -> list[Hyperedge]:
        found = read(names)
        said.update((each.rank[2], each) for each in found)
        return [translated(each, vocabulary) for each in found]

    known = Schemas(_renamed(each, attributes.shown) for each in schemas.values())
    views = walk(known, id, [things.shown(each) for each in entities], under_all, read_translated, away)
    return _with_own_names(views, schemas, vocabulary, said)


def _with_own_names(
    views: Sequence[HyperView], schemas: Schemas, vocabulary: Vocabulary, said: Mapping[bytes, Hyperedge]
) -> list[HyperView]:
    """The same views by the names that their schemas say themselves, of the hyperedges as they were said."""
    owns = {each.id: _own_names(each, vocabulary) for each in schemas.values()}
    finals = {each.id: _renamed(each, owns[each.id]) for each in schemas.values()}
    made: dict[int, tuple[HyperView, dict[str, tuple[Entry, ...]]]] = {}
    waiting: list[HyperView] = []

    def final(view: HyperView) -> HyperView:
        if _identity(view) not in made:
            properties: dict[str, tuple[Entry, ...]] = {}
            made[_identity(view)] = HyperView(view.entity, finals[view.schema.id], properties), properties
            waiting.append(view)
        return made[_identity(view)][0]

    found = [final(view) for view in views]
    while waiting:
        view = waiting.pop()
        own, properties = owns[view.schema.id], made[_identity(view)][1]

        def target(at: Any, entity: Entity = view.entity, own: Callable[[str], str] = own) -> Any:
            if isinstance(at, HyperView):
                return final(at)
            if isinstance(at, Reference) and at.entity == entity and at.context is not None:
                return Reference(entity, own(at.context))  # where the thing of the view itself shows up
            return at

        for property, entries in sorted((own(property), entries) for property, entries in view.properties.items()):
            properties[property] = tuple(
                [
                    Entry(said[each.edge.rank[2]], tuple([(own(role), target(at)) for role, at in each.targets]))
                    for each in entries
                ]
            )
    return found


def translated(edge: Hyperedge, vocabulary: Vocabulary) -> Hyperedge:
    """A hyperedge with the names that are shown in the place of others that mean the same."""
    attributes, things = vocabulary.attributes, vocabulary.things

    def target(at: Any) -> Any:
        if not isinstance(at, Reference):
            return at
        return Reference(things.shown(at.entity), None if at.context is None else attributes.shown(at.context))

    def said(as_it_was: Hyperedge) -> Said:
        pointers = tuple(Pointer(attributes.shown(each.role), target(each.target)) for each in as_it_was.pointers)
        return pointers, as_it_was.claimed_author, as_it_was.json

    return Hyperedge(edge.edge, edge.author, edge.system, edge.rank, edge, said, edge.is_negated)


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


def _identity(view: HyperView) -> int:
    return id(view)
