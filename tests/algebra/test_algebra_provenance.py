"""Why a tuple is there: premises hold, the rule gives the tuple from them, and nothing explains itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from algebra_helpers import Data, cid, history, run
from hypothesis import HealthCheck, given, settings

from rhizomedb.algebra import Absent, Derivation, Evaluation, Group, Relations, evaluate, lines, lower
from rhizomedb.algebra.provenance import MEMBERS_MAX
from rhizomedb.budget import Budget
from rhizomedb.errors import BudgetExceeded, PlanError
from rhizomedb.logic.check import checked
from rhizomedb.logic.syntax import Program
from rhizomedb.testing.strategies import BASE, programs, relations


def every(derivation: Derivation) -> Iterator[Derivation]:
    """A derivation and all below it, each once; raises if one is its own premise."""
    seen: set[int] = set()
    pending = [derivation]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        pending += below(node)


def below(derivation: Derivation) -> list[Derivation]:
    found: list[Derivation] = []
    for premise in derivation.premises:
        match premise:
            case Derivation():
                found.append(premise)
            case Group(members=members):
                found += members
    return found


def check(evaluation: Evaluation, derivation: Derivation) -> None:
    """The three laws, for the tuple and everything below it."""
    source = evaluation.source
    for node in every(derivation):
        columns, relation = node.columns, node.relation
        if node.rule is None:
            assert not node.premises
            assert list(source.scan(relation, dict(zip(columns, node.row, strict=True)))) == [node.row]
            continue
        table = evaluation.relations[relation]
        assert node.row in table
        for under in below(node):
            if under.rule is not None:
                earlier = evaluation.relations[under.relation].rows[under.row]
                assert earlier < table.rows[node.row], "a premise was there before"
        for premise in node.premises:
            match premise:
                case Absent(absent, pattern):
                    known = evaluation.relations.get(absent)
                    matching = (
                        known.matching(dict(pattern)) if known is not None else source.scan(absent, dict(pattern))
                    )
                    assert not list(matching)
                case Group(count=count, members=members):
                    assert len(members) == min(count, MEMBERS_MAX)
        # The rule alone, over the premises alone, gives the tuple again.
        given_rows: dict[str, set] = {}
        for under in below(node):
            given_rows.setdefault(under.relation, set()).add(under.row)
        names = {**evaluation.plan.stored, **{n: t.columns for n, t in evaluation.relations.items()}}
        alone = Relations({f"{name}": (cols, given_rows.get(name, ())) for name, cols in names.items()})
        renamed = Program((type(node.rule)(type(node.rule.head)("again", node.rule.head.arguments), node.rule.body),))
        again = evaluate(lower(renamed, alone.stored, evaluation.aggregates), alone, aggregates=evaluation.aggregates)
        wanted = dict(zip(columns, node.row, strict=True))
        assert tuple(wanted[name] for name in again.plan.derived["again"]) in again.relations["again"]


@given(programs(), relations(rows_max=6))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_laws_of_explanations(program, data):
    source = Relations({name: (BASE[name], data.get(name, ())) for name in BASE})
    evaluation = evaluate(lower(checked(program, source.stored), source.stored), source)
    for relation, table in evaluation.relations.items():
        for row in list(table)[:4]:
            check(evaluation, evaluation.explain(relation, row))


CLOSURE = "t(a: X, b: Y) :- r(a: X, b: Y). t(a: X, b: Z) :- r(a: X, b: Y), t(a: Y, b: Z)."


def test_a_cycle_does_not_explain_itself():
    evaluation = run(CLOSURE, {"r": (("a", "b"), [(0, 1), (1, 2), (2, 0)])})
    for row in evaluation.relations["t"]:
        check(evaluation, evaluation.explain("t", row))
    assert len(list(every(evaluation.explain("t", (0, 0))))) == 6


@pytest.mark.parametrize("seminaive", [True, False])
def test_printing(seminaive):
    evaluation = run(CLOSURE, {"r": (("a", "b"), [(1, 2), (2, 3)])}, seminaive=seminaive)
    assert str(evaluation.explain("t", (1, 3))).splitlines() == [
        "t(a: 1, b: 3)  by  t(a: X, b: Z) :- r(a: X, b: Y), t(a: Y, b: Z).",
        "  r(a: 1, b: 2)",
        "  t(a: 2, b: 3)  by  t(a: X, b: Y) :- r(a: X, b: Y).",
        "    r(a: 2, b: 3)",
    ]
    assert [text for _, text in lines(evaluation.explain("t", (2, 3)), rules=False)] == [
        "t(a: 2, b: 3)",
        "r(a: 2, b: 3)",
    ]


def test_premises_of_every_kind():
    program = """
        h(x: X, n: N, y: Y, c: C) :- C := fact(e: X, a: "in", v: true), !fact(e: X, a: "out"),
            N := sum V : fact(e: X, a: "n", v: V),
            optional fact(e: X, a: "y", v: Y = -1).
    """
    data = history(
        ("a", 1, "in", True, []),
        ("b", 1, "n", 3, []),
        ("c", 1, "n", 3, ["b"]),
        ("d", 2, "in", True, []),
        ("e", 2, "y", 7, []),
    )
    evaluation = run(program, data)
    first = evaluation.explain("h", (1, 6, -1, cid("a")))
    check(evaluation, first)
    stored, absent, group, missing = first.premises
    assert isinstance(stored, Derivation)
    assert stored.columns[0] == "$cid"
    assert stored.row[0] == cid("a")
    assert absent == Absent("fact", (("e", 1), ("a", "out")))
    assert isinstance(group, Group)
    assert (group.count, [member.row[0] for member in group.members]) == (2, [cid("b"), cid("c")])
    assert missing == Absent("fact", (("e", 1), ("a", "y")))
    second = evaluation.explain("h", (2, 0, 7, cid("d")))
    check(evaluation, second)
    assert isinstance(second.premises[2], Group)
    assert second.premises[2].count == 0
    assert 'sum over 0 of fact(e: 2, a: "n")' in str(second)


def test_a_group_is_capped():
    evaluation = run("n(n: N) :- N := count : p().", {"p": (("x",), [(n,) for n in range(MEMBERS_MAX + 5)])})
    (group,) = evaluation.explain("n", (MEMBERS_MAX + 5,)).premises
    assert isinstance(group, Group)
    assert (group.count, len(group.members)) == (MEMBERS_MAX + 5, MEMBERS_MAX)


def test_facts_of_the_program_and_stored_tuples():
    evaluation = run("p(x: 1). q(x: X) :- p(x: X), s(x: X).", {"s": (("x",), [(1,)])})
    fact, stored = evaluation.explain("q", (1,)).premises
    assert isinstance(fact, Derivation)
    assert str(fact.rule) == "p(x: 1)."
    assert isinstance(stored, Derivation)
    assert stored.rule is None
    assert evaluation.explain("s", (1,)).premises == ()


@pytest.mark.parametrize(
    ("relation", "row", "code"),
    [
        ("t", (9, 9), "algebra.unknown-tuple"),
        ("r", (9, 9), "algebra.unknown-tuple"),
        ("u", (1,), "algebra.unknown-relation"),
        ("t", (1,), "algebra.row"),
    ],
)
def test_what_cannot_be_explained(relation, row, code):
    evaluation = run(CLOSURE, {"r": (("a", "b"), [(1, 2)])})
    with pytest.raises(PlanError) as caught:
        evaluation.explain(relation, row)
    assert caught.value.code == code


def test_a_long_chain_is_explained_without_recursion():
    length = 3000
    data: Data = {"r": (("a", "b"), [(n, n + 1) for n in range(length)])}
    evaluation = run("d(x: 0). d(x: Y) :- d(x: X), r(a: X, b: Y).", data)
    explanation = evaluation.explain("d", (length,))
    assert len(str(explanation).splitlines()) == 2 * length + 1
    with pytest.raises(BudgetExceeded):
        evaluation.explain("d", (length,), meter=Budget(facts=100).meter())
