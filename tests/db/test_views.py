"""What the views show: supersession, agreement, conflicts, policies, retraction, time."""

from __future__ import annotations

import pytest

import rhizomedb
from rhizomedb import Fact
from rhizomedb.errors import RequestError

MATRIX = rhizomedb.entity(title="The Matrix")


def source(db, name, value, attribute="runtime"):
    return db.transact([(MATRIX, attribute, value)], author=name, scope="own")


def standing(db, attribute="runtime"):
    """Standing values with the authors who say them."""
    register = {}
    for statement in db.history(MATRIX, attribute):
        if statement.standing:
            register.setdefault(statement.claim.value, set()).add(statement.author)
    return register


class TestSources:
    def test_two_sources_that_differ_are_a_conflict(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 138)
        (conflict,) = db.conflicts()
        assert {said.value: said.authors for said in conflict.values} == {136: ("imdb",), 138: ("wikipedia",)}

    def test_two_sources_that_agree_make_one_fact_with_two_authors(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 136)
        assert db.stats().facts == 1
        assert db.stats().authors == 2
        assert standing(db) == {136: {"imdb", "wikipedia"}}
        assert len(db.conflicts()) == 0

    def test_a_correction_replaces_only_the_sources_own_claim(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 136)
        source(db, "imdb", 137)
        assert standing(db) == {136: {"wikipedia"}, 137: {"imdb"}}

    def test_a_correction_names_what_it_replaces_as_cause(self, db):
        source(db, "imdb", 136)
        source(db, "imdb", 137)
        old, new = Fact(MATRIX, "runtime", 136), next(f for f in db.facts(MATRIX) if f.value == 137)
        assert new.causes == (old.cid,)
        assert standing(db) == {137: {"imdb"}}

    def test_saying_the_same_again_adds_nothing(self, db):
        assert source(db, "imdb", 136)
        before = db.stats()
        assert not source(db, "imdb", 136)
        assert db.stats() == before

    def test_saying_the_same_again_adds_nothing_though_a_person_overruled_it(self, db):
        source(db, "imdb", 136)
        db.transact([(MATRIX, "runtime", 140)])
        before = db.stats()
        assert not source(db, "imdb", 136)
        assert db.stats() == before
        assert standing(db) == {140: {"alice"}}

    def test_a_source_that_changes_after_a_person_overruled_it_is_a_new_conflict(self, db):
        source(db, "imdb", 136)
        db.transact([(MATRIX, "runtime", 140)])
        source(db, "imdb", 137)
        assert standing(db) == {140: {"alice"}, 137: {"imdb"}}

    def test_a_source_that_says_fewer_values_takes_the_others_back(self, db):
        db.transact([(MATRIX, "genre", "action"), (MATRIX, "genre", "drama")], author="imdb", scope="own")
        source(db, "wikipedia", "drama", "genre")
        source(db, "imdb", "action", "genre")
        assert standing(db, "genre") == {"action": {"imdb"}, "drama": {"wikipedia"}}

    def test_copies_that_meet_keep_what_the_other_source_says(self, another):
        one, two = another(), another()
        source(one, "imdb", 136), source(one, "imdb", 137)
        source(two, "wikipedia", 136)
        for here, there in ((one, two), (two, one)):
            here.admit([delta.encode() for delta in there.deltas()], origin="sync")
        for copy in (one, two):
            assert standing(copy) == {136: {"wikipedia"}, 137: {"imdb"}}


