"""Programs that are meant to run away: they end with an error of ours, soon."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import rhizomedb
from rhizomedb.algebra.relation import Relation
from rhizomedb.budget import BYTES_A_STEP, CHECK_EVERY, FORMULAS_BETWEEN, Budget, Meter
from rhizomedb.errors import BudgetExceeded, Error, RequestError
from rhizomedb.facts.value import VALUE_BYTES_MAX
from rhizomedb.flow.build import _Builder, _Part


class Ticking:
    """A clock on which every look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


FORMULAS = {
    "a test of two columns": "p() :- n(i: A), n(i: B), A + B < 0.",
    "a test of one column": "p() :- n(i: A), A + 1 < 0.",
    "a computation with two columns": "p(c: C) :- n(i: A), n(i: B), C := div(A + B, 1000).",
    "a computation with one column": "p(c: C) :- n(i: A), C := div(A, 1000).",
}


@pytest.mark.parametrize("text", FORMULAS.values(), ids=list(FORMULAS))
def test_time_is_looked_at_among_the_rows_of_a_piece(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A formula can take long for each row, so a whole piece of 262,144 rows took half a minute over a budget of 3 s."""
    looks: list[float] = []
    right = Meter.check

    def check(self: Meter) -> None:
        looks.append(self.elapsed())
        right(self)

    monkeypatch.setattr(Meter, "check", check)
    numbers = [(i,) for i in range(640 if "two" not in text else 40)]
    rhizomedb.evaluate(text, {"n": numbers})
    rows = len(numbers) ** (2 if "two" in text else 1)
    assert len(looks) >= rows // FORMULAS_BETWEEN


def test_long_values_are_looked_at_one_by_one() -> None:
    meter = Budget(seconds=2.5).meter(Ticking())
    long = "x" * VALUE_BYTES_MAX
    assert VALUE_BYTES_MAX // BYTES_A_STEP >= CHECK_EVERY
    meter.look((long,))
    with pytest.raises(BudgetExceeded):
        for _ in range(2):
            meter.look((long,))


def columns_of(many: int, each: Callable[[int], str]) -> str:
    return ", ".join(map(each, range(many)))


WIDE = {
    "a head": f"p({columns_of(1001, 'a{0}: X'.format)}) :- n(i: X).",
    "a body": f"p(x: X) :- n(i: X), q({columns_of(1001, 'a{0}: X'.format)}). q({columns_of(2, 'a{0}: 1'.format)}).",
}


@pytest.mark.parametrize("text", WIDE.values(), ids=list(WIDE))
def test_an_atom_has_a_most_of_attributes(text: str) -> None:
    """A head of 5,000 attributes took minutes before its budget began to count."""
    with pytest.raises(Error) as caught:
        rhizomedb.evaluate(text, {"n": [(1,)]})
    assert caught.value.code == "logic.text-size"


def test_as_many_attributes_as_there_may_be() -> None:
    text = f"p({columns_of(1000, 'a{0}: X'.format)}) :- n(i: X)."
    (row,) = rhizomedb.evaluate(text, {"n": [(7,)]})["p"]
    assert tuple(row) == (7,) * 1000


@pytest.mark.parametrize("limit", ["facts", "rounds", "seconds", "bytes"])
@pytest.mark.parametrize("wrong", [float("nan"), -1, "5", True, [1]])
def test_a_limit_that_is_none_is_refused(limit: str, wrong: object) -> None:
    """Nothing is more than NaN, so as a limit it was no limit."""
    with pytest.raises(RequestError) as caught:
        Budget(**{limit: wrong})  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.code == "db.usage" and limit in str(caught.value)


@pytest.mark.parametrize("limit", ["facts", "seconds", "bytes"])
def test_a_limit_of_nothing(limit: str) -> None:
    with pytest.raises(BudgetExceeded):
        rhizomedb.evaluate("p(x: X) :- n(i: X).", {"n": [(1,)]}, budget=Budget(**{limit: 0}))  # type: ignore[arg-type]


def test_alternatives_are_not_written_out_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each relation that stood for too many alternatives wrote out again all that was before it: 300 took minutes."""
    right = _Builder._applied

    def work(many: int) -> int:
        calls = 0

        def applied(self: _Builder, node: Relation, part: _Part) -> Iterator[_Part]:
            nonlocal calls
            calls += 1
            return right(self, node, part)

        monkeypatch.setattr(_Builder, "_applied", applied)
        optional = columns_of(many, "optional y(a: A, b: B{0} = 0)".format)
        text = f"p(a: A, {columns_of(many, 'b{0}: B{0}'.format)}) :- x(a: A), {optional}."
        (row,) = rhizomedb.evaluate(text, {"x": [(1,)], "y": [(2, 3)]})["p"]
        assert tuple(row) == (1, *[0] * many)
        return calls

    assert work(80) < 3 * work(40)
