"""PomoRA: a relational algebra with assignments and loops, what programs are lowered to, and how it is evaluated.

plan = lower(checked(parse(text), source_columns), source_columns)
evaluation = evaluate(plan, source)
evaluation.relations["answer"].rows
"""

from rhizomedb.algebra.evaluate import Evaluation, Step, evaluate
from rhizomedb.algebra.lower import lower
from rhizomedb.algebra.program import Assign, Block, Loop, Plan
from rhizomedb.algebra.provenance import Absent, Derivation, Group, Premise, lines
from rhizomedb.algebra.show import show
from rhizomedb.algebra.source import Relations, Source, Table

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
