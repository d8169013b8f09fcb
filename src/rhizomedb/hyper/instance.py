"""Instances of typed classes: made of what a view shows, and taken apart into what a hyperedge says."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, RequestError
from rhizomedb.facts.value import Entity, Value, check_entity, check_value
from rhizomedb.hyper.json_delta import entity_of
from rhizomedb.hyper.pointer import Reference
from rhizomedb.hyper.primitive import primitive
from rhizomedb.hyper.resolution import property_key
from rhizomedb.hyper.typed import IDENTITY, TypedClass, typed
from rhizomedb.hyper.typed_field import Ref, TypedField, is_typed

MISSING_SHOWN_MAX: Final = 20
"""How many of the properties that are missing an error lists."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A property that a class requires and that nothing shows: of which thing, and how that was reached."""

    id: str
    cls: str
    property: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        reached = f" (its {'.'.join(self.path)})" if self.path else ""
        return f"{self.id}{reached} lacks {self.property}, which {self.cls} requires"


class MissingRequired(RequestError):
    """There is no instance of a thing: it lacks what its class requires. `missing` has each property."""

    def __init__(self, missing: list[Missing]) -> None:
        self.missing = tuple(missing)
        shown = "; ".join(map(str, missing[:MISSING_SHOWN_MAX]))
        more = len(missing) - MISSING_SHOWN_MAX
        super().__init__(
            "hyper.missing",
            f"{shown}{f'; and {more} more' if more > 0 else ''}",
            fix=f"say it, or let it be left out: {missing[0].property}: … | None = None",
        )


# -- made --------------------------------------------------------------------------------------------------------------


def instance_of(cls: TypedClass, shown: Mapping[str, Any]) -> Any:
    """The instance that what `resolve` gives of a thing comes to, those inside it made once.

    `hyper.missing` names every required property that is not there, of which thing.
    """
    missing: list[Missing] = []
    found = _made(cls, shown, (), missing, {})
    if missing:
        raise MissingRequired(missing)
    return found


def _made(
    cls: TypedClass,
    shown: Mapping[str, Any],
    path: tuple[str, ...],
    missing: list[Missing],
    known: dict[tuple[type[Any], int], Any],
) -> Any:
    key = cls.cls, id(shown)
    if key in known:
        return known[key]
    before = len(missing)
    arguments: dict[str, Any] = {}
    if cls.identity is not None:
        arguments[IDENTITY] = entity_of(shown["id"]) if cls.identity is bytes else shown["id"]
    for field in cls.fields:
        values = _values(cls, field, shown, path, missing, known)
        if field.required and not values:
            missing.append(Missing(shown["id"], cls.cls.__name__, field.context, path))
        elif field.many and (values or field.default is None):
            arguments[field.keyword] = values
        elif values:
            if len(values) > 1:
                raise _wrong(cls, field, shown, f"has {len(values)} values, and the class takes one", "list[...]")
            arguments[field.keyword] = values[0]
        elif field.default is None:
            arguments[field.keyword] = None
    if len(missing) > before:
        known[key] = None
        return None
    try:
        known[key] = cls.cls(**arguments)
    except Error:
        raise
    except Exception as error:  # whatever the class says against these values
        raise RequestError(
            "hyper.instance",
            f"{shown['id']} is no {cls.cls.__name__}: {error!s:.300}",
            fix="correct what is said of it, or what the class takes",
        ) from error
    return known[key]


def _values(
    cls: TypedClass,
    field: TypedField,
    shown: Mapping[str, Any],
    path: tuple[str, ...],
    missing: list[Missing],
    known: dict[tuple[type[Any], int], Any],
) -> list[Any]:
    """The values of a field as the class has them. A thing that is not shown inside, for a condition, is none."""
    given = shown.get(property_key(field.context))
    some = given if isinstance(given, list) else [] if given is None else [given]
    if field.nested is None:
        return [_decoded(cls, field, shown, each) for each in some]
    of = typed(field.nested)
    return [
        _made(of, each, (*path, field.context), missing, known)
        for each in some
        if isinstance(each, dict) and "id" in each
    ]


