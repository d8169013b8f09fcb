"""What the check accepts and refuses. Ids name the requirement: L and P rows, errata E, defects Q."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import ProgramError, ProgramErrors
from rhizomedb.logic import AGGREGATES, check, check_parameters, checked, columns, parse, user_aggregate
from rhizomedb.logic.syntax import Call, Condition, Negation, Program, Rule, Selection, Variable
from rhizomedb.testing.strategies import BASE, programs

STORED = {
    "fact": ("entity", "attribute", "value"),
    "cause": ("from", "to"),
    "edge": ("from", "to"),
    "point": ("x", "y"),
    "q": ("x",),
    "s": ("x", "y"),
}
DOT = user_aggregate("dot", lambda rows: sum(x * y for x, y in rows), 2)  # type: ignore[misc,operator]

CRDT = """
known(c: C) :- C := fact().
genesis(c: C) :- C := fact(), !cause(from: C).
ancestor(anc: P, desc: C) :- cause(from: C, to: P).
ancestor(anc: A, desc: C) :- cause(from: C, to: P), ancestor(anc: A, desc: P).
concurrent(x: X, y: Y) :- known(c: X), known(c: Y), X < Y, !ancestor(anc: X, desc: Y), !ancestor(anc: Y, desc: X).
write(c: C, e: E, a: A, v: W) :- C := fact(entity: E, attribute: A, value: W).
superseded(c: C) :- write(c: C, e: E, a: A), write(c: D, e: E, a: A), ancestor(anc: C, desc: D).
mvr(e: E, a: A, v: W, c: C) :- write(c: C, e: E, a: A, v: W), !superseded(c: C).
lwwTop(e: E, a: A, c: M) :- mvr(e: E, a: A), M := max C : mvr(e: E, a: A, c: C).
lww(e: E, a: A, v: W) :- lwwTop(e: E, a: A, c: M), write(c: M, v: W).
add(c: C, s: S, x: X) :- C := fact(entity: S, attribute: "set/add", value: X).
observedRemove(c: C) :- add(c: C, s: S, x: X),
    R := fact(entity: S, attribute: "set/remove", value: X), ancestor(anc: C, desc: R).
member(s: S, x: X) :- add(c: C, s: S, x: X), !observedRemove(c: C).
delta(c: C, e: E, n: N) :- C := fact(entity: E, attribute: "ctr/delta", value: N).
counter(e: E, total: T) :- delta(e: E), T := sum N : delta(c: C, e: E, n: N).
ins(id: I, parent: P, ctr: N) :- C := fact(entity: I, attribute: "seq/after", value: P),
    D := fact(entity: I, attribute: "seq/ctr", value: N).
