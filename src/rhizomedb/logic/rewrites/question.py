"""What a rewrite of a program may know: which relation is asked for, what is stored, and how much of it.

Rewrites are functions of a program and a `Question`. The relations that they make have names with a backquote, which
nobody can write, so that they never meet a relation of the program's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.facts.value import Value
from rhizomedb.logic.syntax import Program


def unknown_size(relation: str) -> int | None:
    """The size of every relation where nothing is known."""
    return None


@dataclass(frozen=True, slots=True)
class Question:
    """The relation asked for, with the attributes that are given; stored relations' attributes, and their sizes.

    The rewritten program derives for the relation exactly the tuples that agree with `bindings`; what it derives for
    other relations is its own affair, but for those of `kept`, which somebody reads too: of these it derives what it did.
    """

    relation: str
    stored: Mapping[str, tuple[str, ...]]
    bindings: Mapping[str, Value] = field(default_factory=dict)
    size: Callable[[str], int | None] = unknown_size
    kept: frozenset[str] = frozenset()

    @property
    def read(self) -> frozenset[str]:
        """The relations that are read: the one asked for, and those kept."""
        return self.kept | {self.relation}


Rewrite: TypeAlias = Callable[[Program, Question], Program]
"""A program that answers a question like the one given."""


def reserved(relation: str, *parts: str) -> str:
    """A name that no program can write: the relation's, and what it was made for, behind backquotes.

    >>> reserved("ancestor", "fb")
    'ancestor`fb'
    """
    return "`".join((relation, *parts))
