"""What the tests of the algebra share: running programs and expressions on plain data, histories, and an oracle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rhizomedb.algebra import Assign, Block, Evaluation, Plan, Relations, evaluate, lower
from rhizomedb.algebra.relation import Relation, Values
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Cell, Value, exact, order_cell, plain
from rhizomedb.logic.builtins import AGGREGATES, FUNCTIONS
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.logic.stratify import stratify
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Call,
    Condition,
    Constant,
    Constraint,
    Negation,
    OptionalAtom,
    Program,
    Rule,
    Selection,
    Variable,
)

Data = Mapping[str, tuple[Sequence[str], Iterable[Sequence[Value]]]]


def rows(values: Iterable[Sequence[Value]]) -> set[tuple[Cell, ...]]:
    """Rows as the engine holds them, so that 1, 1.0 and true stay apart."""
    return {tuple(map(exact, row)) for row in values}


def run(
    program: str | Program, data: Data, *, aggregates: Mapping[str, Any] = AGGREGATES, **options: Any
) -> Evaluation:
    """Check, lower and evaluate a program over plain relations."""
    source = Relations(data)
    parsed = parse(program) if isinstance(program, str) else program
    visible = {name: tuple(c for c in columns if c != "$cid") for name, columns in source.stored.items()}
    plan = lower(checked(parsed, visible, aggregates=aggregates), source.stored, aggregates)
    return evaluate(plan, source, aggregates=aggregates, **options)


def answer(program: str, data: Data, relation: str | None = None, **options: Any) -> set[tuple[Cell, ...]]:
    """The tuples of one relation of a program, by default that of its last rule."""
    evaluation = run(program, data, **options)
    return set(evaluation.relations[relation or parse(program).answer or ""].rows)


def tuples(expression: Relation, data: Data | None = None, **options: Any) -> set[tuple[Cell, ...]]:
    """The tuples of an expression, in the order of its attributes."""
    source = Relations(data or {})
    plan = Plan(Block((Assign("result", expression),)), source.stored, {"result": expression.attributes})
    return set(evaluate(plan, source, **options).relations["result"].rows)


def values(names: str, *written: Sequence[Value]) -> Values:
    """Literal rows: `values("id name", (1, "a"))`."""
    return Values(tuple(names.split()), tuple(tuple(map(exact, row)) for row in written))


def history(*facts: tuple[str, Value, Value, Value, Iterable[str]]) -> Data:
    """`fact` and `cause` from facts (name, entity, attribute, value, names of causes); a fact's name gives its CID."""
    fact = [(cid(name), *said) for name, *said, _ in facts]
    cause = [(cid(name), cid(parent)) for name, _, _, _, parents in facts for parent in parents]
    return {"fact": (("$cid", "e", "a", "v"), fact), "cause": (("from", "to"), cause)}


def cid(name: str) -> Cid:
    """The CID that stands for a named fact."""
    return Cid.of(name.encode())


def named(found: Iterable[tuple[Cell, ...]], names: Iterable[str]) -> set[tuple[Any, ...]]:
    """Rows with CIDs by name again and other cells as plain values."""
    known = {cid(name): name for name in names}
    return {tuple(known.get(cell, plain(cell)) for cell in row) for row in found}  # type: ignore[arg-type]


# -- the oracle: substitution tuple by tuple, predicate by predicate, no algebra ------------------------------------

Environment = dict[str, Cell]
Extension = dict[str, set[tuple[Cell, ...]]]


def solve(program: Program, columns: Mapping[str, Sequence[str]], data: Extension) -> Extension:
    """Every relation of a program, stratum by stratum, each by adding what its rules give until nothing is new."""
    found = {name: set(held) for name, held in data.items()}
    for rule in program.rules:
        found.setdefault(rule.head.relation, set())
    for stratum in stratify(program):
        growing = True
        while growing:
            new = [
                (rule.head.relation, _head(rule, env, columns[rule.head.relation]))
                for rule in stratum.rules
                for env in _solutions(rule, columns, found)
            ]
            growing = any(row not in found[relation] for relation, row in new)
            for relation, row in new:
                found[relation].add(row)
    return found


def _head(rule: Rule, env: Environment, columns: Sequence[str]) -> tuple[Cell, ...]:
    given = dict(rule.head.arguments)
    return tuple(_value(given[name], env) for name in columns)  # type: ignore[misc]  # a term always has a value


