"""Purity: functions given to operators must depend on nothing but their arguments (F21, F24).

Incremental evaluation calls a function again to take back what it once gave; a function that answers differently then
leaves tuples behind for ever. It cannot be proved in general. What can be seen is refused: coroutines and generators,
code that assigns names outside itself, and answers that differ when asked twice in a row. Each step asks twice about
the first few elements only, so the check costs the same however much flows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from rhizomedb.errors import FlowError
from rhizomedb.flow.circuit.operator import call
from rhizomedb.flow.circuit.order import written

SAMPLE = 4
"""How many elements of a step are asked about twice."""


def require_pure(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The function, unless it can be seen without calling it that it is not pure."""
    if not callable(function):
        raise FlowError("flow.function", f"{what} needs a function, not {function!r}")
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(kind(function) for kind in kinds):
        raise FlowError("flow.impure", f"{what} was given a coroutine or a generator, which gives no value", where=what)
    code = getattr(function, "__code__", None)
    names = sorted(set(_assigned(code, frozenset(code.co_freevars)))) if isinstance(code, CodeType) else []
    if names:
        raise FlowError(
            "flow.impure",
            f"the function of {what} assigns `{names[0]}`, which is not its own",
            where=what,
            fix="return the value instead; a pure function changes nothing outside itself",
        )
    return function


def _assigned(code: CodeType, outer: frozenset[str]) -> Iterator[str]:
    """The names outside a function that its code assigns."""
    import dis  # slow to import, and only needed where circuits are built

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield str(instruction.argval)
        if instruction.opname in ("STORE_DEREF", "DELETE_DEREF") and instruction.argval in outer:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _assigned(constant, outer)


def ask_twice(function: Callable[..., Any], what: str, *arguments: Any, again: tuple[Any, ...] | None = None) -> Any:
    """The result of a function, which must be the same a second time; `again` are arguments that mean the same."""
    first = call(function, what, *arguments)
    second = call(function, what, *(arguments if again is None else again))
    if first != second:
        given = ", ".join(map(written, arguments))
        raise FlowError(
            "flow.impure",
            f"the function of {what} is not pure: for {given} it gave {written(first)} and then {written(second)}",
            where=what,
        )
    return first
