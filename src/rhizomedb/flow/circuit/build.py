"""From PomoRA to PomoFlow: a plan as a circuit that is kept up to date by changes of the stored relations.

Every expression becomes a stream of the changes of its tuples. A tuple's weight counts its derivations; where an
operator needs a set (an aggregate, the right side of an antijoin, a relation that is assigned) a distinct is put.

* Selections, projections, extensions and unions are linear: they work on the change alone.
* Joins are bilinear: the change of each side meets the history of the other. A semijoin is a join with the set of keys
  of the right; an antijoin is what that leaves over, left − left ⋉ right; a left join is a join, and the antijoin with
  the defaults.
* A loop is a circuit inside. A relation in it is the distinct of what it was before the loop and of what its
  expressions give for what it was an iteration ago. Expressions that do not read the loop's relations are kept outside
  and brought in. The sum of what flowed in all iterations is how the least fixed point changes, also when an edge of a
  cycle is taken away: derivations that lean on each other have no first iteration, and so are not there.

A loop in which a relation may lose tuples when a relation of the loop grows has no least fixed point, and is refused;
`lower` makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rhizomedb._record import dataclass
from rhizomedb.algebra.evaluation import is_monotone
from rhizomedb.algebra.formula import Attribute, Comparison, Formula, conjuncts, test_of, value_of
from rhizomedb.algebra.program import CID_COLUMN, Assign, Block, Loop, Plan, scans
from rhizomedb.algebra.relation import (
    AntiJoin,
    Attributes,
    Difference,
    EquiJoin,
    Extend,
    GroupBy,
    Join,
    LeftJoin,
    Product,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    SemiJoin,
    ThetaJoin,
    Union,
    Unit,
    Values,
)
from rhizomedb.algebra.source import key as key_of
from rhizomedb.algebra.source import pick
from rhizomedb.errors import FlowError, nearest_names
from rhizomedb.flow.circuit import compose, operators
from rhizomedb.flow.circuit.circuit import Circuit
from rhizomedb.flow.circuit.node import Stream
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.zset import ZSet
from rhizomedb.logic.builtins import AGGREGATES, Aggregate


@dataclass(frozen=True, slots=True)
class Flow:
    """An expression as a stream: the changes of its rows, which are written down in the order of `columns`."""

    stream: Stream
    columns: Attributes
    is_set: bool = False
    """Whether the weights always sum to 0 or 1."""

    def at(self, names: Iterable[str]) -> list[int]:
        """Where in a row some attributes stand."""
        return [self.columns.index(name) for name in names]


def build(plan: Plan, aggregates: Mapping[str, Aggregate] = AGGREGATES) -> Circuit:
    """The circuit of a plan: a source for each stored relation, a sink for each derived one.

    Rows stand in the order of the plan's columns, `$cid` among those of a stored relation whose tuples have CIDs. What
    is given to a source may hold any weights: a tuple is in a stored relation while they sum to more than zero.
    """
    circuit = Circuit()
    return _Builder(plan, circuit, aggregates).built()


class _Builder:
    """A plan under way: what each relation is at this place in the plan."""

    def __init__(self, plan: Plan, circuit: Circuit, aggregates: Mapping[str, Aggregate]) -> None:
        self.plan = plan
        self.circuit = circuit
        self.aggregates = aggregates
        self.parts: dict[str, list[Flow]] = {name: [] for name in plan.derived}
        """What was assigned to each derived relation so far, its columns in the plan's order."""
        self.sources: dict[str, Stream] = {}
        self.stored: dict[str, Flow] = {}
        """The stored relations that the plan reads: only these have a history to keep."""

    def built(self) -> Circuit:
        self.sources = {name: self.circuit.source(name) for name in self.plan.stored if name not in self.plan.derived}
        self.block(self.plan.block)
        for name in self.plan.derived:
            self.circuit.sink(name, self.relation(name).stream)
        return self.circuit

    def block(self, block: Block) -> None:
        outside = _Expressions(self.circuit, self.relation, self.aggregates)
        for statement in block.statements:
            if isinstance(statement, Assign):
                flow = outside.flow(statement.expression)
                self.parts[statement.relation].append(outside.ordered(flow, self.plan.derived[statement.relation]))
            else:
                self.loop(statement, outside)

    def relation(self, name: str) -> Flow:
        """A relation as it is at this place in the plan: the set of everything assigned so far."""
        if name not in self.parts:
            if name not in self.stored:
                self.stored[name] = Flow(compose.distinct(self.sources[name]), self.plan.stored[name], is_set=True)
            return self.stored[name]
        columns, parts = self.plan.derived[name], self.parts[name]
        if not parts:
            parts = [Flow(self.circuit.add(operators.Constant(ZSet())), columns, is_set=True)]
        if len(parts) > 1 or not parts[0].is_set:
            united = compose.added(*(part.stream for part in parts))
            parts = [Flow(compose.distinct(united), columns, is_set=True)]
        self.parts[name] = parts
        return parts[0]

    def loop(self, loop: Loop, outside: _Expressions) -> None:
        """A circuit inside: each relation of the loop is a feedback of its own distinct."""
        assigns = list(loop.body.assignments())
        if not is_monotone(Loop(Block(tuple(assigns)))):
            raise FlowError(
                "flow.plan",
                f"a relation of the loop over {', '.join(loop.relations)} is negated, aggregated or optional in it",
                fix="stratify: negate and aggregate what an earlier statement has derived",
            )
        child = self.circuit.child()
        before: dict[str, Flow] = {}
        bases: dict[str, list[Stream]] = {}
        for name in loop.relations:
            before[name] = Flow(child.feedback(), self.plan.derived[name], is_set=True)
            bases[name] = [child.bring(part.stream) for part in self.parts[name]]
        inside = _Inside(child, before.__getitem__, self.aggregates, outside, frozenset(loop.relations))
        for assign in assigns:
            flow = inside.flow(assign.expression)
            bases[assign.relation].append(inside.ordered(flow, self.plan.derived[assign.relation]).stream)
        for name in loop.relations:
            now = compose.distinct(compose.added(*bases[name]))
            child.connect(now, before[name].stream)
            self.parts[name] = [Flow(child.export(now), self.plan.derived[name], is_set=True)]


