"""Rewrites: programs from programs. Parameters become constants; what an answer does not need is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rhizomedb.errors import ProgramErrors
from rhizomedb.facts.value import Value, check_value
from rhizomedb.logic.check import check_parameters
from rhizomedb.logic.occurrences import atom_of
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Expression,
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


def substitute(program: Program, parameters: Mapping[str, Value]) -> Program:
    """The program with each `$name` made the value given for it; every one must be given, and no other.

    Values are put into the tree, never into text, so no value can change what the program means.

    >>> from rhizomedb.logic.parse import parse
    >>> print(substitute(parse("long(x: X) :- runtime(x: X, minutes: M), M > $limit."), {"limit": 180}))
    long(x: X) :- runtime(x: X, minutes: M), M > 180.
    """
    errors = check_parameters(program, parameters)
    if errors:
        raise errors[0] if len(errors) == 1 else ProgramErrors(errors)
    if not parameters:
        return program
    values = {name: check_value(value) for name, value in parameters.items()}
    return replace(program, rules=tuple(_rule(rule, values) for rule in program.rules))


def _rule(rule: Rule, values: Mapping[str, Value]) -> Rule:
    return replace(
        rule, head=_atom(rule.head, values), body=tuple(_predicate(predicate, values) for predicate in rule.body)
    )


def _predicate(predicate: Predicate, values: Mapping[str, Value]) -> Predicate:
    match predicate:
        case Selection(atom) | Negation(atom):
            return replace(predicate, atom=_atom(atom, values))
        case Aggregation(target, _, _, atom):
            return replace(predicate, target=_term(target, values), atom=_atom(atom, values))
        case OptionalAtom(atom, defaults):
            filled = tuple((variable, _default(default, values)) for variable, default in defaults)
            return OptionalAtom(_atom(atom, values), filled)
        case Constraint(left, _, right):
            return replace(predicate, left=_expression(left, values), right=_expression(right, values))
        case Assignment(_, expression):
            return replace(predicate, expression=_expression(expression, values))
        case Condition(call):
            return Condition(_call(call, values))


def _atom(atom: Atom, values: Mapping[str, Value]) -> Atom:
    return replace(atom, arguments=tuple((name, _term(term, values)) for name, term in atom.arguments))


def _term(term: Term, values: Mapping[str, Value]) -> Term:
    return term if isinstance(term, Variable) else _default(term, values)


def _default(term: Constant | Parameter, values: Mapping[str, Value]) -> Constant:
    return Constant(values[term.name], span=term.span) if isinstance(term, Parameter) else term


def _expression(expression: Expression, values: Mapping[str, Value]) -> Expression:
    return _call(expression, values) if isinstance(expression, Call) else _term(expression, values)


def _call(call: Call, values: Mapping[str, Value]) -> Call:
    return replace(call, arguments=tuple(_expression(argument, values) for argument in call.arguments))


def relevant(program: Program, relations: str | Iterable[str]) -> Program:
    """The rules that one relation, or several, depend on in any way, and the declarations of what is left.

    >>> from rhizomedb.logic.parse import parse
    >>> print(relevant(parse("a(x: X) :- b(x: X). b(x: X) :- e(x: X). c(x: X) :- a(x: X)."), "a"))
    a(x: X) :- b(x: X).
    b(x: X) :- e(x: X).
    """
    needs: dict[str, set[str]] = {}
    for rule in program.rules:
        used = needs.setdefault(rule.head.relation, set())
        used.update(atom.relation for atom in map(atom_of, rule.body) if atom is not None)
    wanted: set[str] = set()
    pending = [relations] if isinstance(relations, str) else list(relations)
    while pending:
        relation = pending.pop()
        if relation not in wanted:
            wanted.add(relation)
            pending.extend(needs.get(relation, ()))
    return replace(
        program,
        rules=tuple(rule for rule in program.rules if rule.head.relation in wanted),
        declarations=tuple(declaration for declaration in program.declarations if declaration.relation in wanted),
    )
