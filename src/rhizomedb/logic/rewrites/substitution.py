"""Substitution: terms put in the place of variables, everywhere in a predicate or a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constraint,
    Expression,
    Negation,
    OptionalAtom,
    Predicate,
    Rule,
    Selection,
    Term,
    Variable,
)

Substitution = Callable[[Variable], Term]
"""What stands for a variable; the variable itself where nothing else does."""


def in_rule(rule: Rule, given: Substitution) -> Rule:
    """The rule with every variable replaced."""
    body = tuple(in_predicate(predicate, given) for predicate in rule.body)
    return replace(rule, head=in_atom(rule.head, given), body=body)


def in_atom(atom: Atom, given: Substitution) -> Atom:
    """The atom with every variable replaced."""
    return replace(atom, arguments=tuple((name, in_term(term, given)) for name, term in atom.arguments))


def in_term(term: Term, given: Substitution) -> Term:
    """What stands for a term."""
    return given(term) if isinstance(term, Variable) else term


def in_predicate(predicate: Predicate, given: Substitution) -> Predicate:
    """The predicate with every variable replaced; a target that is no longer a variable is compared instead."""
    match predicate:
        case Selection(atom, cid):
            return Selection(in_atom(atom, given), None if cid is None else _variable(cid, given))
        case Negation(atom):
            return Negation(in_atom(atom, given))
        case Aggregation(target, _, parameters, atom):
            return replace(
                predicate,
                target=in_term(target, given),
                parameters=tuple(_variable(parameter, given) for parameter in parameters),
                atom=in_atom(atom, given),
            )
        case OptionalAtom(atom, defaults):
            filled = tuple((_variable(variable, given), default) for variable, default in defaults)
            return OptionalAtom(in_atom(atom, given), filled)
        case Constraint(left, _, right):
            return replace(predicate, left=in_expression(left, given), right=in_expression(right, given))
        case Condition(call):
            changed = in_expression(call, given)
            assert isinstance(changed, Call), "a call stays a call"
            return Condition(changed)
        case Assignment(target, expression):
            value, after = in_expression(expression, given), given(target)
            if isinstance(after, Variable):
                return replace(predicate, target=after, expression=value)
            return Constraint(after, "==", value, span=predicate.span)


def with_atom(predicate: Predicate, atom: Atom) -> Predicate:
    """A predicate that has an atom, with another in its place."""
    match predicate:
        case Selection() | Negation() | Aggregation() | OptionalAtom():
            return replace(predicate, atom=atom)
        case _:
            raise AssertionError(f"no atom stands in `{predicate}`")


def in_expression(expression: Expression, given: Substitution) -> Expression:
    """The expression with every variable replaced."""
    if isinstance(expression, Call):
        return replace(expression, arguments=tuple(in_expression(part, given) for part in expression.arguments))
    return in_term(expression, given)


def _variable(variable: Variable, given: Substitution) -> Variable:
    after = given(variable)
    assert isinstance(after, Variable), "what an atom alone can bind stays a variable"
    return after
