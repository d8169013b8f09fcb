"""Saying instances of typed classes: what differs from what a view shows, and nothing else.

A value that is not shown is said; what the author said before of that property is taken back. Where that was part of a
hyperedge that says more, it is said anew with everything else as it was, so that changing the name of a character does not
take away who played it. Nobody takes back here what others say.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.db.graph.choosing import choosing
from rhizomedb.db.graph.hyperedges import Thing, check_list
from rhizomedb.db.graph.hypergraph import HypergraphWriter
from rhizomedb.db.transaction import Part, Transaction, group_of
from rhizomedb.errors import RequestError
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.instance import can_take_id, entity_in, target_of, wanted_of
from rhizomedb.hyper.json_delta import entity_of, id_of
from rhizomedb.hyper.pointer import NEGATED_BY, NEGATES, Hyperedge, Pointer, Reference, facts_of
from rhizomedb.hyper.primitive import primitive
from rhizomedb.hyper.resolution import Choose, key_of, property_key
from rhizomedb.hyper.typed import IDENTITY, TypedClass, typed
from rhizomedb.hyper.typed_field import Ref, TypedField, is_typed

Key: TypeAlias = object
"""What makes two targets the same."""

INSTANCES_MAX = 100_000
"""How many instances are said together."""


@dataclass(frozen=True, slots=True)
class Saved(Transaction):
    """What saying an instance did: a transaction, and the `thing` that it is of."""

    thing: Entity = b""


def save(
    db: HypergraphWriter,
    instance: Any,
    thing: Thing | None,
    policy: str | Choose,
    policies: Mapping[str, str | Choose] | None,
    trusted: Iterable[str] | None,
    author: str | None,
) -> Saved:
    """See `ViewingWriter.save`."""
    if isinstance(instance, type):
        raise RequestError(
            "db.usage", f"{instance.__name__} is a class, not an instance", fix=f"{instance.__name__}(…)"
        )
    chosen = choosing(db, policy, policies)
    trusted = None if trusted is None else list(check_list(trusted))
    db._release_if_due()
    named = _named(instance, None if thing is None else db.thing(thing))

    def say() -> Transaction:
        key = db._key(author)
        edits = _Edits()
        of: dict[type[Any], list[tuple[Entity, Any]]] = {}
        for entity, each in named.instances():
            of.setdefault(type(each), []).append((entity, each))
        for cls, some in of.items():
            views = db.hyperviews([entity for entity, _ in some], cls, trusted=trusted)
            for view, (_, each) in zip(views, some, strict=True):
                _edit(edits, typed(cls), each, view, chosen.shown(view), key.public, named)
        parts = list(edits.parts())
        return db._say(parts, key, author, f"save {type(instance).__name__}", group_of(parts))

    done: Transaction = db._write(say)
    named.write_down()
    return Saved(done.epoch, done.deltas, done.facts, named.of(instance) or b"")


# -- which things ------------------------------------------------------------------------------------------------------


class _Named:
    """Instances, each with the thing that it is of; new things for those that have none."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Any, Entity]] = {}
        self._by_entity: dict[tuple[type[Any], Entity], Any] = {}
        self._new: list[tuple[Any, Entity]] = []

    def add(self, instance: Any, entity: Entity | None) -> bool:
        """Note an instance; whether it is one more that says something."""
        if id(instance) in self._of:
            return False
        if len(self._of) >= INSTANCES_MAX:
            raise RequestError("hyper.instance", f"more than {INSTANCES_MAX:,} instances hang together", fix="use Ref")
        if entity is None:
            entity = self._minted(instance)
        self._of[id(instance)] = instance, entity
        before = self._by_entity.setdefault((type(instance), entity), instance)
        if before is instance:
            return True
        if any(getattr(before, each.name) != getattr(instance, each.name) for each in typed(type(instance)).fields):
            raise RequestError(
                "hyper.instance",
                f"two instances are of {id_of(entity)}, and say different things",
                where=type(instance).__name__,
                fix="one instance for one thing",
            )
        return False

    def _minted(self, instance: Any) -> Entity:
        name = type(instance).__name__
        if typed(type(instance)).identity is None:
            raise RequestError(
                "hyper.instance",
                f"{name} has no field `id`, so nobody knows which thing this is",
                fix=f"db.save(…, thing), or a field `id: str` in {name}",
            )
        if not can_take_id(instance):
            raise RequestError(
                "hyper.instance",
                f"{name} is frozen, so the id of a new thing cannot be written down in it",
                fix='give it one: id="matrix"',
            )
        entity = secrets.token_bytes(ENTITY_BYTES)
        self._new.append((instance, entity))
        return entity

    def of(self, instance: Any) -> Entity | None:
        """The thing of an instance, if it was noted."""
        found = self._of.get(id(instance))
        return None if found is None else found[1]

    def instances(self) -> Iterator[tuple[Entity, Any]]:
        """The things, each with the instance that says it."""
        return ((entity, instance) for (_, entity), instance in self._by_entity.items())

    def write_down(self) -> None:
        """Give new things their ids."""
        for instance, entity in self._new:
            setattr(instance, IDENTITY, entity if typed(type(instance)).identity is bytes else id_of(entity))