class TestPeople:
    def test_a_person_replaces_what_the_view_showed(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 138)
        db.transact([(MATRIX, "runtime", 140)])
        assert standing(db) == {140: {"alice"}}
        assert {f.value for f in map(db.fact, next(f for f in db.facts(MATRIX) if f.value == 140).causes)} == {136, 138}

    def test_a_person_who_said_it_too_replaces_all_who_say_it(self, db):
        db.transact([(MATRIX, "runtime", 136)])
        source(db, "wikipedia", 136)
        db.transact([(MATRIX, "runtime", 138)])
        assert standing(db) == {138: {"alice"}}

    def test_agreeing_joins_the_same_fact(self, db):
        source(db, "imdb", 136)
        db.transact([(MATRIX, "runtime", 136)])
        assert db.stats().facts == 1
        assert standing(db) == {136: {"imdb", "alice"}}

    def test_several_values_said_at_once_stand_together(self, db):
        db.transact([(MATRIX, "genre", "action"), (MATRIX, "genre", "drama")])
        assert db.get(MATRIX, "genre", policy="all") == ["action", "drama"]

    def test_expectation_that_holds_commits(self, db):
        source(db, "imdb", 136)
        assert db.transact([(MATRIX, "runtime", 140)], expect={(MATRIX, "runtime"): 136, (MATRIX, "year"): None})
        assert db.get(MATRIX, "runtime") == 140

    def test_expectation_that_fails_writes_nothing(self, db):
        source(db, "imdb", 136)
        before = db.stats()
        with pytest.raises(RequestError, match="expectation-failed"):
            db.transact([(MATRIX, "runtime", 140)], expect={(MATRIX, "runtime"): 136.0})
        assert db.stats() == before

    def test_names_find_entities_and_new_names_make_them(self, db):
        db.transact([("The Matrix", "runtime", 136)])
        db.transact([("The Matrix", "runtime", 138)])
        assert db.get("The Matrix", "runtime") == 138
        assert db.get("The Matrix", "name") == "The Matrix"
        assert db.stats().entities == 1


class TestPolicies:
    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("latest", 138),
            ("first", 136),
            ("max", 140),
            ("min", 136),
            ("vote", 136),
            ("all", [136, 138, 140]),
            ("trusted:fandom", 140),
            ("trusted:wiki,imdb", 138),
        ],
    )
    def test_each_policy(self, db, wall, policy, expected):
        for name, value in (("imdb", 136), ("tmdb", 136), ("fandom", 140), ("wikipedia", 138)):
            source(db, name, value)
            wall.forward(1000)
        before = db.stats()
        assert db.get(MATRIX, "runtime", policy=policy) == expected
        assert db.get(MATRIX, policy=policy)["runtime"] == expected
        assert db.stats() == before

    def test_unknown_policy_names_the_nearest(self, db):
        with pytest.raises(RequestError) as error:
            db.get(MATRIX, policy="lastest")
        assert error.value.nearest == ("latest",)

    def test_order_of_arrival_never_shows(self, another):
        origin = another()
        source(origin, "imdb", 136), source(origin, "wikipedia", 138), source(origin, "fandom", 140)
        deltas = [delta.encode() for delta in origin.deltas()]
        shown = set()
        for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)):
            copy = another()
            for index in order:
                copy.admit([deltas[index]], origin="sync")
            shown.add(tuple(copy.get(MATRIX, "runtime", policy=p) for p in ("latest", "first", "vote")))
        assert len(shown) == 1


class TestRetraction:
    def test_retraction_takes_back_and_history_keeps(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 138)
        db.retract(MATRIX, "runtime", 136)
        assert standing(db) == {138: {"wikipedia"}}
        assert [(s.claim.value, s.fate) for s in db.history(MATRIX, "runtime")] == [
            (136, "retracted by alice"),
            (138, "stands"),
        ]

    def test_what_was_retracted_can_be_said_again(self, db):
        source(db, "imdb", 136)
        db.retract(MATRIX, "runtime")
        assert db.get(MATRIX, "runtime") is None
        db.transact([(MATRIX, "runtime", 136)])
        assert standing(db) == {136: {"alice"}}

    def test_a_source_does_not_resurrect_what_was_retracted(self, db):
        source(db, "imdb", 136)
        db.retract(MATRIX, "runtime")
        assert not source(db, "imdb", 136)
        assert standing(db) == {}

    def test_the_same_said_unseen_elsewhere_stands_when_copies_meet(self, another):
        here, there = another(), another()
        source(here, "imdb", 136)
        here.retract(MATRIX, "runtime")
        source(there, "wikipedia", 136)
        here.admit([delta.encode() for delta in there.deltas()], origin="sync")
        assert sorted(s.standing for s in here.history(MATRIX, "runtime")) == [False, True]

    def test_own_takes_back_only_ones_own(self, db):
        source(db, "imdb", 136), source(db, "wikipedia", 136)
        db.retract(MATRIX, "runtime", author="imdb", scope="own")
        assert standing(db) == {136: {"wikipedia"}}

    def test_nothing_to_retract_is_said(self, db):
        source(db, "imdb", 136)
        with pytest.raises(RequestError, match="nothing-to-retract"):
            db.retract(MATRIX, "runtime", 999)


