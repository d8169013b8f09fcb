"""The kernels of the index and their plain twins: the same segments byte for byte, however the log is cut; the same look-ups."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import ATTRIBUTES, ENTITIES, VALUES, deltas, said

from rhizomedb import backend
from rhizomedb.errors import StoreError
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.signature import Key
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import exact, order_cell
from rhizomedb.store import build, lookup
from rhizomedb.store.keys import cell_of, key_of
from rhizomedb.store.said import Said, said_by, said_in
from rhizomedb.store.segment import CELL, ROW, SECTIONS, Bounds, read_header

needs_rust = pytest.mark.skipif(backend() != "rust", reason="the kernels are not built")


class Kernels(NamedTuple):
    build: Any
    merge: Any
    index: Any
    segment: Any

    def over(self, buffers: Sequence[bytes]) -> Any:
        return self.index([self.segment(buffer) for buffer in buffers])


PLAIN = Kernels(build.build_segment, build.merge_segments, lookup.Index, lookup.Segment)


def rust() -> Kernels:
    import rhizomedb_native as native

    return Kernels(native.build_segment, native.merge_segments, native.Index, native.Segment)


@st.composite
def logs(draw: Any) -> list[Said]:
    """Some deltas in the order of a log, some of which say what others said and name it as cause."""
    said: dict[Any, Delta] = {}
    causes: list[Any] = []
    for _ in range(draw(st.integers(0, 8))):
        delta = draw(deltas(causes[-6:]))
        causes += [fact.cid for fact in delta.facts]
        said.setdefault(delta.id, delta)
    return [said_by(delta, place // 2 + 1) for place, delta in enumerate(said.values())]


def cut(kernels: Kernels, log: Sequence[Said], sizes: Sequence[int]) -> list[bytes]:
    """The segments of a log that is cut into stretches of these sizes."""
    buffers: list[bytes] = []
    bounds, at = Bounds(), 0
    for size in [*sizes, len(log)]:
        if log[at : at + size]:
            numbers = bounds.delta_last, bounds.fact_last, bounds.cell_last
            buffers.append(kernels.build(kernels.over(buffers), *numbers, log[at : at + size]))
            bounds, at = read_header(buffers[-1]).bounds, at + size
    return buffers


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*VALUES, *ENTITIES, *ATTRIBUTES], ids=repr)
def test_keys(value: Any) -> None:
    assert cell_of(key_of(exact(value))) == exact(value)


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x01abc", b"\x02", b"\x07x", b"\x03\xff"])
def test_what_is_no_key(key: bytes) -> None:
    with pytest.raises(ValueError):
        cell_of(key)


# -- laws --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([*VALUES, *ENTITIES, *ATTRIBUTES]), min_size=2, max_size=2))
def test_keys_sort_as_values(two: list[Any]) -> None:
    a, b = map(exact, two)
    assert (key_of(a) < key_of(b)) == (order_cell(a) < order_cell(b))


@given(logs(), st.lists(st.integers(1, 4), max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_merged_segment_is_the_one_that_would_have_been_built(log: list[Said], sizes: list[int]) -> None:
    if log:
        buffers = cut(PLAIN, log, sizes)
        assert PLAIN.merge([PLAIN.segment(buffer) for buffer in buffers]) == cut(PLAIN, log, [])[0]


@given(deltas(), st.integers(1, 2**31))
def test_a_delta_and_its_bytes_say_the_same(delta: Delta, epoch: int) -> None:
    assert said_by(delta, epoch) == said_in(delta.encode(), epoch)


@given(logs(), st.data())
@settings(max_examples=80, deadline=None)
def test_any_altered_byte_is_found_or_means_nothing(log: list[Said], data: Any) -> None:
    if not log:
        return
    whole = cut(PLAIN, log, [])[0]
    place = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[place] ^= 1 << data.draw(st.integers(0, 7))
    for kernels in [PLAIN, *([rust()] if backend() == "rust" else [])]:
        try:
            found = everything(kernels, [bytes(altered)])
        except StoreError as error:
            assert error.code == "store.index-damaged"
        else:
            assert found == everything(PLAIN, [whole])


# -- oracles -----------------------------------------------------------------------------------------------------------


def everything(kernels: Kernels, buffers: Sequence[bytes]) -> list[Any]:
    """All that an index answers."""
    index = kernels.over(buffers)
    last = read_header(buffers[-1]).bounds
    found: list[Any] = [
        index.repeated(last.fact_last),
        index.repeated(1),
        index.summary(last.fact_last),
        index.summary(2),
    ]
    found += [index.ordered(number, key, 3) for number in range(len(buffers)) for key in (b"", b"\x03n", b"\x05")]
    for cell in range(1, last.cell_last + 1):
        (key,) = index.keys([cell])
        found += [key, index.find_cell(key), index.has_author(cell), index.effects(cell)]
        for other in range(0, last.cell_last + 1, 3):
            for asked in ((cell, other, 0), (0, other, cell), (0, cell, 0)):
                ranges = index.ranges(*asked)
                found += [ranges, *map(index.read, ranges)]
                found += [index.find_facts(*asked, most) for most in (0, 1, 3, 99)]
            found.append(index.members(cell, other, 2))
    for row in range(1, last.fact_last + 1):
        (digest,) = index.digests([row])
        found += [digest, index.find_fact(digest), index.facts([row]), index.causes(row), index.sayers(row)]
        found += [index.effects(row | ROW), index.visible([row], 2, 1, 5, None), index.visible([row], 9, -1, 9, [1, 2])]
    for seq in range(1, last.delta_last + 1):
        (delta,) = index.deltas([seq])
        found += [delta, index.find_delta(delta[0]), index.facts_of_delta(seq), index.repeated_by(seq)]
        found.append(index.hyperedges([seq, seq]))
    found += [index.caused(row, most) for row in range(1, last.fact_last + 2) for most in (1, 2, 99)]
    found += [index.find_cell(b"\x03nobody"), index.find_fact(bytes(32)), index.find_delta(b"x" * 32)]
    found += [index.check(number, name) for number in range(len(buffers)) for name in SECTIONS]
    return found


@needs_rust
@given(logs(), st.lists(st.integers(1, 4), max_size=6))
@settings(max_examples=150, deadline=None)
def test_both_kernels_build_merge_and_find_the_same(log: list[Said], sizes: list[int]) -> None:
    buffers = cut(PLAIN, log, sizes)
    assert cut(rust(), log, sizes) == buffers
    if buffers:
        assert rust().merge([rust().segment(buffer) for buffer in buffers]) == cut(PLAIN, log, [])[0]
        assert everything(rust(), buffers) == everything(PLAIN, buffers)


@needs_rust
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 6]), st.lists(st.integers(1, 6), max_size=4))
@settings(max_examples=8, deadline=None)
def test_many_entities_unevenly_spread_are_found_however_often_they_are_asked_for(
    seed: int, power: int, sizes: list[int]
) -> None:
    chance = random.Random(seed)
    log = []
    for number in range(8):
        values = range(400 * number, 400 * number + 400)
        about = [int(900 * chance.random() ** power + 1).to_bytes(16, "big") for _ in values]
        attributes = [chance.choice("abc") for _ in values]
        facts = Stretch.from_columns(about, attributes, list(values), [()] * len(values))
        delta = Delta.sign(Key(bytes(32)), system="s", time=HybridTime(number + 1, 0), facts=facts)
        log.append(said_by(delta, number + 1))
    buffers = cut(PLAIN, log, sizes)
    plain, fast = PLAIN.over(buffers), rust().over(buffers)
    cells = list(range(1, read_header(buffers[-1]).bounds.cell_last + 2))
    chance.shuffle(cells)
    for cell in (*cells, *cells[:200]):
        assert fast.find_facts(cell, 0, 0, 5) == plain.find_facts(cell, 0, 0, 5)


@pytest.mark.parametrize("kernels", [PLAIN, pytest.param("rust", marks=needs_rust)], ids=["python", "rust"])
@pytest.mark.parametrize("asked", [0, 2**31 - 1, 2**31 + 5])
def test_numbers_that_nobody_gave(kernels: Any, asked: int) -> None:
    kernels = rust() if kernels == "rust" else kernels
    index = kernels.over([])
    for ask in (index.causes, index.sayers, index.repeated_by, index.facts_of_delta):
        with pytest.raises(StoreError):
            ask(asked)
    for ask in (index.keys, index.facts, index.digests, index.deltas, index.hyperedges):
        with pytest.raises(StoreError):
            ask([asked])
    assert index.effects(asked) == [] and index.ranges(asked, 0, 0) == []
    assert index.find_facts(asked, 0, 0, 9) == ([], [])


@given(logs(), st.lists(st.integers(1, 4), max_size=6), st.data())
@settings(max_examples=80, deadline=None)
def test_what_is_found_at_once_and_the_rest_are_what_ranges_say(log: list[Said], sizes: list[int], data: Any) -> None:
    buffers = cut(PLAIN, log, sizes)
    last = read_header(buffers[-1]).bounds.cell_last if buffers else 1
    asked = [data.draw(st.integers(0, last)) for _ in range(3)]
    most = data.draw(st.integers(0, 20))
    for kernels in [PLAIN, *([rust()] if backend() == "rust" else [])]:
        index = kernels.over(buffers)
        ranges = index.ranges(*asked)
        rows, rest = index.find_facts(*asked, most)
        whole = ranges[: len(ranges) - len(rest)]
        assert [*whole, *rest] == ranges
        assert rows == [row for part in whole for row in index.read(part)] and len(rows) <= most
        assert not rest or len(rows) + rest[0][3] - rest[0][2] > most


@pytest.mark.parametrize("which", ["python", pytest.param("rust", marks=needs_rust)])
@pytest.mark.parametrize(
    ("reached", "fits"),
    [
        ((ROW - 2, 0, 0), True), ((ROW - 1, 0, 0), False), ((0, ROW - 2, 0), True), ((0, ROW - 1, 0), False),
        ((0, 0, CELL - 6), True), ((0, 0, CELL - 5), False), ((0, 0, ROW - 1), False),
    ],
)  # fmt: skip
def test_where_there_are_no_numbers_left_the_database_is_full(
    which: str, reached: tuple[int, int, int], fits: bool
) -> None:
    """It is not damaged: to make its index anew would lead to the same place."""
    kernels = PLAIN if which == "python" else rust()
    one = [said_by(said(1), 1)]  # a delta, a fact, and five cells: author, system, entity, attribute, value
    if fits:
        bounds = read_header(kernels.build(kernels.index([]), *reached, one)).bounds
        assert (bounds.delta_last, bounds.fact_last, bounds.cell_last) == tuple(
            map(sum, zip(reached, (1, 1, 5), strict=True))
        )
        return
    with pytest.raises(StoreError, match="a database numbers up to") as caught:
        kernels.build(kernels.index([]), *reached, one)
    assert caught.value.code == "store.full"
