"""Circuits: nodes, the streams between them, and how they are run (PomoFlow 2.6 to 2.8).

A circuit is built once and then stepped. A step of the root circuit is an epoch: the changes of its sources go in,
every node runs once, in an order in which each comes after what it reads, and the changes of its sinks come out. A
child circuit runs its nodes again and again within one step of the circuit around, until it comes to a fixed point:
nothing is on its way through a feedback, and no operator waits for a later iteration (F11).

A step happens or does not: if a budget runs out or a function fails, every operator is as it was before the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

from rhizomedb.budget import Budget, Meter
from rhizomedb.errors import FlowError, nearest_names
from rhizomedb.flow.circuit.node import (
    ChildNode,
    Edge,
    FeedbackNode,
    GlobalId,
    ImportNode,
    Node,
    OperatorNode,
    SinkNode,
    SourceNode,
    Stream,
)
from rhizomedb.flow.circuit.operator import CHANGES, Kind, Moment, Operator, Strict
from rhizomedb.flow.circuit.operators.consolidate import Consolidate
from rhizomedb.flow.circuit.operators.delay import Delay
from rhizomedb.flow.circuit.operators.untimed_trace_append import UntimedTraceAppend
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import NO_HISTORY, Trace
from rhizomedb.flow.circuit.zset import EMPTY, ZSet, total


class Circuit:
    """A dataflow: build it from sources, operators and sinks, then step it with changes.

    >>> from rhizomedb.flow.circuit.operators import Map
    >>> circuit = Circuit()
    >>> _ = circuit.sink("half", circuit.add(Map(lambda n: n // 2), circuit.source("number")))
    >>> circuit.step({"number": ZSet.of([2, 3, 4])})["half"]
    ZSet({1: 2, 2: 1})
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.path: GlobalId = ()
        self.outer: Circuit | None = None
        self.exports: list[Edge] = []
        self.epoch = 0
        """The epoch that the next step of a root circuit is."""
        self.cells: dict[Edge, Any] = {}
        self.histories: dict[Edge, tuple[Stream, Stream]] = {}
        """The traces that `compose.history` has made, before and with the change of now, by the stream they are of."""
        self._order: tuple[int, ...] | None = None
        self._stepping = False

    @property
    def depth(self) -> int:
        """How many circuits this one is in, itself counted: the depth of its timestamps."""
        return len(self.path) + 1

    # -- building ---------------------------------------------------------------------------------------------------

    def source(self, name: str) -> Stream:
        """A new source: a stream of the changes that are given to `step` under this name."""
        self._only_root("a source")
        if name in self.sources:
            raise FlowError("flow.duplicate", f"there is a source `{name}` already")
        return self.stream(self._append(SourceNode(name)))

    def sink(self, name: str, *streams: Stream) -> int:
        """A new sink: `step` gives the sum of the streams under this name. Its local id is returned; it has no stream."""
        self._only_root("a sink")
        if name in self.sinks:
            raise FlowError("flow.duplicate", f"there is a sink `{name}` already")
        if not streams:
            raise FlowError("flow.arity", f"the sink `{name}` reads nothing")
        edges = tuple(self._edge(stream, (ZSet,), f"the sink `{name}`") for stream in streams)
        return self._append(SinkNode(name, edges))

    def add(self, operator: Operator, *streams: Stream) -> Stream:
        """A new node with an operator that reads these streams; gives its output."""
        if len(streams) != len(operator.reads):
            raise FlowError(
                "flow.arity", f"{operator.name} reads {len(operator.reads)} streams; it was given {len(streams)}"
            )
        read = zip(streams, operator.reads, strict=True)
        return self.stream(
            self._append(OperatorNode(operator, tuple(self._edge(s, kinds, operator.name) for s, kinds in read)))
        )

    def feedback(self, operator: Strict | None = None) -> Stream:
        """A new feedback, by default through a `Delay`; `connect` says what goes into it."""
        return self.stream(self._append(FeedbackNode(Delay() if operator is None else operator)))

    def connect(self, stream: Stream, node: Stream | int) -> None:
        """Connect a stream to a feedback, so that it comes out of it a step later."""
        place = self._edge(node, (node.kind,), "`connect`").node if isinstance(node, Stream) else node
        match self.nodes[place]:
            case FeedbackNode(operator, None) as feedback:
                feedback.source = self._edge(stream, operator.reads[0], operator.name)
            case SourceNode(name):
                raise FlowError(
                    "flow.source-input",
                    f"the source `{name}` accepts no input from the circuit",
                    fix="add the two streams up with Plus",
                )
            case other:
                raise FlowError("flow.connected", f"node {place}, {other}, has all its inputs already")

    def child(self) -> Circuit:
        """A new circuit inside: it runs to a fixed point in every step of this one."""
        inner = Circuit()
        inner.outer = self
        inner.path = (*self.path, self._append(ChildNode(inner)))
        return inner

    def bring(self, stream: Stream) -> Stream:
        """In a child circuit, a stream of the circuit around."""
        if self.outer is None:
            raise FlowError("flow.foreign-stream", "there is no circuit around a root circuit to bring streams from")
        edge = self.outer._edge(stream, CHANGES, "Import")
        self.outer._order = None
        return self.stream(self._append(ImportNode(edge, stream.kind)))

    def export(self, stream: Stream) -> Stream:
        """In a child circuit, hand a stream to the circuit around: the sum over all iterations of a step."""
        if self.outer is None:
            raise FlowError("flow.foreign-stream", "there is no circuit around a root circuit", fix="use `sink`")
        self.exports.append(self._edge(stream, (ZSet,), "an export"))
        return self.outer.stream(self.path[-1], len(self.exports) - 1)

    def stream(self, node: int, output: int = 0) -> Stream:
        """The stream that comes out of a node."""
        outputs = self.nodes[node].outputs
        if output >= len(outputs):
            raise FlowError("flow.sink-output", f"node {node}, {self.nodes[node]}, has {len(outputs)} outputs")
        return Stream(self, Edge(node, output), outputs[output])

    @property
    def sources(self) -> dict[str, int]:
        """The names of the sources, with their local ids."""
        return {node.name: place for place, node in enumerate(self.nodes) if isinstance(node, SourceNode)}

    @property
    def sinks(self) -> dict[str, int]:
        """The names of the sinks, with their local ids."""
        return {node.name: place for place, node in enumerate(self.nodes) if isinstance(node, SinkNode)}

    def walk(self) -> Iterator[tuple[GlobalId, Node]]:
        """Every node in the circuit and the circuits inside, with its global id."""
        for place, node in enumerate(self.nodes):
            yield (*self.path, place), node
            if isinstance(node, ChildNode):
                yield from node.circuit.walk()

    def schedule(self) -> tuple[int, ...]:
        """The local ids in an order in which each node comes after those that it reads."""
        if self._order is None:
            graph = {place: {edge.node for edge in node.inputs} for place, node in enumerate(self.nodes)}
            self._order = tuple(TopologicalSorter(graph).static_order())
        return self._order

    def _append(self, node: Node) -> int:
        root = self
        while root.outer is not None:
            root = root.outer
        if root.epoch:
            raise FlowError(
                "flow.running",
                f"{node} would not know what flowed in the {root.epoch:,} epochs that have been run",
                fix="build the whole circuit first",
            )
        self.nodes.append(node)
        self._order = None
        return len(self.nodes) - 1

    def _edge(self, stream: Stream, kinds: tuple[Kind, ...], reader: str) -> Edge:
        if stream.circuit is not self:
            raise FlowError(
                "flow.foreign-stream",
                f"{reader} cannot read a stream of another circuit",
                fix="bring it into the child circuit with `bring`, or hand it out with `export`",
            )
        if stream.kind not in kinds:
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise FlowError(
                "flow.kind", f"{reader} reads {wanted}; node {stream.edge.node} gives {stream.kind.__name__}"
            )
        return stream.edge

    def _only_root(self, what: str) -> None:
        if self.outer is not None:
            raise FlowError("flow.foreign-stream", f"{what} can only be in the root circuit")

    # -- running ----------------------------------------------------------------------------------------------------

    def step(self, changes: Mapping[str, ZSet] | None = None, meter: Meter | None = None) -> dict[str, ZSet]:
        """Run one epoch of a root circuit with the changes of its sources; gives the change of each sink.

        Raises `BudgetExceeded` where the meter's budget ends. Whatever it raises, the circuit is as it was.
        """
        changes = changes or {}
        sources = self.sources
        for name in changes.keys() - sources.keys():
            raise FlowError("flow.unknown", f"there is no source `{name}`", nearest=nearest_names(name, sources))
        self._check()
        if self.outer is not None:
            raise FlowError("flow.running", "a child circuit is stepped by the circuit around it")
        if self._stepping:
            raise FlowError("flow.running", "a step cannot begin within a step")
        saved = [(operator, operator.save()) for operator in self._operators() if operator.stateful]
        moment = Moment(Timestamp(self.epoch), meter or Budget().meter())
        self.cells = {Edge(place): changes.get(name, EMPTY) for name, place in sources.items()}
        done, self._stepping = False, True
        try:
            self._run(moment)
            results = {
                node.name: total(self.cells[edge] for edge in node.inputs)
                for node in self.nodes
                if isinstance(node, SinkNode)
            }
            moment.meter.check()
            done = True
        finally:
            self._stepping = False
            if not done:
                for operator, state in saved:
                    operator.restore(state)
            for circuit in self._circuits():
                circuit.cells = {}
        assert not any(operator.waiting() for operator in self._operators()), "nothing waits when an epoch is closed"
        self.epoch += 1
        return results

    def _check(self) -> None:
        for place, node in self.walk():
            if isinstance(node, FeedbackNode) and node.source is None:
                raise FlowError(
                    "flow.feedback", f"nothing goes into the feedback {place}", fix="connect a stream to it"
                )

    def _run(self, moment: Moment) -> None:
        """One step: each node once, the feedbacks' outputs before and their inputs after."""
        self._clock_start(0, moment.time)
        for place in self.schedule():
            match self.nodes[place]:
                case OperatorNode(operator, inputs):
                    output = operator.step(moment, *(self.cells[edge] for edge in inputs))
                    if not operator.spends and not isinstance(output, Trace):
                        moment.meter.spend(len(output))
                    self.cells[Edge(place)] = output
                case FeedbackNode(operator):
                    self.cells[Edge(place)] = operator.output()
                case ChildNode(circuit):
                    for number, output in enumerate(circuit._fixed_point(moment)):
                        self.cells[Edge(place, number)] = output
                case ImportNode(source, kind):
                    assert self.outer is not None, "imports are in child circuits"
                    first = moment.time[-1] == 0
                    self.cells[Edge(place)] = self.outer.cells[source] if first else kind()
                case SinkNode() | SourceNode():
                    pass
        for node in self.nodes:
            if isinstance(node, FeedbackNode):
                assert node.source is not None, "checked before the epoch"
                node.operator.take(self.cells[node.source])
        self._clock_end(0, moment.time)

    def _fixed_point(self, moment: Moment) -> list[ZSet]:
        """A child's whole run within one step of the circuit around; gives the sum of each export."""
        results = [NO_HISTORY] * len(self.exports)
        collect, consolidate = UntimedTraceAppend(), Consolidate()
        time: Timestamp | None = moment.time.enter()
        while time is not None:
            moment.meter.round()
            inner = Moment(time, moment.meter)
            self.cells = {}
            self._run(inner)
            for number, edge in enumerate(self.exports):
                results[number] = collect.step(inner, self.cells[edge], results[number])
            time = self._next(time, moment.time)
        return [consolidate.step(moment, result) for result in results]

    def _next(self, time: Timestamp, outer: Timestamp) -> Timestamp | None:
        """The next iteration in which something happens, within a step of the circuit around; `None`: a fixed point."""
        if not all(node.operator.settled for node in self.nodes if isinstance(node, OperatorNode | FeedbackNode)):
            return time.next()
        waiting = (then for operator in self._operators() for then in operator.waiting() if then.within(outer))
        soonest = min((tuple(then[: len(time)]) for then in waiting), default=None)
        return None if soonest is None else Timestamp(*soonest)

    def _operators(self) -> Iterator[Operator]:
        """Every operator here and inside."""
        for _, node in self.walk():
            if isinstance(node, OperatorNode | FeedbackNode):
                yield node.operator

    def _circuits(self) -> Iterable[Circuit]:
        return [self, *(node.circuit for _, node in self.walk() if isinstance(node, ChildNode))]

    def _clock_start(self, scope: int, time: Timestamp) -> None:
        """Tell every operator here, and with the next scope inside, that a step begins."""
        for node in self.nodes:
            if isinstance(node, OperatorNode | FeedbackNode):
                node.operator.clock_start(scope, time)
            elif isinstance(node, ChildNode):
                node.circuit._clock_start(scope + 1, time)

    def _clock_end(self, scope: int, time: Timestamp) -> None:
        """Tell every operator here, and with the next scope inside, that a step has ended."""
        for node in self.nodes:
            if isinstance(node, OperatorNode | FeedbackNode):
                node.operator.clock_end(scope, time)
            elif isinstance(node, ChildNode):
                node.circuit._clock_end(scope + 1, time)

    def __str__(self) -> str:
        lines = []
        for place, node in self.walk():
            reads: tuple[Edge, ...] = node.inputs
            if isinstance(node, FeedbackNode | ImportNode):
                reads = () if node.source is None else (node.source,)
            here = place[:-1] if not isinstance(node, ImportNode) else place[:-2]
            names = ", ".join(".".join(map(str, (*here, edge.node))) for edge in reads)
            lines.append(f"{'  ' * (len(place) - 1)}{'.'.join(map(str, place))} {node}{f' ← {names}' if names else ''}")
        return "\n".join(lines)
