"""Typed classes: a dataclass or a pydantic model gives a HyperSchema, and a HyperSchema a dataclass.

Each field is a property. What it is annotated with says which values it has: `int`, `float`, `str`, `bool`, `bytes`, `date`,
`datetime`, `Cid`; another such class, whose things are shown inside; `Ref[...]` for a thing that is only named; `list[...]`
of any of these, for a property that has many values. `... | None`, or a default, is a property that need not be there. A
field `id` is no property: it has the id of the thing.

    @dataclass
    class Movie:
        id: str
        title: str
        year: Annotated[int, Field(ge=1888)]
        director: Person | None = None
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING
from functools import lru_cache
from typing import Any, Final, get_args

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError
from rhizomedb.hyper.schema import DEPTH_MAX, HyperSchema, Nest, Property, Schemas, cycle
from rhizomedb.hyper.typed_field import (
    Field,
    Raw,
    Ref,
    TypedField,
    is_model,
    is_typed,
    is_union,
    read_field,
    refused,
    unwrapped,
)

__all__ = ["Field", "Ref", "TypedClass", "TypedField", "is_typed", "schema_of", "schemas_of", "snake", "typed"]

SCHEMA: Final = "__schema__"
"""The attribute by which a class says the id of its schema, or the whole schema."""

SCHEMA_NAME: Final = "__schema_name__"
"""The attribute by which a class says the name of its schema, where that is not its own."""

IDENTITY: Final = "id"


@dataclass(frozen=True, slots=True)
class TypedClass:
    """A class as it was read: its schema, its fields, the schemas of the classes in it, and how its things are named.

    `identity` is the type of the field `id`: `str`, `bytes`, or None if there is no such field.
    """

    cls: type[Any]
    schema: HyperSchema
    fields: tuple[TypedField, ...]
    schemas: Schemas
    identity: type[Any] | None


def schema_of(cls: type[Any]) -> HyperSchema:
    """The HyperSchema of a dataclass or pydantic model; `hyper.class` names the field that cannot be read."""
    return typed(cls).schema


def schemas_of(cls: type[Any]) -> Schemas:
    """The schema of a class and those of all classes that its fields lead to."""
    return typed(cls).schemas


@lru_cache(maxsize=1_000)
def _typed(cls: type[Any]) -> TypedClass:
    return read_class(cls, (), {})


def typed(cls: type[Any]) -> TypedClass:
    """A class, read once. Classes that lead back to themselves are `hyper.cycle`, with their names."""
    if not is_typed(cls):
        what = cls.__name__ if isinstance(cls, type) else f"{cls!r:.60}"
        raise RequestError(
            "hyper.class", f"{what} is neither a dataclass nor a pydantic model", fix="@dataclass above the class"
        )
    return _typed(cls)  # type: ignore[arg-type]  # a class can be hashed


def read_class(cls: type[Any], path: tuple[type[Any], ...], known: dict[type[Any], TypedClass]) -> TypedClass:
    """A class and those in it; `path` are those that lead to it, `known` those that were read: each is read once."""
    if cls in known:
        return known[cls]
    if cls in path:
        raise cycle([each.__name__ for each in (*path[path.index(cls) :], cls)])
    if len(path) >= DEPTH_MAX:
        raise RequestError("hyper.schema", f"more than {DEPTH_MAX} schemas follow one another")
    inside = (*path, cls)
    fields: list[TypedField] = []
    identity = None
    for raw in _model_fields(cls) if is_model(cls) else _dataclass_fields(cls):
        place = f"{cls.__name__}.{raw.name}"
        if raw.name == IDENTITY:
            identity = _identity(raw, place)
        else:
            fields.append(read_field(raw, place))
    nested = {each.nested: read_class(each.nested, inside, known) for each in fields if each.nested is not None}
    given = cls.__dict__.get(SCHEMA)
    schema = given if isinstance(given, HyperSchema) else _schema(cls, given, fields, nested)
    found = known[cls] = TypedClass(cls, schema, tuple(fields), _gathered(schema, nested.values()), identity)
    return found


def _schema(
    cls: type[Any], given: object, fields: Sequence[TypedField], nested: Mapping[type[Any], TypedClass]
) -> HyperSchema:
    """The schema that fields come to."""
    id = snake(cls.__name__) if given is None else given
    properties: dict[str, Property] = {}
    nests: dict[str, Nest] = {}
    of: dict[str, TypedField] = {}
    for field in fields:
        place = f"{cls.__name__}.{field.name}"
        if field.context in properties:
            raise refused(
                f"another field shows {field.context!r:.60} already", place, 'Annotated[…, Field(context="…")]'
            )
        properties[field.context] = field.expected
        before = of.setdefault(field.role, field)
        if (before.nested, before.when) != (field.nested, field.when) and (before.nested or field.nested):
            raise refused(
                f"{cls.__name__}.{before.name} has the role {field.role!r:.60} as well, and shows something else there",
                place,
                'Annotated[…, Field(role="…")]',
            )
        if field.nested is not None:
            nests[field.role] = Nest(nested[field.nested].schema.id, field.when)
    name = cls.__dict__.get(SCHEMA_NAME, cls.__name__)
    return HyperSchema(id, name, frozenset(properties), nests, properties)  # type: ignore[arg-type]  # it checks the id


def _gathered(schema: HyperSchema, inside: Iterable[TypedClass]) -> Schemas:
    found = {schema.id: schema}
    for each in inside:
        for id, other in each.schemas.items():
            if found.setdefault(id, other).version != other.version:
                raise refused(
                    f"two classes are the schema {id!r:.60}, and say different things of it",
                    each.cls.__name__,
                    f'{SCHEMA} = "…"',
                )
    return Schemas(found.values())


def _model_fields(cls: Any) -> list[Raw]:
    found = []
    for name, info in cls.__pydantic_fields__.items():
        if info.init is False:
            continue  # it is made from the others
        default = None if info.is_required() else info.default_factory or _constant(info.default)
        alias = info.validation_alias or info.alias
        choices = [alias, *getattr(alias, "choices", ()), name]
        key = next(each for each in choices if isinstance(each, str))
        found.append(Raw(name, key, info.annotation, tuple(info.metadata), {}, default))
    return found


def _dataclass_fields(cls: type[Any]) -> list[Raw]:
    hints = _hints(cls)
    found = []
    for each in dataclasses.fields(cls):
        if not each.init:
            continue  # it is made from the others
        default: Callable[[], Any] | None = None
        if each.default_factory is not MISSING:
            default = each.default_factory
        elif each.default is not MISSING:
            default = _constant(each.default)
        found.append(Raw(each.name, each.name, hints.get(each.name, each.type), (), each.metadata, default))
    return found


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _hints(cls: type[Any]) -> dict[str, Any]:
    own = {cls.__name__: cls}
    try:
        return typing.get_type_hints(cls, localns=own, include_extras=True)
    except Exception as error:  # whatever the text of an annotation raises
        place = cls.__name__
        for each in dataclasses.fields(cls):
            alone = type("_", (), {"__annotations__": {each.name: each.type}, "__module__": cls.__module__})
            try:
                typing.get_type_hints(alone, localns=own, include_extras=True)
            except Exception:  # this is the one
                place = f"{cls.__name__}.{each.name}"
                break
        raise RequestError(
            "hyper.class",
            f"its annotation cannot be read: {error!s:.200}",
            where=place,
            fix="define what it names at the top of a module",
        ) from None


def _identity(raw: Raw, place: str) -> type[Any]:
    annotation, _ = unwrapped(raw.annotation)
    members = [each for each in get_args(annotation) if each is not types.NoneType] if is_union(annotation) else []
    kind = members[0] if len(members) == 1 else annotation
    if kind in (str, bytes):
        return kind  # type: ignore[no-any-return]  # one of the two
    raise refused(
        "the field `id` has the id of the thing, a str or bytes", place, 'number: Annotated[int, Field(context="id")]'
    )


def snake(name: str) -> str:
    """The id that the schema of a class has: `FilmStudio` is `film_studio`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
