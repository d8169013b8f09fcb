"""Programs from Python are the programs that their text writes."""

from collections.abc import Callable

import pytest

from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.logic import (
    Program,
    aggregate,
    avg,
    call,
    check,
    constant,
    count,
    count_distinct,
    declare,
    functions,
    max_,
    min_,
    optional,
    parameter,
    parse,
    program,
    relation,
    relations,
    sum_,
    variable,
    variables,
)

edge, path, fact, p, q = relations("edge path fact p q")
X, Y, Z, C, N, T = variables("X Y Z C N T")

BUILT: list[tuple[str, Callable[[], Program]]] = [
    (
        "path(x: X, y: Y) :- edge(from: X, to: Y).\npath(x: X, y: Z) :- edge(from: X, to: Y), path(x: Y, y: Z).",
        lambda: program(
            path(x=X, y=Y).when(edge(from_=X, to=Y)),
            path(x=X, y=Z).when(edge(**{"from": X, "to": Y}), path(x=Y, y=Z)),
        ),
    ),
    ("p(x: X) :- q(x: X), !edge(from: X).", lambda: program(p(x=X).when(q(x=X), ~edge(from_=X)))),
    ("p(x: X)@next :- p(x: X), !q(x: X).", lambda: program(p(x=X).next_when(p(x=X), ~q(x=X)))),
    ("edge(from: 1, to: 2.5).", lambda: program(edge(from_=1, to=2.5))),
    ("p(x: true, y: -1).", lambda: program(p(x=True, y=-1))),
    ('p(x: bytes"00ff", y: "a\\"b").', lambda: program(p(x=b"\x00\xff", y='a"b'))),
    (f'p(x: cid"{Cid.of(b"")}").', lambda: program(p(x=Cid.of(b"")))),
    (
        "p(x: X) :- q(x: X), X > 3, X != 5, 9 >= X.",
        lambda: program(p(x=X).when(q(x=X), X > 3, X != 5, constant(9) >= X)),
    ),
    ("p(x: X) :- q(x: X), X < 9.", lambda: program(p(x=X).when(q(x=X), X < 9))),
    ("p(x: Y) :- q(x: X), Y := X * 2 + 1.", lambda: program(p(x=Y).when(q(x=X), Y.assign(X * 2 + 1)))),
    ("p(x: Y) :- q(x: X), Y := 1 - 2 / X.", lambda: program(p(x=Y).when(q(x=X), Y.assign(1 - 2 / X)))),
    ("p(x: Y) :- q(x: X), Y := mod(div(-X, 2), 3).", lambda: program(p(x=Y).when(q(x=X), Y.assign(-X // 2 % 3)))),
    ('p(x: C) :- C := fact(attribute: "a").', lambda: program(p(x=C).when(C.of(fact(attribute="a"))))),
    ("p(n: N) :- N := count : q(x: X).", lambda: program(p(n=N).when(N.assign(count(q(x=X)))))),
    ("p() :- 5 := count : q().", lambda: program(p().when(count(q()) == 5))),
    ("p() :- q(x: X), X := count : q().", lambda: program(p().when(q(x=X), count(q()) == X))),
    ("p(t: T) :- T := sum X : q(x: X).", lambda: program(p(t=T).when(T.assign(sum_(X, q(x=X)))))),
    (
        "p(a: X, b: Y, c: Z, d: T) :- X := min N : q(x: N), Y := max N : q(x: N), Z := avg N : q(x: N), "
        "T := count_distinct N : q(x: N).",
        lambda: program(
            p(a=X, b=Y, c=Z, d=T).when(
                X.assign(min_(N, q(x=N))),
                Y.assign(max_(N, q(x=N))),
                Z.assign(avg(N, q(x=N))),
                T.assign(count_distinct(N, q(x=N))),
            )
        ),
    ),
    (
        "p(s: T) :- T := dot X, Y : q(x: X, y: Y).",
        lambda: program(p(s=T).when(T.assign(aggregate("dot", X, Y, over=q(x=X, y=Y))))),
    ),
    (
        "p(x: X, y: Y) :- q(x: X), optional edge(from: X, to: Y = 0).",
        lambda: program(p(x=X, y=Y).when(q(x=X), optional(edge(from_=X, to=Y), Y=0))),
    ),
    (
        "p(x: X, y: Y) :- q(x: X), optional edge(from: X, to: Y = $none).",
        lambda: program(p(x=X, y=Y).when(q(x=X), optional(edge(from_=X, to=Y), Y=parameter("none")))),
    ),
    ("p(x: X) :- q(x: X), X > $limit.", lambda: program(p(x=X).when(q(x=X), X > parameter("limit")))),  # noqa: SIM300
    (
        'p(x: X) :- q(x: X), starts_with(X, "The") or not contains(X, "s").',
        lambda: program(p(x=X).when(q(x=X), functions.starts_with(X, "The") | ~functions.contains(X, "s"))),
    ),
    (
        'p(x: X) :- q(x: X), like(X, "a%") and same(X, X).',
        lambda: program(p(x=X).when(q(x=X), functions.like(X, "a%") & call("same", X, X))),
    ),
    (
        "p(`git/author`: X, `Upper`: X) :- q(`git/author`: X).",
        lambda: program(p(**{"git/author": X, "Upper": X}).when(q(**{"git/author": X}))),
    ),
    (
        "relation edge(from: int, to). event click(id: text).\np(x: X) :- click(id: X).",
        lambda: program(
            declare("edge", {"from": "int", "to": "any"}),
            declare("click", {"id": "text"}, event=True),
            p(x=X).when(relation("click")(id=X)),
        ),
    ),
]


@pytest.mark.parametrize(("text", "build"), BUILT, ids=[text[:60] for text, _ in BUILT])
def test_built_equals_parsed(text: str, build: Callable[[], Program]) -> None:
    built = build()
    assert built == parse(text)
    assert parse(str(built)) == built


def test_programs_join() -> None:
    closure, reverse = program(path(x=X, y=Y).when(edge(from_=X, to=Y))), program(p(x=X).when(path(x=X)))
    both = program(closure, reverse)
    assert both == closure + reverse
    assert check(both, {"edge": ("from", "to")}) == [*check(both, {"edge": ("from", "to")})]


REFUSED: list[tuple[str, str, Callable[[], object]]] = [
    ("chain", "logic.build", lambda: p(x=X).when(q(x=X), 1 < X < 5)),
    ("python-not", "logic.build", lambda: p(x=X).when(q(x=X), not X)),
    ("python-and", "logic.build", lambda: p(x=X).when(q(x=X) and q(x=Y))),
    ("aggregate-truth", "logic.build", lambda: bool(count(q()))),
    ("positional", "logic.positional", lambda: edge(X, Y)),
    ("mapping", "logic.positional", lambda: edge({"from": X})),
    ("expression-in-atom", "logic.build", lambda: p(x=X + 1)),
    ("lower-case", "logic.build", lambda: variable("x")),
    ("wildcard", "logic.build", lambda: variable("_")),
    ("parameter-name", "logic.build", lambda: parameter("a b")),
    ("assign-to-constant", "logic.build", lambda: constant(5).assign(X)),
    ("cid-of-negation", "logic.build", lambda: C.of(~fact())),
    ("aggregate-over-goal", "logic.build", lambda: count(~q())),
    ("aggregate-compared", "logic.build", lambda: count(q()) == X + 1),
    ("aggregate-ordered", "logic.build", lambda: count(q()) < X),
    ("condition-variable", "logic.build", lambda: p(x=X).when(X)),
    ("not-a-condition", "logic.build", lambda: p(x=X).when(True)),
    ("default-unknown", "logic.build", lambda: optional(q(x=X), Y=0)),
    ("default-variable", "logic.build", lambda: optional(q(x=X), X=Y)),
    ("none", "facts.null-value", lambda: p(x=None)),
    ("big", "facts.integer-range", lambda: p(x=2**63)),
    ("nan", "facts.float-not-finite", lambda: X + float("nan")),
    ("list", "facts.value-type", lambda: p(x=[1])),
    ("function", "logic.unknown-function", lambda: functions.uper(X)),
    ("operator-arity", "logic.build", lambda: call("+", X)),
    ("aggregate-name", "logic.build", lambda: aggregate("Dot", X, over=q(x=X))),
    ("type", "logic.unknown-type", lambda: declare("edge", {"from": "integer"})),
    ("relation-name", "logic.build", lambda: relation("a`b")),
    ("program-part", "logic.build", lambda: program(X > 3)),
    ("depth", "logic.too-deep", lambda: sum([X] * 70, constant(0))),
]


@pytest.mark.parametrize(("code", "build"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(code: str, build: Callable[[], object]) -> None:
    with pytest.raises(Error) as caught:
        build()
    assert caught.value.code == code
    assert caught.value.fix
