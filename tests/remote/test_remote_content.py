"""The content of attachments on its way through a place of each kind: whole, verified, within limits, and able to go on."""

from __future__ import annotations

import json
import os
import random
import shlex
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_helpers import Back, deltas, fill, ids

from rhizomedb.cli import main
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RemoteError, StoreError
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import CHUNK_PREFIX, FANOUT, Block, Manifest, Part, is_manifest
from rhizomedb.remote import bundle, memory, pull, push
from rhizomedb.remote.bundle import Item, Name, bundle_of, read_body, read_head
from rhizomedb.remote.kind import BLOCKS, DELTAS
from rhizomedb.remote.memory import Memory
from rhizomedb.store.store import Finding

Another = Callable[[], Connection]
Clock = Callable[[], int]

BIG = random.Random(7).randbytes(600_000)
"""Some eight chunks."""


def attach(db: Connection, *contents: bytes) -> list[Cid]:
    return [db.attach(f"film {at}", "file", content).cid or pytest.fail() for at, content in enumerate(contents)]


def read(db: Connection, cid: Cid) -> bytes:
    with db.read_attachment(cid) as file:
        return file.read()


def contents(db: Connection) -> dict[Cid, bytes]:
    """Every attachment; one that is not whole is an error."""
    return {each.cid: read(db, each.cid) for each in db.attachments()}


def items(back: Back, name: str) -> list[Item]:
    """What a pack holds."""
    parsed, data = Name.parse(BLOCKS, name), back.get(name, BLOCKS)
    assert parsed is not None
    head = read_head(parsed, data[: parsed.head_bytes])
    return list(zip(head.ids, read_body(head, data[parsed.head_bytes :]), strict=True))


def put(back: Back, some: Iterable[Item]) -> str:
    made = bundle_of(BLOCKS, some)
    back.put(str(made.name), made.data, BLOCKS)
    return str(made.name)


def as_items(*blocks: Block) -> list[Item]:
    return [(bytes(block.cid), block.body) for block in blocks]


