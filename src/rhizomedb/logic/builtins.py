"""The built-in functions and comparisons, as tables (PomoLogic 2.5.4).

Every function is pure and total: for arguments of the wrong kind, or where there is no finite, storable result
(overflow, division by zero, a text over the limit), it has *no result*, and the body that asked fails. None takes
more than time linear in its input. Kinds never mix silently, but for one case: an int beside a float in arithmetic
counts as a float.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import (
    FALSE,
    INTEGER_MAX,
    INTEGER_MIN,
    KIND_NAMES,
    TRUE,
    VALUE_BYTES_MAX,
    Cell,
    Exact,
    Value,
    exact,
    kind_of,
    order,
    order_cell,
)
from rhizomedb.logic import textual
from rhizomedb.logic.aggregates import AGGREGATES, Aggregate, user_aggregate

KINDS: Final[dict[str, frozenset[str]]] = {
    **{kind: frozenset({kind}) for kind in KIND_NAMES},
    "number": frozenset({"int", "float"}),
    "any": frozenset(KIND_NAMES),
}
"""What each type name of a declaration or function allows; `a|b` allows both."""


def kinds_of(type_name: str) -> frozenset[str]:
    """The kinds that a type name allows.

    >>> sorted(kinds_of("number|text"))
    ['float', 'int', 'text']
    """
    return frozenset().union(*(KINDS[part] for part in type_name.split("|")))


@dataclass(frozen=True, slots=True)
class Function:
    """A built-in function: the types it takes and gives, its work on cells, and what to say about it.

    The last `optional` parameters may be left out; the last one may be repeated if `variadic`. `call` may be given any
    cells of that number; it returns `None` for no result.
    """

    name: str
    parameters: tuple[str, ...]
    result: str
    call: Callable[..., Cell | None]
    doc: str
    optional: int = 0
    variadic: bool = False

    def takes(self, count: int) -> bool:
        """Whether it can be given so many arguments."""
        return count >= len(self.parameters) - self.optional and (self.variadic or count <= len(self.parameters))

    def parameter(self, index: int) -> str:
        """The type of an argument by its place."""
        return self.parameters[min(index, len(self.parameters) - 1)]

    def __str__(self) -> str:
        shown = [
            f"[{kind}]" if place >= len(self.parameters) - self.optional else kind
            for place, kind in enumerate(self.parameters)
        ]
        return f"{self.name}({', '.join(shown)}{', …' if self.variadic else ''}) -> {self.result}"


def _cell(value: Value | None) -> Cell | None:
    """The cell of a result, or `None` if it cannot be stored."""
    match value:
        case bool():
            return TRUE if value else FALSE
        case int():
            return value if INTEGER_MIN <= value <= INTEGER_MAX else None
        case float():
            return Exact(value + 0.0) if math.isfinite(value) else None
        case str():
            return value if (len(value) if value.isascii() else len(value.encode())) <= VALUE_BYTES_MAX else None
        case bytes():
            return value if len(value) <= VALUE_BYTES_MAX else None
        case _:
            return value


def _guarded(parameters: tuple[str, ...], work: Callable[..., Value | None]) -> Callable[..., Cell | None]:
    """A function on cells from one on plain values: checks the kinds before and the result after."""
    allowed = [frozenset(_TYPES[kind] for kind in kinds_of(parameter)) for parameter in parameters]
    count, repeated = len(allowed), allowed[-1]

    def call(*cells: Cell) -> Cell | None:
        values = [cell.value if type(cell) is Exact else cell for cell in cells]
        more = len(cells) - count
        for value, types in zip(values, allowed if more <= 0 else [*allowed, *[repeated] * more], strict=False):
            if type(value) not in types:
                return None
        try:
            return _cell(work(*values))
        except ArithmeticError:  # division by zero, or a float too large
            return None

    return call


_TYPES: Final[dict[str, type]] = {"bool": bool, "int": int, "float": float, "text": str, "bytes": bytes, "cid": Cid}


def _add(left: Any, right: Any) -> Value | None:
    if isinstance(left, str) != isinstance(right, str):
        return None
    return left + right  # type: ignore[no-any-return]  # two numbers or two texts


def _halves_up(number: float) -> int:
    """The nearest integer; halves go away from zero."""
    whole = math.floor(abs(number))
    whole += abs(number) - whole >= 0.5
    return -whole if number < 0 else whole


def _round(number: int | float, digits: int | None = None) -> Value | None:
    if digits is None:
        return number if isinstance(number, int) else _halves_up(number)
    if not 0 <= digits <= 15:
        return None
    from decimal import ROUND_HALF_UP, Decimal  # only those who round to digits pay for it

    if isinstance(number, int) or abs(number) >= 1e15:
        return number
    return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _number(value: Value) -> Value | None:
    return textual.number(value) if isinstance(value, str) else value


def _int(value: Any) -> Value | None:
    number: Any = textual.number(value) if isinstance(value, str) else value
    # A text must write an int: "2.5" is no more an int than "two".
    return None if type(number) is not int and isinstance(value, str) else int(number)


def _float(value: Any) -> Value | None:
    number: Any = _number(value)
    return None if number is None else float(number)


def _extreme(choose: Callable[..., Value]) -> Callable[..., Value]:
    return lambda *values: choose(values, key=order)


_TABLE: tuple[tuple[str, str, str, Callable[..., Value | None], str], ...] = (
    # Arithmetic. The parameters are types between spaces; `?` may be left out, `*` may be repeated.
    ("+", "number|text number|text", "number|text", _add, "The sum of two numbers, or two texts joined."),
    ("-", "number number", "number", operator.sub, "The difference."),
    ("*", "number number", "number", operator.mul, "The product."),
    ("/", "number number", "float", operator.truediv, "The quotient, always a float: 7 / 2 is 3.5, 6 / 2 is 3.0."),
    ("div", "int int", "int", operator.floordiv, "The whole quotient of two ints, rounded down."),
    ("mod", "int int", "int", operator.mod, "What div leaves over; it has the sign of the divisor."),
    ("neg", "number", "number", operator.neg, "The number with the other sign; written -X."),
    ("abs", "number", "number", abs, "The number without its sign."),
    (
        "round",
        "number int?",
        "number",
        _round,
        "The nearest int, halves away from zero; with digits, a float rounded there.",
    ),
    ("floor", "number", "int", math.floor, "The greatest int that is not above."),
    ("ceil", "number", "int", math.ceil, "The least int that is not below."),
    (
        "least",
        "any any*",
        "any",
        _extreme(min),
        "The least of the arguments; kinds order bool, int, float, text, bytes, CID.",
    ),
    ("greatest", "any any*", "any", _extreme(max), "The greatest of the arguments."),
    # Kinds
    (
        "kind",
        "any",
        "text",
        lambda value: KIND_NAMES[kind_of(value)],
        'The kind of a value: "bool", "int", "float", "text", "bytes", "cid".',
    ),
    (
        "same",
        "any any",
        "bool",
        lambda a, b: exact(a) == exact(b),
        "Whether two values have the same kind and are equal; 1 and 1.0 are not.",
    ),
    ("number", "number|text", "number", _number, 'The number that a text writes: "3" gives 3, "3.0" gives 3.0.'),
    (
        "int",
        "bool|number|text",
        "int",
        _int,
        "An int: a float loses its fraction, true is 1, a text must write an int.",
    ),
    ("float", "number|text", "float", _float, "A float."),
    ("text", "any", "text", textual.text, 'The value as text: 3 gives "3", bytes give hexadecimal digits.'),
    ("hex", "bytes", "text", bytes.hex, "Bytes as hexadecimal digits."),
    ("unhex", "text", "bytes", textual.unhex, "The bytes that hexadecimal digits write."),
    # Text; `length` and `slice` take bytes too
    ("length", "text|bytes", "int", len, "How many characters, or bytes."),
    ("upper", "text", "text", str.upper, "In capital letters."),
    ("lower", "text", "text", str.lower, "In small letters."),
    ("trim", "text", "text", str.strip, "Without the white space at both ends."),
    ("concat", "text text*", "text", textual.concat, "The texts joined."),
    ("starts_with", "text text", "bool", str.startswith, "Whether the first begins with the second."),
    ("ends_with", "text text", "bool", str.endswith, "Whether the first ends with the second."),
    ("contains", "text text", "bool", operator.contains, "Whether the second stands somewhere in the first."),
    (
        "like",
        "text text",
        "bool",
        textual.like,
        r"Whether the pattern covers the text: % any characters, _ one, \% itself.",
    ),
    (
        "replace",
        "text text text",
        "text",
        textual.replace,
        "The first with each occurrence of the second made the third.",
    ),
    (
        "slice",
        "text|bytes int int?",
        "text|bytes",
        textual.slice_,
        "From a start to before an end; from 0, negative from the end.",
    ),
    (
        "split_part",
        "text text int",
        "text",
        textual.split_part,
        "The n-th part between separators, from 1; negative from the end.",
    ),
    # Time: milliseconds since 1970 in UTC
    (
        "time_ms",
        "text",
        "int",
        textual.time_ms,
        'Milliseconds of an ISO time; UTC unless it says else: "2026-11-01T12:00".',
    ),
    ("time_text", "int", "text", textual.time_text, 'A time in milliseconds as "2026-11-01T12:00:00.000Z".'),
    ("date", "int", "text", textual.date, 'The day of a time in milliseconds: "2026-11-01".'),
    ("year", "int", "int", textual.calendar("year"), "The year of a time in milliseconds."),
    ("month", "int", "int", textual.calendar("month"), "The month, 1 to 12, of a time in milliseconds."),
    ("day", "int", "int", textual.calendar("day"), "The day of the month of a time in milliseconds."),
    # Truth
    ("and", "bool bool", "bool", operator.and_, "Whether both are true."),
    ("or", "bool bool", "bool", operator.or_, "Whether one of them is true."),
    ("not_", "bool", "bool", operator.not_, "Whether it is false; written not X or !X."),
)


def _function(name: str, signature: str, result: str, work: Callable[..., Value | None], doc: str) -> Function:
    words = signature.split()
    parameters = tuple(word.rstrip("?*") for word in words)
    optional = sum(word.endswith(("?", "*")) for word in words)
    return Function(name, parameters, result, _guarded(parameters, work), doc, optional, words[-1].endswith("*"))


FUNCTIONS: dict[str, Function] = {row[0]: _function(*row) for row in _TABLE}
"""Every built-in function and operator by name."""


_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(comparison: str, left: Cell, right: Cell) -> bool:
    """Whether a comparison holds. Between values of different kinds only `!=` does: 1 < 1.5 is false."""
    if comparison == "==":
        return left == right
    if comparison == "!=":
        return left != right
    (kind_left, value_left), (kind_right, value_right) = order_cell(left), order_cell(right)
    return kind_left == kind_right and _ORDERINGS[comparison](value_left, value_right)


__all__ = ["AGGREGATES", "FUNCTIONS", "KINDS", "Aggregate", "Function", "compare", "kinds_of", "user_aggregate"]
