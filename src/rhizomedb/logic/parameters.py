"""Parameters as relations: a program whose parameters come in as tuples, so that one plan serves every value.

>>> from rhizomedb.logic.parse import parse
>>> print(*with_relations(parse("old(x: X) :- born(x: X, year: $year)."), {"year": "int"}, {"born"}).rules)
old(x: X) :- `parameter`year`(value: $year), born(x: X, year: $year).

Only where a parameter stands for a column of a stored relation that is read: elsewhere its value may decide what the plan
should be, and is better put in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.facts.value import Value, check_value
from rhizomedb.logic.occurrences import atom_of, program_parameters
from rhizomedb.logic.stratify import components
from rhizomedb.logic.syntax import Atom, Declaration, Parameter, Predicate, Program, Rule, Selection, Term, Variable

VALUE: Final = "value"
"""The one column of a parameter's relation."""

DECISIVE: Final = frozenset({"attribute"})
"""Columns by which stored tuples are parted: what is read depends on them."""


def relation_of(parameter: str) -> str:
    """The relation of a parameter: no program can write a backquote in a name."""
    return f"parameter`{parameter}"


def with_relations(program: Program, kinds: Mapping[str, str], stored: Collection[str]) -> Program | None:
    """The program with each parameter, of these kinds, read from a relation of its own; `None` where that does not suit."""
    if program_parameters(program).keys() != kinds.keys() or _is_recursive(program):
        return None
    rules = [_rule(rule, stored) for rule in program.rules]
    if any(rule is None for rule in rules):
        return None
    whole = replace(program, rules=tuple(rule for rule in rules if rule is not None))
    if program_parameters(whole):
        return None
    declared = tuple(Declaration(relation_of(name), ((VALUE, kind),)) for name, kind in kinds.items())
    return replace(whole, declarations=(*declared, *whole.declarations))


def _rule(rule: Rule, stored: Collection[str]) -> Rule | None:
    asked: dict[str, Selection] = {}
    body: list[Predicate] = []
    for predicate in rule.body:
        if isinstance(predicate, Selection) and any(isinstance(t, Parameter) for _, t in predicate.atom.arguments):
            if predicate.atom.relation not in stored:
                return None
            arguments: list[tuple[str, Term]] = []
            for name, term in predicate.atom.arguments:
                if isinstance(term, Parameter):
                    if name in DECISIVE:
                        return None
                    variable = Variable(f"${term.name}")
                    asked[term.name] = Selection(Atom(relation_of(term.name), ((VALUE, variable),)))
                    arguments.append((name, variable))
                else:
                    arguments.append((name, term))
            body.append(replace(predicate, atom=replace(predicate.atom, arguments=tuple(arguments))))
        else:
            body.append(predicate)
    return replace(rule, body=(*asked.values(), *body))


def _is_recursive(program: Program) -> bool:
    heads = {rule.head.relation for rule in program.rules}
    graph: dict[str, list[str]] = {head: [] for head in heads}
    for rule in program.rules:
        read = [atom.relation for atom in map(atom_of, rule.body) if atom is not None]
        graph[rule.head.relation] += [relation for relation in read if relation in heads]
    return any(len(members) > 1 or members[0] in graph[members[0]] for members in components(graph))


def merged(parameters: Mapping[str, object] | None, more: Mapping[str, object]) -> dict[str, object]:
    """Parameters that are given as a mapping, if any, and as keywords."""
    given: Any = {} if parameters is None else parameters  # whatever it is said to be
    if not isinstance(given, Mapping):
        raise RequestError("db.usage", f"{given!r:.60} maps no names to values", fix='{"least": 120}')
    return {**given, **more}


def values_of(parameters: Mapping[str, object]) -> dict[str, Value]:
    """The values of parameters; of one that is no value it is said which."""
    return {name: _value(name, given) for name, given in merged(parameters, {}).items()}


def _value(name: str, given: object) -> Value:
    try:
        return check_value(given)
    except ValueRefused as error:
        fix = f"one value for ${name}; several are a relation, or facts"
        raise ValueRefused(error.code, error.message, where=f"the value of ${name}", fix=fix) from None
