"""Which variables a body binds, and an order in which its predicates can run (PomoLogic 1.1, 2.4; errata E10).

A positive atom, a CID binding, an assignment, an aggregate's target and an optional atom's defaults bind. A negated
atom, a comparison, a condition and an expression need every variable of theirs bound first; an aggregate needs those
variables of its atom that something outside it binds (they are its group), and the rest are its own, unseen outside.
The order of the text does not matter (L14): what counts is whether some order works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError, Span, nearest_names
from rhizomedb.logic.occurrences import atom_variables, expressions, variables
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Negation,
    OptionalAtom,
    Predicate,
    Rule,
    Selection,
    Variable,
    show_name,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A predicate with the variables that must be bound before it runs, and those that it binds."""

    predicate: Predicate
    needs: tuple[Variable, ...]
    binds: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """An order in which a body can run; `stuck` holds what can never run, which is empty in a safe rule."""

    steps: tuple[Step, ...]
    stuck: tuple[Step, ...]
    bound: frozenset[Variable]


def schedule(rule: Rule, assumed: Iterable[Variable] = ()) -> Schedule:
    """The body in an order in which each predicate finds bound what it needs; text order among those that can run.

    Positive atoms are ready from the start, so a planner is free to order them among themselves.

    >>> from rhizomedb.logic.parse import parse
    >>> rule = parse("r(x: X) :- !q(x: X), p(x: X).").rules[0]
    >>> [str(step.predicate) for step in schedule(rule).steps]
    ['p(x: X)', '!q(x: X)']
    """
    steps = body_steps(rule)
    bound = set(assumed)
    waiting = [len({variable for variable in step.needs if variable not in bound}) for step in steps]
    waiters: dict[Variable, list[int]] = {}
    for index, step in enumerate(steps):
        for variable in dict.fromkeys(step.needs):
            waiters.setdefault(variable, []).append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    ordered: list[int] = []
    while ready:
        following: list[int] = []
        for index in ready:
            ordered.append(index)
            for variable in steps[index].binds:
                if variable in bound:
                    continue
                bound.add(variable)
                for waiter in waiters.get(variable, ()):
                    waiting[waiter] -= 1
                    if waiting[waiter] == 0:
                        following.append(waiter)
        ready = sorted(following)
    done = set(ordered)
    stuck = tuple(step for index, step in enumerate(steps) if index not in done)
    return Schedule(tuple(steps[index] for index in ordered), stuck, frozenset(bound))


def binders(rule: Rule) -> dict[Variable, list[int]]:
    """For each variable, the places in the body of the predicates that bind it."""
    found: dict[Variable, list[int]] = {}
    for index, predicate in enumerate(rule.body):
        for variable in dict.fromkeys(_binds(predicate)):
            found.setdefault(variable, []).append(index)
    return found


def body_steps(rule: Rule) -> tuple[Step, ...]:
    """What each predicate of a body needs and binds."""
    bound_by = binders(rule)
    return tuple(
        Step(predicate, tuple(_needs(predicate, bound_by)), tuple(dict.fromkeys(_binds(predicate))))
        for predicate in rule.body
    )


def group(rule: Rule, aggregation: Aggregation) -> tuple[Variable, ...]:
    """The variables of an aggregate's atom that the rest of the rule binds: it has one result for each of them."""
    return tuple(dict.fromkeys(_needs(aggregation, binders(rule))))


def _binds(predicate: Predicate) -> Iterator[Variable]:
    match predicate:
        case Selection(atom, cid):
            if cid is not None:
                yield cid
            yield from atom_variables(atom)
        case Aggregation(Variable() as target) | Assignment(target):
            yield target
        case OptionalAtom(_, defaults):
            yield from (variable for variable, _ in defaults)


def _needs(predicate: Predicate, bound_by: dict[Variable, list[int]]) -> Iterator[Variable]:
    match predicate:
        case Selection():
            return
        case Negation(atom):
            yield from atom_variables(atom)
        case OptionalAtom(atom, defaults):
            own = {variable for variable, _ in defaults}
            yield from (variable for variable in atom_variables(atom) if variable not in own)
        case Aggregation():
            for variable in atom_variables(predicate.atom):
                if variable not in predicate.parameters and variable in bound_by:
                    yield variable
        case _:
            for expression in expressions(predicate):
                yield from variables(expression)


# What is wrong with a rule's variables


def unsafe(rule: Rule, excused: Iterable[Variable] = ()) -> Iterator[ProgramError]:
    """Every variable of a rule that nothing binds, once, where it is first needed; those excused count as bound."""
    if not rule.body:
        for variable in dict.fromkeys(atom_variables(rule.head)):
            yield ProgramError(
                "logic.ground-fact",
                f"`{variable}` stands in a rule without a body, which says one fact",
                where=variable.span,
                fix=f"{show_name(rule.head.relation)}(…) :- …, or a constant for `{variable}`",
            )
        return
    bound_by = binders(rule)
    needed = _first_needed(rule)
    excused = set(excused)
    unbound = [variable for variable in needed if variable not in bound_by and variable not in excused]
    for variable in unbound:
        yield _unbound(rule, variable, needed[variable], bound_by)
    # What waits only for these is not a second mistake; what still waits depends on itself.
    rest = schedule(rule, assumed=(*unbound, *excused))
    for variable in dict.fromkeys(variable for step in rest.stuck for variable in step.binds):
        if variable not in rest.bound:
            yield ProgramError(
                "logic.unbound-variable",
                f"`{variable}` can only be bound after itself",
                where=_binding_place(rest.stuck, variable),
                fix="bind it from a positive atom",
            )


