"""Renames and projections one upon the other become one of each; those that do nothing go.

>>> from rhizomedb.algebra.relation import Project, Rename, Scan
>>> twice = Rename(Project(Rename(Scan("p", ("a", "b")), (("a", "X"),)), ("X", "b")), (("X", "c"),))
>>> print(fused(twice))
rename[a → c](p)
"""

from __future__ import annotations

from rhizomedb.algebra.formula import conjunction
from rhizomedb.algebra.program import Plan
from rhizomedb.algebra.relation import Project, Relation, Rename, Select, Union
from rhizomedb.algebra.rewrites.walk import Context, bottom_up, expressions_changed


def fuse_renames(plan: Plan, context: Context) -> Plan:
    """The plan with at most one rename above one projection between two other operators."""
    return expressions_changed(plan, fused)


def fused(expression: Relation) -> Relation:
    """The expression with its renames and projections brought together, renames outside."""
    return bottom_up(expression, _fuse)


def _fuse(node: Relation) -> Relation:
    match node:
        case Rename(Rename(child, inner), outer):
            first, then = dict(inner), dict(outer)
            pairs = ((name, first.get(name, name)) for name in child.attributes)
            return _renamed(child, {name: then.get(shown, shown) for name, shown in pairs})
        case Rename(child, renames):
            return _renamed(child, dict(renames)) if any(one == other for one, other in renames) else node
        case Project(child, names) if set(names) == set(child.attributes):
            return child
        case Project(Project(child), names):
            return _fuse(Project(child, names))
        case Project(Rename(child, renames), names):
            old = {target: source for source, target in renames}
            below = _fuse(Project(child, tuple(old.get(name, name) for name in names)))
            return _renamed(below, {old.get(name, name): name for name in names})
        case Select(Select(child, inner), outer):
            return Select(child, conjunction([inner, outer]))
        case Union((single,)):
            return single
        case _:
            return node


def _renamed(child: Relation, names: dict[str, str]) -> Relation:
    pairs = tuple((source, target) for source, target in names.items() if source != target)
    if not pairs:
        return child
    return _fuse(Rename(child, pairs)) if isinstance(child, Rename) else Rename(child, pairs)
