"""Relational expressions: the operators of PomoRA 2.1, two that it lacks (errata E15i, E20), and two shapes.

A relation is a set of tuples over named attributes. Every node knows its `attributes` and checks in its constructor
that they fit, so an expression that exists is well formed. The order of attributes says how rows are written down
and means nothing else: two relations with the same set of attributes can be united whatever their order. A node
prints in the notation of PomoRA; `show` prints trees.

`extend` (E20) adds a computed attribute; without it heads with constants or copies cannot be said. `left_join`
(E15i) gives the tuples without a match the written defaults: there is no null. `closure` and `components` say in one
node what a loop says in many rounds, so that an engine can use an algorithm of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, fields, replace
from typing import Any, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import (
    Attribute,
    Comparison,
    Constant,
    Formula,
    Operand,
    Row,
    attributes_of,
    conjuncts,
)
from rhizomedb.errors import PlanError, nearest_names
from rhizomedb.facts.value import Cell, plain
from rhizomedb.logic.syntax import show_value

DEPTH_MAX = 100
"""How deep expressions nest. The left side of a join, selection or extension is followed in a loop and is free."""

Attributes: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relational expression: what it ranges over, and what it is made of."""

    attributes: Attributes = field(init=False, repr=False, compare=False)
    depth: int = field(init=False, repr=False, compare=False)

    @property
    def children(self) -> tuple[Relation, ...]:
        """The expressions that this one reads, left to right."""
        return ()

    @property
    def label(self) -> str:
        """The operator and its own arguments, without the expressions that it reads."""
        raise NotImplementedError

    def with_child(self, place: int, child: Relation) -> Relation:
        """The same operator with another expression in place of one of its children."""
        names = [each.name for each in fields(self) if isinstance(getattr(self, each.name), Relation)]
        changed: dict[str, Any] = {names[place]: child}
        return replace(self, **changed)

    def _become(self, attributes: Attributes, depth: int = 1) -> None:
        if len(set(attributes)) < len(attributes):
            twice = sorted({name for name in attributes if attributes.count(name) > 1})
            raise PlanError("algebra.attributes", f"{self.label} has {_names(twice)} twice")
        if depth > DEPTH_MAX:
            raise PlanError(
                "algebra.too-deep",
                f"the expression nests more than {DEPTH_MAX} operators deep",
                fix="give a part of it a name: a relation of its own",
            )
        object.__setattr__(self, "attributes", attributes)
        object.__setattr__(self, "depth", depth)

    def __str__(self) -> str:
        written: list[str] = []  # the texts of what was visited and not yet used, a stack
        pending: list[tuple[Relation, bool]] = [(self, False)]
        while pending:
            node, ready = pending.pop()
            if not ready:
                pending.append((node, True))
                pending += [(child, False) for child in reversed(node.children)]
                continue
            inner = written[len(written) - len(node.children) :]
            del written[len(written) - len(node.children) :]
            written.append(f"{node.label}({', '.join(inner)})" if inner else node.label)
        return written[0]


@dataclass(frozen=True, slots=True)
class Unit(Relation):
    """The relation without attributes that has one tuple: where a join begins (erratum E15e)."""

    def __post_init__(self) -> None:
        self._become(())

    @property
    def label(self) -> str:
        """`{()}`."""
        return "{()}"


@dataclass(frozen=True, slots=True)
class Values(Relation):
    """The tuples written in the plan."""

    names: Attributes
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        self._become(self.names)
        for row in self.rows:
            if len(row) != len(self.names):
                raise PlanError("algebra.row", f"a row of {len(row)} values for {len(self.names)} attributes")

    @property
    def label(self) -> str:
        """The first few tuples."""
        rows = ["(" + ", ".join(show_value(plain(cell)) for cell in row) + ")" for row in self.rows[:3]]
        return f"values[{', '.join(self.names)}]{{{', '.join(rows)}{', …' if len(self.rows) > 3 else ''}}}"


