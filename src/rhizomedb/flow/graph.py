"""Relations that a graph says whole: what is reached, and components. They need no rounds, and no tuple twice."""

from __future__ import annotations

from array import array

from rhizomedb._native import kernel
from rhizomedb.facts.value import order_cell
from rhizomedb.flow import closure as closures
from rhizomedb.flow import components as labels
from rhizomedb.flow.batch import IDS
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Graph
from rhizomedb.flow.run import Run
from rhizomedb.flow.table import LIMIT

Closure = kernel(closures.Closure)
components = kernel(labels.components)
first_reached = kernel(labels.first_reached)


def derive(graph: Graph, run: Run) -> None:
    """Fill a relation with what a graph says."""
    assert run.is_first, "a graph is read once; a standing view derives its rules"
    edges = run.held(graph.source).table.read()
    if graph.backwards:
        edges = edges.shaped([1, 0], [])
    table = run.held(graph.head).table
    if graph.function != "closure":
        work = first_reached if graph.function.endswith("reached") else components
        made = work(edges, _ranks(edges, graph.function.startswith("max"), run))
        run.meter.spend(len(made), 2)
        table.put(made)
    elif len(edges):
        reached = Closure(edges)
        while (piece := reached.next(LIMIT)) is not None:
            run.meter.spend(len(piece), 2)
            table.put(piece)
    run.held(graph.head).settle()


def _ranks(edges: Tuples, greatest: bool, run: Run) -> tuple[array[int], array[int]] | None:
    """For each node its place in the order of cells, the last first where the greatest is wanted."""
    nodes = sorted({*edges.distinct_ids(0), *edges.distinct_ids(1)})
    if not nodes or (not greatest and run.dictionary.is_ordered(nodes[-1])):
        return None
    keys = [order_cell(cell) for cell in run.dictionary.cells(nodes)]
    ranks = [0] * len(nodes)
    for rank, place in enumerate(sorted(range(len(nodes)), key=keys.__getitem__, reverse=greatest)):
        ranks[place] = rank
    run.meter.check()
    return array(IDS, nodes), array(IDS, ranks)
