"""Common subexpressions: what several rules compute is computed once and has a name.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> text = "p(x: X) :- e(x: X, y: Y), f(y: Y), !g(x: X). q(z: Z) :- e(x: Z, y: W), f(y: W), h(x: Z)."
>>> stored = {"e": ("x", "y"), "f": ("y",), "g": ("x",), "h": ("x",)}
>>> print(share_subplans(lower(parse(text), stored), Context()))
shared`1 :- natural_join(rename[y → Y](f), rename[x → X, y → Y](e))
p :- rename[X → x](project[X](antijoin(shared`1, rename[x → X](g))))
q :- rename[Z → z](project[Z](semijoin(rename[Y → W, X → Z](shared`1), rename[x → Z](h))))

Two expressions are equal if they are up to the names of their attributes (`canonical`). One is shared if it joins, groups or
takes away, occurs twice, reads nothing that is assigned later than where it is first used, and is not taken to hold more
than what it reads: a shared join can no longer be narrowed by what each rule adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Attribute
from rhizomedb.algebra.program import Assign, Block, Loop, Plan, Statement, scans
from rhizomedb.algebra.relation import (
    AntiJoin,
    Attributes,
    Closure,
    Components,
    Difference,
    EquiJoin,
    Extend,
    GroupBy,
    Join,
    LeftJoin,
    Project,
    Relation,
    Rename,
    Scan,
    SemiJoin,
    ThetaJoin,
)
from rhizomedb.algebra.rewrites.canonical import Numbering
from rhizomedb.algebra.rewrites.walk import Context, assigns_of, with_children
from rhizomedb.algebra.statistics import Estimates

WORK = (Join, SemiJoin, AntiJoin, Difference, LeftJoin, EquiJoin, ThetaJoin, GroupBy, Closure, Components)
"""The operators that are worth doing once."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """A relation for an expression: its name, the expression's number, and the column of each place."""

    relation: str
    columns: dict[int, str]
    attributes: Attributes


def share_subplans(plan: Plan, context: Context) -> Plan:
    """The plan with expressions that occur several times as relations of their own."""
    return _Sharing(plan, context).plan()


class _Sharing:
    """One pass over a plan."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self.old = plan
        self.numbering = Numbering()
        self.estimates = Estimates(plan, context.statistics)
        self.complete: dict[str, int] = {}  # the statement after which a relation does not grow
        self.counts: Counter[int] = Counter()
        self.first: dict[int, int] = {}
        for place, statement in enumerate(plan.block.statements):
            for assign in assigns_of(statement):
                self.complete[assign.relation] = place
                for node in self._occurrences(assign.expression):
                    number = self.numbering.of(node).number
                    self.counts[number] += 1
                    self.first.setdefault(number, place)
        self.shared: dict[int, _Shared | None] = {}
        self.statements: list[Statement] = []
        self.numbers = count(1)

    def plan(self) -> Plan:
        if not any(times > 1 for times in self.counts.values()):
            return self.old
        for statement in self.old.block.statements:
            self.statements.append(self._statement(statement))
        new = [each for each in self.shared.values() if each is not None]
        if not new:
            return self.old
        derived = {**self.old.derived, **{each.relation: each.attributes for each in new}}
        return Plan(Block(tuple(self.statements)), self.old.stored, derived)

    def _occurrences(self, expression: Relation) -> Iterator[Relation]:
        """The nodes of an expression that are worth something; of one met before, not what is in it."""
        pending = [expression]
        while pending:
            node = pending.pop()
            if self._is_candidate(node):
                seen = self.counts[self.numbering.of(node).number]
                yield node
                if seen:
                    continue
            pending += node.children

    def _is_candidate(self, node: Relation) -> bool:
        if isinstance(node, Project):
            inner = node.child
            while isinstance(inner, Rename):
                inner = inner.child
            return isinstance(inner, WORK) and len(node.names) < len(node.child.attributes)
        return isinstance(node, WORK)

    def _statement(self, statement: Statement) -> Statement:
        if isinstance(statement, Loop):
            inner = tuple(self._statement(each) for each in statement.body.statements)
            same = all(one is other for one, other in zip(inner, statement.body.statements, strict=True))
            return statement if same else replace(statement, body=Block(inner))
        after = self._replaced(statement.expression, top=True)
        return statement if after is statement.expression else replace(statement, expression=after)

    def _replaced(self, expression: Relation, top: bool) -> Relation:
        """The expression with what is shared in it read by name; `top`: the expression itself may be so."""
        made: list[Relation] = []
        pending: list[tuple[Relation, bool]] = [(expression, False)]
        while pending:
            node, ready = pending.pop()
            if ready:
                width = len(node.children)
                children = made[len(made) - width :]
                del made[len(made) - width :]
                made.append(with_children(node, children))
                continue
            shared = self._shared(node) if top or node is not expression else None
            if shared is not None:
                made.append(self._read(node, shared))
            else:
                pending.append((node, True))
                pending += [(child, False) for child in reversed(node.children)]
        return made[0]

    def _shared(self, node: Relation) -> _Shared | None:
        if not self._is_candidate(node):
            return None
        number = self.numbering.of(node).number
        if self.counts[number] < 2:
            return None
        if number not in self.shared:
            self.shared[number] = None
            if self._pays(node, self.first[number]):
                self.shared[number] = self._named(node)
        return self.shared[number]

    def _pays(self, node: Relation, place: int) -> bool:
        read = list(scans(node))
        if any(scan.change or self.complete.get(scan.relation, -1) >= place for scan in read):
            return False
        return self.estimates.of(node).rows <= sum(self.estimates.of(scan).rows for scan in read)

    def _named(self, node: Relation) -> _Shared:
        """Assign the expression to a relation of its own, ahead of the statement under way."""
        places = self.numbering.of(node).places
        columns: dict[int, str] = {}
        for name in node.attributes:
            columns.setdefault(places[name], name)
        expression = self._replaced(node, top=False)
        attributes = tuple(columns.values())
        if len(attributes) < len(node.attributes):
            expression = Project(expression, attributes)
        name = next(name for number in self.numbers if (name := f"shared`{number}") not in self.old.derived)
        self.statements.append(Assign(name, expression))
        return _Shared(name, columns, attributes)

    def _read(self, node: Relation, shared: _Shared) -> Relation:
        """The shared relation under the attributes that a node has."""
        places = self.numbering.of(node).places
        names: dict[str, str] = {}
        copies: list[tuple[str, str]] = []
        for name in node.attributes:
            column = shared.columns[places[name]]
            if column in names:
                copies.append((name, names[column]))
            else:
                names[column] = name
        relation: Relation = Scan(shared.relation, shared.attributes)
        pairs = tuple((column, name) for column, name in names.items() if column != name)
        relation = Rename(relation, pairs) if pairs else relation
        for name, source in copies:
            relation = Extend(relation, name, Attribute(source))
        return relation
