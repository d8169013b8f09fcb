"""The Python surface: public names, items of a transaction, results, queries, keys, several openings of one file."""

from __future__ import annotations

import os
import re
import stat
import threading

import pytest

import rhizomedb
from rhizomedb import Cid, Fact
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import BudgetExceeded, Error, ProgramError, RequestError, StoreError, ValueRefused
from rhizomedb.exchange.importer import commit_facts

MATRIX = rhizomedb.entity(title="The Matrix")
LONG = (
    'long(title: T) :- fact(entity: E, attribute: "title", value: T),'
    ' fact(entity: E, attribute: "runtime", value: R), R > 180.'
)


def films(db):
    for title, runtime in (("The Matrix", 136), ("Seven Samurai", 207), ("Magnolia", 188)):
        entity = rhizomedb.entity(title=title)
        db.transact([(entity, "title", title), (entity, "runtime", runtime)], author="imdb", scope="own")
    return db


class TestPublicNames:
    def test_every_public_name_is_there(self):
        for name in rhizomedb.__all__:
            assert getattr(rhizomedb, name) is not None
        assert set(rhizomedb.__all__) <= set(dir(rhizomedb))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = rhizomedb.nothing

    def test_atoms(self):
        fact = Fact(b"e", "v", 1)
        assert Fact.decode(fact.encode()) == fact
        assert Cid.parse(str(fact.cid)) == fact.cid
        assert bytes(fact.cid)[:4] == bytes([1, 0x71, 0x12, 0x20])
        assert str(rhizomedb.parse("p(x: 1).")) == "p(x: 1)."

    def test_evaluate_over_plain_relations(self):
        program = "path(a: X, b: Y) :- edge(a: X, b: Y). path(a: X, b: Z) :- edge(a: X, b: Y), path(a: Y, b: Z)."
        results = rhizomedb.evaluate(program, {"edge": [(1, 2), (2, 3)]})
        assert results["path"] == {(1, 2), (2, 3), (1, 3)}
        assert (1, 3) in results["path"]
        assert results["path"].to_dicts()[0] == {"a": 1, "b": 2}

    def test_evaluate_takes_columns_as_declared(self):
        program = "relation edge(to: int, from: int). r(x: X) :- edge(from: X, to: 2)."
        assert rhizomedb.evaluate(program, {"edge": [(2, 1), (3, 9)]})["r"] == {(1,)}

    def test_evaluate_keeps_kinds_apart(self):
        result = rhizomedb.evaluate("r(x: X) :- p(x: X), q(x: X).", {"p": [(1,)], "q": [(1.0,), ("1",), (True,)]})
        assert len(result["r"]) == 0

    def test_evaluate_with_parameters_and_budget(self):
        program = "r(x: X) :- n(x: X), X > $least."
        assert rhizomedb.evaluate(program, {"n": [(1,), (5,)]}, least=3)["r"] == {(5,)}
        bomb = "p(a: A, b: B, c: C, d: D) :- n(x: A), n(x: B), n(x: C), n(x: D)."
        with pytest.raises(BudgetExceeded):
            rhizomedb.evaluate(bomb, {"n": [(i,) for i in range(100)]}, budget=rhizomedb.Budget(facts=10_000))

    def test_user_aggregate(self):
        dot = rhizomedb.user_aggregate("dot", lambda pairs: sum(x * y for x, y in pairs), 2)
        program = "r(s: S) :- S := dot X, Y : pair(x: X, y: Y)."
        pairs = [(x, y) for x in range(1, 6) for y in range(1, 6)]
        assert rhizomedb.evaluate(program, {"pair": pairs}, aggregates={"dot": dot})["r"] == {(225,)}


