"""Stretches: the same as the tuple of their facts to whoever looks, and refused as `Fact` refuses."""

import copy
import pickle

import pytest
from fact_strategies import KEYS, facts
from fact_vectors import MIDNIGHT, NOON, SUNSET, E
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.errors import DeltaRefused, ValueRefused
from rhizomedb.facts import Cid, Delta, Fact, HybridTime, Stretch, stretch

SAID = (NOON, SUNSET, MIDNIGHT, Fact(E, "v", Cid(bytes.fromhex("01551220") + bytes(32))), Fact(b"", 7, 1.5))


def columns_of(said):
    return tuple(map(list, zip(*(fact.node() for fact in said), strict=True))) or ([], [], [], [])


def read(said):
    data = b"before" + b"".join(fact.encode() for fact in said) + b"after"
    made, end = Stretch.read(data, 6, len(said))
    assert end == len(data) - 5
    return made


WAYS = {
    "of": Stretch.of,
    "columns": lambda said: Stretch.from_columns(*columns_of(said)),
    "read": read,
    "slice": lambda said: read([NOON, *said, NOON])[1:-1],
    "slice-of": lambda said: Stretch.of([NOON, *said, NOON])[1:-1],
    "steps": lambda said: read([fact for fact in said for _ in range(2)])[::2],
    "pickle": lambda said: pickle.loads(pickle.dumps(read(said))),
    "within": lambda said: Stretch.of(said).within(b"ab" + Stretch.of(said).encode() + b"c", 2),
    "within-shifted": lambda said: read(said).within(Stretch.of(said).encode(), 0),
}
ways = pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)


def refusal(call, *arguments, **options):
    with pytest.raises(ValueRefused) as error:
        call(*arguments, **options)
    return error.value


# -- tables ------------------------------------------------------------------------------------------------------------


@ways
@pytest.mark.parametrize("count", range(len(SAID) + 1))
def test_what_a_tuple_does(make, count):
    said = SAID[:count]
    made = make(said)
    assert len(made) == count
    assert tuple(made) == said and list(made) == list(said)
    assert made == said and said == made
    assert made == Stretch.of(said) and hash(made) == hash(said)
    assert tuple(reversed(made)) == said[::-1]
    for start in (None, 0, 1, 2, -1, 9):
        for stop in (None, 0, 1, 3, -1, 9):
            for step in (None, 1, 2, -1):
                part = made[start:stop:step]
                assert type(part) is Stretch
                assert part == said[start:stop:step]
                assert part.digests == b"".join(bytes(fact.cid)[4:] for fact in part)
    for number in range(-count, count):
        assert made[number] == said[number]
        assert made[number].node() == said[number].node()
    for fact in SAID:
        assert (fact in made) == (fact in said) and made.count(fact) == said.count(fact)
    for number in (count, -count - 1):
        with pytest.raises(IndexError):
            made[number]
    assert made.encode() == b"".join(fact.encode() for fact in said)
    assert len(made.spans) == 20 * count and len(made.digests) == 32 * count
    assert not made.has_repeats()


@ways
def test_repeats_are_seen(make):
    assert make([*SAID, SAID[1]]).has_repeats()


def test_unlike():
    made = Stretch.of(SAID)
    assert made != Stretch.of(SAID[:-1]) and made != SAID[:-1] and made != SAID[::-1]
    assert made != list(SAID) and made != (*SAID[:-1], "fact") and made != 5
    assert len({made, read(SAID), SAID}) == 1


def test_facts_of_a_stretch_know_their_cids():
    for fact, other in zip(read(SAID), SAID, strict=True):
        assert fact.cid == other.cid == Cid.of(fact.encode())
        assert fact.causes == other.causes and pickle.loads(pickle.dumps(fact)) == other


def test_a_short_stretch_makes_its_facts_once_a_long_one_each_time(monkeypatch):
    made = read(SAID)
    assert [id(fact) for fact in made] == [id(fact) for fact in made]
    monkeypatch.setattr(stretch, "FACTS_KEPT_MAX", 3)
    monkeypatch.setattr(stretch, "DECODED_TOGETHER", 2)
    made = read(SAID)
    assert tuple(made) == SAID == tuple(made)
    assert next(iter(made)) is not next(iter(made))


def test_a_stretch_does_not_change():
    made = read(SAID)
    for name in (*Stretch.__slots__, "spans", "other"):
        with pytest.raises(AttributeError):
            setattr(made, name, 1)
    with pytest.raises(AttributeError):
        del made.data
    assert copy.deepcopy(made) == made
    assert repr(made) == "<Stretch of 5 facts>" and repr(made[:1]) == "<Stretch of 1 fact>"


