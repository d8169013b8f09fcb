"""One order and one notation for elements of any kind, so that what is printed and walked is always the same.

Python does not compare a number with a text. Here elements sort by kind first and then by value; tuples sort part by
part; what has no order of its own sorts by its `repr`. The notation is that of the papers: a tuple is `{a, b}`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from rhizomedb.facts.value import Exact, order_cell

Element: TypeAlias = Any
"""Anything hashable that does not change: what Z-sets and traces hold."""


class NoValue:
    """The value that goes with a key in a trace of plain Z-sets, whose elements are keys and nothing more (F6)."""

    def __repr__(self) -> str:
        return "nil"


NO_VALUE = NoValue()


def sort_key(element: Element) -> tuple[Any, ...]:
    """A key under which elements of all kinds can be sorted together."""
    match element:
        case NoValue():
            return ("",)
        case bool() | int() | float():
            return ("number", element, type(element).__name__)
        case str():
            return ("text", element)
        case bytes():
            return ("bytes", element)
        case tuple():
            return ("tuple", tuple(map(sort_key, element)))
        case Exact():
            return ("exact", order_cell(element))
        case _:
            return (type(element).__qualname__, repr(element))


def written(element: Element) -> str:
    """An element in the notation of the papers."""
    match element:
        case tuple():
            return "{" + ", ".join(map(written, element)) + "}"
        case Exact(value=value):
            return written(value)
        case str():
            return '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case None:
            return "nil"
        case bool():
            return "true" if element else "false"
        case _:
            return repr(element)
