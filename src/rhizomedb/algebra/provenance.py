"""Provenance: why a derived tuple is there.

Nothing is recorded while a plan runs but the number of the step that first added each tuple. To explain one, the rule
of that step is asked again with its head bound to the tuple, over the relations *as they were before the step*: so
every premise was there earlier, and an explanation ends in stored tuples, program facts and absences, never in itself.
What it gives is a first derivation, one of the shortest in rounds; there may be others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Row
from rhizomedb.algebra.lower import Catalog, body
from rhizomedb.algebra.program import CID_COLUMN, Assign, Plan
from rhizomedb.algebra.relation import Attributes, Relation, Scan, Values
from rhizomedb.algebra.retrieve import Reader
from rhizomedb.algebra.source import Bound, Source, Table
from rhizomedb.budget import Meter
from rhizomedb.errors import PlanError, nearest_names
from rhizomedb.facts.value import Cell, Value, exact, plain
from rhizomedb.logic import builtins, syntax
from rhizomedb.logic.safety import group
from rhizomedb.logic.syntax import (
    Aggregation,
    Atom,
    Negation,
    OptionalAtom,
    Rule,
    Selection,
    Variable,
    show_name,
    show_value,
)

MEMBERS_MAX = 1000
"""How many members of an aggregate's group an explanation holds; it always holds their count."""


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """A tuple and why it is there: the rule and its premises; no rule for a stored tuple.

    `columns` says what the cells of `row` are; for a stored tuple with a CID, `$cid` among them. Premises stand in the
    order of the rule's body. Equal tuples have one derivation within an explanation, shared by all that use it.
    """

    relation: str
    columns: Attributes
    row: Row
    rule: Rule | None
    premises: tuple[Premise, ...]

    def __str__(self) -> str:
        return "\n".join(f"{'  ' * depth}{text}" for depth, text in lines(self))


