"""Frozen dataclasses with slots, made in a fifth of the time.

The standard decorator compiles seven methods one by one for each class; with 170 classes that was half of the time in which
a command starts. This one compiles the constructor alone. What it makes is a dataclass in every other respect: `fields`,
`replace`, matching, equality, hashing, `FrozenInstanceError`. Whatever is not frozen with slots is left to the standard one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, **options):
        """The decorator: `@dataclass(frozen=True, slots=True)`, or any other dataclass."""
        eq = options.get("eq", True)
        if cls is None and {**options, "eq": eq} == {"frozen": True, "slots": True, "eq": eq}:
            return lambda each: _record(each, eq)
        return dataclasses.dataclass(cls, **options)


_MISSING = dataclasses.MISSING


def _record(cls: type[Any], eq: bool) -> type[Any]:
    cls.__doc__ = cls.__doc__ or cls.__name__  # else a signature is made for it
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)  # reads the fields, and compiles nothing
    cls = _with_slots(cls)
    fields = dataclasses.fields(cls)
    methods: dict[str, Any] = {
        **_frozen(cls, frozenset(field.name for field in fields)),
        **_state([field.name for field in fields]),
        "__init__": _init(cls, fields),
    }
    if "__repr__" not in cls.__dict__:
        methods["__repr__"] = _repr([field.name for field in fields if field.repr])
    if eq:
        of = _values([field.name for field in fields if field.compare])
        has_hash = cls.__dict__.get("__hash__") is not None
        if "__eq__" not in cls.__dict__:
            methods["__eq__"] = _eq(of)
        if not has_hash:
            methods["__hash__"] = lambda self: hash(of(self))
    for name, method in methods.items():
        method.__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, method)
    return cls


def _with_slots(cls: type[Any]) -> type[Any]:
    names = [field.name for field in dataclasses.fields(cls)]
    inherited = {slot for base in cls.__mro__[1:-1] for slot in getattr(base, "__slots__", ())}
    body = {name: value for name, value in cls.__dict__.items() if name not in {*names, "__dict__", "__weakref__"}}
    body["__slots__"] = tuple(name for name in names if name not in inherited)
    kind: Any = type(cls)
    made: type[Any] = kind(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _init(cls: type[Any], fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    known: dict[str, Any] = {"_MISSING": _MISSING}
    positional: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    for field in fields:
        name, value = field.name, field.name
        known[f"_set_{name}"] = getattr(cls, name).__set__
        default = ""
        if field.default_factory is not _MISSING:
            known[f"_make_{name}"] = field.default_factory
            default = "=_MISSING"
            value = f"_make_{name}() if {name} is _MISSING else {name}" if field.init else f"_make_{name}()"
        elif field.default is not _MISSING:
            known[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else positional).append(name + default)
        lines.append(f"  _set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    parameters = ["self", *positional, *(["*", *named] if named else [])]
    made: dict[str, Any] = {}
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or ["  pass"]), known, made)  # names of fields
    init: Any = made["__init__"]
    init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    init.__module__ = cls.__module__
    return init  # type: ignore[no-any-return]


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the values of some fields as a tuple."""
    if not names:
        return lambda self: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda self: (get(self),)


def _eq(of: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:
        return of(self) == of(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _repr(names: list[str]) -> Callable[[Any], str]:
    running: set[int] = set()

    def __repr__(self: Any) -> str:
        if id(self) in running:  # it holds itself
            return "..."
        running.add(id(self))
        try:
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        finally:
            running.discard(id(self))
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _frozen(cls: type[Any], names: frozenset[str]) -> dict[str, Any]:
    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _state(names: list[str]) -> dict[str, Any]:
    """For copying and pickling, which else would set attributes."""

    def __getstate__(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}