class TestTime:
    def test_as_of_since_and_epochs(self, db, wall):
        source(db, "imdb", 136)
        then = wall()
        wall.forward(60_000)
        source(db, "imdb", 137)
        assert db.get(MATRIX, "runtime") == 137
        assert db.as_of(then).get(MATRIX, "runtime") == 136
        assert db.at_epoch(1).get(MATRIX, "runtime") == 136
        assert db.since(then).get(MATRIX, "runtime") == 137
        assert db.as_of(then).since(then).stats().facts == 0
        assert db.since(then).as_of(then).stats().facts == 0

    def test_a_snapshot_is_a_value(self, db):
        source(db, "imdb", 136)
        before = db.snapshot()
        source(db, "imdb", 137)
        assert before.get(MATRIX, "runtime") == 136
        assert db.get(MATRIX, "runtime") == 137

    def test_by_shows_what_one_source_alone_says(self, db):  # D7
        source(db, "imdb", 136), source(db, "wikipedia", 138)
        assert db.by("imdb").get(MATRIX, "runtime") == 136
        assert db.by("wikipedia").stats().facts == 1

    def test_arrival_is_kept(self, db):
        db.transact([(MATRIX, "runtime", 136)], author="imdb", scope="own", origin="import of imdb.csv")
        (statement,) = db.history(MATRIX, "runtime")
        assert (statement.epoch, statement.origin) == (1, "import of imdb.csv")
        assert [(e.number, e.origin) for e in db.arrivals()] == [(1, "import of imdb.csv")]


class TestWhy:
    def test_why_names_authors_times_facts_and_the_derivation(self, db, wall):
        source(db, "imdb", 136)
        wall.forward(1000)
        source(db, "wikipedia", 138)
        why = db.why(MATRIX, "runtime")
        assert why.shown == (138,)
        assert [s.author for s in why.support] == ["wikipedia"]
        assert [s.author for s in why.against] == ["imdb"]
        text = str(why)
        assert "wikipedia" in text and "imdb" in text and "survivor(" in text and "fact(" in text
        data = why.as_dict()
        assert data["for"][0]["derivation"]["relation"] == "survivor"

    def test_why_of_what_fell(self, db):
        source(db, "imdb", 136)
        db.retract(MATRIX, "runtime")
        why = db.why(MATRIX, "runtime")
        assert why.shown == ()
        assert [s.fate for s in why.fallen] == ["retracted by alice"]


def test_some_conflicts_and_whether_there_are_more(db):
    """With a limit: conflicts of all, under the labels that they have there, and a word on whether there are more."""
    for author in ("ann", "ben"):
        rows = [(f"f{n}", "title", f"{author if n % 2 else ''}{n}") for n in range(9)]
        db.transact([*rows, *((f"f{n}", "year", len(author) * n + ord(author[0])) for n in range(9))], author=author)
    everything = db.conflicts()
    assert not everything.more
    for limit in range(len(everything) + 2):
        some = db.conflicts(limit=limit)
        assert len(some) == min(limit, len(everything)) and some.more == (limit < len(everything))
        assert {str(conflict) for conflict in some} <= {str(conflict) for conflict in everything}
    for limit in (-1, 1.5, True):
        with pytest.raises(RequestError, match="a limit is a whole number"):
            db.conflicts(limit=limit)
