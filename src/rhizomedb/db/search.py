"""Conditions of `find`: which entities may match, from the facts, and which do, from the view."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rhizomedb._record import dataclass
from rhizomedb.crdt.policy import agreed
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, Entity, Value, check_value, exact, kind_of, plain
from rhizomedb.store.store import Cut, Store


def _comparable(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: _class_of(left) == _class_of(right) and compare(left, right)


def _class_of(value: Value) -> str:
    """What can be in order with what: numbers of both kinds, else values of one kind."""
    kind = KIND_NAMES[kind_of(value)]
    return "number" if kind in ("int", "float") else kind


def _text(test: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: (
        isinstance(left, str) and isinstance(right, str) and test(left.casefold(), right.casefold())
    )


TESTS: dict[str, Callable[[Value, Value], bool]] = {
    "eq": lambda left, right: agreed(left) == agreed(right),
    "ne": lambda left, right: agreed(left) != agreed(right),
    "lt": _comparable(operator.lt),
    "le": _comparable(operator.le),
    "gt": _comparable(operator.gt),
    "ge": _comparable(operator.ge),
    "contains": _text(lambda text, part: part in text),
    "starts": _text(str.startswith),
}
"""What can follow an attribute name after two underscores. Ints and floats compare as numbers, here as in all views;
other values of different kinds are no match."""


@dataclass(frozen=True, slots=True)
class Match:
    """One condition: an attribute of the view, a test, and a value to test against."""

    attribute: Attribute
    test: str
    value: Value

    @classmethod
    def parse(cls, name: str, value: object) -> Match:
        """The condition of a keyword such as `year__lt`."""
        attribute, marker, test = name.rpartition("__")
        if not marker:
            return cls(name, "eq", check_value(value))
        if test not in TESTS:
            raise RequestError(
                "db.condition",
                f"{test!r} is not a test",
                nearest=nearest_names(test, TESTS),
                fix=f"{attribute}__{{{','.join(TESTS)}}}",
            )
        return cls(attribute, test, check_value(value))

    def holds(self, record: Mapping[Attribute, Any]) -> bool:
        """Whether the view shows a value that passes."""
        shown = record.get(self.attribute)
        if shown is None:
            return False
        return any(TESTS[self.test](value, self.value) for value in (shown if isinstance(shown, list) else [shown]))


def mentions(text: str) -> Callable[[Value], bool]:
    """Whether a value is a text that has another in it, in either case, or a number that is written so."""
    folded, number = text.casefold(), _number(text)

    def holds(value: Value) -> bool:
        if isinstance(value, str):
            return folded in value.casefold()
        return number is not None and type(value) in (int, float) and value == number

    return holds


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def matching(store: Store, cut: Cut, text: str | None, matches: Iterable[Match]) -> list[Entity]:
    """The entities of which any visible fact could make the conditions hold: a superset of the answer."""
    candidates: set[Entity] | None = None
    for match in matches:
        bound = {"attribute": exact(match.attribute)}
        indexed = match.test == "eq" and not isinstance(match.value, int | float)
        if indexed:
            bound["value"] = exact(match.value)
        test = TESTS[match.test]
        found = {row[1] for row in store.scan("fact", bound, cut) if indexed or test(plain(row[3]), match.value)}
        candidates = found if candidates is None else candidates & found  # type: ignore[assignment]  # the second column of `fact` is an entity
    if text is not None:
        holds = mentions(text)
        bounds: Iterable[dict[str, Cell]] = [{}] if candidates is None else ({"entity": one} for one in candidates)
        rows = (row for bound in bounds for row in store.scan("fact", bound, cut))
        candidates = {row[1] for row in rows if holds(plain(row[3]))}  # type: ignore[misc]  # the second column of `fact` is an entity
    if candidates is None:
        candidates = set(store.entities(cut))
    return sorted(candidates)
