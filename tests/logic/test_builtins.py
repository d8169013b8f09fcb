"""The built-in functions, aggregates and comparisons, as tables. `None` stands for no result."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, VALUE_BYTES_MAX, Value, check_value, exact, order, plain
from rhizomedb.logic.builtins import AGGREGATES, FUNCTIONS, KINDS, compare, kinds_of, user_aggregate
from rhizomedb.testing.strategies import values

LINK = Cid.of(b"")
LONG = "a" * VALUE_BYTES_MAX

CALLS: list[tuple[str, tuple[Value, ...], Value | None]] = [
    ("+", (1, 2), 3),
    ("+", (1, 2.5), 3.5),
    ("+", ("a", "b"), "ab"),
    ("+", ("a", 1), None),
    ("+", (True, 1), None),
    ("+", (b"a", b"b"), None),
    ("+", (INTEGER_MAX, 1), None),
    ("+", (1e308, 1e308), None),
    ("+", (LONG, "b"), None),
    ("+", (-0.0 + 0.0, 0.0), 0.0),
    ("-", (1, 2), -1),
    ("-", (INTEGER_MIN, 1), None),
    ("*", (3, 2.0), 6.0),
    ("*", (-1, 0.0), 0.0),
    ("*", (1e200, 1e200), None),
    ("/", (6, 2), 3.0),
    ("/", (7, 2), 3.5),
    ("/", (1, 0), None),
    ("/", (1, 0.0), None),
    ("div", (7, 2), 3),
    ("div", (-7, 2), -4),
    ("div", (7, 0), None),
    ("div", (INTEGER_MIN, -1), None),
    ("div", (7.0, 2), None),
    ("mod", (-7, 2), 1),
    ("mod", (7, 0), None),
    ("neg", (3,), -3),
    ("neg", (INTEGER_MIN,), None),
    ("neg", (0.0,), 0.0),
    ("abs", (-2.5,), 2.5),
    ("abs", (INTEGER_MIN,), None),
    ("round", (2.5,), 3),
    ("round", (-2.5,), -3),
    ("round", (0.49999999999999994,), 0),
    ("round", (1e300,), None),
    ("round", (2.675, 2), 2.68),
    ("round", (1e300, 2), 1e300),
    ("round", (2.5, 99), None),
    ("floor", (-0.5,), -1),
    ("ceil", (-0.5,), 0),
    ("floor", (3,), 3),
    ("least", (3, 1.0, "a"), 3),
    ("least", (True, 3), True),
    ("greatest", (3, 1.0, "a"), "a"),
    ("kind", (True,), "bool"),
    ("kind", (1.0,), "float"),
    ("kind", (LINK,), "cid"),
    ("same", (1, 1), True),
    ("same", (1, 1.0), False),
    ("same", (1, True), False),
    ("number", ("3",), 3),
    ("number", (" -3.0 ",), -3.0),
    ("number", ("1e3",), 1000.0),
    ("number", ("x",), None),
    ("number", ("9" * 300,), None),
    ("number", ("9" * 5000,), None),
    ("number", ("1e999",), None),
    ("number", ("٣",), None),
    ("number", (True,), None),
    ("int", (2.9,), 2),
    ("int", (True,), 1),
    ("int", ("12",), 12),
    ("int", ("2.5",), None),
    ("int", (1e300,), None),
    ("float", (1,), 1.0),
    ("float", ("2.5",), 2.5),
    ("text", (3,), "3"),
    ("text", (3.0,), "3.0"),
    ("text", (True,), "true"),
    ("text", ("a",), "a"),
    ("text", (b"\x00\xff",), "00ff"),
    ("text", (LINK,), str(LINK)),
    ("hex", (b"\x00\xff",), "00ff"),
    ("unhex", ("00ff",), b"\x00\xff"),
    ("unhex", ("0 0",), None),
    ("unhex", ("0",), None),
    ("length", ("é",), 1),
    ("length", (b"ab",), 2),
    ("length", (3,), None),
    ("upper", ("straße",), "STRASSE"),
    ("upper", ("ß" * (VALUE_BYTES_MAX // 2),), "S" * VALUE_BYTES_MAX),
    ("lower", ("ABC",), "abc"),
    ("trim", ("  a ",), "a"),
    ("concat", ("a", "b", "c"), "abc"),
    ("concat", (LONG, "b"), None),
    ("concat", ("a", 1), None),
    ("starts_with", ("The Matrix", "The"), True),
    ("ends_with", ("The Matrix", "The"), False),
    ("contains", ("The Matrix", "Mat"), True),
    ("contains", (3, "Mat"), None),
    ("replace", ("banana", "an", "AN"), "bANANa"),
    ("replace", ("abc", "", "x"), "abc"),
    ("replace", ("a" * 1000, "a", "b" * 1000), None),
    ("slice", ("abcdef", 1, 3), "bc"),
    ("slice", ("abcdef", -2), "ef"),
    ("slice", (b"abc", 1), b"bc"),
    ("slice", ("abc", INTEGER_MIN, INTEGER_MAX), "abc"),
    ("split_part", ("a,b,c", ",", 2), "b"),
    ("split_part", ("a,b,c", ",", -1), "c"),
    ("split_part", ("a,b,c", ",", 4), None),
    ("split_part", ("a,b,c", ",", 0), None),
    ("split_part", ("abc", "", 1), None),
    ("like", ("The Matrix", "The%"), True),
    ("like", ("The Matrix", "%Mat_ix"), True),
    ("like", ("The Matrix", "Matrix"), False),
    ("like", ("", "%"), True),
    ("like", ("", ""), True),
    ("like", ("a", ""), False),
    ("like", ("100%", r"100\%"), True),
    ("like", ("1000", r"100\%"), False),
    ("like", ("a\\b", r"a\\b"), True),
    ("like", ("abcabc", "%abc"), True),
    ("like", ("a", "%" * 1025), None),
    ("time_ms", ("1970-01-01",), 0),
    ("time_ms", ("2026-11-01T12:00",), 1_793_534_400_000),
    ("time_ms", ("2026-11-01 12:00:01.5Z",), 1_793_534_401_500),
    ("time_ms", ("2026-11-01T12:00+02:00",), 1_793_527_200_000),
    ("time_ms", ("1969-12-31T23:59:59.999",), -1),
    ("time_ms", ("2026-02-30",), None),
    ("time_ms", ("yesterday",), None),
    ("time_text", (1_793_534_401_500,), "2026-11-01T12:00:01.500Z"),
    ("time_text", (INTEGER_MAX,), None),
    ("date", (1_793_534_401_500,), "2026-11-01"),
    ("date", (-1,), "1969-12-31"),
    ("year", (1_793_534_401_500,), 2026),
    ("month", (1_793_534_401_500,), 11),
    ("day", (1_793_534_401_500,), 1),
    ("year", (INTEGER_MIN,), None),
    ("and", (True, False), False),
    ("or", (True, False), True),
    ("not_", (False,), True),
    ("and", (1, True), None),
]


@pytest.mark.parametrize(
    ("name", "arguments", "result"), CALLS, ids=[f"{row[0]}-{place}" for place, row in enumerate(CALLS)]
)
def test_function(name: str, arguments: tuple[Value, ...], result: Value | None) -> None:
    function = FUNCTIONS[name]
    assert function.takes(len(arguments))
    found = function.call(*map(exact, arguments))
    assert found == (None if result is None else exact(result))


def test_every_function_has_a_case_and_a_doc() -> None:
    assert {row[0] for row in CALLS} == set(FUNCTIONS)
    for function in FUNCTIONS.values():
        assert function.doc.endswith((".", '".'))
        assert all(kinds_of(kind) for kind in (*function.parameters, function.result))
    assert str(FUNCTIONS["slice"]) == "slice(text|bytes, int, [int]) -> text|bytes"
    assert set(KINDS) == {"bool", "int", "float", "text", "bytes", "cid", "number", "any"}


@given(st.sampled_from(sorted(FUNCTIONS)), st.data())
@settings(max_examples=300)
def test_any_arguments_give_a_value_of_the_result_type_or_none(name: str, data: st.DataObject) -> None:
    """Total, and what comes out can be stored and has the kind that the table says (Q8)."""
    function = FUNCTIONS[name]
    fewest = len(function.parameters) - function.optional
    count = data.draw(st.integers(fewest, len(function.parameters) + 2 * function.variadic))
    result = function.call(*(exact(data.draw(values(wide=True))) for _ in range(count)))
    if result is not None:
        assert check_value(plain(result)) == plain(result)
        assert FUNCTIONS["kind"].call(result) in kinds_of(function.result)


def test_like_is_linear() -> None:
    assert FUNCTIONS["like"].call(LONG, "%a" * 500 + "b") == exact(False)


COMPARED: list[tuple[Value, str, Value, bool]] = [
    (1, "==", 1, True),
    (1, "==", 1.0, False),
    (1, "!=", 1.0, True),
    (1, "==", True, False),
    (1, "<", 1.5, False),
    (1, ">", 0.5, False),
    (1, "<", "2", False),
    (1, "!=", "1", True),
    (1.0, "<=", 1.0, True),
    ("a", "<", "b", True),
    ("é", ">", "z", True),
    (b"\x00", "<", b"\xff", True),
    (False, "<", True, True),
    (LINK, ">=", LINK, True),
    (LINK, "!=", LINK, False),
]


@pytest.mark.parametrize(("left", "operator", "right", "holds"), COMPARED)
def test_compare(left: Value, operator: str, right: Value, holds: bool) -> None:
    assert compare(operator, exact(left), exact(right)) is holds


AGGREGATED: list[tuple[str, list[Value], Value | None]] = [
    ("count", [], 0),
    ("count", [1, 1, "a"], 3),
    ("count_distinct", [], 0),
    ("count_distinct", [1, 1, 1.0, True, "1"], 4),
    ("sum", [], 0),
    ("sum", [3, 3, 7], 13),
    ("sum", [1, 2.5], 3.5),
    ("sum", ["a", True, b"", 4], 4),
    ("sum", ["a"], 0),
    ("sum", [INTEGER_MAX, 1], None),
    ("sum", [INTEGER_MAX, 1, -1], INTEGER_MAX),
    ("sum", [1e308, 1e308, -1e308], 1e308),
    ("sum", [1e308, 1e308], None),
    ("sum", [0.1] * 10, 1.0),
    ("min", [], None),
    ("min", [5, 12, -7], -7),
    ("min", ["a", 3, 2.5, True], True),
    ("max", [], None),
    ("max", ["a", 3, 2.5, True], "a"),
    ("max", [LINK, "a"], LINK),
    ("avg", [], None),
    ("avg", [1, 2, 3, 4, 5], 3.0),
    ("avg", ["a"], None),
    ("avg", [1, 2.0, "a"], 1.5),
    ("avg", [INTEGER_MAX, INTEGER_MAX], float(INTEGER_MAX)),
    ("avg", [1e308, 1e308], 1e308),
    ("mean", [1, 2], 1.5),
]


@pytest.mark.parametrize(
    ("name", "rows", "result"), AGGREGATED, ids=[f"L19-P12-Q7-{row[0]}-{place}" for place, row in enumerate(AGGREGATED)]
)
def test_aggregate(name: str, rows: list[Value], result: Value | None) -> None:
    aggregate = AGGREGATES[name]
    found = aggregate([(exact(value),) for value in rows])
    assert found == (None if result is None else exact(result))


@given(
    st.sampled_from(sorted(AGGREGATES)),
    st.lists(values(wide=True) | st.floats(-1e308, 1e308).map(lambda x: x + 0.0), max_size=6),
    st.randoms(),
)
def test_order_never_shows(name: str, cells: list[Value], random: st.DataObject) -> None:
    rows = [(exact(value),) for value in cells]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert AGGREGATES[name](rows) == AGGREGATES[name](shuffled)


def test_minimum_is_least_in_the_total_order() -> None:
    mixed: list[Value] = [LINK, b"a", "a", 1.5, 3, True, False]
    assert AGGREGATES["min"]([(exact(value),) for value in mixed]) == exact(min(mixed, key=order))


def test_user_aggregate() -> None:
    """L20, C.6: the sum of x·y over all pairs of 1…5 is 225; what does not fit has no result (Q8)."""
    dot = user_aggregate("dot", lambda rows: sum(x * y for x, y in rows), 2, empty=0)  # type: ignore[misc,operator]
    assert dot([(x, y) for x in range(1, 6) for y in range(1, 6)]) == 225
    assert dot([]) == 0
    assert dot([("a", "b")]) is None
    assert dot([(INTEGER_MAX, 2)]) is None
    first = user_aggregate("first", lambda rows: rows[0][0])
    assert first([(3,), (1,), (2,)]) == 1
    assert first([]) is None
