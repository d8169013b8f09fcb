"""From PomoLogic to PomoRA: one expression for each rule, one block for each program (PomoLogic 3.1, corrected).

The compilation that the paper prints goes wrong on constants, repeated variables, heads and aggregates; this is the
corrected one (errata E15a to E15i):

1. Begin with the relation of one empty tuple.
2. Join the positive atoms. Each is scanned, its constants and repeated variables selected, projected to one column for
   each variable (constants are projected away at once, E15c) and renamed to the variables' names.
3. Apply whatever is ground: comparisons and assignments at once; negated atoms as antijoins; aggregates over *whole*
   tuples (E15h), grouped by the variables that the rest of the rule binds and looked up with the aggregate's value of
   nothing as the default (E15i); optional atoms as left joins.
4. Project to the head's variables, extend with its constants and copies, and rename.

Every column in between is named by its variable. Names made here begin with `#`, which no variable does, and give way
to attributes that are called so (L25). The order in which atoms are joined is for the reader: evaluation finds its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import count

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Attribute, Call, Comparison, Constant, Formula, Holds, Operand, Row, conjunction
from rhizomedb.algebra.program import CID_COLUMN, Assign, Block, Loop, Plan, Statement
from rhizomedb.algebra.relation import (
    Aggregate,
    AntiJoin,
    Attributes,
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
    Unit,
    Values,
)
from rhizomedb.errors import PlanError, ProgramError, nearest_names
from rhizomedb.facts.value import Cell, exact
from rhizomedb.logic import builtins, syntax
from rhizomedb.logic.safety import Step, body_steps
from rhizomedb.logic.schema import schema_of
from rhizomedb.logic.stratify import Stratum, stratify
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Condition,
    Constraint,
    Expression,
    Negation,
    OptionalAtom,
    Program,
    Rule,
    Selection,
    Variable,
)

PREDICATES_MAX = 1000
"""The longest body: ordering n atoms takes n² comparisons."""

ALWAYS = frozenset({"count", "count_distinct"})
"""Aggregates that have a result for every group, so that a group without one is an empty group."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What lowering must know: relations' attributes, which have CIDs, and aggregates' values over nothing."""

    attributes: Mapping[str, Attributes]
    with_cids: frozenset[str]
    aggregates: Mapping[str, builtins.Aggregate]

    @classmethod
    def of(
        cls,
        stored: Mapping[str, Attributes],
        derived: Mapping[str, Attributes],
        aggregates: Mapping[str, builtins.Aggregate],
    ) -> Catalog:
        """The catalog over stored relations, `$cid` among their columns where tuples have CIDs, and derived ones."""
        plain = {name: tuple(c for c in columns if c != CID_COLUMN) for name, columns in stored.items()}
        with_cids = frozenset(name for name, columns in stored.items() if CID_COLUMN in columns)
        return cls({**plain, **derived}, with_cids, aggregates)


def lower(
    program: Program,
    stored: Mapping[str, Attributes],
    aggregates: Mapping[str, builtins.Aggregate] = builtins.AGGREGATES,
) -> Plan:
    """The plan of a checked program without parameters over stored relations of these columns, `$cid` among them."""
    schema = schema_of(
        program, {name: tuple(c for c in columns if c != CID_COLUMN) for name, columns in stored.items()}
    )
    derived = {name: columns for name, columns in schema.attributes.items() if name not in stored}
    catalog = Catalog.of(stored, derived, aggregates)
    statements = [statement for stratum in stratify(program) for statement in _statements(stratum, catalog)]
    return Plan(Block(tuple(statements)), stored, derived)


def _statements(stratum: Stratum, catalog: Catalog) -> Iterable[Statement]:
    if stratum.inductive:
        rule = stratum.rules[0]
        raise ProgramError(
            "logic.next-unsupported",
            f"`{rule.head.relation}` has a rule with @next, and this is about one moment",
            where=rule.span,
            fix="rhizomedb.steps(program, …) runs it step by step",
        )
    facts: dict[str, list[Row]] = {}
    for rule in stratum.rules:
        if not rule.body:
            facts.setdefault(rule.head.relation, []).append(_ground(rule, catalog))
    for relation, rows in facts.items():
        yield Assign(relation, Values(catalog.attributes[relation], tuple(dict.fromkeys(rows))))
    assigned = tuple(Assign(rule.head.relation, expression(rule, catalog), rule) for rule in stratum.rules if rule.body)
    if stratum.recursive:
        yield Loop(Block(assigned))
    else:
        yield from assigned