@dataclass(frozen=True, slots=True)
class Absent:
    """No tuple of the relation matches the pattern; attributes left out could be anything."""

    relation: str
    pattern: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What an aggregate ran over: how many tuples matched the pattern, and the first `MEMBERS_MAX` of them."""

    function: str
    relation: str
    pattern: tuple[tuple[str, Cell], ...]
    count: int
    members: tuple[Derivation, ...]


Premise: TypeAlias = Derivation | Absent | Group


class Evaluated(Protocol):
    """What explaining needs of an evaluation."""

    @property
    def plan(self) -> Plan: ...  # noqa: D102
    @property
    def source(self) -> Source: ...  # noqa: D102
    @property
    def relations(self) -> Mapping[str, Table]: ...  # noqa: D102
    @property
    def origins(self) -> Sequence[Assign]: ...  # noqa: D102
    @property
    def aggregates(self) -> Mapping[str, builtins.Aggregate]: ...  # noqa: D102


def explain(evaluation: Evaluated, relation: str, row: Row, meter: Meter) -> Derivation:
    """Why a tuple is in a relation; raises `algebra.unknown-tuple` if it is not."""
    explainer = _Explainer(evaluation, meter)
    explainer.require(relation, row)
    found: dict[_Tuple, tuple[Rule | None, list[_Reference]]] = {}
    pending: list[_Tuple] = [(relation, row)]
    while pending:
        asked = pending.pop()
        if asked in found:
            continue
        meter.spend(1, len(asked[1]))
        rule, references = explainer.premises(*asked)
        found[asked] = rule, references
        pending += (tuple_ for reference in references for tuple_ in reference.tuples)
    built: dict[_Tuple, Derivation] = {}
    for asked in sorted(found, key=lambda asked: explainer.stamp(*asked)):  # premises have earlier stamps: bottom up
        rule, references = found[asked]
        premises = tuple(reference.premise([built[tuple_] for tuple_ in reference.tuples]) for reference in references)
        built[asked] = Derivation(asked[0], explainer.columns(asked[0]), asked[1], rule, premises)
    return built[relation, row]


def lines(
    derivation: Derivation,
    *,
    show: Callable[[Value], str] = show_value,
    rules: bool = True,
    without: Collection[str] = (),
) -> Iterator[tuple[int, str]]:
    """A derivation as indented lines, each tuple's reason written out once: (depth, text).

    `show` writes a value; premises in the relations of `without` are left out, with all that they rest on.
    """
    shown: set[int] = set()
    pending: list[tuple[int, Premise]] = [(0, derivation)]
    while pending:
        depth, premise = pending.pop()
        match premise:
            case Absent(relation, pattern):
                yield depth, f"no {_atom(relation, pattern, show)}"
            case Group(function, relation, pattern, count, members):
                yield depth, f"{function} over {count} of {_atom(relation, pattern, show)}"
                pending += [(depth + 1, member) for member in reversed(members)]
            case Derivation(relation, columns, row, rule, premises):
                text = _atom(relation, tuple(zip(columns, row, strict=True)), show)
                again = id(premise) in shown and bool(premises)
                reason = "  (as above)" if again else f"  by  {rule}" if rule and rules else ""
                yield depth, text + reason
                shown.add(id(premise))
                if not again:
                    told = [below for below in premises if below.relation not in without]
                    pending += [(depth + 1, below) for below in reversed(told)]


def _atom(relation: str, pattern: tuple[tuple[str, Cell], ...], show: Callable[[Value], str]) -> str:
    inner = ", ".join(f"{show_name(name)}: {show(plain(cell))}" for name, cell in pattern)
    return f"{show_name(relation)}({inner})"


_Tuple: TypeAlias = tuple[str, Row]


@dataclass(frozen=True, slots=True)
class _Reference:
    """A premise by the tuples that it names, before these are explained."""

    tuples: tuple[_Tuple, ...]
    absent: Absent | None = None
    group: Group | None = None

    def premise(self, derivations: list[Derivation]) -> Premise:
        if self.absent is not None:
            return self.absent
        if self.group is not None:
            held = self.group
            return Group(held.function, held.relation, held.pattern, held.count, tuple(derivations))
        return derivations[0]


class _Explainer:
    """Finds the premises of one tuple at a time."""

    def __init__(self, evaluation: Evaluated, meter: Meter) -> None:
        self.evaluation = evaluation
        self.meter = meter
        plan = evaluation.plan
        self.catalog = Catalog.of(plan.stored, plan.derived, evaluation.aggregates)
        self.bodies: dict[int, Relation] = {}

    def columns(self, relation: str) -> Attributes:
        plan = self.evaluation.plan
        return plan.derived[relation] if relation in plan.derived else self.evaluation.source.columns(relation)

    def stamp(self, relation: str, row: Row) -> int:
        """When the tuple was first added; 0 if it is stored."""
        table = self.evaluation.relations.get(relation)
        return 0 if table is None else table.rows[row]

    def require(self, relation: str, row: Row) -> None:
        plan = self.evaluation.plan
        if relation not in plan.derived and relation not in plan.stored:
            known = (*plan.derived, *plan.stored)
            raise PlanError(
                "algebra.unknown-relation",
                f"no relation is called `{relation}`",
                nearest=nearest_names(relation, known),
            )
        columns = self.columns(relation)
        table = self.evaluation.relations.get(relation)
        if len(row) != len(columns):
            raise PlanError("algebra.row", f"`{relation}` has the attributes {', '.join(columns)}, not {len(row)}")
        pattern = dict(zip(columns, row, strict=True))
        held = row in table if table is not None else any(True for _ in self.evaluation.source.scan(relation, pattern))
        if not held:
            raise PlanError(
                "algebra.unknown-tuple", f"there is no {_atom(relation, tuple(pattern.items()), show_value)}"
            )

    def premises(self, relation: str, row: Row) -> tuple[Rule | None, list[_Reference]]:
        """The rule that first gave a tuple, and what it used."""
        stamp = self.stamp(relation, row)
        if stamp == 0:
            return None, []
        assign = self.evaluation.origins[stamp - 1]
        columns = self.columns(relation)
        if assign.rule is None:  # facts of the program, gathered; or a plan made by hand, of which no more is known
            return _fact(relation, columns, row) if isinstance(assign.expression, Values) else None, []
        reader = Reader(
            self.evaluation.relations, self.evaluation.source, self.evaluation.aggregates, self.meter, before=stamp
        )
        binding = self._binding(assign.rule, dict(zip(columns, row, strict=True)), reader)
        references = []
        for predicate in assign.rule.body:
            match predicate:
                case Selection(atom, cid):
                    references.append(self._first(atom, cid, binding, reader))
                case Negation(atom):
                    references.append(_absent(atom, binding))
                case OptionalAtom(atom):
                    references.append(self._first(atom, None, binding, reader, predicate.defaults))
                case Aggregation():
                    known = {variable.name: binding[variable.name] for variable in group(assign.rule, predicate)}
                    references.append(self._group(predicate, known, reader))
        return assign.rule, references

    def _binding(self, rule: Rule, head: Mapping[str, Cell], reader: Reader) -> dict[str, Cell]:
        """Cells for the variables of a rule's body under which it gives this head."""
        if id(rule) not in self.bodies:
            self.bodies[id(rule)] = body(rule, self.catalog)
        relation = self.bodies[id(rule)]
        bound = {term.name: head[name] for name, term in rule.head.arguments if isinstance(term, Variable)}
        for row in reader.rows(relation, relation.attributes, bound):
            return dict(zip(relation.attributes, row, strict=True))
        raise AssertionError(f"the rule that added a tuple gives it again from what was there before: {rule}")

    def _first(
        self,
        atom: Atom,
        cid: Variable | None,
        binding: Mapping[str, Cell],
        reader: Reader,
        defaults: tuple[tuple[Variable, object], ...] = (),
    ) -> _Reference:
        """The first tuple that an atom matches under a binding; an optional atom may match none."""
        pattern = dict(_pattern(atom, binding))
        if cid is not None:
            pattern[CID_COLUMN] = binding[cid.name]
        for row in self._tuples(atom.relation, pattern, reader):
            return _Reference(((atom.relation, row),))
        assert defaults, f"a positive atom of a rule that held matches a tuple: {atom}"
        known = {
            name: cell for name, cell in binding.items() if name not in {variable.name for variable, _ in defaults}
        }
        return _absent(atom, known)

    def _group(self, aggregation: Aggregation, known: Mapping[str, Cell], reader: Reader) -> _Reference:
        atom = aggregation.atom
        pattern = tuple(_pattern(atom, known))
        same: dict[Variable, list[str]] = {}
        for name, term in atom.arguments:
            if isinstance(term, Variable):
                same.setdefault(term, []).append(name)
        columns = self.columns(atom.relation)
        equal = [[columns.index(name) for name in names] for names in same.values() if len(names) > 1]
        matching = (
            row
            for row in self._tuples(atom.relation, dict(pattern), reader)
            if all(row[place] == row[places[0]] for places in equal for place in places)
        )
        members = list(islice(matching, MEMBERS_MAX))
        count = len(members) + sum(1 for _ in matching)
        held = Group(aggregation.function, atom.relation, pattern, count, ())
        return _Reference(tuple((atom.relation, row) for row in members), group=held)

    def _tuples(self, relation: str, pattern: Bound, reader: Reader) -> Iterator[Row]:
        """Whole tuples of a relation, `$cid` among them, that agree with a pattern."""
        columns = self.columns(relation)
        cid = CID_COLUMN if CID_COLUMN in columns and relation not in self.evaluation.relations else None
        scan = Scan(relation, tuple(name for name in columns if cid is None or name != cid), cid)
        return iter(reader.rows(scan, columns, pattern))


def _fact(relation: str, columns: Attributes, row: Row) -> Rule:
    """The rule without a body that says a tuple."""
    arguments = tuple((name, syntax.Constant(plain(cell))) for name, cell in zip(columns, row, strict=True))
    return Rule(Atom(relation, arguments))


def _pattern(atom: Atom, binding: Mapping[str, Cell]) -> Iterator[tuple[str, Cell]]:
    for name, term in atom.arguments:
        if isinstance(term, Variable):
            if term.name in binding:
                yield name, binding[term.name]
        else:
            assert isinstance(term, syntax.Constant), "parameters are substituted before a program runs"
            yield name, exact(term.value)


def _absent(atom: Atom, binding: Mapping[str, Cell]) -> _Reference:
    return _Reference((), absent=Absent(atom.relation, tuple(_pattern(atom, binding))))
