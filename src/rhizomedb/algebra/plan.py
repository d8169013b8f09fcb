"""From a question to a plan: rewrites of the program, lowering, rewrites of the plan.

>>> from rhizomedb.logic.parse import parse
>>> program = parse('''
... ancestor(old: X, young: Y) :- parent(of: Y, is: X).
... ancestor(old: X, young: Z) :- ancestor(old: X, young: Y), parent(of: Z, is: Y).
... ''')
>>> planned = plan_query(program, "ancestor", {"parent": ("of", "is")}, bindings={"young": "me"})
>>> print(*planned.applied, sep="\\n")
demand: ancestor, ancestor`fb, demand`ancestor`fb
push_selections: ancestor
prune_attributes: ancestor`fb, ancestor
fuse_renames: ancestor`fb, ancestor
pass_through: ancestor`fb
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rhizomedb._record import dataclass
from rhizomedb.algebra.lower import lower
from rhizomedb.algebra.optimize import RULES, STANDING_RULES, Applied, traced
from rhizomedb.algebra.program import CID_COLUMN, Plan
from rhizomedb.algebra.relation import Attributes
from rhizomedb.algebra.rewrites.walk import Rewrite
from rhizomedb.algebra.statistics import UNKNOWN, Statistics
from rhizomedb.facts.value import Value
from rhizomedb.logic.aggregates import AGGREGATES, Aggregate
from rhizomedb.logic.rewrites import REWRITES, STANDING_REWRITES, Question
from rhizomedb.logic.rewrites import Rewrite as ProgramRewrite
from rhizomedb.logic.syntax import Program


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan for a question, the program that it was lowered from, and the rewrites that did something.

    The plan derives the relation asked for, exactly the tuples that agree with what was given; whatever else it derives may
    be partial. Explanations are asked of the plan of the program as it was written.
    """

    plan: Plan
    program: Program
    applied: tuple[Applied, ...]


def plan_query(
    program: Program,
    relation: str,
    stored: Mapping[str, Attributes],
    statistics: Statistics = UNKNOWN,
    *,
    bindings: Mapping[str, Value] | None = None,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    rewrites: Iterable[ProgramRewrite] = REWRITES,
    rules: Iterable[Rewrite] = RULES,
) -> Planned:
    """The plan for one relation of a checked program without parameters, over stored relations of these columns.

    `bindings` gives cells that attributes of the answer must have; for that, `demand` must be among the rewrites.
    """
    question = Question(relation, _plain(stored), dict(bindings or {}), lambda name: statistics.size(name, {}))
    program, changed = _rewritten(program, question, rewrites)
    found = traced(lower(program, stored, aggregates), statistics, rules, asked=[relation], aggregates=aggregates)
    return Planned(found.plan, program, (*changed, *found.applied))


def plan_standing(
    program: Program,
    relation: str,
    kept: Iterable[str],
    stored: Mapping[str, Attributes],
    *,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    rewrites: Iterable[ProgramRewrite] | None = None,
    rules: Iterable[Rewrite] = STANDING_RULES,
) -> Planned:
    """The plan that derives one relation of a checked program and some others that are kept, for as long as somebody reads.

    >>> from rhizomedb.logic.parse import parse
    >>> text = "c(x: X) :- b(x: X, y: 1). b(x: X, y: Y) :- a(x: X, y: Y), !e(x: X). a(x: X, y: Y) :- e(x: X, y: Y)."
    >>> print(*plan_standing(parse(text), "c", ["a"], {"e": ("x", "y")}).plan.derived)
    c a
    """
    names = frozenset(kept)
    if rewrites is None:
        rewrites = REWRITES if names <= {relation} else STANDING_REWRITES
    program, changed = _rewritten(program, Question(relation, _plain(stored), kept=names), rewrites)
    plan = lower(program, stored, aggregates)
    found = traced(plan, UNKNOWN, rules, asked=[relation, *sorted(names)], aggregates=aggregates)
    return Planned(found.plan, program, (*changed, *found.applied))


def _plain(stored: Mapping[str, Attributes]) -> dict[str, Attributes]:
    return {name: tuple(column for column in columns if column != CID_COLUMN) for name, columns in stored.items()}


def _rewritten(
    program: Program, question: Question, rewrites: Iterable[ProgramRewrite]
) -> tuple[Program, list[Applied]]:
    """The program after some rewrites, and those that did something."""
    applied = []
    for rewrite in rewrites:
        after = rewrite(program, question)
        changed = _changed(program, after)
        if changed:
            applied.append(Applied(getattr(rewrite, "__name__", str(rewrite)), changed))
        program = after
    return program, applied


def _changed(before: Program, after: Program) -> tuple[str, ...]:
    """The relations of rules that are new, and those that have no rule any more."""
    if before is after:
        return ()
    old, new = set(before.rules), {rule.head.relation for rule in after.rules}
    names = [rule.head.relation for rule in after.rules if rule not in old]
    names += [rule.head.relation for rule in before.rules if rule.head.relation not in new]
    return tuple(sorted(dict.fromkeys(names)))
