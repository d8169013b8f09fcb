"""The general PomoFlow: circuits of operators over Z-sets of any elements.

`Circuit` is built from operators and stepped with changes; `compose` has the usual combinations; `build` makes the
circuit of a PomoRA plan; `Dataflow` runs one with sources and sinks. It is the plain form of the dataflow: readable,
exact at any depth of recursion, and what faster forms are tested against.
"""

from rhizomedb.flow.circuit import compose
from rhizomedb.flow.circuit.build import build
from rhizomedb.flow.circuit.circuit import Circuit
from rhizomedb.flow.circuit.dataflow import Dataflow
from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.node import Stream
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.sink import Changes, Done, Feed, Sink
from rhizomedb.flow.circuit.source import Inbox, Source
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import Trace
from rhizomedb.flow.circuit.zset import EMPTY, ZSet

__all__ = [
    "EMPTY",
    "Changes",
    "Circuit",
    "Dataflow",
    "Done",
    "Feed",
    "Inbox",
    "IndexedZSet",
    "Linearity",
    "Moment",
    "Operator",
    "Sink",
    "Source",
    "Stream",
    "Timestamp",
    "Trace",
    "ZSet",
    "build",
    "compose",
]
