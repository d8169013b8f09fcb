"""Hypothesis strategies for programs and data: for the project's own tests and for yours.

`programs()` gives programs that are safe, can be stratified and come to an end; `relations()` gives data for them.
`trees()` gives every shape of syntax there is, whether or not it makes sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hypothesis import strategies as st

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, Value, check_value
from rhizomedb.logic.syntax import (
    COMPARISONS,
    KEYWORDS,
    OPERATORS,
    TYPES,
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Declaration,
    Expression,
    Import,
    Negation,
    OptionalAtom,
    Parameter,
    Predicate,
    Program,
    Rule,
    Selection,
    Term,
    Variable,
)

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
"""How a composite strategy draws from another."""

BASE: Mapping[str, tuple[str, ...]] = {"edge": ("from", "to"), "node": ("id",), "score": ("of", "points")}
"""The relations that the programs of `programs()` read, and their attributes in order."""

DERIVED: Mapping[str, tuple[str, ...]] = {"p": ("x", "y"), "q": ("x",), "r": ("x", "y"), "s": ("x", "y"), "t": ("x",)}
"""The relations that they may derive."""


def values(wide: bool = False) -> st.SearchStrategy[Value]:
    """Values: few small ones that often meet, or, if `wide`, every kind in its whole range."""
    if not wide:
        return st.one_of(st.integers(0, 4), st.sampled_from([1, 2, 1.0, 2.5, True, False, "a", "b", "1", b"a"]))
    return st.one_of(
        st.booleans(),
        st.integers(INTEGER_MIN, INTEGER_MAX),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.binary(max_size=8),
        st.binary(max_size=2).map(Cid.of),
    ).map(check_value)


@st.composite
def relations(draw: Draw, rows_max: int = 12, mixed: bool = True) -> dict[str, list[tuple[Value, ...]]]:
    """Rows for the relations of `BASE`; ints only unless `mixed`. A row may come twice."""
    value = values() if mixed else st.integers(0, 5)
    ids = st.integers(0, 5)
    return {
        "edge": draw(
            st.lists(st.tuples(ids | value, ids | value) if mixed else st.tuples(ids, ids), max_size=rows_max)
        ),
        "node": draw(st.lists(st.tuples(ids | value), max_size=rows_max)),
        "score": draw(st.lists(st.tuples(ids, value), max_size=rows_max)),
    }


# Programs that mean something

_POOL = tuple(map(Variable, ("X", "Y", "Z")))


@st.composite
def programs(
    draw: Draw,
    *,
    recursion: bool = True,
    negation: bool = True,
    aggregates: bool = True,
    arithmetic: bool = True,
    rules_max: int = 6,
) -> Program:
    """Programs over `BASE` that pass the check, can be stratified and have finite answers.

    Every derived relation has a level. A rule's positive atoms are of its own level or below; negated, aggregated and
    optional ones strictly below. New values are computed only in rules without an atom of their own level, so no
    recursion makes values without end.
    """
    names = draw(st.lists(st.sampled_from(sorted(DERIVED)), min_size=1, max_size=4, unique=True))
    level = 1
    levels: dict[str, int] = dict.fromkeys(BASE, 0)
    for name in names:
        levels[name] = level
        level += draw(st.integers(0, 1))
    allowed = {"recursion": recursion, "negation": negation, "aggregates": aggregates, "arithmetic": arithmetic}
    rules: list[Rule] = []
    for name in names:  # at least one rule that does not recurse for each, then more
        rules.append(_Rules(draw, levels, {**allowed, "recursion": False}).rule(name))
    for _ in range(draw(st.integers(0, max(0, rules_max - len(names))))):
        name = draw(st.sampled_from(names))
        rules.append(_Rules(draw, levels, allowed).rule(name))
    declarations = tuple(
        Declaration(name, tuple((column, "any") for column in columns)) for name, columns in BASE.items()
    )
    return Program(tuple(rules), declarations)


class _Rules:
    """One rule under way: what it may use and which variables it has bound."""

    def __init__(self, draw: Draw, levels: Mapping[str, int], allowed: Mapping[str, bool]) -> None:
        self.draw = draw
        self.levels = levels
        self.allowed = allowed
        self.bound: list[Variable] = []
        self.computed: list[Variable] = []

    def rule(self, name: str) -> Rule:
        draw, level = self.draw, self.levels[name]
        if draw(st.integers(0, 9)) == 0:
            return Rule(Atom(name, tuple((column, Constant(draw(values()))) for column in _columns(name))))
        below = sorted(relation for relation, other in self.levels.items() if other < level)
        beside = (
            sorted(relation for relation, other in self.levels.items() if other == level)
            if self.allowed["recursion"]
            else []
        )
        body: list[Predicate] = [
            self.selection(draw(st.sampled_from(below + beside * 2))) for _ in range(draw(st.integers(1, 3)))
        ]
        recursive = any(isinstance(p, Selection) and p.atom.relation in beside for p in body)
        shapes: list[Callable[[str], Predicate | None]] = [self.comparison, self.condition]
        if self.allowed["negation"]:
            shapes += [self.negation, self.negation, self.optional]
        if self.allowed["aggregates"]:
            shapes += [self.aggregation, self.aggregation]
        if self.allowed["arithmetic"] and not recursive:
            shapes += [self.assignment]
        for shape in draw(st.lists(st.sampled_from(shapes), max_size=3)):
            predicate = shape(draw(st.sampled_from(below)))
            if predicate is not None:
                body.append(predicate)
        head = Atom(name, tuple((column, self.given()) for column in _columns(name)))
        return Rule(head, tuple(draw(st.permutations(body))))

    def given(self) -> Term:
        """A bound variable, now and then a constant."""
        known = self.bound + self.computed
        if not known or self.draw(st.integers(0, 9)) == 0:
            return Constant(self.draw(values()))
        return self.draw(st.sampled_from(known))  # type: ignore[no-any-return]  # what a strategy draws has no type of its own

    def atom(self, relation: str, term: Callable[[], Term]) -> Atom:
        kept = [column for column in _columns(relation) if self.draw(st.integers(0, 5)) > 0]
        return Atom(relation, tuple((column, term()) for column in self.draw(st.permutations(kept))))

    def selection(self, relation: str) -> Predicate:
        def term() -> Term:
            if self.draw(st.integers(0, 7)) == 0:
                return Constant(self.draw(values()))
            variable = self.draw(st.sampled_from(_POOL))
            if variable not in self.bound:
                self.bound.append(variable)
            return variable  # type: ignore[no-any-return]  # what a strategy draws has no type of its own

        return Selection(self.atom(relation, term))

    def negation(self, relation: str) -> Predicate:
        return Negation(self.atom(relation, self.given))

    def comparison(self, relation: str) -> Predicate | None:
        if not self.bound:
            return None
        left: Expression = self.draw(st.sampled_from(self.bound))
        right = self.given()
        comparison = self.draw(st.sampled_from(COMPARISONS))
        return Constraint(left, comparison, right)

    def condition(self, relation: str) -> Predicate | None:
        if not self.bound:
            return None
        one, two = (self.draw(st.sampled_from(self.bound)) for _ in range(2))
        same = Call("same", (one, self.given()))
        return Condition(
            self.draw(st.sampled_from([same, Call("not_", (same,)), Call("or", (same, Call("same", (two, one))))]))
        )

    def fresh(self) -> Variable:
        variable = Variable(f"N{len(self.computed) + 1}")
        self.computed.append(variable)
        return variable

    def assignment(self, relation: str) -> Predicate | None:
        if not self.bound:
            return None
        operands = [self.draw(st.sampled_from(self.bound)), Constant(self.draw(st.integers(-2, 3)))]
        function = self.draw(st.sampled_from(("+", "-", "*", "least", "greatest")))
        return Assignment(self.fresh(), Call(function, tuple(self.draw(st.permutations(operands)))))

    def aggregation(self, relation: str) -> Predicate:
        function = self.draw(st.sampled_from(("count", "count", "count_distinct", "sum", "min", "max", "avg")))
        columns = _columns(relation)
        parameter = self.draw(st.sampled_from(columns)) if function != "count" else None
        arguments: list[tuple[str, Term]] = []
        for column in columns:
            match self.draw(st.integers(0, 3)):
                case _ if column == parameter:
                    arguments.append((column, Variable("Q")))
                case 0:
                    arguments.append((column, Variable("L")))  # its own, unseen outside
                case 1 | 2:
                    arguments.append((column, self.given()))
                case _:
                    pass
        if any(variable in self.computed for _, variable in arguments) and self.draw(st.booleans()):
            arguments = [(column, term) for column, term in arguments if term not in self.computed]
        parameters = (Variable("Q"),) if parameter is not None else ()
        plain = function in ("count", "count_distinct", "sum") and self.draw(st.integers(0, 4)) == 0
        target: Term = Constant(self.draw(st.integers(0, 3))) if plain else self.fresh()
        return Aggregation(target, function, parameters, Atom(relation, tuple(arguments)))

    def optional(self, relation: str) -> Predicate | None:
        columns = _columns(relation)
        default = self.draw(st.sampled_from(columns))
        arguments = tuple((column, self.given()) for column in columns if column != default)
        variable = self.fresh()
        atom = Atom(relation, (*arguments, (default, variable)))
        return OptionalAtom(atom, ((variable, Constant(self.draw(values()))),))


def _columns(relation: str) -> tuple[str, ...]:
    return BASE.get(relation) or DERIVED[relation]


# Every shape of syntax

_PLAIN = st.from_regex(r"[a-z][A-Za-z0-9_]{0,5}", fullmatch=True)
_QUOTED = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="`"), min_size=1, max_size=6
)
_NAMES = st.one_of(_PLAIN, _PLAIN, st.sampled_from(sorted(KEYWORDS)), _QUOTED)
_VARIABLES = st.from_regex(r"[A-Z_][A-Za-z0-9_]{0,3}", fullmatch=True).filter(lambda name: name != "_").map(Variable)
_CONSTANTS = values(wide=True).map(Constant)
_PARAMETERS = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).map(Parameter)
_TERMS: st.SearchStrategy[Term] = st.one_of(_VARIABLES, _VARIABLES, _CONSTANTS, _PARAMETERS)
_FUNCTIONS = _PLAIN.filter(lambda name: name not in KEYWORDS)


def _calls(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Call]:
    operators = st.builds(lambda name, left, right: Call(name, (left, right)), st.sampled_from(OPERATORS), inner, inner)
    named = st.builds(Call, _FUNCTIONS, st.lists(inner, min_size=1, max_size=3).map(tuple))
    return st.one_of(operators, operators, named)


def expressions() -> st.SearchStrategy[Expression]:
    """Expressions of every shape."""
    return st.recursive(_TERMS, _calls, max_leaves=6)


def atoms() -> st.SearchStrategy[Atom]:
    """Atoms with any names and terms."""
    return st.builds(Atom, _NAMES, st.lists(st.tuples(_NAMES, _TERMS), max_size=3).map(tuple))


@st.composite
def _optionals(draw: Draw) -> OptionalAtom:
    atom = draw(atoms())
    present = dict.fromkeys(term for _, term in atom.arguments if isinstance(term, Variable))
    defaults = tuple(
        (variable, draw(st.one_of(_CONSTANTS, _PARAMETERS))) for variable in present if draw(st.booleans())
    )
    return OptionalAtom(atom, defaults)


def predicates() -> st.SearchStrategy[Predicate]:
    """Predicates of every shape."""
    return st.one_of(
        st.builds(Selection, atoms(), st.none() | _VARIABLES),
        st.builds(Negation, atoms()),
        st.builds(Aggregation, _TERMS, _FUNCTIONS, st.lists(_VARIABLES, max_size=2).map(tuple), atoms()),
        st.builds(Constraint, expressions(), st.sampled_from(COMPARISONS), expressions()),
        st.builds(Condition, _calls(_TERMS)),
        st.builds(Assignment, _VARIABLES, expressions()),
        _optionals(),
    )


def trees() -> st.SearchStrategy[Program]:
    """Programs of every shape that can be written, most of them nonsense."""
    declarations = st.builds(
        Declaration, _NAMES, st.lists(st.tuples(_NAMES, st.sampled_from(TYPES)), max_size=3).map(tuple), st.booleans()
    )
    rules = st.builds(Rule, atoms(), st.lists(predicates(), max_size=4).map(tuple), st.booleans())
    imports = st.lists(st.builds(Import, st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=2)
    return st.builds(
        Program,
        st.lists(rules, max_size=3).map(tuple),
        st.lists(declarations, max_size=2).map(tuple),
        imports=imports.map(tuple),
    )
