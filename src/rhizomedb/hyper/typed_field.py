"""Fields of typed classes: what an annotation and its marks say of a property."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, NoReturn, TypeVar, Union, get_args, get_origin

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import Entity, check_entity
from rhizomedb.hyper.json_delta import entity_of, id_of
from rhizomedb.hyper.primitive import Interval, primitive, within
from rhizomedb.hyper.schema import DEPTH_MAX, Condition, Property

T = TypeVar("T")

KINDS: Final[Mapping[Any, str | None]] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    bytes: "string.base64",
    datetime: "string.datetime",
    date: "string.date",
    Cid: "attachment",
    Any: None,
    object: None,
}
"""Which values a field of a type has."""

TYPES: Final = (
    "int, float, str, bool, bytes, date, datetime, Cid, Ref, Any, another typed class, or a list of one of these"
)


@dataclass(frozen=True, slots=True)
class Field:
    """What an annotation alone does not say of a field: `Annotated[int, Field(context="runtime", role="minutes")]`.

    `context`: under which property of the thing it shows up, where that is not called like the field. `role`: which role of
    the hyperedge has the value, where that is not called like the property. `kind`: a primitive schema that is narrower than
    the type, as `integer.year`. `ge`, `gt`, `le`, `lt`, `min_length`, `max_length`: an interval, as in pydantic. `required`:
    whether it must be there. `back_populates`: under which property of the other thing it shows up as well, as in SQLModel.
    """

    context: str | None = None
    role: str | None = None
    kind: str | None = None
    required: bool | None = None
    back_populates: str | None = None
    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None

    def __repr__(self) -> str:
        said = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return f"Field({', '.join(f'{name}={value!r}' for name, value in said.items() if value is not None)})"


class Ref(Generic[T]):
    """A thing that is named and not shown: `friend: Ref["Person"]`. It has its `id`, and its `entity` as bytes."""

    __slots__ = ("entity",)

    entity: Entity

    def __init__(self, thing: str | Entity) -> None:
        if thing in ("", b""):
            raise RequestError("hyper.class", "a thing has an id that is not empty", fix='Ref("matrix")')
        object.__setattr__(self, "entity", entity_of(thing) if isinstance(thing, str) else check_entity(thing))

    @property
    def id(self) -> str:
        """The id of the thing as text."""
        return id_of(self.entity)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Ref does not change: {name} cannot be set")

    def __reduce__(self) -> tuple[type[Ref[Any]], tuple[Entity]]:
        return Ref, (self.entity,)

    def __eq__(self, other: object) -> bool:
        return type(other) is Ref and other.entity == self.entity

    def __hash__(self) -> int:
        return hash(self.entity)

    def __repr__(self) -> str:
        return f"Ref({self.id!r})"


@dataclass(frozen=True, slots=True)
class TypedField:
    """A field of a typed class as a property of its schema."""

    name: str
    keyword: str
    context: str
    role: str
    kind: str | None
    type: Any
    nested: type[Any] | None
    when: tuple[Condition, ...]
    many: bool
    required: bool
    default: Callable[[], Any] | None
    back_populates: str | None

    def empty(self) -> Any:
        """What an instance has where nothing is said: its default, an empty list, or None."""
        if self.default is not None:
            return self.default()
        return [] if self.many else None

    @property
    def expected(self) -> Property:
        """What the schema expects of the property."""
        return Property(self.kind, None if self.role == self.context else self.role, self.required, self.many)


class Raw(typing.NamedTuple):
    """A field as dataclasses or pydantic have it: its name, by what keyword it is given, and what is said of it."""

    name: str
    keyword: str
    annotation: Any
    metadata: tuple[Any, ...]
    settings: Mapping[Any, Any]
    default: Callable[[], Any] | None


def is_typed(cls: object) -> bool:
    """Whether something is a class that can be read: a dataclass or a pydantic model."""
    return isinstance(cls, type) and (dataclasses.is_dataclass(cls) or is_model(cls))


def is_model(cls: type[Any]) -> bool:
    """Whether a class is a pydantic model; then pydantic was imported by whoever made it, and need not be here."""
    return isinstance(getattr(cls, "__pydantic_fields__", None), dict)


def read_field(raw: Raw, place: str) -> TypedField:
    """A field as a property; what cannot be read is `hyper.class`, with the place."""
    annotation, metadata = raw.annotation, [*raw.metadata]
    is_optional = many = False
    for _ in range(DEPTH_MAX):  # an annotation that nests deeper is none that is understood
        annotation, more = unwrapped(annotation)
        metadata += more
        if is_union(annotation):
            members = [each for each in get_args(annotation) if each is not types.NoneType]
            if set(members) == {int, float}:
                members = [float]
            if len(members) != 1:
                raise refused(f"{_named(annotation)} is several kinds of value at once", place, TYPES)
            if many:
                raise refused("what a list has is never None", place, "list[...] | None")
            is_optional = is_optional or types.NoneType in get_args(annotation)
            annotation = members[0]
        elif annotation is list or get_origin(annotation) is list:
            if many:
                raise refused("a list of lists is no property", place, TYPES)
            many = True
            annotation = (*get_args(annotation), Any)[0]
        else:
            break
    field, interval, when = _settings(metadata, raw.settings, place)
    kind, nested = _kind_of(annotation, place)
    if field.kind is not None:
        narrower = _primitive(field.kind, place)
        if kind is not None and not narrower.narrows(kind):
            raise refused(
                f"{field.kind} does not narrow {kind}, which {_named(annotation)} is", place, f'kind="{kind}"'
            )
        kind = narrower.name
    if interval != Interval():
        if kind is None:
            raise refused("an interval is one of numbers or of texts", place, "int, float or str")
        try:
            kind = within(primitive(kind), interval).name
        except RequestError as error:
            raise refused(error.message, place, error.fix or "") from None
    if when and nested is None:
        raise refused("a condition is for a class that is shown inside", place, "leave the Condition out")
    context = raw.name if field.context is None else field.context
    is_required = not (is_optional or many or raw.default is not None) if field.required is None else field.required
    for what, name in (("context", context), ("role", field.role), ("back_populates", field.back_populates)):
        if name is not None and (type(name) is not str or not name or is_reserved(name)):
            raise refused(f"{name!r:.60} is no name of a {what}", place, f'{what}="runtime"')
    if field.back_populates is not None and kind != "thing":
        raise refused("only a field that leads to a thing shows up there as well", place, "leave back_populates out")
    return TypedField(
        raw.name,
        raw.keyword,
        context,
        field.role or context,
        kind,
        annotation,
        nested,
        when,
        many,
        is_required,
        raw.default,
        field.back_populates,
    )


def unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without `Annotated`, aliases and new types around it, and what was said there."""
    metadata: list[Any] = []
    for _ in range(DEPTH_MAX):
        if get_origin(annotation) is Annotated:
            metadata += annotation.__metadata__
            annotation = annotation.__origin__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            break
    return annotation, metadata