class _Expressions:
    """Expressions as streams of one circuit."""

    def __init__(self, circuit: Circuit, relation: Callable[[str], Flow], aggregates: Mapping[str, Aggregate]) -> None:
        self.circuit = circuit
        self.relation = relation
        self.aggregates = aggregates
        self.indexes: dict[tuple[Stream, tuple[int, ...]], Stream] = {}

    def flow(self, node: Relation) -> Flow:
        """An expression as a stream of changes. The left side of a chain is followed in a loop, as it may be long."""
        chain = [node]
        while chain[-1].children and not isinstance(chain[-1], Union) and not self.known(chain[-1]):
            chain.append(chain[-1].children[0])
        below = self.leaf(chain.pop())
        while chain:
            below = self.above(chain.pop(), below)
        return below

    def known(self, node: Relation) -> bool:
        """Whether an expression need not be taken apart here."""
        return False

    def leaf(self, node: Relation) -> Flow:
        match node:
            case Unit():
                return self.constant((), [()])
            case Values(names, rows):
                return self.constant(names, rows)
            case Scan():
                return self.scan(node)
            case Union(relations):
                flows = [self.ordered(self.flow(child), node.attributes) for child in relations]
                return Flow(compose.added(*(flow.stream for flow in flows)), node.attributes, False)
        raise AssertionError(f"an expression without children that is no leaf: {node.label}")

    def constant(self, names: Attributes, rows: Iterable[Element]) -> Flow:
        written = ZSet.of(rows).distinct()
        return Flow(self.circuit.add(operators.Constant(written)), names, is_set=True)

    def scan(self, scan: Scan) -> Flow:
        if scan.change:
            raise FlowError("flow.plan", f"{scan.label} reads what a round added; a circuit does that by itself")
        columns = tuple(CID_COLUMN if name == scan.cid else name for name in scan.attributes)
        held = self.ordered(self.relation(scan.relation), columns)
        return Flow(held.stream, scan.attributes, held.is_set)

    def above(self, node: Relation, below: Flow) -> Flow:
        """An operator over its first child."""
        match node:
            case Project(_, names):
                return self.ordered(below, names)
            case Rename(_, renames):
                new = dict(renames)
                return Flow(below.stream, tuple(new.get(name, name) for name in below.columns), below.is_set)
            case Select(_, formula):
                return self.selected(below, formula)
            case Extend():
                return self.extended(below, node)
            case GroupBy():
                return self.grouped(below, node)
            case Difference(_, right):
                return self.without(below, self.flow(right), below.columns)
            case AntiJoin(_, right):
                return self.without(below, self.flow(right), node.shared)
            case SemiJoin(_, right):
                return self.among(below, self.flow(right), node.shared)
            case LeftJoin():
                return self.or_else(below, node)
            case Join(_, right) | Product(_, right):
                return self.joined(below, self.flow(right), [(name, name) for name in node.shared])
            case ThetaJoin(_, right, formula) | EquiJoin(_, right, formula):
                return self.matched(below, self.flow(right), formula)
        raise AssertionError(f"an operator that no circuit is built of: {node.label}")

    # -- linear -----------------------------------------------------------------------------------------------------

    def ordered(self, flow: Flow, names: Attributes) -> Flow:
        """The rows restricted to some attributes, in their order."""
        if flow.columns == names:
            return flow
        stream = self.circuit.add(operators.Map(pick(flow.at(names))), flow.stream)
        return Flow(stream, names, flow.is_set and set(names) == set(flow.columns))

    def selected(self, flow: Flow, formula: Formula) -> Flow:
        positions = {name: place for place, name in enumerate(flow.columns)}
        stream = self.circuit.add(operators.Filter(test_of(formula, positions)), flow.stream)
        return Flow(stream, flow.columns, flow.is_set)

    def extended(self, flow: Flow, extend: Extend) -> Flow:
        value = value_of(extend.operand, {name: place for place, name in enumerate(flow.columns)})
        with_value = self.circuit.add(operators.Map(lambda row: (*row, value(row))), flow.stream)
        stream = self.circuit.add(operators.Filter(lambda row: row[-1] is not None), with_value)
        return Flow(stream, (*flow.columns, extend.name), flow.is_set)

    # -- not linear -------------------------------------------------------------------------------------------------

    def as_set(self, flow: Flow) -> Flow:
        """The same rows, each once."""
        return flow if flow.is_set else Flow(compose.distinct(flow.stream), flow.columns, is_set=True)

    def grouped(self, flow: Flow, group: GroupBy) -> Flow:
        child = self.as_set(flow)
        work = [(pick(child.at(each.parameters)), self.aggregate(each.function)) for each in group.aggregates]

        def results(rows: list[Element]) -> Element | None:
            cells = tuple(aggregate([parameters(row) for row in rows]) for parameters, aggregate in work)
            return None if None in cells else cells

        indexed = self.circuit.add(operators.IndexWith(pick(child.at(group.keys))), child.stream)
        found = compose.aggregate(indexed, results)
        stream = self.circuit.add(operators.Map(lambda pair: (*pair[0], *pair[1])), found)
        return Flow(stream, group.attributes, is_set=True)

    def aggregate(self, function: str) -> Aggregate:
        if function not in self.aggregates:
            raise FlowError(
                "flow.unknown",
                f"there is no aggregate `{function}`",
                nearest=nearest_names(function, self.aggregates),
            )
        return self.aggregates[function]

    # -- bilinear ---------------------------------------------------------------------------------------------------

    def indexed(self, flow: Flow, names: Sequence[str]) -> Stream:
        """The rows by some attributes; asked for again, the same stream, so that its trace is kept once."""
        places = flow.at(names)
        asked = flow.stream, tuple(places)
        if asked not in self.indexes:
            self.indexes[asked] = self.circuit.add(operators.IndexWith(key_of(places)), flow.stream)
        return self.indexes[asked]

    def joined(self, left: Flow, right: Flow, pairs: Sequence[tuple[str, str]]) -> Flow:
        """The pairs of rows that agree, with the right side's attributes that the left has not."""
        new = [name for name in right.columns if name not in left.columns]
        rest = pick(right.at(new))
        stream = compose.join(
            self.indexed(left, [name for name, _ in pairs]),
            self.indexed(right, [name for _, name in pairs]),
            lambda _, ours, theirs: ours + rest(theirs),
        )
        return Flow(stream, (*left.columns, *new), left.is_set and right.is_set)

    def matched(self, left: Flow, right: Flow, formula: Formula) -> Flow:
        """The pairs for which a formula holds: its equalities between the two sides are the key of a join (R12)."""
        pairs: list[tuple[str, str]] = []
        for part in conjuncts(formula):
            match part:
                case Comparison(Attribute(one), "==", Attribute(other)):
                    if one in left.columns and other in right.columns:
                        pairs.append((one, other))
                    elif other in left.columns and one in right.columns:
                        pairs.append((other, one))
        return self.selected(self.joined(left, right, pairs), formula)

    def keys(self, flow: Flow, names: Attributes) -> Stream:
        """The set of keys that a row of a flow has, as an index over the left side's positions has them."""
        rows = self.as_set(self.ordered(flow, names))
        return self.circuit.add(operators.Map(key_of(range(len(names)))), rows.stream)

    def among(self, left: Flow, right: Flow, shared: Attributes) -> Flow:
        """The rows of the left whose key is on the right."""
        stream = compose.semijoin(self.indexed(left, shared), self.keys(right, shared))
        return Flow(stream, left.columns, left.is_set)

    def without(self, left: Flow, right: Flow, shared: Attributes) -> Flow:
        """The rows of the left whose key is not on the right: linear in the left, so that weights stay what they are."""
        among = self.among(left, right, shared)
        return Flow(self.circuit.add(operators.Minus(), left.stream, among.stream), left.columns, left.is_set)

    def or_else(self, left: Flow, join: LeftJoin) -> Flow:
        right = self.flow(join.right)
        found = self.joined(left, right, [(name, name) for name in join.shared])
        missing = self.without(left, right, join.shared)
        if join.support is not None:
            missing = self.without(missing, self.flow(join.support), join.support.attributes)
        given = dict(join.defaults)
        defaults = tuple(given[name] for name in found.columns[len(left.columns) :])
        filled = self.circuit.add(operators.Map(lambda row: row + defaults), missing.stream)
        return Flow(compose.added(found.stream, filled), found.columns, found.is_set and left.is_set)


