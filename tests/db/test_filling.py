"""Filling: what an attachment lacks, held to the plain walk, and what is taken in for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.attachments.filling import gaps
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.limits import Limits
from rhizomedb.errors import AttachmentError
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import Block, Manifest, Part, is_manifest

Another = Callable[[], Connection]

CONTENT = random.Random(11).randbytes(400_000)


def copy_of(db: Connection, bytes_max: int | None = None) -> Connection:
    copy = connect(":memory:", author="bob", keyring=Keyring(), clock=db._clock, attachment_bytes_max=bytes_max)
    copy.admit([delta.encode() for delta in db.deltas()], origin="a")
    return copy


def plainly(db: Connection, other: Connection) -> None:
    """The obvious way: ask for what is missing until nothing more comes."""
    for each in list(db.attachments()):
        while db.put_blocks(other.get_blocks(list(islice(db.missing_blocks(each.cid), 100)))).blocks:
            pass


def fill(db: Connection, other: Connection) -> Any:
    filling = db.filling()
    for _ in filling.rounds():
        filling.take(other.get_blocks(filling.wanted()))
    return filling


def held(db: Connection) -> set[Cid]:
    return {cid for cid, _ in db.get_blocks(db.blocks())}


def tree(chunks: list[Block], width: int) -> Iterator[Block]:
    """All blocks of a content in narrow manifests, so that a little content makes a tall tree; the root comes last."""
    yield from chunks
    level = [(each, len(each.body)) for each in chunks]
    height = 0
    while height == 0 or len(level) > 1:
        above = []
        for at in range(0, max(1, len(level)), width):
            parts = level[at : at + width]
            made = Block.manifest(Manifest(height, tuple(Part(each.cid, size) for each, size in parts)))
            yield made
            above.append((made, sum(size for _, size in parts)))
        level, height = above, height + 1


TREES = st.lists(st.tuples(st.lists(st.integers(0, 9), max_size=8), st.integers(2, 4)), min_size=1, max_size=4)


@given(trees=TREES, seed=st.integers(0, 1000), limit=st.sampled_from([1, 3, 1 << 16]))
@settings(max_examples=80)
def test_it_is_as_the_plain_walk(trees: list[tuple[list[int], int]], seed: int, limit: int) -> None:
    """Trees that share chunks and manifests; both copies lack some blocks of them."""
    source = connect(":memory:", author="alice", keyring=Keyring())
    blocks: dict[Cid, bytes] = {}
    for number, (chunks, width) in enumerate(trees):
        made = list(tree([Block.chunk(b"%d" % chunk * SIZES.bytes_min) for chunk in chunks], width))
        source.transact([("A", f"file {number}", made[-1].cid)])
        blocks |= {each.cid: each.body for each in made}
    chance = random.Random(seed)
    source.put_blocks((cid, body) for cid, body in blocks.items() if chance.random() < 0.9)
    one, two = copy_of(source), copy_of(source)
    for cid, body in blocks.items():
        if chance.random() < 0.3:
            one.put_blocks([(cid, body)])
            two.put_blocks([(cid, body)])
    for root in (each.cid for each in one.attachments()):
        assert {gap.cid for gap in gaps(one._store, root, Limits())} == set(one.missing_blocks(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rhizomedb.db.attachments.filling.WANTED_MAX", limit)
        filling = fill(one, source)
    plainly(two, source)
    assert held(one) == held(two)
    assert filling.left_out == {}
    assert filling.unfilled() == sum(1 for each in one.attachments() if not each.is_complete)


def test_blocks_of_visible_attachments(db: Connection) -> None:
    said = db.attach("A", "file", CONTENT)
    assert said.cid is not None
    found = list(db.blocks())
    assert found[0] == said.cid, "a manifest comes before what it lists"
    assert len(found) == said.new.blocks
    assert [is_manifest(cid) for cid in found] == [True] + [False] * (len(found) - 1)


def test_bytes_of_another_cid_are_about_who_gave_them(db: Connection) -> None:
    db.attach("A", "file", CONTENT)
    copy = copy_of(db)
    filling = copy.filling()
    with pytest.raises(AttachmentError) as caught:
        for _ in filling.rounds():
            filling.take((cid, b"something else") for cid in filling.wanted())
    assert caught.value.code == "attachment.block"
    assert (filling.left_out, filling.new.blocks) == ({}, 0)
    assert fill(copy, db).unfilled() == 0


def test_what_is_not_wanted_is_not_taken(db: Connection) -> None:
    db.attach("A", "file", b"wanted")
    copy = copy_of(db)
    block = Block.chunk(b"not wanted")
    filling = copy.filling()
    for _ in filling.rounds():
        filling.take([(block.cid, block.body), *db.get_blocks(filling.wanted())])
    assert (filling.new.blocks, list(copy.get_blocks([block.cid]))) == (2, [])


def test_it_is_written_as_it_comes(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is taken at once, no more than a write of it is in memory."""
    monkeypatch.setattr("rhizomedb.db.attachments.filling.WRITE_BYTES", 100_000)
    db.attach("A", "file", CONTENT)
    copy = copy_of(db)
    seen = []
    filling = copy.filling()

    def counted(cids: list[Cid]) -> Iterator[tuple[Cid, bytes]]:
        for cid in cids:
            seen.append(filling.new.blocks)
            yield from db.get_blocks([cid])

    for _ in filling.rounds():
        filling.take(counted(filling.wanted()))
    assert len(set(seen)) > 2
    assert filling.unfilled() == 0


def test_what_is_whole_here_is_no_matter_of_limits(db: Connection) -> None:
    db.attach("A", "file", CONTENT)
    copy = copy_of(db, bytes_max=10)
    copy.put_blocks(db.get_blocks(list(db.blocks())))
    assert [each.is_complete for each in copy.attachments()] == [True]
    filling = fill(copy, db)
    assert (filling.left_out, filling.unfilled()) == ({}, 0)


@pytest.mark.parametrize("here", [1, 2, 3])
def test_what_was_begun_under_a_greater_limit(db: Connection, here: int) -> None:
    """The root says how large the content is, whichever part of it is missing."""
    *_, root = blocks = list(tree([Block.chunk(b"%d" % number * SIZES.bytes_min) for number in range(8)], 2))
    db.put_blocks((each.cid, each.body) for each in blocks)
    db.transact([("A", "file", root.cid)])
    copy = copy_of(db, bytes_max=8 * SIZES.bytes_min - 1)
    copy.put_blocks((each.cid, each.body) for each in blocks[-here:])
    filling = fill(copy, db)
    assert [error.code for error in filling.left_out.values()] == ["attachment.too-big"]
    assert (filling.new.blocks, filling.unfilled()) == (0, 0)
