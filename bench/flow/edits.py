"""The edit history of a text: a real one where its files are at hand, and one that is made for small sizes.

Kleppmann's history of one paper is published with automerge-perf and, as input for Datalog, with dynamic-datalog. It is
not part of this project: `RHIZOMEDB_BENCH_DATA` names the folder that holds `text-crdt/insert.txt.gz` (counter, node,
counter and node of the parent) and `text-crdt/remove.txt.gz` (counter, node).

An element is named by a Lamport stamp, a counter and a node, compared in this order. Packed into one number it compares
as the pair does. The head of the list, 0, is not inserted itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.flow.graphs import Relations, Rows

FOLDER = "RHIZOMEDB_BENCH_DATA"

NODES = 4
"""More than the number of any node."""


def missing() -> str | None:
    """What to say where the history is not at hand."""
    named = os.environ.get(FOLDER)
    if named is None:
        return f"{FOLDER} does not name the folder that holds it"
    if not _file("insert").exists() or not _file("remove").exists():
        return f"the folder that {FOLDER} names has no text-crdt/insert.txt.gz and text-crdt/remove.txt.gz"
    return None


def history() -> Relations:
    """The real history."""
    import numpy as np

    inserts, removes = (np.loadtxt(_file(name), dtype=np.int64, ndmin=2) for name in ("insert", "remove"))
    return relations(inserts, removes)


def made(elements: int) -> Relations:
    """A history in which most elements are typed after the one before, some elsewhere, and a third are removed again."""
    import numpy as np

    chance = np.random.default_rng(10)
    counter = np.arange(1, elements + 1)
    node = chance.integers(0, 3, elements)
    anywhere = (chance.random(elements) * counter).astype(np.int64)
    parent = np.where(chance.random(elements) < 0.9, counter - 1, anywhere)
    node_of_parent = np.where(parent > 0, node[parent - 1], 0)
    gone = np.sort(chance.permutation(elements)[: elements // 3])
    inserts = np.stack([counter, node, parent, node_of_parent], axis=1)
    return relations(inserts, np.stack([counter[gone], node[gone]], axis=1))


def relations(inserts: Rows, removes: Rows) -> Relations:
    """What was inserted after what, and what was removed, with every stamp packed."""
    import numpy as np

    from bench.flow.graphs import relation

    inserted = np.stack([_packed(inserts[:, :2]), inserts[:, 0], _packed(inserts[:, 2:])], axis=1)
    return {
        "inserted": relation("id counter parent", inserted),
        "removed": relation("id", _packed(removes)[:, None]),
    }


def _packed(stamps: Rows) -> Rows:
    assert stamps[:, 1].max(initial=0) < NODES, "nodes have small numbers"
    packed: Rows = stamps[:, 0] * NODES + stamps[:, 1]
    return packed


def _file(name: str) -> Path:
    return Path(os.environ[FOLDER]) / "text-crdt" / f"{name}.txt.gz"