def _decoded(cls: TypedClass, field: TypedField, shown: Mapping[str, Any], value: Any) -> Any:
    if field.kind is None:
        return value
    kind = primitive(field.kind)
    if kind.name == "thing":
        id = value.get("id") if isinstance(value, dict) else value
        if isinstance(id, str) and id:
            return Ref(id)
    elif kind.holds(value):
        return _READ.get(field.type, _same)(value)
    fix = f'policies={{"{field.context}": "latest"}}'
    raise _wrong(cls, field, shown, f"is {value!r:.60}, which is not {kind.what}", fix)


def _wrong(cls: TypedClass, field: TypedField, shown: Mapping[str, Any], what: str, fix: str) -> RequestError:
    return RequestError(
        "hyper.instance", f"{field.context} of {shown['id']} {what}", where=f"{cls.cls.__name__}.{field.name}", fix=fix
    )


def _same(value: Any) -> Any:
    return value


def _float(value: Any) -> Any:
    """A number as a float, unless it is one that floats are not exact enough for."""
    return float(value) if abs(value) <= 2**53 else value


_READ: Final[Mapping[Any, Callable[[Any], Any]]] = {
    int: int,
    float: _float,
    bytes: lambda value: b64decode(value, validate=True),
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
}
"""From what is said to what a class has."""


# -- taken apart -------------------------------------------------------------------------------------------------------


def target_of(cls: TypedClass, field: TypedField, value: Any) -> Reference | Value:
    """What a hyperedge says for one value of a field: a thing, or a value of the kind that the schema expects.

    An instance of a class is the thing that it is of; `hyper.instance` if it has no id yet.
    """
    place = f"{cls.cls.__name__}.{field.name}"
    if isinstance(value, Ref):
        found: Reference | Value = Reference(value.entity, field.back_populates)
    elif field.nested is not None or (is_typed(type(value)) and field.kind in (None, "thing")):
        if field.nested is not None and not isinstance(value, field.nested):
            raise _unsaid(f"{value!r:.60} is no {field.nested.__name__}", place, f"{field.nested.__name__}(…)")
        entity = entity_in(value)
        if entity is None:
            raise _unsaid(f"{value!r:.60} has no id", place, 'id="…"')
        found = Reference(entity, field.back_populates)
    else:
        found = _encoded(field, value, place)
    if field.kind is not None and not primitive(field.kind).holds(found):
        raise _unsaid(f"{value!r:.60} is not {primitive(field.kind).what}", place, f"a value that is {field.kind}")
    return found


def _encoded(field: TypedField, value: Any, place: str) -> Value:
    if field.type is bytes and isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if (field.type is datetime and isinstance(value, datetime)) or (field.type is date and type(value) is date):
        return value.isoformat()
    try:
        return check_value(value)
    except Error as error:
        raise _unsaid(error.message, place, error.fix or "") from None


def _unsaid(message: str, place: str, fix: str) -> RequestError:
    return RequestError("hyper.instance", message, where=place, fix=fix)


def entity_in(instance: Any) -> Entity | None:
    """The thing that an instance says it is of; None if it has no field `id`, or none in it yet."""
    cls = typed(type(instance))
    given = getattr(instance, IDENTITY, None) if cls.identity is not None else None
    if given is None or given in ("", b""):
        return None
    if type(given) is bytes:
        return check_entity(given)
    if type(given) is str:
        return entity_of(given)
    raise RequestError(
        "hyper.instance", f"{given!r:.60} is no id of a thing", where=f"{cls.cls.__name__}.id", fix='id="matrix"'
    )


def can_take_id(instance: Any) -> bool:
    """Whether an id that is found for an instance can be written down in it."""
    cls: Any = type(instance)
    if typed(cls).identity is None:
        return False
    parameters = getattr(cls, "__dataclass_params__", None)
    if parameters is not None:
        return not parameters.frozen
    return not cls.model_config.get("frozen", False)


def wanted_of(cls: TypedClass, field: TypedField, instance: Any) -> list[Any]:
    """The values that an instance has in a field, as a list."""
    value = getattr(instance, field.name)
    if value is None:
        return []
    if not field.many:
        return [value]
    if not isinstance(value, list | tuple | set | frozenset):
        raise _unsaid(f"{value!r:.60} is one, where a list is wanted", f"{cls.cls.__name__}.{field.name}", "[…]")
    return list(value)