class _Inside(_Expressions):
    """Expressions in a loop: what does not read the loop's relations is kept outside and brought in."""

    def __init__(
        self,
        circuit: Circuit,
        relation: Callable[[str], Flow],
        aggregates: Mapping[str, Aggregate],
        outside: _Expressions,
        looping: frozenset[str],
    ) -> None:
        super().__init__(circuit, relation, aggregates)
        self.outside = outside
        self.looping = looping
        self.brought: dict[Stream, Stream] = {}
        self.origins: dict[Stream, Flow] = {}

    def known(self, node: Relation) -> bool:
        """Whether an expression is the same in all iterations."""
        return not any(scan.relation in self.looping for scan in scans(node))

    def flow(self, node: Relation) -> Flow:
        return self.leaf(node) if self.known(node) else super().flow(node)

    def leaf(self, node: Relation) -> Flow:
        if not self.known(node):
            return super().leaf(node)
        flow = self.outside.flow(node)
        inside = Flow(self.bring(flow.stream), flow.columns, flow.is_set)
        self.origins[inside.stream] = flow
        return inside

    def keys(self, flow: Flow, names: Attributes) -> Stream:
        """Keys of what was brought in are made outside, where they do not go through the iterations."""
        origin = self.origins.get(flow.stream)
        return super().keys(flow, names) if origin is None else self.bring(self.outside.keys(origin, names))

    def bring(self, stream: Stream) -> Stream:
        """A stream of the circuit outside; brought in once."""
        if stream not in self.brought:
            self.brought[stream] = self.circuit.bring(stream)
        return self.brought[stream]
