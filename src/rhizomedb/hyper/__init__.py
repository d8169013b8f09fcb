"""The hypergraph over facts: hyperedges with pointers, negation, schemas and their views, and the JSON of the reference."""

from rhizomedb.hyper.hyperview import Entry, HyperView
from rhizomedb.hyper.lens import Add, Convert, Head, Hoist, Join, Lens, Remove, Rename, Sink, Split, Wrap
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
from rhizomedb.hyper.resolution import NOTHING, Depending, Said, depends
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest, Property, Schemas
from rhizomedb.hyper.schema_edges import SchemaConflict, SchemasSaid

__all__ = [
    "NEGATED_BY",
    "NEGATES",
    "NOTHING",
    "Add",
    "Condition",
    "Convert",
    "Depending",
    "Entry",
    "Head",
    "Hoist",
    "HyperSchema",
    "HyperView",
    "Hyperedge",
    "Join",
    "Lens",
    "Nest",
    "Pointer",
    "Property",
    "Reference",
    "Remove",
    "Rename",
    "Said",
    "SchemaConflict",
    "Schemas",
    "SchemasSaid",
    "Sink",
    "Split",
    "Wrap",
    "depends",
    "facts_of",
    "hyperedge_of",
    "pointers_of",
]
