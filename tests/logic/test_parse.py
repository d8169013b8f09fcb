"""The concrete syntax: what is read, what is refused and how, and that printing and reading are reverse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import ProgramError
from rhizomedb.facts.cid import Cid
from rhizomedb.logic import Program, parse
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Declaration,
    Negation,
    OptionalAtom,
    Parameter,
    Rule,
    Selection,
    Variable,
)
from rhizomedb.logic.tokens import TEXT_BYTES_MAX
from rhizomedb.testing.strategies import programs, trees

X, Y, Z, N, Q = map(Variable, "XYZNQ")
LINK = Cid.of(b"")


def atom(name: str, **terms: object) -> Atom:
    return Atom(
        name,
        tuple((key, term if isinstance(term, Variable | Parameter) else Constant(term)) for key, term in terms.items()),
    )  # type: ignore[arg-type]


# Reading

TERMS = [
    ("3", 3),
    ("-3", -3),
    ("007", 7),
    ("-9223372036854775808", -(2**63)),
    ("3.0", 3.0),
    ("-0.0", 0.0),
    ("1e3", 1000.0),
    ("2.5E-1", 0.25),
    ('""', ""),
    (r'"a\"\u00e9\n"', 'a"é\n'),
    ('"// no comment. /* # `"', "// no comment. /* # `"),
    ("true", True),
    ("false", False),
    ('bytes"00FF"', b"\x00\xff"),
    ('bytes""', b""),
    (f'cid"{LINK}"', LINK),
]


@pytest.mark.parametrize(("text", "value"), TERMS, ids=[text for text, _ in TERMS])
def test_constant(text: str, value: object) -> None:
    assert parse(f"p(x: {text}).").rules == (Rule(atom("p", x=value)),)
    assert parse(f"p(x:{text}).") == parse(f"p(x: {text}).")


BODIES = [
    ("q(x: X)", Selection(atom("q", x=X))),
    ("q()", Selection(atom("q"))),
    ("q(x: _, y: Y,)", Selection(atom("q", y=Y))),  # L3: `_` is an attribute left out
    ("q(x: _a, y: _B)", Selection(atom("q", x=Variable("_a"), y=Variable("_B")))),
    ("N := q(x: X)", Selection(atom("q", x=X), N)),  # L9
    ("q(x: $x)", Selection(atom("q", x=Parameter("x")))),
    ("`a b`(`git/author`: X)", Selection(Atom("a b", (("git/author", X),)))),
    ("`Q`(`Upper`: X)", Selection(Atom("Q", (("Upper", X),)))),
    ("q(not: X, true: Y)", Selection(Atom("q", (("not", X), ("true", Y))))),
    ("!q(x: X)", Negation(atom("q", x=X))),
    ("not q(x: X)", Negation(atom("q", x=X))),
    ("N := count : q(x: X)", Aggregation(N, "count", (), atom("q", x=X))),
    ("N:=sum Q:q(x:X,q:Q)", Aggregation(N, "sum", (Q,), atom("q", x=X, q=Q))),
    ("N := dot X, Y : q(x: X, y: Y)", Aggregation(N, "dot", (X, Y), atom("q", x=X, y=Y))),
    ("5 := count : q()", Aggregation(Constant(5), "count", (), atom("q"))),
    ("5 == count : q()", Aggregation(Constant(5), "count", (), atom("q"))),
    ("$n == max Q : q(q: Q)", Aggregation(Parameter("n"), "max", (Q,), atom("q", q=Q))),
    ("X / 60 >= 3", Constraint(Call("/", (X, Constant(60))), ">=", Constant(3))),
    ("X<-3", Constraint(X, "<", Constant(-3))),
    ("X -3 == Y", Constraint(Call("-", (X, Constant(3))), "==", Y)),
    ('X != "a"', Constraint(X, "!=", Constant("a"))),
    ('starts_with(X, "The")', Condition(Call("starts_with", (X, Constant("The"))))),
    ("not f(X)", Condition(Call("not_", (Call("f", (X,)),)))),
    (
        "f(X) or g(Y) and !h(Z)",
        Condition(Call("or", (Call("f", (X,)), Call("and", (Call("g", (Y,)), Call("not_", (Call("h", (Z,)),))))))),
    ),
    ("N := X - Y - Z", Assignment(N, Call("-", (Call("-", (X, Y)), Z)))),
    ("N := X + Y * -Z", Assignment(N, Call("+", (X, Call("*", (Y, Call("neg", (Z,)))))))),
    ("N := (X + 1) * 2", Assignment(N, Call("*", (Call("+", (X, Constant(1))), Constant(2))))),
    ("N := X", Assignment(N, X)),
    ("N := f(g(X), $p)", Assignment(N, Call("f", (Call("g", (X,)), Parameter("p"))))),
    ("optional q(x: X, y: Y = 0)", OptionalAtom(atom("q", x=X, y=Y), ((Y, Constant(0)),))),
    ("optional q(x: X = 1, y: Y = $d)", OptionalAtom(atom("q", x=X, y=Y), ((X, Constant(1)), (Y, Parameter("d"))))),
    (
        "optional q(x: X, y: Y = 0, z: X = 1)",
        OptionalAtom(atom("q", x=X, y=Y, z=Variable("X")), ((X, Constant(1)), (Y, Constant(0)))),
    ),
    ("q(x: X) // a comment. p(", Selection(atom("q", x=X))),
    ("q(x: X) # another", Selection(atom("q", x=X))),
    ("q(x: /* \n in the middle */ X)", Selection(atom("q", x=X))),
]


@pytest.mark.parametrize(("text", "predicate"), BODIES, ids=[text for text, _ in BODIES])
def test_predicate(text: str, predicate: object) -> None:
    program = parse(f"p() :- {text}\n.")
    assert program.rules[0].body == (predicate,)
    assert parse(str(program)) == program


def test_statements() -> None:
    program = parse(
        "relation edge(from: int, to). event click(id: text).\n"
        "relation `a b`().\n"
        "edge(from: 1, to: 2).\n"
        "p(x: X)@next :- p(x: X), !click(id: X).edge(from: 2, to: 3)."
    )
    assert program.declarations == (
        Declaration("edge", (("from", "int"), ("to", "any"))),
        Declaration("click", (("id", "text"),), event=True),
        Declaration("a b", ()),
    )
    assert [rule.inductive for rule in program.rules] == [False, True, False]
    assert parse(str(program)) == program
    assert parse("") == Program(())


def test_relations_called_like_keywords() -> None:
    program = parse("`relation`(`not`: X) :- `event`(`or`: X), `optional`(x: X), !`true`().")
    assert [found.relation for found in (program.rules[0].head, program.rules[0].body[0].atom)] == ["relation", "event"]  # type: ignore[union-attr]
    assert parse(str(program)) == program


def test_places() -> None:
    rule = parse("p(x: X) :-\n  q(x: X), N := sum Q : r(q: Q),\n  X >= 3.").rules[0]
    assert str(rule.span) == "line 1, column 1"
    spans = [rule.body[0].atom.span, rule.body[1].span, rule.body[2].span]  # type: ignore[union-attr]
    assert [(span.line, span.column, span.length) for span in spans if span] == [(2, 3, 7), (2, 17, 3), (3, 3, 6)]


# Refusing: text, line, column, part of the message, part of the fix

REFUSED = [
    ("p(x: X) <- q(x: X).", 1, 9, "joined by `:-`, not `<-`", ":-"),
    ("p(x: X) <= q(x: X).", 1, 9, "joined by `:-`", ":-"),
    ("p(x: X) = q(x: X).", 1, 9, "joined by `:-`", ":-"),
    ("p(x: X) := q(x: X).", 1, 9, "joined by `:-`", ":-"),
    ("p(x: X) : q(x: X).", 1, 9, "joined by `:-`", ":-"),
    ("p(x: X), r(x: X) :- q(x: X).", 1, 8, "one head", "one rule for each"),
    ("p(x: X) :- q(x: X)", 1, 18, "period", ")."),
    ("p(x: 1)", 1, 7, "period", ")."),
    ("p(x: X) :- q(x: X)\nr(x: X) :- q(x: X).", 1, 18, "period", ")."),
    ("p(x: 1)\nq(x: 2).", 1, 7, "period", ")."),
    ("p(x: X) :- q(x: X)\nrelation r(x).", 1, 18, "period", ")."),
    ("p(x: X) :- q(x: X) r(x: X).", 1, 20, "comma is missing", ","),
    ("p(x: X) :- q(x: X),.", 1, 19, "missing between", "comma"),
    ("p(x: X) :- .", 1, 12, "body is empty", "p(x: X)."),
    ("p(x: X) :- q(x: x).", 1, 17, "capital letter", 'X or "x"'),
    ("p(x: X) :- q(x: X), title == X.", 1, 21, "capital letter", "Title"),
    ("p(x: X) :- q(x: X), X = 3.", 1, 23, "`==` compares", "X == …"),
    ("p(x: X) :- q(x: X), 1 < X < 5.", 1, 27, "chained", "1 < X, X < …"),
    ("p(x: X) :- q(x: X), (X > 1) or (X < 0).", 1, 24, "not part of an expression", "X > 1, X < 5"),
    ('p(x: "abc).', 1, 6, 'closing "', '"abc"'),
    ("p(x: `abc).", 1, 6, "closing `", "`abc`"),
    ('p(x: bytes"00).', 1, 6, 'closing "', 'bytes"00"'),
    (r'p(x: "a\q").', 1, 6, "JSON", "quoted"),
    ('p(x: "\\ud800").', 1, 6, "lone surrogate", "bytes"),
    ("p(x: 'abc').", 1, 6, "double quotes", '"text"'),
    ("p(x: X) :- q(X).\nr(X) :- q(x: X).", 2, 3, "named attributes", "r(attribute: X)"),
    ("p(x: X) :- q(x: X), !r(x: X, Y).", 1, 30, "named attributes", "r(attribute: Y)"),
    ('p("a") :- q(x: X).', 1, 3, "named attributes", "p(attribute:"),
    ("p(x) :- q(x: X).", 1, 3, "named attributes", "p(attribute: X)"),
    ("p(x = X) :- q(x: X).", 1, 5, "joined by `:`", "x: …"),
    ("p(x X) :- q(x: X).", 1, 5, "expected `:`", "x: …"),
    ('p("git/author": X) :- q(x: X).', 1, 3, "backquotes", "`git/author`"),
    ("p(From: X) :- q(x: X).", 1, 3, "backquotes", "`From`"),
    ("Path(x: X) :- q(x: X).", 1, 1, "small letter", "path or `Path`"),
    ("p(größe: X) :- q(x: X).", 1, 3, "backquotes", "`größe`"),
    ("p(x: X + 1) :- q(x: X).", 1, 6, "bind the value of `x` first", "p(x: V)"),
    ("p(x: X) :- q(x: X * 2).", 1, 17, "bind the value of `x` first", "q(x: V)"),
    ("p(x: X) :- q(x: upper(X)).", 1, 17, "bind the value of `x` first", "q(x: V)"),
    ("p(x: -X) :- q(x: X).", 1, 6, "expected a variable or a constant", None),
    ("p(x: _) :- q(x: X).", 1, 6, "every attribute", "variable"),
    ("p(x: X) :- q(x: X), _ > 3.", 1, 21, "no value", "X"),
    ("p(x: X) :- q(x: X), X.", 1, 21, "says nothing", "X == true"),
    ("p(x: X) :- q(x: X), 3.", 1, 21, "says nothing", "3 == true"),
    ("p() :- q.", 1, 8, "parentheses", "q()"),
    ("p(n: N) :- count : q(x: X).", 1, 12, "variable for its result", "N := count"),
    ("p(n: N) :- N := sum Q q(q: Q).", 1, 23, "`:` is missing", "sum … : q("),
    ("p(n: N) :- N := sum q : q(q: Q).", 1, 21, "capital letter", "Q"),
    ("p(n: N) :- N := count : !q(x: X).", 1, 25, "one plain atom", "relation of its own"),
    ("p() :- count : q() > 3.", 1, 8, "variable for its result", "N := count"),
    ("p() :- 3 < count : q().", 1, 12, "bind the result first", "N < 3"),
    ("p() :- 3 := q().", 1, 8, "only a variable", "V == 3"),
    ("p(x: X) :- q(x: X), X + 1 := Y.", 1, 21, "only a variable", "V == X + 1"),
    ("p() :- f(q(x: 1)) == 2.", 1, 10, "no value of its own", "binds its CID"),
    ("p(x: X = 0) :- q(x: X).", 1, 8, "only an optional atom", "optional p("),
    ("p() :- optional q(x: 1 = 0).", 1, 24, "only a variable has a default", "= 0"),
    ("p() :- optional q(x: X = Y).", 1, 26, "constant or a parameter", "X = 0"),
    ("p(x: X)@later :- q(x: X).", 1, 9, "expected `next`", "@next"),
    ("p(x: 99999999999999999999).", 1, 6, "64 bits", "text"),
    ("p(x: 9223372036854775808).", 1, 6, "64 bits", "text"),
    ("p(x: 1e999).", 1, 6, "cannot be stored", "leave"),
    ("p(x: 1_000).", 1, 6, "not a number", "1000"),
    ("p(x: 0x1F).", 1, 6, "not a number", None),
    ('p(x: bytes"0g").', 1, 6, "hexadecimal", 'bytes"00ff"'),
    ('p(x: cid"nope").', 1, 6, "not a CID", "bafyrei"),
    ("p(x: X) :- q(x: X); r(x: X).", 1, 19, "two rules", "p(x: X) :-"),
    ("p(x: X) :- q(x: X) && r(x: X).", 1, 20, "comma", "a(x: X), b(x: X)"),
    ("p(x: X) :- q(x: X) | r(x: X).", 1, 20, "two rules", "p(x: X) :-"),
    ("p(x: X) :- q(x: X), X % 2 == 0.", 1, 23, "mod(a, b)", "mod(X, 2)"),
    ("p(x: X) :- q(x: X), ~r(x: X).", 1, 21, "negation", "!p(x: X)"),
    ("p(x: ?x) :- q(x: X).", 1, 6, "capital letter", "X"),
    ("p(x: [1]).", 1, 6, "no lists", "member"),
    ("p(x: $).", 1, 6, "parameter", "$limit"),
    ("p(x: X) :- q(x: X), X ≠ 3.", 1, 23, "!=", "X != Y"),
    ("p(x: 1). /* never closed", 1, 10, "not closed", "/*"),
    ("p(x: X :- q(x: X).", 1, 8, "expected `,` or `)`", None),
    (".", 1, 1, "expected the name of a relation", None),
    (":- q(x: X).", 1, 1, "expected the name of a relation", None),
    ("p", 1, 2, "expected `(`", "p()"),
    ("`` (x: 1).", 1, 1, "expected the name", None),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "fix"), REFUSED, ids=[row[0][:50] for row in REFUSED])
def test_refused(text: str, line: int, column: int, message: str, fix: str | None) -> None:
    with pytest.raises(ProgramError) as caught:
        parse(text)
    assert len(caught.value.errors) == 1, str(caught.value)
    error = caught.value.errors[0]
    assert error.code in ("logic.syntax", "logic.positional")
    assert error.span is not None
    assert (error.span.line, error.span.column) == (line, column), str(error)
    assert message in error.message
    assert fix is None or fix in (error.fix or "")
    assert error.source == text


def test_all_errors_at_once() -> None:
    text = 'p(x: x).\nq(x: X) :- r(x: X), X = 3.\ns(x: 1).\nt(x: "abc).\nrelation u(x: integer)\nv(X) :- r(x: X).'
    with pytest.raises(ProgramError) as caught:
        parse(text)
    found = [(error.code, error.span.line) for error in caught.value.errors if error.span]
    assert found == [
        ("logic.syntax", 1),
        ("logic.syntax", 2),
        ("logic.syntax", 4),
        ("logic.unknown-type", 5),
        ("logic.syntax", 5),
        ("logic.positional", 6),
    ]


def test_message() -> None:
    with pytest.raises(ProgramError) as caught:
        parse("p(x: X) :-\n    q(x: X), X = 3.")
    assert str(caught.value) == (
        "logic.syntax: `=` is not a comparison: `==` compares, `:=` binds (line 2, column 16)\n"
        "   2 |     q(x: X), X = 3.\n"
        "                      ^\n"
        "  try: X == …"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"p(x: X) :- q(x: X), Y := {'(' * 500}X{')' * 500}.", "logic.too-deep"),
        (f"p(x: X) :- q(x: X), Y := {'f(' * 20_000}X.", "logic.too-deep"),
        (f"p(x: X) :- q(x: X), Y := {'-' * 20_000}X.", "logic.too-deep"),
        (f"p(x: X) :- q(x: X), {'!' * 20_000}X.", "logic.too-deep"),
        (f"p(x: X) :- q(x: X), Y := {' + '.join(['X'] * 70)}.", "logic.too-deep"),
        ("(" * 20_000, "logic.syntax"),
        ("p(" * 10_000, "logic.positional"),
        ("x" * (TEXT_BYTES_MAX + 1), "logic.text-size"),
        ("é" * (TEXT_BYTES_MAX // 2 + 1), "logic.text-size"),
    ],
    ids=["parentheses", "calls", "minus", "not", "chain", "open", "atoms", "long", "long-utf8"],
)
def test_bounded(text: str, code: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse(text)
    assert caught.value.code == code


def test_deepest_expression_reads_back() -> None:
    deep = f"p(x: Y) :- q(x: X), Y := {' + '.join(['X'] * 64)}."
    assert parse(str(parse(deep))) == parse(deep)


# Laws


@given(trees())
@settings(max_examples=150)
def test_printed_reads_back(program: Program) -> None:
    assert parse(str(program)) == program


@given(programs())
@settings(max_examples=50)
def test_printed_program_reads_back(program: Program) -> None:
    assert parse(str(program)) == program


SEED = (
    str(parse("\n".join(f"p(x: X) :- {text}\n." for text, _ in BODIES))) + "\nrelation edge(from: int).\n`a b`(x: 1)."
)


@given(st.data())
@settings(max_examples=150)
def test_mutilated_text_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever the text, there is a program or a `ProgramError`, never another exception."""
    text = SEED
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 5)))
        piece = data.draw(
            st.sampled_from([*'.,:()"`!=<>@-_$/#\\ \n', ":-", ":=", "optional ", "not ", "X", "p(", "/*", "1e9"])
            | st.text(max_size=3)
        )
        text = text[:start] + piece + text[end:]
    _reads_or_refuses(text)


@given(st.text(max_size=60) | st.text(st.sampled_from('pqX01.,:-=()"`!<>@_$/#* \n'), max_size=60))
@settings(max_examples=150)
def test_any_text_is_refused_or_read(text: str) -> None:
    _reads_or_refuses(text)


def _reads_or_refuses(text: str) -> None:
    try:
        program = parse(text)
    except ProgramError as error:
        assert str(error)
        assert all(found.where is not None for found in error.errors)
    else:
        assert parse(str(program)) == program
