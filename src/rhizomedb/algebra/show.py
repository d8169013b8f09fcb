"""Plans as text: an indented tree, with how many tuples are expected and, after a run, how many there were.

loop
  tc(x: X, z: Z) :- edge(x: X, y: Y), tc(x: Y, z: Z).
    rename[X → x, Z → z]
      project[X, Z]
        natural_join
          rename[x → X, y → Y]
            edge  ~1,000
          rename[x → Y, z → Z]
            tc  = 500,500
    + 499,500 tuples in 1,000 runs, 812.4 ms
end
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rhizomedb._record import dataclass
from rhizomedb.algebra.conjunction import conjunction_of
from rhizomedb.algebra.program import CID_COLUMN, Block, Loop, Plan
from rhizomedb.algebra.relation import Relation, Scan, Select
from rhizomedb.algebra.source import Bound, Source

if TYPE_CHECKING:
    from rhizomedb.algebra.evaluation import Evaluation


def show(plan: Plan, source: Source | None = None, evaluation: Evaluation | None = None) -> str:
    """A plan as text; a source adds estimates (`~`), an evaluation the true sizes (`=`), counts and times."""
    return "\n".join("  " * depth + text for depth, text in _Lines(plan, source, evaluation).block(plan.block, 0))


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a plan, each with its depth."""

    plan: Plan
    source: Source | None
    evaluation: Evaluation | None

    def block(self, block: Block, depth: int) -> Iterator[tuple[int, str]]:
        steps = {id(step.assign): step for step in self.evaluation.steps} if self.evaluation else {}
        for statement in block.statements:
            if isinstance(statement, Loop):
                yield depth, "; ".join([_marked(statement), *_extremes(statement)])
                yield from self.block(statement.body, depth + 1)
                yield depth, "end"
                continue
            yield depth, str(statement.rule) if statement.rule else f"{statement.relation} :-"
            yield from self.tree(statement.expression, depth + 1)
            step = steps.get(id(statement))
            if step is not None:
                runs = f" in {step.runs:,} runs" if step.runs > 1 else ""
                yield (
                    depth + 1,
                    f"+ {step.rows:,} tuple{'' if step.rows == 1 else 's'}{runs}, {step.seconds * 1000:.1f} ms",
                )

    def tree(self, expression: Relation, depth: int) -> Iterator[tuple[int, str]]:
        pending: list[tuple[int, Relation, Bound]] = [(depth, expression, {})]
        while pending:
            level, node, bound = pending.pop()
            yield level, node.label + (self.size(node, bound) if isinstance(node, Scan) else "")
            below = conjunction_of(node).constants if isinstance(node, Select) else {}
            pending += [(level + 1, child, below) for child in reversed(node.children)]

    def size(self, scan: Scan, bound: Bound) -> str:
        """The size of what a scan reads, given the constants selected right above it."""
        if self.evaluation is not None and scan.relation in self.evaluation.relations:
            return f"  = {len(self.evaluation.relations[scan.relation]):,}"
        if self.source is None or scan.relation in self.plan.derived:
            return ""
        named = {CID_COLUMN if name == scan.cid else name: cell for name, cell in bound.items()}
        return f"  ~{self.source.size(scan.relation, named):,}"


def _marked(loop: Loop) -> str:
    passing = ", ".join(f"{', '.join(columns)} of {relation}" for relation, columns in loop.passing)
    return f"loop, which hands on {passing}" if passing else "loop"


def _extremes(loop: Loop) -> Iterator[str]:
    for mark in loop.extremes:
        which = "least" if mark.function == "min" else "greatest"
        yield f"only the {which} {mark.column} of {mark.relation} is asked for"