def manifest_of(height: int, *parts: tuple[Cid, int]) -> Block:
    return Block.manifest(Manifest(height, tuple(Part(*part) for part in parts)))


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pack holds two blocks or three."""
    monkeypatch.setattr(bundle, "ITEMS_MAX", 3)


# What is whole here is whole there


def test_content_travels(back: Back, another: Another) -> None:
    a, b = another(), another()
    cids = attach(a, BIG, b"small", b"")
    pushed = push(a, back.url)
    blocks = {each: body for each in cids for each, body in a.get_blocks(a.blocks())}
    assert (pushed.blocks, pushed.block_bytes) == (len(blocks), sum(map(len, blocks.values())))
    assert pushed.packs == 2, "manifests, and chunks"
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.blocks, pulled.block_bytes) == (3, pushed.blocks, pushed.block_bytes)
    assert (pulled.packs, pulled.unfilled, pulled.left_out) == (2, 0, ())
    assert contents(b) == dict(zip(cids, (BIG, b"small", b""), strict=True))
    assert list(b.verify()) == []


def test_again_is_nothing(back: Back, another: Another) -> None:
    a, b = another(), another()
    attach(a, BIG)
    push(a, back.url)
    pull(b, back.url)
    for db in (a, b):
        assert (push(db, back.url).packs, pull(db, back.url).packs) == (0, 0)
    assert len(back.names(BLOCKS)) == 2


def test_only_what_is_new_is_pushed_and_pulled(back: Back, another: Another) -> None:
    a, b = another(), another()
    attach(a, BIG)
    push(a, back.url)
    pull(b, back.url)
    attach(a, b"front" + BIG)
    pushed = push(a, back.url)
    assert 2 <= pushed.blocks <= 3, "a first chunk and a manifest"
    assert pull(b, back.url).blocks == pushed.blocks
    assert contents(b) == contents(a)


def test_content_may_be_left_out(back: Back, another: Another) -> None:
    a, b = another(), another()
    (cid,) = attach(a, BIG)
    assert (push(a, back.url, attachments=False).new, back.names(BLOCKS)) == (1, [])
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.blocks, pulled.unfilled) == (1, 0, 1)
    assert push(a, back.url).blocks > 0
    pulled = pull(b, back.url, attachments=False)
    assert (pulled.blocks, pulled.unfilled) == (0, 0)
    assert b.attachment(cid).missing == 1
    assert pull(b, back.url).unfilled == 0
    assert contents(a) == contents(b)


def test_a_place_of_an_earlier_version(folder: Back, another: Another, tmp_path: Path) -> None:
    """It has bundles only; an earlier version finds its bundles as it left them."""
    a, b = another(), another()
    attach(a, BIG)
    push(a, folder.url, attachments=False)
    assert os.listdir(folder.url) == ["bundles"]
    assert pull(b, folder.url).refused == ()
    before = folder.names(DELTAS)
    push(a, folder.url)
    assert sorted(os.listdir(folder.url)) == ["blocks", "bundles"]
    assert folder.names(DELTAS) == before
    assert pull(b, folder.url).unfilled == 0


def test_deltas_without_content_make_no_packs(folder: Back, another: Another) -> None:
    push(fill(another(), deltas(3)), folder.url)
    assert os.listdir(folder.url) == ["bundles"]


def test_a_tree_of_manifests(dictionary: Back, another: Another, small_packs: None) -> None:
    """Content so large that manifests list manifests: more rounds, from the top down."""
    a, b = another(), another()
    least = SIZES.bytes_min
    chunks = [Block.chunk(b"%05d" % number + bytes(least - 5)) for number in range(8)]
    leaves = [manifest_of(0, *((each.cid, least) for each in chunks[at : at + 2])) for at in range(0, 8, 2)]
    middle = [manifest_of(1, *((each.cid, 2 * least) for each in leaves[at : at + 2])) for at in range(0, 4, 2)]
    root = manifest_of(2, *((each.cid, 4 * least) for each in middle))
    a.transact([("A", "file", root.cid)])
    a.put_blocks((each.cid, each.body) for each in (*chunks, *leaves, *middle, root))
    push(a, dictionary.url)
    pulled = pull(b, dictionary.url)
    assert (pulled.blocks, pulled.unfilled) == (15, 0)
    assert read(b, root.cid) == b"".join(each.body for each in chunks)


def test_more_than_is_looked_for_at_once(
    dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch, small_packs: None
) -> None:
    monkeypatch.setattr("rhizomedb.db.attachments.filling.WANTED_MAX", 3)
    monkeypatch.setattr("rhizomedb.remote.content.HEADS_BYTES_MAX", 200)  # and heads are read again
    a, b = another(), another()
    attach(a, BIG, b"small", b"other", BIG[:300_000])
    pushed = push(a, dictionary.url)
    pulled = pull(b, dictionary.url)
    assert (pulled.blocks, pulled.unfilled) == (pushed.blocks, 0)
    assert contents(a) == contents(b)


def test_two_have_a_half_each(back: Back, another: Another) -> None:
    """Nobody who pushes has it whole; who pulls from both has."""
    a, b, c, d = (another() for _ in range(4))
    (cid,) = attach(a, BIG)
    blocks = dict(a.get_blocks(a.blocks()))
    chunks = [each for each in blocks if not is_manifest(each)]
    for db, some in ((b, chunks[::2]), (c, chunks[1::2])):
        db.admit([each.encode() for each in a.deltas()], origin="a")
        db.put_blocks((each, blocks[each]) for each in (cid, *some))
        push(db, back.url)
        assert pull(d, back.url).unfilled == (db is b)
    assert read(d, cid) == BIG


def test_what_is_superseded_or_retracted_travels_too(dictionary: Back, another: Another) -> None:
    """History shows it, so history has to have it."""
    a, b = another(), another()
    attach(a, BIG)
    attach(a, b"newer")
    a.retract("film 0", "file")
    push(a, dictionary.url)
    pull(b, dictionary.url)
    assert sorted(contents(b).values()) == sorted([BIG, b"newer"])


def test_blocks_that_nothing_names_stay_where_they_are(dictionary: Back, another: Another) -> None:
    a = another()
    attach(a, b"named")
    block = Block.chunk(b"unnamed")
    a.put_blocks([(block.cid, block.body)])
    assert push(a, dictionary.url).blocks == 2


# Broken and hostile places


@pytest.fixture
def hurt(back: Back, another: Another, small_packs: None) -> tuple[Back, Connection, list[str]]:
    """A place with an attachment in several packs of chunks."""
    a = another()
    attach(a, BIG, b"other")
    push(a, back.url)
    chunks = [name for name in back.names(BLOCKS) if not any(is_manifest(Cid(each)) for each, _ in items(back, name))]
    assert len(chunks) > 2
    return back, a, chunks


@pytest.mark.parametrize("harm", ["head", "body", "cut", "longer", "empty", "gone"])
def test_a_broken_pack_costs_only_itself(hurt: tuple[Back, Connection, list[str]], another: Another, harm: str) -> None:
    back, a, (broken, *_) = hurt
    data = back.get(broken, BLOCKS)
    held = len(items(back, broken))
    match harm:
        case "head":
            back.put(broken, b"x" + data[1:], BLOCKS)
        case "body":
            back.put(broken, data[:-1] + bytes([data[-1] ^ 1]), BLOCKS)
        case "cut":
            back.put(broken, data[:-9], BLOCKS)
        case "longer":
            back.put(broken, data + b"x", BLOCKS)
        case "empty":
            back.put(broken, b"", BLOCKS)
        case "gone":
            back.delete(broken, BLOCKS)
    b = another()
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.unfilled) == (2, 1)
    where = [] if harm == "gone" else [("remote.altered", f"pack {broken}")]
    assert [(error.code, error.where) for error in pulled.refused] == where
    assert len(contents_of_whole(b)) == 1
    mended = push(a, back.url, check=True)
    assert (mended.blocks, mended.packs, mended.new) == (held, 1, 0)
    assert pull(b, back.url).unfilled == 0
    assert contents(a) == contents(b)


def contents_of_whole(db: Connection) -> dict[Cid, bytes]:
    return {each.cid: read(db, each.cid) for each in db.attachments() if each.is_complete}


def test_what_nobody_asked_for_is_not_kept(back: Back, another: Another) -> None:
    """Neither from a pack of its own nor from one that holds something wanted, nor as long as nothing names it."""
    a, b = another(), another()
    attach(a, b"wanted")
    push(a, back.url)
    junk = [Block.chunk(b"junk %d" % number) for number in range(3)]
    chunk = Block.chunk(b"wanted")
    put(back, as_items(*junk))
    put(back, as_items(junk[0], chunk, junk[1]))
    pulled = pull(b, back.url)
    assert (pulled.blocks, pulled.refused) == (2, ())
    assert list(b.get_blocks(each.cid for each in junk)) == []


def test_a_pack_of_other_blocks_than_it_says(back: Back, another: Another) -> None:
    a, b = another(), another()
    (cid,) = attach(a, b"wanted")
    push(a, back.url)
    for name in back.names(BLOCKS):
        back.delete(name, BLOCKS)
    blocks = [*a.get_blocks(a.blocks())]
    lie = bundle_of(BLOCKS, [(bytes(each), body + b"x") for each, body in blocks])
    back.put(str(lie.name), lie.data, BLOCKS)
    pulled = pull(b, back.url)
    assert (pulled.blocks, pulled.unfilled) == (0, 1)
    assert [(error.code, error.where) for error in pulled.refused] == [("remote.malformed", f"pack {lie.name}")]
    assert push(a, back.url).blocks == 0, "the head is believed"
    assert push(a, back.url, check=True).blocks == 2
    assert pull(b, back.url).unfilled == 0
    assert read(b, cid) == b"wanted"


def test_a_bomb(back: Back, another: Another) -> None:
    a, b = another(), another()
    attach(a, b"wanted")
    push(a, back.url)
    for name in back.names(BLOCKS):
        back.delete(name, BLOCKS)
    bomb = put(back, [(each, bytes(bundle.RAW_BYTES_MAX + 1)) for each in map(bytes, a.blocks())])
    pulled = pull(b, back.url)
    assert [(error.code, error.where) for error in pulled.refused] == [("remote.too-big", f"pack {bomb}")]
    assert (pulled.new, pulled.blocks, pulled.unfilled) == (1, 0, 1)


@pytest.mark.parametrize("size", [0, bundle.RAW_BYTES_MAX // 2])
def test_a_chunk_that_can_be_none(back: Back, another: Another, size: int) -> None:
    """Within the limits of a pack, with the right hash, and too long for a chunk, or empty."""
    a, b = another(), another()
    large = bytes(size)
    cid = Cid(CHUNK_PREFIX + sha256(large).digest())
    root = manifest_of(0, (cid, 1000))
    a.transact([("A", "file", root.cid)])
    push(a, back.url)
    put(back, [*as_items(root), (bytes(cid), large)])
    pulled = pull(b, back.url)
    assert (pulled.blocks, pulled.unfilled, pulled.left_out[0].code) == (1, 0, "attachment.block")


def test_no_manifest(back: Back, another: Another) -> None:
    """A fact may link to anything. What has the CID and is no manifest is not kept; the others are."""
    a, b = another(), another()
    body = b"\xa1\x61\x61\x01"
    link = Cid.of(body)
    a.transact([("A", "file", link)])
    attach(a, b"good")
    push(a, back.url)
    put(back, [(bytes(link), body)])
    pulled = pull(b, back.url)
    assert (pulled.blocks, pulled.left_out_count, pulled.unfilled) == (2, 1, 0)
    assert pulled.left_out[0].code == "attachment.shape"
    assert str(link) in pulled.left_out[0].message
    assert push(a, back.url, check=True).refused[0].code == "remote.forged"


SHAPES: dict[str, Callable[[], tuple[Block, ...]]] = {
    "a chunk of another size": lambda: (Block.chunk(b"x" * 9), manifest_of(0, (Block.chunk(b"x" * 9).cid, 8))),
    "a manifest of another size": lambda: lower(6, 1),
    "a manifest that is two lower": lambda: lower(5, 2),
    "a manifest that is not lower": lambda: lower(5, 1, manifest_of(1, (lower(5, 1)[1].cid, 5))),
}


def lower(size: int, height: int, within: Block | None = None) -> tuple[Block, ...]:
    chunk = Block.chunk(b"hello")
    leaf = manifest_of(0, (chunk.cid, 5))
    inner = (chunk, leaf) if within is None else (chunk, leaf, within)
    return (*inner, manifest_of(height, (inner[-1].cid, size)))


@pytest.mark.parametrize("shape", SHAPES)
def test_false_manifests(dictionary: Back, another: Another, shape: str) -> None:
    """They get nothing, and take nothing from the honest attachment that has the same chunk."""
    a, b = another(), another()
    blocks = SHAPES[shape]()
    a.transact([("A", "file", blocks[-1].cid)])
    (cid,) = attach(a, b"x" * 9 if "chunk" in shape else b"hello")
    push(a, dictionary.url)
    put(dictionary, as_items(*blocks))
    pulled = pull(b, dictionary.url)
    assert [error.code for error in pulled.left_out] == ["attachment.shape"]
    assert str(blocks[-1].cid) in pulled.left_out[0].message
    assert len(read(b, cid)) in (5, 9)
    assert set(b._store.chunks.cids()) == set(b.blocks()), "what only they have is gone again"
    assert list(b.verify()) == []


def test_manifests_that_name_one_another_beyond_all_bounds(dictionary: Back, another: Another) -> None:
    a, b = another(), another()
    least = SIZES.bytes_min
    chunk = Block.chunk(bytes(least))
    blocks = [chunk, manifest_of(0, *[(chunk.cid, least)] * FANOUT)]
    for height in range(1, 4):
        blocks.append(manifest_of(height, *[(blocks[-1].cid, least * FANOUT**height)] * FANOUT))
    a.put_blocks((each.cid, each.body) for each in blocks)
    a.transact([("A", "file", blocks[-1].cid)])
    assert push(a, dictionary.url).blocks == 5
    pulled = pull(b, dictionary.url)
    assert [error.code for error in pulled.left_out] == ["attachment.too-big"], "16 petabytes by its root"
    assert pulled.blocks == 0


def test_strangers_among_packs(back: Back, another: Another) -> None:
    a, b = another(), another()
    attach(a, BIG)
    push(a, back.url)
    back.put("README.md", b"hello", BLOCKS)
    pulled = pull(b, back.url)
    assert (pulled.strangers, pulled.refused, pulled.unfilled) == (1, (), 0)


def test_where_packs_cannot_be_had_deltas_can(
    dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = another(), another()
    attach(a, BIG)
    push(a, dictionary.url)
    listed = Memory.list

    def refuse(self: Memory, kind: Any) -> Any:
        if kind is BLOCKS:
            raise RemoteError("remote.denied", "no")
        return listed(self, kind)

    monkeypatch.setattr(Memory, "list", refuse)
    with pytest.raises(RemoteError):
        pull(b, dictionary.url)
    assert ids(b) == ids(a)


# Limits


def test_an_attachment_over_the_limit_is_left_out(back: Back, another: Another, wall: Clock) -> None:
    a, b = another(), connect(":memory:", clock=wall, attachment_bytes_max=1000)
    big, small = attach(a, BIG, b"small")
    push(a, back.url)
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.blocks, pulled.unfilled, pulled.left_out_count) == (2, 2, 0, 1)
    assert pulled.left_out[0].code == "attachment.too-big"
    assert str(big) in pulled.left_out[0].message
    assert read(b, small) == b"small"
    assert list(b.verify()) == [], "nothing of it was kept"


@pytest.mark.parametrize("order", [(BIG, b"small", BIG + b"more"), (b"small", BIG + b"more", BIG)])
def test_what_has_no_room_as_a_whole_takes_none(
    back: Back, another: Another, order: tuple[bytes, ...], wall: Clock
) -> None:
    """Two that share most of their chunks fit; what does not fit beside them is left out."""
    a, b = another(), connect(":memory:", clock=wall, attachments_total_bytes_max=1_000_000)
    attach(a, *order, random.Random(8).randbytes(900_000))
    push(a, back.url)
    pulled = pull(b, back.url)
    whole = sorted(map(len, contents_of_whole(b).values()))
    if pulled.left_out_count == 1:  # the order in which they are looked at is not fixed
        assert whole == [5, 600_000, 600_004]
    else:
        assert whole == [5, 900_000]
    assert {error.code for error in pulled.left_out} == {"attachment.total"}
    assert pulled.unfilled == 0
    assert pull(b, back.url).left_out_count == pulled.left_out_count, "said again, as long as it holds"


def test_a_limit_for_the_whole_file(dictionary: Back, another: Another, tmp_path: Path, wall: Clock) -> None:
    a = another()
    attach(a, BIG, b"small")
    push(a, dictionary.url)
    with connect(tmp_path / "b.db", clock=wall, bytes_max=500_000) as b:
        pulled = pull(b, dictionary.url)
        assert (pulled.new, {error.code for error in pulled.left_out}) == (2, {"store.quota"})
    with connect(tmp_path / "b.db", clock=wall, bytes_max=None) as b:
        assert (pull(b, dictionary.url).left_out_count, contents(b)) == (0, contents(a))


# Interruption


def test_an_interrupted_push_goes_on(back: Back, another: Another, small_packs: None) -> None:
    a, b, c = another(), another(), another()
    attach(a, BIG)
    total = len(set(a.blocks()))

    def stop(done: int, all_of_it: int) -> None:
        assert all_of_it == total + 1
        if done >= total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(a, back.url, progress=stop)
    assert pull(b, back.url).new == 0, "content comes before what names it"
    there = sum(len(items(back, name)) for name in back.names(BLOCKS))
    assert 0 < there < total
    assert push(a, back.url).blocks == total - there
    assert pull(c, back.url).unfilled == 0
    assert contents(c) == contents(a)


def test_an_interrupted_pull_goes_on(back: Back, another: Another, small_packs: None) -> None:
    a, b = another(), another()
    attach(a, BIG)
    pushed = push(a, back.url)

    def stop(done: int, total: int) -> None:
        if total > 100_000 and done > total / 2:  # among the chunks
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(b, back.url, progress=stop)
    (found,) = b.attachments()
    assert 0 < found.missing < found.chunks
    assert {each.code for each in b.verify()} == {"attachment.missing"}
    pulled = pull(b, back.url)
    assert (pulled.new, pulled.blocks, pulled.unfilled) == (0, found.missing, 0)
    assert pulled.blocks < pushed.blocks
    assert (contents(b), list(b.verify())) == (contents(a), [])


# A copy that is damaged itself


def test_a_damaged_block_is_said_and_keeps_no_other(
    dictionary: Back, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = another(), another()
    big, _ = attach(a, BIG, b"small")
    bad = next(each for each in a.blocks() if not is_manifest(each))
    real = a._store.chunks.get

    def get(cid: Cid) -> bytes | None:
        if cid == bad:
            raise StoreError("store.damaged", "no")
        return real(cid)

    monkeypatch.setattr(a._store.chunks, "get", get)
    pushed = push(a, dictionary.url)
    assert pushed.lost == (Finding(f"block {bad}", "store.damaged", "no"),)
    pulled = pull(b, dictionary.url)
    assert (pulled.new, pulled.unfilled) == (2, 1)
    assert b.attachment(big).missing == 1


# Laws

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("attach"), st.integers(0, 2), st.integers(0, 8), st.sampled_from([0, 1, 40_000, 200_000])),
        st.tuples(st.sampled_from(["push", "pull", "lose"]), st.integers(0, 2), st.none(), st.none()),
    ),
    max_size=12,
)


@given(steps=STEPS, order=st.permutations(range(3)), per_pack=st.sampled_from([1, 2, 16_384]))
@settings(max_examples=40)
def test_all_come_to_have_the_same(steps: list[Any], order: list[int], per_pack: int) -> None:
    """Random sizes, shared chunks, any order; also where the place loses everything in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "ITEMS_MAX", per_pack)
        memory.PLACES.clear()
        url = "memory://law"
        copies = [connect(":memory:", author=f"author {number}", keyring=Keyring()) for number in range(3)]
        said: dict[Cid, bytes] = {}
        for step, number, at, size in steps:
            db = copies[number]
            match step:
                case "attach":
                    content = BIG[at * 1000 :][:size]
                    found = db.attach("A", f"file {at}", content)
                    assert found.cid is not None
                    said[found.cid] = content
                case "push":
                    push(db, url)
                case "pull":
                    assert pull(db, url).refused == ()
                case "lose":
                    memory.PLACES.get("law", {}).clear()
        for number in order:
            push(copies[number], url)
        for number in reversed(order):
            found_there = pull(copies[number], url)
            assert (found_there.refused, found_there.left_out, found_there.unfilled) == ((), (), 0)
        for db in copies:
            assert contents(db) == said
            assert list(db.verify()) == []
            db.close()


