"""The hypergraph over facts: hyperedges with pointers, negation, and the JSON deltas of the RhizomeDB reference."""

from rhizomedb.hyper.pointer import (
    NEGATED_BY,
    NEGATES,
    Hyperedge,
    Pointer,
    Reference,
    facts_of,
    hyperedge_of,
    pointers_of,
)

__all__ = [
    "NEGATED_BY",
    "NEGATES",
    "Hyperedge",
    "Pointer",
    "Reference",
    "facts_of",
    "hyperedge_of",
    "pointers_of",
]