def _named(instance: Any, thing: Entity | None) -> _Named:
    """An instance and all that it leads to."""
    own = entity_in(instance)
    if thing is not None and own not in (None, thing):
        raise RequestError(
            "hyper.instance",
            f"it is of {id_of(own or b'')}, not of {id_of(thing)}",
            where=f"{type(instance).__name__}.id",
            fix="leave one of them out",
        )
    named = _Named()
    named.add(instance, thing or own)
    waiting = [instance]
    while waiting:
        each = waiting.pop()
        cls = typed(type(each))
        for field in cls.fields:
            for value in wanted_of(cls, field, each):
                if is_typed(type(value)) and named.add(value, entity_in(value)):
                    waiting.append(value)
    return named


# -- what differs ------------------------------------------------------------------------------------------------------


class _Edits:
    """What becomes of hyperedges: those that are said anew or taken back, and those that are new."""

    def __init__(self) -> None:
        self._old: dict[Entity, list[Pointer]] = {}
        self._new: list[list[Pointer]] = []

    def pointers(self, edge: Hyperedge) -> list[Pointer]:
        """What a hyperedge says as far as was decided: nothing, if it is taken back."""
        return self._old.get(edge.edge, list(edge.pointers))

    def put(self, edge: Hyperedge, pointers: list[Pointer]) -> None:
        """Say this instead of a hyperedge; nothing takes it back."""
        self._old[edge.edge] = pointers

    def add(self, pointers: list[Pointer]) -> None:
        """Say something new."""
        self._new.append(pointers)

    def parts(self) -> Iterator[Part]:
        """The deltas that say all of it."""
        for edge in self._old:
            yield _part([Pointer(NEGATES, Reference(edge, NEGATED_BY))])
        for pointers in (*self._old.values(), *self._new):
            if pointers:
                yield _part(pointers)


def _part(pointers: list[Pointer]) -> Part:
    edge = secrets.token_bytes(ENTITY_BYTES)
    return Part(facts_of(edge, pointers), "seen", edge)


def _edit(
    edits: _Edits,
    cls: TypedClass,
    instance: Any,
    view: HyperView,
    shown: Mapping[str, Any],
    author: bytes,
    named: _Named,
) -> None:
    """Note what an instance says that its view does not show."""
    for field in cls.fields:
        values = {_key(cls, field, value, named): value for value in wanted_of(cls, field, instance)}
        current = _current(cls, field, shown, named)
        mine = [
            (entry.edge, _said(entry.edge, field, view.entity))
            for entry in view[field.context]
            if entry.edge.author == author and entry.edge.claimed_author is None
        ]
        here = _Place(edits, cls, field, view.entity)
        own = {key for _, said in mine for key in said}
        new = {key: value for key, value in values.items() if not any(key in each for each in current)}
        gone = {key for each in current if not each & values.keys() for key in each}
        if field.many:
            for edge, said in mine:
                if gone & said:
                    here.leave(edge, said - gone)
            for key, value in new.items():
                if key not in own:
                    here.say(_pointed(cls, field, value, named))
        elif new or gone:
            last = view[field.context][-1].edge if view[field.context] else None
            if not values:
                for edge, _ in mine:
                    here.leave(edge, set())
            elif own != values.keys() or last != mine[-1][0]:  # else it is said, and said last: no more can be done
                (value,) = values.values()
                pointer = _pointed(cls, field, value, named)
                for edge, _ in mine[:-1]:
                    here.leave(edge, set())
                if not (mine and here.correct(mine[-1][0], pointer)):
                    here.say(pointer)


