"""Programs and views as hyperedges: one for each definition, so that they are said, corrected, taken back and passed on.

A definition points at the thing that the name stands for, and carries the name, the text and what else belongs to it. Several
may stand for one name, where two defined it without having seen each other; which of them counts is a policy's choice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.value import Entity, Value
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference

PROGRAM: Final = "defines-program"
VIEW: Final = "defines-view"
"""The roles by which definitions point at what they define."""

DEFINITION: Final = "definition"
"""The context under which they show up there."""

_WHO_SAID_IT: Final = "who said it"
"""Stands for whoever said a thing, who may always take it back."""

NAME_MAX: Final = 200
_NAME: Final = re.compile(r"\w(?:[\w .:/+-]*\w)?")


_KEY: Final = re.compile("[0-9a-f]{64}")


class Definition:
    """What programs and views have in common: a name, a version that their content makes, and who says it when."""

    __slots__ = ()

    name: str
    edge: Hyperedge

    @property
    def version(self) -> str:
        """The SHA-256 of what it says: two who say the same have one version."""
        return hashlib.sha256(json.dumps(self._content(), ensure_ascii=False).encode()).hexdigest()

    @property
    def time(self) -> HybridTime:
        """When it is claimed to have been said."""
        return self.edge.time

    def _content(self) -> list[Any]:
        raise AssertionError("a definition has content")


@dataclass(frozen=True, slots=True)
class StoredProgram(Definition):
    """A program as it is stored: its text, the relation that it answers with if not the last, and what it is `about`."""

    name: str
    text: str
    answer: str | None
    about: str | None
    edge: Hyperedge

    def _content(self) -> list[Any]:
        return [self.text, self.answer]

    def __repr__(self) -> str:
        return f"<StoredProgram {self.name} {self.version[:10]}>"


@dataclass(frozen=True, slots=True)
class StoredView(Definition):
    """A view as it is stored: the name of its program, the relation that is read, and the values of parameters."""

    name: str
    program: str
    answer: str | None
    parameters: Mapping[str, Value]
    about: str | None
    edge: Hyperedge

    def _content(self) -> list[Any]:
        values = sorted((name, type(value).__name__, str(value)) for name, value in self.parameters.items())
        return [self.program, self.answer, values]

    def __repr__(self) -> str:
        return f"<StoredView {self.name} of {self.program}>"


@dataclass(frozen=True, slots=True)
class StoredHyperViews(Definition):
    """Views of some things by a schema as they are stored; `trusted` are the keys of whom may take back what others said."""

    name: str
    schema: str
    things: tuple[Entity, ...]
    trusted: frozenset[bytes] | None
    about: str | None
    edge: Hyperedge

    def _content(self) -> list[Any]:
        trusted = None if self.trusted is None else sorted(map(bytes.hex, self.trusted))
        return [self.schema, [each.hex() for each in self.things], trusted]

    def __repr__(self) -> str:
        return f"<StoredHyperViews {self.name}: {len(self.things)} by {self.schema}>"


D = TypeVar("D", bound=Definition)

Refused: TypeAlias = "tuple[Hyperedge, str]"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A name that is defined in several ways: all standing definitions, oldest first, and the one that counts."""

    name: str
    said: tuple[Definition, ...]
    counts: Definition


def is_name(text: object) -> bool:
    """Whether a text can name a program: no program text can."""
    return isinstance(text, str) and len(text) <= NAME_MAX and _NAME.fullmatch(text) is not None


def check_name(name: object, what: str) -> str:
    """A name, unless it is none."""
    if not is_name(name):
        raise RequestError(
            "program.name",
            f"{name!r:.60} cannot name a {what}: a name is letters, digits, blanks and . _ - : / + between, at most "
            f"{NAME_MAX}",
            fix='"long films"',
        )
    assert isinstance(name, str), "it is a name"
    return name


def entity_of_program(name: str) -> Entity:
    """What stands for a program."""
    return f"program:{name}".encode()


def entity_of_view(name: str) -> Entity:
    """What stands for a view."""
    return f"view:{name}".encode()


def pointers_of_program(name: str, text: str, answer: str | None, about: str | None) -> tuple[Pointer, ...]:
    """What a hyperedge says that defines a program."""
    more = [Pointer(role, value) for role, value in (("answer", answer), ("about", about)) if value is not None]
    target = Reference(entity_of_program(name), DEFINITION)
    return (Pointer(PROGRAM, target), Pointer("name", name), Pointer("text", text), *more)


