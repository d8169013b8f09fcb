"""Where content is cut: the quick finder against the rule as it reads, and what cutting by content is for."""

from __future__ import annotations

import hashlib
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.facts import chunking
from rhizomedb.facts.chunking import GEAR, SIZES, Sizes, chunks, find_cuts, find_cuts_plain

SMALL = Sizes(32, 48, 96, early=1 << 26, late=1 << 29)
"""Chunks so small that a few hundred bytes have many."""

TINY = Sizes(32, 32, 33, early=0, late=0)
"""No hash is small enough: every chunk has the greatest size."""

SEEDS = random.Random(11)
MEBI = SEEDS.randbytes(1 << 20)


def test_the_table_is_the_one_of_the_specification() -> None:
    assert GEAR[0] == 0x8A345AAA
    assert hashlib.sha256(b"".join(number.to_bytes(4, "big") for number in GEAR)).hexdigest()[:16] == "443ad69a8d1db52a"
    assert (SIZES.bytes_min, SIZES.bytes_normal, SIZES.bytes_max) == (16384, 65536, 262144)


@pytest.mark.parametrize(
    ("data", "sizes", "cuts"),
    [
        (b"", SIZES, []),
        (b"a", SIZES, [1]),
        (bytes(16384), SIZES, [16384]),
        (bytes(33 * 3), TINY, [33, 66, 99]),
        (bytes(33 * 3 + 1), TINY, [33, 66, 99, 100]),
        (b"", SMALL, []),
    ],
)
def test_cuts(data: bytes, sizes: Sizes, cuts: list[int]) -> None:
    assert find_cuts(data, sizes=sizes) == find_cuts_plain(data, sizes=sizes) == cuts


def test_what_is_the_same_over_and_over_is_cut_at_the_greatest_size() -> None:
    assert find_cuts(bytes(600_000)) == [262_144, 524_288, 600_000]


# Few different bytes, so that hashes come again; many blocks of hashes, so that their seams are met.
contents = st.one_of(
    st.binary(max_size=700),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 999), st.integers(0, 5000)),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=40), st.integers(0, 60)),
)


@pytest.mark.parametrize("block_bytes", [1, 7, 64, chunking.BLOCK_BYTES])
@pytest.mark.parametrize("sizes", [SMALL, TINY], ids=["small", "tiny"])
@given(data=contents, final=st.booleans())
def test_the_quick_one_cuts_as_the_plain_one(data: bytes, final: bool, sizes: Sizes, block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "BLOCK_BYTES", block_bytes)
        assert find_cuts(data, final=final, sizes=sizes) == find_cuts_plain(data, final=final, sizes=sizes)


def test_with_the_sizes_of_the_specification_too() -> None:
    assert find_cuts(MEBI) == find_cuts_plain(MEBI)
    assert len(find_cuts(MEBI)) > 5


@given(data=contents, more=contents)
def test_a_cut_that_is_certain_stays_whatever_follows(data: bytes, more: bytes) -> None:
    certain = find_cuts(data, final=False, sizes=SMALL)
    assert find_cuts(data + more, sizes=SMALL)[: len(certain)] == certain


@given(data=contents)
def test_chunks_are_the_content_and_of_the_sizes(data: bytes) -> None:
    cut = list(chunks([data], sizes=SMALL))
    assert b"".join(cut) == data
    assert all(SMALL.bytes_min <= len(chunk) <= SMALL.bytes_max for chunk in cut[:-1])
    assert all(0 < len(chunk) <= SMALL.bytes_max for chunk in cut[-1:])


@given(data=contents, places=st.lists(st.integers(0, 5000), max_size=8), segment=st.sampled_from([1, 100, 1 << 20]))
def test_chunks_do_not_depend_on_how_the_content_comes(data: bytes, places: list[int], segment: int) -> None:
    ends = sorted({0, len(data), *(min(place, len(data)) for place in places)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "SEGMENT_BYTES", segment)
        assert list(chunks((data[a:b] for a, b in pairwise(ends)), sizes=SMALL)) == list(chunks([data], sizes=SMALL))


@pytest.mark.parametrize("place", [0, 1, 300_000, (1 << 20) - 1])
def test_a_byte_put_in_changes_few_chunks(place: int) -> None:
    before, after = set(chunks([MEBI])), set(chunks([MEBI[:place] + b"!" + MEBI[place:]]))
    assert len(after - before) <= 2


def test_random_content_is_cut_near_the_normal_size() -> None:
    sizes = [len(chunk) for chunk in chunks([SEEDS.randbytes(8 << 20)])]
    assert 55_000 < sum(sizes) / len(sizes) < 95_000
