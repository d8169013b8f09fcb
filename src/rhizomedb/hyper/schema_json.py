"""Schemas as JSON, as people write them in files:

    {"id": "movie", "name": "Movie", "selects": ["title", "year", "director"],
     "nests": {"director": "person", "actor": {"schema": "person", "when": [["year", ">", 1990]]}},
     "properties": {"year": "integer.year", "title": {"kind": "string", "required": true}}}

Only the `id` must be there. A list of such objects is several schemas; they may call each other by id or by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Value
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest, Property

_EXAMPLE: Final = '{"id": "movie", "name": "Movie", "nests": {"director": "person"}}'
_CONDITION: Final = '["year", ">", 1990]'

_SCHEMA: Final = ("id", "name", "selects", "nests", "properties")
_NEST: Final = ("schema", "when")
_PROPERTY: Final = ("kind", "role", "required", "many")


def read(node: Any) -> list[HyperSchema]:
    """The schemas that parsed JSON says: of one object one, of a list several. `hyper.schema` says what is wrong and where."""
    nodes = node if isinstance(node, list) else [node]
    found: dict[str, HyperSchema] = {}
    for place, each in enumerate(nodes, 1):
        schema = _schema(each, f"schema {place}" if isinstance(node, list) else "")
        if schema.id in found:
            raise RequestError("hyper.schema", f"two schemas have the id {schema.id!r:.60}", where=f"schema {place}")
        found[schema.id] = schema
    return list(found.values())


def written(schema: HyperSchema) -> dict[str, Any]:
    """A schema as JSON, which `read` reads as the same; a value of a condition that JSON has no kind for is refused."""
    node: dict[str, Any] = {"id": schema.id, "name": schema.name}
    if schema.selects is not None:
        node["selects"] = sorted(schema.selects)
    if schema.nests:
        node["nests"] = {role: _nest_written(schema.nests[role]) for role in sorted(schema.nests)}
    if schema.properties:
        node["properties"] = {name: _property_written(schema.properties[name]) for name in sorted(schema.properties)}
    return node


def by_name(schemas: Iterable[HyperSchema], known: Mapping[str, HyperSchema]) -> list[HyperSchema]:
    """The same schemas, with ids where they call others by name: each other first, then those that are known already."""
    schemas = list(schemas)
    given = {each.id: each for each in schemas}
    ids: dict[str, list[str]] = {}
    for each in [*(each for each in known.values() if each.id not in given), *schemas]:
        ids.setdefault(each.name, []).append(each.id)

    def meant(name: str) -> str:
        named = ids.get(name, [])
        return name if name in given or name in known or len(named) != 1 else named[0]

    return [
        replace(each, nests={role: replace(nest, schema=meant(nest.schema)) for role, nest in each.nests.items()})
        for each in schemas
    ]


def _schema(node: Any, where: str) -> HyperSchema:
    said = _object(node, _SCHEMA, "a schema", where, _EXAMPLE)
    id = said.get("id")
    if type(id) is not str or not id:
        message = "a schema has an id, a text that is not empty"
        raise RequestError("hyper.schema", message, where=where or None, fix=_EXAMPLE)
    where = f"schema {id:.60}"
    selects = said.get("selects")
    if selects is not None and not isinstance(selects, list):
        raise RequestError("hyper.schema", "`selects` is a list of contexts", where=where, fix='"selects": ["title"]')
    nests = _object(said.get("nests", {}), None, "`nests`", where, '"nests": {"director": "person"}')
    properties = _object(said.get("properties", {}), None, "`properties`", where, '"properties": {"year": "integer"}')
    try:
        return HyperSchema(
            id,
            said.get("name", id),
            selects,  # type: ignore[arg-type]  # a list is made a set there
            {role: _nest(rule, f"{where}, nests {role:.60}") for role, rule in nests.items()},
            {name: _property(rule, f"{where}, property {name:.60}") for name, rule in properties.items()},
        )
    except RequestError as error:
        error.where = error.where or where
        raise


def _nest(node: Any, where: str) -> Nest:
    if isinstance(node, str):
        return Nest(node)
    said = _object(node, _NEST, "a nest", where, '{"schema": "person", "when": [' + _CONDITION + "]}")
    when = said.get("when", [])
    if not isinstance(when, list):
        raise RequestError("hyper.schema", "`when` is a list of conditions", where=where, fix=f"[{_CONDITION}]")
    try:
        return Nest(said.get("schema"), tuple(_condition(each, where) for each in when))  # type: ignore[arg-type]
    except RequestError as error:
        error.where = error.where or where
        raise


def _condition(node: Any, where: str) -> Condition:
    if not isinstance(node, list) or len(node) != 3 or type(node[0]) is not str or isinstance(node[2], list | dict):
        raise RequestError(
            "hyper.schema", f"{node!r:.60} is no condition: a role, a comparison, a value", where=where, fix=_CONDITION
        )
    role, comparison, value = node
    if value is None:
        raise RequestError("hyper.schema", "null is no value to compare with", where=where, fix=_CONDITION)
    return Condition(role, comparison, value)


def _property(node: Any, where: str) -> Property:
    if isinstance(node, str):
        return _checked(node, None, False, False, where)
    said = _object(node, _PROPERTY, "a property", where, '{"kind": "string", "required": true}')
    kind, role = said.get("kind"), said.get("role")
    required, many = said.get("required", False), said.get("many", False)
    for what, text in (("kind", kind), ("role", role)):
        if text is not None and (type(text) is not str or not text):
            raise RequestError("hyper.schema", f"the {what} of a property is a text, not {text!r:.60}", where=where)
    for what, flag in (("required", required), ("many", many)):
        if type(flag) is not bool:
            raise RequestError("hyper.schema", f"`{what}` is true or false, not {flag!r:.60}", where=where)
    return _checked(kind, role, required, many, where)


def _checked(kind: str | None, role: str | None, required: bool, many: bool, where: str) -> Property:
    try:
        return Property(kind, role, required, many)
    except RequestError as error:  # no such primitive schema
        error.where = where
        raise


def _object(node: Any, known: tuple[str, ...] | None, what: str, where: str, fix: str) -> Mapping[str, Any]:
    """A JSON object, of which no key is unknown: one that is misspelt would be a rule that nobody follows."""
    if not isinstance(node, dict):
        raise RequestError("hyper.schema", f"{what} is a JSON object, not {node!r:.60}", where=where or None, fix=fix)
    strange = next((key for key in node if known is not None and key not in known), None)
    if strange is not None:
        raise RequestError(
            "hyper.schema",
            f"{what} has no {strange!r:.60}",
            where=where or None,
            nearest=nearest_names(strange, known or ()),
            fix=f"of {', '.join(known or ())}",
        )
    return node


def _nest_written(nest: Nest) -> Any:
    if not nest.when:
        return nest.schema
    return {"schema": nest.schema, "when": [[each.role, each.comparison, _plain(each.value)] for each in nest.when]}


def _plain(value: Value) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    raise RequestError("hyper.schema", f"JSON has no {value!r:.60} as a value of a condition")


def _property_written(each: Property) -> Any:
    if each == Property(each.kind) and each.kind is not None:
        return each.kind
    said = {"kind": each.kind, "role": each.role, "required": each.required or None, "many": each.many or None}
    return {name: value for name, value in said.items() if value is not None}
