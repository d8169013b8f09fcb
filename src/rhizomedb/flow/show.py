"""A flow that ran, as text: its strata, each rule's stages with how many rows were expected and made, and the time each took.

loop
  path(x, z) :- edge(x, y), path(y, z)                                        = 499,500 tuples
    from path(y, z)
      probe edge(x, y)                          499,500 → 498,501  ~499,500   3.1 ms
end
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rhizomedb.flow.body import Graph, Grouping, Rule, Stratum
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.pipeline import Match, Pipeline, Probe, Step

WIDTH = 72
"""Where the numbers begin."""


def show(engine: Engine) -> str:
    """What an engine ran, stratum by stratum."""
    return "\n".join(line for stratum in engine.flow.strata for line in _stratum(engine, stratum))


def _stratum(engine: Engine, stratum: Stratum) -> Iterator[str]:
    if not (stratum.rules or stratum.groupings or stratum.graphs):
        return
    indent = ""
    if stratum.recursive:
        yield "loop"
        indent = "  "
    all_made: list[Rule | Grouping | Graph] = [*stratum.rules, *stratum.groupings, *stratum.graphs]
    for made in all_made:
        yield _padded(f"{indent}{_plain(str(made))}", f"= {len(engine.relation(made.head).table):,} tuples")
        yield from (f"{indent}  {line}" for line in _run(engine, made))
    if stratum.recursive:
        yield "end"


def _run(engine: Engine, made: Rule | Grouping | Graph) -> Iterator[str]:
    if not isinstance(made, Rule):
        taken, found = (len(engine.relation(name).table) for name in (made.source, made.head))
        yield _padded(f"  over {made.source}", f"{taken:,} → {found:,}  {engine.seconds(made.head) * 1000:.1f} ms")
        return
    for term, pipeline in engine.pipelines(made):
        if term is not None:
            atoms = (*made.body.atoms, *made.body.negations)
            yield f"from {_plain(str(atoms[term]))}"
        yield from (f"  {line}" for line in _stages(pipeline))


def _stages(pipeline: Pipeline) -> Iterator[str]:
    for step in pipeline.steps:
        yield _padded(_plain(str(step.stage)), _numbers(step))


def _numbers(step: Step) -> str:
    rows = step.stage.expected if isinstance(step.stage, Probe | Match) else None
    expected = "" if rows is None else f"  ~{round(rows * step.taken):,}"
    return f"{step.taken:,} → {step.made:,}{expected}  {step.seconds * 1000:.1f} ms"


def _padded(text: str, numbers: str) -> str:
    return f"{text:<{WIDTH}}  {numbers}"


def _plain(text: str) -> str:
    """The text without the numbers that make names unique."""
    return re.sub(r"(?<=[\w\]])#\d+", "", text)
