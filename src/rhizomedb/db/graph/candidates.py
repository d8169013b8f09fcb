"""Which things may meet constraints: found from values to things, in the index, without a look at any view.

What a policy chooses is something that is said, unless it is a policy that makes values up (`average`, a function). So a thing
can meet `year__gt=1990` only if a hyperedge that shows up under its `year` says such a year: a join of three facts, whose
comparison the order of values in the index answers. What is found may be too much (it may be taken back, or not chosen),
never too little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from rhizomedb.budget import Budget
from rhizomedb.db.graph.constraint import Constraint, Step
from rhizomedb.db.programs.compiled import compiled
from rhizomedb.db.programs.reading import reading_of
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, Entity, Value
from rhizomedb.flow.cells import cells_of
from rhizomedb.hyper.json_delta import entity_of
from rhizomedb.hyper.schema import HyperSchema
from rhizomedb.logic.syntax import show_value
from rhizomedb.store.store import COLUMNS, Cut, Store

CANDIDATE: Final = "candidate"

IN_INDEX_MAX: Final = 200
"""How many values of an `in` are looked up; of more, every thing that has the property is a candidate."""

_EDGE: Final = "delta(edge: {})"

_COMPARISONS: Final[Mapping[str, str]] = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Stored(Protocol):
    """The reader that is asked."""

    _store: Store

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        ...


def candidates(
    reader: Stored,
    schema: HyperSchema,
    constraints: Iterable[Constraint],
    makes_up: Callable[[Step], bool],
    budget: Budget,
) -> list[Entity]:
    """The things of a schema that may meet constraints, in the order of their ids; `makes_up` says of which steps the
    policy may show what nobody says."""
    named: set[Entity] | None = None
    written = _Written()
    for constraint in constraints:
        if constraint.steps:
            written.constraint(constraint, makes_up)
        elif constraint.operator in ("eq", "in"):
            ids = [constraint.value] if constraint.operator == "eq" else constraint.value
            some = {entity_of(id) for id in ids if id}
            named = some if named is None else named & some
    if named is not None:  # who is named need not be looked for
        return sorted(named)
    if not written.conditions:
        written.every(schema)
    program = compiled(written.program(), COLUMNS, written.values, None, CANDIDATE)
    reading = reading_of(reader._store, reader.cut, StoreSource(reader._store, reader.cut))
    table = program.run(reading, budget).relation(CANDIDATE).table
    found: list[Any] = [thing for (thing,) in cells_of(table.read(), reading.reading.dictionary)]
    return sorted(found)


class _Written:
    """The program, as it is written."""

    def __init__(self) -> None:
        self.rules: list[str] = []
        self.conditions = 0
        self.values: dict[str, Value] = {}

    def program(self) -> str:
        """All rules, and the one that puts the conditions together."""
        whole = ", ".join(f"c{n}(thing: T)" for n in range(self.conditions))
        return "\n".join([*self.rules, f"{CANDIDATE}(thing: T) :- {whole}."])

    def every(self, schema: HyperSchema) -> None:
        """Every thing of which a schema shows something."""
        required = sorted(name for name, each in schema.properties.items() if each.required and schema.takes(name))
        if required:
            self._rule([_context("T", required[0], "E"), _EDGE.format("E")])
        elif schema.selects is None:
            self._rule([_context("T", None, "E"), _EDGE.format("E")])
        else:
            for name in sorted(schema.selects) or [""]:
                self._rule([_context("T", name, "E"), _EDGE.format("E")])
        self.conditions += 1

    def constraint(self, constraint: Constraint, makes_up: Callable[[Step], bool]) -> None:
        """The things that may meet a constraint."""
        body: list[str] = []
        thing = "T"
        for n, step in enumerate(constraint.steps):
            edge, last = f"E{n}", n == len(constraint.steps) - 1
            body.append(_context(thing, step.context, edge))
            tests = self._tests(constraint, edge, step.role) if last and not makes_up(step) else []
            if tests:
                for test in tests:
                    self._rule([*body, *test])
                break
            if last or makes_up(step):
                self._rule([*body, _EDGE.format(edge)])
                break
            thing = f"X{n}"
            body.append(_pointer(edge, step.role, thing))
        self.conditions += 1

    def _tests(self, constraint: Constraint, edge: str, role: str) -> list[list[str]]:
        """What a hyperedge has to say, in one of several ways; none where it may say anything."""
        value, operator = constraint.value, constraint.operator
        if operator in ("eq", "in"):
            some = [value] if operator == "eq" else value
            if len(some) > IN_INDEX_MAX:
                return []
            forms = [form for each in some for form in _forms(each)]
            return [[_pointer(edge, role, self._parameter(form))] for form in forms] or [[_pointer(edge, role, '""')]]
        said = _pointer(edge, role, "V")
        if operator in ("contains", "startswith"):
            name = {"contains": "contains", "startswith": "starts_with"}[operator]
            return [[said, f"{name}(lower(V), {self._parameter(value.lower())})"]]
        if operator in _COMPARISONS and not isinstance(value, bool):
            return [
                [said, f"V {comparison} {self._parameter(bound)}"]
                for comparison, bound in _bounds(_COMPARISONS[operator], value)
            ]
        return []

    def _parameter(self, value: Value) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _rule(self, body: Iterable[str]) -> None:
        self.rules.append(f"c{self.conditions}(thing: T) :- {', '.join(body)}.")


def _context(thing: str, context: str | None, edge: str) -> str:
    return f"fact(entity: {thing}, {'' if context is None else f'attribute: {show_value(context)}, '}value: {edge})"


def _pointer(edge: str, role: str, target: str) -> str:
    return f"fact(entity: {edge}, attribute: {show_value(role)}, value: {target})"


def _forms(value: Value) -> list[Value]:
    """How a value may be said that equals one where people read: a number in both kinds, a thing by its entity or as text."""
    if isinstance(value, bool):
        return [value]
    if isinstance(value, int):
        return [value, float(value)] if float(value) == value else [value]
    if isinstance(value, float):
        return [value, int(value)] if value.is_integer() and INTEGER_MIN <= value <= INTEGER_MAX else [value]
    if isinstance(value, str) and value:
        return [value, entity_of(value)]
    return [value]


def _bounds(comparison: str, value: Any) -> list[tuple[str, Value]]:
    """Comparisons that hold of all that compares so, kind by kind; where kinds differ a little more is let through."""
    if not isinstance(value, int | float):
        return [(comparison, value)]
    upward = comparison in (">", ">=")
    found: list[tuple[str, Value]] = [(comparison, value)]
    if isinstance(value, int):
        found.append((">=" if upward else "<=", math.nextafter(float(value), -math.inf if upward else math.inf)))
    else:
        near = math.floor(value) if upward else math.ceil(value)
        if INTEGER_MIN <= near <= INTEGER_MAX:
            found.append((">=" if upward else "<=", near))
        elif (near < 0) is upward:  # every int compares so
            found.append((">=" if upward else "<=", INTEGER_MIN if upward else INTEGER_MAX))
    return found
