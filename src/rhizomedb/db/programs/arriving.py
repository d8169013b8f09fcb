"""What comes in an epoch, as an event relation that programs over a database read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from rhizomedb.errors import ProgramError
from rhizomedb.logic.occurrences import atoms
from rhizomedb.logic.syntax import Declaration, Program, show_name

ARRIVES: Final = "arrives"
"""The event relation by which a program reads what came in an epoch: one tuple for each fact that a delta of it says."""

_COLUMNS: Final = (("fact", "cid"), ("delta", "cid"), ("entity", "bytes"), ("attribute", "any"), ("value", "any"))


def with_arrivals(program: Program) -> Program:
    """The program with `arrives` declared as an event, if it reads that relation and does not say what it is."""
    defined = {rule.head.relation for rule in program.rules} | {d.relation for d in program.declarations}
    if ARRIVES in defined or not any(atom.relation == ARRIVES for rule in program.rules for atom in atoms(rule)):
        return program
    return replace(program, declarations=(*program.declarations, Declaration(ARRIVES, _COLUMNS, event=True)))


def foreign_events(program: Program) -> Iterable[ProgramError]:
    """Events that a program over a database declares itself: nothing there brings them."""
    for declaration in program.declarations:
        if declaration.event and declaration.relation != ARRIVES:
            name = declaration.relation
            yield ProgramError(
                "logic.event-source",
                f"`{name}` is declared as an event, and in a database only `{ARRIVES}` is one",
                where=declaration.span,
                fix=f'{show_name(name)}(id: X) :- {ARRIVES}(attribute: "{name}", value: X).',
                source=program.source,
            )
