"""The operators of PomoRA, by its examples (rows R3 to R17, vectors C.4), and the identities of the algebra."""

from __future__ import annotations

import random

import pytest
from algebra_helpers import Data, rows, tuples, values
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Assign, Block, Loop, Plan, Relations, evaluate
from rhizomedb.algebra.formula import And, Attribute, Call, Comparison, Constant, Not, Or
from rhizomedb.algebra.program import scans
from rhizomedb.algebra.relation import (
    DEPTH_MAX,
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
from rhizomedb.facts.value import TRUE, exact
from rhizomedb.logic.builtins import AGGREGATES, user_aggregate


def compare(left: str, operator: str, right: object) -> Comparison:
    return Comparison(Attribute(left), operator, Constant(exact(right)))  # type: ignore[arg-type]


def equal(left: str, right: str) -> Comparison:
    return Comparison(Attribute(left), "==", Attribute(right))


def colours(*names: str) -> Values:
    return values("colour", *((name,) for name in names))


RGB = colours("Red", "Green", "Blue")
CMY = colours("Cyan", "Magenta", "Yellow")
ROYGBIV = colours("Red", "Orange", "Yellow", "Green", "Blue", "Indigo", "Violet")
AUTHORS = values(
    "id name born",
    (1, "Kōbō Abe", 1924),
    (2, "Jorge Luis Borges", 1899),
    (3, "Italo Calvino", 1923),
    (4, "Umberto Eco", 1932),
)
DIRECTORS = values(
    "id name born",
    (1, "Béla Tarr", 1955),
    (2, "Andrei Tarkovsky", 1932),
    (3, "Greta Gerwig", 1983),
    (4, "Věra Chytilová", 1929),
    (5, "Darren Aronofsky", 1969),
)
LANGUAGES = values("language year", ("Ruby", 1995), ("Prolog", 1972), ("Haskell", 1990))
FRAMEWORKS = values(
    "framework language", ("Rails", "Ruby"), ("Sinatra", "Ruby"), ("weblog", "Prolog"), ("Yesod", "Haskell")
)
BUDGETS = values("budget_category_id budget", (1, 100), (2, 50))
COSTS = values("product_id product_category_id cost", (1, 1, 80), (2, 1, 90), (3, 1, 120), (4, 2, 60), (5, 2, 20))
CATEGORIES = values("category_id category", (1, "Electronics"), (2, "Books"))
PRODUCTS = values(
    "product_id product_category_id product",
    (1, 1, "Tele-Multiplay 6000"),
    (2, 1, "Xerox 8"),
    (3, 2, "Foucault's Pendulum"),
    (4, 2, "100 Years of Solitude"),
)
STOCK = values("product_id product_category_id product_stock", (1, 1, 3), (2, 1, 5), (3, 2, 12), (4, 2, 7))
USERS = values("id name", (1, "u1"), (2, "u2"), (3, "u3"))
ADMINS = values("id", (1,), (2,))
RANKS, SUITS = values("rank", *zip("AKQJ")), values("suit", *zip("♠♥♦♣"))
AFFORDABLE = And(
    (equal("budget_category_id", "product_category_id"), Comparison(Attribute("cost"), "<", Attribute("budget")))
)


@pytest.mark.parametrize(
    ("expression", "attributes", "expected"),
    [
        pytest.param(
            Project(AUTHORS, ("id", "name")),
            "id name",
            [(1, "Kōbō Abe"), (2, "Jorge Luis Borges"), (3, "Italo Calvino"), (4, "Umberto Eco")],
            id="R5 projection",
        ),
        pytest.param(
            Project(Extend(AUTHORS, "k", Constant(1)), ("k",)), "k", [(1,)], id="R5 projection is a set operation"
        ),
        pytest.param(
            Rename(values("foo", (1,), (2,), (3,)), (("foo", "bar"),)), "bar", [(1,), (2,), (3,)], id="R6 rename"
        ),
        pytest.param(
            Project(Rename(values("a b", (1, 2)), (("a", "b"), ("b", "a"))), ("a", "b")),
            "a b",
            [(2, 1)],
            id="R6 fused swap",
        ),
        pytest.param(
            Project(Select(DIRECTORS, compare("born", "<", 1960)), ("id",)), "id", [(1,), (2,), (4,)], id="R7 selection"
        ),
        pytest.param(
            Union((RGB, CMY, ROYGBIV)),
            "colour",
            list(zip(["Red", "Green", "Blue", "Cyan", "Magenta", "Yellow", "Orange", "Indigo", "Violet"])),
            id="R8 union",
        ),
        pytest.param(
            Difference(ROYGBIV, RGB),
            "colour",
            list(zip(["Orange", "Yellow", "Indigo", "Violet"])),
            id="R9 difference, E16",
        ),
        pytest.param(Product(RANKS, SUITS), "rank suit", [(r, s) for r in "AKQJ" for s in "♠♥♦♣"], id="R10 product"),
        pytest.param(
            Join(LANGUAGES, FRAMEWORKS),
            "language year framework",
            [
                ("Ruby", 1995, "Rails"),
                ("Ruby", 1995, "Sinatra"),
                ("Prolog", 1972, "weblog"),
                ("Haskell", 1990, "Yesod"),
            ],
            id="R11 natural join, E17",
        ),
        pytest.param(
            Join(RANKS, SUITS), "rank suit", [(r, s) for r in "AKQJ" for s in "♠♥♦♣"], id="R11 nothing in common"
        ),
        pytest.param(
            ThetaJoin(BUDGETS, COSTS, AFFORDABLE),
            "budget_category_id budget product_id product_category_id cost",
            [(1, 100, 1, 1, 80), (1, 100, 2, 1, 90), (2, 50, 5, 2, 20)],
            id="R12 theta join, E18",
        ),
        pytest.param(
            EquiJoin(CATEGORIES, PRODUCTS, equal("category_id", "product_category_id")),
            "category_id category product_id product_category_id product",
            [
                (1, "Electronics", 1, 1, "Tele-Multiplay 6000"),
                (1, "Electronics", 2, 1, "Xerox 8"),
                (2, "Books", 3, 2, "Foucault's Pendulum"),
                (2, "Books", 4, 2, "100 Years of Solitude"),
            ],
            id="R13 equijoin",
        ),
        pytest.param(
            EquiJoin(
                CATEGORIES,
                PRODUCTS,
                And((equal("product_category_id", "category_id"), compare("category_id", "==", 2))),
            ),
            "category_id category product_id product_category_id product",
            [(2, "Books", 3, 2, "Foucault's Pendulum"), (2, "Books", 4, 2, "100 Years of Solitude")],
            id="R13 equijoin, the other way round, with a constant",
        ),
        pytest.param(SemiJoin(USERS, ADMINS), "id name", [(1, "u1"), (2, "u2")], id="R14 semijoin"),
        pytest.param(AntiJoin(USERS, ADMINS), "id name", [(3, "u3")], id="R15 antijoin"),
        pytest.param(AntiJoin(ADMINS, values("x")), "id", [(1,), (2,)], id="R15 nothing in common, right empty"),
        pytest.param(AntiJoin(ADMINS, values("x", (1,))), "id", [], id="R15 nothing in common, right not empty"),
        pytest.param(
            GroupBy(STOCK, ("product_category_id",), (Aggregate("total_stock", "sum", ("product_stock",)),)),
            "product_category_id total_stock",
            [(1, 8), (2, 19)],
            id="R16 group by",
        ),
        pytest.param(
            GroupBy(
                STOCK,
                (),
                (
                    Aggregate("n", "count"),
                    Aggregate("low", "min", ("product_stock",)),
                    Aggregate("high", "max", ("product_stock",)),
                    Aggregate("mean", "avg", ("product_stock",)),
                    Aggregate("kinds", "count_distinct", ("product_category_id",)),
                ),
            ),
            "n low high mean kinds",
            [(4, 3, 12, 6.75, 2)],
            id="R16 every aggregate",
        ),
        pytest.param(GroupBy(values("a"), (), (Aggregate("n", "count"),)), "n", [], id="R16 no tuples, no group"),
        pytest.param(
            Project(
                Select(
                    values(
                        "id region accepted",
                        (1, "Europe", True),
                        (2, "Europe", False),
                        (3, "SE Asia", True),
                        (4, "S America", False),
                    ),
                    Or((Not(compare("region", "==", "Europe")), compare("accepted", "==", True))),
                ),
                ("id",),
            ),
            "id",
            [(1,), (3,), (4,)],
            id="R18 formula",
        ),
        pytest.param(Extend(values("a", (1,), (2,)), "b", Attribute("a")), "a b", [(1, 1), (2, 2)], id="E20 copy"),
        pytest.param(
            Extend(values("a", (1,), ("x",)), "b", Call("*", (Attribute("a"), Constant(3)))),
            "a b",
            [(1, 3)],
            id="E20 no result, no tuple",
        ),
        pytest.param(Unit(), "", [()], id="E15e unit"),
        pytest.param(
            LeftJoin(USERS, values("id n", (1, 7), (1, 8)), (("n", 0),)),
            "id name n",
            [(1, "u1", 7), (1, "u1", 8), (2, "u2", 0), (3, "u3", 0)],
            id="E15i left join",
        ),
        pytest.param(
            LeftJoin(USERS, values("id n", (1, 7)), (("n", 0),), values("id", (2,))),
            "id name n",
            [(1, "u1", 7), (3, "u3", 0)],
            id="E15i left join with support",
        ),
        pytest.param(
            Select(AUTHORS, And((compare("id", "==", 1), compare("id", "==", 2)))),
            "id name born",
            [],
            id="contradiction",
        ),
    ],
)
@pytest.mark.parametrize("probe", [True, False])
def test_operator(expression: Relation, attributes: str, expected: list, probe: bool):
    assert expression.attributes == tuple(attributes.split())
    assert tuples(expression, probe=probe) == rows(expected)


@pytest.mark.parametrize(
    ("build", "code"),
    [
        pytest.param(lambda: Project(AUTHORS, ("nom",)), "algebra.attributes", id="R5 unknown"),
        pytest.param(lambda: Project(AUTHORS, ("id", "id")), "algebra.attributes", id="R5 twice"),
        pytest.param(lambda: Rename(AUTHORS, (("nom", "x"),)), "algebra.attributes", id="R6 from is absent"),
        pytest.param(lambda: Rename(AUTHORS, (("id", "name"),)), "algebra.attributes", id="R6 to is present"),
        pytest.param(lambda: Rename(AUTHORS, (("id", "a"), ("id", "b"))), "algebra.attributes", id="R6 twice"),
        pytest.param(lambda: Select(AUTHORS, compare("died", "<", 1)), "algebra.attributes", id="R7 unknown"),
        pytest.param(lambda: Union((RGB, AUTHORS)), "algebra.attributes", id="R8 different attributes"),
        pytest.param(lambda: Union(()), "algebra.attributes", id="R8 of nothing"),
        pytest.param(lambda: Difference(RGB, AUTHORS), "algebra.attributes", id="R9 different attributes"),
        pytest.param(lambda: Product(USERS, ADMINS), "algebra.attributes", id="R10 shared attribute"),
        pytest.param(lambda: ThetaJoin(USERS, ADMINS, And(())), "algebra.attributes", id="R12 shared attribute"),
        pytest.param(lambda: EquiJoin(USERS, ADMINS, And(())), "algebra.attributes", id="R13 shared attribute"),
        pytest.param(lambda: EquiJoin(BUDGETS, COSTS, AFFORDABLE), "algebra.formula", id="R13 not an equality"),
        pytest.param(lambda: GroupBy(STOCK, ("shop",), ()), "algebra.attributes", id="R16 unknown key"),
        pytest.param(
            lambda: GroupBy(STOCK, (), (Aggregate("n", "sum", ("shop",)),)),
            "algebra.attributes",
            id="R16 unknown parameter",
        ),
        pytest.param(
            lambda: GroupBy(STOCK, ("product_id",), (Aggregate("product_id", "count"),)),
            "algebra.attributes",
            id="R16 clash",
        ),
        pytest.param(lambda: Extend(USERS, "id", Constant(1)), "algebra.attributes", id="E20 present already"),
        pytest.param(lambda: Extend(USERS, "x", Attribute("y")), "algebra.attributes", id="E20 unknown"),
        pytest.param(lambda: LeftJoin(USERS, STOCK, ()), "algebra.attributes", id="E15i a default is missing"),
        pytest.param(
            lambda: LeftJoin(USERS, ADMINS, (), values("x")),
            "algebra.attributes",
            id="E15i support over other attributes",
        ),
        pytest.param(lambda: Values(("a",), ((1, 2),)), "algebra.row", id="values of another width"),
        pytest.param(lambda: Call("upcase", (Attribute("a"),)), "algebra.formula", id="R18 unknown function"),
        pytest.param(lambda: compare("a", "=~", 1), "algebra.formula", id="R18 unknown comparison"),
        pytest.param(
            lambda: Plan(Block((Assign("r", Scan("s", ("a",))),)), {}, {"r": ("a",)}),
            "algebra.unknown-relation",
            id="scan",
        ),
        pytest.param(lambda: Plan(Block((Assign("r", Unit()),)), {}, {}), "algebra.unknown-relation", id="assign"),
        pytest.param(
            lambda: Plan(Block((Assign("r", Unit()),)), {}, {"r": ("a",)}),
            "algebra.attributes",
            id="assigned attributes",
        ),
        pytest.param(
            lambda: Plan(Block((Assign("r", Scan("s", ("b",))),)), {"s": ("a",)}, {"r": ("b",)}),
            "algebra.attributes",
            id="scanned attributes",
        ),
        pytest.param(
            lambda: tuples(GroupBy(STOCK, (), (Aggregate("n", "median", ("product_stock",)),))),
            "algebra.unknown-aggregate",
            id="R16 unknown aggregate",
        ),
        pytest.param(lambda: Relations({"r": (("a",), [(1, 2)])}), "algebra.row", id="data of another width"),
    ],
)
def test_ill_formed(build, code):
    with pytest.raises(PlanError) as caught:
        build()
    assert caught.value.code == code


def test_r3_assignment_is_inflationary():
    block = Block((Assign("r", colours("a")), Assign("r", colours("b"))))
    found = evaluate(Plan(block, {}, {"r": ("colour",)}), Relations({}))
    assert set(found.relations["r"]) == {("a",), ("b",)}


def closure(seminaive: bool) -> set:
    edge, path = Scan("edge", ("from", "to")), Scan("path", ("from", "to"))
    step = Project(
        Join(Rename(edge, (("to", "via"),)), Rename(path, (("from", "via"),))),
        ("from", "to"),
    )
    plan = Plan(
        Block((Assign("path", edge), Loop(Block((Assign("path", step),))))),
        {"edge": ("from", "to")},
        {"path": ("from", "to")},
    )
    source = Relations({"edge": (("from", "to"), [(n, n + 1) for n in range(4)])})
    return set(evaluate(plan, source, seminaive=seminaive).relations["path"])


@pytest.mark.parametrize("seminaive", [True, False])
def test_r4_loop_until_nothing_grows(seminaive):
    assert closure(seminaive) == {(a, b) for a in range(5) for b in range(a + 1, 5)}


def test_r4_loop_that_is_not_monotone_is_run_as_written():
    grown = Difference(values("a", (1,), (2,)), Scan("r", ("a",)))
    plan = Plan(Block((Loop(Block((Assign("r", grown),))),)), {}, {"r": ("a",)})
    assert set(evaluate(plan, Relations({})).relations["r"]) == {(1,), (2,)}


def test_r8_any_nesting_of_unions_is_equal():
    flat = tuples(Union((RGB, CMY, ROYGBIV)))
    assert tuples(Union((Union((RGB, CMY)), ROYGBIV))) == tuples(Union((RGB, Union((CMY, ROYGBIV))))) == flat
    assert len(flat) == 9


def test_r17_user_aggregates_do_not_see_the_order():
    first = user_aggregate("spelled", lambda held: "".join(str(cell) for (cell,) in held))
    known = {**AGGREGATES, "spelled": first}
    data = [(n,) for n in range(20)]
    found = set()
    for seed in range(10):
        turned = values("a", *random.Random(seed).sample(data, len(data)))
        found |= tuples(GroupBy(turned, (), (Aggregate("s", "spelled", ("a",)),)), aggregates=known)
    assert len(found) == 1


def test_printing():
    expression = Project(Select(Join(Scan("p", ("a",), "C"), Scan("q", ("a", "b"))), compare("b", "<", 3)), ("a",))
    assert str(expression) == "project[a](select[b < 3](natural_join(p[cid: C], q)))"
    assert str(Loop(Block((Assign("r", expression),)))).startswith("loop\n  r :- project")
    assert str(GroupBy(STOCK, ("product_id",), (Aggregate("n", "count"),))).startswith(
        "group_by[product_id; n = count()]"
    )


def test_a_thousand_joins_do_not_reach_pythons_limits():
    """A left-deep tree is followed in a loop."""
    expression: Relation = Scan("p", ("a",))
    for _ in range(1000):
        expression = Select(Join(expression, Scan("p", ("a",))), compare("a", ">", 0))
        expression = AntiJoin(expression, Scan("q", ("a",)))
    data: Data = {"p": (("a",), [(0,), (1,), (2,)]), "q": (("a",), [(2,)])}
    assert tuples(expression, data) == {(1,)}
    assert len(str(expression)) > 10_000
    assert len(list(scans(expression))) == 2001


def test_nesting_too_deep_is_refused():
    expression: Relation = ADMINS
    with pytest.raises(PlanError) as caught:
        for _ in range(DEPTH_MAX + 1):
            expression = Project(expression, ("id",))
    assert caught.value.code == "algebra.too-deep"


def test_nesting_as_deep_as_allowed():
    expression: Relation = Scan("p", ("a",))
    for _ in range(DEPTH_MAX // 2 - 1):
        expression = Join(Scan("p", ("a",)), Project(expression, ("a",)))
    assert tuples(expression, {"p": (("a",), [(1,)])}) == {(1,)}


CELLS = st.sampled_from([0, 1, 2, exact(1.0), TRUE, "1"])


def relation_over(names: str) -> st.SearchStrategy[Values]:
    attributes = tuple(names.split())
    return st.lists(st.tuples(*[CELLS] * len(attributes)), max_size=6).map(lambda held: Values(attributes, tuple(held)))


def ordered(expression: Relation, probe: bool = True) -> set:
    return tuples(Project(expression, tuple(sorted(expression.attributes))), probe=probe)


@given(relation_over("a b"), relation_over("b c"), relation_over("c d"), st.booleans())
@settings(max_examples=60, deadline=None)
def test_identities_of_joins(p: Values, q: Values, r: Values, probe: bool):
    def same(one: Relation, other: Relation) -> None:
        assert ordered(one, probe) == ordered(other, probe)

    same(Join(p, q), Join(q, p))
    same(Join(Join(p, q), r), Join(p, Join(q, r)))
    same(Join(p, p), p)
    same(Join(p, r), Product(p, r))
    same(SemiJoin(p, q), Project(Join(p, q), ("a", "b")))
    same(AntiJoin(p, q), Difference(p, SemiJoin(p, q)))
    same(Union((SemiJoin(p, q), AntiJoin(p, q))), p)
    same(ThetaJoin(p, r, equal("a", "d")), Select(Product(p, r), equal("a", "d")))
    same(EquiJoin(p, r, equal("a", "d")), Select(Product(p, r), equal("a", "d")))
    same(
        Project(EquiJoin(p, Rename(q, (("b", "e"),)), equal("b", "e")), ("a", "b", "c")),
        Join(p, q),
    )
    same(Project(LeftJoin(p, q, (("c", "none"),)), ("a", "b")), p)
    same(Select(LeftJoin(p, q, (("c", "none"),)), Not(compare("c", "==", "none"))), Join(p, q))
    same(Select(Join(p, q), compare("b", "==", 1)), Join(Select(p, compare("b", "==", 1)), q))
    same(
        Select(Extend(p, "z", Attribute("a")), compare("z", "==", 1)),
        Extend(Select(p, compare("a", "==", 1)), "z", Constant(1)),
    )
    same(
        Join(Extend(p, "c", Attribute("b")), r),
        Rename(Join(Extend(p, "e", Attribute("b")), Rename(r, (("c", "e"),))), (("e", "c"),)),
    )
