"""A store over another one is the store that has both: on random deltas, beneath and above, at every cut."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import exact
from rhizomedb.store.admit import admit
from rhizomedb.store.memory import MemoryStore
from rhizomedb.store.open import open_store
from rhizomedb.store.overlay import OverlayStore
from rhizomedb.store.store import COLUMNS, Cut

KEYS = [Key(bytes([number]) * 32) for number in range(3)]
ENTITIES = [b"\x01a", b"\x01b", b"\x02"]
NOW = 10_000


@st.composite
def logs(draw):
    """Deltas that say facts again and name each other's as causes."""
    made, facts = [], []
    for number in range(draw(st.integers(1, 8))):
        said = {}
        for _ in range(draw(st.integers(1, 3))):
            causes = draw(st.lists(st.sampled_from(facts), max_size=2)) if facts else []
            again = draw(st.sampled_from(facts)) if facts and draw(st.integers(0, 3)) == 0 else None
            fact = again or Fact(
                draw(st.sampled_from(ENTITIES)),
                draw(st.sampled_from(["v", "w", 1])),
                draw(st.sampled_from([1, 1.0, True, "x"])),
                [cause.cid for cause in causes],
            )
            said[fact.cid] = fact
        facts += said.values()
        key, time = draw(st.sampled_from(KEYS)), HybridTime(draw(st.integers(1, 6)), number)
        edge = draw(st.none() | st.just(b"e%d" % number))
        made.append(Delta.sign(key, system="s", time=time, facts=said.values(), edge=edge))
    return made


cuts = st.builds(
    lambda epoch, since, until, author: Cut(
        epoch, since, until, None if author is None else frozenset([author.public])
    ),
    st.none() | st.integers(0, 8),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(2, 7),
    st.none() | st.sampled_from(KEYS),
)


def plain(store, some):
    """Admit deltas, each in an epoch of its own."""
    for delta in some:
        admit(store, [delta], now_ms=NOW, origin="test")


def all_of(store, cut, window):
    """Everything that a store answers at a cut, in no order."""
    found = {}
    for relation, columns in COLUMNS.items():
        if relation == "arrival" and window:
            continue  # a copy that has only what is in a window counts other epochs
        rows = list(store.scan(relation, {}, cut))
        assert len(rows) == len(set(rows))
        found[relation] = set(rows)
        for place, name in enumerate(columns):
            for cell in {row[place] for row in rows}:
                some = list(store.scan(relation, {name: cell}, cut))
                assert set(some) == {row for row in rows if row[place] == cell} and len(some) == len(set(some))
            keys = [(cell,) for cell in {row[place] for row in rows}]
            assert sorted(map(repr, store.scan_keys(relation, {}, (name,), keys, cut))) == sorted(map(repr, rows))
    found["entities"] = list(store.entities(cut))
    found["starting"] = [store.entities_starting(digits, cut, most) for digits in ("", "01", "02") for most in (1, 10)]
    found["counts"] = store.counts(cut)
    found["attributes"] = sorted(map(repr, store.attributes(cut)))
    found["digests"] = store.digests_by_entity(ENTITIES, cut)
    return found


def check(overlay, copy, made, cut, window):
    assert all_of(overlay, cut, window) == all_of(copy, cut, window)
    epoch = copy.epoch()
    if not window:
        assert overlay.epoch() == epoch
        assert overlay.epochs() == copy.epochs()
        for number in range(epoch + 1):
            assert overlay.totals(number) == copy.totals(number)
            assert overlay.epochs(number) == copy.epochs(number)
            assert list(overlay.envelopes(number)) == list(copy.envelopes(number))
            assert set(copy.repeated(number)) <= set(overlay.repeated(number))
        assert set(overlay.repeated(epoch)) == set(copy.repeated(epoch))
        assert [overlay.place(delta.id) for delta in made] == [copy.place(delta.id) for delta in made]
        assert overlay.last_time() == copy.last_time()
        assert {exact(name) for name in overlay.attribute_names()} == {exact(name) for name in copy.attribute_names()}
    assert [envelope for _, envelope in overlay.envelopes()] == [envelope for _, envelope in copy.envelopes()]
    for delta in made:
        assert overlay.has(delta.id) == copy.has(delta.id)
        if copy.has(delta.id):
            assert overlay.envelope(delta.id) == delta.encode()
            assert overlay.has_author(delta.author)
            assert all(overlay.may_have_fact(fact.cid) for fact in delta.facts)


