"""Relations that a graph says whole: what is reached, and components. They need no rounds, and no tuple twice."""

from __future__ import annotations

from array import array
from typing import Any

from rhizomedb._native import kernel
from rhizomedb.facts.value import order_cell
from rhizomedb.flow import closure as closures
from rhizomedb.flow import components as labels
from rhizomedb.flow import groups as numbered
from rhizomedb.flow.batch import IDS
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Graph
from rhizomedb.flow.bounded import EVERY, in_order, pieces, watched
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.run import Run
from rhizomedb.flow.table import LIMIT

Closure = kernel(closures.Closure)
Groups = kernel(numbered.Groups)
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
        made = work(edges, _ranks(edges, graph.function.startswith("max"), run), run.meter.check)
        run.meter.spend(len(made), 2)
        table.put(made)
    elif len(edges):
        reached = Closure(edges, None, run.meter.check)
        while (piece := reached.next(LIMIT)) is not None:
            run.meter.spend(len(piece), 2)
            table.put(piece)
    run.held(graph.head).settle()


def _ranks(edges: Tuples, greatest: bool, run: Run) -> tuple[array[int], array[int]] | None:
    """For each node its place in the order of cells, the last first where the greatest is wanted."""
    ends = Batch.concatenated([edges.shaped([0], []), edges.shaped([1], [])], 1)
    distinct = Groups(ends, [0], run.meter.check).keys()
    ids: list[int] = []
    for first in range(0, len(distinct), EVERY):
        ids += distinct.slice(first, first + EVERY).column_ids(0)
        run.meter.check()
    if not ids or (not greatest and run.dictionary.is_ordered(max(ids))):
        return None
    nodes = [ids[place] for place in in_order(ids, run.meter.check)]
    keys: list[tuple[int, Any]] = []
    for some in pieces(nodes, run.meter.check):
        keys += map(order_cell, run.dictionary.cells(some))
    ranks = array(IDS, bytes(4 * len(nodes)))
    for rank, place in enumerate(watched(in_order(keys, run.meter.check, reverse=greatest), run.meter.check)):
        ranks[place] = rank
    return array(IDS, nodes), ranks