def _solutions(rule: Rule, columns: Mapping[str, Sequence[str]], data: Extension) -> Iterable[Environment]:
    selections = [p for p in rule.body if isinstance(p, Selection)]
    others = [p for p in rule.body if not isinstance(p, Selection)]
    outer = {term.name for p in selections for _, term in p.atom.arguments if isinstance(term, Variable)}
    outer |= {variable.name for p in others if isinstance(p, OptionalAtom) for variable, _ in p.defaults}
    targets = [p.target for p in others if isinstance(p, Assignment | Aggregation)]
    outer |= {target.name for target in targets if isinstance(target, Variable)}
    pending = [(env, others) for env in _selected(selections, columns, data)]
    while pending:
        env, left = pending.pop()
        if not left:
            yield env
            continue
        step = next(p for p in left if _needs(p, outer) <= env.keys())
        rest = [p for p in left if p is not step]
        pending += [(after, rest) for after in _after(step, env, outer, columns, data)]


def _selected(selections: list[Selection], columns: Mapping[str, Sequence[str]], data: Extension) -> list[Environment]:
    environments: list[Environment] = [{}]
    for selection in selections:
        environments = [after for env in environments for after in _matches(selection.atom, env, columns, data)]
    return environments


def _matches(atom: Any, env: Environment, columns: Mapping[str, Sequence[str]], data: Extension) -> list[Environment]:
    found = []
    for row in data[atom.relation]:
        cells = dict(zip(columns[atom.relation], row, strict=True))
        after = dict(env)
        for name, term in atom.arguments:
            cell = after.setdefault(term.name, cells[name]) if isinstance(term, Variable) else exact(term.value)
            if cell != cells[name]:
                break
        else:
            found.append(after)
    return found


def _needs(predicate: Any, outer: set[str]) -> set[str]:
    match predicate:
        case Negation(atom):
            return {t.name for _, t in atom.arguments if isinstance(t, Variable)}
        case OptionalAtom(atom, defaults):
            own = {v.name for v, _ in defaults}
            return {t.name for _, t in atom.arguments if isinstance(t, Variable)} - own
        case Aggregation():
            return {t.name for _, t in predicate.atom.arguments if isinstance(t, Variable)} & outer
        case Constraint(left, _, right):
            return _names(left) | _names(right)
        case Condition(call):
            return _names(call)
        case Assignment(_, expression):
            return _names(expression)
    raise AssertionError(predicate)


def _after(step: Any, env: Environment, outer: set[str], columns: Any, data: Extension) -> list[Environment]:
    match step:
        case Negation(atom):
            return [] if _matches(atom, env, columns, data) else [env]
        case OptionalAtom(atom, defaults):
            return _matches(atom, env, columns, data) or [{**env, **{v.name: exact(c.value) for v, c in defaults}}]
        case Constraint(left, operator, right):
            one, other = _value(left, env), _value(right, env)
            return [env] if one is not None and other is not None and _compare(operator, one, other) else []
        case Condition(call):
            return [env] if _value(call, env) == exact(True) else []
        case Assignment(target, expression):
            cell = _value(expression, env)
            return _unified(target, cell, env)
        case Aggregation():
            known = {name: cell for name, cell in env.items() if name in outer}
            members = []
            for row in data[step.atom.relation]:  # one for each whole tuple
                local = _matches(step.atom, known, columns, {step.atom.relation: {row}})
                members += [tuple(m[p.name] for p in step.parameters) for m in local]
            return _unified(step.target, AGGREGATES[step.function](members), env)
    raise AssertionError(step)


def _unified(target: Any, cell: Cell | None, env: Environment) -> list[Environment]:
    if cell is None:
        return []
    if isinstance(target, Constant):
        return [env] if exact(target.value) == cell else []
    return [{**env, target.name: cell}] if env.get(target.name, cell) == cell else []


def _compare(operator: str, left: Cell, right: Cell) -> bool:
    if operator in ("==", "!="):
        return (left == right) == (operator == "==")
    (kind, one), (other_kind, other) = order_cell(left), order_cell(right)
    tests = {"<": one.__lt__, "<=": one.__le__, ">": one.__gt__, ">=": one.__ge__} if kind == other_kind else {}
    return bool(tests and tests[operator](other))


def _names(expression: Any) -> set[str]:
    match expression:
        case Variable(name):
            return {name}
        case Call(_, arguments):
            return set().union(*map(_names, arguments))
        case _:
            return set()


def _value(expression: Any, env: Environment) -> Cell | None:
    match expression:
        case Variable(name):
            return env[name]
        case Call(function, arguments):
            cells = [_value(argument, env) for argument in arguments]
            return None if None in cells else FUNCTIONS[function].call(*cells)
        case _:
            return exact(expression.value)