before(x: X, y: Y) :- ins(id: X, parent: P, ctr: N), ins(id: Y, parent: P, ctr: M), N > M.
hasEarlier(y: Y) :- before(x: X, y: Y).
firstChild(p: P, c: C) :- ins(id: C, parent: P), !hasEarlier(y: C).
between(x: X, z: Z) :- before(x: X, y: Y), before(x: Y, y: Z).
nextSibling(x: X, y: Y) :- before(x: X, y: Y), !between(x: X, z: Y).
"""

CHECKBOX = """
event click(id: text).
relation checkbox(id: text, checked: bool).
checkbox(id: I, checked: C)@next :- checkbox(id: I, checked: C), !click(id: I).
checkbox(id: I, checked: false)@next :- checkbox(id: I, checked: true), click(id: I).
checkbox(id: I, checked: true)@next :- checkbox(id: I, checked: false), click(id: I).
"""

ACCEPTED = {
    "L3-wildcard": "p(x: X) :- point(x: X). r(x: X) :- point(x: X, y: _).",
    "L4-union": "zero(x: 0, y: Y) :- point(x: 0, y: Y). zero(x: X, y: 0) :- point(x: X, y: 0).",
    "L6-checkbox-P4": CHECKBOX,
    "L8-event-driven": "event click(id). p(x: X)@next :- click(id: X).",
    "L8-derived-event": "event click(id). c(x: X) :- click(id: X), q(x: X). p(x: X)@next :- c(x: X).",
    "L8-recursive-event": "event e(id). r(x: X) :- e(id: X). "
    "r(x: Y) :- r(x: X), edge(from: X, to: Y). p(x: X)@next :- r(x: X).",
    "L8-keeps-in-other-order": "p(x: X, y: Y)@next :- p(y: Y, x: X).",
    "L9-cid": "p(c: C, e: E) :- C := fact(entity: E), cause(from: C).",
    "L14-negation-first": "r(x: X) :- !q(x: X), point(x: X).",
    "L14-assignments-backwards": "r(x: C) :- C := B + 1, B := A + 1, q(x: A), C > 3.",
    "L14-aggregate-first": "r(x: X, n: N) :- N > 2, N := count : edge(from: X), q(x: X).",
    "L15-repeated-variable-P18-Q1": "r(x: X) :- point(x: X, y: X).",
    "L17-constant-target": "r() :- 5 := count : q().",
    "L17-bound-target": "r(x: X) :- q(x: X), X := count : q().",
    "L19-aggregates-P12": "r(a: A, b: B, c: C, d: D) :- A := count : q(), B := sum X : q(x: X), "
    "C := min X : q(x: X), D := max X : q(x: X).",
    "L20-user-aggregate": "r(d: D) :- D := dot X, Y : point(x: X, y: Y).",
    "L21-local-in-two-aggregates": "r(a: A, b: B) :- A := sum X : q(x: X), B := max X : q(x: X).",
    "L23-diagonal-P11": "d(x: X, y: Y) :- point(x: X, y: Y), X <= Y.",
    "L25-strange-names": "r(`var0`: X, `$cid`: X) :- q(x: X).",
    "Q2-filters-before-aggregate": "h(x: X, n: N) :- point(x: X), !q(x: X), N := count : edge(from: X).",
    "Q11-P3-compare-aggregate": "popular(id: X) :- q(x: X), C := count : edge(to: X), C >= 3.",
    "P1": "a(x: X) :- point(x: X, y: Y).",
    "P5": "m(a: A, b: B, m: M) :- q(x: A), q(x: B), A != B, edge(from: A, to: M), !point(x: B, y: M).",
    "P6-group": "r(c: C, n: N) :- q(x: C), N := count : edge(to: C).",
    "P7-P8-sum": "r(c: C, t: T) :- s(x: C), T := sum Y : s(x: C, y: Y).",
    "P14-complement": "v(x: X) :- edge(from: X). v(x: X) :- edge(to: X). t(x: X, y: Y) :- edge(from: X, to: Y). "
    "t(x: X, y: Z) :- t(x: X, y: Y), edge(from: Y, to: Z). tc(x: X, y: Y) :- v(x: X), v(x: Y), !t(x: X, y: Y).",
    "P16-P17-constants": 'r(x: X) :- s(x: 1, y: X), !s(x: 2, y: X), fact(attribute: "a", value: X).',
    "P19-heads": "d(a: X, b: X) :- q(x: X). k(a: X, b: 9) :- q(x: X).",
    "P21-joins": "r(x: X) :- q(x: X), edge(from: X).",
    "D3-CRDTs": CRDT,
    "optional": "r(x: X, y: Y) :- q(x: X), optional edge(from: X, to: Y = 0), Y < 10.",
    "optional-parameter": "r(x: X, y: Y) :- q(x: X), optional edge(from: X, to: Y = $none).",
    "optional-chain": "r(x: X, z: Z) :- q(x: X), optional edge(from: Y, to: Z = 0), optional edge(from: X, to: Y = 0).",
    "declared-input": "relation node(id: int). r(x: X) :- node(id: X), X > 3.",
    "declared-stored": "relation edge(to: int, from). r(x: X) :- edge(to: X), X > 3.",
    "declared-types-meet": "relation a(x: int). relation b(x: any). r(x: X) :- a(x: X), b(x: X), X + 1 > 3, X != 2.5.",
    "ground": 'k(x: 1, y: "a"). k(x: $p, y: true).',
    "conditions": 'r(x: X) :- q(x: X), starts_with(X, "a") or not contains(lower(X), "b").',
    "float-division": "r(h: H) :- q(x: X), H := X / 60, H >= 3.0.",
    "variadic": 'r(x: Y) :- q(x: X), Y := concat(X, "a", "b"), least(1) == 1, length(slice(Y, 1)) > 2.',
    "least-kinds": "r(x: Y) :- q(x: X), Y := least(X, 3), Y > 2.5.",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(text: str) -> None:
    aggregates = {**AGGREGATES, "dot": DOT}
    program = parse(text)
    assert [str(error) for error in check(program, STORED, aggregates=aggregates)] == []
    assert checked(program, STORED, aggregates=aggregates) is program


# id, text, code, line, column, nearest, part of message, part of fix

REFUSED: list[tuple[str, str, str, int, int, tuple[str, ...], str, str]] = [
    ("L5-range", "p(x: X) :- q(x: Y).", "logic.unbound-variable", 1, 6, (), "`X` is in the head", "p(attribute: X)"),
    ("L5-near", "p(x: Total) :- s(x: Tota, y: X), X > 1.", "logic.unbound-variable", 1, 6, ("Tota",), "`Total`", ""),
    (
        "L16-negation",
        "p(x: X) :- q(x: X), !edge(from: X, to: Y).",
        "logic.unbound-variable",
        1,
        40,
        (),
        "negated atom",
        "leave the attribute out",
    ),
    (
        "L14-constraint",
        "p(x: X) :- q(x: X), Y > 3.",
        "logic.unbound-variable",
        1,
        21,
        (),
        "`Y` is in an expression",
        "",
    ),
    ("L14-condition", 'p(x: X) :- q(x: X), like(Y, "a").', "logic.unbound-variable", 1, 26, (), "`Y`", ""),
    ("L14-assignment", "p(x: Z) :- q(x: X), Z := X + Y.", "logic.unbound-variable", 1, 30, (), "`Y`", ""),
    (
        "L14-assigned-from-itself",
        "p(x: X) :- X := X + 1.",
        "logic.unbound-variable",
        1,
        12,
        (),
        "after itself",
        "positive atom",
    ),
    ("L14-equality-does-not-bind", "p(x: X) :- q(x: Y), X == Y.", "logic.unbound-variable", 1, 6, (), "`X`", ""),
    (
        "L17-target-in-own-atom",
        "p(x: X) :- X := count : q(x: X).",
        "logic.unbound-variable",
        1,
        12,
        (),
        "after itself",
        "",
    ),
    (
        "L21-P10-inside-aggregate",
        "p(x: X, n: N) :- N := count : q(x: X).",
        "logic.unbound-variable",
        1,
        6,
        (),
        "not seen outside",
        "q(x: X) in the body as well",
    ),
    (
        "L21-parameter-outside",
        "p(x: X, n: N) :- N := sum X : q(x: X).",
        "logic.unbound-variable",
        1,
        6,
        (),
        "not seen outside",
        "use `N`",
    ),
    (
        "L21-compared-outside",
        "p(n: N) :- N := count : q(x: X), X > 3.",
        "logic.unbound-variable",
        1,
        34,
        (),
        "not seen outside",
        "",
    ),
    (
        "L18-P9-bound-elsewhere",
        "p(t: T) :- q(x: X), T := sum X : s(x: X).",
        "logic.aggregate-parameter",
        1,
        30,
        (),
        "bound by another part",
        "new variable",
    ),
    (
        "L18-twice",
        "p(t: T) :- T := sum X : s(x: X, y: X).",
        "logic.aggregate-parameter",
        1,
        21,
        (),
        "2 times",
        "new variable",
    ),
    (
        "L18-absent",
        "p(t: T) :- T := sum X : s(y: Y).",
        "logic.aggregate-parameter",
        1,
        21,
        (),
        "does not occur",
        "s(attribute: X)",
    ),
    (
        "L18-target-is-parameter",
        "p(t: X) :- X := sum X : q(x: X).",
        "logic.aggregate-parameter",
        1,
        21,
        (),
        "bound by another part",
        "",
    ),
    (
        "aggregate-arity-0",
        "p(t: T) :- T := sum : q(x: X).",
        "logic.arity",
        1,
        17,
        (),
        "takes 1 parameter and is given 0",
        "T := sum X : q(",
    ),
    ("aggregate-arity-2", "p(t: T) :- T := max X, Y : s(x: X, y: Y).", "logic.arity", 1, 17, (), "is given 2", "max X"),
    (
        "unknown-aggregate",
        "p(t: T) :- T := summ X : q(x: X).",
        "logic.unknown-aggregate",
        1,
        17,
        ("sum",),
        "not an aggregate",
        "sum",
    ),
    (
        "function-as-aggregate",
        "p(t: T) :- T := upper X : q(x: X).",
        "logic.unknown-aggregate",
        1,
        17,
        (),
        "a function, not an aggregate",
        "count",
    ),
    (
        "unknown-relation",
        "p(x: X) :- edgy(from: X).",
        "logic.unknown-relation",
        1,
        12,
        ("edge",),
        "no relation `edgy`",
        "edge",
    ),
    (
        "unknown-relation-negated",
        "p(x: X) :- q(x: X), !pint(x: X).",
        "logic.unknown-relation",
        1,
        22,
        ("point",),
        "`pint`",
        "point",
    ),
    (
        "unknown-relation-head-near",
        "path(x: X) :- q(x: X). p(x: X) :- pat(x: X).",
        "logic.unknown-relation",
        1,
        35,
        ("path",),
        "`pat`",
        "path",
    ),
    ("unknown-relation-far", "p(x: X) :- zzz(x: X).", "logic.unknown-relation", 1, 12, (), "`zzz`", "relation zzz(…)."),
    (
        "unknown-attribute",
        "p(x: X) :- edge(form: X).",
        "logic.unknown-attribute",
        1,
        17,
        ("from",),
        "it has from, to",
        "edge(from: X, to: Y)",
    ),
    (
        "unknown-attribute-line",
        "p(x: X) :-\n  q(x: X),\n  !edge(from: X, too: X).",
        "logic.unknown-attribute",
        3,
        18,
        ("to",),
        "`too`",
        "edge(",
    ),
    (
        "unknown-attribute-derived",
        "r(x: X) :- q(x: X). p(x: X) :- r(y: X).",
        "logic.unknown-attribute",
        1,
        34,
        (),
        "it has x",
        "r(x: X)",
    ),
    (
        "unknown-attribute-declared-head",
        "relation r(x). r(x: X, y: X) :- q(x: X).",
        "logic.unknown-attribute",
        1,
        24,
        (),
        "`y`",
        "r(x: X)",
    ),
    (
        "unknown-attribute-aggregate",
        "p(n: N) :- N := count : edge(form: 1).",
        "logic.unknown-attribute",
        1,
        30,
        ("from",),
        "`form`",
        "",
    ),
    (
        "unknown-attribute-optional",
        "p(x: X) :- q(x: X), optional edge(from: X, too: Y = 1).",
        "logic.unknown-attribute",
        1,
        44,
        ("to",),
        "`too`",
        "",
    ),
    (
        "duplicate-attribute",
        "p(x: X) :- edge(from: X, from: Y).",
        "logic.duplicate-attribute",
        1,
        26,
        (),
        "`from` is named twice",
        "X == Y",
    ),
    ("duplicate-attribute-head", "p(x: X, x: 1) :- q(x: X).", "logic.duplicate-attribute", 1, 9, (), "`x`", ""),
    (
        "missing-attribute",
        "p(x: X, y: Y) :- s(x: X, y: Y).\np(x: X) :- q(x: X).",
        "logic.missing-attribute",
        2,
        1,
        (),
        "does not give `y`",
        "y: …",
    ),
    (
        "missing-attribute-first",
        "p(x: X) :- q(x: X).\np(x: X, y: Y) :- s(x: X, y: Y).",
        "logic.missing-attribute",
        1,
        1,
        (),
        "does not give `y`",
        "y: …",
    ),
    (
        "missing-attribute-declared",
        "relation p(x, y). p(x: X) :- q(x: X).",
        "logic.missing-attribute",
        1,
        19,
        (),
        "`y`",
        "y: …",
    ),
    (
        "attribute-conflict",
        "p(from: X) :- q(x: X).\np(form: X) :- q(x: X).",
        "logic.attribute-conflict",
        2,
        1,
        ("from",),
        "line 1",
        "p(from: …)",
    ),
    (
        "attribute-conflict-stored",
        "relation edge(a, b). p(x: X) :- q(x: X).",
        "logic.attribute-conflict",
        1,
        10,
        (),
        "stored with other",
        "relation edge(from, to).",
    ),
    (
        "declared-duplicate-attribute",
        "relation r(a, a). p(x: X) :- q(x: X).",
        "logic.duplicate-attribute",
        1,
        10,
        (),
        "`a` twice",
        "leave",
    ),
    (
        "redeclared",
        "relation r(a). relation r(b). p(x: X) :- q(x: X).",
        "logic.redeclared",
        1,
        25,
        (),
        "declared twice",
        "leave one",
    ),
    ("head-is-stored", "edge(from: 1, to: 2).", "logic.head-is-stored", 1, 1, (), "`edge` is stored", "edge_derived"),
    (
        "head-is-event",
        "event click(id). click(id: X) :- q(x: X).",
        "logic.head-is-stored",
        1,
        18,
        (),
        "event relation",
        "click_derived",
    ),
    (
        "E14-P20-cid-of-derived",
        "p(x: C) :- C := p(x: X).",
        "logic.cid-of-derived",
        1,
        17,
        (),
        "`p` has no CID",
        "carry the CID",
    ),
    ("E14-cid-of-cause", "p(x: C) :- C := cause(from: X).", "logic.cid-of-derived", 1, 17, (), "fact", ""),
    (
        "L7-L10-P15",
        "p(x: X) :- t(x: X), !r(x: X). r(x: X) :- t(x: X), !p(x: X). t(x: 1).",
        "logic.not-stratifiable",
        1,
        22,
        (),
        "p -> not r -> not p (rules in line 1)",
        "`r`",
    ),
    ("L10-self", "p(x: X) :- q(x: X), !p(x: X).", "logic.not-stratifiable", 1, 22, (), "p -> not p", ""),
    (
        "L10-aggregate",
        "p(x: N) :- q(x: X), N := count : p(x: X).",
        "logic.not-stratifiable",
        1,
        34,
        (),
        "p -> count p",
        "",
    ),
    (
        "L10-optional",
        "p(x: Y) :- q(x: X), optional p(x: Y = 1).",
        "logic.not-stratifiable",
        1,
        30,
        (),
        "p -> optional p",
        "",
    ),
    (
        "L10-long",
        "a(x: X) :- b(x: X).\nb(x: X) :- c(x: X).\nc(x: X) :- q(x: X), !a(x: X).",
        "logic.not-stratifiable",
        3,
        22,
        (),
        "c -> not a -> b -> c (rules in lines 1, 2, 3)",
        "",
    ),
    (
        "D3-tombstone",
        "visible(c: C) :- C := fact(), !dead(c: C). dead(c: D) :- visible(c: T), edge(from: T, to: D).",
        "logic.not-stratifiable",
        1,
        32,
        (),
        "visible -> not dead -> visible",
        "",
    ),
    (
        "T6-depth",
        "depth(c: C, n: N) :- cause(from: C), M := max N2 : depth(c: C, n: N2), N := M + 1.",
        "logic.not-stratifiable",
        1,
        52,
        (),
        "depth -> max depth",
        "",
    ),
    (
        "L8-E12-persistent",
        "p(x: X)@next :- q(x: X).",
        "logic.inductive",
        1,
        1,
        (),
        "neither repeats",
        "p(x: X) in the body",
    ),
    ("L8-E12-oscillates", "p(x: X)@next :- q(x: X), !p(x: X).", "logic.inductive", 1, 1, (), "neither repeats", ""),
    (
        "L8-not-the-same-bindings",
        "p(x: X, y: Y)@next :- p(x: Y, y: X).",
        "logic.inductive",
        1,
        1,
        (),
        "neither repeats",
        "",
    ),
    (
        "L8-negated-event",
        "event click(id). p(x: X)@next :- q(x: X), !click(id: X).",
        "logic.inductive",
        1,
        18,
        (),
        "neither repeats",
        "`click`",
    ),
    (
        "L8-half-an-event",
        "event e(id). c(x: X) :- e(id: X). c(x: X) :- q(x: X). p(x: X)@next :- c(x: X).",
        "logic.inductive",
        1,
        55,
        (),
        "neither repeats",
        "`e`",
    ),
    (
        "unknown-function",
        "p(x: Y) :- q(x: X), Y := uper(X).",
        "logic.unknown-function",
        1,
        26,
        ("upper",),
        "`uper`",
        "upper(text) -> text",
    ),
    (
        "aggregate-as-function",
        "p(x: Y) :- q(x: X), Y := sum(X).",
        "logic.unknown-function",
        1,
        26,
        (),
        "is an aggregate",
        "N := sum X : p(x: X)",
    ),
    (
        "positional",
        "p(x: X) :- edge(X, Y).",
        "logic.positional",
        1,
        12,
        (),
        "relations take named attributes",
        "edge(from: X, to: Y)",
    ),
    (
        "positional-negated",
        "p(x: X) :- q(x: X), !edge(X, 3).",
        "logic.positional",
        1,
        22,
        (),
        "named attributes",
        "edge(from: X, to: 3)",
    ),
    (
        "positional-misspelt",
        "p(x: X) :- q(x: X), edgee(X, X).",
        "logic.unknown-relation",
        1,
        21,
        ("edge",),
        "`edgee`",
        "edge(from: X, to: X)",
    ),
    (
        "arity-few",
        "p(x: X) :- q(x: X), starts_with(X).",
        "logic.arity",
        1,
        21,
        (),
        "given 1 argument",
        "starts_with(text, text)",
    ),
    (
        "arity-many",
        "p(x: Y) :- q(x: X), Y := upper(X, X).",
        "logic.arity",
        1,
        26,
        (),
        "given 2 arguments",
        "upper(text)",
    ),
    (
        "optional-no-default",
        "p(x: X, y: Y) :- q(x: X), optional edge(from: X, to: Y).",
        "logic.optional-default",
        1,
        54,
        (),
        "has no default",
        "Y = 0",
    ),
    (
        "optional-unbound",
        "p(x: X, z: Z) :- q(x: X), optional edge(from: Y, to: Z = 0).",
        "logic.optional-default",
        1,
        47,
        (),
        "has no default",
        "Y = 0",
    ),
    (
        "optional-nothing",
        "p(x: X) :- q(x: X), optional edge(from: X).",
        "logic.optional-default",
        1,
        30,
        (),
        "says nothing",
        "Y = 0",
    ),
    (
        "optional-bound",
        "p(x: X) :- q(x: X), optional edge(from: X = 0).",
        "logic.optional-default",
        1,
        41,
        (),
        "bound elsewhere",
        "default",
    ),
    ("ground", "p(x: X).", "logic.ground-fact", 1, 6, (), "without a body", "constant"),
    (
        "type-constant",
        'relation r(x: int). p(y: Y) :- q(x: Y), r(x: "a").',
        "logic.type",
        1,
        46,
        (),
        "`x` of `r` is int",
        "",
    ),
    (
        "type-negated",
        'relation r(x: int). p(y: Y) :- q(x: Y), !r(x: "1").',
        "logic.type",
        1,
        47,
        (),
        "never matches",
        "1",
    ),
    (
        "type-comparison",
        'relation r(x: int). p(x: X) :- r(x: X), X < "a".',
        "logic.type",
        1,
        41,
        (),
        "`<` never holds",
        "",
    ),
    (
        "type-float",
        "relation r(x: float). p(x: X) :- r(x: X), X > 3.",
        "logic.type",
        1,
        43,
        (),
        "X is float and 3 is int",
        "3.0",
    ),
    ("type-division", "p(x: X) :- q(x: X), X / 60 >= 3.", "logic.type", 1, 21, (), "`>=` never holds", "3.0"),
    (
        "type-join",
        "relation a(x: int). relation b(x: text). p(x: X) :- a(x: X), b(x: X).",
        "logic.type",
        1,
        67,
        (),
        "they never meet",
        "two variables",
    ),
    ("type-function", "p(x: Y) :- q(x: X), Y := upper(3).", "logic.type", 1, 32, (), "never takes 3", '"3"'),
    ("type-sum", 'p(x: Y) :- q(x: X), Y := "a" + 3.', "logic.type", 1, 30, (), "adds text to a number", "text(3)"),
    ("type-count", 'p() :- "5" := count : q().', "logic.type", 1, 8, (), "`count` gives int", "variable"),
    ("type-cid", "p() :- C := fact(), C == 3.", "logic.type", 1, 21, (), "C is cid", ""),
    ("type-condition", "p(x: X) :- q(x: X), upper(X).", "logic.type", 1, 21, (), "not true or false", "upper(X) == …"),
    ("type-head", 'relation p(x: int). p(x: "a") :- q(x: X).', "logic.type", 1, 26, (), "`x` of `p` is int", ""),
    ("type-and", 'p(x: X) :- q(x: X), X > 3 and like(X, "a").', "logic.type", 1, 25, (), "never takes 3", ""),
    ("empty", "", "logic.empty-program", 0, 0, (), "no rule", ":-"),
    ("declarations-only", "relation r(x).", "logic.empty-program", 0, 0, (), "no rule", ":-"),
]


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "nearest", "message", "fix"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_refused(  # a row of the table
    text: str, code: str, line: int, column: int, nearest: tuple[str, ...], message: str, fix: str
) -> None:
    errors = check(parse(text), STORED)
    assert [error.code for error in errors] == [code], "\n".join(map(str, errors))
    error = errors[0]
    assert ((error.span.line, error.span.column) if error.span else (0, 0)) == (line, column), str(error)
    assert not nearest or error.nearest[: len(nearest)] == nearest
    assert message in error.message
    assert error.fix and fix in error.fix
    with pytest.raises(ProgramError) as caught:
        checked(parse(text), STORED)
    assert caught.value.code == code


def test_enough_are_refused() -> None:
    assert len(REFUSED) >= 60


def test_all_at_once_in_text_order() -> None:
    text = (
        "p(x: X, n: N) :- N := count : edgy(from: X).\n"
        "edge(from: 1, to: 2).\n"
        "r(x: X) :- q(x: X), uper(X), !r(x: X), edge(form: X).\n"
    )
    errors = check(parse(text), STORED)
    assert [(error.code, error.span.line, error.span.column) for error in errors if error.span] == [
        ("logic.unbound-variable", 1, 6),
        ("logic.unknown-relation", 1, 31),
        ("logic.head-is-stored", 2, 1),
        ("logic.unknown-function", 3, 21),
        ("logic.not-stratifiable", 3, 31),
        ("logic.unknown-attribute", 3, 45),
    ]
    with pytest.raises(ProgramErrors) as caught:
        checked(parse(text), STORED)
    assert len(caught.value.errors) == 6
    assert caught.value.code == "logic.unbound-variable"


def test_programs_without_text_have_errors_without_places() -> None:
    rule = Rule(parse("p(x: X) :- q(x: X).").rules[0].head, (Condition(Call("uper", (Variable("X"),))),))
    errors = check(Program((rule,)), STORED)
    assert {error.code for error in errors} == {"logic.unbound-variable", "logic.unknown-function"}
    assert all(str(error) for error in errors)


def test_deep_trees_are_refused_without_recursion() -> None:
    expression: Call = Call("neg", (Variable("X"),))
    for _ in range(20_000):
        expression = Call("neg", (expression,))
    body = (parse("p(x: X) :- q(x: X).").rules[0].body[0], Condition(expression))
    assert [error.code for error in check(Program((Rule(parse("p(x: 1).").rules[0].head, body),)), STORED)] == [
        "logic.too-deep"
    ]


def test_stored_types() -> None:
    program = parse('p(v: V) :- fact(entity: "abc", value: V).')
    assert check(program, STORED) == []
    assert [error.code for error in check(program, STORED, types={"fact": {"entity": "bytes"}})] == ["logic.type"]


# Parameters


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        (["limit", "none"], []),
        (["limit"], [("logic.parameter-missing", ())]),
        (["limt", "none"], [("logic.parameter-missing", ("limt",)), ("logic.parameter-unknown", ("limit",))]),
        (["limit", "none", "zzz"], [("logic.parameter-unknown", ())]),
        ([], [("logic.parameter-missing", ()), ("logic.parameter-missing", ())]),
    ],
)
def test_parameters(given_names: list[str], expected: list[tuple[str, tuple[str, ...]]]) -> None:
    program = parse("p(x: X, y: Y) :- q(x: X), X > $limit, optional edge(from: X, to: Y = $none).")
    assert [(error.code, error.nearest) for error in check_parameters(program, given_names)] == expected
    assert [error.code for error in check(program, STORED, parameters=given_names)] == [code for code, _ in expected]


# Columns of relations given as rows


@pytest.mark.parametrize(
    ("text", "given_rows", "expected"),
    [
        ("p(x: X) :- edge(from: X, to: Y).", {"edge": 2}, {"edge": ("from", "to")}),
        ("p(x: X) :- edge(to: X), !edge(from: X).", {"edge": 2}, {"edge": ("to", "from")}),
        ("relation edge(from, to). p(x: X) :- edge(to: X).", {"edge": 2}, {"edge": ("from", "to")}),
        ("p(x: X) :- edge(to: X).", {"edge": None}, {"edge": ("to",)}),
        ("p(x: X) :- q(x: X), N := sum B : r(b: B, a: X).", {"r": 2, "q": 1}, {"r": ("b", "a"), "q": ("x",)}),
        ("p(x: X) :- q(x: X).", {"q": 1, "other": 2}, {"q": ("x",), "other": ("column1", "column2")}),
    ],
)
def test_columns(text: str, given_rows: dict[str, int | None], expected: dict[str, tuple[str, ...]]) -> None:
    assert columns(parse(text), given_rows) == expected


def test_columns_of_another_number() -> None:
    with pytest.raises(ProgramError) as caught:
        columns(parse("p(x: X) :- q(x: X), edge(from: X)."), {"edge": 2, "q": 1})
    assert caught.value.code == "logic.columns"
    assert caught.value.fix == "relation edge(from, other1)."
    assert str(caught.value.span) == "line 1, column 21"


# Laws


@given(programs())
@settings(max_examples=80)
def test_generated_programs_pass(program: Program) -> None:
    assert [str(error) for error in check(program, BASE)] == []


@given(programs(), st.randoms(use_true_random=False), st.sampled_from(("drop", "negate", "unbind", "none")))
@settings(max_examples=80)
def test_order_makes_no_difference(program: Program, random: st.DataObject, damage: str) -> None:
    """Shuffling the rules and their bodies never changes what is wrong (L13, L14)."""
    damaged = Program(tuple(_damaged(rule, damage) for rule in program.rules), program.declarations)
    rules = [Rule(rule.head, tuple(_shuffled(rule.body, random)), rule.inductive) for rule in damaged.rules]
    shuffled = Program(tuple(_shuffled(rules, random)), damaged.declarations)
    assert _verdict(shuffled) == _verdict(damaged)


def _shuffled(items: object, random: object) -> list:  # type: ignore[type-arg]
    result = list(items)  # type: ignore[call-overload]
    random.shuffle(result)  # type: ignore[attr-defined]
    return result


def _damaged(rule: Rule, damage: str) -> Rule:
    match damage:
        case "drop":
            return Rule(rule.head, rule.body[1:])
        case "negate":
            return Rule(rule.head, tuple(Negation(p.atom) if isinstance(p, Selection) else p for p in rule.body))
        case "unbind":
            return Rule(rule.head, tuple(p for p in rule.body if not isinstance(p, Selection)) or rule.body)
        case _:
            return rule


def _verdict(program: Program) -> list[tuple[str, str]]:
    """Codes and subjects; the path of a cycle and the place in a sentence depend on where one begins to look."""
    return sorted(
        {
            (error.code, "" if error.code == "logic.not-stratifiable" else _subject(error))
            for error in check(program, BASE)
        }
    )


def _subject(error: ProgramError) -> str:
    found = re.match(r"`[^`]*`", error.message)
    return found.group() if found else ""


def test_many_slips_are_told_some_at_a_time() -> None:
    text = "\n".join(f"a{n}(x: Y) :- bb{n}(z: X)." for n in range(3000))
    assert 0 < len(check(parse(text), {"fact": ("entity",)})) <= 50


def test_nearest_names_are_looked_for_of_the_errors_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look compares with up to a thousand names: 3,000 unknown ones took minutes."""
    looks = []
    monkeypatch.setattr("rhizomedb.logic.schema.nearest_names", lambda name, known: looks.append(name) or ())
    program = parse("\n".join(f"a{n}(x: X) :- b{n}(x: X)." for n in range(500)))
    errors = check(program, {})
    assert [error.code for error in errors] == ["logic.unknown-relation"] * 50
    assert [error.span.line for error in errors if error.span] == list(range(1, 51)) and len(looks) == 50


def test_a_program_has_a_most_of_rules() -> None:
    program = parse("\n".join(f"a{n}(x: {n})." for n in range(4001)))
    assert [error.code for error in check(program, {})] == ["logic.text-size"]
