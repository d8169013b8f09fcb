"""Strata, rewrites, and the order in which a body can run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import ProgramError
from rhizomedb.logic import check, parse, relevant, schedule, stratify, substitute
from rhizomedb.logic.occurrences import dependencies
from rhizomedb.logic.safety import group
from rhizomedb.logic.stratify import components
from rhizomedb.logic.syntax import Aggregation, Program
from rhizomedb.logic.temporal import instantaneous
from rhizomedb.testing.strategies import BASE, programs

STRATA = [
    ("E13-dependencies-first", "c(x: X) :- b(x: X). b(x: X) :- a(x: X). a(x: 1).", [("a",), ("b",), ("c",)], []),
    (
        "L12-complement",
        "t(x: X) :- e(x: X). t(x: X) :- t(x: X). n(x: X) :- e(x: X), !t(x: X).",
        [("t",), ("n",)],
        ["t"],
    ),
    ("mutual", "a(x: X) :- b(x: X). b(x: X) :- a(x: X). b(x: X) :- e(x: X).", [("a", "b")], ["a"]),
    ("one-rule", "a(x: X) :- e(x: X).", [("a",)], []),
    ("stored-left-out", "a(x: X) :- e(x: X), f(x: X).", [("a",)], []),
    (
        "L11-inductive-last",
        "s(x: X)@next :- s(x: X), !a(x: X). a(x: X) :- s(x: X), b(x: X). b(x: 1).",
        [("b",), ("a",), ("s",)],
        [],
    ),
    ("L11-negation-of-itself", "s(x: X)@next :- s(x: X), !s(x: 1).", [("s",)], []),
    ("L11-both-kinds", "s(x: 1). s(x: X)@next :- s(x: X).", [("s",), ("s",)], []),
]


@pytest.mark.parametrize(("text", "strata", "recursive"), [row[1:] for row in STRATA], ids=[row[0] for row in STRATA])
def test_strata(text: str, strata: list[tuple[str, ...]], recursive: list[str]) -> None:
    found = stratify(parse(text))
    assert [stratum.relations for stratum in found] == strata
    assert [stratum.relations[0] for stratum in found if stratum.recursive] == recursive
    assert [stratum.inductive for stratum in found] == [False] * (len(found) - ("@next" in text)) + [True] * (
        "@next" in text
    )


def test_every_cycle_is_named() -> None:
    """L10, P15, E14."""
    text = "p(x: X) :- e(x: X), !q(x: X).\nq(x: X) :- e(x: X), !p(x: X).\nr(c: C) :- C := r()."
    with pytest.raises(ProgramError) as caught:
        stratify(parse(text))
    assert [error.code for error in caught.value.errors] == ["logic.not-stratifiable"] * 2
    first, second = caught.value.errors
    assert "p -> not q -> not p (rules in lines 1, 2)" in first.message
    assert "r -> cid r (rules in line 3)" in second.message
    assert first.span is not None and first.span.line == 1


@given(programs())
@settings(max_examples=80)
def test_strata_respect_dependencies(program: Program) -> None:
    """L10, L12: all that a stratum needs complete is in an earlier one; every rule is in exactly one."""
    strata = stratify(program)
    place = {relation: index for index, stratum in enumerate(strata) for relation in stratum.relations}
    for rule in program.rules:
        for edge in dependencies(rule):
            if edge.relation in place:
                assert place[edge.relation] < place[edge.head] or (
                    not edge.how and place[edge.relation] == place[edge.head]
                )
    assert sorted(map(str, program.rules)) == sorted(str(rule) for stratum in strata for rule in stratum.rules)


@given(
    st.integers(1, 8).flatmap(lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4), min_size=n, max_size=n))
)
def test_components_are_mutual_reachability(successors: list[list[int]]) -> None:
    graph = {str(node): [str(other) for other in others] for node, others in enumerate(successors)}
    reach = {node: {node} for node in graph}
    for _ in graph:
        reach = {node: seen.union(*(graph[other] for other in seen)) for node, seen in reach.items()}
    expected = {frozenset(other for other in graph if other in reach[node] and node in reach[other]) for node in graph}
    found = components(graph)
    assert {frozenset(component) for component in found} == expected
    done: set[str] = set()
    for component in found:
        done |= set(component)
        assert all(other in done for node in component for other in graph[node])


def test_large_programs() -> None:
    """No recursion and no quadratic step, or this would not end: a chain, one large cycle, and a body that is written backwards."""
    size = 3000
    chain = "".join(f"p{n}(x: X) :- p{n + 1}(x: X). " for n in range(size)) + f"p{size}(x: 1)."
    cycle = chain + f" p{size}(x: X) :- p0(x: X)."
    body = ", ".join(f"A{n} := A{n + 1} + 1" for n in range(size))
    backwards = f"p(x: A0) :- {body}, e(x: A{size})."
    assert len(stratify(parse(chain))) == size + 1
    assert len(stratify(parse(cycle))) == 1
    assert check(parse(chain), {}) == []
    assert check(parse(backwards), {"e": ("x",)}) == []


# The order of a body


def test_schedule() -> None:
    rule = parse(
        "r(x: C, n: N) :- N > 2, N := count : edge(from: X), C := B + 1, !q(x: C), B := X * 2, p(x: X)."
    ).rules[0]
    found = schedule(rule)
    assert [str(step.predicate) for step in found.steps] == [
        "p(x: X)",
        "N := count : edge(from: X)",
        "B := X * 2",
        "N > 2",
        "C := B + 1",
        "!q(x: C)",
    ]
    assert found.stuck == ()
    aggregation = rule.body[1]
    assert isinstance(aggregation, Aggregation)
    assert [str(variable) for variable in group(rule, aggregation)] == ["X"]


@given(programs())
@settings(max_examples=80)
def test_schedule_finds_everything_bound(program: Program) -> None:
    for rule in program.rules:
        found = schedule(rule)
        bound: set[object] = set()
        for step in found.steps:
            assert set(step.needs) <= bound
            bound |= set(step.binds)
        assert not found.stuck
        assert sorted(str(step.predicate) for step in found.steps) == sorted(map(str, rule.body))


def test_instantaneous() -> None:
    """E12: declared, or derived only by rules that an instantaneous relation drives."""
    text = (
        "event e(x). a(x: X) :- e(x: X). b(x: X) :- a(x: X), s(x: X). c(x: X) :- e(x: X). c(x: X) :- s(x: X). "
        "d(x: X) :- d(x: X), s(x: X). d(x: X) :- e(x: X). f(x: 1). s(x: X)@next :- e(x: X). "
        "g(x: X) :- s(x: X), !e(x: X)."
    )
    assert instantaneous(parse(text)) == {"e", "a", "b", "d"}


# Rewrites


def test_substitute() -> None:
    program = parse(
        "p(x: $a, y: Y) :- q(x: $b), !q(x: $a), $a := count : q(x: $b), "
        "Y := f(g($a), 1), Y > $a, h($b), optional r(y: Z = $a)."
    )
    found = substitute(program, {"a": 1, "b": 'x"). evil(x: 1'})
    assert str(found) == (
        'p(x: 1, y: Y) :- q(x: "x\\"). evil(x: 1"), !q(x: 1), 1 := count : q(x: "x\\"). evil(x: 1"), '
        'Y := f(g(1), 1), Y > 1, h("x\\"). evil(x: 1"), optional r(y: Z = 1).'
    )
    assert parse(str(found)) == found
    assert len(found.rules) == 1


@pytest.mark.parametrize(
    ("given_values", "codes"),
    [
        ({}, ["logic.parameter-missing"]),
        ({"limit": 1, "other": 2}, ["logic.parameter-unknown"]),
        ({"limt": 1}, ["logic.parameter-missing", "logic.parameter-unknown"]),
    ],
)
def test_substitute_refuses(given_values: dict[str, int], codes: list[str]) -> None:
    with pytest.raises(ProgramError) as caught:
        substitute(parse("p(x: X) :- q(x: X), X > $limit."), given_values)
    assert [error.code for error in caught.value.errors] == codes


def test_relevant() -> None:
    program = parse(
        "relation e(x). relation f(x). a(x: X) :- e(x: X), !b(x: X). b(x: X) :- g(x: X). "
        "c(n: N) :- N := count : a(x: X). "
        "d(x: X) :- f(x: X). d(x: X) :- a(x: X)."
    )
    assert [rule.head.relation for rule in relevant(program, "a").rules] == ["a", "b"]
    assert [declaration.relation for declaration in relevant(program, "a").declarations] == ["e"]
    assert [rule.head.relation for rule in relevant(program, "c").rules] == ["a", "b", "c"]
    assert relevant(program, ["c", "d"]) == program
    assert relevant(program, "nothing").rules == ()


@given(programs())
@settings(max_examples=50)
def test_relevant_rules_pass_by_themselves(program: Program) -> None:
    assert program.answer is not None
    found = relevant(program, program.answer)
    assert set(found.rules) <= set(program.rules)
    assert check(found, BASE) == []