@dataclass(frozen=True, slots=True)
class Scan(Relation):
    """All tuples of a named relation; `cid` names an attribute for their CIDs.

    A `change` reads what the last round of a loop added instead.
    """

    relation: str
    names: Attributes
    cid: str | None = None
    change: bool = False

    def __post_init__(self) -> None:
        self._become(self.names if self.cid is None else (self.cid, *self.names))

    @property
    def label(self) -> str:
        """`relation`, `relation[cid: C]`, `Δrelation`."""
        return f"{'Δ' if self.change else ''}{self.relation}{f'[cid: {self.cid}]' if self.cid else ''}"


@dataclass(frozen=True, slots=True)
class Project(Relation):
    """The tuples restricted to some attributes, equal ones once (2.1.1)."""

    child: Relation
    names: Attributes

    def __post_init__(self) -> None:
        _need(self, self.names, self.child)
        self._become(self.names, self.child.depth + 1)

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is projected."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`project[a, b]`."""
        return f"project[{', '.join(self.names)}]"


@dataclass(frozen=True, slots=True)
class Rename(Relation):
    """The same tuples under other names, all renamed at once: `a → b, b → a` swaps (2.1.2)."""

    child: Relation
    renames: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        sources = [source for source, _ in self.renames]
        _need(self, sources, self.child)
        if len(set(sources)) < len(sources):
            raise PlanError("algebra.attributes", f"{self.label} renames an attribute twice")
        new = dict(self.renames)
        self._become(tuple(new.get(name, name) for name in self.child.attributes), self.child.depth + 1)

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is renamed."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`rename[a → b]`."""
        return f"rename[{', '.join(f'{source} → {target}' for source, target in self.renames)}]"


@dataclass(frozen=True, slots=True)
class Select(Relation):
    """The tuples for which a formula holds (2.1.3)."""

    child: Relation
    formula: Formula

    def __post_init__(self) -> None:
        _need(self, attributes_of(self.formula), self.child)
        self._become(self.child.attributes, self.child.depth)

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is selected from."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`select[a < 3]`."""
        return f"select[{self.formula}]"


@dataclass(frozen=True, slots=True)
class Extend(Relation):
    """Every tuple with one more attribute that an operand computes; without a result, no tuple (E20)."""

    child: Relation
    name: str
    operand: Operand

    def __post_init__(self) -> None:
        _need(self, attributes_of(self.operand), self.child)
        self._become((*self.child.attributes, self.name), self.child.depth)

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is extended."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`extend[a := b + 1]`."""
        return f"extend[{self.name} := {self.operand}]"


@dataclass(frozen=True, slots=True)
class Union(Relation):
    """The tuples of any of the relations, which have the same attributes (2.1.4)."""

    relations: tuple[Relation, ...]

    def __post_init__(self) -> None:
        if not self.relations:
            raise PlanError("algebra.attributes", "union of nothing has no attributes", fix="use an empty `Values`")
        for other in self.relations[1:]:
            _same(self, self.relations[0], other)
        self._become(self.relations[0].attributes, 1 + max(child.depth for child in self.relations))

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is united."""
        return self.relations

    @property
    def label(self) -> str:
        """`union`."""
        return "union"

    def with_child(self, place: int, child: Relation) -> Relation:
        """The union with another relation in one place."""
        return Union((*self.relations[:place], child, *self.relations[place + 1 :]))


@dataclass(frozen=True, slots=True)
class Binary(Relation):
    """An operator on two relations. The left side is what it filters or begins with, and adds no depth."""

    left: Relation
    right: Relation

    @property
    def children(self) -> tuple[Relation, ...]:
        """Left and right."""
        return (self.left, self.right)

    @property
    def shared(self) -> Attributes:
        """The attributes that both sides have."""
        return tuple(name for name in self.left.attributes if name in set(self.right.attributes))

    @property
    def label(self) -> str:
        """The operator's name."""
        return _LABELS[type(self)]

    def _joined(self) -> None:
        left = set(self.left.attributes)
        new = tuple(name for name in self.right.attributes if name not in left)
        self._become((*self.left.attributes, *new), max(self.left.depth, self.right.depth + 1))

    def _filtered(self) -> None:
        self._become(self.left.attributes, max(self.left.depth, self.right.depth + 1))

    def _disjoint(self) -> None:
        if self.shared:
            raise PlanError(
                "algebra.attributes",
                f"both sides of {self.label} have {_names(self.shared)}",
                fix="rename one, or use a natural join",
            )


