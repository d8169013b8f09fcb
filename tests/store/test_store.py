"""What every store does, whichever it is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from store_helpers import ATTRIBUTES, ENTITIES, KEYS, NOW, VALUES, bounds, delta, everything, said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact
from rhizomedb.store import ALL, COLUMNS, AttributeSummary, Cut, Epoch, Held, MemoryStore, Store


def test_an_empty_store(store: Store) -> None:
    assert store.epoch() == 0 and store.epochs() == [] and store.held() == [] and store.names() == {}
    assert store.last_time() == HybridTime(0)
    assert store.counts(ALL) == dict.fromkeys(("facts", "entities", "attributes", "deltas", "authors", "causes"), 0)
    assert list(store.envelopes()) == [] and store.attributes(ALL) == [] and list(store.entities(ALL)) == []
    assert store.envelope(Cid.of(b"")) is None and not store.has(Cid.of(b"")) and not store.has_author(KEYS[0].public)
    assert list(store.verify()) == []
    for relation in COLUMNS:
        assert list(store.scan(relation, {}, ALL)) == [] and store.size(relation, {}) == 0


def test_what_is_said_is_there(store: Store) -> None:
    first = Fact(b"matrix", "runtime", 136)
    second = Fact(b"matrix", "runtime", 138, [first.cid])
    one = delta(first, ms=5, system="laptop")
    two = delta(second, first, key=KEYS[1], ms=6, counter=3, edge=b"edge", scope="own")
    assert write(store, [one], at_ms=10, origin="import") == 1
    assert write(store, [two], at_ms=11, origin="peer") == 2

    assert set(store.scan("fact", {}, ALL)) == {
        (first.cid, b"matrix", "runtime", 136),
        (second.cid, b"matrix", "runtime", 138),
    }
    assert set(store.scan("cause", {}, ALL)) == {(second.cid, first.cid)}
    assert set(store.scan("delta", {}, ALL)) == {
        (one.id, KEYS[0].public, "laptop", 5, 0, b"", "seen"),
        (two.id, KEYS[1].public, "test", 6, 3, b"edge", "own"),
    }
    assert set(store.scan("asserts", {}, ALL)) == {(one.id, first.cid), (two.id, first.cid), (two.id, second.cid)}
    assert set(store.scan("arrival", {}, ALL)) == {(one.id, 1, 10, "import"), (two.id, 2, 11, "peer")}
    assert store.epochs() == [Epoch(1, 10, "import"), Epoch(2, 11, "peer")]
    assert list(store.envelopes()) == [(1, one.encode()), (2, two.encode())]
    assert list(store.envelopes(1)) == [(2, two.encode())]
    assert store.place(one.id) == 1 and store.place(Cid.of(b"")) == 0
    assert store.envelope(one.id) == one.encode() and store.has(one.id) and store.has_author(KEYS[1].public)
    assert store.last_time() == HybridTime(6, 3)
    assert store.attributes(ALL) == [AttributeSummary("runtime", 2, 1, (("int", 2),))]
    assert store.counts(Cut(epoch=1))["facts"] == 1
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    ("cut", "seen"),
    [
        (Cut(), "abc"),
        (Cut(epoch=0), ""),
        (Cut(epoch=1), "ab"),
        (Cut(epoch=99), "abc"),
        (Cut(epoch=-1), ""),
        (Cut(until=2), "ab"),
        (Cut(since=1), "bc"),
        (Cut(since=1, until=2), "b"),
        (Cut(epoch=1, since=1), "b"),
        (Cut(since=-(10**30), until=10**30), "abc"),
        (Cut(authors=frozenset()), ""),
        (Cut(authors=frozenset([KEYS[0].public])), "ac"),
        (Cut(authors=frozenset([KEYS[1].public, b"nobody"])), "b"),
        (Cut(epoch=1, until=5, authors=frozenset([KEYS[0].public])), "a"),
    ],
)
def test_a_cut_shows_what_was_learned_claimed_and_by_whom(store: Store, cut: Cut, seen: str) -> None:
    letters = {name: Fact(name.encode(), "n", name) for name in "abc"}
    write(store, [delta(letters["a"], ms=1), delta(letters["b"], ms=2, key=KEYS[1])])
    write(store, [delta(letters["c"], ms=3)])
    assert "".join(sorted(row[3] for row in store.scan("fact", {}, cut))) == seen  # type: ignore[misc]
    assert [entity.decode() for entity in store.entities(cut)] == list(seen)
    assert store.counts(cut)["deltas"] == len(seen) == store.counts(cut)["facts"]


def test_a_fact_is_visible_if_any_delta_that_says_it_is(store: Store) -> None:
    fact = Fact(b"e", "n", 1)
    write(store, [delta(fact, ms=9), delta(fact, ms=1, key=KEYS[1])])
    assert list(store.scan("fact", {"entity": b"e"}, Cut(until=5))) == [(fact.cid, b"e", "n", 1)]
    assert store.counts(Cut(since=5))["facts"] == 1
    assert len(list(store.scan("asserts", {"fact": fact.cid}, Cut(since=5)))) == 1


def test_kinds_that_python_calls_equal_are_told_apart(store: Store) -> None:
    everyone = [Fact(b"e", attribute, value) for attribute in (1, 1.0, "1") for value in (True, 1, 1.0, "1")]
    write(store, [delta(*everyone)])
    for fact in everyone:
        bound = {"attribute": exact(fact.attribute), "value": exact(fact.value)}
        assert [row[0] for row in store.scan("fact", bound, ALL)] == [fact.cid]


@pytest.mark.parametrize("seed", range(3))
def test_every_bound_agrees_with_filtering_everything(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    known: list[Cid] = []
    for _ in range(3):
        said_now = []
        for _ in range(6):
            distinct = {}
            for _ in range(rng.randint(1, 12)):
                causes = rng.sample(known, min(len(known), rng.randint(0, 3)))
                entity = rng.choice(ENTITIES)
                fact = Fact(entity, rng.choice(ATTRIBUTES), rng.choice(VALUES), causes)
                distinct[fact.cid] = fact
            known += distinct
            said_now.append(delta(*distinct.values(), key=rng.choice(KEYS), ms=rng.randint(0, 9)))
        write(store, said_now)
    cuts = [ALL, Cut(epoch=2), Cut(since=2, until=7), Cut(epoch=2, authors=frozenset([KEYS[0].public]))]
    for relation, columns in COLUMNS.items():
        for cut in cuts:
            rows = list(store.scan(relation, {}, cut))
            others = [tuple(rng.choice(rows)[place] for place in range(len(columns))) for _ in range(3)]
            for bound in bounds(relation, [*rng.sample(rows, min(5, len(rows))), *others, (b"?", 3, "no", 4, 5, 6, 7)]):
                wanted = {row for row in rows if all(row[columns.index(name)] == cell for name, cell in bound.items())}
                found = list(store.scan(relation, bound, cut))
                assert len(found) == len(wanted) and set(found) == wanted, (relation, bound, cut)


def test_a_long_scan_comes_whole_and_in_pages(store: Store) -> None:
    numbers = range(9_000)
    many = [delta(*(Fact(b"e%d" % (n % 3), "n%d" % (n % 2), n, [Cid.of(b"%d" % n)]) for n in numbers[at : at + 500]))
            for at in range(0, len(numbers), 500)]  # fmt: skip
    write(store, many)
    write(store, [delta(*each.facts, key=KEYS[1]) for each in many])
    for bound, parts in (
        ({}, 1),
        ({"entity": b"e1"}, 3),
        ({"attribute": "n1"}, 2),
        ({"entity": b"e2", "attribute": "n0"}, 6),
    ):
        found = [row[3] for row in store.scan("fact", bound, ALL)]
        assert len(found) == len(set(found)) == len(numbers) / parts
    assert len(set(store.scan("asserts", {}, ALL))) == 2 * len(numbers)
    assert len(set(store.scan("cause", {}, ALL))) == len(numbers)
    assert len(list(store.entities(ALL))) == 3


def test_a_scan_stays_at_its_moment_while_its_reader_writes(store: Store) -> None:
    write(store, [said(n) for n in range(1000)])
    scan = store.scan("fact", {"attribute": "n"}, ALL)
    envelopes = store.envelopes()
    entities = store.entities(ALL)
    seen = [next(scan)]
    next(envelopes), next(entities)
    write(store, [said(n) for n in range(1000, 3000)])
    seen += scan
    assert len(seen) == 1000 and len(list(envelopes)) == 999 and len(list(entities)) == 999
    assert len(list(store.scan("fact", {"attribute": "n"}, ALL))) == 3000


@pytest.mark.parametrize(
    "digits", ["", "6", "65", "656", "65" * 32, "65" * 40, "65" * 199 + "66", "f", "ff", "0", "zz", "-1"]
)
def test_entities_by_the_beginning_of_their_id(store: Store, digits: str) -> None:
    write(store, [delta(*(Fact(entity, "n", 1) for entity in ENTITIES), ms=1), said(4, ms=9)])
    wanted = sorted(entity for entity in ENTITIES if entity.hex().startswith(digits))
    assert store.entities_starting(digits, Cut(until=5), most=99) == wanted
    assert store.entities_starting(digits, Cut(until=5), most=2) == wanted[:2]


def test_size_is_about_right(store: Store) -> None:
    write(store, [delta(*(Fact(b"e%d" % (n % 7), "n", n) for n in range(700)))])
    assert store.size("fact", {}) == 700 and store.size("fact", {"attribute": "n"}) == 700
    assert store.size("fact", {"entity": b"e1"}) == 100 and store.size("fact", {"entity": b"?"}) == 0
    assert store.size("fact", {"entity": "text"}) == 0 and store.size("fact", {"value": 3}) == 1
    assert store.size("delta", {}) == 1 and store.size("asserts", {}) == 700 and store.size("cause", {}) >= 0


def test_known_deltas_are_passed_over(store: Store) -> None:
    with store.writing():
        epoch = store.begin(NOW, "test")
        assert store.append([said(1), said(2), said(1)], epoch) == 2
        assert store.append([said(2), said(3)], epoch) == 1
    assert store.counts(ALL)["deltas"] == 3 and store.epoch() == 1
    assert list(store.verify()) == []


def test_a_write_is_kept_whole_or_not_at_all(store: Store) -> None:
    long = Fact(b"l" * 99, "a" * 99, "v" * 99)
    write(store, [said(1)])
    before = everything(store)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), store.writing():
            epoch = store.begin(NOW, "test")
            store.append([said(2), delta(long), delta(said(1).facts[0], key=KEYS[1])], epoch)
            store.hold(said(3), NOW, "test", NOW + 9, "its clock is ahead")
            store.name(KEYS[0].public, "ada")
            assert store.counts(ALL)["deltas"] == 4 and len(list(store.scan("fact", {}, ALL))) == 3
            assert store.size("fact", {}) == 3
            raise KeyboardInterrupt
        assert everything(store) == before
    write(store, [said(2), delta(long)])
    assert len(list(store.scan("fact", {"value": "v" * 99}, ALL))) == 1
    assert list(store.verify()) == []


def test_an_epoch_may_bring_nothing(store: Store) -> None:
    with store.writing():
        store.begin(NOW, "nothing")
    assert write(store, [said(1)]) == 2
    assert store.counts(Cut(epoch=1))["facts"] == 0 and list(store.verify()) == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda store: store.begin(NOW, "test"),
        lambda store: store.append([said(1)], 1),
        lambda store: store.hold(said(1), NOW, "test", None, ""),
        lambda store: store.release(said(1).id),
        lambda store: store.name(b"", ""),
        lambda store: list(store.scan("fact", {"no": 1}, ALL)),
    ],
)
def test_a_broken_promise_is_an_assertion(store: Store, broken) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AssertionError):
        broken(store)


def test_a_write_inside_a_write_is_an_assertion(store: Store) -> None:
    with store.writing():
        assert store.is_writing
        with pytest.raises(AssertionError), store.writing():
            pass
        epoch = store.begin(NOW, "test")
        store.append([said(1)], epoch)
    assert not store.is_writing and store.counts(ALL)["facts"] == 1
    with store.writing(), pytest.raises(AssertionError):
        store.append([said(2)], epoch)


def test_what_is_held_back_is_not_visible(store: Store) -> None:
    later, grouped = said(1), said(2, group=Group(b"g", 2))
    with store.writing():
        assert store.hold(later, NOW, "peer", NOW + 5, "its clock is ahead")
        assert not store.hold(later, NOW, "peer", NOW + 5, "its clock is ahead")
        assert store.hold(grouped, NOW, "peer", None, "its group is not complete")
    held = [
        Held(later.id, KEYS[0].public, NOW, "peer", NOW + 5, "its clock is ahead"),
        Held(grouped.id, KEYS[0].public, NOW, "peer", None, "its group is not complete", Group(b"g", 2)),
    ]
    assert store.held() == held and store.counts(ALL)["deltas"] == 0 and list(store.envelopes()) == []
    assert store.envelope(later.id) == later.encode() and not store.has(later.id)
    assert store.members(KEYS[0].public, Group(b"g", 2)) == (0, [held[1]])
    assert store.members(KEYS[0].public, Group(b"g", 3)) == (0, []) == store.members(KEYS[1].public, Group(b"g", 2))
    assert list(store.verify()) == []
    with store.writing():
        assert store.release(later.id) == (later.encode(), "peer") and store.release(later.id) is None
        store.append([grouped], store.begin(NOW, "test"))
        assert not store.hold(grouped, NOW, "peer", None, "")
    assert store.held() == [] and store.members(KEYS[0].public, Group(b"g", 2)) == (1, [])


def test_names(store: Store) -> None:
    with store.writing():
        store.name(KEYS[0].public, "ada")
        store.name(KEYS[1].public, "bob")
        store.name(KEYS[0].public, "ada lovelace")
    assert store.names() == {KEYS[0].public: "ada lovelace", KEYS[1].public: "bob"}


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    calls = (store.epoch, store.epochs, store.held, store.names, store.last_time, lambda: store.counts(ALL),
             lambda: list(store.scan("fact", {}, ALL)), lambda: list(store.envelopes()), lambda: write(store, [said(1)]),
             lambda: store.envelope(Cid.of(b"")), lambda: store.size("fact", {}))  # fmt: skip
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.code == "store.closed"


def test_a_large_delta(store: Store) -> None:
    large = delta(*(Fact(b"%d" % n, "n", n) for n in range(20_000)))
    write(store, [said(0), large, said(1)])
    assert store.counts(ALL)["facts"] == 20_002
    assert sum(1 for _ in store.scan("asserts", {"delta": large.id}, ALL)) == 20_000
    assert Delta.decode(store.envelope(large.id) or b"") == large


def test_a_scan_by_keys_shows_what_was_there_when_it_was_asked_for(store: Store) -> None:
    write(store, [said(1)])
    found = store.scan_keys("fact", {}, ("attribute",), [("n",)], ALL)
    write(store, [said(2)])
    assert [row[3] for row in found] == [1]
    assert sorted(row[3] for row in store.scan_keys("fact", {}, ("attribute",), [("n",)], ALL)) == [1, 2]  # type: ignore[type-var]  # numbers


def test_totals_and_authors_are_known_without_a_walk_along_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches asks for the totals of each epoch, and who writes whether they spoke before."""
    write(store, [said(1), said(2)])
    write(store, [delta(Fact(b"e2", "n", 2), Fact(b"e3", "n", 3), key=KEYS[1])])
    with pytest.raises(ZeroDivisionError), store.writing():
        store.append([said(9, key=KEYS[2])], store.begin(NOW, "test"))
        raise ZeroDivisionError
    write(store, [said(1), said(4)])
    if isinstance(store, MemoryStore):
        monkeypatch.setattr(store, "_log", NoWalk(store._log))
    assert [store.totals(epoch) for epoch in (0, 1, 2, 3, 7)] == [(0, 0), (2, 2), (3, 3), (4, 4), (4, 4)]
    assert [store.has_author(key.public) for key in KEYS] == [True, True, False]


def test_a_fact_that_is_not_here_is_told_at_once(store: Store) -> None:
    """What is here always may be, wherever it waits; what nobody said, and what was taken back, is certainly not."""
    facts = [Fact(b"e", "n", number) for number in range(300)]
    for number, fact in enumerate(facts):
        assert not store.may_have_fact(fact.cid)
        with store.writing():
            store.append([delta(fact)], store.begin(NOW, "test"))
            assert store.may_have_fact(fact.cid)
        if number % 97 == 0:  # a look in between, and what looking makes of what waits
            assert len(list(store.scan("fact", {}, ALL))) == number + 1
            with pytest.raises(ZeroDivisionError), store.writing():
                store.append([delta(Fact(b"no", "n", number))], store.begin(NOW, "test"))
                raise ZeroDivisionError
        assert all(store.may_have_fact(each.cid) for each in facts[max(0, number - 5) : number + 1])
        assert not store.may_have_fact(Fact(b"no", "n", number).cid)
    assert all(store.may_have_fact(fact.cid) for fact in facts) and not store.may_have_fact(Cid.of(b"\x00"))


class NoWalk(list[Any]):
    """A list that is looked into, but not walked along."""

    def __iter__(self) -> Any:
        raise AssertionError("the whole log is read")
