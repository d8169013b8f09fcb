'''Constant propagation: a variable that must equal a constant is the constant, so that atoms can be asked with it.

>>> from rhizomedb.logic.parse import parse
>>> program = parse("""
... answer(x: X) :- ancestor(old: X, young: Y), Y == "me".
... """)
>>> print(propagate_constants(program, Question("answer", {"ancestor": ("old", "young")})))
answer(x: X) :- ancestor(old: X, young: "me").

Only where nothing changes: `==` compares kind and value, as an atom does; a variable that takes a tuple's CID or the
default of an optional atom stays.
'''

from __future__ import annotations

from dataclasses import replace

from rhizomedb.logic.rewrites.question import Question
from rhizomedb.logic.rewrites.substitution import in_rule
from rhizomedb.logic.syntax import (
    Assignment,
    Constant,
    Constraint,
    OptionalAtom,
    Predicate,
    Program,
    Rule,
    Selection,
    Variable,
)


def propagate_constants(program: Program, question: Question) -> Program:
    """The program with the constants that bodies ask for in the place of the variables that must equal them."""
    return replace(program, rules=tuple(map(_propagated, program.rules)))


def _propagated(rule: Rule) -> Rule:
    kept = {variable for predicate in rule.body for variable in _only_variables(predicate)}
    constants: dict[Variable, Constant] = {}
    used: set[int] = set()
    for place, predicate in enumerate(rule.body):
        found = _equation(predicate)
        if found is not None and found[0] not in kept and found[0] not in constants:
            constants[found[0]] = found[1]
            used.add(place)
    if not used:
        return rule
    body = tuple(predicate for place, predicate in enumerate(rule.body) if place not in used)
    if not any(isinstance(predicate, Selection) for predicate in body):
        return rule  # a body must not become empty, and there is nothing to gain
    return in_rule(replace(rule, body=body), lambda variable: constants.get(variable, variable))


def _equation(predicate: Predicate) -> tuple[Variable, Constant] | None:
    match predicate:
        case Constraint(Variable() as variable, "==", Constant() as constant):
            return variable, constant
        case Constraint(Constant() as constant, "==", Variable() as variable):
            return variable, constant
        case Assignment(Variable() as variable, Constant() as constant):
            return variable, constant
        case _:
            return None


def _only_variables(predicate: Predicate) -> list[Variable]:
    match predicate:
        case Selection(_, cid) if cid is not None:
            return [cid]
        case OptionalAtom(_, defaults):
            return [variable for variable, _ in defaults]
        case _:
            return []