class _Place:
    """One property of one thing, as hyperedges are edited that show up there."""

    def __init__(self, edits: _Edits, cls: TypedClass, field: TypedField, thing: Entity) -> None:
        self._edits = edits
        self._cls = cls
        self._field = field
        self._thing = thing

    def say(self, pointer: Pointer) -> None:
        """A hyperedge of its own."""
        id = self._cls.schema.id
        free = (role for role in (id, "of", "thing") if role != pointer.role and not is_reserved(role))
        self._edits.add([Pointer(next(free), Reference(self._thing, self._field.context)), pointer])

    def correct(self, edge: Hyperedge, pointer: Pointer) -> bool:
        """Say a hyperedge with another value, everything else as it is; False where that would change another property."""
        pointers = self._edits.pointers(edge)
        if self._is_shared(pointers) or not pointers:
            self.leave(edge, set())
            return False
        place = next((n for n, each in enumerate(pointers) if self._is_value(each)), len(pointers))
        kept = [each for n, each in enumerate(pointers) if n == place or not self._is_value(each)]
        self._edits.put(edge, [*kept[:place], pointer, *kept[place + 1 :]])
        return True

    def leave(self, edge: Hyperedge, keep: set[Key]) -> None:
        """Take back what a hyperedge says here, but for some values; all of it, if no other property here shows it."""
        pointers = self._edits.pointers(edge)
        if keep and not self._is_shared(pointers):
            left = [each for each in pointers if not self._is_value(each) or _target_key(each.target) in keep]
            self._edits.put(edge, left)
            return
        is_shared = self._is_shared(pointers)
        here = Reference(self._thing, self._field.context)
        left = [each for each in pointers if each.target != here and (is_shared or not self._is_value(each))]
        self._edits.put(edge, left if any(map(self._is_elsewhere, left)) else [])
        if keep:  # another property shows the same values, so these are said by themselves
            for each in pointers:
                if self._is_value(each) and _target_key(each.target) in keep:
                    self.say(each)

    def _is_value(self, pointer: Pointer) -> bool:
        return pointer.role == self._field.role and pointer.target != Reference(self._thing, self._field.context)

    def _is_elsewhere(self, pointer: Pointer) -> bool:
        """Whether a pointer shows its hyperedge under another field of the same thing."""
        target = pointer.target
        return isinstance(target, Reference) and target.entity == self._thing and target.context in self._others()

    def _is_shared(self, pointers: list[Pointer]) -> bool:
        """Whether another field of the thing has its values from the same role of the same hyperedge."""
        same = {field.context for field in self._cls.fields if field.role == self._field.role}
        return any(
            isinstance(each.target, Reference)
            and each.target.entity == self._thing
            and each.target.context in same - {self._field.context}
            for each in pointers
        )

    def _others(self) -> set[str]:
        return {field.context for field in self._cls.fields} - {self._field.context}


def _pointed(cls: TypedClass, field: TypedField, value: Any, named: _Named) -> Pointer:
    return Pointer(field.role, _target(cls, field, value, named))


def _target(cls: TypedClass, field: TypedField, value: Any, named: _Named) -> Any:
    if is_typed(type(value)) and (field.nested is None or isinstance(value, field.nested)):
        entity = named.of(value)
        return target_of(cls, field, value) if entity is None else Reference(entity, field.back_populates)
    return target_of(cls, field, value)


def _said(edge: Hyperedge, field: TypedField, thing: Entity) -> set[Key]:
    """What a hyperedge says of a property."""
    kind = None if field.kind is None else primitive(field.kind)
    own = Reference(thing, field.context)
    return {
        _target_key(each) for each in edge.targets(field.role) if each != own and (kind is None or kind.holds(each))
    }


def _current(cls: TypedClass, field: TypedField, shown: Mapping[str, Any], named: _Named) -> list[set[Key]]:
    """What a view shows of a property, or what the class has where nothing is shown: for each value what it may be."""
    given = shown.get(property_key(field.context))
    if given is None:
        default = field.empty()
        values = default if field.many and isinstance(default, list) else [] if default is None else [default]
        return [{_key(cls, field, each, named)} for each in values]
    found: list[set[Key]] = []
    for each in given if isinstance(given, list) else [given]:
        id = each.get("id") if isinstance(each, dict) else each
        may_be: set[Key] = set()
        if isinstance(id, str) and field.kind in (None, "thing"):
            may_be.add(("thing", entity_of(id)))
        if field.kind != "thing":  # where nothing is expected, an id looks like any other text
            may_be.add(("value", key_of(each)))
        found.append(may_be)
    return found


def _key(cls: TypedClass, field: TypedField, value: Any, named: _Named) -> Key:
    if field.kind is None and not isinstance(value, Ref) and not is_typed(type(value)):
        return "value", key_of(value)  # it may be what a view shows of several roles, which is said by nobody
    return _target_key(_target(cls, field, value, named))


def _target_key(target: Any) -> Key:
    return ("thing", target.entity) if isinstance(target, Reference) else ("value", key_of(target))
