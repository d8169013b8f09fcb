"""What is evaluated: from which inputs at full size and at a small one, and how many tuples must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.flow.graphs import Relations

CLOSURE, GENERATION, POINTS_TO = "closure", "generation", "points to"

FULL, SMALL = "full", "small"


@dataclass(frozen=True, slots=True)
class Workload:
    """One program over one input. `make` names the generator; `full` and `small` are its arguments.

    `counts` are how many tuples the answers have at full size. `again` is how often one process asks once more, to
    say what it takes when it is warm.
    """

    name: str
    what: str
    program: str
    answers: tuple[str, ...]
    make: str
    full: tuple[int, ...]
    small: tuple[int, ...]
    counts: tuple[int, ...]
    again: int = 0

    def relations(self, size: str) -> Relations:
        """The input."""
        # The parent of all parts holds no arrays: what a process held before counts as its children's peak.
        from bench.flow import edits, graphs

        if self.make == "history":
            return edits.history() if size == FULL else edits.made(*self.small)
        make: Callable[..., Relations] = getattr(graphs, self.make)
        return make(*(self.full if size == FULL else self.small))


def _closure(name: str, what: str, make: str, full: tuple[int, ...], small: tuple[int, ...], count: int) -> Workload:
    return Workload(name, f"closure of {what}", CLOSURE, ("path",), make, full, small, (count,))


def _generation(name: str, what: str, make: str, full: tuple[int, ...], small: tuple[int, ...], count: int) -> Workload:
    return Workload(name, f"same generation in {what}", GENERATION, ("same",), make, full, small, (count,))


RECURSIVE = (
    _closure("r1m", "a random graph, 1,000 nodes and 10,000 edges", "random", (1000, 10000, 1), (120, 1200, 1), 1_000_000),
    _closure("r10m", "a random graph, 3,300 nodes and 12,000 edges", "random", (3300, 12000, 2), (240, 900, 2), 10_297_660),
    _closure("chain", "a path of 3,000 nodes", "chain", (3000,), (200,), 4_498_500),
    _closure("grid", "a grid of 70 by 70 nodes", "grid", (70,), (16,), 6_170_325),
    _closure("dag", "an acyclic graph, 5,000 nodes and 30,000 edges", "dag", (5000, 30000, 3), (300, 1800, 3), 2_848_424),
    _generation("sg_tree", "a binary tree of 11 levels", "binary_tree", (11,), (8,), 1_396_054),
    _generation("sg_rand", "a random graph, 1,000 nodes and 2,500 edges", "random_parents", (1000, 2500, 4), (140, 350, 4), 835_456),
    Workload("andersen", "Andersen's points-to analysis of 60,000 variables", POINTS_TO, ("points_to",), "pointers",
             (60_000,), (1_000,), (1_615_142,)),
)  # fmt: skip

CC = Workload(
    "cc", "the least node of each node's connected component, 100,000 nodes and 150,000 edges both ways",
    "components", ("label",), "both_ways", (100_000, 150_000, 6), (200, 300, 6), (95_092,), again=4,
)  # fmt: skip
TRI = Workload(
    "tri", "how many triangles, in a graph of 10,000 nodes of which few have many edges",
    "triangles", ("triangles",), "skewed", (10_000, 250_000, 7), (1_000, 5_000, 7), (1,), again=4,
)  # fmt: skip
EAV = Workload(
    "eav", "a join of five atoms over one relation of entity, attribute and value, a million facts",
    "five atoms", ("found",), "facts", (100_000,), (2_000,), (183,), again=4,
)  # fmt: skip
TEXT = Workload(
    "text", "the visible text of a replicated list from its edit history (skipping started only at visible elements)",
    "text", ("next_visible", "result"), "history", (), (2_000,), (104_851, 104_653),
)  # fmt: skip
TEXT_AS_WRITTEN = Workload(
    "text, as written", "the same by the rules as their author wrote them, whose skipping starts everywhere",
    "text as written", ("result",), "history", (), (2_000,), (104_653,),
)  # fmt: skip

WORKLOADS = {each.name: each for each in (*RECURSIVE, CC, TRI, EAV, TEXT, TEXT_AS_WRITTEN)}
