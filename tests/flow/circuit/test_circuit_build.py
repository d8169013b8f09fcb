"""Plans of every shape as circuits: each operator of PomoRA under random histories, beside the evaluator."""

from __future__ import annotations

import pytest
from circuit_helpers import follow, histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Assign, Block, Loop, Plan
from rhizomedb.algebra.formula import And, Attribute, Call, Comparison, Constant, Not, Or
from rhizomedb.algebra.relation import (
    Aggregate,
    AntiJoin,
    Difference,
    EquiJoin,
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
from rhizomedb.errors import FlowError
from rhizomedb.facts.cid import Cid
from rhizomedb.flow.circuit import Dataflow, ZSet, build
from rhizomedb.logic.builtins import AGGREGATES, user_aggregate

LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

STORED = {"r": ("a", "b"), "s": ("b", "c"), "v": ("$cid", "x", "y")}
R, S = Scan("r", ("a", "b")), Scan("s", ("b", "c"))
R2 = Rename(R, (("a", "d"), ("b", "e")))
A, B, C, D, E = map(Attribute, "abcde")


def same(one, other):
    return Comparison(one, "==", other)


EXPRESSIONS = {
    "unit": Unit(),
    "values": Values(("a",), ((1,), (2,), (1,))),
    "no values": Values(("a",), ()),
    "scan": R,
    "scan in another order": Scan("r", ("b", "a")),
    "scan of some columns": Scan("r", ("b",)),
    "scan with cid": Scan("v", ("x",), cid="C"),
    "scan with a cid that is called as a column is": Scan("v", ("x",), cid="y"),
    "project": Project(R, ("b",)),
    "project to nothing": Project(R, ()),
    "rename that swaps (R6)": Rename(R, (("a", "b"), ("b", "a"))),
    "select (R7)": Select(R, Comparison(A, "<", B)),
    "select by a formula (R18)": Select(R, Or((Not(same(A, Constant(1))), And((same(B, Constant(2)),))))),
    "extend (E20)": Extend(R, "n", Call("+", (A, B))),
    "extend without a result": Extend(R, "n", Call("/", (A, B))),
    "union (R8)": Union((R, Rename(S, (("c", "a"),)), Project(R, ("b", "a")))),
    "difference (R9)": Difference(R, Rename(S, (("b", "a"), ("c", "b")))),
    "difference of bags": Difference(Project(R, ("b",)), Project(S, ("b",))),
    "product (R10)": Product(R, R2),
    "join (R11)": Join(R, S),
    "join without common attributes": Join(Project(R, ("a",)), Project(S, ("c",))),
    "join on everything": Join(R, Rename(S, (("b", "a"), ("c", "b")))),
    "join of bags": Join(Project(R, ("b",)), Project(S, ("b",))),
    "theta join (R12)": ThetaJoin(R, R2, And((same(B, D), Comparison(A, "<", E)))),
    "theta join by order alone": ThetaJoin(R, R2, Comparison(A, "<", E)),
    "theta join by either": ThetaJoin(R, R2, Or((same(A, D), same(B, E)))),
    "equijoin (R13)": EquiJoin(R, R2, And((same(D, B), same(A, Constant(1))))),
    "semijoin (R14)": SemiJoin(R, S),
    "semijoin without common attributes": SemiJoin(R, Project(S, ("c",))),
    "antijoin (R15)": AntiJoin(R, S),
    "antijoin without common attributes (R15)": AntiJoin(R, Project(S, ("c",))),
    "antijoin of a bag": AntiJoin(Project(R, ("b",)), S),
    "left join (E15i)": LeftJoin(R, S, (("c", 0),)),
    "left join of bags": LeftJoin(Project(R, ("b",)), Project(S, ("b",)), ()),
    "left join with support": LeftJoin(R, Select(S, Comparison(C, "<", Constant(2))), (("c", 0),), Project(S, ("b",))),
    "left join with support for all": LeftJoin(R, S, (("c", 9),), Project(S, ())),
    "group by (R16)": GroupBy(R, ("a",), (Aggregate("n", "count"), Aggregate("m", "max", ("b",)))),
    "group by nothing": GroupBy(R, (), (Aggregate("n", "sum", ("b",)),)),
    "group by everything": GroupBy(R, ("b", "a"), (Aggregate("n", "count"),)),
    "group of bags": GroupBy(Project(R, ("b",)), (), (Aggregate("n", "count"),)),
    "group by with its own (L20)": GroupBy(R, (), (Aggregate("n", "dot", ("a", "b")),)),
    "group without a result": GroupBy(R, ("a",), (Aggregate("n", "none", ("b",)),)),
    "a chain": Join(AntiJoin(GroupBy(Join(R, S), ("a", "b"), (Aggregate("n", "count"),)), Rename(S, (("c", "n"),))), S),
}  # fmt: skip

OWN = {
    **AGGREGATES,
    "dot": user_aggregate("dot", lambda rows: sum(x * y for x, y in rows), 2, empty=0),
    "none": user_aggregate("none", lambda rows: None),
}

NUMBERS = st.integers(0, 3)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8)
DATA = st.fixed_dictionaries(
    {"r": PAIRS, "s": PAIRS, "v": PAIRS.map(lambda rows: [(Cid.of(bytes(row)), *row) for row in rows])}
)


