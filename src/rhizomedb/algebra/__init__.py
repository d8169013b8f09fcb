"""PomoRA: a relational algebra with assignments and loops, what programs are lowered to, and how it is evaluated.

plan = lower(checked(parse(text), source_columns), source_columns)
evaluation = evaluate(plan, source)
evaluation.relations["answer"].rows
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rhizomedb.algebra.lower import lower
from rhizomedb.algebra.program import Assign, Block, Loop, Plan
from rhizomedb.algebra.show import show
from rhizomedb.algebra.source import Relations, Source, Table

if TYPE_CHECKING:
    from rhizomedb.algebra.evaluation import Evaluation, Step, evaluate
    from rhizomedb.algebra.provenance import Absent, Derivation, Group, Premise, lines

# Queries run on the dataflow: what evaluates plans plainly, and explains, is loaded by who asks why.
_LATER = {
    **dict.fromkeys(("Evaluation", "Step", "evaluate"), "rhizomedb.algebra.evaluation"),
    **dict.fromkeys(("Absent", "Derivation", "Group", "Premise", "lines"), "rhizomedb.algebra.provenance"),
}

__all__ = [
    "Absent",
    "Assign",
    "Block",
    "Derivation",
    "Evaluation",
    "Group",
    "Loop",
    "Plan",
    "Premise",
    "Relations",
    "Source",
    "Step",
    "Table",
    "evaluate",
    "lines",
    "lower",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
