"""The tree of a database: nodes that several people move at the same time, read by the program `tree`.

A node is an entity, and has one place in the whole database. A move that would put a node below itself is refused; where
people move nodes under each other at the same time, the program undoes one of their moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from rhizomedb.crdt import LIBRARY, tree
from rhizomedb.db.programs.result import show
from rhizomedb.db.types.replicated import Handle, Writing, held_by
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity

ROOT: Final = b""
"""The root of no name."""

_PARENTS: Final = """
answer(node: N, parent: P) :- parent(node: N, parent: P), kind(P) == "bytes".
answer(node: N, parent: bytes"") :- parent(node: N, parent: P), kind(P) != "bytes".
"""
_UNDONE: Final = "\nanswer(node: N) :- undone(node: N)."
_STANDING: Final = "\nanswer(fact: C) :- standing(node: $node, fact: C)."


class ReplicatedTree(Handle):
    """Nodes under parents. Nodes are given by id or by name; what hangs from no node hangs from `b""`."""

    def __init__(self, db: Writing, author: str | None) -> None:
        super().__init__(db, ROOT, author)
        self._program = LIBRARY["tree"].program

    def move(self, node: Entity | str, parent: Entity | str = ROOT) -> None:
        """Put a node, with all below it, under another; `crdt.cycle` if that is the node itself, or below it.

        A node above the new place whose own move was undone is put where it stands, so that it does not come to stand
        elsewhere, and undo this move.
        """
        moved, under = self._node(node), self._node(parent)
        if moved == ROOT:
            raise RequestError("crdt.cycle", "the root of no name is under nothing", fix="move(node)")
        parents = self._parents()
        above = _upwards(parents, under)
        if moved in above:
            shown = node if isinstance(node, str) else show(moved)
            why = "itself" if moved == under else "a node that is below it"
            raise RequestError("crdt.cycle", f"{shown:.60} cannot be put under {why}", fix="move the other one first")
        undone = {each for (each,) in self._db.query(self._program + _UNDONE)}
        if self._writer is None:
            self.entity = moved  # what is said of the writer is said of some node: the root of no name is none
        with self._saying() as say:
            for each, to in (*((each, parents[each]) for each in above if each in undone), (moved, under)):
                say(each, tree.PARENT, to, self._cids(self._program + _STANDING, node=each))

    def parent(self, node: Entity | str) -> Entity | None:
        """The node that a node is under: `b""` if it is under none, and None if nobody has put it anywhere."""
        return self._parents().get(self._node(node))

    def children(self, node: Entity | str = ROOT) -> list[Entity]:
        """The nodes that are under one, in the order of their ids."""
        at = self._node(node)
        return [each for each, parent in self._parents().items() if parent == at]

    def path(self, node: Entity | str) -> list[Entity]:
        """The nodes from the uppermost one down to this."""
        return _upwards(self._parents(), self._node(node))[::-1]

    def __contains__(self, node: Entity | str) -> bool:
        return self._node(node) in self._parents()

    def __iter__(self) -> Iterator[Entity]:
        """The nodes that somebody has put somewhere, in the order of their ids."""
        return iter(self._parents())

    def __len__(self) -> int:
        return len(self._parents())

    def __repr__(self) -> str:
        below: defaultdict[Entity, int] = defaultdict(int)
        for parent in self._parents().values():
            below[parent] += 1
        return f"{type(self).__name__}({sum(below.values()):,} nodes under {len(below):,})"

    def _node(self, node: Entity | str) -> Entity:
        return held_by(self._db, node)

    def _parents(self) -> dict[Entity, Entity]:
        return dict(self._db.query(self._program + _PARENTS))


def _upwards(parents: dict[Entity, Entity], node: Entity) -> list[Entity]:
    """A node and those that it hangs from; the root of no name is none."""
    found: dict[Entity, None] = {}
    while node != ROOT and node not in found:
        found[node] = None
        node = parents.get(node, ROOT)
    return list(found)
