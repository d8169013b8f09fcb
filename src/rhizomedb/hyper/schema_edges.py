"""Schemas as hyperedges: one for the name, one for what is selected, one for each rule and each property.

They are those of the RhizomeDB reference (its schema deltas), and more: which contexts are selected, conditions, and what
is expected of properties. So a schema is said, corrected, taken back, passed on and asked at another time like anything
else. Several may say something else of one part of a schema; then the latest counts, and all are listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, RequestError
from rhizomedb.facts.value import Entity, check_value
from rhizomedb.hyper.json_delta import entity_of, id_of
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference
from rhizomedb.hyper.schema import DEPTH_MAX, TOO_DEEP, Condition, HyperSchema, Nest, Property, Schemas

SCHEMA: Final = "schema"
"""The role by which everything that is said of a schema points at it."""

NAME, SELECT, TRANSFORM, PROPERTY = "name", "select", "transform", "property"
"""The contexts under which it shows up there."""

EVERY_CONTEXT: Final = b"select_by_target_context"
SOME_CONTEXTS: Final = b"select_contexts"
"""What a selector points at as its pattern: that of the reference, or that of contexts which it lists."""


class PartSaid(NamedTuple):
    """What a hyperedge says of a part of a schema; `version` is the same where the same is said of it."""

    edge: Hyperedge
    said: Any
    version: int


@dataclass(frozen=True, slots=True)
class SchemaConflict:
    """Something that is said of one part of a schema in several ways: the part, the hyperedges, and which counts."""

    schema: str
    part: str
    said: tuple[Hyperedge, ...]
    counts: Hyperedge


@dataclass(frozen=True, slots=True)
class SchemasSaid:
    """What hyperedges say of schemas: those that can be used, conflicts, and what was said that cannot be understood."""

    schemas: Schemas
    conflicts: tuple[SchemaConflict, ...] = ()
    refused: tuple[tuple[Hyperedge, str], ...] = ()


def edges_of(schema: HyperSchema) -> list[tuple[Pointer, ...]]:
    """The pointers of the hyperedges that say a schema."""
    entity = entity_of(schema.id)

    def said(context: str, *more: Pointer) -> tuple[Pointer, ...]:
        return (Pointer(SCHEMA, Reference(entity, context)), *more)

    found = [said(NAME, Pointer("name", schema.name))]
    if schema.selects is None:
        found.append(said(SELECT, Pointer("pattern", Reference(EVERY_CONTEXT))))
    else:
        listed = [Pointer("context", each) for each in sorted(schema.selects)]
        found.append(said(SELECT, Pointer("pattern", Reference(SOME_CONTEXTS)), *listed))
    for role, nest in sorted(schema.nests.items()):
        when = [Pointer("when", json.dumps([each.role, each.comparison, each.value])) for each in nest.when]
        applied = Pointer("apply-schema", Reference(entity_of(nest.schema)))
        found.append(said(TRANSFORM, Pointer("on-context", role), applied, *when))
    for name, each in sorted(schema.properties.items()):
        expected = [
            Pointer(key, value)
            for key, value in (
                ("kind", each.kind),
                ("role", each.role),
                ("required", each.required or None),
                ("many", each.many or None),
            )
            if value is not None
        ]
        found.append(said(PROPERTY, Pointer("property", name), *expected))
    return found


def _latest(said: list[PartSaid]) -> PartSaid:
    return said[-1]


def schemas_of(edges: Iterable[Hyperedge], choose: Callable[[list[PartSaid]], PartSaid] = _latest) -> SchemasSaid:
    """The schemas that hyperedges say, oldest first; a schema without a name, or part of a ring, is refused with its reason.

    Where several things are said of one part, `choose` says which counts.
    """
    parts: dict[tuple[Entity, str], list[PartSaid]] = {}
    versions: dict[tuple[Entity, str, Any], int] = {}
    refused: list[tuple[Hyperedge, str]] = []
    for edge in edges:
        for target in edge.targets(SCHEMA):
            if isinstance(target, Reference):
                try:
                    for part, said in _read(edge, target.context):
                        version = versions.setdefault((target.entity, part, said), len(versions))
                        parts.setdefault((target.entity, part), []).append(PartSaid(edge, said, version))
                except (Error, ValueError, TypeError, RecursionError) as error:
                    refused.append((edge, error.message if isinstance(error, Error) else str(error)))
    conflicts = []
    chosen: dict[Entity, dict[str, PartSaid]] = {}
    for (entity, part), found in parts.items():
        counts = choose(found)
        if len({each.version for each in found}) > 1:
            conflicts.append(SchemaConflict(id_of(entity), part, tuple(each.edge for each in found), counts.edge))
        chosen.setdefault(entity, {})[part] = counts
    made: dict[str, HyperSchema] = {}
    unusable: dict[str, str] = {}
    for entity, said in chosen.items():
        if NAME in said:
            try:
                made[id_of(entity)] = _made(id_of(entity), said)
            except RequestError as error:
                refused.append((said[NAME].edge, error.message))
                unusable[id_of(entity)] = unusable[said[NAME].said] = error.message
    named = {schema.id: chosen[entity_of(schema.id)][NAME].edge for schema in made.values()}
    for id, message in _endless(made).items():  # nobody can use them, and everybody else goes on
        refused.append((named[id], message))
        unusable[id] = unusable[made[id].name] = message
        del made[id]
    return SchemasSaid(Schemas(made.values(), unusable), tuple(conflicts), tuple(refused))


def _read(edge: Hyperedge, context: str | None) -> Iterator[tuple[str, Any]]:
    """What a hyperedge says of which part of a schema."""
    match context:
        case "name":
            yield NAME, _text(edge, "name")
        case "select":
            patterns = [each.entity for each in edge.targets("pattern") if isinstance(each, Reference)]
            if SOME_CONTEXTS in patterns:
                yield SELECT, frozenset(each for each in edge.targets("context") if type(each) is str)
            elif EVERY_CONTEXT in patterns:
                yield SELECT, None
            else:
                raise RequestError("hyper.schema", "a selector follows no pattern that is known here")
        case "transform":
            for rules in edge.targets("rules"):
                listed = json.loads(str(rules))
                if not isinstance(listed, dict) or not all(
                    isinstance(rule, dict) and type(rule.get("schema")) is str for rule in listed.values()
                ):
                    raise RequestError("hyper.schema", "rules map roles to the schemas that they lead to")
                for role, rule in listed.items():
                    yield f"{TRANSFORM} {_said(role)}", Nest(_said(rule["schema"]))
            for role in edge.targets("on-context"):
                applied = [id_of(each.entity) for each in edge.targets("apply-schema") if isinstance(each, Reference)]
                if type(role) is not str or len(applied) != 1:
                    raise RequestError("hyper.schema", "a rule leads from one role to one schema")
                when = tuple(_condition(json.loads(str(each))) for each in edge.targets("when"))
                yield f"{TRANSFORM} {role}", Nest(applied[0], when)
        case "property":
            kind, role = _maybe(edge, "kind"), _maybe(edge, "role")
            required, many = (edge.targets(each) == [True] for each in ("required", "many"))
            yield f"{PROPERTY} {_text(edge, 'property')}", Property(kind, role, required, many)


def _made(id: str, said: Mapping[str, PartSaid]) -> HyperSchema:
    nests, properties = (
        {part.partition(" ")[2]: each.said for part, each in said.items() if part.startswith(f"{kind} ")}
        for kind in (TRANSFORM, PROPERTY)
    )
    selects = said[SELECT].said if SELECT in said else None
    return HyperSchema(id, said[NAME].said, selects, nests, properties)


def _said(text: Any) -> str:
    """A text in JSON, which may hold what is none."""
    return str(check_value(text))


def _condition(said: Any) -> Condition:
    if not isinstance(said, list) or len(said) != 3 or type(said[0]) is not str:
        raise RequestError("hyper.schema", "a condition is a role, a comparison and a value")
    return Condition(_said(said[0]), said[1], check_value(said[2]))


def _endless(schemas: Mapping[str, HyperSchema]) -> dict[str, str]:
    """The schemas that lead back to themselves, or further than is allowed, each with the reason. Linear.

    Who leads on to others is too deep, never those to which it leads: else anybody could put away the schema of another.
    """
    leads = {
        id: {nest.schema for nest in each.nests.values() if nest.schema in schemas} for id, each in schemas.items()
    }
    led: dict[str, set[str]] = {id: set() for id in leads}
    for id, to in leads.items():
        for each in to:
            led[each].add(id)
    ended = _peeled(leads, led)
    left = leads.keys() - set(ended)
    away = _peeled({id: led[id] & left for id in left}, {id: leads[id] & left for id in left})
    rings = left - set(away)  # what a ring only is reached from is no part of one
    found = {}
    if rings:
        try:
            Schemas(schemas[id] for id in sorted(rings))
        except RequestError as error:
            found = dict.fromkeys(sorted(rings), error.message)
    depth: dict[str, int] = {}
    for id in (*ended, *reversed(away)):  # each after those that it leads to, rings aside
        depth[id] = 1 + max((depth.get(each, 0) for each in leads[id]), default=0)
        if depth[id] > DEPTH_MAX:
            found[id], depth[id] = TOO_DEEP, 0
    return found


def _peeled(to: Mapping[str, set[str]], back: Mapping[str, set[str]]) -> list[str]:
    """What leads nowhere, then what leads only there, and so on."""
    left = {id: len(some) for id, some in to.items()}
    found = [id for id, count in left.items() if not count]
    for id in found:  # grows while it is gone through
        for each in back[id]:
            left[each] -= 1
            if not left[each]:
                found.append(each)
    return found


def _text(edge: Hyperedge, role: str) -> str:
    found = [each for each in edge.targets(role) if type(each) is str]
    if len(found) != 1 or not found[0]:
        raise RequestError("hyper.schema", f"it names no one {role}")
    return found[0]


def _maybe(edge: Hyperedge, role: str) -> str | None:
    return _text(edge, role) if edge.targets(role) else None
