"""The operators of PomoFlow 2.9, one a file, and two more.

`constant` gives what is written in a plan, and `aggregate_trace` keeps an aggregate up to date.
"""

from __future__ import annotations

from collections.abc import Mapping

from rhizomedb.flow.circuit.operator import Operator
from rhizomedb.flow.circuit.operators.aggregate import Aggregate
from rhizomedb.flow.circuit.operators.aggregate_trace import AggregateTrace
from rhizomedb.flow.circuit.operators.consolidate import Consolidate
from rhizomedb.flow.circuit.operators.constant import Constant
from rhizomedb.flow.circuit.operators.delay import Delay
from rhizomedb.flow.circuit.operators.delay_trace import DelayTrace
from rhizomedb.flow.circuit.operators.distinct import Distinct
from rhizomedb.flow.circuit.operators.distinct_incremental import DistinctIncremental
from rhizomedb.flow.circuit.operators.distinct_trace import DistinctTrace
from rhizomedb.flow.circuit.operators.filter import Filter
from rhizomedb.flow.circuit.operators.index import IndexWith
from rhizomedb.flow.circuit.operators.inspect import Inspect
from rhizomedb.flow.circuit.operators.join_stream import JoinStream
from rhizomedb.flow.circuit.operators.join_trace import JoinTrace
from rhizomedb.flow.circuit.operators.map import Map
from rhizomedb.flow.circuit.operators.minus import Minus
from rhizomedb.flow.circuit.operators.negate import Negate
from rhizomedb.flow.circuit.operators.plus import Plus
from rhizomedb.flow.circuit.operators.trace_append import TraceAppend
from rhizomedb.flow.circuit.operators.untimed_trace_append import UntimedTraceAppend

SECTIONS: Mapping[str, type[Operator]] = {
    "2.9.1": Aggregate,
    "2.9.2": Consolidate,
    "2.9.3": Distinct,
    "2.9.4": Filter,
    "2.9.5": IndexWith,
    "2.9.6": Inspect,
    "2.9.7": Map,
    "2.9.8": Negate,
    "2.9.9": DelayTrace,
    "2.9.10": Delay,
    "2.9.11": DistinctTrace,
    "2.9.12": JoinStream,
    "2.9.13": JoinTrace,
    "2.9.14": Minus,
    "2.9.15": Plus,
    "2.9.16": TraceAppend,
    "2.9.17": UntimedTraceAppend,
    "2.9.18": DistinctIncremental,
}
"""Every operator of PomoFlow by its section."""

__all__ = [
    "SECTIONS",
    "Aggregate",
    "AggregateTrace",
    "Consolidate",
    "Constant",
    "Delay",
    "DelayTrace",
    "Distinct",
    "DistinctIncremental",
    "DistinctTrace",
    "Filter",
    "IndexWith",
    "Inspect",
    "JoinStream",
    "JoinTrace",
    "Map",
    "Minus",
    "Negate",
    "Plus",
    "TraceAppend",
    "UntimedTraceAppend",
]
