"""What kinds of value each variable can have, and what can therefore never hold.

Modest and certain: a kind is ruled out only by a constant, a declared type, or what a built-in gives. An error here
means that an atom never matches, a comparison is never true, or a function never has a result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from rhizomedb.errors import ProgramError
from rhizomedb.facts.value import KIND_NAMES, kind_of
from rhizomedb.logic.aggregates import Aggregate
from rhizomedb.logic.builtins import Function, kinds_of
from rhizomedb.logic.occurrences import atom_of
from rhizomedb.logic.safety import schedule
from rhizomedb.logic.schema import Schema
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Expression,
    OptionalAtom,
    Predicate,
    Rule,
    Selection,
    Variable,
)

Kinds: TypeAlias = frozenset[str]
"""Names of kinds that a term can have; all of them where nothing is known."""

ANY: Kinds = frozenset(KIND_NAMES)
BOOL: Kinds = frozenset({"bool"})
CID: Kinds = frozenset({"cid"})


class Typing:
    """The kinds of one rule's variables, gathered from what binds them, and the mistakes found on the way."""

    def __init__(
        self, rule: Rule, schema: Schema, functions: Mapping[str, Function], aggregates: Mapping[str, Aggregate]
    ) -> None:
        self.rule = rule
        self.schema = schema
        self.functions = functions
        self.aggregates = aggregates
        self.kinds: dict[Variable, Kinds] = {}
        self.errors: list[ProgramError] = []
        order = schedule(rule)
        for step in (*order.steps, *order.stuck):
            self._bind(step.predicate)
        for predicate in rule.body:
            self._judge(predicate)
        self._atom(rule.head, "this head is never what its declaration says")

    # What binds

    def _bind(self, predicate: Predicate) -> None:
        match predicate:
            case Selection(atom, cid):
                for attribute, term in atom.arguments:
                    if isinstance(term, Variable):
                        self._narrow(term, self._declared(atom, attribute), f"`{atom.relation}`")
                if cid is not None:
                    self._narrow(cid, CID, f"the CID of `{atom.relation}`")
            case Aggregation(Variable() as target, function) if function in self.aggregates:
                self._narrow(target, kinds_of(self.aggregates[function].result), f"`{function}`")
            case Assignment(target, expression):
                self._narrow(target, self.of(expression), "what is bound to it here")
            case OptionalAtom(atom, defaults):
                given = dict(defaults)
                for attribute, term in atom.arguments:
                    if isinstance(term, Variable) and term in given:
                        self.kinds.setdefault(term, self._declared(atom, attribute) | self.of(given[term]))
            case _:
                pass

    def _narrow(self, variable: Variable, kinds: Kinds, by: str) -> None:
        before = self.kinds.get(variable, ANY)
        self.kinds[variable] = before & kinds or before
        if not before & kinds:
            message = (
                f"`{variable}` is {show_kinds(before)} elsewhere, but {by} gives {show_kinds(kinds)}: they never meet"
            )
            self.errors.append(ProgramError("logic.type", message, where=variable.span, fix="two variables"))

    def _declared(self, atom: Atom, attribute: str) -> Kinds:
        return kinds_of(self.schema.type_of(atom.relation, attribute))

    def of(self, expression: Expression) -> Kinds:
        """The kinds that an expression can have."""
        match expression:
            case Constant(value):
                return frozenset({KIND_NAMES[kind_of(value)]})
            case Variable():
                return self.kinds.get(expression, ANY)
            case Call(function) if function in self.functions:
                return self._result(expression, self.functions[function])
            case _:
                return ANY

    def _result(self, call: Call, function: Function) -> Kinds:
        kinds = kinds_of(function.result)
        arguments = [self.of(argument) for argument in call.arguments]
        if call.function in ("+", "-", "*") and len(arguments) == 2:
            left, right = arguments
            kinds = frozenset(_sum(a, b) for a in left for b in right) & kinds or kinds
        elif call.function in ("neg", "abs") and len(arguments) == 1:
            kinds = kinds & arguments[0] or kinds
        elif call.function in ("least", "greatest"):
            kinds = ANY.intersection(frozenset().union(*arguments))
        return kinds

    # What is never true

    def _judge(self, predicate: Predicate) -> None:
        match predicate:
            case Constraint(left, comparison, right):
                self._calls(left)
                self._calls(right)
                self._comparison(predicate, left, comparison, right)
            case Condition(call):
                self._calls(call)
                if call.function in self.functions and not self.of(call) & BOOL:
                    self._never(call, f"`{call}` gives {show_kinds(self.of(call))}, not true or false", f"{call} == …")
            case Assignment(_, expression):
                self._calls(expression)
            case Aggregation(Constant() as target, function) if function in self.aggregates:
                result = kinds_of(self.aggregates[function].result)
                if not self.of(target) & result:
                    self._never(target, f"`{function}` gives {show_kinds(result)}, never {target}", "a variable")
            case _:
                pass
        atom = atom_of(predicate)
        if atom is not None:
            self._atom(atom, "this atom never matches", negative=not isinstance(predicate, Selection))

    def _atom(self, atom: Atom, consequence: str, negative: bool = True) -> None:
        """Terms that are never of their attribute's declared type; a positive atom's variables are judged apart."""
        for attribute, term in atom.arguments:
            if isinstance(term, Variable) and not negative:
                continue
            declared = self._declared(atom, attribute)
            if not self.of(term) & declared:
                kinds = f"is {show_kinds(declared)} but {term} is {show_kinds(self.of(term))}"
                message = f"`{attribute}` of `{atom.relation}` {kinds}: {consequence}"
                self._never(term, message, _converted(term, declared))

    def _comparison(self, constraint: Constraint, left: Expression, comparison: str, right: Expression) -> None:
        kinds_left, kinds_right = self.of(left), self.of(right)
        if comparison == "!=" or kinds_left & kinds_right:
            return
        fix = _converted(right, kinds_left) or _converted(left, kinds_right)
        fix = fix or (
            f"float({left}) {comparison} {right}" if kinds_left == {"int"} and kinds_right == {"float"} else None
        )
        fix = fix or (
            f"{left} {comparison} float({right})" if kinds_right == {"int"} and kinds_left == {"float"} else None
        )
        sides = f"{left} is {show_kinds(kinds_left)} and {right} is {show_kinds(kinds_right)}"
        message = f"{sides}: `{comparison}` never holds between them"
        self.errors.append(
            ProgramError("logic.type", message, where=constraint.span, fix=fix or "the same kind on both sides")
        )

    def _calls(self, expression: Expression) -> None:
        """Arguments that a function can never take."""
        if not isinstance(expression, Call):
            return
        for argument in expression.arguments:
            self._calls(argument)
        function = self.functions.get(expression.function)
        if function is None or not function.takes(len(expression.arguments)):
            return
        for place, argument in enumerate(expression.arguments):
            wanted, given = kinds_of(function.parameter(place)), self.of(argument)
            if not wanted & given:
                message = f"`{function}` never takes {argument}, which is {show_kinds(given)}"
                self._never(
                    argument, message, _converted(argument, wanted) or f"{_first(wanted)}({argument})", expression
                )
                return
        kinds = [self.of(argument) for argument in expression.arguments]
        if expression.function == "+" and not any(_sum(a, b) != "none" for a in kinds[0] for b in kinds[1]):
            self._never(expression, f"`{expression}` adds text to a number", f"text({expression.arguments[1]})")

    def _never(self, place: Expression, message: str, fix: str | None, around: Call | None = None) -> None:
        where = place.span or (around.span if around else None)
        self.errors.append(ProgramError("logic.type", message, where=where, fix=fix or "a term of the right kind"))


