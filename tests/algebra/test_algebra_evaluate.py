"""Evaluation at the rim: budgets stop it, sources are asked for little, and large inputs stay quick."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import pytest
from algebra_helpers import Data, run

from rhizomedb.algebra import Relations, Table, evaluate, lower
from rhizomedb.budget import Budget
from rhizomedb.errors import BudgetExceeded, PlanError
from rhizomedb.facts.value import Cell
from rhizomedb.logic.parse import parse

PAIRS = "p(x: X, y: Y) :- n(x: X), n(x: Y). q(x: X, y: Y, z: Z) :- p(x: X, y: Y), p(x: Y, y: Z)."
CLOSURE = "t(a: X, b: Y) :- r(a: X, b: Y). t(a: X, b: Z) :- r(a: X, b: Y), t(a: Y, b: Z)."
COUNTING = "c(n: 0). c(n: N) :- c(n: M), N := M + 1."
NUMBERS: Data = {"n": (("x",), [(n,) for n in range(600)])}
DENSE: Data = {"r": (("a", "b"), [(x, y) for x in range(300) for y in (x + 1, 2 * x)])}


class Counting:
    """A source that counts what it is asked for and gives."""

    def __init__(self, data: Data) -> None:
        self.relations = Relations(data)
        self.scans = 0
        self.rows = 0

    def columns(self, relation: str) -> tuple[str, ...]:
        return self.relations.columns(relation)

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        return self.relations.size(relation, bound)

    def distinct(self, relation: str, names: Collection[str]) -> int | None:
        return self.relations.distinct(relation, names)

    def scan(self, relation: str, bound: Mapping[str, Cell]) -> Iterator[tuple[Cell, ...]]:
        self.scans += 1
        for row in self.relations.scan(relation, bound):
            self.rows += 1
            yield row

    def scan_keys(
        self, relation: str, bound: Mapping[str, Cell], names: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]
    ) -> Iterator[tuple[Cell, ...]]:
        for row in rows:
            yield from self.scan(relation, {**bound, **dict(zip(names, row, strict=True))})


@pytest.mark.parametrize("options", [{}, {"probe": False, "seminaive": False}], ids=["fast", "plain"])
@pytest.mark.parametrize(
    ("program", "data", "budget", "code"),
    [
        (PAIRS, NUMBERS, Budget(facts=100_000), "budget.facts"),
        (CLOSURE, DENSE, Budget(facts=20_000), "budget.facts"),
        (COUNTING, {}, Budget(facts=1000, rounds=None), "budget.facts"),
        (COUNTING, {}, Budget(rounds=100), "budget.rounds"),
        (PAIRS, NUMBERS, Budget(bytes=10 << 20), "budget.memory"),
    ],
)
def test_a_bomb_is_stopped_within_its_budget(program, data, budget, code, options):
    meter = budget.meter()
    with pytest.raises(BudgetExceeded) as caught:
        run(program, data, meter=meter, **options)
    assert caught.value.code == code
    if code == "budget.facts":
        assert meter.facts <= 1.2 * budget.facts + 4096
    if code == "budget.rounds":
        assert meter.rounds == budget.rounds + 1


@pytest.mark.parametrize("program", [PAIRS, "s(x: X) :- n(x: X), n(x: Y), n(x: Z), X + Y + Z < 0."])
def test_time_is_a_budget(program):
    ticks = iter(range(10**9))
    with pytest.raises(BudgetExceeded) as caught:
        run(program, NUMBERS, meter=Budget(seconds=50).meter(clock=lambda: next(ticks)))
    assert caught.value.code == "budget.time"


def test_reading_without_deriving_takes_time_too():
    ticks = iter(range(10**9))
    data: Data = {"n": (("x",), [(n,) for n in range(300_000)])}
    with pytest.raises(BudgetExceeded):
        run("p(x: X) :- n(x: X), X < 0.", data, meter=Budget(seconds=50).meter(clock=lambda: next(ticks)))


def test_an_interrupt_passes_through():
    class Interrupted(Counting):
        def scan(self, relation: str, bound: Mapping[str, Cell]) -> Iterator[tuple[Cell, ...]]:
            yield from list(super().scan(relation, bound))[:10]
            raise KeyboardInterrupt

    source = Interrupted(DENSE)
    with pytest.raises(KeyboardInterrupt):
        evaluate(lower(parse(CLOSURE), source.relations.stored), source)


def probe(program: str, data: Data) -> Counting:
    source = Counting(data)
    plan = lower(parse(program), source.relations.stored)
    found = evaluate(plan, source)
    plain = evaluate(plan, source.relations, probe=False, seminaive=False)
    assert {n: set(t) for n, t in found.relations.items()} == {n: set(t) for n, t in plain.relations.items()}
    return source


ATTRIBUTES = ("title", "year", "next", "note")
FACTS = [
    (n, f"e{n // 4}", ATTRIBUTES[n % 4], f"e{n // 4 + 1}" if ATTRIBUTES[n % 4] == "next" else n % 7)
    for n in range(8000)
]
STORE: Data = {"fact": (("$cid", "entity", "attribute", "value"), FACTS)}


@pytest.mark.parametrize(
    ("program", "rows_max"),
    [
        pytest.param('a(a: A, v: V) :- fact(entity: "e5", attribute: A, value: V).', 4, id="one entity"),
        pytest.param(
            'a(v: V, w: W) :- fact(entity: "e5", attribute: "next", value: N),'
            ' fact(entity: N, attribute: "year", value: W), fact(entity: N, attribute: "title", value: V).',
            3,
            id="a path from one entity",
        ),
        pytest.param(
            'a(n: N) :- fact(entity: "e5", attribute: "next", value: E), N := count : fact(entity: E).',
            5,
            id="an aggregate",
        ),
        pytest.param(
            'a(e: E) :- fact(entity: "e5", attribute: "next", value: E), !fact(entity: E, attribute: "gone").',
            1,
            id="negation",
        ),
        pytest.param(
            'a(e: E, v: V) :- fact(entity: "e5", attribute: "next", value: E),'
            ' optional fact(entity: E, attribute: "year", value: V = 0).',
            2,
            id="an optional atom",
        ),
        pytest.param(
            'far(e: "e1990"). far(e: F) :- far(e: E), fact(entity: E, attribute: "next", value: F).', 11, id="recursion"
        ),
    ],
)
def test_a_bound_query_reads_little(program, rows_max):
    assert probe(program, STORE).rows <= rows_max


def test_many_small_look_ups_become_one_scan():
    """A recursion that reaches everything does not ask the source for each key forever."""
    data: Data = {"r": (("a", "b"), [(n, n + 1) for n in range(1000)])}
    source = probe("d(x: 0). d(x: Y) :- d(x: X), r(a: X, b: Y).", data)
    assert source.scans < 200
    assert source.rows < 1200


def test_the_small_side_leads_whatever_the_text_says():
    data: Data = {"big": (("x", "y"), [(n, n % 100) for n in range(5000)]), "small": (("x",), [(17,)])}
    for program in ("a(y: Y) :- big(x: X, y: Y), small(x: X).", "a(y: Y) :- small(x: X), big(x: X, y: Y)."):
        assert probe(program, data).rows == 2


def test_steps_and_relations():
    evaluation = run(CLOSURE, {"r": (("a", "b"), [(n, n + 1) for n in range(10)])})
    first, second = evaluation.steps
    assert (first.rows, first.runs) == (10, 1)
    assert (second.rows, second.runs) == (45, 10)
    assert all(step.seconds >= 0 for step in evaluation.steps)
    assert evaluation.relations["t"].columns == ("a", "b")


def test_tables():
    table = Table(("a", "b"), [(1, 2)])
    assert table.add((1, 3))
    assert not table.add((1, 3))
    assert list(table.matching({"a": 1})) == [(1, 2), (1, 3)]
    assert table.add((1, 4))
    assert list(table.matching({"b": 4, "a": 1})) == [(1, 4)]
    assert list(table.matching({})) == [(1, 2), (1, 3), (1, 4)]
    assert list(table.matching({"a": 9})) == []
    assert (1, 2) in table
    assert len(table) == 3
    for wrong in (lambda: table.add((1,)), lambda: table.matching({"z": 1}), lambda: Relations({}).scan("r", {})):
        with pytest.raises(PlanError):
            wrong()


def test_half_a_million_pairs():
    """A thousand rounds, each deriving up to a thousand pairs."""
    data: Data = {"r": (("a", "b"), [(n, n + 1) for n in range(1000)])}
    evaluation = run(CLOSURE, data)
    assert len(evaluation.relations["t"]) == 500_500


def generated(size: int) -> Iterable[tuple[int, int]]:
    return [(n, n * 7 % 1000) for n in range(size)]


def test_two_large_scans():
    data: Data = {"p": (("k", "v"), generated(100_000)), "q": (("k", "w"), generated(100_000))}
    evaluation = run("j(k: K, v: V) :- p(k: K, v: V), q(k: K, w: W), V + W < 20.", data)
    assert len(evaluation.relations["j"]) == 1000
