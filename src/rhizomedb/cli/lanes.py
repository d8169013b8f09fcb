"""A graph drawn line by line in a terminal, as `git log --graph` draws one: lanes that run down, part and meet.

A *lane* is a column that waits for one node. A node stands in the first of the lanes that wait for it; the others end
there. Below it a lane begins, or an old one is joined, for each of its parents; a hollow node has none, so that what
stands right beneath it is nothing of its.

    ●      two had seen the same
    │ ●
    ├─╯
    ○
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Final

LANES_MAX: Final = 24
"""How many lanes are drawn. A parent that finds none is not drawn to, and is counted."""

NODE: Final = "●"
ROOT: Final = "○"

_PIECES: Final = {
    (True, True, False, True): "├", (True, True, True, False): "┤", (True, True, True, True): "┼",
    (False, True, False, True): "╭", (False, True, True, False): "╮", (False, True, True, True): "┬",
    (True, False, False, True): "╰", (True, False, True, False): "╯", (True, False, True, True): "┴",
}  # fmt: skip
"""The character that leads up, down, to the left and to the right, or not."""


class Lanes:
    """A drawing under way: one call of `rows` for each node, which comes before its parents."""

    def __init__(self, most: int = LANES_MAX) -> None:
        self._most = most
        self._lanes: list[Hashable | None] = []

    def rows(self, node: Hashable, parents: Sequence[Hashable]) -> tuple[list[str], str, list[str], int]:
        """The lines before the node, the node's own, those after it, and how many parents are not drawn to."""
        lanes = self._lanes
        waiting = [place for place, wanted in enumerate(lanes) if wanted == node]
        here = waiting[0] if waiting else self._free()
        before = [] if len(waiting) < 2 else [self._row(here, waiting[1:], (), is_above=True)]
        for place in waiting[1:]:
            lanes[place] = None
        lanes[here] = node
        own = ["  " if wanted is None else "│ " for wanted in lanes]
        joined = [lanes.index(parent) for parent in parents if parent in lanes]
        fresh = [parent for parent in parents if parent not in lanes]
        begun = []
        lanes[here] = fresh.pop(0) if fresh and here < self._most else None
        is_root = lanes[here] is None and not joined
        for parent in fresh:
            if (place := self._free(but=here)) < self._most:
                lanes[place] = parent
                begun.append(place)
        own[here] = f"{ROOT if is_root else NODE} "
        after = [self._row(here, joined, begun, is_above=False)] if joined or begun else []
        while lanes and lanes[-1] is None:
            lanes.pop()
        return before, "".join(own).rstrip(), after, len(fresh) - len(begun)

    def _free(self, but: int = -1) -> int:
        for place, wanted in enumerate(self._lanes):
            if wanted is None and place != but:
                return place
        self._lanes.append(None)
        return len(self._lanes) - 1

    def _row(self, here: int, others: Collection[int], begun: Collection[int], *, is_above: bool) -> str:
        """A line on which lanes meet that of the node, above it or below, and others begin."""
        ends = [here, *others, *begun]
        left, right = min(ends), max(ends)
        pieces = []
        for place, wanted in enumerate(self._lanes):
            if place in ends:
                up = place not in begun
                # Above, the others end here; below, they run on, and the node's own does where it has a parent of its own.
                down = place == here if is_above else place != here or wanted is not None
                pieces.append(_PIECES[up, down, place > left, place < right])
            elif wanted is not None:
                pieces.append("│")
            else:
                pieces.append("─" if left < place < right else " ")
            pieces.append("─" if left <= place < right else " ")
        return "".join(pieces).rstrip()


def drawn(nodes: Sequence[tuple[Hashable, Sequence[Hashable]]], most: int = LANES_MAX) -> Iterator[str]:
    """The lines of a whole graph, whose nodes come before their parents.

    >>> print("\\n".join(drawn([("a", ["c"]), ("b", ["c"]), ("c", [])])))
    ●
    │ ●
    ├─╯
    ○
    """
    lanes = Lanes(most)
    for node, parents in nodes:
        before, own, after, _ = lanes.rows(node, parents)
        yield from [*before, own, *after]