@dataclass(frozen=True, slots=True)
class Difference(Binary):
    """The tuples of the left that the right does not have; same attributes (2.1.5)."""

    def __post_init__(self) -> None:
        _same(self, self.left, self.right)
        self._filtered()


@dataclass(frozen=True, slots=True)
class Product(Binary):
    """Every tuple of the left with every tuple of the right; no attribute in common (2.1.6)."""

    def __post_init__(self) -> None:
        self._disjoint()
        self._joined()


@dataclass(frozen=True, slots=True)
class Join(Binary):
    """The pairs of tuples that agree on every attribute the two sides share: the natural join (2.1.7)."""

    def __post_init__(self) -> None:
        self._joined()


@dataclass(frozen=True, slots=True)
class ThetaJoin(Binary):
    """The pairs of tuples for which a formula holds; no attribute in common (2.1.8)."""

    formula: Formula

    def __post_init__(self) -> None:
        self._disjoint()
        self._joined()
        _need(self, attributes_of(self.formula), self)

    @property
    def label(self) -> str:
        """`theta_join[a < b]`."""
        return f"theta_join[{self.formula}]"


@dataclass(frozen=True, slots=True)
class EquiJoin(Binary):
    """A theta join whose formula is a conjunction of equalities (2.1.9)."""

    formula: Formula

    def __post_init__(self) -> None:
        for part in conjuncts(self.formula):
            match part:
                case Comparison(Attribute() | Constant(), "==", Attribute() | Constant()):
                    pass
                case _:
                    raise PlanError(
                        "algebra.formula",
                        f"`{part}` is no equality; an equijoin takes nothing else",
                        fix="use a theta join",
                    )
        self._disjoint()
        self._joined()
        _need(self, attributes_of(self.formula), self)

    @property
    def label(self) -> str:
        """`equijoin[a == b]`."""
        return f"equijoin[{self.formula}]"


@dataclass(frozen=True, slots=True)
class SemiJoin(Binary):
    """The tuples of the left that agree with some tuple of the right (2.1.10)."""

    def __post_init__(self) -> None:
        self._filtered()


@dataclass(frozen=True, slots=True)
class AntiJoin(Binary):
    """The tuples of the left that agree with no tuple of the right (2.1.11)."""

    def __post_init__(self) -> None:
        self._filtered()


@dataclass(frozen=True, slots=True)
class LeftJoin(Binary):
    """The natural join, and with `defaults` for the new attributes each tuple of the left that matches nothing (E15i).

    With `support`, a tuple gets the defaults only if it does not match that either; one that matches the support and
    not the right is dropped. So an empty group's sum is the default, and a sum without a result is no tuple.
    """

    defaults: tuple[tuple[str, Cell], ...]
    support: Relation | None = None

    def __post_init__(self) -> None:
        new = set(self.right.attributes) - set(self.left.attributes)
        if {name for name, _ in self.defaults} != new or len(self.defaults) != len(new):
            raise PlanError("algebra.attributes", f"left_join needs one default for each of {_names(sorted(new))}")
        depth = max(self.left.depth, self.right.depth + 1)
        if self.support is not None:
            _need(self, self.support.attributes, self.left)
            depth = max(depth, self.support.depth + 1)
        self._become((*self.left.attributes, *(name for name in self.right.attributes if name in new)), depth)

    @property
    def children(self) -> tuple[Relation, ...]:
        """Left, right, and the support if there is one."""
        return (self.left, self.right) if self.support is None else (self.left, self.right, self.support)

    @property
    def label(self) -> str:
        """`left_join[n = 0]`."""
        return f"left_join[{', '.join(f'{name} = {show_value(plain(cell))}' for name, cell in self.defaults)}]"