def plan_of_expression(expression):
    return Plan(Block((Assign("p", expression),)), STORED, {"p": expression.attributes})


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=list(EXPRESSIONS))
@given(st.data(), DATA)
@LAWS
def test_an_expression_is_kept_up_to_date(expression, data, rows):
    follow(plan_of_expression(expression), data.draw(histories(rows)), OWN)


EDGE = Scan("r", ("a", "b"))
PATH = Scan("p", ("a", "b"))
ADJACENT = Rename(Scan("p", ("a", "b")), (("a", "b"), ("b", "c")))
STEP = Rename(Project(Join(EDGE, ADJACENT), ("a", "c")), (("c", "b"),))


def every_operator_in_a_loop(expression):
    """p grows by what an expression over q = p (under other names) gives."""
    return Loop(Block((Assign("p", EDGE), Assign("p", expression))))


LOOPS = {
    "select": Select(STEP, Comparison(A, "!=", B)),
    "extend": Project(Rename(Extend(PATH, "n", Call("least", (B, Constant(1)))), (("b", "x"), ("n", "b"))), ("a", "b")),
    "union": Union((STEP, Rename(PATH, (("a", "b"), ("b", "a"))))),
    "product": Rename(Project(Product(PATH, Rename(S, (("b", "d"), ("c", "e")))), ("a", "d")), (("d", "b"),)),
    "theta join": Rename(Project(ThetaJoin(PATH, R2, And((same(B, D),))), ("a", "e")), (("e", "b"),)),
    "semijoin with the loop": Rename(SemiJoin(Rename(S, (("b", "a"),)), Project(PATH, ("a",))), (("c", "b"),)),
    "semijoin with what is stored": SemiJoin(STEP, S),
    "antijoin": AntiJoin(STEP, S),
    "difference": Difference(STEP, Rename(S, (("b", "a"), ("c", "b")))),
    "left join": Project(
        Rename(LeftJoin(PATH, S, (("c", 0),), Select(Project(S, ("b",)), Comparison(B, "<", Constant(2)))), (("b", "x"), ("c", "b"))),
        ("a", "b"),
    ),
    "what does not read the loop": Rename(
        Project(GroupBy(Join(R, S), ("a",), (Aggregate("n", "count"),)), ("a", "n")), (("n", "b"),)
    ),
    "join with itself": Rename(Project(Join(PATH, ADJACENT), ("a", "c")), (("c", "b"),)),
}  # fmt: skip


@pytest.mark.parametrize("expression", LOOPS.values(), ids=list(LOOPS))
@given(st.data(), DATA)
@LAWS
def test_operators_in_a_loop(expression, data, rows):
    plan = Plan(Block((every_operator_in_a_loop(expression),)), STORED, {"p": ("a", "b")})
    follow(plan, data.draw(histories(rows)))


@given(st.data(), DATA)
@LAWS
def test_statements_are_in_order(data, rows):
    """R3: a relation that is read between two assignments is read as it is there; loops go on from what is there."""
    swapped = Rename(PATH, (("a", "b"), ("b", "a")))
    q = Scan("q", ("a", "b"))
    block = Block(
        (
            Assign("p", EDGE),
            Assign("q", Difference(swapped, PATH)),
            Assign("p", Rename(S, (("b", "a"), ("c", "b")))),
            Assign("p", STEP),
            Assign("q", Difference(PATH, q)),
            Loop(Block((Assign("p", STEP), Loop(Block((Assign("q", Join(PATH, q)), Assign("p", q))))))),
            Assign("q", SemiJoin(swapped, S)),
        )
    )
    follow(Plan(block, STORED, {"p": ("a", "b"), "q": ("b", "a"), "never": ("z",)}), data.draw(histories(rows)))


def test_a_plan_may_name_what_is_not_there():
    unknown = Plan(Block(()), {"r": ("a", "b")}, {"p": ("a",)})
    assert Dataflow.of(unknown).step({"r": ZSet.of([(1, 2)])}) == {"p": ZSet()}
    with pytest.raises(FlowError, match=r"flow\.unknown: there is no aggregate `cnt`") as caught:
        build(plan_of_expression(GroupBy(R, (), (Aggregate("n", "cnt"),))))
    assert caught.value.nearest == ("count",)
