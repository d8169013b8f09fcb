"""Manifests and blocks: one encoding, strictly read, and trees of any size."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.errors import Error
from rhizomedb.facts import codec, manifest
from rhizomedb.facts.chunking import SIZES, chunks
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import BLOCK_BYTES_MAX, FANOUT, Block, Manifest, Part, Tree, is_chunk

CHUNK = Block.chunk(b"hello")
LEAST = SIZES.bytes_min
LONG = Block.chunk(bytes(LEAST))
LEAF = Manifest(0, (Part(CHUNK.cid, 5),))


def blocks_of(bodies: list[bytes]) -> list[Block]:
    """All blocks of a content, the one that names it last."""
    tree = Tree()
    made: list[Block] = []
    for body in bodies:
        chunk = Block.chunk(body)
        made += [*tree.add(chunk), chunk]
    return [*made, *tree.close()]


def content(root: Cid, blocks: dict[Cid, bytes]) -> bytes:
    if is_chunk(root):
        return blocks[root]
    found = Manifest.decode(blocks[root])
    parts = [content(part.cid, blocks) for part in found.parts]
    assert [len(part) for part in parts] == [part.size for part in found.parts]
    return b"".join(parts)


def test_the_example_of_the_specification() -> None:
    assert str(blocks_of([])[-1].cid) == "bafyreigjebkjesoz3cwuy2dvdqtsaqyplrkw2dpl6lmhfnavakgyojxhbm"
    chunk, root = blocks_of([b"hello"])
    assert str(chunk.cid) == "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
    assert str(root.cid) == "bafyreig6on5rrufez2frt3ah7oj6335lf3wydclnvomozf3gwqm2zylcha"
    assert (
        root.body.hex()
        == "a36473697a65056570617274738182d82a582500015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824056668656967687400"
    )
    million = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(31_250))
    cut = list(chunks([million]))
    assert [len(chunk) for chunk in cut] == [
        89630,
        98837,
        71942,
        68423,
        114927,
        87144,
        107301,
        21358,
        18779,
        25781,
        55709,
        67691,
        83347,
        29844,
        49699,
        9588,
    ]
    assert str(blocks_of(cut)[-1].cid) == "bafyreibc36fmkp3kybvwcfap44tb5u62komv7un7mhcvwya5tiz42llidq"


def node(**changes: Any) -> bytes:
    return codec.encode({"size": 5, "parts": [[CHUNK.cid, 5]], "height": 0, **changes})


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"", "facts.malformed"),
        (node() + b"\0", "facts.malformed"),
        (b"\0" * (manifest.MANIFEST_BYTES_MAX + 1), "facts.too-big"),
        (codec.encode([]), "attachment.shape"),
        (codec.encode({"size": 5, "parts": []}), "attachment.shape"),
        (node(name="x"), "attachment.shape"),
        (node(size=6), "attachment.shape"),
        (node(size=5.0), "attachment.shape"),
        (node(size=True, parts=[[CHUNK.cid, True]]), "attachment.shape"),
        (node(height=-1), "attachment.shape"),
        (node(height=6), "attachment.shape"),
        (node(height=False), "attachment.shape"),
        (node(height=1), "attachment.shape"),
        (node(height=1, parts=[], size=0), "attachment.shape"),
        (node(parts={}), "attachment.shape"),
        (node(parts=[[CHUNK.cid]]), "attachment.shape"),
        (node(parts=[["x", 5]]), "attachment.shape"),
        (node(parts=[[Cid.of(b"hello"), 5]]), "attachment.shape"),
        (node(parts=[[CHUNK.cid, 0]], size=0), "attachment.shape"),
        (node(parts=[[CHUNK.cid, -5]], size=-5), "attachment.shape"),
        (node(parts=[[CHUNK.cid, SIZES.bytes_max + 1]], size=SIZES.bytes_max + 1), "attachment.shape"),
        (node(height=1, parts=[[Cid.of(b"x"), 2**63 - 1]] * 2, size=2**64 - 2), "attachment.shape"),
        (node(parts=[[LONG.cid, LEAST]] * (FANOUT + 1), size=(FANOUT + 1) * LEAST), "attachment.shape"),
        (node(parts=[[CHUNK.cid, 5]] * 2, size=10), "attachment.shape"),
        (node(parts=[[LONG.cid, LEAST - 1], [CHUNK.cid, 5]], size=LEAST + 4), "attachment.shape"),
        (node(parts=[[LONG.cid, LEAST], [LONG.cid, 3]], size=LEAST + 3), "attachment.shape"),
        (node(height=1, parts=[[Cid.of(b"x"), 5]] * 2, size=10), "attachment.shape"),
        (node(height=1, parts=[[Cid.of(b"x"), LEAST], [Cid.of(b"x"), 5]], size=LEAST + 5), "attachment.shape"),
    ],
)
def test_refused(block: bytes, code: str) -> None:
    with pytest.raises(Error) as caught:
        Manifest.decode(block)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("cid", "body"),
    [
        (CHUNK.cid, b"hallo"),
        (Cid.of(b"hello"), b"hello"),
        (CHUNK.cid, bytearray(b"hello")),
        (CHUNK.cid, b"x" * (BLOCK_BYTES_MAX + 1)),
        (Cid(bytes.fromhex("01551220") + bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), b""),
        (Cid(bytes.fromhex("01701220") + bytes(CHUNK.cid)[4:]), b"hello"),
    ],
)  # fmt: skip
def test_blocks_that_are_none(cid: Cid, body: Any) -> None:
    with pytest.raises(Error):
        Block(cid, body)


@given(st.binary(max_size=60))
def test_whatever_is_read_is_written_back(block: bytes) -> None:
    try:
        found = Manifest.decode(block)
    except Error:
        return
    assert found.encode() == block


@given(st.lists(st.integers(LEAST, SIZES.bytes_max), max_size=5), st.integers(1, 9))
def test_one_encoding(sizes: list[int], last: int) -> None:
    made = Manifest(0, tuple(Part(Block.chunk(b"%d" % size).cid, size) for size in [*sizes, last]))
    assert Manifest.decode(made.encode()) == made
    assert Block(Cid.of(made.encode()), made.encode()).cid == Block.manifest(made).cid


@pytest.mark.parametrize("fanout", [2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 9, 10, 27, 28, 33])
def test_trees(count: int, fanout: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "FANOUT", fanout)
    bodies = [b"%d" % number + bytes(LEAST) for number in range(count)]
    made = blocks_of(bodies)
    blocks = {block.cid: Block(block.cid, block.body).body for block in made}
    assert content(made[-1].cid, blocks) == b"".join(bodies)
    root = Manifest.decode(made[-1].body)
    assert root.size == len(b"".join(bodies))
    assert fanout**root.height < max(count, 2) <= fanout ** (root.height + 1) or count < 2
