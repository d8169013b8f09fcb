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

STANDING_REWRITES: tuple[Rewrite, ...] = (propagate_constants, inline, propagate_constants)
"""Those for a program that is kept up to date, several relations of which somebody may read.

Demand has nothing to say there: what is read whole is asked for with nothing, and so is all that it negates or recurs
through. Where one relation alone is read, all rewrites serve.
"""

__all__ = ["REWRITES", "STANDING_REWRITES", "Question", "Rewrite", "demand", "inline", "propagate_constants"]