def _ground(rule: Rule, catalog: Catalog) -> Row:
    given = dict(rule.head.arguments)
    return tuple(_cell(given[name]) for name in catalog.attributes[rule.head.relation])


def expression(rule: Rule, catalog: Catalog) -> Relation:
    """What a rule adds to the relation of its head."""
    relation = body(rule, catalog)
    columns: dict[str, None] = {}
    taken = set(relation.attributes)
    fresh = (name for number in count(1) if (name := f"#{number}") not in taken)
    given = dict(rule.head.arguments)
    for name in catalog.attributes[rule.head.relation]:
        term = given[name]
        if isinstance(term, Variable) and term.name not in columns:
            columns[term.name] = None
        else:
            column = next(fresh)
            columns[column] = None
            relation = Extend(relation, column, _operand(term))
    return _renamed(
        Project(relation, tuple(columns)), zip(columns, catalog.attributes[rule.head.relation], strict=True)
    )


def body(rule: Rule, catalog: Catalog) -> Relation:
    """The tuples, over every variable that the rule binds, that satisfy its body."""
    if len(rule.body) > PREDICATES_MAX:
        raise PlanError(
            "algebra.too-big",
            f"a body of {len(rule.body):,} predicates is over the limit of {PREDICATES_MAX:,}",
            where=rule.span,
            fix="give a part of it a relation of its own",
        )
    steps = list(body_steps(rule))
    selections = [step for step in steps if isinstance(step.predicate, Selection)]
    others = [step for step in steps if not isinstance(step.predicate, Selection)]
    relation: Relation = Unit()
    while True:
        have = set(relation.attributes)
        ready = [step for step in others if all(variable.name in have for variable in step.needs)]
        cheap = [step for step in ready if not isinstance(step.predicate, Aggregation | OptionalAtom)]
        if cheap:
            step = cheap[0]
            others.remove(step)
        elif selections:
            step = min(selections, key=lambda step: _rank(step, have))
            selections.remove(step)
        elif ready:
            step = ready[0]
            others.remove(step)
        else:
            break
        relation = _applied(relation, step, catalog)
    assert not others, f"a checked rule leaves nothing unbound: {', '.join(str(step.predicate) for step in others)}"
    return relation


def _rank(step: Step, have: set[str]) -> tuple[bool, int, int]:
    """Connected atoms first; then those that bind little and fix much."""
    names = {variable.name for variable in step.binds}
    selection = step.predicate
    assert isinstance(selection, Selection), "only positive atoms are ranked"
    constants = sum(not isinstance(term, Variable) for _, term in selection.atom.arguments)
    return (bool(have) and bool(names) and not names & have, -constants, len(names - have))


def _applied(relation: Relation, step: Step, catalog: Catalog) -> Relation:
    match step.predicate:
        case Selection(atom, cid):
            return _joined(relation, _scanned(atom, cid, catalog))
        case Negation(atom):
            return AntiJoin(relation, _scanned(atom, None, catalog))
        case OptionalAtom(atom, defaults):
            right = _scanned(atom, None, catalog)
            return LeftJoin(relation, right, tuple((variable.name, _cell(term)) for variable, term in defaults))
        case Aggregation():
            return _aggregated(relation, step.predicate, step, catalog)
        case Constraint(left, operator, right):
            return _selected(relation, [Comparison(_operand(left), operator, _operand(right))])
        case Condition(call):
            return _selected(relation, [Holds(_operand(call))])
        case Assignment(target, value):
            if target.name in relation.attributes:
                return _selected(relation, [Comparison(Attribute(target.name), "==", _operand(value))])
            return Extend(relation, target.name, _operand(value))


def _joined(left: Relation, right: Relation) -> Relation:
    shared = set(left.attributes) & set(right.attributes)
    if isinstance(left, Unit):
        return right
    if shared == set(right.attributes) and shared:
        return SemiJoin(left, right)  # the larger by the smaller (erratum E15f)
    return Join(left, right) if shared else Product(left, right)


