"""What occurs where: the variables, parameters and atoms of expressions, predicates, rules and programs."""

from __future__ import annotations

from collections.abc import Iterator

from rhizomedb._record import dataclass
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
    Variable,
)


def parts(expression: Expression) -> Iterator[Expression]:
    """An expression and everything in it, from left to right."""
    pending: list[Expression] = [expression]
    while pending:
        current = pending.pop()
        yield current
        if isinstance(current, Call):
            pending.extend(reversed(current.arguments))


def depth(expression: Expression) -> int:
    """How deep an expression nests: 1 for a term."""
    deepest, level = 0, [expression]
    while level:
        deepest += 1
        level = [argument for part in level if isinstance(part, Call) for argument in part.arguments]
    return deepest


def variables(expression: Expression) -> Iterator[Variable]:
    """The variables of an expression, each time they occur."""
    return (part for part in parts(expression) if isinstance(part, Variable))


def atom_variables(atom: Atom) -> Iterator[Variable]:
    """The variables of an atom, each time they occur."""
    return (term for _, term in atom.arguments if isinstance(term, Variable))


def expressions(predicate: Predicate) -> tuple[Expression, ...]:
    """The expressions of a predicate that stand outside atoms, targets that are bound left out."""
    match predicate:
        case Constraint(left, _, right):
            return (left, right)
        case Condition(call):
            return (call,)
        case Assignment(_, expression):
            return (expression,)
        case _:
            return ()


def atom_of(predicate: Predicate) -> Atom | None:
    """The atom of a predicate, if it has one."""
    match predicate:
        case Selection(atom) | Negation(atom) | OptionalAtom(atom):
            return atom
        case Aggregation():
            return predicate.atom
        case _:
            return None


def atoms(rule: Rule) -> Iterator[Atom]:
    """The head of a rule, then the atoms of its body, in the order of the text."""
    yield rule.head
    for predicate in rule.body:
        atom = atom_of(predicate)
        if atom is not None:
            yield atom


@dataclass(frozen=True, slots=True)
class Dependency:
    """That a rule's head needs a relation, and how: empty for a plain positive atom, else `not`, `count`, `cid`, …

    All but the plain ones are strict: the relation must be complete before the rule runs.
    """

    head: str
    relation: str
    how: str
    atom: Atom
    rule: Rule

    def __str__(self) -> str:
        return f"{self.how} {self.relation}".strip()


def dependencies(rule: Rule) -> Iterator[Dependency]:
    """What a rule's head depends on, in the order of the body."""
    for predicate in rule.body:
        match predicate:
            case Selection(atom, None):
                how = ""
            case Selection():
                how = "cid"
            case Negation():
                how = "not"
            case Aggregation():
                how = predicate.function
            case OptionalAtom():
                how = "optional"
            case _:
                continue
        atom = predicate.atom
        yield Dependency(rule.head.relation, atom.relation, how, atom, rule)


def program_parameters(program: Program) -> dict[str, Parameter]:
    """The `$name` parameters of a program, each at its first place, in the order of the text."""
    found: dict[str, Parameter] = {}

    def note(part: object) -> None:
        if isinstance(part, Parameter):
            found.setdefault(part.name, part)

    for rule in program.rules:
        for atom in atoms(rule):
            for _, term in atom.arguments:
                note(term)
        for predicate in rule.body:
            for expression in expressions(predicate):
                for part in parts(expression):
                    note(part)
            if isinstance(predicate, Aggregation):
                note(predicate.target)
            if isinstance(predicate, OptionalAtom):
                for _, default in predicate.defaults:
                    note(default)
    return found


def constants(rule: Rule) -> Iterator[Constant]:
    """The constants in a rule's atoms and expressions."""
    for atom in atoms(rule):
        yield from (term for _, term in atom.arguments if isinstance(term, Constant))
    for predicate in rule.body:
        for expression in expressions(predicate):
            yield from (part for part in parts(expression) if isinstance(part, Constant))