class TestQueries:
    def test_the_example(self, db):
        assert films(db).query(LONG) == {("Seven Samurai",), ("Magnolia",)}

    def test_rows_are_named_tuples_and_dicts(self, db):
        result = films(db).query(LONG)
        assert [row.title for row in result] == ["Magnolia", "Seven Samurai"]
        assert result.to_dicts() == [{"title": "Magnolia"}, {"title": "Seven Samurai"}]
        assert "long: 2 tuples" in repr(result) and "Seven Samurai" in repr(result)

    def test_parameters_are_never_pasted(self, db):
        program = 'e(v: V) :- fact(entity: E, attribute: "title", value: $title), fact(entity: E, attribute: "runtime", value: V).'
        hostile = '"). e(v: 1) :- fact(value: "x'
        assert films(db).query(program, title="Magnolia") == {(188,)}
        assert len(db.query(program, title=hostile)) == 0
        assert db.query(program, {"title": "Magnolia"}) == {(188,)}

    def test_why_of_a_tuple(self, db):
        result = films(db).query(LONG)
        derivation = result.why(result[0])
        leaves = [premise for premise in derivation.premises if premise.relation == "fact"]
        assert len(leaves) == 2 and derivation.rule is not None

    def test_counting_stored_facts_sees_this_epoch(self, db):  # Q3
        db.transact([(MATRIX, "n", i) for i in range(5)])
        assert db.query("n(c: N) :- N := count : fact().") == {(5,)}

    def test_stored_relations(self, db):
        films(db)
        assert len(db.query('a(d: D) :- asserts(delta: D, fact: F), F := fact(attribute: "runtime", value: 136).')) == 1
        assert db.query("a(o: O, e: E) :- arrival(origin: O, epoch: E).")[0].o == "transaction"
        assert db.query('s(n: N) :- N := count : delta(scope: "own").') == {(3,)}

    def test_errors_name_what_is_near(self, db):
        with pytest.raises(ProgramError) as error:
            films(db).query("p(x: X) :- fcat(value: X).")
        assert error.value.code == "logic.unknown-relation"
        assert "fact" in error.value.nearest

    def test_relation_chosen(self, db):
        program = LONG + " other(x: 1)."
        assert films(db).query(program, relation="long") == {("Seven Samurai",), ("Magnolia",)}
        assert db.query(program) == {(1,)}
        with pytest.raises(RequestError, match=r"db\.relation"):
            db.query(program, relation="lnog")

    def test_explain_shows_counts(self, db):
        plan = films(db).explain(LONG)
        assert "fact" in plan and "2" in plan

    def test_explain_has_tuples_and_time_of_every_operator(self, db):
        plan = films(db).explain(
            """pair(a: A, b: B) :- fact(entity: A, value: B).
               far(a: A, b: B) :- pair(a: A, b: B). far(a: A, b: C) :- far(a: A, b: B), pair(a: B, b: C).
               many(a: A, n: N) :- far(a: A), N := count : far(a: A), N > 1.
               few(a: A) :- far(a: A), !many(a: A).""",
            relation="few",
        )
        operators = [line for line in plan.splitlines() if re.match(r" +(probe|with|without|over|match) ", line)]
        assert {line.split()[0] for line in operators} >= {"probe", "without", "over"}
        for line in operators:
            assert re.search(r"[\d,]+ → [\d,]+  (~[\d,]+  )?[\d.]+ ms$", line), line

    def test_find(self, db):
        films(db)
        assert [r.label for r in db.find("samurai")] == ["Seven Samurai"]
        assert [r.label for r in db.find(runtime__gt=180)] == ["Magnolia", "Seven Samurai"]
        assert [r.label for r in db.find(runtime=136)] == ["The Matrix"]
        assert [r.label for r in db.find(runtime__gt=190.5)] == ["Seven Samurai"]
        assert db.find(runtime__gt="180") == []
        assert [r.label for r in db.find("136")] == [r.label for r in db.find("136.0")] == ["The Matrix"]
        assert db.find("13") == db.find("nan") == []
        with pytest.raises(RequestError, match=r"db\.condition"):
            db.find(runtime__greater=1)

    @pytest.mark.parametrize("budget", [5, {"facts": 3}])
    def test_a_budget_that_is_none_is_refused(self, db, budget):
        for ask in (films(db).query, db.explain, db.view):
            with pytest.raises(RequestError, match=r"db\.usage: a budget is a rhizomedb\.Budget, not"):
                ask(LONG, budget=budget)


