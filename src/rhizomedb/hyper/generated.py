"""Classes that are generated: a dataclass of a HyperSchema."""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from rhizomedb.errors import RequestError
from rhizomedb.hyper.primitive import primitive
from rhizomedb.hyper.schema import HyperSchema, Property, Schemas
from rhizomedb.hyper.typed import IDENTITY, SCHEMA, SCHEMA_NAME, read_class
from rhizomedb.hyper.typed_field import KINDS, Field, Ref

REMEMBERED_MAX: Final = 1_000
"""How many classes are remembered."""

_MADE: dict[object, type[Any]] = {}
"""The classes that were made: by the version of the schema, and the classes in it."""


def class_of(schema: HyperSchema, schemas: Iterable[HyperSchema] = ()) -> type[Any]:
    """A dataclass of a schema: a keyword `id`, and a field for each property that the schema names.

    `schemas` has those that it leads to. `schema_of` gives the schema back. The same schemas are the same classes.
    """
    if not isinstance(schema, HyperSchema):
        raise RequestError("hyper.schema", f"{schema!r:.60} is no HyperSchema", fix='HyperSchema("movie", "Movie")')
    known = Schemas([*schemas, schema])
    wanted = {each.id for each in known.reached(schema.id)}
    made: dict[str, type[Any]] = {}
    for id in known.order:  # those that are nested come first
        if id in wanted:
            inside = tuple(sorted({(nest.schema, made[nest.schema]) for nest in known[id].nests.values()}, key=str))
            key = known[id].version, inside
            if key not in _MADE:
                if len(_MADE) >= REMEMBERED_MAX:
                    _MADE.clear()
                _MADE[key] = _made(known[id], made)
            made[id] = _MADE[key]
    return made[schema.id]


def _made(schema: HyperSchema, made: Mapping[str, type[Any]]) -> type[Any]:
    contexts = {*(schema.selects or ()), *schema.properties, *(role for role in schema.nests if schema.takes(role))}
    name = _identifier(schema.name, {})
    fields: list[Any] = [(IDENTITY, str | None, dataclasses.field(default=None))]
    taken = {IDENTITY: ""}
    for context in sorted(contexts):
        if not schema.takes(context):
            continue
        expected = schema.properties.get(context, Property())
        role = expected.role or context
        called = _identifier(context, taken)
        taken[called] = context
        nest = schema.nests.get(role)
        type_, kind = (made[nest.schema], None) if nest is not None else _type_of(expected.kind)
        said = {
            "context": context if called != context else None,
            "role": role if role != context else None,
            "kind": kind,
            "required": True if expected.required and expected.many else None,
        }
        marks: list[Any] = [Field(**said)] if any(said.values()) else []  # type: ignore[arg-type]  # names and flags
        marks += list(nest.when) if nest is not None else []
        inner: Any = list[type_] if expected.many else type_  # type: ignore[valid-type]  # a type that is made here
        whole: Any = Annotated[(inner, *marks)] if marks else inner
        if expected.many:
            fields.append((called, whole, dataclasses.field(default_factory=list)))
        elif expected.required:
            fields.append((called, whole))
        else:
            fields.append((called, whole | None, dataclasses.field(default=None)))
    space = {SCHEMA: schema.id, "__module__": __name__, "__doc__": f"{schema.name}, as its schema says."}
    if name != schema.name:
        space[SCHEMA_NAME] = schema.name
    cls: Any = dataclasses.make_dataclass(name, fields, namespace=space, kw_only=True)
    if read_class(cls, (), {}).schema.version != schema.version:  # it says what fields do not
        setattr(cls, SCHEMA, schema)
    return cls  # type: ignore[no-any-return]  # a class


def _type_of(kind: str | None) -> tuple[Any, str | None]:
    """The type of a primitive schema, and the kind where the type alone does not say it."""
    if kind is None:
        return Any, None
    if kind == "thing":
        return Ref, None
    found = [(type_, of) for type_, of in KINDS.items() if of is not None and primitive(kind).narrows(of)]
    type_, of = max(found, key=lambda each: len(each[1]))
    return type_, None if of == kind else kind


def _identifier(name: str, taken: Mapping[str, object]) -> str:
    """A name as Python has names."""
    found = re.sub(r"\W+", "_", name).strip("_") or "property"
    found = f"p_{found}" if not found.isidentifier() else found
    found = f"{found}_" if keyword.iskeyword(found) else found
    number, free = 1, found
    while free in taken:
        free, number = f"{found}_" if number == 1 else f"{found}_{number}", number + 1
    return free
