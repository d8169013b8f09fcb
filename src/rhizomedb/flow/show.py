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

from rhizomedb.algebra.statistics import ROUNDS
from rhizomedb.flow.body import Graph, Grouping, Rule, Stratum
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.pipeline import Column, Filter, Intersect, Match, Pipeline, Probe, Step
from rhizomedb.flow.planner import SELECTED
from rhizomedb.flow.table import Table

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
        expected = _groups(made, engine.relation(made.source).table) if isinstance(made, Grouping) else taken * ROUNDS
        yield _line(f"  over {made.source}", taken, found, expected, engine.seconds(made.head))
        return
    for term, pipeline in engine.pipelines(made):
        if term is not None:
            atoms = (*made.body.atoms, *made.body.negations)
            yield f"from {_plain(str(atoms[term]))}"
        yield from (f"  {line}" for line in _stages(pipeline))
    seconds = engine.seconds(made.head)
    if not made.body.negations and len(made.body.atoms) == 1 and not any(p.steps for _, p in engine.pipelines(made)):
        taken = len(engine.relation(made.body.atoms[0].relation).table)
        yield _line(f"  copy {_plain(made.body.atoms[0].relation)}", taken, taken, taken, seconds)


def _stages(pipeline: Pipeline) -> Iterator[str]:
    for step in pipeline.steps:
        rows = _expected(step)
        yield _line(
            _plain(str(step.stage)), step.taken, step.made, None if rows is None else rows * step.taken, step.seconds
        )


def _expected(step: Step) -> float | None:
    """How many rows were thought to come of each that goes into a stage."""
    match step.stage:
        case Probe(expected=rows) if rows is not None:
            return rows
        case Match(wanted=wanted, expected=rows):
            found = SELECTED if rows is None else min(1.0, rows)
            return found if wanted else max(1 - found, SELECTED)
        case Filter():
            return SELECTED
        case Column():
            return 1.0
        case Intersect():  # no more than the least of what each atom alone would bind
            tables = zip(step.tables, step.keys, strict=True)
            return min(len(table) / max(1, table.keys([column])) for table, (column, _, _) in tables)
    return None


def _groups(made: Grouping, table: Table) -> float:
    """How many groups were thought to be: a column is taken to divide a relation as each of the others does."""
    return float(len(table) ** (len(made.keys) / max(1, table.width)))


def _line(text: str, taken: int, made: int, expected: float | None, seconds: float) -> str:
    thought = "" if expected is None else f"  ~{round(expected):,}"
    return _padded(text, f"{taken:,} → {made:,}{thought}  {seconds * 1000:.1f} ms")


def _padded(text: str, numbers: str) -> str:
    return f"{text:<{WIDTH}}  {numbers}"


def _plain(text: str) -> str:
    """The text without the numbers that make names unique."""
    return re.sub(r"(?<=[\w\]])#\d+", "", text)
