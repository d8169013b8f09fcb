"""Compositions: the few ways in which operators are put together again and again.

Each takes streams of one circuit and gives a stream of the same circuit. The incremental ones hold at any depth: in a
root circuit, whose times are epochs, and in circuits inside, whose times have iterations as well.
"""

from __future__ import annotations

from rhizomedb.flow.circuit.node import Stream
from rhizomedb.flow.circuit.operators import (
    AggregateTrace,
    Delay,
    DelayTrace,
    DistinctIncremental,
    DistinctTrace,
    IndexWith,
    JoinStream,
    JoinTrace,
    Minus,
    Plus,
    TraceAppend,
)
from rhizomedb.flow.circuit.operators.aggregate import Aggregation
from rhizomedb.flow.circuit.operators.join_stream import Combine
from rhizomedb.flow.circuit.order import Element


def differentiate(stream: Stream) -> Stream:
    """How a stream changes: D(s) = s − z⁻¹(s)."""
    circuit = stream.circuit
    return circuit.add(Minus(), stream, circuit.add(Delay(), stream))


def integrate(stream: Stream) -> Stream:
    """The sum of a stream so far: I(s) = s + z⁻¹(I(s)). What comes out grows with the history."""
    circuit = stream.circuit
    before = circuit.feedback()
    result = circuit.add(Plus(), stream, before)
    circuit.connect(result, before)
    return result


def history(stream: Stream) -> tuple[Stream, Stream]:
    """The traces of a stream before the change of now, and with it. Asked for again, they are the same ones."""
    circuit = stream.circuit
    if stream.edge not in circuit.histories:
        before = circuit.feedback(DelayTrace())
        with_now = circuit.add(TraceAppend(), stream, before)
        circuit.connect(with_now, before)
        circuit.histories[stream.edge] = before, with_now
    return circuit.histories[stream.edge]


def added(*streams: Stream) -> Stream:
    """The sum of some streams."""
    first, *others = streams
    for stream in others:
        first = first.circuit.add(Plus(), first, stream)
    return first


def distinct(stream: Stream) -> Stream:
    """How the set changes that a stream's sum stands for."""
    circuit = stream.circuit
    operator = DistinctIncremental() if circuit.depth == 1 else DistinctTrace()
    return circuit.add(operator, stream, history(stream)[0])


def join(left: Stream, right: Stream, combine: Combine) -> Stream:
    """How the join of two indexed streams changes: the three terms of 2.9.13."""
    circuit = left.circuit

    def flipped(key: Element, theirs: Element, ours: Element) -> Element:
        return combine(key, ours, theirs)

    return added(
        circuit.add(JoinStream(combine), left, right),
        circuit.add(JoinTrace(combine), left, history(right)[0]),
        circuit.add(JoinTrace(flipped), right, history(left)[0]),
    )


def semijoin(left: Stream, keys: Stream) -> Stream:
    """How the elements of an indexed stream change whose key is in a stream of keys; weights are multiplied."""
    indexed = keys.circuit.add(IndexWith(itself), keys)
    return join(left, indexed, lambda key, element, _: element)


def aggregate(indexed: Stream, function: Aggregation) -> Stream:
    """How the results of an aggregate over the groups of an indexed stream change."""
    return indexed.circuit.add(AggregateTrace(function), indexed, history(indexed)[0])


def itself(element: Element) -> Element:
    """The element."""
    return element
