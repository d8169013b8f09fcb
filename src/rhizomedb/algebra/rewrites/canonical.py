"""Canonical forms: numbers for expressions, the same for two that differ only in what their attributes are called.

Every node gets a number, and its attributes get *places*. Renaming, and projecting to every attribute, give the same
number; a copied attribute has the place of the one that it copies. So `number` and `places` together say what an
expression holds, whatever its variables are called in the rule that it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import And, Attribute, Call, Comparison, Constant, Formula, Holds, Not, Operand, Or
from rhizomedb.algebra.relation import (
    Closure,
    Components,
    Extend,
    GroupBy,
    LeftJoin,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    Values,
)


@dataclass(frozen=True, slots=True)
class Canonical:
    """An expression's number, and the place of each attribute."""

    number: int
    places: Mapping[str, int]


class Numbering:
    """Numbers for expressions, one after the other as they are met. Nodes are held, so that their ids stay theirs.

    >>> edge = Rename(Scan("edge", ("from", "to")), (("from", "X"), ("to", "Y")))
    >>> other = Scan("edge", ("from", "to"))
    >>> numbering = Numbering()
    >>> numbering.of(edge), numbering.of(other)
    (Canonical(number=0, places={'X': 0, 'Y': 1}), Canonical(number=0, places={'from': 0, 'to': 1}))
    """

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._known: dict[int, tuple[Relation, Canonical]] = {}

    def of(self, expression: Relation) -> Canonical:
        """The canonical form of an expression and of everything in it."""
        pending: list[tuple[Relation, bool]] = [(expression, False)]
        while pending:
            node, ready = pending.pop()
            if id(node) in self._known:
                continue
            if not ready:
                pending.append((node, True))
                pending += [(child, False) for child in node.children]
                continue
            below = [self._known[id(child)][1] for child in node.children]
            self._known[id(node)] = node, self._canonical(node, below)
        return self._known[id(expression)][1]

    def _canonical(self, node: Relation, below: list[Canonical]) -> Canonical:
        match node:
            case Scan(relation, names, cid, change):
                return self._new((relation, tuple(sorted(names)), cid is not None, change), _sorted(names, cid))
            case Values(names, rows):
                return self._new(("values", tuple(rows)), dict(zip(names, range(len(names)), strict=True)))
            case Rename(_, renames):
                new = dict(renames)
                return Canonical(below[0].number, {new.get(n, n): place for n, place in below[0].places.items()})
            case Project(_, names):
                kept = {name: below[0].places[name] for name in names}
                if set(kept.values()) == set(below[0].places.values()):
                    return Canonical(below[0].number, kept)
                order = {place: number for number, place in enumerate(sorted(set(kept.values())))}
                return self._new(("project", below[0].number, tuple(order)), {n: order[p] for n, p in kept.items()})
            case Extend(_, name, Attribute(copied)):
                return Canonical(below[0].number, {**below[0].places, name: below[0].places[copied]})
            case Extend(_, name, operand):
                place = max(below[0].places.values(), default=-1) + 1
                key = ("extend", below[0].number, _operand(operand, below[0].places))
                return self._new(key, {**below[0].places, name: place})
            case Select(_, formula):
                return self._new(("select", below[0].number, _formula(formula, below[0].places)), below[0].places)
            case GroupBy(_, keys, aggregates):
                places = below[0].places
                work = tuple((each.function, tuple(places[name] for name in each.parameters)) for each in aggregates)
                at = tuple(places[name] for name in keys)
                return self._new(("group", below[0].number, at, work), _in_order(node.attributes))
            case Closure(_, start, end):
                step = (below[0].places[start], below[0].places[end])
                return self._new(("closure", below[0].number, step), {start: 0, end: 1})
            case Components(_, one, other, name, target, function):
                ends = tuple(sorted((below[0].places[one], below[0].places[other])))
                return self._new(("components", below[0].number, ends, function), {name: 0, target: 1})
            case _:
                return self._combined(node, below)

    def _combined(self, node: Relation, below: list[Canonical]) -> Canonical:
        """An operator on several inputs: what its attributes are in each of them."""
        columns = [
            tuple(each.places.get(name, -1) for each in below)
            for name in dict.fromkeys(name for child in node.children for name in child.attributes)
        ]
        extra: tuple[Any, ...] = ()
        if isinstance(node, LeftJoin):
            places = below[1].places
            extra = tuple(sorted((places[name], repr(cell)) for name, cell in node.defaults))
        formula = getattr(node, "formula", None)
        names = sorted(node.attributes, key=lambda name: tuple(each.places.get(name, 1 << 30) for each in below))
        places = _in_order(names)
        if formula is not None:
            extra = (_formula(formula, places),)
        key = (type(node).__name__, tuple(each.number for each in below), tuple(sorted(columns)), extra)
        return self._new(key, places)

    def _new(self, key: Any, places: Mapping[str, int]) -> Canonical:
        return Canonical(self._numbers.setdefault(key, len(self._numbers)), places)


def _in_order(names: Any) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _sorted(names: tuple[str, ...], cid: str | None) -> dict[str, int]:
    return _in_order((*sorted(names), *(() if cid is None else (cid,))))


def _operand(operand: Operand, places: Mapping[str, int]) -> Operand:
    """The operand with places for names; constants by kind and value, so that 1 and true stay two."""
    match operand:
        case Attribute(name):
            return Attribute(str(places[name]))
        case Constant():
            return operand
        case Call(_, arguments):
            return replace(operand, arguments=tuple(_operand(argument, places) for argument in arguments))


def _formula(formula: Formula, places: Mapping[str, int]) -> Formula:
    match formula:
        case Comparison(left, operator, right):
            return Comparison(_operand(left, places), operator, _operand(right, places))
        case Holds(operand):
            return Holds(_operand(operand, places))
        case Not(inner):
            return Not(_formula(inner, places))
        case And(parts):
            return And(tuple(_formula(part, places) for part in parts))
        case Or(parts):
            return Or(tuple(_formula(part, places) for part in parts))