# The command line


def shell(command: str) -> int:
    return main(shlex.split(command))


def test_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with connect("a.db", author="alice", keyring=Keyring()) as a:
        attach(a, BIG, b"small")
    assert shell("push a.db share --no-attachments") == 0
    assert capsys.readouterr().out == "2 deltas pushed in 1 bundle, 0 there already\n"
    assert shell("pull b.db share") == 0
    assert "2 attachments are whole neither here nor there" in capsys.readouterr().err
    assert shell("push a.db share") == 0
    said = capsys.readouterr().out
    assert said.startswith("0 deltas pushed in 0 bundles, 2 there already; ")
    assert said.endswith(" blocks (600.5 kB) of attachments\n")
    assert shell("pull b.db share --no-attachments --json") == 0
    assert json.loads(capsys.readouterr().out)["blocks"] == 0
    monkeypatch.setenv("RHIZOME_ATTACHMENT_BYTES_MAX", "1K")
    assert shell("pull b.db share") == 3
    said, noted = capsys.readouterr()
    assert said == "0 deltas taken in, 2 known already; 2 blocks (70 B) of attachments\n"
    assert "1 attachment not kept; the first: attachment baf" in noted
    assert "attachment.too-big" in noted
    monkeypatch.delenv("RHIZOME_ATTACHMENT_BYTES_MAX")
    assert shell("pull b.db share --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["packs"], found["unfilled"], found["left_out"]) == (2, 0, [])
