"""Nodes: the vertices of a circuit, and the streams between them (PomoFlow 2.7, 2.8).

A node's local id is its index in its circuit; its global id is the path of local ids that leads to it (F14, F15). A
stream is no thing of its own (F12): it is named by the node whose output it is (F13), and what flows in it at this
moment is in one cell of the circuit.

| node     | inputs     | outputs |
| -------- | ---------- | ------- |
| operator | as it says | 1       |
| child    | 0          | any     |
| feedback | 1          | 1       |
| import   | 1          | 1       |
| sink     | any        | 0       |
| source   | 0          | 1       |
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.flow.circuit.operator import Kind, Operator, Strict
from rhizomedb.flow.circuit.zset import ZSet

if TYPE_CHECKING:
    from rhizomedb.flow.circuit.circuit import Circuit

GlobalId: TypeAlias = tuple[int, ...]
"""The local ids on the way from the root circuit to a node."""


class Edge(NamedTuple):
    """Where a stream comes from: a node of the circuit, and which of its outputs."""

    node: int
    output: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """An output of a node, as what another node can read."""

    circuit: Circuit = field(repr=False)
    edge: Edge
    kind: Kind = field(repr=False)

    @property
    def global_id(self) -> GlobalId:
        """The global id of the node whose output it is."""
        return (*self.circuit.path, self.edge.node)


@dataclass(slots=True)
class OperatorNode:
    """An operator with the streams that it reads."""

    operator: Operator
    inputs: tuple[Edge, ...]

    @property
    def outputs(self) -> tuple[Kind, ...]:
        """One stream."""
        return (self.operator.gives,)

    def __str__(self) -> str:
        return self.operator.name


@dataclass(slots=True)
class ChildNode:
    """A circuit inside, which comes to a fixed point in each step of the one around.

    Its imports read streams of the circuit around; what it exports is its outputs.
    """

    circuit: Circuit

    @property
    def inputs(self) -> tuple[Edge, ...]:
        """What its imports read: the node has no inputs of its own, but must run after these."""
        return tuple(node.source for node in self.circuit.nodes if isinstance(node, ImportNode))

    @property
    def outputs(self) -> tuple[Kind, ...]:
        """One stream for each export."""
        return (ZSet,) * len(self.circuit.exports)

    def __str__(self) -> str:
        return "Child"


@dataclass(slots=True)
class FeedbackNode:
    """A temporal edge: what is connected to it comes out in a later step.

    Its input is no input for scheduling, so a circuit with feedback has no cycles (F17).
    """

    operator: Strict
    source: Edge | None = None

    inputs = ()

    @property
    def outputs(self) -> tuple[Kind, ...]:
        """One stream."""
        return (self.operator.gives,)

    def __str__(self) -> str:
        return f"Feedback {self.operator.name}"


@dataclass(slots=True)
class ImportNode:
    """A stream of the circuit around, in the circuit inside: its change comes in at the first iteration."""

    source: Edge
    kind: Kind

    inputs = ()

    @property
    def outputs(self) -> tuple[Kind, ...]:
        """One stream."""
        return (self.kind,)

    def __str__(self) -> str:
        return "Import"


@dataclass(slots=True)
class SinkNode:
    """Where changes leave the circuit under a name: the sum of its streams. It has no outputs (F18)."""

    name: str
    inputs: tuple[Edge, ...]

    outputs = ()

    def __str__(self) -> str:
        return f"Sink {self.name}"


@dataclass(slots=True)
class SourceNode:
    """Where changes enter the circuit under a name. It accepts no inputs (F19)."""

    name: str

    inputs = ()
    outputs: tuple[Kind, ...] = (ZSet,)

    def __str__(self) -> str:
        return f"Source {self.name}"


Node: TypeAlias = OperatorNode | ChildNode | FeedbackNode | ImportNode | SinkNode | SourceNode
