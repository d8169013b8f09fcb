"""Schemas and HyperViews as the RhizomeDB specification has them: cases H31 to H48, and its films."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.errors import BudgetExceeded, Error
from rhizomedb.facts.clock import HybridTime
from rhizomedb.hyper import Pointer, Reference, schema_edges
from rhizomedb.hyper.json_delta import JsonDelta, read
from rhizomedb.hyper.primitive import PRIMITIVES
from rhizomedb.hyper.schema import DEPTH_MAX, TOO_DEEP, Condition, HyperSchema, Nest, Property, Schemas

FILMS = Path(__file__).parent.parent / "data" / "films" / "movies.deltas.jsonl.gz"

STANDARD = HyperSchema("std", "Standard")


def edge(id, t, *pointers):
    made = [
        Pointer(role, Reference(target[0].encode(), target[1]) if isinstance(target, tuple) else target)
        for role, target in pointers
    ]
    return JsonDelta(id.encode(), HybridTime(t, 0), "a", "s", tuple(made), None)


def said(id, t, thing, prop, value):
    return edge(id, t, ("e", (thing, prop)), (prop, value))


def negation(id, t, target):
    return edge(id, t, ("negates", (target, "negated_by")))


def say(db, *statements):
    db.pass_on(statements, author="importer", origin="test")


def shape(view):
    """A view as names: of each property the ids of its hyperedges, nested views in the place of targets."""
    return {
        property: [
            (
                each.edge.edge.decode(),
                {role: shape(target) for role, target in each.targets if hasattr(target, "schema")},
            )
            for each in entries
        ]
        for property, entries in view.properties.items()
    }


def ids(view):
    return {property: [each.edge.edge.decode() for each in entries] for property, entries in view.properties.items()}


def test_h31_nothing_is_shown_of_what_nobody_knows(db):
    view = db.hyperview("nothing", STANDARD)
    assert (view.id, dict(view.properties), view.to_dict()) == ("nothing", {}, {"id": "nothing"})


def test_h32_one_hyperedge_shows_up_under_each_of_its_contexts(db):
    say(db, edge("d", 1, ("a", ("o", "c")), ("b", ("o", "d"))))
    assert ids(db.hyperview("o", STANDARD)) == {"c": ["d"], "d": ["d"]}


def test_h33_twice_under_one_context_is_once(db):
    say(db, edge("d", 1, ("a", ("o", "c")), ("b", ("o", "c"))))
    assert ids(db.hyperview("o", STANDARD)) == {"c": ["d"]}


def test_h34_without_a_context_it_is_found_and_not_shown(db):
    say(db, edge("d", 1, ("a", ("o", None))))
    assert ids(db.hyperview("o", STANDARD)) == {}
    assert len(db.hyperedges(targets=["o"])) == 1


def test_h35_a_schema_selects_some_contexts(db):
    say(db, said("a", 1, "o", "c", 1), said("b", 2, "o", "d", 1))
    assert ids(db.hyperview("o", HyperSchema("x", "X", frozenset(["c"])))) == {"c": ["a"]}
    assert ids(db.hyperview("o", HyperSchema("x", "X", frozenset()))) == {}


FRIENDS = HyperSchema("friends", "Friends", nests={"friend": Nest("std")})


def test_h36_a_target_is_shown_by_the_schema_of_its_role(db):
    say(db, edge("d", 1, ("me", ("x", "f")), ("friend", ("y", "g"))), said("n", 2, "y", "name", "Y"))
    view = db.hyperview("x", FRIENDS, schemas=[STANDARD])
    assert shape(view) == {"f": [("d", {"friend": {"g": [("d", {})], "name": [("n", {})]}})]}
    (_, friend) = view.to_dict()["f"][0]["pointers"]
    assert sorted(friend["target"]) == ["g", "id", "name"]


@pytest.mark.parametrize(("value", "nested"), [(5, True), (4, False), (5.0, False), ("5", False), (True, False)])
def test_h37_where_a_condition_does_not_hold_the_target_stays(db, value, nested):
    schema = HyperSchema("friends", "Friends", nests={"friend": Nest("std", (Condition("since", ">=", 5),))})
    say(db, edge("d", 1, ("me", ("x", "f")), ("friend", ("y", "g")), ("since", value)))
    ((role, target), *_) = [
        each for each in db.hyperview("x", schema, schemas=[STANDARD])["f"][0].targets if each[0] == "friend"
    ]
    assert (hasattr(target, "schema"), role) == (nested, "friend")
    if not nested:
        assert target == Reference(b"y", "g")


def test_h38_a_rule_to_no_schema_is_an_error(db):
    with pytest.raises(Error, match="there is no schema 'std', to which Friends leads by friend") as refused:
        db.hyperview("x", FRIENDS)
    assert refused.value.code == "hyper.unknown-schema"


NAMES = [
    "id",
    "constructor",
    "toString",
    "hasOwnProperty",
    "__proto__",
    "_metadata",
    "__class__",
    "properties",
    '"); x',
]


@pytest.mark.parametrize("name", NAMES)
def test_h39_and_h40_no_name_spoils_a_view(db, name):
    schema = HyperSchema("s", "S", nests={name: Nest("std")}, properties={name: Property()})
    say(db, edge("d", 1, ("e", ("o", name)), (name, ("p", None))), said("n", 2, "o", "title", "T"))
    for of in (STANDARD, schema, HyperSchema("s", "S", frozenset([name, "title"]))):
        view = db.hyperview("o", of, schemas=[STANDARD])
        assert ids(view) == {name: ["d"], "title": ["n"]}
        assert set(view.to_dict()) == {"id", "title", "id[]" if name == "id" else name}


def test_h41_a_moment_includes_what_was_said_at_it(db):
    say(db, said("a", 1000, "o", "p", 1), said("b", 2000, "o", "p", 2))
    shown = [len(db.as_of(moment).hyperview("o", STANDARD)["p"]) for moment in (999, 1000, 1999, 2000)]
    assert shown == [0, 1, 1, 2]


# -- schemas -----------------------------------------------------------------------------------------------------------


def test_h42_schemas_that_lead_back_to_themselves_are_refused_by_name(db):
    db.define(HyperSchema("b", "B"))
    db.define(HyperSchema("a", "A", nests={"r": Nest("b")}))
    with pytest.raises(Error, match=r"without end: (A → B → A|B → A → B)") as refused:
        db.define(HyperSchema("b", "B", nests={"r": Nest("a")}))
    assert refused.value.code == "hyper.cycle"
    with pytest.raises(Error, match="C → C"):
        HyperSchema("c", "C", nests={"r": Nest("c")})
    assert db.schemas()["b"].nests == {}


def test_h43_a_schema_that_is_not_here_is_no_ring():
    Schemas([HyperSchema("a", "A", nests={"r": Nest("x"), "q": Nest("x")})])


def test_h45_what_was_said_since_is_shown(db):
    say(db, said("a", 1, "o", "p", 1))
    assert ids(db.hyperview("o", STANDARD)) == {"p": ["a"]}
    say(db, said("b", 2, "o", "p", 2), negation("n", 3, "a"))
    assert ids(db.hyperview("o", STANDARD)) == {"p": ["b"]}


def test_what_is_taken_back_is_marked_where_that_is_asked_for(db):
    movie = HyperSchema("m", "M", nests={"to": Nest("std")}, properties={"p": Property(required=True)})
    say(
        db,
        said("a", 1, "o", "p", 1),
        edge("b", 2, ("from", ("o", "q")), ("to", ("x", None))),
        said("c", 3, "x", "p", 1),
    )
    say(db, negation("n1", 4, "a"), negation("n2", 5, "b"), negation("n3", 6, "c"), negation("n4", 7, "n3"))
    assert ids(db.hyperview("o", movie, schemas=[STANDARD])) == {}
    view = db.hyperview("o", movie, schemas=[STANDARD], negated="mark")
    assert shape(view) == {"p": [("a", {})], "q": [("b", {"to": {"p": [("c", {})]}})]}
    (nested,) = view["q"][0].values("to")
    assert [entry.edge.is_negated for entry in (view["p"][0], view["q"][0], nested["p"][0])] == [True, True, False]
    assert view.missing() == ["p"]
    written = view.to_dict()
    assert written["p"][0]["is_negated"] is True
    assert "is_negated" not in written["q"][0]["pointers"][1]["target"]["p"][0]
    db.negate(db.relate(e=("x", "q"), q=1, author="ann").edge, author="ben")
    found = [db.hyperview("x", STANDARD, negated="mark", trusted=some)["q"][0] for some in (None, [], ["ben"])]
    assert [entry.edge.is_negated for entry in found] == [True, False, True]
    with pytest.raises(Error, match="a view has no negated='only'"):
        db.hyperview("o", movie, negated="only")


def test_h46_order_depth_and_dependents():
    schemas = Schemas([HyperSchema("A", "A", nests={"r": Nest("B")}), HyperSchema("B", "B")])
    assert (schemas.order, schemas.depth("A"), schemas.depth("B"), schemas.dependents("B")) == (("B", "A"), 2, 1, {"A"})


def test_h47_a_version_is_that_of_what_is_said():
    one = HyperSchema(
        "A", "A", nests={"r": Nest("B"), "q": Nest("C", (Condition("x", ">", 1), Condition("y", "<", 2)))}
    )
    two = HyperSchema(
        "A", "A", nests={"q": Nest("C", (Condition("y", "<", 2), Condition("x", ">", 1))), "r": Nest("B")}
    )
    assert one.version == two.version
    assert len(one.version) == 64
    others = [
        HyperSchema("A", "A", nests={"r": Nest("B")}),
        HyperSchema(
            "A", "A", nests={"r": Nest("B"), "q": Nest("C", (Condition("x", ">", 1.0), Condition("y", "<", 2)))}
        ),
        HyperSchema("A", "A", frozenset(), nests=one.nests),
        HyperSchema("A", "A", nests=one.nests, properties={"p": Property("integer")}),
    ]
    assert len({one.version, *(other.version for other in others)}) == 5


KINDS = {
    "integer.year": ([1800, 2100, 1999.0], [1799, 2101, 1999.5, "1999", True]),
    "string.email": (["a@b.c"], ["a@b", "a b@c.d", "@b.c", "a@@b.c", "", 1]),
    "integer": ([1, -5, 2.0], [1.5, True, "1"]),
    "boolean": ([True, False], [0, "true"]),
    "number": ([1, 1.5], [True, "1"]),
    "string": (["", "x"], [1, True]),
    "string.datetime": (["2026-11-30", "2026-11-30T12:00:00+01:00"], ["yesterday", 1, ""]),
}


@pytest.mark.parametrize(("kind", "good", "bad"), [(kind, *each) for kind, each in KINDS.items()], ids=KINDS)
def test_h48_primitive_schemas_narrow(kind, good, bad):
    holds = PRIMITIVES[kind].holds
    assert ([holds(value) for value in good], [holds(value) for value in bad]) == (
        [True] * len(good),
        [False] * len(bad),
    )


def test_a_value_that_is_none_of_its_property_is_not_shown(db):
    schema = HyperSchema(
        "m", "Movie", properties={"year": Property("integer.year", required=True), "title": Property(required=True)}
    )
    say(db, said("a", 1, "o", "year", 1999), said("b", 2, "o", "year", "MCMXCIX"), said("c", 3, "o", "year", 99))
    view = db.hyperview("o", schema)
    assert ids(view) == {"year": ["a"]}
    assert view.missing() == ["title"]


def test_schemas_are_said_evolved_travelled_and_taken_back(db, wall):
    first = HyperSchema("m", "Movie", nests={"director": Nest("p", (Condition("year", ">", 1990),))})
    db.define(HyperSchema("p", "Person", frozenset(["name"]), properties={"name": Property("string", "name", True)}))
    db.define(first)
    before = db.stats().epoch
    assert not db.define(first)
    wall.forward(1000)
    second = HyperSchema("m", "Film", frozenset(["title"]), nests={"writer": Nest("p")})
    db.define(second)
    assert db.schemas()["m"] == second
    assert db.at_epoch(before).schemas()["m"] == first
    assert db.schemas()["p"].properties["name"] == Property("string", "name", True)
    assert db.hyperview("o", "Film").schema == second
    with pytest.raises(Error, match="there is no schema 'Movie'"):
        db.hyperview("o", "Movie")


def test_every_version_of_a_schema_is_listed(db, wall):
    versions = [
        HyperSchema("m", "Movie"),
        HyperSchema("m", "Movie", nests={"director": Nest("p")}),
        HyperSchema("m", "Film", frozenset(["title"])),
        HyperSchema("m", "Movie"),
    ]
    moments = []
    for author, version in zip(("ann", "ben", "ann", "ben"), versions, strict=True):
        wall.forward(1000)
        db.define(version, author=author)
        db.define(HyperSchema("p", f"P {len(moments)}"))  # nothing of this one
        moments.append(db.schemas()["m"])
    assert moments == versions
    found = db.schema_history("Movie")
    assert [once.schema for once in found] == versions[::-1]
    assert [once.version for once in found] == [each.version for each in versions[::-1]]
    assert [once.authors for once in found] == [("ben",), ("ann",), ("ben",), ("ann",)]
    assert all(db.at_epoch(once.epoch).schemas()["m"] == once.schema for once in found)
    assert db.at_epoch(found[1].epoch).schema_history("m") == found[1:]
    wall.forward(1000)
    gone = [db.negate(edge.edge).edge for edge in db.hyperedges(targets=["m"], contexts=["name"])]
    assert [once.version for once in db.schema_history("m")] == [None, *(once.version for once in found)]
    wall.forward(1000)
    db.negate(gone[0])
    assert [once.schema for once in db.schema_history("m")][:2] == [versions[-1], None]
    for wrong in ("nothing", 3, ""):
        with pytest.raises(Error, match="schema"):
            db.schema_history(wrong)


def test_what_is_said_of_a_schema_in_several_ways_is_listed_and_the_latest_counts(db, wall):
    db.define(HyperSchema("m", "Movie"), author="ann")
    wall.forward(10)
    db.relate(("schema", Reference(b"m", "name")), name="Film", author="ben")
    found = db.schemas_said()
    assert found.schemas["m"].name == "Film"
    ((conflict),) = found.conflicts
    assert (conflict.schema, conflict.part, [each.targets("name") for each in conflict.said]) == (
        "m",
        "name",
        [["Movie"], ["Film"]],
    )


def test_what_is_said_of_a_schema_in_several_ways_is_chosen_by_a_policy(db, wall):
    db.define(HyperSchema("m", "Movie"), author="ann")
    for author, name in (("ben", "Film"), ("cy", "Movie"), ("dee", "Kino")):
        wall.forward(10)
        db.relate(("schema", Reference(b"m", "name")), name=name, author=author)
    names = {
        policy: db.schemas(policy=policy)["m"].name
        for policy in ("latest", "first", "vote", "trusted:ben", lambda said: said[:2][-1])
    }
    assert list(names.values()) == ["Kino", "Movie", "Movie", "Film", "Film"]
    chosen = db.schemas_said(policy="trusted:ben")
    assert [conflict.counts.targets("name") for conflict in chosen.conflicts] == [["Film"]]
    assert db.hyperview("x", "Film", schemas=chosen.schemas.values()).schema.name == "Film"
    with pytest.raises(Error, match="there is no policy 'max' for definitions"):
        db.schemas(policy="max")


POISON = {
    "a name that is none": [("name", 5)],
    "no pattern": [("pattern", "x")],
    "a rule to two": [("on-context", "r"), ("apply-schema", Reference(b"x")), ("apply-schema", Reference(b"y"))],
    "rules that are none": [("rules", '{"x": null}')],
    "rules that are a list": [("rules", "[]")],
    "rules that are a number": [("rules", "5")],
    "rules that lead nowhere": [("rules", '{"x": {}}')],
    "rules with half a character": [("rules", '{"x": {"schema": "\\ud800"}}')],
    "a condition about half a character": [
        ("on-context", "r"),
        ("apply-schema", Reference(b"x")),
        ("when", '["\\ud800", "==", 1]'),
    ],
    "rules that are no JSON": [("rules", "{")],
    "deep rules": [("rules", "[" * 100_000)],
    "a condition that is none": [("on-context", "r"), ("apply-schema", Reference(b"x")), ("when", "[1]")],
    "a comparison that is none": [("on-context", "r"), ("apply-schema", Reference(b"x")), ("when", '["a", "~", 1]')],
    "a kind that is none": [("property", "p"), ("kind", "colour")],
    "itself": [("on-context", "r"), ("apply-schema", Reference(b"m"))],
}
CONTEXTS = {
    "name": "name",
    "pattern": "select",
    "on-context": "transform",
    "rules": "transform",
    "property": "property",
}


@pytest.mark.parametrize("pointers", POISON.values(), ids=POISON)
def test_poison_spoils_one_schema_at_most_and_is_listed(db, pointers):
    db.define(HyperSchema("good", "Good"))
    db.define(HyperSchema("m", "Movie"))
    db.relate(("schema", Reference(b"m", CONTEXTS[pointers[0][0]])), *pointers, author="mallory")
    found = db.schemas_said()
    assert found.schemas["good"].name == "Good"
    assert len(found.refused) == 1


@pytest.mark.parametrize("first", ["a", "z"])
def test_nobody_puts_a_schema_away_by_leading_to_it(db, first):
    db.define(HyperSchema("movie", "Movie", nests={"director": Nest("person"), "writer": Nest("person")}))
    db.define(HyperSchema("person", "Person"))
    ids = [f"{first}{n:03}" for n in range(DEPTH_MAX + 5)]
    for id, to in zip(ids, [*ids[1:], "movie"], strict=True):
        db.relate(("schema", Reference(id.encode(), "name")), name=id)
        db.relate(
            ("schema", Reference(id.encode(), "transform")),
            ("on-context", "r"),
            ("apply-schema", Reference(to.encode())),
        )
    found = db.schemas_said()
    assert {"movie", "person"} < set(found.schemas)
    ((edge, why),) = found.refused
    assert (edge.targets("name"), why) == ([ids[-DEPTH_MAX + 1]], TOO_DEEP)
    assert found.schemas.depth(ids[-DEPTH_MAX + 2]) == DEPTH_MAX


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.frozensets(st.sampled_from("abcdefgh"), max_size=3), max_size=8))
def test_what_is_refused_is_what_leads_back_to_itself_or_lies_between(leads):
    made = {id: HyperSchema(id, id, nests={to: Nest(to) for to in some - {id}}) for id, some in leads.items()}
    found = schema_edges._endless(made)
    left = {id: schema for id, schema in made.items() if id not in found}
    Schemas(left.values())  # no ring is left

    def reached(id, by):
        seen, waiting = set(), [id]
        while waiting:
            for to in by(waiting.pop()):
                if to in made and to not in seen:
                    seen.add(to)
                    waiting.append(to)
        return seen

    ahead = {id: reached(id, lambda at: made[at].nests) for id in made}
    in_ring = {id for id in made if id in ahead[id]}
    between = {id for id in made if ahead[id] & in_ring and any(id in ahead[each] for each in in_ring)}
    assert set(found) == in_ring | between


def test_views_that_share_much_are_compared_once_each(db):
    schemas = [HyperSchema(f"s{n}", f"S{n}", nests={"r": Nest(f"s{n + 1}")}) for n in range(40)]
    schemas.append(HyperSchema("s40", "S40"))
    say(
        db,
        *(edge(f"{side}{n}", 1, ("e", (f"o{n}", "p")), ("r", (f"o{n + 1}", "q"))) for n in range(40) for side in "ab"),
    )
    one, two = (db.hyperview("o0", schemas[0], schemas=schemas) for _ in range(2))
    assert one == two  # by all ways there would be 2**40 of them
    say(db, negation("n", 2, "b39"))
    assert db.hyperview("o0", schemas[0], schemas=schemas) != one


def test_schemas_that_met_and_make_a_ring_are_refused_and_the_others_go_on(db):
    db.define(HyperSchema("x", "X"))
    for name, other in (("a", "b"), ("b", "a"), ("c", "a")):
        db.relate(("schema", Reference(name.encode(), "name")), name=name.upper())
        db.relate(
            ("schema", Reference(name.encode(), "transform")),
            ("on-context", "r"),
            ("apply-schema", Reference(other.encode())),
        )
    found = db.schemas_said()
    assert set(found.schemas) == {"x", "c"}
    assert len(found.refused) == 2
    assert repr(found.schemas) == "<Schemas: c, x; cannot be used: A, B, a, b>"
    for name in ("A", "c", "b"):
        reason = "is said here and cannot be used: schemas would nest without end: A → B → A"
        with pytest.raises(Error, match=f"schema 'a', to which C leads by r, {reason}" if name == "c" else reason):
            db.hyperview("o", name, schemas=[STANDARD])
    assert db.hyperview("o", "X").id == "o"


def test_the_schema_deltas_of_the_reference_are_read(db):
    say(
        db,
        edge("1", 1, ("schema", ("m", "name")), ("name", "Movie")),
        edge("2", 2, ("schema", ("m", "select")), ("pattern", ("select_by_target_context", None))),
        edge("3", 3, ("schema", ("m", "transform")), ("rules", '{"director": {"schema": "p"}}')),
        edge("4", 4, ("schema", ("m", "transform")), ("on-context", "writer"), ("apply-schema", ("p", None))),
        edge("5", 5, ("schema", ("p", "name")), ("name", "Person")),
    )
    assert db.schemas()["m"] == HyperSchema("m", "Movie", nests={"director": Nest("p"), "writer": Nest("p")})
    say(db, negation("6", 6, "4"))
    assert db.schemas()["m"].nests == {"director": Nest("p")}


# -- shared, deep and large --------------------------------------------------------------------------------------------


def levels(count, references=2):
    """Each level points twice at the one below: 2 ** count ways from the top to the bottom."""
    schemas = [HyperSchema(f"s{n}", f"S{n}", nests={"to": Nest(f"s{n + 1}")}) for n in range(count)]
    edges = [
        edge(f"d{n}.{way}", 1, ("from", (f"o{n}", "down")), ("to", (f"o{n + 1}", None)))
        for n in range(count)
        for way in range(references)
    ]
    return [*schemas, HyperSchema(f"s{count}", "End")], edges


def test_h44_a_shared_graph_of_20_levels_is_made_once(db):
    schemas, edges = levels(20)
    say(db, *edges)
    view = db.hyperview("o0", schemas[0], schemas=schemas)
    made = set()

    def count(each):
        if id(each) not in made:
            made.add(id(each))
            for entries in each.properties.values():
                for entry in entries:
                    for target in entry.values("to"):
                        count(target)

    count(view)
    assert len(made) == 21
    with pytest.raises(BudgetExceeded, match="more than 10,000 entries"):
        view.to_dict(most=10_000)


def test_the_films_have_the_published_sizes(tmp_path):
    with connect(tmp_path / "films.db") as db, gzip.open(FILMS, "rt") as lines:
        say(db, *(read(json.loads(line)) for line in lines))
        db.define(HyperSchema("person", "Person"))
        db.define(
            HyperSchema("movie", "Movie", nests={role: Nest("person") for role in ("director", "writer", "producer")})
        )
        db.define(HyperSchema("role", "Role", nests={"actor": Nest("person"), "movie": Nest("movie")}))
        db.define(HyperSchema("trilogy", "Trilogy", nests={"movie": Nest("movie")}))

        def sizes(thing, schema):
            view = db.hyperview(thing, schema)
            return sum(map(len, view.properties.values())), recursive(view)

        def recursive(view):
            return sum(
                1 + sum(recursive(target) for _, target in entry.targets if hasattr(target, "schema"))
                for entries in view.properties.values()
                for entry in entries
            )

        edges = db.hyperedges(claimed_authors=["seed"])
        things = {each.entity.decode() for found in edges for each in found.references}
        kinds = {each.partition("_")[0] for each in things}
        of_a_kind = {kind: [each for each in things if each.startswith(kind)] for kind in sorted(kinds)}
        assert {kind: len(some) for kind, some in of_a_kind.items()} == {
            "movie": 51,
            "person": 159,
            "role": 238,
            "trilogy": 10,
        }
        shown = {kind: sum(sizes(each, kind.title())[0] for each in some) for kind, some in of_a_kind.items()}
        assert shown == {"movie": 294, "person": 332, "role": 714, "trilogy": 39}
        assert sum(shown.values()) == len(edges) == 1379
        assert sizes("movie_lotr_fellowship", "Movie")[0] == 7
        assert sizes("movie_matrix", "Movie") == (7, 15)
        assert sizes("person_reeves_keanu", "Person") == (4, 4)
        assert sizes("role_matrix_neo", "Role") == (3, 22)
        assert sizes("trilogy_lotr", "Trilogy")[1] == sizes("trilogy_matrix", "Trilogy")[1] == 49


# -- laws --------------------------------------------------------------------------------------------------------------

THINGS = ["a", "b", "c", "d"]
texts = st.sampled_from(["p", "q", '"', "\\", "x y"])


@st.composite
def worlds(draw):
    schemas = []
    for number in range(3):
        leads = [f"s{other}" for other in range(number + 1, 4)]
        whens = st.lists(
            st.builds(Condition, texts, st.sampled_from(["==", "!=", "<", ">="]), st.sampled_from([1, 2, "x", 1.0])),
            max_size=2,
        )
        nests = draw(st.dictionaries(texts, st.builds(Nest, st.sampled_from(leads), whens.map(tuple)), max_size=2))
        schemas.append(HyperSchema(f"s{number}", f"S {number}", draw(st.none() | st.frozensets(texts)), nests))
    schemas.append(HyperSchema("s3", "S 3"))
    edges = []
    for number in range(draw(st.integers(0, 8))):
        pointers = [
            (
                draw(texts),
                draw(st.tuples(st.sampled_from(THINGS), st.none() | texts) | st.sampled_from([1, 2, "x", 1.0])),
            )
            for _ in range(draw(st.integers(0, 4)))
        ]
        edges.append(edge(f"e{number}", number + 1, *pointers))
    for number in range(draw(st.integers(0, 3))):
        edges.append(
            negation(f"n{number}", 20 + number, draw(st.sampled_from([f"e{n}" for n in range(8)] + ["n0", "n1"])))
        )
    return schemas, edges


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=60)
@given(world=worlds())
def test_a_view_is_what_a_walk_finds(kind, tmp_path_factory, world):
    schemas, statements = world
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("views") / "a.db"
    with connect(path) as db:
        say(db, *statements)
        edges, away, known = db.hyperedges(negated="mark"), db.negated_edges(), Schemas(schemas)
        for thing in THINGS:
            found = shape(db.hyperview(thing, schemas[0], schemas=schemas))
            assert found == walk(known, edges, away, thing.encode(), known["s0"])
            marked = shape(db.hyperview(thing, schemas[0], schemas=schemas, negated="mark"))
            assert marked == walk(known, edges, frozenset(), thing.encode(), known["s0"])


def walk(schemas, edges, away, thing, schema):
    """A view by walking from the thing: what the program and its putting together must come to."""
    found = {}
    for each in edges:
        if each.edge in away:
            continue
        contexts = [
            r.context
            for r in each.references
            if r.entity == thing and r.context is not None and schema.takes(r.context)
        ]
        for context in dict.fromkeys(contexts):
            nested = {}
            for pointer in each.pointers:
                nest, target = schema.nests.get(pointer.role), pointer.target
                if (
                    nest
                    and isinstance(target, Reference)
                    and target.entity != thing
                    and all(c.holds(each) for c in nest.when)
                ):
                    nested[pointer.role] = walk(schemas, edges, away, target.entity, schemas[nest.schema])
            found.setdefault(context, []).append((each.edge.decode(), nested))
    return found


@settings(max_examples=100)
@given(worlds())
def test_a_schema_that_is_said_comes_back(world):
    with connect(":memory:") as db:
        for schema in reversed(world[0]):
            db.define(schema)
        assert {id: schema.version for id, schema in db.schemas().items()} == {
            each.id: each.version for each in world[0]
        }


def test_views_that_many_share_are_compared_once(db):
    schemas = [HyperSchema(f"s{level}", f"S{level}", nests={"to": Nest(f"s{level + 1}")}) for level in range(60)]
    schemas.append(HyperSchema("s60", "End"))
    for level in range(60):
        for _ in range(2):
            db.relate(("from", (b"level-%d" % level, "down")), ("to", b"level-%d" % (level + 1)))

    def asked(of):
        return of.hyperview(b"level-0", schemas[0], schemas=schemas)

    assert asked(db) == asked(db)
    with db.what_if() as other:
        other.relate(("of", (b"level-60", "name")), ("name", "the end"))
        assert asked(other) != asked(db)
    assert asked(db) != "another thing"
