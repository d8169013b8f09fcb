"""Rewrites from programs to programs, one file each, by their names in the literature.

Each is a function of a program and a `Question` and gives a program with the same answer. `REWRITES` is the order in
which they help one another: constants are found, rules brought together, and then demand is passed on.
"""

from rhizomedb.logic.rewrites.demand import demand
from rhizomedb.logic.rewrites.inline import inline
from rhizomedb.logic.rewrites.propagate_constants import propagate_constants
from rhizomedb.logic.rewrites.question import Question, Rewrite

REWRITES: tuple[Rewrite, ...] = (propagate_constants, inline, propagate_constants, demand)
"""All rewrites of programs, in order. After inlining there may be new constants."""

__all__ = ["REWRITES", "Question", "Rewrite", "demand", "inline", "propagate_constants"]