class TestTransactions:
    @pytest.mark.parametrize(
        ("item", "code"),
        [
            (("The Matrix", "runtime"), "db.item"),
            (("The Matrix", "runtime", 1, ()), "db.item"),
            ("The Matrix", "db.item"),
            ((5, "runtime", 1), "db.item"),
            ((MATRIX, True, 1), "facts.attribute-type"),
            ((MATRIX, "runtime", None), "facts.null-value"),
            ((MATRIX, "runtime", [1]), "facts.value-type"),
            ((MATRIX, "runtime", 2**63), "facts.integer-range"),
            ((MATRIX, "runtime", float("nan")), "facts.float-not-finite"),
            ((MATRIX, "runtime", "\ud800"), "facts.text-not-utf8"),
            ((MATRIX, "rhizome/retracts", 1), "db.reserved"),
        ],
    )
    def test_what_cannot_be_said(self, db, item, code):
        with pytest.raises(Error) as error:
            db.transact([(MATRIX, "year", 1999), item])
        assert error.value.code == code
        assert db.stats().facts == 0

    def test_whole_facts_with_causes(self, db):  # D2
        first = Fact(MATRIX, "runtime", 136)
        second = Fact(MATRIX, "runtime", 138, [first.cid])
        db.transact([first, second])
        assert db.get(MATRIX, "runtime", policy="all") == [138]
        assert db.fact(second.cid) == second
        assert db.fact(str(first.cid)) == first

    def test_a_large_transaction_is_one_group_of_deltas(self, db, another):
        entity = rhizomedb.new_entity()
        written = db.transact([(entity, f"n{i}", i) for i in range(2500)])
        assert len(written.deltas) == 3 and written.facts == 2500
        envelopes = [delta.encode() for delta in db.deltas()]
        copy = another()
        copy.admit(envelopes[:2], origin="sync")
        assert copy.stats().facts == 0 and len(copy.held()) == 2
        copy.admit(envelopes[2:], origin="sync")
        assert copy.stats().facts == 2500 and copy.held() == []

    def test_what_runs_ahead_is_held_until_due(self, db, another, wall):
        db.transact([(MATRIX, "runtime", 136)])
        ahead = [delta.encode() for delta in db.deltas()]
        copy = another()
        wall.forward(-3_600_000)
        copy.admit(ahead, origin="sync")
        assert copy.stats().facts == 0
        (held,) = copy.held()
        assert held.origin == "sync" and "ahead" in held.reason
        wall.forward(3_600_000)
        assert copy.get(MATRIX, "runtime") == 136
        assert copy.held() == []

    def test_a_source_that_takes_an_hour_is_not_held_back(self, db, wall):
        def slowly():
            for number in range(30):
                wall.forward(120_000)
                yield [(b"film %d" % part, f"n{number}", part) for part in range(1_000)]

        written = db.write_source(slowly(), author="imdb", origin="import")
        assert written.facts == 30_000 == db.stats().facts and db.held() == []
        db.transact([(b"film 1", "n0", 5)])
        assert db.get(b"film 1", "n0") == 5

    def test_what_waits_is_not_read_again_at_each_admission(self, db, another, wall, monkeypatch):
        db.transact([(MATRIX, "runtime", 136)])
        (ahead,) = [delta.encode() for delta in db.deltas()]
        copy, other = another(), another()
        wall.forward(-3_600_000)
        copy.admit([ahead], origin="sync")
        other.transact([("The Matrix", "year", 1999)])

        def read():
            raise AssertionError("what waits is read")

        with monkeypatch.context() as patch:
            patch.setattr(copy._store, "held", read)
            assert copy.admit([delta.encode() for delta in other.deltas()], origin="sync").new == 1
            assert copy.get("The Matrix", "year") == 1999
        wall.forward(3_600_000)
        assert copy.get(MATRIX, "runtime") == 136, "and yet it is known when it is due"

    def test_a_read_waits_for_no_writer_when_something_is_due(self, db, tmp_path, wall, monkeypatch):
        db.transact([(MATRIX, "runtime", 136)])
        ahead = [delta.encode() for delta in db.deltas()]
        path = tmp_path / "copy.db"
        wall.forward(-3_600_000)
        with connect(path, clock=wall) as writer, connect(path, clock=wall) as reader:
            writer.admit(ahead, origin="sync")
            assert reader.get(MATRIX, "runtime", default=None) is None
            reader._release()  # so that it knows when what others brought is due
            wall.forward(3_600_000)

            def wait(seconds):
                raise AssertionError("a read waits")

            with writer._store.writing():
                monkeypatch.setattr("rhizomedb.store.file.time.sleep", wait)
                assert reader.get(MATRIX, "runtime", default=None) is None
                with connect(path, clock=wall) as third:
                    assert third.stats().facts == 0
            wall.forward(1_000)
            assert reader.get(MATRIX, "runtime") == 136
            assert reader.held() == []

    def test_forged_and_altered_deltas_are_refused(self, db, another):
        db.transact([(MATRIX, "runtime", 136)])
        (envelope,) = [delta.encode() for delta in db.deltas()]
        copy = another()
        for place in range(len(envelope)):
            altered = bytearray(envelope)
            altered[place] ^= 1
            with pytest.raises(Error):
                copy.admit([bytes(altered)], origin="sync")
        assert copy.stats().facts == 0

    def test_time_never_runs_backwards(self, db, wall):
        db.transact([(MATRIX, "runtime", 1)])
        wall.forward(-1000)
        db.transact([(MATRIX, "runtime", 2)])
        first, second = db.deltas()
        assert second.time > first.time
        assert db.get(MATRIX, "runtime") == 2


