"""The blocks of attachments in a file and in memory: one suite for both, and each the oracle of the other."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_helpers import said, write

from rhizomedb.errors import StoreError
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import Block, Manifest, Part
from rhizomedb.store import open_store
from rhizomedb.store.chunks import ASK_KEYS, WRITE_BLOCKS, Chunks, MemoryChunks, Stored, missing
from rhizomedb.store.file import File

CHUNKS = [Block.chunk(b"%d " % number * (SIZES.bytes_min // 2 + number)) for number in range(300)]
LEAF = Block.manifest(Manifest(0, tuple(Part(chunk.cid, len(chunk.body)) for chunk in CHUNKS[:5])))
ROOT = Block.manifest(Manifest(1, (Part(LEAF.cid, sum(len(chunk.body) for chunk in CHUNKS[:5])),)))


class InFile:
    """Chunks in a file of their own."""

    def __init__(self, path: str) -> None:
        self.file = File(path, create=True, wait_ms=0)
        self.chunks = Chunks(self.file)

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self.file.transaction():
            yield


class InMemory:
    def __init__(self, _path: str) -> None:
        self.chunks = MemoryChunks()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self.chunks.begin()
        try:
            yield
        except BaseException:
            self.chunks.rollback()
            raise


Place = InFile | InMemory


@pytest.fixture(params=[InMemory, InFile])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = request.param(str(tmp_path / "chunks.db"))
    yield made
    if isinstance(made, InFile):
        made.file.close()


def put(place: Place, *blocks: Block) -> Stored:
    with place.writing():
        return place.chunks.put(blocks)


def test_a_block_is_kept_once(place: Place) -> None:
    assert put(place, CHUNKS[1], LEAF, CHUNKS[1]) == (2, len(CHUNKS[1].body) + len(LEAF.body))
    assert put(place, LEAF, CHUNKS[2]) == (1, len(CHUNKS[2].body))
    assert place.chunks.total() == (3, sum(len(block.body) for block in (CHUNKS[1], CHUNKS[2], LEAF)))
    assert place.chunks.get(LEAF.cid) == LEAF.body
    assert place.chunks.get(ROOT.cid) is None


def test_the_same_bytes_may_be_a_chunk_and_a_manifest(place: Place) -> None:
    as_chunk = Block.chunk(LEAF.body)
    assert put(place, LEAF, as_chunk).blocks == 2
    assert list(place.chunks.cids(manifests=True)) == [LEAF.cid]
    assert list(place.chunks.cids()) == [as_chunk.cid, LEAF.cid]
    with place.writing():
        place.chunks.drop([as_chunk.cid])
    assert place.chunks.get(LEAF.cid) == LEAF.body


@pytest.mark.parametrize("count", [0, 1, WRITE_BLOCKS, WRITE_BLOCKS + 1, ASK_KEYS, ASK_KEYS + 1, 300])
def test_any_number(place: Place, count: int) -> None:
    blocks = CHUNKS[:count]
    assert put(place, *blocks).blocks == count
    assert list(place.chunks.cids()) == sorted(block.cid for block in blocks)
    asked = [block.cid for block in CHUNKS]
    assert place.chunks.sizes(asked) == {block.cid: len(block.body) for block in blocks}
    assert missing(place.chunks, [*asked, *asked]) == asked[count:]
    with place.writing():
        assert len(place.chunks.drop(asked)) == count
    assert place.chunks.total() == (0, 0)


def test_a_write_that_fails_leaves_nothing_behind_and_removes_nothing(place: Place) -> None:
    put(place, CHUNKS[0], CHUNKS[1])
    before = list(place.chunks.cids()), place.chunks.total()
    with pytest.raises(ZeroDivisionError), place.writing():
        place.chunks.put(CHUNKS[1:9])
        place.chunks.drop([CHUNKS[0].cid, CHUNKS[5].cid])
        place.chunks.put([CHUNKS[0]])
        raise ZeroDivisionError
    assert (list(place.chunks.cids()), place.chunks.total()) == before


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([], []),
        ([*CHUNKS[:5], LEAF, ROOT], []),
        ([*CHUNKS[:4], LEAF, ROOT], [(LEAF, "attachment.missing")]),
        ([ROOT], [(ROOT, "attachment.missing")]),
        ([Block.manifest(Manifest(0, (Part(CHUNKS[3].cid, 9),))), CHUNKS[3]], []),
    ],
)
def test_verify_looks_for_every_part(place: Place, blocks: list[Block], found: list[tuple[Any, str]]) -> None:
    put(place, *blocks)
    findings = list(place.chunks.verify())
    assert [finding.code for finding in findings] == [code for _, code in found]
    for finding, (block, _) in zip(findings, found, strict=True):
        assert block is None or finding.record == f"block {block.cid}"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE chunk SET body = x'00' WHERE cid = :cid", "store.damaged"),
        ("UPDATE chunk SET body = zeroblob(100000000) WHERE cid = :cid", "store.damaged"),
        ("UPDATE chunk SET size = 7777 WHERE cid = :cid", "store.damaged"),
        ("UPDATE chunk SET cid = x'0171122000' WHERE cid = :cid", "store.damaged"),
    ],
)
def test_what_was_altered_is_found_and_not_given_out(tmp_path: Path, change: str, code: str) -> None:
    path = str(tmp_path / "chunks.db")
    place = InFile(path)
    put(place, *CHUNKS[:5], LEAF)
    apsw.Connection(path).execute(change, {"cid": bytes(CHUNKS[2].cid)})
    found = []
    try:
        found += [finding.code for finding in place.chunks.verify()]
    except StoreError as error:
        found.append(error.code)
    assert code in found
    try:
        assert place.chunks.get(CHUNKS[2].cid) in (CHUNKS[2].body, None)
    except StoreError as error:
        assert error.code == "store.damaged"
    place.file.close()


@pytest.mark.parametrize("change", ["body = x'00'", "body = zeroblob(length(body))", "size = 7777"])
def test_to_keep_the_same_again_mends_what_was_altered(tmp_path: Path, change: str) -> None:
    path = str(tmp_path / "chunks.db")
    place = InFile(path)
    put(place, *CHUNKS[:5], LEAF)
    apsw.Connection(path).execute(f"UPDATE chunk SET {change} WHERE cid = :cid", {"cid": bytes(CHUNKS[2].cid)})
    put(place, *CHUNKS[:5])
    assert list(place.chunks.verify()) == []
    assert place.chunks.get(CHUNKS[2].cid) == CHUNKS[2].body
    place.file.close()


def test_a_page_that_is_lost_costs_the_blocks_on_it(tmp_path: Path) -> None:
    path = str(tmp_path / "chunks.db")
    place = InFile(path)
    blocks = [Block.chunk(random.Random(number).randbytes(20_000)) for number in range(9)]
    put(place, *blocks)
    place.file.run("PRAGMA wal_checkpoint(TRUNCATE)")
    place.file.close()
    raw = bytearray(Path(path).read_bytes())
    at = raw.index(blocks[4].body[5000:5100])
    raw[at : at + 4] = b"oops"
    Path(path).write_bytes(raw)
    opened = File(path, create=False, wait_ms=0)
    assert [finding.record for finding in Chunks(opened).verify()] == [f"block {blocks[4].cid}"]
    opened.close()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = str(tmp_path / "chunks.db")
    place = InFile(path)
    put(place, *CHUNKS[:3])
    place.file.run(f"PRAGMA max_page_count={os.path.getsize(path) // 4096 + 40}")
    big = [Block.chunk(random.Random(number).randbytes(200_000)) for number in range(9)]
    with pytest.raises(StoreError) as caught:
        put(place, *big)
    assert caught.value.code == "store.full"
    assert list(place.chunks.cids()) == sorted(block.cid for block in CHUNKS[:3])
    assert list(place.chunks.verify()) == []
    place.file.close()


class Twins(RuleBasedStateMachine):
    """Whatever is done to both, the file and the memory show the same."""

    blocks = st.lists(st.sampled_from([*CHUNKS[:12], LEAF, ROOT]), max_size=8)

    @initialize()
    def make(self) -> None:
        self.twins: list[Place] = [InMemory(""), _unnamed()]

    @rule(blocks=blocks, fails=st.booleans())
    def put(self, blocks: list[Block], fails: bool) -> None:
        self._both(lambda place: place.chunks.put(blocks), fails)

    @rule(blocks=blocks, fails=st.booleans())
    def drop(self, blocks: list[Block], fails: bool) -> None:
        self._both(lambda place: place.chunks.drop(block.cid for block in blocks), fails)

    @rule(blocks=blocks, drops=st.booleans())
    def elsewhere(self, blocks: list[Block], drops: bool) -> None:
        """Another process puts or drops blocks of the file."""
        _, ours = self.twins
        assert isinstance(ours, InFile)
        theirs = InFile(ours.file.path)
        for place in (self.twins[0], theirs):
            with place.writing():
                if drops:
                    place.chunks.drop(block.cid for block in blocks)
                else:
                    place.chunks.put(blocks)
        theirs.file.close()

    def _both(self, act: Any, fails: bool) -> None:
        gave = []
        for place in self.twins:
            try:
                with place.writing():
                    gave.append(act(place))
                    if fails:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass
        assert gave[0] == gave[1]

    @invariant()
    def same(self) -> None:
        if hasattr(self, "twins"):
            one, other = (
                (
                    list(place.chunks.cids()),
                    list(place.chunks.cids(manifests=True)),
                    place.chunks.total(),
                    [place.chunks.get(block.cid) for block in (*CHUNKS[:12], LEAF, ROOT)],
                    list(place.chunks.verify()),
                )
                for place in self.twins
            )
            assert one == other

    def teardown(self) -> None:
        for place in getattr(self, "twins", ()):
            if isinstance(place, InFile):
                place.file.close()
                shutil.rmtree(Path(place.file.path).parent)


def test_blocks_are_counted_once(tmp_path: Path) -> None:
    place, theirs = (InFile(str(tmp_path / "chunks.db")) for _ in range(2))
    asked: list[str] = []
    connection = place.file._connection
    assert connection is not None

    def heard(_cursor: object, sql: str, _bindings: object) -> bool:
        asked.append(sql)
        return True

    connection.exec_trace = heard
    for number in range(20):
        assert put(place, CHUNKS[number]).blocks == 1
        assert place.chunks.total().blocks == number + 1
    assert sum("count(*)" in sql for sql in asked) == 1
    put(theirs, CHUNKS[20])
    assert place.chunks.total().blocks == 21
    assert sum("count(*)" in sql for sql in asked) == 2
    for each in (place, theirs):
        each.file.close()


def _unnamed() -> InFile:
    return InFile(os.path.join(tempfile.mkdtemp(), "chunks.db"))


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("path", [":memory:", "films.db"])
def test_verify_tells_how_far_it_is(path: str, tmp_path: Path) -> None:
    store = open_store(path if path == ":memory:" else tmp_path / path)
    write(store, [said(number) for number in range(7)])
    with store.writing():
        store.chunks.put([*CHUNKS[:5], LEAF])
    told: list[tuple[int, int]] = []
    assert list(store.verify(lambda done, total: told.append((done, total)))) == []
    assert told == [(done, 13) for done in range(14)]
    store.close()


def test_a_stranger_cannot_name_a_block(place: Place) -> None:
    assert place.chunks.get(Cid.of(b"x")) is None
    assert place.chunks.sizes([Cid.parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")]) == {}
