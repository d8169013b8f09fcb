"""Documents, as JSON has them: maps, lists, texts and values, made of what is there already.

A map is an entity: its keys are attributes, and each is a register as everywhere else, so a row of an imported table is a
document. A list is a text whose characters stand for elements; an element is the entity that everybody derives from the
run that brought it and its place there, and its value is the register `value` of that. What stands in a register is a
value, or the id of another map, list or text, of which a fact ⟨node, "rhizome/document", kind⟩ says what it is.
So what several people do at the same time is decided as it is for registers and texts, and no rule is added here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rhizomedb.crdt.text import EXTRACTION
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import derive, derive_all
from rhizomedb.facts.value import Entity

KIND: Final = "rhizome/document"
"""The attribute that says that an entity is a node of documents, and of which kind."""

MAP, LIST, TEXT = "map", "list", "text"

VALUE: Final = "value"
"""The register of an element."""

PLACEHOLDER: Final = "\ufffc"
"""The character that stands for an element: Unicode's own for an object among characters."""

_RUN, _PLACE = "rhizome/run", "rhizome/place"

NULL: Final = derive({KIND: "null"})
"""What JSON calls null: a value that says that there is none."""

ASKED: Final = EXTRACTION.replace("C := fact(entity: D", "asked(entity: D), C := fact(entity: D").replace(
    "X := fact(entity: D", "asked(entity: D), X := fact(entity: D"
)
"""Runs and deletions of the entities that are asked for."""


def element(run: Cid, place: int) -> Entity:
    """The entity of an element: that of a place in a run."""
    return derive([(_RUN, run), (_PLACE, place)])


def elements(places: Sequence[tuple[Cid, int]]) -> list[Entity]:
    """The entities of many places, each with its run before it: what `element` gives for each."""
    names = {run: str(run) for run, _ in places}
    return derive_all({_RUN: [names[run] for run, _ in places], _PLACE: [str(place) for _, place in places]})


def text_under(node: Entity, key: str) -> Entity:
    """The entity of the first text under a key of a map: the same for all who make it."""
    return derive([("rhizome/under", node.hex() or "0"), ("rhizome/key", key.encode().hex())])