class TestFiles:
    def test_reopening_reads_the_same(self, tmp_path):
        with connect(tmp_path / "f.db") as db:
            films(db)
            before = (db.stats(), [dict(r) for r in db.records()])
        with connect(tmp_path / "f.db") as db:
            assert (db.stats(), [dict(r) for r in db.records()]) == before
            assert list(db.verify()) == []

    def test_a_closed_database_says_so(self, tmp_path):
        db = connect(tmp_path / "f.db")
        db.close()
        db.close()
        with pytest.raises(StoreError, match=r"store\.closed"):
            db.get("x")

    def test_two_connections_see_each_other(self, tmp_path):
        with connect(tmp_path / "f.db") as one, connect(tmp_path / "f.db") as two:
            one.transact([(MATRIX, "runtime", 136)])
            assert two.get(MATRIX, "runtime") == 136

    def test_a_second_writer_waits_then_says_who_is_in_the_way(self, tmp_path):
        with connect(tmp_path / "f.db") as one, connect(tmp_path / "f.db", wait_ms=50) as two:
            with one._store.writing(), pytest.raises(StoreError, match=r"store\.busy"):
                two.transact([(MATRIX, "runtime", 136)])
            assert two.transact([(MATRIX, "runtime", 136)])

    def test_a_missing_file_can_be_refused(self, tmp_path):
        with pytest.raises(StoreError, match=r"store\.not-found"):
            connect(tmp_path / "none.db", create=False)
        assert not (tmp_path / "none.db").exists()


