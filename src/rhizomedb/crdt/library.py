"""The data types by name: what each is for, its program, and the relation that answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.crdt import collection, counter, graph, mapping, register, sequence, text, tree
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.logic.parse import parse


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
        DataType("latest-register", "the write claimed most recently, whatever had been seen", register.LATEST, "latest"),
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


_REGISTERED: Final[dict[str, DataType]] = {}
"""The data types that this process has beside those of the library."""


def known_types() -> Mapping[str, DataType]:
    """Every data type that can be imported by its name: those of the library, and those that were registered."""
    return {**_REGISTERED, **LIBRARY}


def register_type(found: DataType) -> DataType:
    """Let a data type of your own be imported by its name, in this process; the type itself.

    Registering the same again changes nothing; another of a name that is there is `crdt.exists`. Its program may import
    others. What is wrong with the program is said as of any other, when it is first used.
    """
    if not isinstance(found, DataType):
        raise RequestError(
            "db.usage", f"{found!r:.60} is no data type", fix="crdt.DataType(name, summary, program, answer)"
        )
    there = known_types().get(found.name)
    if there is not None and there != found:
        raise RequestError(
            "crdt.exists", f"there is another data type {found.name!r}", fix=f"another name, such as my-{found.name}"
        )
    program = parse(found.program)
    heads = {rule.head.relation for rule in program.rules}
    if not found.name.strip() or (found.answer not in heads and not program.imports):
        raise RequestError(
            "crdt.program",
            f"the program of {found.name!r} does not derive {found.answer!r}"
            if found.name.strip()
            else "a data type has a name",
            nearest=nearest_names(found.answer, heads),
            fix=f'answer="{program.answer}"',
        )
    _REGISTERED[found.name] = found
    return found


def data_type(name: str) -> DataType:
    """The data type of a name; `crdt.unknown` if there is none."""
    known = known_types()
    if not isinstance(name, str) or name not in known:
        raise RequestError(
            "crdt.unknown",
            f"there is no data type {name!r}",
            nearest=nearest_names(str(name), known),
            fix=f"one of {', '.join(known)}",
        )
    return known[name]