def _selected(relation: Relation, formulas: list[Formula]) -> Relation:
    """A selection; with one that is there already, one selection."""
    if not formulas:
        return relation
    if isinstance(relation, Select):
        return Select(relation.child, conjunction([relation.formula, *formulas]))
    return Select(relation, conjunction(formulas))


def _matching(atom: Atom, cid: Variable | None, with_cid: bool, catalog: Catalog) -> tuple[Relation, dict[str, str]]:
    """The whole tuples that an atom matches, and the attribute under which each of its variables stands."""
    attributes = catalog.attributes.get(atom.relation)
    if attributes is None:
        raise PlanError(
            "algebra.unknown-relation",
            f"no relation is called `{atom.relation}`",
            nearest=nearest_names(atom.relation, catalog.attributes),
        )
    formulas: list[Formula] = []
    columns: dict[str, str] = {}
    terms = [*atom.arguments, *([(CID_COLUMN, cid)] if cid is not None else [])]
    for name, term in terms:
        if not isinstance(term, Variable):
            formulas.append(Comparison(Attribute(name), "==", Constant(_cell(term))))
        elif term.name in columns:  # a variable used twice: the columns must agree (erratum E15d)
            formulas.append(Comparison(Attribute(columns[term.name]), "==", Attribute(name)))
        else:
            columns[term.name] = name
    scan = Scan(atom.relation, attributes, CID_COLUMN if with_cid or cid is not None else None)
    return _selected(scan, formulas), columns


def _scanned(atom: Atom, cid: Variable | None, catalog: Catalog) -> Relation:
    """The tuples that an atom matches, over its variables."""
    relation, columns = _matching(atom, cid, False, catalog)
    if len(columns) < len(relation.attributes):
        relation = Project(relation, tuple(columns.values()))
    return _renamed(relation, ((name, variable) for variable, name in columns.items()))


def _aggregated(relation: Relation, aggregation: Aggregation, step: Step, catalog: Catalog) -> Relation:
    whole, columns = _matching(aggregation.atom, None, aggregation.atom.relation in catalog.with_cids, catalog)
    variables = list(dict.fromkeys(variable.name for variable in step.needs))
    keys = tuple(columns[name] for name in variables)
    result = _fresh({*whole.attributes, *relation.attributes})
    parameters = tuple(columns[variable.name] for variable in aggregation.parameters)
    grouped = GroupBy(whole, keys, (Aggregate(result, aggregation.function, parameters),))
    target = aggregation.target
    binds = isinstance(target, Variable) and target.name not in relation.attributes
    name = target.name if isinstance(target, Variable) and binds else result
    names = list(zip(keys, variables, strict=True))
    found = _renamed(grouped, [*names, (result, name)])
    if aggregation.function not in catalog.aggregates:
        raise PlanError(
            "algebra.unknown-aggregate",
            f"there is no aggregate `{aggregation.function}`",
            nearest=nearest_names(aggregation.function, catalog.aggregates),
        )
    empty = catalog.aggregates[aggregation.function].empty
    if empty is None:
        joined: Relation = Join(relation, found)
    else:
        support = None if aggregation.function in ALWAYS else _renamed(Project(whole, keys), names)
        joined = LeftJoin(relation, found, ((name, exact(empty)),), support)
    return joined if binds else _selected(joined, [Comparison(_operand(target), "==", Attribute(result))])


def _fresh(taken: Collection[str]) -> str:
    return next(name for number in count(1) if (name := f"#{number}") not in taken)


def _renamed(relation: Relation, names: Iterable[tuple[str, str]]) -> Relation:
    different = tuple((source, target) for source, target in names if source != target)
    return Rename(relation, different) if different else relation


def _cell(term: syntax.Term) -> Cell:
    assert isinstance(term, syntax.Constant), f"parameters are substituted and facts ground before lowering: {term}"
    return exact(term.value)


def _operand(term: Expression) -> Operand:
    match term:
        case Variable(name):
            return Attribute(name)
        case syntax.Call(function, arguments):
            return Call(function, tuple(map(_operand, arguments)))
        case _:
            return Constant(_cell(term))
