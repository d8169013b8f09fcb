"""From the algebra to rules: every expression of Codd's algebra as a PomoLogic program, so PomoLogic is relationally complete.

E. F. Codd, Relational completeness of data base sublanguages, 1972. `lower` goes the other way, from rules to operators. Each
operator becomes a relation of its own whose columns are its attributes, and no rule is recursive but those of a closure:

>>> from rhizomedb.algebra.formula import Attribute, Comparison, Constant
>>> film, late = Scan("film", ("title", "year")), Comparison(Attribute("year"), ">", Constant(1990))
>>> print(program_of(Project(Select(film, late), ("title",))), end="")
codd_0(title: V0, year: V1) :- film(title: V0, year: V1).
codd_1(title: V0, year: V1) :- codd_0(title: V0, year: V1), V1 > 1990.
codd_2(title: V0) :- codd_1(title: V0, year: W1).
answer(title: V0) :- codd_2(title: V0).

Relations are sets, there is no null, and values of two kinds are never equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from rhizomedb.algebra.formula import And, Attribute, Call, Comparison, Constant, Formula, Holds, Not, Operand, Or
from rhizomedb.algebra.relation import (
    AntiJoin,
    Closure,
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
    Values,
)
from rhizomedb.errors import PlanError
from rhizomedb.facts.value import plain
from rhizomedb.logic.syntax import show_name, show_value

ANSWER: Final = "answer"
"""The relation of the whole expression."""

OWN: Final = "codd_"
"""How the relations of a program begin."""

NODES_MAX: Final = 1_000
"""How many operators one expression may have."""


_New: TypeAlias = Callable[[], str]
"""A name for another relation."""


def intersection(left: Relation, right: Relation) -> Relation:
    """The tuples that both have; same attributes. It is the natural join of the two."""
    _relations(left, right)
    if set(left.attributes) != set(right.attributes):
        raise PlanError(
            "algebra.attributes",
            f"an intersection is of the same attributes, not {', '.join(left.attributes)} and {', '.join(right.attributes)}",
            fix="rename or project one of them",
        )
    return Join(left, right)


def division(left: Relation, right: Relation) -> Relation:
    """The tuples that stand on the left with every tuple of the right: who supplies *all* parts (Codd 1972).

    The attributes of the right are some of the left's, and not all of them. Everything divided by nothing is everything.
    """
    _relations(left, right)
    kept = tuple(name for name in left.attributes if name not in right.attributes)
    if not kept or not set(right.attributes) < set(left.attributes) or not right.attributes:
        raise PlanError(
            "algebra.attributes",
            f"a division is by some of {', '.join(left.attributes)}, not by {', '.join(right.attributes) or 'none'}",
        )
    candidates = Project(left, kept)
    return Difference(candidates, Project(Difference(Product(candidates, right), left), kept))


def program_of(expression: Relation, answer: str = ANSWER) -> str:
    """The PomoLogic program of an expression, whose answer is a relation of this name with the expression's attributes.

    What it scans are relations of those names. It has at least one attribute, as relations of programs do.
    """
    _relations(expression)
    _column(answer)
    made = _Made(answer)
    whole = made.relation(expression)
    made.rules.append(f"{_atom(answer, expression.attributes)} :- {_atom(whole, expression.attributes)}.")
    return "".join(f"{rule}\n" for rule in made.rules)


def _relations(*given: object) -> None:
    for each in given:
        if not isinstance(each, Relation):
            raise PlanError("algebra.codd", f"{each!r:.60} is no relational expression", fix='Scan("film", ("title",))')


class _Made:
    """The rules so far, and the relation of each expression: one that is met again is one relation."""

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self.rules: list[str] = []
        self._names: dict[int, str] = {}
        self._kept: list[Relation] = []
        self._count = 0

    def relation(self, whole: Relation) -> str:
        """The relation of an expression, its parts before it."""
        waiting: list[tuple[Relation, bool]] = [(whole, False)]
        while waiting:
            node, is_ready = waiting.pop()
            if id(node) in self._names:
                continue
            if not is_ready:
                waiting.append((node, True))
                waiting += [(child, False) for child in reversed(node.children)]
                continue
            if isinstance(node, Scan) and (node.relation == self._answer or node.relation.startswith(OWN)):
                raise PlanError(
                    "algebra.codd",
                    f"{node.relation!r:.60} is read, and would be a relation of the program itself",
                    fix='program_of(expression, answer="result")',
                )
            name = self._new()
            self.rules += _rules(name, node, [self._names[id(child)] for child in node.children], self._new)
            self._names[id(node)] = name
            self._kept.append(node)  # as long as its identity is a key
        return self._names[id(whole)]

    def _new(self) -> str:
        if self._count >= NODES_MAX:
            raise PlanError("algebra.too-big", f"the expression has more than {NODES_MAX:,} parts")
        self._count += 1
        return f"{OWN}{self._count - 1}"


def _rules(name: str, node: Relation, children: Sequence[str], new: _New) -> Iterator[str]:
    """The rules of one operator over the relations of its children."""
    attributes = node.attributes
    if not attributes:
        raise PlanError(
            "algebra.codd",
            f"{node.label} has no attribute, and relations of programs have one",
            fix="keep one attribute",
        )
    head, own = _atom(name, attributes), _variables(attributes)
    match node:
        case Scan(relation, _, cid, change) if cid is None and not change:
            yield f"{head} :- {_atom(relation, attributes)}."
        case Values(_, rows):
            for row in rows:
                cells = [
                    f"{_column(each)}: {show_value(plain(cell))}" for each, cell in zip(attributes, row, strict=True)
                ]
                yield f"{name}({', '.join(cells)})."
            if not rows:  # a relation has a rule
                yield f"{_written(name, dict.fromkeys(attributes, 'V'))} :- V := 0, V != V."
        case Project(child, _):
            yield f"{head} :- {_written(children[0], _variables(child.attributes, own))}."
        case Rename(child, renames):
            renamed = dict(renames)
            yield f"{head} :- {_written(children[0], {each: own[renamed.get(each, each)] for each in child.attributes})}."
        case Select(_, formula):
            yield from _selected(name, attributes, children[0], formula, new)
        case Extend(child, added, operand):
            inner = {each: own[each] for each in child.attributes}
            yield f"{head} :- {_written(children[0], inner)}, {own[added]} := {_operand(operand, inner)}."
        case Union(relations):
            for each, part in zip(children, relations, strict=True):
                yield f"{head} :- {_written(each, {column: own[column] for column in part.attributes})}."
        case Difference(_, right):
            yield f"{head} :- {_atom(children[0], attributes)}, !{_written(children[1], {a: own[a] for a in right.attributes})}."
        case Product(left, right) | Join(left, right):
            yield f"{head} :- {_both(children, left, right, own)}."
        case ThetaJoin(left, right, formula) | EquiJoin(left, right, formula):
            pairs = new()
            yield f"{_atom(pairs, attributes)} :- {_both(children, left, right, own)}."
            yield from _selected(name, attributes, pairs, formula, new)
        case SemiJoin(left, right) | AntiJoin(left, right):
            shared = [each for each in right.attributes if each in left.attributes]
            not_ = "!" if isinstance(node, AntiJoin) else ""
            if shared or right.attributes:
                matched = _written(children[1], {each: own[each] for each in shared})
                yield f"{head} :- {_atom(children[0], attributes)}, {not_}{matched}."
        case LeftJoin(left, right, defaults, None):
            yield f"{head} :- {_both(children, left, right, own)}."
            shared = [each for each in right.attributes if each in left.attributes]
            bound = "".join(f", {own[each]} := {show_value(plain(cell))}" for each, cell in defaults)
            matched = _written(children[1], {each: own[each] for each in shared})
            yield f"{head} :- {_written(children[0], {a: own[a] for a in left.attributes})}, !{matched}{bound}."
        case GroupBy(child, keys, aggregates):
            yield from _grouped(name, node, child, children[0], new)
            assert len(attributes) == len(keys) + len(aggregates), "a group has its keys and its aggregates"
        case Closure(_, start, end):
            step = children[0]
            yield f"{_written(name, {start: 'X', end: 'Y'})} :- {_written(step, {start: 'X', end: 'Y'})}."
            yield (
                f"{_written(name, {start: 'X', end: 'Z'})} :- "
                f"{_written(name, {start: 'X', end: 'Y'})}, {_written(step, {start: 'Y', end: 'Z'})}."
            )
        case _:
            raise PlanError("algebra.codd", f"{node.label} is no operator of a query", fix="one of Codd's operators")


def _selected(name: str, attributes: Sequence[str], child: str, formula: Formula, new: _New) -> Iterator[str]:
    """The tuples of a relation for which a formula holds: each part of a formula is a relation of what it holds for."""
    own = _variables(attributes)
    head, whole = _atom(name, attributes), _atom(child, attributes)

    def part(inner: Formula) -> tuple[str, Iterator[str]]:
        relation = new()
        return relation, _selected(relation, attributes, child, inner, new)

    match formula:
        case Comparison(left, operator, right):
            yield f"{head} :- {whole}, {_operand(left, own)} {operator} {_operand(right, own)}."
        case Holds(operand):
            yield f"{head} :- {whole}, {_operand(operand, own)} == true."
        case And(()):
            yield f"{head} :- {whole}."
        case Or(()):
            yield f"{head} :- {whole}, {own[attributes[0]]} != {own[attributes[0]]}."
        case And(parts):
            made = [part(each) for each in parts]
            for _, rules in made:
                yield from rules
            yield f"{head} :- {', '.join(_atom(relation, attributes) for relation, _ in made)}."
        case Or(parts):
            for each in parts:
                relation, rules = part(each)
                yield from rules
                yield f"{head} :- {_atom(relation, attributes)}."
        case Not(inner):
            relation, rules = part(inner)
            yield from rules
            yield f"{head} :- {whole}, !{_atom(relation, attributes)}."


def _grouped(name: str, node: GroupBy, child: Relation, relation: str, new: _New) -> Iterator[str]:
    keys = {key: f"K{place}" for place, key in enumerate(node.keys)}
    copies: dict[str, str] = {}
    for aggregate in node.aggregates:
        for parameter in aggregate.parameters:
            if parameter in keys:  # a key is bound outside, and what an aggregate runs over is not
                copies.setdefault(parameter, f"{parameter} of a tuple")
    if copies:
        own, copied = _variables(child.attributes), new()
        columns = {**own, **{copy: own[each] for each, copy in copies.items()}}
        yield f"{_written(copied, columns)} :- {_written(relation, own)}."
        relation = copied
    atoms = []
    for place, aggregate in enumerate(node.aggregates):
        parameters = {copies.get(each, each): f"P{number}" for number, each in enumerate(aggregate.parameters)}
        words = " ".join([aggregate.function, ", ".join(parameters.values())]).strip()
        atoms.append(f"N{place} := {words} : {_written(relation, {**keys, **parameters})}")
    head = {**keys, **{aggregate.target: f"N{place}" for place, aggregate in enumerate(node.aggregates)}}
    yield f"{_written(name, head)} :- {', '.join([_written(relation, keys), *atoms])}."


def _both(children: Sequence[str], left: Relation, right: Relation, own: Mapping[str, str]) -> str:
    """The atoms of the two sides, over the same variables where they share an attribute."""
    return ", ".join(
        _written(child, {each: own[each] for each in side.attributes})
        for child, side in zip(children, (left, right), strict=False)
    )


def _operand(operand: Operand, own: Mapping[str, str]) -> str:
    match operand:
        case Attribute(name):
            return own[name]
        case Constant(cell):
            return show_value(plain(cell))
        case Call(function, arguments):
            written = [_operand(each, own) for each in arguments]
            if len(written) == 2 and not function[0].isalpha():
                return f"({written[0]} {function} {written[1]})"
            return f"{function}({', '.join(written)})"


def _variables(attributes: Sequence[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """A variable for each attribute; those that are known keep theirs, and the others get new ones."""
    if known is None:
        return {name: f"V{place}" for place, name in enumerate(attributes)}
    return {name: known.get(name, f"W{place}") for place, name in enumerate(attributes)}


def _atom(relation: str, attributes: Sequence[str]) -> str:
    return _written(relation, _variables(attributes))


def _written(relation: str, columns: Mapping[str, str]) -> str:
    return f"{_column(relation)}({', '.join(f'{_column(each)}: {variable}' for each, variable in columns.items())})"


def _column(name: str) -> str:
    if type(name) is not str or not name or "`" in name or "\n" in name:
        raise PlanError("algebra.codd", f"{name!r:.60} is no name that a program can write", fix="rename it")
    return show_name(name)