def test_what_comes_out_of_a_pickle_is_checked():
    with pytest.raises(ValueRefused):
        pickle.loads(pickle.dumps(Stretch.of([NOON])).replace(b"dblue", b"dbl\xffe"))


def test_refused():
    assert refusal(Stretch).code == "facts.stretch"
    assert refusal(Stretch.of, [NOON, "fact"]).message == "item 1 is no fact but str"
    for columns in (([], [1], []), ([], [], [1]), ([E], [], []), ([E], ["v"], [1], [])):
        assert refusal(Stretch.from_columns, *columns).code == "facts.stretch"
    error = refusal(Stretch.from_columns, [E] * 3, ["v"] * 3, [1, 2, None])
    assert (error.code, error.where) == ("facts.null-value", "item 2")
    assert error.fix == refusal(Fact, E, "v", None).fix
    error = refusal(Stretch.read, NOON.encode() + b"\x00", 0, 2)
    assert (error.code, error.where) == ("facts.shape", f"byte {len(NOON.encode())}")
    assert refusal(Stretch.read, NOON.encode(), 0, 2**70).code == "facts.malformed"


def test_columns_of_any_iterable():
    made = Stretch.from_columns(iter([E, E]), ("v", "w"), range(2), iter([iter([NOON.cid]), {SUNSET.cid}]))
    assert made == (Fact(E, "v", 0, [NOON.cid]), Fact(E, "w", 1, [SUNSET.cid]))


def test_no_stretch_is_longer_than_its_spans_can_say(monkeypatch):
    size = len(Stretch.of(SAID).encode())
    monkeypatch.setattr(stretch, "STRETCH_BYTES_MAX", size)
    for make in (Stretch.of, lambda said: Stretch.from_columns(*columns_of(said))):
        assert make(SAID) == SAID
        assert refusal(make, [*SAID, NOON]).code == "facts.stretch"
    assert refusal(Stretch.read, bytes(size + 1), 0, 1).code == "facts.stretch"


# -- in deltas ---------------------------------------------------------------------------------------------------------

OPTIONS = {"system": "laptop", "time": HybridTime(1)}


def test_a_delta_holds_one_buffer():
    for given_facts in (SAID, Stretch.of(SAID), read(SAID), WAYS["columns"](SAID)):
        delta = Delta.sign(KEYS[0], facts=given_facts, edge=b"edge", **OPTIONS)
        again = Delta.decode(delta.encode())
        for each in (delta, again):
            assert each.facts.data is each.encode()
            assert each.facts == SAID
            assert each.facts.spans == again.facts.spans and each.facts.digests == again.facts.digests


def test_a_delta_of_a_stretch_is_the_delta_of_its_facts():
    expected = Delta.sign(KEYS[0], facts=SAID, **OPTIONS).encode()
    for make in WAYS.values():
        assert Delta.sign(KEYS[0], facts=make(SAID), **OPTIONS).encode() == expected


@pytest.mark.parametrize(
    ("said", "code"),
    [(Stretch.of([]), "delta.empty"), (read([NOON, NOON]), "delta.repeated-fact"), (SAID[:0], "delta.empty"),
     (Stretch.from_columns([E] * 65_537, ["v"] * 65_537, range(65_537)), "delta.too-big")],
)  # fmt: skip
def test_not_signed(said, code):
    with pytest.raises(DeltaRefused) as error:
        Delta.sign(KEYS[0], facts=said, **OPTIONS)
    assert error.value.code == code


def test_endless_facts_are_refused():
    def endless():
        while True:
            yield NOON

    with pytest.raises(DeltaRefused) as error:
        Delta.sign(KEYS[0], facts=endless(), **OPTIONS)
    assert error.value.code == "delta.too-big"


# -- laws --------------------------------------------------------------------------------------------------------------


@given(st.lists(facts, max_size=8), st.integers(-9, 9), st.integers(-9, 9))
def test_every_way_to_make_one_gives_the_same(said, start, stop):
    made = [make(said) for make in WAYS.values()]
    for each in made:
        assert each == tuple(said)
        assert each.digests == made[0].digests
        assert each.has_repeats() == (len(set(said)) < len(said))
        assert each[start:stop] == tuple(said[start:stop])
        assert [fact.node() for fact in each] == [fact.node() for fact in said]