class TestKeys:
    def test_a_key_is_made_once_and_kept_private(self, tmp_path):
        folder = tmp_path / "keys"
        key = Keyring(folder).key("imdb")
        assert Keyring(folder).key("imdb").public == key.public
        assert stat.S_IMODE(os.stat(folder / "imdb.key").st_mode) == 0o600
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert key.seed.hex() not in repr(key)

    def test_a_key_that_others_can_read_is_refused(self, tmp_path):
        Keyring(tmp_path).key("imdb")
        os.chmod(tmp_path / "imdb.key", 0o644)
        with pytest.raises(RequestError, match=r"keys\.unsafe"):
            Keyring(tmp_path).key("imdb")

    def test_a_file_that_is_no_key_is_refused(self, tmp_path):
        (tmp_path / "imdb.key").write_text("nothing")
        os.chmod(tmp_path / "imdb.key", 0o600)
        with pytest.raises(RequestError, match=r"keys\.malformed"):
            Keyring(tmp_path).key("imdb")

    @pytest.mark.parametrize("name", ["", "../x", "a/b", " a", "a ", ".hidden", "x" * 65, "a\0b", "a\nb"])
    def test_names_that_cannot_be(self, tmp_path, name):
        with pytest.raises(RequestError, match=r"keys\.name"):
            Keyring(tmp_path / "keys").key(name)

    def test_many_at_once_make_one_key(self, tmp_path):
        found = []
        threads = [threading.Thread(target=lambda: found.append(Keyring(tmp_path).key("a").public)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1 and len(found) == 8

    def test_two_authors_of_one_name_are_told_apart(self, db, tmp_path):
        from rhizomedb.db.naming import Authors

        authors = Authors({b"\1" * 32: "imdb", b"\2" * 32: "imdb", b"\3" * 32: "wiki"})
        assert authors.name(b"\1" * 32) == "imdb~010101"
        assert authors.key("imdb~020202") == b"\2" * 32
        with pytest.raises(RequestError, match=r"db\.unknown-author"):
            authors.key("imdb")


class TestNames:
    def test_ways_to_name_an_entity(self, db):
        films(db)
        for name in ("The Matrix", MATRIX, MATRIX.hex(), "0x" + MATRIX.hex()[:9], 136 and "The Matrix"):
            assert db.entity(name) == MATRIX

    def test_unknown_names_suggest_near_ones(self, db):
        with pytest.raises(RequestError) as error:
            films(db).get("The Matrx")
        assert error.value.nearest == ("The Matrix",)

    def test_ambiguous_names_list_what_they_may_mean(self, db):
        for n in (b"1" * 16, b"2" * 16):
            db.transact([(n, "title", "Twins")])
        with pytest.raises(RequestError, match=r"db\.ambiguous-entity"):
            db.get("Twins")

    def test_a_name_unknown_at_a_moment_is_said_to_be_so(self, db, wall):
        films(db)
        with pytest.raises(RequestError, match="at that moment"):
            db.as_of(wall() - 1000).get("The Matrix")

    def test_entities_of_a_key_meet_whatever_the_kind(self):
        assert rhizomedb.entity(id=7) == rhizomedb.entity(id="7") == rhizomedb.entity(id=" 7 ")
        assert rhizomedb.entity(a=1, b=2) == rhizomedb.entity(b=2, a=1)
        assert len(rhizomedb.new_entity()) == 16
        with pytest.raises(ValueRefused):
            rhizomedb.entity()


class TestHistories:
    def test_a_fork_is_two_heads_and_a_merge_is_one(self, db):
        from rhizomedb.exchange.git import Commit

        def commit(sha, *parents):
            return Commit(sha, parents, "Ada", "ada@example.org", 1, 1, f"about {sha}", "")

        repository = rhizomedb.entity(repository="r")
        history = [commit("a"), commit("b", "a"), commit("c", "a")]
        db.write_source([list(commit_facts(history, repository))], author="git", origin="import")
        assert db.get(repository, "git/commit", policy="all") == ["b", "c"]
        assert len(db.conflicts(attribute="git/commit")) == 1
        merged = [*history, commit("d", "b", "c")]
        db.write_source([list(commit_facts(merged, repository))], author="git", origin="import")
        assert db.get(repository, "git/commit", policy="all") == ["d"]
        before = db.stats()
        assert not db.write_source([list(commit_facts(merged, repository))], author="git", origin="import")
        assert db.stats() == before


class TestStands:
    """The relation `stands` is what the views show, for any program."""

    def test_it_leaves_out_what_was_replaced_or_retracted(self, db):
        films(db)
        db.transact([("The Matrix", "runtime", 200)])
        db.retract("Magnolia", "runtime")
        program = LONG.replace("fact(", "stands(")
        assert db.query(program) == {("Seven Samurai",), ("The Matrix",)}

    @pytest.mark.parametrize(
        "atom",
        [
            "stands(entity: E, attribute: A, value: V)",
            'stands(entity: E, attribute: "runtime", value: V)',
            "stands(entity: $entity, value: V)",
            'stands(entity: $entity, attribute: "runtime", value: V)',
            'fact(entity: E), N := count : stands(entity: E, attribute: "runtime", value: 136), V := N + 0',
            'fact(entity: E), optional stands(entity: E, attribute: "none", value: V = 0)',
        ],
    )
    def test_every_way_to_ask_runs(self, db, atom):
        films(db)
        parameters = {"entity": MATRIX} if "$entity" in atom else {}
        assert len(db.query(f"r(v: V) :- {atom}.", parameters)) > 0

    def test_it_is_what_the_registers_hold(self, db):
        films(db)
        db.transact([("The Matrix", "runtime", 200)], author="x", scope="own")
        rows = db.query(
            "r(e: E, a: A, v: V, f: F, d: D) :- stands(entity: E, attribute: A, value: V, fact: F, delta: D)."
        )
        found = {
            (s.attribute, s.claim.value, s.claim.fact) for r in db.records() for s in db.history(r.entity) if s.standing
        }
        assert {(row.a, row.v, row.f) for row in rows} == found

    def test_a_program_may_define_its_own(self, db):
        films(db)
        assert db.query("stands(x: 1). r(x: X) :- stands(x: X).") == {(1,)}


@pytest.mark.parametrize(
    ("value", "fix"), [(["a"], "db.doc(entity)[attribute] = [...]"), (("a",), "db.doc("), ({"a": 1}, "= {...}")]
)
def test_what_a_document_can_hold_leads_to_documents(db: Connection, value: object, fix: str) -> None:
    with pytest.raises(Error) as refused:
        db.transact([("Kim", "tags", value)])  # type: ignore[list-item]
    assert refused.value.code == "facts.value-type" and fix in str(refused.value.fix)


PARAMETER = "p(x: X) :- fact(value: X), X > $least."


@pytest.mark.parametrize("value", [[1], None, object(), 2**70])
@pytest.mark.parametrize("ask", [
    lambda db, value: db.query(PARAMETER, least=value),
    lambda db, value: db.view(PARAMETER, least=value),
    lambda db, value: db.view(PARAMETER.replace("fact", "arrives"), least=value),
    lambda db, value: rhizomedb.evaluate(PARAMETER, {"fact": [{"value": 1}]}, least=value),
    lambda db, value: rhizomedb.steps("event fact(value). " + PARAMETER, least=value),
])  # fmt: skip
def test_of_a_parameter_that_is_no_value_it_is_said_which(db: Connection, ask, value: object) -> None:
    with pytest.raises(ValueRefused) as refused:
        ask(db, value)
    assert refused.value.where == "the value of $least" and "$least" in str(refused.value.fix)
