"""Codd's algebra as programs, held to DuckDB and to the plain evaluator: over plain tables, hyperedges, and facts."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra.codd import division, intersection, program_of
from rhizomedb.algebra.formula import And, Attribute, Call, Comparison, Constant, Holds, Not, Or
from rhizomedb.algebra.relation import (
    Aggregate,
    AntiJoin,
    Closure,
    Components,
    Difference,
    Extend,
    GroupBy,
    Join,
    LeftJoin,
    Product,
    Project,
    Rename,
    Scan,
    Select,
    SemiJoin,
    ThetaJoin,
    Union,
    Unit,
    Values,
)
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.programs.query import evaluate
from rhizomedb.errors import Error
from rhizomedb.hyper import table

FILM, CAST = Scan("film", ("title", "year")), Scan("cast", ("title", "actor"))
FILMS = [("Alien", 1979), ("Heat", 1995), ("Ran", 1985), ("Aliens", 1986)]
ACTORS = [("Alien", "Weaver"), ("Aliens", "Weaver"), ("Aliens", "Biehn"), ("Heat", "Pacino"), ("Tron", "Bridges")]


def year(operator, value):
    return Comparison(Attribute("year"), operator, Constant(value))


TITLES = Rename(Project(FILM, ("title",)), (("title", "other"),))

EXPRESSIONS = {
    "select": (Select(FILM, year(">", 1985)), {("Heat", 1995), ("Aliens", 1986)}),
    "select what does not": (Select(FILM, Not(year(">", 1985))), {("Alien", 1979), ("Ran", 1985)}),
    "select one or another": (Select(FILM, Or((year("==", 1979), year("==", 1995)))), {("Alien", 1979), ("Heat", 1995)}),
    "select all": (Select(FILM, And(())), set(FILMS)),
    "select none": (Select(FILM, Or(())), set()),
    "select what holds": (
        Select(FILM, Holds(Call("contains", (Attribute("title"), Constant("en"))))),
        {("Alien", 1979), ("Aliens", 1986)},
    ),
    "project": (Project(CAST, ("actor",)), {("Weaver",), ("Biehn",), ("Pacino",), ("Bridges",)}),
    "rename": (Project(TITLES, ("other",)), {("Alien",), ("Heat",), ("Ran",), ("Aliens",)}),
    "product": (Product(Values(("n",), ((1,), (2,))), Values(("m",), ((3,),))), {(1, 3), (2, 3)}),
    "natural join": (Project(Join(FILM, CAST), ("actor", "year")), {("Weaver", 1979), ("Weaver", 1986), ("Biehn", 1986), ("Pacino", 1995)}),
    "theta join": (
        Project(ThetaJoin(Project(FILM, ("title", "year")), TITLES, Comparison(Attribute("title"), "<", Attribute("other"))), ("title", "other")),
        {("Alien", "Aliens"), ("Alien", "Heat"), ("Alien", "Ran"), ("Aliens", "Heat"), ("Aliens", "Ran"), ("Heat", "Ran")},
    ),
    "union": (Union((Project(FILM, ("title",)), Project(CAST, ("title",)))), {("Alien",), ("Heat",), ("Ran",), ("Aliens",), ("Tron",)}),
    "difference": (Difference(Project(FILM, ("title",)), Project(CAST, ("title",))), {("Ran",)}),
    "intersection": (intersection(Project(FILM, ("title",)), Project(CAST, ("title",))), {("Alien",), ("Heat",), ("Aliens",)}),
    "division": (division(CAST, Values(("title",), (("Alien",), ("Aliens",)))), {("Weaver",)}),
    "division by nothing": (division(CAST, Values(("title",), ())), {("Weaver",), ("Biehn",), ("Pacino",), ("Bridges",)}),
    "aggregation": (
        GroupBy(Join(FILM, CAST), ("actor",), (Aggregate("films", "count"), Aggregate("first", "min", ("year",)))),
        {("Weaver", 2, 1979), ("Biehn", 1, 1986), ("Pacino", 1, 1995)},
    ),
    "aggregation of a key": (GroupBy(FILM, ("year",), (Aggregate("latest", "max", ("year",)),)), {(y, y) for _, y in FILMS}),
    "aggregation over nothing": (GroupBy(Select(FILM, Or(())), (), (Aggregate("n", "count"),)), set()),
    "semijoin": (SemiJoin(FILM, CAST), {("Alien", 1979), ("Heat", 1995), ("Aliens", 1986)}),
    "antijoin": (AntiJoin(FILM, CAST), {("Ran", 1985)}),
    "left join": (
        Project(LeftJoin(Select(FILM, year("<", 1986)), CAST, (("actor", "nobody"),)), ("title", "actor")),
        {("Alien", "Weaver"), ("Ran", "nobody")},
    ),
    "extend": (Project(Extend(FILM, "next", Call("+", (Attribute("year"), Constant(1)))), ("next",)), {(1980,), (1996,), (1986,), (1987,)}),
    "closure": (Closure(Values(("a", "b"), ((1, 2), (2, 3))), "a", "b"), {(1, 2), (2, 3), (1, 3)}),
    "the same twice": (Join(FILM, FILM), set(FILMS)),
    "names that are none of a program": (Rename(Project(FILM, ("year",)), (("year", "relation of a year"),)), {(y,) for _, y in FILMS}),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_operator(name):
    expression, expected = EXPRESSIONS[name]
    assert rows_of(expression, {"film": FILMS, "cast": ACTORS}) == expected


@pytest.mark.parametrize("made", ["closure", "group"])
def test_a_relation_that_another_one_copies_is_still_there(made):
    """Where all relations are asked for, a closure or grouping with a second name was answered under that name alone."""
    closure = "c(a: X, b: Y) :- e(a: X, b: Y). c(a: X, b: Z) :- c(a: X, b: Y), e(a: Y, b: Z)."
    group = "c(a: X, b: N) :- e(a: X), N := count : e(a: X)."
    program = f"{closure if made == 'closure' else group} again(a: X, b: Y) :- c(a: X, b: Y)."
    found = evaluate(program, {"e": [{"a": 1, "b": 2}, {"a": 2, "b": 3}]})
    assert (
        set(found["c"]) == set(found["again"]) == ({(1, 2), (2, 3), (1, 3)} if made == "closure" else {(1, 1), (2, 1)})
    )


def rows_of(expression, tables):
    """What the program of an expression derives over plain tables."""
    columns = {"film": FILM.names, "cast": CAST.names, **TABLES}
    relations = {name: [dict(zip(columns[name], row, strict=True)) for row in rows] for name, rows in tables.items()}
    found = evaluate(program_of(expression), relations)["answer"]
    order = [found.columns.index(each) for each in expression.attributes]
    return {tuple(row[place] for place in order) for row in found}


WRONG = {
    "no expression": (lambda: program_of("film"), "is no relational expression"),
    "no expression to divide": (lambda: division(None, FILM), "None is no relational expression"),
    "no expression to meet": (lambda: intersection(FILM, 3), "3 is no relational expression"),
    "no name of an answer": (lambda: program_of(FILM, 3), "3 is no name that a program can write"),
    "no attribute": (lambda: program_of(Unit()), "has no attribute"),
    "no operator of a query": (
        lambda: program_of(Components(Values(("a", "b"), ((1, 2),)), "a", "b", "n", "m", "min")),
        "is no operator of a query",
    ),
    "a name that cannot be written": (lambda: program_of(Scan("film", ("`",))), "no name that a program can write"),
    "the answer itself": (lambda: program_of(Scan("answer", ("a",))), "would be a relation of the program itself"),
    "other attributes": (lambda: intersection(FILM, CAST), "an intersection is of the same attributes"),
    "division by all": (lambda: division(FILM, FILM), "a division is by some of title, year"),
    "division by another": (lambda: division(FILM, Values(("z",), ())), "a division is by some of"),
    "no tables": (lambda: table.of_facts([]), "are no tables by name"),
    "one column": (lambda: table.of_facts({"film": "title"}), "are a list"),
    "a column twice": (lambda: table.of_hyperedges({"film": ["a", "a"]}), "a column twice, or none"),
    "a column that is no text": (lambda: table.of_hyperedges({"film": [1]}), "is no name of a table or column"),
    "a relation of the database": (lambda: table.of_facts({"fact": ["a"]}), "is a relation of the database"),
    "a relation that is needed": (lambda: table.of_hyperedges({"negated": ["a"]}), "by which hyperedges are read"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(make, message):
    with pytest.raises(Error, match=message):
        make()


# -- another judge ------------------------------------------------------------------------------------------------------

TABLES = {"r": ("i0", "i1"), "s": ("i1", "t0"), "u": ("i2", "t0", "i0")}
"""Columns whose names begin with `i` hold whole numbers, those with `t` texts."""

VALUES = {"i": st.integers(0, 3), "t": st.sampled_from(["a", "b", "ab"])}

JUDGED: dict[object, tuple[str, object, object]] = {}
"""What an expression was made as, for the judge to do it in its own way: `division`, `intersection`."""


def rows(columns):
    return st.lists(st.tuples(*(VALUES[each[0]] for each in columns)), max_size=5, unique=True)


states = st.fixed_dictionaries({name: rows(columns) for name, columns in TABLES.items()})


@st.composite
def formulas(draw, attributes, depth=2):
    kind = draw(st.sampled_from(["compare", "compare", "not", "and", "or"] if depth else ["compare"]))
    if kind == "not":
        return Not(draw(formulas(attributes, depth - 1)))
    if kind in ("and", "or"):
        parts = tuple(draw(st.lists(formulas(attributes, depth - 1), max_size=3)))
        return And(parts) if kind == "and" else Or(parts)
    left = draw(st.sampled_from(attributes))
    others = [Attribute(each) for each in attributes if each[0] == left[0]]
    right = draw(st.sampled_from(others) | VALUES[left[0]].map(Constant))
    return Comparison(Attribute(left), draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="])), right)


def fitted(draw, expression, wanted):
    """An expression with just these attributes, made of another one where it has as many of each kind."""
    left = list(expression.attributes)
    renames = []
    for name in wanted:
        fitting = [each for each in left if each[0] == name[0]]
        assume(fitting)
        chosen = draw(st.sampled_from(fitting))
        left.remove(chosen)
        renames.append((chosen, name))
    kept = Project(expression, tuple(old for old, _ in renames))
    changed = tuple((old, new) for old, new in renames if old != new)
    return Rename(kept, changed) if changed else kept


def apart(expression, others):
    """An expression without attributes that others have."""
    renames, taken = [], {*expression.attributes, *others}
    for name in expression.attributes:
        if name in others:
            new = next(f"{name[0]}{n}" for n in range(50) if f"{name[0]}{n}" not in taken)
            taken.add(new)
            renames.append((name, new))
    return Rename(expression, tuple(renames)) if renames else expression


BINARY = ["union", "difference", "intersection", "product", "join", "join", "theta", "division", "semi", "anti", "left"]


@st.composite
def expressions(draw, depth=3):
    if not depth or draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(sorted(TABLES)))
        return Scan(name, TABLES[name])
    kind = draw(st.sampled_from(["select", "select", "project", "rename", "group", "extend", *BINARY]))
    left = draw(expressions(depth - 1))
    names = left.attributes
    assume(len(names) <= 6)
    match kind:
        case "select":
            return Select(left, draw(formulas(names)))
        case "project":
            return Project(left, tuple(draw(st.lists(st.sampled_from(names), min_size=1, unique=True))))
        case "rename":
            return apart(left, draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)))
        case "extend":
            numbers = [each for each in names if each[0] == "i"]
            assume(numbers)
            return (
                Extend(left, "i90", Call("+", (Attribute(draw(st.sampled_from(numbers))), Constant(1))))
                if "i90" not in names
                else left
            )
        case "group":
            keys = tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=2)))
            over = draw(st.sampled_from(names))
            made = [Aggregate("i80", "count")]
            if over[0] == "i":
                made.append(Aggregate("i81", draw(st.sampled_from(["sum", "min", "max"])), (over,)))
            else:
                made.append(Aggregate("t82", draw(st.sampled_from(["min", "max"])), (over,)))
            made.append(Aggregate("i83", "count_distinct", (over,)))
            assume(not {"i80", "i81", "t82", "i83"} & set(names))
            return GroupBy(left, keys, tuple(made))
    right = draw(expressions(depth - 1))
    match kind:
        case "union":
            return Union((left, fitted(draw, right, names)))
        case "difference":
            return Difference(left, fitted(draw, right, names))
        case "intersection":
            other = fitted(draw, right, names)
            made = intersection(left, other)
            JUDGED[made] = ("intersection", left, other)
            return made
        case "product":
            return Product(left, apart(right, names))
        case "theta":
            right = apart(right, names)
            return ThetaJoin(left, right, draw(formulas((*names, *right.attributes))))
        case "division":
            by = tuple(draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
            assume(len(by) < len(names))
            other = fitted(draw, right, by)
            made = division(left, other)
            JUDGED[made] = ("division", left, other)
            return made
        case "semi":
            return SemiJoin(left, right)
        case "anti":
            return AntiJoin(left, right)
        case "left":
            new = [each for each in right.attributes if each not in names]
            return LeftJoin(left, right, tuple((each, 7 if each[0] == "i" else "none") for each in new))
    return Join(left, right)


def named(attributes, of=""):
    return ", ".join(f"{of}{each}" for each in attributes)


def sql(node) -> str:
    """An expression as SQL, written without regard to how programs are made."""
    if node in JUDGED:
        kind, left, right = JUDGED[node]
        if kind == "intersection":
            return f"SELECT {named(left.attributes)} FROM ({sql(left)}) INTERSECT SELECT {named(left.attributes)} FROM ({sql(right)})"
        kept = named(node.attributes, "x.")
        same = " AND ".join(
            [f"z.{each} = x.{each}" for each in node.attributes] + [f"z.{each} = y.{each}" for each in right.attributes]
        )
        return (
            f"SELECT DISTINCT {kept} FROM ({sql(left)}) x WHERE NOT EXISTS "
            f"(SELECT 1 FROM ({sql(right)}) y WHERE NOT EXISTS (SELECT 1 FROM ({sql(left)}) z WHERE {same}))"
        )
    match node:
        case Scan(relation, names):
            return f"SELECT DISTINCT {named(names)} FROM {relation}"
        case Project(child, names):
            return f"SELECT DISTINCT {named(names)} FROM ({sql(child)})"
        case Rename(child, renames):
            new = dict(renames)
            return f"SELECT {', '.join(f'{each} AS {new.get(each, each)}' for each in child.attributes)} FROM ({sql(child)})"
        case Select(child, formula):
            return f"SELECT * FROM ({sql(child)}) WHERE {condition(formula)}"
        case Extend(child, name, operand):
            return f"SELECT *, {operand.arguments[0].name} + 1 AS {name} FROM ({sql(child)})"
        case Union((left, right)):
            return f"SELECT * FROM ({sql(left)}) UNION SELECT {named(left.attributes)} FROM ({sql(right)})"
        case Difference(left, right):
            return f"SELECT * FROM ({sql(left)}) EXCEPT SELECT {named(left.attributes)} FROM ({sql(right)})"
        case Product(left, right):
            return f"SELECT * FROM ({sql(left)}) CROSS JOIN ({sql(right)})"
        case ThetaJoin(left, right, formula):
            return f"SELECT * FROM ({sql(left)}) CROSS JOIN ({sql(right)}) WHERE {condition(formula)}"
        case Join(left, right):
            new = [each for each in right.attributes if each not in left.attributes]
            return f"SELECT {named(left.attributes, 'x.')}{', ' * bool(new)}{named(new, 'y.')} FROM ({sql(left)}) x JOIN ({sql(right)}) y ON {agree(left, right)}"
        case SemiJoin(left, right):
            return f"SELECT * FROM ({sql(left)}) x WHERE EXISTS (SELECT 1 FROM ({sql(right)}) y WHERE {agree(left, right)})"
        case AntiJoin(left, right):
            return f"SELECT * FROM ({sql(left)}) x WHERE NOT EXISTS (SELECT 1 FROM ({sql(right)}) y WHERE {agree(left, right)})"
        case LeftJoin(left, right, defaults, None):
            new = "".join(f", coalesce(y.{each}, {literal(cell)}) AS {each}" for each, cell in defaults)
            return f"SELECT {named(left.attributes, 'x.')}{new} FROM ({sql(left)}) x LEFT JOIN ({sql(right)}) y ON {agree(left, right)}"
        case GroupBy(child, keys, aggregates):
            made = {"count": "count(*)", "count_distinct": "count(DISTINCT {})", "sum": "CAST(sum({}) AS BIGINT)"}
            some = [
                f"{made.get(each.function, each.function + '({})').format(*each.parameters)} AS {each.target}"
                for each in aggregates
            ]
            by = f" GROUP BY {named(keys)}" if keys else ""
            return f"SELECT {', '.join([*keys, *some])} FROM ({sql(child)}){by} HAVING count(*) > 0"
    raise AssertionError(node)


def agree(left, right):
    return " AND ".join(f"x.{each} = y.{each}" for each in right.attributes if each in left.attributes) or "true"


def literal(cell):
    return f"'{cell}'" if isinstance(cell, str) else str(cell)


def condition(formula) -> str:
    match formula:
        case Comparison(left, operator, right):
            sides = [each.name if isinstance(each, Attribute) else literal(each.cell) for each in (left, right)]
            return f"{sides[0]} {'=' if operator == '==' else operator} {sides[1]}"
        case Not(inner):
            return f"NOT ({condition(inner)})"
        case And(parts):
            return " AND ".join(f"({condition(each)})" for each in parts) or "true"
        case Or(parts):
            return " OR ".join(f"({condition(each)})" for each in parts) or "false"
    raise AssertionError(formula)


class Judge:
    """DuckDB with the tables of one state."""

    def __init__(self) -> None:
        self.database = pytest.importorskip(
            "duckdb", reason="duckdb is not installed: there is no other judge"
        ).connect()
        for name, columns in TABLES.items():
            kinds = {"i": "BIGINT", "t": "VARCHAR"}
            self.database.execute(f"CREATE TABLE {name} ({', '.join(f'{each} {kinds[each[0]]}' for each in columns)})")

    def rows(self, expression, state):
        for name, some in state.items():
            self.database.execute(f"DELETE FROM {name}")
            if some:
                marks = ", ".join("?" * len(TABLES[name]))
                self.database.executemany(f"INSERT INTO {name} VALUES ({marks})", [list(row) for row in some])
        found = self.database.execute(f"SELECT {named(expression.attributes)} FROM ({sql(expression)})").fetchall()
        return {tuple(row) for row in found}


@pytest.fixture(scope="module")
def judge():
    made = Judge()
    with closing(made.database):
        yield made


@settings(max_examples=100)
@given(expressions(), states)
def test_programs_are_of_duckdbs_opinion(judge, expression, state):
    assert rows_of(expression, state) == judge.rows(expression, state)


@settings(max_examples=8)
@given(expressions(depth=2), st.lists(states, min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_tables_in_a_database_are_of_duckdbs_opinion(judge, expression, history, random):
    """Rows as hyperedges and as facts, said and taken back between one state and the next, by several people."""
    by_hyperedges, by_facts = table.of_hyperedges(TABLES), of_things(TABLES)
    with closing(connect(":memory:", author="ann", keyring=Keyring())) as db:
        edges, things = {}, {}
        order = expression.attributes
        standing = [db.view(rules + program_of(expression), only="answer") for rules in (by_hyperedges, by_facts)]
        for state in history:
            wanted = {(name, row) for name, some in state.items() for row in some}
            changed = [*(wanted - edges.keys()), *(edges.keys() - wanted)]
            random.shuffle(changed)
            for number, key in enumerate(sorted(changed, key=repr)):
                name, row = key
                author = "ab"[number % 2]
                if key in edges:
                    db.negate(edges.pop(key), author=author)
                    db.retract(things.pop(key), author=author)
                    continue
                columns = dict(zip(TABLES[name], row, strict=True))
                edges[key] = db.relate(("table", (name.encode(), "rows")), author=author, **columns).edge
                things[key] = repr(key).encode()
                db.transact(
                    [(things[key], f"{name}.{column}", value) for column, value in columns.items()], author=author
                )
            expected = judge.rows(expression, state)
            for rules, view in zip((by_hyperedges, by_facts), standing, strict=True):
                found = db.query(rules + program_of(expression), relation="answer")
                for answer in (found, view.relation("answer")):
                    assert {tuple(row[answer.columns.index(each)] for each in order) for row in answer} == expected


def of_things(tables):
    """Tables of facts whose attributes are called `table.column`, so that no row is one of two tables."""
    told = table.of_facts({name: [f"{name}.{column}" for column in columns] for name, columns in tables.items()})
    for name, columns in tables.items():
        for column in columns:
            told = told.replace(f"`{name}.{column}`:", f"{column}:")
    return told