@pytest.mark.parametrize("kind", ["memory", "file", "overlay"])
@settings(max_examples=25)
@given(made=logs(), first=st.integers(0, 8), cut=cuts)
def test_both_together_are_one(kind, tmp_path_factory, made, first, cut):
    path = str(tmp_path_factory.mktemp("overlay") / "a.db") if kind == "file" else ":memory:"
    with closing(open_store(path, create=True)) as beneath, closing(MemoryStore()) as copy:
        plain(beneath, made[:first])
        under = OverlayStore(beneath, Cut()) if kind == "overlay" else beneath
        plain(under, made[:first][::-1])
        overlay = OverlayStore(under, Cut())
        plain(overlay, [*made[first:], *made[:2]])
        plain(copy, made)
        check(overlay, copy, made, cut, False)
        check(overlay, copy, made, Cut(), False)
        assert list(beneath.envelopes()) == list(copy.envelopes())[: len(list(beneath.envelopes()))]


@settings(max_examples=40)
@given(logs(), st.integers(0, 8), cuts, cuts)
def test_over_a_part_of_what_is_beneath(made, first, window, cut):
    with closing(MemoryStore()) as beneath, closing(MemoryStore()) as copy:
        plain(beneath, made[:first])
        overlay = OverlayStore(beneath, window)
        epochs = {envelope: epoch for epoch, envelope in beneath.envelopes()}
        seen = [d for d in made[:first] if window.admits(epochs[d.encode()], d.time.ms, d.author)]
        plain(overlay, made[first:])
        plain(copy, [*seen, *made[first:]])
        without_epoch = Cut(None, cut.since, cut.until, cut.authors)
        check(overlay, copy, made, without_epoch, True)


def test_nothing_beneath_changes_and_nothing_that_comes_there_shows():
    one, two, three = (
        Delta.sign(KEYS[0], system="s", time=HybridTime(n), facts=[Fact(b"e", "v", n)]) for n in (1, 2, 3)
    )
    beneath = MemoryStore()
    plain(beneath, [one])
    overlay = OverlayStore(beneath, Cut())
    plain(overlay, [two])
    plain(beneath, [three])
    assert [delta[0] for delta in overlay.scan("delta", {}, Cut())] == [one.id, two.id]
    assert overlay.epoch() == 2 and beneath.epoch() == 2 and not beneath.has(two.id)
    plain(overlay, [three])  # it is not seen from here, so here it can be supposed
    assert overlay.has(three.id)


def test_a_group_that_is_complete_with_what_is_supposed_is_visible_here_alone():
    group = Group(b"g", 2)
    parts = [
        Delta.sign(KEYS[0], system="s", time=HybridTime(n), facts=[Fact(b"e", "v", n)], group=group) for n in (1, 2)
    ]
    beneath = MemoryStore()
    plain(beneath, parts[:1])
    overlay = OverlayStore(beneath, Cut())
    assert len(overlay.held()) == 1 and not overlay.has(parts[0].id)
    with pytest.raises(ZeroDivisionError), overlay.writing():
        admit(overlay, parts[1:], now_ms=NOW, origin="test")
        raise ZeroDivisionError
    assert len(overlay.held()) == 1 and overlay.epoch() == 0
    plain(overlay, parts[1:])
    assert overlay.held() == [] and overlay.has(parts[0].id) and overlay.has(parts[1].id)
    assert len(beneath.held()) == 1 and beneath.epoch() == 0
