"""Notices: what a program that gives little or nothing probably meant. Nothing here changes an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rhizomedb.crdt.library import OPERATIONS
from rhizomedb.crdt.register import STANDS
from rhizomedb.db.programs.arriving import ARRIVES
from rhizomedb.db.programs.result import show
from rhizomedb.errors import nearest_names
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, exact, kind_of, plain
from rhizomedb.logic import Program
from rhizomedb.logic.occurrences import atom_of
from rhizomedb.logic.syntax import Atom, Constant, Constraint, Rule, Variable
from rhizomedb.store.store import Store

NUMBERS = {"int": float, "float": int}
"""The kinds of numbers, each with what makes the other of it: no int is equal to a float, or in order with one."""


def unknown_attributes(program: Program, store: Store) -> Iterator[str]:
    """A sentence for each attribute that the program writes out and no fact here has."""
    written = (
        term.value
        for rule in program.rules
        for atom in (rule.head, *filter(None, map(atom_of, rule.body)))
        if atom.relation in ("fact", STANDS, ARRIVES)
        for name, term in atom.arguments
        if name == "attribute" and isinstance(term, Constant)
    )
    yield from unknown_names(dict.fromkeys(exact(value) for value in written), store)


def unknown_names(attributes: Iterable[Cell], store: Store) -> Iterator[str]:
    """A sentence for each attribute that no fact here has."""
    known = {exact(name): name for name in store.attribute_names()}
    for value in attributes:
        if value not in known and not known.keys() & _beside(value):
            near = nearest_names(show(plain(value)), map(show, known.values()))
            meant = f"; did you mean {', '.join(near)}?" if near else ""
            yield f"no fact here has the attribute {show(plain(value))}{meant}"


def _beside(attribute: object) -> frozenset[str]:
    """The other operations of the data types that an operation is of: that a text has no deletions yet is no mistake."""
    if attribute not in OPERATIONS:
        return frozenset()
    return frozenset(each for each in OPERATIONS if each.split("/")[0] == str(attribute).split("/")[0])


def other_numbers(program: Program, kind_of_attribute: Callable[[Attribute], str | None]) -> Iterator[str]:
    """A sentence for each comparison of an attribute's floats with an int, or of its ints with a float."""
    for rule in program.rules:
        attributes = {name: attribute for atom in map(atom_of, rule.body) if atom for name, attribute in _valued(atom)}
        for name, constant in _compared(rule):
            kind = KIND_NAMES[kind_of(constant.value)]
            if name not in attributes or kind not in NUMBERS:
                continue
            there = kind_of_attribute(attributes[name])
            if there in NUMBERS and there != kind:
                right = NUMBERS[kind](constant.value)
                yield (
                    f"{show(attributes[name])} has {there}s, and {show(constant.value)} is {_a(kind)}, which is never in "
                    f"order with them; try {right!r}"
                )


def _valued(atom: Atom) -> Iterator[tuple[str, Attribute]]:
    """The variable that stands for the value of an attribute which an atom writes out."""
    given = dict(atom.arguments)
    attribute, value = given.get("attribute"), given.get("value")
    if atom.relation in ("fact", STANDS) and isinstance(attribute, Constant) and isinstance(value, Variable):
        yield value.name, attribute.value  # type: ignore[misc]  # the attribute of an atom that was checked


def _compared(rule: Rule) -> Iterator[tuple[str, Constant]]:
    """The variables of a rule that are compared with a constant."""
    for each in rule.body:
        if isinstance(each, Constraint):
            for one, other in ((each.left, each.right), (each.right, each.left)):
                if isinstance(one, Variable) and isinstance(other, Constant):
                    yield one.name, other


def _a(kind: str) -> str:
    return "an int" if kind == "int" else f"a {kind}"