_LABELS = {
    Difference: "difference",
    Product: "product",
    Join: "natural_join",
    SemiJoin: "semijoin",
    AntiJoin: "antijoin",
}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`target = function(parameters)` over the whole tuples of a group (erratum E15h)."""

    target: str
    function: str
    parameters: Attributes = ()

    def __str__(self) -> str:
        return f"{self.target} = {self.function}({', '.join(self.parameters)})"


@dataclass(frozen=True, slots=True)
class GroupBy(Relation):
    """One tuple for each combination of the keys that occurs, with aggregates over its group (2.1.12).

    A group for which an aggregate has no result gives no tuple. Without keys and without tuples there is no group.
    """

    child: Relation
    keys: Attributes
    aggregates: tuple[Aggregate, ...]

    def __post_init__(self) -> None:
        _need(self, self.keys, self.child)
        for aggregate in self.aggregates:
            _need(self, aggregate.parameters, self.child)
        self._become((*self.keys, *(aggregate.target for aggregate in self.aggregates)), self.child.depth + 1)

    @property
    def children(self) -> tuple[Relation, ...]:
        """What is grouped."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`group_by[k; n = count()]`."""
        return f"group_by[{', '.join(self.keys)}; {', '.join(map(str, self.aggregates))}]"


@dataclass(frozen=True, slots=True)
class Closure(Relation):
    """The pairs of which the second is reached from the first in one step or more: the transitive closure.

    The child has two attributes: a step leads from `start` to `end`.
    """

    child: Relation
    start: str
    end: str

    def __post_init__(self) -> None:
        _need_exactly(self, (self.start, self.end), self.child)
        self._become((self.start, self.end), self.child.depth + 1)

    @property
    def children(self) -> tuple[Relation, ...]:
        """The steps."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`closure[a → b]`."""
        return f"closure[{self.start} → {self.end}]"


@dataclass(frozen=True, slots=True)
class Components(Relation):
    """Each node of a graph with the least or greatest node of its connected component (`function` is `min` or `max`).

    The child has two attributes, `one` and `other`: an edge, whose direction does not matter.
    """

    child: Relation
    one: str
    other: str
    node: str
    target: str
    function: str

    def __post_init__(self) -> None:
        _need_exactly(self, (self.one, self.other), self.child)
        if self.function not in ("min", "max"):
            raise PlanError(
                "algebra.attributes", f"`{self.function}` does not choose a node of a component", fix="min or max"
            )
        self._become((self.node, self.target), self.child.depth + 1)

    @property
    def children(self) -> tuple[Relation, ...]:
        """The edges."""
        return (self.child,)

    @property
    def label(self) -> str:
        """`components[n; m = min over a — b]`."""
        return f"components[{self.node}; {self.target} = {self.function} over {self.one} — {self.other}]"


def _need_exactly(node: Relation, names: Attributes, child: Relation) -> None:
    _need(node, names, child)
    if set(names) != set(child.attributes):
        raise PlanError(
            "algebra.attributes",
            f"{node.label} takes {_names(names)} and nothing else, but its input has {_names(child.attributes)}",
            fix="project it first",
        )


def _need(node: Relation, names: Iterable[str], child: Relation) -> None:
    missing = sorted(set(names) - set(child.attributes))
    if missing:
        raise PlanError(
            "algebra.attributes",
            f"{node.label} reads {_names(missing)}, but its input has {_names(child.attributes)}",
            nearest=nearest_names(missing[0], child.attributes),
        )


def _same(node: Relation, left: Relation, right: Relation) -> None:
    if set(left.attributes) != set(right.attributes):
        raise PlanError(
            "algebra.attributes",
            f"{node.label} of different attributes: {_names(left.attributes)}; {_names(right.attributes)}",
            fix="project or rename one side",
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
