"""Origins: which columns of which places that read a relation an expression's attributes are equal to."""

from __future__ import annotations

from collections.abc import Mapping

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Attribute, Comparison, conjuncts
from rhizomedb.algebra.relation import (
    AntiJoin,
    Difference,
    Extend,
    Join,
    LeftJoin,
    Product,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    SemiJoin,
    Union,
)

Equal = Mapping[str, frozenset[tuple[int, str]]]
"""For each attribute, the (place, column) that it equals in every tuple."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The columns that attributes are equal to, and how many places read the relation at all."""

    equal: Equal
    count: int


def origins_of(expression: Relation, relation: str) -> Origins:
    """What each attribute of an expression equals in the places that read a relation, numbered left to right.

    >>> e = Rename(Scan("r", ("a", "b")), (("b", "c"),))
    >>> origins_of(Join(Scan("r", ("a", "b")), e), "r").equal["a"] == {(0, "a"), (1, "a")}
    True
    """
    made: list[Equal] = []
    count = 0
    pending: list[tuple[Relation, bool]] = [(expression, False)]
    while pending:
        node, ready = pending.pop()
        if not ready:
            pending.append((node, True))
            pending += [(child, False) for child in reversed(node.children)]
            continue
        width = len(node.children)
        below = made[len(made) - width :]
        del made[len(made) - width :]
        if isinstance(node, Scan) and node.relation == relation:
            made.append({name: frozenset({(count, name)}) for name in node.attributes})
            count += 1
        else:
            made.append(_equal(node, below))
    return Origins(made[0], count)


def _equal(node: Relation, below: list[Equal]) -> Equal:
    nothing: frozenset[tuple[int, str]] = frozenset()
    match node:
        case Rename(_, renames):
            new = dict(renames)
            return {new.get(name, name): found for name, found in below[0].items()}
        case Project(_, names):
            return {name: below[0][name] for name in names}
        case Select(_, formula):
            equal = dict(below[0])
            for part in conjuncts(formula):
                match part:
                    case Comparison(Attribute(one), "==", Attribute(other)):
                        equal[one] = equal[other] = equal[one] | equal[other]
            return equal
        case Extend(_, name, operand):
            return {**below[0], name: below[0][operand.name] if isinstance(operand, Attribute) else nothing}
        case Join() | Product() | SemiJoin():
            return {name: below[0].get(name, nothing) | below[1].get(name, nothing) for name in node.attributes}
        case AntiJoin() | Difference() | LeftJoin():
            return {name: below[0].get(name, nothing) for name in node.attributes}
        case Union():
            return {name: frozenset().union(*(each[name] for each in below)) for name in node.attributes}
        case _:
            return dict.fromkeys(node.attributes, nothing)
