"""The data types by name: what each is for, its program, and the relation that answers."""

from __future__ import annotations

from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.crdt import collection, counter, graph, mapping, register, sequence, text, tree
from rhizomedb.errors import RequestError, nearest_names


@dataclass(frozen=True, slots=True)
class DataType:
    """A replicated data type: a PomoLogic program over `fact` and `cause`, and the relation that holds its value.

    The state is the set of facts, merging is their union, and the value is what the program derives: so copies that have
    the same facts agree, in whatever order they came.
    """

    name: str
    summary: str
    program: str
    answer: str


LIBRARY: Final[dict[str, DataType]] = {
    each.name: each
    for each in (
        DataType("graph", "the causal graph: heads, ancestors, what is concurrent, what is missing", graph.GRAPH, "head"),
        DataType("multi-value-register", "the writes that no later write had seen", register.MULTI_VALUE, "survivor"),
        DataType("last-writer-register", "of those, the one with the greatest CID", register.LAST_WRITER, "last"),
        DataType("grow-only-set", "what was ever added", collection.GROW_ONLY, "member"),
        DataType("two-phase-set", "what was added and never removed", collection.TWO_PHASE, "member"),
        DataType("add-wins-set", "a remove takes back the adds that it had seen", collection.ADD_WINS, "member"),
        DataType("remove-wins-set", "a remove stands until an add has seen it", collection.REMOVE_WINS, "member"),
        DataType("grow-only-counter", "the sum of the steps up", counter.GROW_ONLY, "count"),
        DataType("counter", "the sum of the steps, up and down", counter.POSITIVE_NEGATIVE, "count"),
        DataType("map", "keys with the values that no later write or delete had seen", mapping.OBSERVED_REMOVE, "entry"),
        DataType("list", "elements in the order in which they were put after one another", sequence.LIST, "item"),
        DataType("text", "characters in the order in which runs of them were put after one another", text.TEXT, "character"),
        DataType("tree", "nodes under parents, moved at will and never in a cycle", tree.MOVABLE, "parent"),
    )
}  # fmt: skip
"""Every data type, by its name."""


OPERATIONS: Final = frozenset(
    {collection.ADD, collection.REMOVE, counter.ADD, mapping.DELETE, text.INSERT, text.DELETE}
)
"""The attributes whose facts are operations: several stand, and nobody disagrees with anybody. They are no registers."""


def data_type(name: str) -> DataType:
    """The data type of a name; `crdt.unknown` if there is none."""
    if name not in LIBRARY:
        raise RequestError(
            "crdt.unknown",
            f"there is no data type {name!r}",
            nearest=nearest_names(name, list(LIBRARY)),
            fix=f"one of {', '.join(LIBRARY)}",
        )
    return LIBRARY[name]
