"""The drawing of a graph: examples, and the law that a drawing read back is the graph that was drawn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.cli import lanes
from rhizomedb.cli.lanes import Lanes, drawn

EXAMPLES = [
    ("nothing", {}, ""),
    ("alone", {"a": "", "b": ""}, "○\n○"),
    ("chain", {"a": "b", "b": "c", "c": ""}, "●\n●\n○"),
    ("meet", {"a": "c", "b": "c", "c": ""}, "●\n│ ●\n├─╯\n○"),
    ("part", {"a": "bc", "b": "", "c": ""}, "●\n├─╮\n○ │\n  ○"),
    ("diamond", {"a": "bc", "b": "d", "c": "d", "d": ""}, "●\n├─╮\n● │\n│ ●\n├─╯\n○"),
    ("three", {"a": "bcd", "b": "", "c": "", "d": ""}, "●\n├─┬─╮\n○ │ │\n  ○ │\n    ○"),
    ("across", {"a": "d", "b": "e", "c": "df", "d": "", "e": "", "f": ""},
     "●\n│ ●\n│ │ ●\n├─│─┤\n○ │ │\n  ○ │\n    ○"),
]  # fmt: skip


@pytest.mark.parametrize(("graph", "text"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES])
def test_drawn(graph, text):
    assert "\n".join(drawn(list(graph.items()))) == text


@st.composite
def graphs(draw):
    """Nodes with parents among those that come later."""
    size = draw(st.integers(0, 9))
    return [
        (node, sorted(draw(st.sets(st.integers(node + 1, size - 1), max_size=3))) if node + 1 < size else [])
        for node in range(size)
    ]


LEADS = {
    "│": (True, True, False, False),
    "─": (False, False, True, True),
    **{piece: ways for ways, piece in lanes._PIECES.items()},
}
"""Whether each character leads up, down, to the left and to the right."""


def lines(graph, most=lanes.LANES_MAX):
    """The lines of a drawing, each with whether it is a node's own, or stands after or before one; and what was left out."""
    drawing, found, lost = Lanes(most), [], 0
    for node, parents in graph:
        before, own, after, left_out = drawing.rows(node, parents)
        found += [*(("before", row) for row in before), ("node", own), *(("after", row) for row in after)]
        lost += left_out
    return found, lost


def read(rows):
    """Which nodes lead to which, by following the lines down.

    Never up, and straight on where one is crossed. A line that runs across belongs to the node above or below it.
    """

    def at(row, column):
        return rows[row][1][column] if row < len(rows) and 0 <= column < len(rows[row][1]) else " "

    nodes = [
        (row, next(column for column, piece in enumerate(line) if piece in "●○"))
        for row, (kind, line) in enumerate(rows)
        if kind == "node"
    ]
    number = {place: index for index, place in enumerate(nodes)}
    edges = set()
    for start in nodes:
        pending, met = [(start[0] + 1, start[1], "down")] if at(*start) == "●" else [], set()
        while pending:
            row, column, way = step = pending.pop()
            if step in met:
                continue
            met.add(step)
            piece = at(row, column)
            if way == "down" and piece in "●○":
                edges.add((number[start], number[row, column]))
                continue
            if way != "down" and piece == "│":
                pending.append((row, column + (1 if way == "right" else -1), way))
                continue
            up, down, left, right = LEADS.get(piece, (False,) * 4)
            if (way, True) not in (("down", up), ("right", left), ("left", right)):
                continue
            if down:
                pending.append((row + 1, column, "down"))
            if way == "down" and ((row - 1, column) not in number if rows[row][0] == "after" else down):
                continue  # it is another node's line that runs across here
            if right and way != "left":
                pending.append((row, column + 1, "right"))
            if left and way != "right":
                pending.append((row, column - 1, "left"))
    return edges


def check_read_back(graph):
    assert read(lines(graph)[0]) == {(node, parent) for node, parents in graph for parent in parents}


@given(graphs())
@settings(max_examples=300)
def test_a_drawing_read_back_is_the_graph(graph):
    check_read_back(graph)


@given(graphs(), st.integers(1, 3))
def test_what_finds_no_room_is_counted(graph, most):
    rows, lost = lines(graph, most)
    assert all(len(row) <= 2 * most + 1 for _, row in rows)
    edges = {(node, parent) for node, parents in graph for parent in parents}
    found = read(rows)
    assert found <= edges
    assert (found == edges) == (lost == 0)


BROKEN = {"├": "│", "╯": "╰", "╮": "─"}


@pytest.mark.parametrize("piece", BROKEN)
def test_a_broken_drawing_is_caught(piece, monkeypatch):
    pieces = {ways: BROKEN[piece] if each == piece else each for ways, each in lanes._PIECES.items()}
    monkeypatch.setattr(lanes, "_PIECES", pieces)

    @given(graphs())
    @settings(max_examples=500, database=None)
    def search(graph):
        check_read_back(graph)

    with pytest.raises(AssertionError):
        search()