def pointers_of_view(
    name: str, program: str, answer: str | None, parameters: Mapping[str, Value], about: str | None
) -> tuple[Pointer, ...]:
    """What a hyperedge says that defines a view. A parameter is a role with a dollar."""
    more = [Pointer(role, value) for role, value in (("answer", answer), ("about", about)) if value is not None]
    values = [
        Pointer(f"${key}", Reference(value) if isinstance(value, bytes) else value)
        for key, value in sorted(parameters.items())
    ]
    target = Reference(entity_of_view(name), DEFINITION)
    return (Pointer(VIEW, target), Pointer("name", name), Pointer("program", program), *more, *values)


def pointers_of_hyperviews(
    name: str, schema: str, things: Iterable[Entity], trusted: frozenset[bytes] | None, about: str | None
) -> tuple[Pointer, ...]:
    """What a hyperedge says that defines views of things by a schema."""
    more = [] if about is None else [Pointer("about", about)]
    if trusted is not None:
        more += [Pointer("trusted", each) for each in (_WHO_SAID_IT, *sorted(map(bytes.hex, trusted)))]
    target = Reference(entity_of_view(name), DEFINITION)
    shown = [Pointer("thing", Reference(each)) for each in dict.fromkeys(things)]
    return (Pointer(VIEW, target), Pointer("name", name), Pointer("schema", schema), *more, *shown)


def programs_of(edges: Iterable[Hyperedge]) -> tuple[dict[str, list[StoredProgram]], list[Refused]]:
    """The programs that hyperedges define, those of one name in the order given, and what is no definition and why."""
    return _read(edges, PROGRAM, entity_of_program, _program)


def views_of(
    edges: Iterable[Hyperedge],
) -> tuple[dict[str, list[StoredView | StoredHyperViews]], list[Refused]]:
    """The same for views."""
    return _read(edges, VIEW, entity_of_view, _view)


def _read(
    edges: Iterable[Hyperedge], role: str, entity_of: Callable[[str], Entity], make: Callable[[Hyperedge, str], D]
) -> tuple[dict[str, list[D]], list[Refused]]:
    found: dict[str, list[D]] = {}
    refused: list[Refused] = []
    for edge in edges:
        targets = [each for each in edge.targets(role) if isinstance(each, Reference) and each.context == DEFINITION]
        if not targets:
            continue
        try:
            name = check_name(_text(edge, "name"), "program")
            if len(targets) > 1 or targets[0].entity != entity_of(name):
                raise RequestError("program.name", f"it defines something else than it is named: {name!r}")
            found.setdefault(name, []).append(make(edge, name))
        except RequestError as error:
            refused.append((edge, error.message))
    return found, refused


def _program(edge: Hyperedge, name: str) -> StoredProgram:
    return StoredProgram(name, _text(edge, "text"), _maybe(edge, "answer"), _maybe(edge, "about"), edge)


def _view(edge: Hyperedge, name: str) -> StoredView | StoredHyperViews:
    if edge.targets("schema"):
        return _hyperviews(edge, name)
    parameters: dict[str, Any] = {}
    for pointer in edge.pointers:
        if pointer.role.startswith("$") and len(pointer.role) > 1:
            target = pointer.target
            parameters[pointer.role[1:]] = target.entity if isinstance(target, Reference) else target
    return StoredView(name, _text(edge, "program"), _maybe(edge, "answer"), parameters, _maybe(edge, "about"), edge)


def _hyperviews(edge: Hyperedge, name: str) -> StoredHyperViews:
    things = tuple(each.entity for each in edge.targets("thing") if isinstance(each, Reference))
    if not things:
        raise RequestError("program.definition", "it names no thing")
    said = [each for each in edge.targets("trusted") if each != _WHO_SAID_IT]
    if not all(isinstance(each, str) and _KEY.fullmatch(each) for each in said):
        raise RequestError("program.definition", "an author is named by the key in hexadecimal")
    trusted = frozenset(bytes.fromhex(str(each)) for each in said) if edge.targets("trusted") else None
    return StoredHyperViews(name, _text(edge, "schema"), things, trusted, _maybe(edge, "about"), edge)


def _text(edge: Hyperedge, role: str) -> str:
    found = edge.targets(role)
    if len(found) != 1 or type(found[0]) is not str or not found[0]:
        raise RequestError("program.definition", f"it has no one text as {role}")
    return found[0]


def _maybe(edge: Hyperedge, role: str) -> str | None:
    return _text(edge, role) if edge.targets(role) else None