def _sum(left: str, right: str) -> str:
    """The kind of a sum of two kinds; `none` if there is none."""
    if left == right and left in ("int", "text"):
        return left
    return "float" if {left, right} <= {"int", "float"} else "none"


def _first(kinds: Kinds) -> str:
    """A function that gives one of these kinds."""
    if {"int", "float"} <= kinds:
        return "number"
    return next((kind for kind in ("text", "int", "float") if kind in kinds), "text")


def _converted(term: Expression, kinds: Kinds) -> str | None:
    """A constant as it is written in another kind."""
    if not isinstance(term, Constant):
        return None
    value = term.value
    if type(value) is int and kinds == {"float"}:
        return f"{value}.0"
    if type(value) is float and kinds == {"int"} and value.is_integer():
        return str(int(value))
    if kinds == {"text"} and isinstance(value, int | float):
        return f'"{term}"'
    if type(value) is str and kinds & {"int", "float"} and value.lstrip("-").isdecimal() and value.isascii():
        return value
    return None


def show_kinds(kinds: Kinds) -> str:
    """Kinds in words: `int or float`."""
    return " or ".join(kind for kind in KIND_NAMES if kind in kinds) or "nothing"


def ill_typed(
    rule: Rule, schema: Schema, functions: Mapping[str, Function], aggregates: Mapping[str, Aggregate]
) -> Iterator[ProgramError]:
    """What in a rule can never hold, for certain."""
    yield from Typing(rule, schema, functions, aggregates).errors
