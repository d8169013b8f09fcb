"""Conflict-free replicated data types as programs over facts, and the policies that choose among what stands."""

from rhizomedb.crdt.library import LIBRARY as LIBRARY
from rhizomedb.crdt.library import DataType as DataType
from rhizomedb.crdt.library import data_type as data_type
from rhizomedb.crdt.library import register_type as register_type

__all__ = ["LIBRARY", "DataType", "data_type", "register_type"]
