"""From PomoRA to bodies: each assignment of a plan becomes rules, what cannot stand in a body a relation of its own.

A natural join puts two bodies together and makes variables one where attributes are shared; a selection of `a == b` too.
A union, and a left join (what matches, and what does not with the defaults), are several bodies. A group-by, and whatever
is negated and more than one atom, get a relation with a name that begins with `#`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import chain, count

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import (
    And,
    Attribute,
    Call,
    Comparison,
    Constant,
    Formula,
    Holds,
    Not,
    Operand,
    Or,
    Row,
    conjuncts,
)
from rhizomedb.algebra.program import CID_COLUMN, Assign, Block, Loop, Plan, nodes, scans
from rhizomedb.algebra.relation import (
    AntiJoin,
    Attributes,
    Binary,
    Closure,
    Components,
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
from rhizomedb.errors import PlanError
from rhizomedb.flow.body import (
    Atom,
    Body,
    Compute,
    Flow,
    Given,
    Graph,
    Grouping,
    Input,
    Keep,
    Rule,
    Step,
    Stratum,
    Term,
    Variable,
)
from rhizomedb.flow.factor import factored
from rhizomedb.logic.stratify import components

ALTERNATIVES_MAX = 16
"""How many bodies an expression is written out as before a part of it gets a relation of its own."""


def build(plan: Plan, asked: Collection[str] | None = None, *, factor: bool = True) -> Flow:
    """The strata of a plan, of which some relations are asked for (`None`: all).

    Without `factor` rules stay as they are written (see `flow.factor`).
    A plan whose relations are read before they are complete means more than its rules do, and is refused.
    """
    _check_order(plan.block)
    builder = _Builder(plan, frozenset(plan.derived if asked is None else asked), factor)
    for assign in plan.block.assignments():
        builder.define(assign.relation, plan.derived[assign.relation], assign.expression)
    return builder.flow()


def is_definitional(block: Block) -> bool:
    """Whether every relation is complete where it is read, so that the order of the statements does not matter."""
    read: set[str] = set()
    for statement in block.statements:
        assigned = statement.relations if isinstance(statement, Loop) else (statement.relation,)
        if not read.isdisjoint(assigned):
            return False
        assigns = statement.body.assignments() if isinstance(statement, Loop) else (statement,)
        inside = {scan.relation for assign in assigns for scan in scans(assign.expression)}
        if isinstance(statement, Assign) and statement.relation in inside:
            return False
        read |= inside
    return True


def _check_order(block: Block) -> None:
    if not is_definitional(block):
        raise PlanError(
            "algebra.order",
            "a relation of the plan is read before it is complete",
            fix="assign it everything before the first statement that reads it, or evaluate the plan step by step",
        )


@dataclass(slots=True)
class _Part:
    """A body in the making, and the term that each attribute of the expression has."""

    atoms: list[Atom] = field(default_factory=list)
    negations: list[Atom] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    terms: dict[str, Term] = field(default_factory=dict)

    def with_terms(self, terms: dict[str, Term]) -> _Part:
        return _Part(self.atoms, self.negations, self.steps, terms)

    def with_step(self, step: Step) -> _Part:
        return _Part(self.atoms, self.negations, [*self.steps, step], self.terms)

    def and_not(self, atom: Atom) -> _Part:
        return _Part(self.atoms, [*self.negations, atom], self.steps, self.terms)

    def replaced(self, name: str, term: Term) -> _Part:
        """The part with a term in place of a variable."""

        def of(old: Term | None) -> Term | None:
            return term if isinstance(old, Variable) and old.name == name else old

        def atoms(old: list[Atom]) -> list[Atom]:
            return [Atom(atom.relation, tuple(map(of, atom.terms))) for atom in old]

        steps: list[Step] = []
        terms: Mapping[str, Term] = {name: term}
        for step in self.steps:
            match step:
                case Keep(formula):
                    steps.append(Keep(_over(formula, terms)))
                case Compute(variable, operand) if variable == name and isinstance(term, Given):
                    steps.append(Keep(Comparison(_operand(operand, terms), "==", Constant(term.cell))))
                case Compute(variable, operand):
                    target = term.name if variable == name and isinstance(term, Variable) else variable
                    steps.append(Compute(target, _operand(operand, terms)))
        now = {attribute: of(old) or old for attribute, old in self.terms.items()}
        return _Part(atoms(self.atoms), atoms(self.negations), steps, now)

    def unified(self, left: Term, right: Term) -> _Part | None:
        """The part with two terms made one; `None` if they are different constants."""
        if left == right:
            return self
        if isinstance(right, Variable):
            return self.replaced(right.name, left)
        if isinstance(left, Variable):
            return self.replaced(left.name, right)
        return None


class _Builder:
    """The rules made so far, and names for what needs one."""

    def __init__(self, plan: Plan, asked: frozenset[str], factor: bool) -> None:
        self.plan = plan
        self.asked = asked
        self.factor = factor
        self.rules: list[Rule] = []
        self.groupings: list[Grouping] = []
        self.graphs: list[Graph] = []
        self.given: dict[str, tuple[Row, ...]] = {}
        self.widths: dict[str, int] = {name: len(columns) for name, columns in plan.derived.items()}
        self.inputs: dict[str, Input] = {}
        self.stored = frozenset(plan.stored) - frozenset(plan.derived)
        self._inputs: dict[Input, str] = {}
        self._numbers = count(1)
        self._variables = count(1)
        self._named: dict[tuple[int, Attributes], str] = {}
        self._cut: set[int] = set()  # expressions below which too many alternatives stand
        self._kept: list[Relation] = []  # what a name was given to stays alive, so that its id is no one else's

    def define(self, head: str, attributes: Attributes, expression: Relation) -> None:
        for part in self.parts(expression):
            atoms = self._inside(self._without_unread(part, [part.terms[name] for name in attributes]))
            body = Body(atoms, self._inside(part.negations), tuple(part.steps))
            self.rules.append(Rule(head, tuple(part.terms[name] for name in attributes), body))

    def _without_unread(self, part: _Part, head: Iterable[Term]) -> Iterator[Atom]:
        """The atoms of a body, without the variables over stored relations that nothing else reads.

        What is read of a stored relation is a set: a row that differs from another only in them would be one derivation more.
        """
        read = Counter(term for atom in (*part.atoms, *part.negations) for term in atom.terms)
        read.update(head)
        read.update(Variable(name) for step in part.steps for name in step.needs)
        read.update(Variable(step.variable) for step in part.steps if isinstance(step, Compute))
        for atom in part.atoms:
            if atom.relation in self.stored:
                kept = (term if isinstance(term, Given) or read[term] > 1 else None for term in atom.terms)
                yield Atom(atom.relation, tuple(kept))
            else:
                yield atom

    def flow(self) -> Flow:
        self._drop_copies()
        self._reach_first()
        self._drop_copies()
        if self.factor:
            graph = self._graph_of()
            for members in components(graph):
                if _is_recursive(members, graph):
                    self._factor(frozenset(members))
        graph = self._graph_of()
        of: defaultdict[str, list[int]] = defaultdict(list)  # so that thousands of strata do not each look at all rules
        for number, rule in enumerate(self.rules):
            of[rule.head].append(number)
        strata = []
        for members in components(graph):
            rules = tuple(self.rules[number] for number in sorted(chain(*(of[name] for name in members))))
            strata.append(self._stratum(members, graph, rules))
        return Flow(tuple(strata), self.widths, self.inputs, self.given)

    def _graph_of(self) -> dict[str, list[str]]:
        """For each relation, those that it is derived from."""
        derived = {rule.head for rule in self.rules} | {each.head for each in self._made()}
        graph: dict[str, list[str]] = {name: [] for name in self.widths if name in derived or name in self.plan.derived}
        for rule in self.rules:
            graph[rule.head] += [a.relation for a in (*rule.body.atoms, *rule.body.negations) if a.relation in graph]
        for each in self._made():
            graph[each.head] += [each.source] if each.source in graph else []
        return graph

    def _factor(self, members: frozenset[str]) -> None:
        if not any(atom.relation in members for rule in self.rules if rule.head in members for atom in rule.body.atoms):
            return

        def name(width: int) -> str:
            made = self._name()
            self.widths[made] = width
            return made

        own = [rule for rule in self.rules if rule.head in members]
        self.rules = [rule for rule in self.rules if rule.head not in members] + factored(own, members, name)

    def _stratum(self, members: tuple[str, ...], graph: Mapping[str, list[str]], rules: tuple[Rule, ...]) -> Stratum:
        inside = set(members)
        groupings = tuple(grouping for grouping in self.groupings if grouping.head in inside)
        graphs = tuple(each for each in self.graphs if each.head in inside)
        recursive = _is_recursive(members, graph)
        guarded = {a.relation for rule in rules for a in rule.body.negations}
        guarded |= {grouping.source for grouping in groupings} | {each.source for each in graphs}
        if recursive and guarded & inside:
            raise PlanError(
                "algebra.not-monotone",
                f"the loop of {', '.join(sorted(inside))} takes away or counts what it derives",
                fix="negate and aggregate only what an earlier statement assigns",
            )
        return Stratum(members, rules, groupings, graphs, recursive)

    def _reach_first(self) -> None:
        """Where of all that is reached only the least or greatest is read, the rest is not derived."""
        read = self._read_count()
        closures = {each.head: each for each in self.graphs if each.function == "closure"}
        kept: list[Grouping] = []
        for grouping in self.groupings:
            closure = closures.get(grouping.source)
            match grouping.keys, grouping.aggregates:
                case ((0 | 1) as key,), ((("min" | "max") as function, (column,)),) if column != key and closure:
                    if read[closure.head] == 1 and closure.head not in self.asked:
                        self.graphs.remove(closure)
                        del self.widths[closure.head]
                        self.graphs.append(Graph(grouping.head, closure.source, f"{function} reached", key == 1))
                        continue
            kept.append(grouping)
        self.groupings = kept

    def _made(self) -> list[Grouping | Graph]:
        """What is derived otherwise than by rules."""
        return [*self.groupings, *self.graphs]

    def _read_count(self) -> Counter[str]:
        """How often each relation is read."""
        read = Counter(a.relation for rule in self.rules for a in (*rule.body.atoms, *rule.body.negations))
        read.update(each.source for each in self._made())
        return read

    def _drop_copies(self) -> None:
        """Where all that a relation has is what a graph or a grouping gives, that is made under its name at once."""
        by_head: dict[str, list[Rule]] = {}
        for rule in self.rules:
            by_head.setdefault(rule.head, []).append(rule)
        read = self._read_count()
        made = {each.head: each for each in self._made()}
        for head, rules in by_head.items():
            if len(rules) != 1 or rules[0].body.negations or rules[0].body.steps or len(rules[0].body.atoms) != 1:
                continue
            (atom,) = rules[0].body.atoms
            same = atom.terms == rules[0].terms and len(set(atom.terms)) == len(atom.terms)
            if not same or not all(isinstance(term, Variable) for term in atom.terms):
                continue
            # One that is asked for stays: another name for it is no reason to forget it.
            if atom.relation in made and read[atom.relation] == 1 and atom.relation not in self.asked:
                self.rules.remove(rules[0])
                self.widths.pop(atom.relation)
                self.groupings = [replace(g, head=head) if g.head == atom.relation else g for g in self.groupings]
                self.graphs = [replace(g, head=head) if g.head == atom.relation else g for g in self.graphs]

    def _input(self, atom: Atom) -> Atom:
        """An atom over a stored relation, as one over what the flow reads of it."""
        columns = self.plan.stored[atom.relation]
        terms = list(zip(columns, atom.terms, strict=True))
        given = tuple((name, term.cell) for name, term in terms if isinstance(term, Given))
        read = [(name, term) for name, term in terms if isinstance(term, Variable)]
        input = Input(atom.relation, given, tuple(name for name, _ in read))
        name = self._inputs.get(input)
        if name is None:
            plainly = not given and input.columns == columns
            name = self._inputs[input] = atom.relation if plainly else f"{input}#{len(self._inputs)}"
            self.inputs[name] = input
            self.widths[name] = len(read)
        return Atom(name, tuple(term for _, term in read))

    def _inside(self, atoms: Iterable[Atom]) -> tuple[Atom, ...]:
        return tuple(self._input(atom) if atom.relation in self.stored else atom for atom in atoms)

    def _name(self) -> str:
        taken = {*self.plan.derived, *self.plan.stored}
        return next(name for number in self._numbers if (name := f"#{number}") not in taken)

    def _variable(self, attribute: str) -> Variable:
        return Variable(f"{attribute}#{next(self._variables)}")

    def _relation(self, node: Relation, attributes: Attributes) -> str:
        """The name of a relation that has the tuples of an expression, under these attributes in order."""
        known = self._named.get((id(node), attributes))
        if known is not None:
            return known
        name = self._named[id(node), attributes] = self._name()
        self._kept.append(node)
        self.widths[name] = len(attributes)
        self.define(name, attributes, node)
        return name

    def _read(self, name: str, attributes: Attributes) -> _Part:
        terms: dict[str, Term] = {attribute: self._variable(attribute) for attribute in attributes}
        return _Part([Atom(name, tuple(terms[attribute] for attribute in attributes))], [], [], terms)

    # -- expressions ------------------------------------------------------------------------------------------------

    def parts(self, node: Relation) -> list[_Part]:
        """The bodies whose union is an expression."""
        spine: list[Relation] = []  # operators that read one expression nest as deep as a body is long
        while isinstance(node, Project | Rename | Select | Extend | Binary):
            spine.append(node)
            node = node.left if isinstance(node, Binary) else node.child
            if id(node) in self._cut:  # what is below has a relation, and is not written out again
                break
        if spine and id(node) in self._cut:
            parts = [self._read(self._relation(node, node.attributes), node.attributes)]
        else:
            parts = list(self._leaf(node))
        for above in reversed(spine):
            if len(parts) > ALTERNATIVES_MAX:
                below = above.left if isinstance(above, Binary) else above.children[0]
                self._cut.add(id(below))
                parts = [self._read(self._relation(below, below.attributes), below.attributes)]
            parts = [made for part in parts for made in self._applied(above, part)]
        return parts

    def _leaf(self, node: Relation) -> Iterator[_Part]:
        match node:
            case Unit():
                yield _Part()
            case Values(names, rows):
                if len(rows) <= 1:
                    yield from (_Part(terms=dict(zip(names, map(Given, row), strict=True))) for row in rows)
                    return
                name = self._name()
                self.given[name], self.widths[name] = rows, len(names)
                yield self._read(name, names)
            case Scan():
                yield self._scan(node)
            case Union(relations):
                for child in relations:
                    yield from self.parts(child)
            case GroupBy(child, keys, aggregates):
                attributes = child.attributes
                simple = isinstance(child, Scan) and child.names == self._columns(child) and child.cid is None
                if simple and isinstance(child, Scan):
                    (atom,) = self._inside(self._scan(child).atoms)
                    source = atom.relation
                else:
                    source = self._relation(child, attributes)
                place = {attribute: number for number, attribute in enumerate(attributes)}
                work = tuple((each.function, tuple(place[p] for p in each.parameters)) for each in aggregates)
                yield self._read(self._grouped(source, tuple(place[key] for key in keys), work), node.attributes)
            case Closure(child, start, end):
                yield self._graph(child, (start, end), "closure", node.attributes)
            case Components(child, one, other, function=function):
                yield self._graph(child, (one, other), function, node.attributes)
            case _:
                raise PlanError("algebra.operator", f"the dataflow has no operator {type(node).__name__}")

    def _grouped(self, source: str, keys: tuple[int, ...], aggregates: tuple[tuple[str, tuple[int, ...]], ...]) -> str:
        """The name of a relation of groups; the two sides of a left join read one."""
        for known in self.groupings:
            if (known.source, known.keys, known.aggregates) == (source, keys, aggregates):
                return known.head
        name = self._name()
        self.widths[name] = len(keys) + len(aggregates)
        self.groupings.append(Grouping(name, source, keys, aggregates))
        return name

    def _graph(self, child: Relation, ends: Attributes, function: str, attributes: Attributes) -> _Part:
        name = self._name()
        self.widths[name] = 2
        self.graphs.append(Graph(name, self._relation(child, ends), function))
        return self._read(name, attributes)

    def _columns(self, scan: Scan) -> Attributes:
        return self.plan.derived.get(scan.relation) or self.plan.stored.get(scan.relation, ())

    def _scan(self, scan: Scan) -> _Part:
        terms: dict[str, Term] = {name: self._variable(name) for name in scan.attributes}
        read = {name: terms[name] for name in scan.names}
        if scan.cid is not None:
            read[CID_COLUMN] = terms[scan.cid]
        return _Part([Atom(scan.relation, tuple(map(read.get, self._columns(scan))))], [], [], terms)

    def _applied(self, node: Relation, part: _Part) -> Iterator[_Part]:
        match node:
            case Project(_, names):
                yield part.with_terms({name: part.terms[name] for name in names})
            case Rename(_, renames):
                new = dict(renames)
                yield part.with_terms({new.get(name, name): term for name, term in part.terms.items()})
            case Select(_, formula):
                yield from _selected(part, formula)
            case Extend(_, name, operand):
                yield self._extended(part, name, operand)
            case Join(_, right) | Product(_, right):
                yield from self._joined(part, right)
            case ThetaJoin(_, right, formula) | EquiJoin(_, right, formula):
                for joined in self._joined(part, right):
                    yield from _selected(joined, formula)
            case SemiJoin(_, right):
                yield from self._joined(part, Project(right, node.shared))
            case AntiJoin(_, right) | Difference(_, right):
                yield self._without(part, right, node.shared)
            case LeftJoin(_, right):
                yield from self._joined(part, right)
                rest = self._without(part, right, node.shared)
                if node.support is not None:
                    rest = self._without(rest, node.support, node.support.attributes)
                yield rest.with_terms({**rest.terms, **{name: Given(cell) for name, cell in node.defaults}})

    def _extended(self, part: _Part, name: str, operand: Operand) -> _Part:
        match _operand(operand, part.terms):
            case Attribute(variable):
                return part.with_terms({**part.terms, name: Variable(variable)})
            case Constant(cell):
                return part.with_terms({**part.terms, name: Given(cell)})
            case computed:
                fresh = self._variable(name)
                return part.with_step(Compute(fresh.name, computed)).with_terms({**part.terms, name: fresh})

    def _joined(self, left: _Part, right: Relation) -> Iterator[_Part]:
        alternatives = self.parts(right)
        if len(alternatives) > ALTERNATIVES_MAX:
            alternatives = [self._read(self._relation(right, right.attributes), right.attributes)]
        for other in alternatives:
            shared = [(left.terms[name], other.terms[name]) for name in other.terms if name in left.terms]
            both: _Part | None = _Part(
                left.atoms + other.atoms,
                left.negations + other.negations,
                left.steps + other.steps,
                {**left.terms, **{f"\0{name}": term for name, term in other.terms.items()}},
            )
            for name in other.terms:  # terms change as they are made one: read them anew each time
                if both is not None and name in left.terms:
                    both = both.unified(both.terms[name], both.terms[f"\0{name}"])
            assert both is not None or shared, "only attributes that are shared can contradict"
            if both is not None:
                yield both.with_terms({name.removeprefix("\0"): term for name, term in both.terms.items()})

    def _without(self, part: _Part, right: Relation, shared: Attributes) -> _Part:
        atom = self._single(right, shared)
        if atom is None:
            name = self._relation(Project(right, shared) if right.attributes != shared else right, shared)
            return part.and_not(Atom(name, tuple(part.terms[attribute] for attribute in shared)))
        relation, places, terms = atom
        given: list[Term | None] = list(terms)
        for attribute, place in places.items():
            given[place] = part.terms[attribute]
        return part.and_not(Atom(relation, tuple(given)))

    def _single(self, right: Relation, shared: Attributes) -> tuple[str, dict[str, int], list[Term | None]] | None:
        """An expression as one atom, if it is: its relation, the places of the shared attributes, its constants."""
        while isinstance(right, Project):  # what it drops would be dropped anyway
            right = right.child
        if any(isinstance(node, Values | Union | GroupBy | Binary | Closure | Components) for node in nodes(right)):
            return None
        alternatives = self.parts(right)
        if len(alternatives) != 1:
            return None
        part = alternatives[0]
        if len(part.atoms) != 1 or part.negations or part.steps:
            return None
        (atom,) = part.atoms
        variables = [term for term in atom.terms if isinstance(term, Variable)]
        if len(set(variables)) < len(variables):
            return None  # columns of its own that must be equal
        places: dict[str, int] = {}
        for attribute in shared:
            term = part.terms[attribute]
            if not isinstance(term, Variable) or term in (part.terms[other] for other in places):
                return None  # asked for a constant, or for one column twice
            places[attribute] = atom.terms.index(term)
        return atom.relation, places, [term if isinstance(term, Given) else None for term in atom.terms]


def _is_recursive(members: Sequence[str], graph: Mapping[str, list[str]]) -> bool:
    return len(members) > 1 or members[0] in graph[members[0]]


def _selected(part: _Part, formula: Formula) -> Iterator[_Part]:
    found: _Part | None = part
    for each in conjuncts(formula):
        if found is None:
            return
        match _over(each, found.terms):
            case Comparison(Attribute(left), "==", Attribute(right)):
                found = found.unified(Variable(left), Variable(right))
            case Comparison(Attribute(name), "==", Constant(cell)) | Comparison(Constant(cell), "==", Attribute(name)):
                found = found.unified(Variable(name), Given(cell))
            case Comparison(Constant(left_cell), "==", Constant(right_cell)):
                found = found if left_cell == right_cell else None
            case kept:
                found = found.with_step(Keep(kept))
    if found is not None:
        yield found


def _over(formula: Formula, terms: Mapping[str, Term]) -> Formula:
    """The formula with each attribute replaced by its term."""
    match formula:
        case Comparison(left, operator, right):
            return Comparison(_operand(left, terms), operator, _operand(right, terms))
        case Holds(operand):
            return Holds(_operand(operand, terms))
        case Not(inner):
            return Not(_over(inner, terms))
        case And(parts):
            return And(tuple(_over(part, terms) for part in parts))
        case Or(parts):
            return Or(tuple(_over(part, terms) for part in parts))


def _operand(operand: Operand, terms: Mapping[str, Term]) -> Operand:
    match operand:
        case Attribute(name):
            match terms.get(name):
                case Variable(variable):
                    return Attribute(variable)
                case Given(cell):
                    return Constant(cell)
                case None:
                    return operand
        case Call(function, arguments):
            return Call(function, tuple(_operand(argument, terms) for argument in arguments))
        case Constant():
            return operand