def is_union(annotation: Any) -> bool:
    """Whether an annotation is `A | B`, `Union[A, B]` or `Optional[A]`."""
    return get_origin(annotation) in (Union, types.UnionType)


_ENDS: Final = ("ge", "gt", "le", "lt", "min_length", "max_length")
_NAMES: Final = ("context", "role", "kind", "required", "back_populates")


def _settings(
    metadata: Iterable[Any], own: Mapping[Any, Any], place: str
) -> tuple[Field, Interval, tuple[Condition, ...]]:
    """What the marks of a field say together: names, an interval, conditions. Marks of others are passed over."""
    said: dict[str, Any] = {name: own[name] for name in (*_NAMES, *_ENDS) if name in own}
    when: list[Condition] = []
    waiting = list(metadata)
    while waiting:
        mark = waiting.pop(0)
        if isinstance(mark, Condition):
            when.append(mark)
            continue
        if isinstance(mark, type | str):
            continue
        for name in (*_NAMES, *_ENDS) if isinstance(mark, Field) else _ENDS:
            value = getattr(mark, name, None)
            if value is not None and (said.setdefault(name, value) is not value and said[name] != value):
                raise refused(f"`{name}` is said twice", place, f"{name}={said[name]!r}")
        inner = getattr(mark, "metadata", None)  # what pydantic's own `Field` says inside an annotation
        if isinstance(inner, list) and len(inner) <= DEPTH_MAX:
            waiting += [each for each in inner if not hasattr(each, "metadata")]
    for name in _NAMES:
        wanted = bool if name == "required" else str
        if name in said and type(said[name]) is not wanted:
            raise refused(f"`{name}` is a {wanted.__name__}, not {said[name]!r:.40}", place, f'{name}="runtime"')
    for name in _ENDS:
        if name in said and type(said[name]) not in (int, float):
            raise refused(f"`{name}` is a number, not {said[name]!r:.40}", place, f"{name}=1")
    low = [(said[name], name != "gt") for name in ("ge", "gt", "min_length") if name in said]
    high = [(said[name], name != "lt") for name in ("le", "lt", "max_length") if name in said]
    if len(low) > 1 or len(high) > 1:
        raise refused("one end of an interval is said twice", place, "ge or gt, le or lt")
    ends = (low or [(None, True)])[0], (high or [(None, True)])[0]
    interval = Interval(ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    return Field(**{name: said[name] for name in _NAMES if name in said}), interval, tuple(when)


def _kind_of(annotation: Any, place: str) -> tuple[str | None, type[Any] | None]:
    """The primitive schema of a type, and the class whose things are shown inside."""
    try:
        if annotation in KINDS:
            return KINDS[annotation], None
    except TypeError:  # an annotation that cannot be hashed is none of these
        pass
    if isinstance(annotation, str | typing.ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        raise refused(
            f"its annotation cannot be read: {text:.80}", place, "define what it names at the top of a module"
        )
    if annotation is Ref or get_origin(annotation) is Ref:
        return "thing", None
    if is_typed(annotation):
        return "thing", annotation
    if isinstance(annotation, type) and get_origin(annotation) is None:
        near = nearest_names(annotation.__name__, [each.__name__ for each in KINDS if isinstance(each, type)])
    else:
        near = ()
    fixes: dict[Any, str] = {dict: "a class for it", set: "list[...]", frozenset: "list[...]", tuple: "list[...]"}
    of = get_origin(annotation) or annotation
    fix = fixes.get(of, TYPES) if isinstance(of, type) else TYPES
    raise RequestError(
        "hyper.class", f"{_named(annotation)} is no type of a property", where=place, nearest=near, fix=fix
    )


def _primitive(name: str, place: str) -> Any:
    try:
        return primitive(name)
    except RequestError as error:
        raise RequestError("hyper.class", error.message, where=place, nearest=error.nearest, fix=error.fix) from None


def _named(annotation: Any) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return f"{annotation!s:.80}".replace("typing.", "")


def refused(message: str, place: str, fix: str) -> RequestError:
    """The error for a class that cannot be read."""
    return RequestError("hyper.class", message, where=place, fix=fix)