def _binding_place(steps: Iterable[Step], variable: Variable) -> Span | None:
    for step in steps:
        for bound in _binds(step.predicate):
            if bound == variable:
                return bound.span
    return variable.span


def _first_needed(rule: Rule) -> dict[Variable, tuple[Variable, str]]:
    """Each variable that must be bound: where it first occurs so, and in what."""
    found: dict[Variable, tuple[Variable, str]] = {}
    for variable in atom_variables(rule.head):
        found.setdefault(variable, (variable, "the head"))
    for predicate in rule.body:
        place = {
            Negation: "a negated atom",
            OptionalAtom: "an optional atom, without a default,",
            Aggregation: "an aggregate",
        }.get(type(predicate), "an expression")
        for variable in _needs(predicate, {}):
            if isinstance(predicate, OptionalAtom):  # a default there is the likeliest cure, wherever else it is used
                found[variable] = (variable, place)
            found.setdefault(variable, (variable, place))
    return found


def _unbound(
    rule: Rule, variable: Variable, needed: tuple[Variable, str], bound_by: dict[Variable, list[int]]
) -> ProgramError:
    occurrence, place = needed
    inside = next(
        (
            p
            for p in rule.body
            if isinstance(p, Aggregation) and (variable in p.parameters or variable in atom_variables(p.atom))
        ),
        None,
    )
    code = "logic.unbound-variable"
    message = f"`{variable}` is in {place} but no positive atom, CID binding or assignment of the body binds it"
    fix = f"p(attribute: {variable}) in the body"
    if inside is not None:
        only = f"only the aggregate over `{inside.atom.relation}` mentions it"
        message = f"`{variable}` is in {place} but {only}; what it binds is not seen outside"
        fix = f"{_plain_atom(inside, variable)} in the body as well"
        if variable in inside.parameters:
            fix = f"use `{inside.target}`, the result of the aggregate"
    elif place == "a negated atom":
        message = f"`{variable}` is in a negated atom but no positive atom of the body binds it"
        fix = "leave the attribute out to mean any value, or bind it in a positive atom"
    elif place.startswith("an optional atom"):
        code = "logic.optional-default"
        message = f"`{variable}` is bound by nothing but this optional atom and has no default"
        fix = f"{variable} = 0"
    near = nearest_names(variable.name, (bound.name for bound in bound_by))
    return ProgramError(code, message, where=occurrence.span, nearest=near, fix=fix)


def _plain_atom(aggregation: Aggregation, variable: Variable) -> str:
    attribute = next((name for name, term in aggregation.atom.arguments if term == variable), "x")
    return f"{show_name(aggregation.atom.relation)}({show_name(attribute)}: {variable})"


def misplaced_parameters(rule: Rule) -> Iterator[ProgramError]:
    """Aggregates' parameters that are bound elsewhere, or do not occur exactly once in their atom (L18)."""
    bound_by = binders(rule)
    for predicate in rule.body:
        if not isinstance(predicate, Aggregation):
            continue
        occurring = list(atom_variables(predicate.atom))
        for parameter in dict.fromkeys(predicate.parameters):
            count = occurring.count(parameter)
            if parameter in bound_by:
                reason, fix = "is bound by another part of the rule as well", "a new variable"
            elif count == 0:
                reason, fix = (
                    f"does not occur in `{predicate.atom}`",
                    f"{predicate.atom.relation}(attribute: {parameter})",
                )
            elif count > 1:
                reason, fix = f"occurs {count} times in `{predicate.atom}`", "a new variable for the other attribute"
            else:
                continue
            yield ProgramError(
                "logic.aggregate-parameter",
                f"the parameter `{parameter}` of `{predicate.function}` {reason}; it must be new, and occur there once",
                where=parameter.span,
                fix=fix,
            )


def misplaced_defaults(rule: Rule) -> Iterator[ProgramError]:
    """Optional atoms that bind nothing, and defaults of variables that are bound elsewhere."""
    bound_by = binders(rule)
    for predicate in rule.body:
        if not isinstance(predicate, OptionalAtom):
            continue
        code = "logic.optional-default"
        if not predicate.defaults and all(variable in bound_by for variable in atom_variables(predicate.atom)):
            message = "this optional atom says nothing: none of its variables has a default"
            yield ProgramError(code, message, where=predicate.atom.span, fix="optional p(x: X, y: Y = 0)")
        for variable, _ in predicate.defaults:
            if len(bound_by[variable]) > 1:
                message = f"`{variable}` has a default but is bound elsewhere in the rule, which would fill it first"
                yield ProgramError(
                    code, message, where=variable.span, fix="leave the default out, or use a new variable"
                )
