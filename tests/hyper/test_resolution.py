"""Views by policies, as the RhizomeDB specification has them: cases H49 to H53."""

import pytest

from rhizomedb.errors import BudgetExceeded, Error
from rhizomedb.facts.clock import HybridTime
from rhizomedb.hyper import NOTHING, Pointer, Reference, depends
from rhizomedb.hyper.json_delta import JsonDelta
from rhizomedb.hyper.schema import HyperSchema, Nest, Property

THING = HyperSchema("thing", "Thing")


def said(id, t, author, value, role="p", thing="o", prop="p"):
    pointers = (Pointer("e", Reference(thing.encode(), prop)), Pointer(role, value))
    return JsonDelta(id.encode(), HybridTime(t, 0), author, "s", pointers, None)


@pytest.fixture
def three(db):
    db.pass_on(
        [said("d1", 100, "author_a", 10), said("d2", 300, "author_b", 30), said("d3", 200, "author_c", 10)],
        origin="test",
    )
    return db


CHOICES = {
    "H49 latest": ("latest", 30),
    "H49 first": ("first", 10),
    "H49 all": ("all", [10, 10, 30]),
    "H49 vote": ("vote", 10),
    "H49 average": ("average", 50 / 3),
    "H49 min": ("min", 10),
    "H49 max": ("max", 30),
    "H50 in the order of trust": ("claimed:author_c,author_a", 10),
    "H50 nobody of them": ("claimed:author_z", 30),
    "by who signed": ("trusted:alice", 30),
    "a function": (
        lambda said: sorted(each.edge.claimed_author for each in said),
        ["author_a", "author_b", "author_c"],
    ),
}


@pytest.mark.parametrize(("policy", "shown"), CHOICES.values(), ids=CHOICES)
def test_a_policy_chooses(three, policy, shown):
    assert three.show("o", THING, policy=policy) == {"id": "o", "p": pytest.approx(shown)}
    assert three.show("o", THING, policies={"p": policy})["p"] == pytest.approx(shown)
    assert three.show("o", THING, policies={"Thing.p": policy})["p"] == pytest.approx(shown)


def test_h51_of_one_author_the_latest_counts(db):
    db.pass_on([said("new", 2, "a", "new"), said("old", 1, "a", "old"), said("other", 3, "b", "x")], origin="test")
    assert db.show("o", THING, policy="claimed:a,a")["p"] == "new"


def test_h52_what_is_not_there_is_left_out_and_zero_is_there(db):
    schema = HyperSchema("s", "S", properties={"q": Property("integer")})
    db.pass_on(
        [said("a", 1, "a", 0), said("b", 2, "a", "text", "q", prop="q"), said("c", 3, "a", "text", "r", prop="r")],
        origin="test",
    )
    assert db.show("o", schema) == {"id": "o", "p": 0, "r": "text"}
    assert db.show("o", schema, policy="average") == {"id": "o", "p": 0}


def test_h53_choosing_changes_nothing(three):
    view = three.hyperview("o", THING)
    before = [entry.edge.edge for entry in view["p"]]
    for policy in ("latest", "first", "vote", "max"):
        three.show("o", THING, policy=policy)
    assert [entry.edge.edge for entry in three.hyperview("o", THING)["p"]] == before == [b"d1", b"d3", b"d2"]


def test_what_has_no_role_of_its_name_is_shown_by_its_roles(db):
    db.relate(actor=(b"keanu", "appearedIn"), movie=(b"matrix", "cast"), character=["Neo", "Thomas"])
    assert db.show("matrix", THING) == {"id": "matrix", "cast": {"actor": "keanu", "character": ["Neo", "Thomas"]}}
    schema = HyperSchema("film", "Film", properties={"cast": Property(role="character")})
    assert db.show("matrix", schema, policy="all")["cast"] == ["Neo", "Thomas"]


def test_views_inside_are_chosen_likewise_and_once(db):
    film = HyperSchema("film", "Film", nests={"director": Nest("thing")})
    for name in ("Lana", "Lilly"):
        db.relate(directed=(b"m", "director"), director=(b"w", None))
        db.relate(named=(b"w", "name"), name=name)
    shown = db.show("m", film, policy="all", policies={"Thing.name": "first"}, schemas=[THING])
    assert shown == {"id": "m", "director": [{"id": "w", "name": "Lana"}] * 2}
    assert shown["director"][0] is shown["director"][1]


def test_a_view_that_is_too_large_is_refused(three):
    from rhizomedb.hyper.resolution import POLICIES, resolve

    with pytest.raises(BudgetExceeded, match="more than 2 entries"):
        resolve(three.hyperview("o", THING), POLICIES["latest"], {}, most=2)


@pytest.mark.parametrize("policy", ["newest", "latest:x", "trusted", 5])
def test_a_policy_that_is_none(three, policy):
    with pytest.raises(Error, match="there is no policy") as refused:
        three.show("o", THING, policy=policy)
    assert refused.value.code == "db.unknown-policy"


def test_a_policy_may_look_at_other_properties(db):
    @depends("year", "nothing")
    def title(said, beside):
        assert not beside["nothing"]
        first = min(beside["year"], key=lambda each: each.value).edge.author
        return next((each.value for each in said if each.edge.author == first), NOTHING)

    for author, year, name in (("ann", 1995, "Heat"), ("ben", 1994, "Heat, restored")):
        db.relate(titled=(b"m", "title"), title=name, author=author)
        db.relate(dated=(b"m", "year"), year=year, author=author)
    assert db.show("m", THING, policies={"title": title})["title"] == "Heat, restored"
    assert db.show("m", THING, policies={"title": title, "year": "max"})["year"] == 1995
    assert repr(title) == "<policy title, which depends on year, nothing>"


@pytest.mark.parametrize("names", [(), (3,), ("",)])
def test_what_a_policy_depends_on_is_named(names):
    with pytest.raises(Error, match="is no property to depend on"):
        depends(*names)
