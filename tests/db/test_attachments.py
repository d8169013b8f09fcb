"""Attachments: whole or missing by name, each chunk once, and nothing that an interrupt, a stranger or a full disk leaves."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rhizomedb
from rhizomedb import Cid, Fact
from rhizomedb.db.attachments import intake
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.limits import Limits, bytes_of
from rhizomedb.errors import Error
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.manifest import CHUNK_PREFIX, FANOUT, Block, Manifest, Part
from rhizomedb.store.chunks import Stored

BIG = random.Random(3).randbytes(900_000)
E = bytes(15) + b"\x01"


@pytest.fixture
def small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small content comes in several writes."""
    monkeypatch.setattr(intake, "WRITE_BYTES", 1)
    monkeypatch.setattr(intake, "SEGMENT_BYTES", 100_000)
    monkeypatch.setattr("rhizomedb.facts.chunking.SEGMENT_BYTES", 100_000)


@pytest.fixture
def pair(tmp_path: Path, wall: Any) -> Iterator[tuple[Connection, Connection]]:
    """One file, opened twice, as two processes would."""
    path = tmp_path / "pair.db"
    with (
        connect(path, author="alice", clock=wall, keyring=Keyring()) as one,
        connect(path, author="bob", clock=wall, keyring=Keyring()) as other,
    ):
        yield one, other


class Pipe(io.RawIOBase):
    """Content that can be read once only, and may stop or do something on the way."""

    def __init__(self, data: bytes, at_most: int = 100_000, then: Callable[[int], None] | None = None) -> None:
        self._file = io.BytesIO(data)
        self._at_most = at_most
        self._then = then

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(min(size, self._at_most))
        if self._then is not None:
            self._then(self._file.tell())
        return block

    def seekable(self) -> bool:
        return False


def code(act: Callable[[], Any]) -> str:
    with pytest.raises(Error) as caught:
        act()
    return caught.value.code


def findings(db: Connection) -> list[str]:
    return [finding.code for finding in db.verify()]


# -- in and out ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 262_145, 900_000])
def test_what_goes_in_comes_out(db: Connection, tmp_path: Path, size: int) -> None:
    data = BIG[:size]
    path = tmp_path / "content.bin"
    path.write_bytes(data)
    with path.open("rb") as file:
        ways: list[Any] = [data, bytearray(data), memoryview(data), path, str(path), file, Pipe(data), Pipe(data, 4099)]
        cids = {db.attach(f"thing {number}", "scan", way).cid for number, way in enumerate(ways)}
    (cid,) = cids
    assert cid is not None
    for number in range(len(ways)):
        assert db.get(f"thing {number}", "scan") == cid
    assert db.read_attachment(cid).read() == data
    assert db.read_attachment(str(cid)).read() == data
    info = db.attachment(cid)
    assert (info.size, info.missing, info.is_complete) == (size, 0, True)
    assert findings(db) == []


def test_an_attachment_is_a_value_like_any_other(db: Connection, wall: Any) -> None:
    first = db.attach("Alien", "poster", BIG)
    assert first and first.facts == 2 and first.size == len(BIG) and first.new.bytes > len(BIG)
    again = db.attach("Alien", "poster", BIG)
    assert not again and again.cid == first.cid and again.new == Stored(0, 0)
    wall.forward(1000)
    second = db.attach("Alien", "poster", b"another")
    assert db.get("Alien", "poster") == second.cid
    assert db.at_epoch(1).get("Alien", "poster") == first.cid
    assert db.at_epoch(1).read_attachment(first.cid).read() == BIG
    assert [s.claim.value for s in db.history("Alien", "poster")] == [first.cid, second.cid]
    db.attach("Alien", "poster", b"a third", author="bob", scope="own")
    assert len(db.conflicts("Alien", "poster")) == 1
    db.retract("Alien", "poster")
    assert db.collect_chunks() == (0, 0)  # history keeps what was said
    assert db.read_attachment(first.cid).read() == BIG


def test_what_is_here_already_is_not_kept_twice(db: Connection) -> None:
    first = db.attach("a", "file", BIG)
    changed = db.attach("b", "file", BIG[:300_000] + b"!" + BIG[300_000:])
    assert first.new.bytes > len(BIG)
    assert changed.new.blocks <= 3 and changed.new.bytes < 600_000
    assert db.attach("c", "file", BIG + BIG).new.bytes < 600_000


@given(
    size=st.sampled_from([0, 1, 40_000, 900_000]),
    steps=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.integers(-70_000, 950_000), st.integers(0, 300_000)), max_size=9
    ),
)
def test_reading_is_that_of_a_file(size: int, steps: list[tuple[int, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rhizomedb.facts.manifest.FANOUT", 2)  # so that trees are high
        with connect(author="alice") as db:
            cid = db.attach("a", "file", BIG[:size]).cid
            assert cid is not None
            ours, theirs = db.read_attachment(cid), io.BytesIO(BIG[:size])
            for whence, offset, count in steps:
                base = (0, theirs.tell(), size)[whence]
                if base + offset >= 0:
                    assert ours.seek(offset, whence) == theirs.seek(offset, whence)
                assert ours.read(count) == theirs.read(count)
                assert ours.tell() == theirs.tell()


def test_a_reader_says_what_a_file_says(db: Connection) -> None:
    cid = db.attach("a", "file", b"one\ntwo\n").cid
    assert cid is not None
    with db.read_attachment(cid) as file:
        assert list(file) == [b"one\n", b"two\n"]
        assert file.readable() and file.seekable() and not file.writable()
    with pytest.raises(ValueError):
        file.read()
    with pytest.raises(ValueError):
        db.read_attachment(cid).seek(-1)


def test_what_is_closed_is_closed(db: Connection) -> None:
    cid = db.attach("a", "file", BIG).cid
    assert cid is not None
    file = db.read_attachment(cid)
    db.close()
    assert code(file.read) == "store.closed"
    assert code(lambda: db.read_attachment(cid)) == "store.closed"
    assert code(lambda: db.attach("a", "file", b"x")) == "store.closed"


def test_a_moment_keeps_its_attachments(db: Connection) -> None:
    cid = db.attach("a", "file", BIG).cid
    then = db.snapshot()
    db.attach("a", "file", b"new")
    assert then.get("a", "file") == cid
    assert then.read_attachment(then.get("a", "file")).read() == BIG
    assert [each.cid for each in then.attachments()] == [cid]


def test_content_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "WRITE_BYTES", 1 << 20)
    source = random.Random(5)
    block = source.randbytes(1 << 20)

    class Endless(io.RawIOBase):
        left = 24

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return block[self.left :] + block[: self.left] if self.left >= 0 else b""

    with connect(tmp_path / "x.db", author="alice") as db:
        db.attach("a", "file", block[:100_000])
        tracemalloc.start()
        try:
            attached = db.attach("b", "file", Endless())
            with db.read_attachment(attached.cid) as content:  # type: ignore[arg-type]
                assert sum(len(some) for some in iter(lambda: content.read(1 << 20), b"")) == 24 << 20
            assert tracemalloc.get_traced_memory()[1] < 10 << 20
        finally:
            tracemalloc.stop()


def test_progress(db: Connection, small_writes: None) -> None:
    said: list[tuple[int, int]] = []
    db.attach("a", "file", BIG, progress=lambda done, total: said.append((done, total)))
    assert said == sorted(said) and said[-1] == (len(BIG), len(BIG))


# -- other copies --------------------------------------------------------------------------------------------------------


def test_a_copy_that_has_the_fact_takes_the_blocks(db: Connection, another: Callable[[], Connection]) -> None:
    cid = db.attach("Alien", "poster", BIG).cid
    assert cid is not None
    copy = another()
    copy.admit([delta.encode() for delta in db.deltas()], origin="sync")
    assert code(lambda: copy.read_attachment(cid)) == "attachment.missing"
    assert [each.size for each in copy.attachments()] == [None]
    assert list(copy.missing_blocks(cid)) == [cid]
    rounds = 0
    while some := list(islice(copy.missing_blocks(cid), 5)):
        copy.put_blocks(db.get_blocks(some))
        rounds += 1
        if rounds == 2:
            assert not copy.attachment(cid).is_complete
            assert findings(copy) == ["attachment.missing"]
            with pytest.raises(Error, match=r"byte \d.* is not in this copy"):
                copy.read_attachment(cid).read()
    assert copy.read_attachment(cid).read() == BIG
    assert list(copy.attachments()) == list(db.attachments())
    assert copy.put_blocks(db.get_blocks([cid])) == (0, 0)
    assert list(db.get_blocks([Cid.of(b"unknown")])) == []
    assert findings(copy) == []


LEAF = Manifest(0, (Part(Block.chunk(b"x").cid, 1),))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(Block.chunk(b"x").cid, b"y")], "attachment.block"),
        ([(Cid.of(b"x"), b"x")], "facts.malformed"),
        ([(Cid.of(b"\x80"), b"\x80")], "attachment.shape"),
        ([(Block.chunk(b"x").cid, b"x" * 300_000)], "attachment.block"),
        ([("not a cid", b"x")], "attachment.block"),
    ],
)
def test_a_forged_block_does_not_come_in(db: Connection, pairs: Any, expected: str) -> None:
    good = (Block.chunk(b"good").cid, b"good")
    assert code(lambda: db.put_blocks([good, *pairs])) == expected
    assert list(db.get_blocks([good[0]])) == []


def test_a_few_blocks_that_claim_to_be_without_end(db: Connection) -> None:
    chunk = Block.chunk(bytes(SIZES.bytes_min))
    size = FANOUT * SIZES.bytes_min
    block = Block.manifest(Manifest(0, (Part(chunk.cid, SIZES.bytes_min),) * FANOUT))
    blocks = [chunk, block]
    for height in range(1, 4):
        block = Block.manifest(Manifest(height, (Part(block.cid, size),) * FANOUT))
        blocks.append(block)
        size *= FANOUT
    assert db.put_blocks((each.cid, each.body) for each in blocks).blocks == 5
    db.transact([("bomb", "file", block.cid)])
    info = db.attachment(block.cid)
    assert (info.size, info.chunks, info.missing) == (size, 1, 0)
    assert code(lambda: db.read_attachment(block.cid)) == "attachment.too-big"
    assert findings(db) == []
    assert db.collect_chunks() == (0, 0)


def test_manifests_that_contradict_each_other(db: Connection) -> None:
    leaf = Block.manifest(LEAF)
    for manifest in (
        Manifest(1, (Part(leaf.cid, 2),)),  # its size
        Manifest(2, (Part(leaf.cid, 1),)),  # its height
        Manifest(0, (Part(Block.chunk(b"x").cid, 2),)),  # the size of the chunk
    ):
        root = Block.manifest(manifest)
        db.put_blocks((each.cid, each.body) for each in (root, leaf, Block.chunk(b"x")))
        assert code(lambda root=root: db.read_attachment(root.cid).read()) == "attachment.shape"  # type: ignore[misc]
        db.transact([(f"E {manifest.height}", "file", root.cid)])
        info = db.attachment(root.cid)
        assert (info.contradicts, info.is_complete, info.size) == (True, False, manifest.size)
    good = db.attach("good", "file", b"x").cid
    assert good == leaf.cid
    assert {each.cid for each in db.attachments() if not each.contradicts} == {good}
    assert set(db.blocks()) == {leaf.cid, Block.chunk(b"x").cid}, "no others are sent on"
    assert findings(db) == [], "what its author made is here as it was made"
    assert db.collect_chunks().blocks == 3, "the roots"
    assert db.read_attachment(good).read() == b"x"


def test_a_chunk_that_comes_again_is_read_once(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = Block.chunk(bytes(SIZES.bytes_min))
    root = Block.manifest(Manifest(0, (Part(chunk.cid, SIZES.bytes_min),) * 9))
    db.put_blocks((each.cid, each.body) for each in (chunk, root))
    asked: list[Cid] = []
    get = db._store.chunks.get
    monkeypatch.setattr(db._store.chunks, "get", lambda cid: asked.append(cid) or get(cid))
    assert db.read_attachment(root.cid).read() == bytes(9 * SIZES.bytes_min)
    assert asked == [root.cid, chunk.cid]


# -- what is listed ------------------------------------------------------------------------------------------------------


def test_the_list(db: Connection) -> None:
    fact = Fact(E, "v", 1)
    db.transact([fact, (E, "see", fact.cid), (E, "web", Cid(CHUNK_PREFIX + bytes(32))), ("x", "unknown", Cid.of(b"?"))])
    first = db.attach("Alien", "poster", BIG)
    db.attach("Aliens", "poster", BIG)
    db.attach("Alien", "script", b"In space")
    listed = {(place.label, place.attribute): each for each in db.attachments() for place in each.places}
    assert set(listed) == {("x", "unknown"), ("Alien", "poster"), ("Aliens", "poster"), ("Alien", "script")}
    assert listed["Alien", "poster"].cid == first.cid and listed["Alien", "poster"].size == len(BIG)
    assert listed["x", "unknown"].size is None and not listed["x", "unknown"].is_complete
    assert {place.attribute for each in db.at_epoch(2).attachments() for place in each.places} == {"unknown", "poster"}
    assert code(lambda: db.read_attachment(fact.cid)) == "attachment.unknown"
    assert code(lambda: db.read_attachment(first.deltas[0])) == "attachment.unknown"
    assert code(lambda: db.read_attachment(Cid(CHUNK_PREFIX + bytes(32)))) == "attachment.unknown"
    assert code(lambda: db.attachment(Cid(CHUNK_PREFIX + bytes(32)))) == "attachment.unknown"
    assert code(lambda: db.read_attachment("x")) == "facts.cid-text"
    assert code(lambda: db.read_attachment(7)) == "db.usage"  # type: ignore[arg-type]


# -- what goes wrong -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_attached(db: Connection, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    cases: list[tuple[Any, str]] = [
        (tmp_path / "nothing", "attachment.source"),
        (tmp_path, "attachment.source"),
        ("/dev/zero", "attachment.source"),
        ("a\0b", "attachment.source"),
        (io.StringIO("text"), "attachment.source"),
        (136, "db.usage"),
        (None, "db.usage"),
    ]
    for content, expected in cases:
        assert code(lambda content=content: db.attach("a", "file", content)) == expected  # type: ignore[misc]
    before = len(list(db.deltas()))
    with (tmp_path / "text.txt").open() as text:
        assert code(lambda: db.attach("a", "file", text)) == "attachment.source"  # type: ignore[arg-type]
    assert code(lambda: db.attach("a", "rhizome/retracts", b"x")) == "db.reserved"
    assert code(lambda: db.attach("a", "file", b"x", scope="all")) == "db.usage"  # type: ignore[arg-type]
    assert code(lambda: db.attach(7, "file", b"x")) == "db.item"  # type: ignore[arg-type]
    if db.path != ":memory:":
        assert code(lambda: db.attach("a", "file", db.path)) == "db.usage"
        assert code(lambda: db.attach("a", "file", db.path + "-wal")) == "db.usage"
    assert len(list(db.deltas())) == before
    assert db.collect_chunks(dry_run=True) == (0, 0)


def test_an_interrupted_attach_leaves_only_what_is_collected(db: Connection, small_writes: None) -> None:
    kept = db.attach("a", "file", BIG[:400_000])

    def fail(at: int) -> None:
        if at > 700_000:
            raise OSError("the cable is out")

    assert code(lambda: db.attach("b", "file", Pipe(BIG, then=fail))) == "attachment.source"

    def interrupt(at: int) -> None:
        if at > 800_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.attach("b", "file", Pipe(BIG, then=interrupt))
    assert "b" not in db
    assert findings(db) == []
    left = db.collect_chunks(dry_run=True)
    assert left.blocks > 0
    assert db.collect_chunks() == left
    assert db.collect_chunks() == (0, 0)
    assert kept.cid is not None
    assert db.read_attachment(kept.cid).read() == BIG[:400_000]
    assert findings(db) == []


@pytest.mark.parametrize(("content", "said"), [(io.BytesIO, True), (Pipe, False)])
def test_what_is_collected_meanwhile_is_taken_in_again(
    pair: tuple[Connection, Connection], small_writes: None, content: Any, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    once: list[Stored] = []
    blocks = intake._blocks

    def disturbed(file: Any) -> Iterable[bytes]:
        for number, block in enumerate(blocks(file)):
            if number == 6 and not once:
                once.append(other.collect_chunks())
            yield block

    monkeypatch.setattr(intake, "_blocks", disturbed)
    if said:
        cid = one.attach("a", "file", content(BIG)).cid
        assert cid is not None
        assert other.read_attachment(cid).read() == BIG
    else:
        assert code(lambda: one.attach("a", "file", content(BIG))) == "attachment.collected"
        assert "a" not in other
    assert once[0].blocks > 0
    assert findings(one) == []


def test_others_write_while_content_comes(pair: tuple[Connection, Connection], small_writes: None) -> None:
    one, other = pair
    said = one.attach("a", "file", Pipe(BIG, then=lambda at: other.transact([("b", "n", at)]) and None))
    assert said.cid is not None and other.read_attachment(said.cid).read() == BIG
    assert other.get("b", "n") == len(BIG)


def test_what_a_held_back_delta_names_is_kept(db: Connection, another: Callable[[], Connection], wall: Any) -> None:
    copy = another()
    wall.forward(3_600_000)
    cid = copy.attach("later", "file", BIG).cid
    deltas = [delta.encode() for delta in copy.deltas()]
    assert cid is not None
    wall.forward(-3_600_000)
    db.admit(deltas, origin="sync")
    while some := list(islice(db.missing_blocks(cid), 100)):
        db.put_blocks(copy.get_blocks(some))
    assert len(db.held()) == 1
    assert db.collect_chunks() == (0, 0)
    wall.forward(3_600_001)
    assert db.read_attachment(db.get("later", "file")).read() == BIG


def test_limits(tmp_path: Path, small_writes: None) -> None:
    def opened(**limits: int | None) -> Connection:
        return connect(tmp_path / "x.db", author="alice", **limits)  # type: ignore[arg-type]

    path = tmp_path / "content.bin"
    path.write_bytes(BIG)
    with opened(attachment_bytes_max=899_999) as db:
        for content in (BIG, path):
            assert code(lambda content=content: db.attach("a", "file", content)) == "attachment.too-big"  # type: ignore[misc]
            assert db.collect_chunks() == (0, 0)  # known before it is read
        assert code(lambda: db.attach("a", "file", Pipe(BIG))) == "attachment.too-big"
        assert "a" not in db and findings(db) == []
    with opened(attachment_bytes_max=900_000, attachments_total_bytes_max=1_000_000) as db:
        db.collect_chunks()
        cid = db.attach("a", "file", BIG).cid
        assert cid is not None
        db.attach("b", "file", BIG)  # nothing new
        assert code(lambda: db.attach("c", "file", BIG[::-1])) == "attachment.total"
        block = Block.chunk(BIG[-200_000:])
        assert code(lambda: db.put_blocks([(block.cid, block.body)])) == "attachment.total"
        db.collect_chunks()
        db.attach("c", "file", b"small")
    with opened(attachment_bytes_max=1) as db:
        assert code(lambda: db.read_attachment(cid)) == "attachment.too-big"
    with opened(attachment_bytes_max=None) as db:
        assert db.read_attachment(cid).read() == BIG


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("104857600", 100 << 20), ("100M", 100 << 20), ("2g", 2 << 30), (" none ", None), ("1T", 1 << 40)],
)
def test_limits_of_the_environment(text: str, size: int | None) -> None:
    assert Limits.of_environment([("RHIZOME_ATTACHMENT_BYTES_MAX", text)]) == Limits(file_bytes=size)
    assert Limits.of_environment([("RHIZOME_ATTACHMENTS_TOTAL_BYTES_MAX", text)]) == Limits(total_bytes=size)
    assert bytes_of(text, "x") == size


@pytest.mark.parametrize("text", ["", "-1", "1.5G", "M", "1e6", "1P", "9" * 30, "²"])
def test_limits_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_ATTACHMENT_BYTES_MAX", text)
    assert code(rhizomedb.open) == "db.usage"
    monkeypatch.delenv("RHIZOME_ATTACHMENT_BYTES_MAX")
    assert code(lambda: connect(attachment_bytes_max=-1)) == "db.usage"
    assert code(lambda: connect(attachment_bytes_max="1G")) == "db.usage"  # type: ignore[arg-type]


def test_a_full_disk(tmp_path: Path, small_writes: None) -> None:
    with connect(tmp_path / "x.db", author="alice") as db:
        first = db.attach("a", "file", BIG[:100_000])
        pages = os.path.getsize(tmp_path / "x.db") // 4096
        db._store._file.run(f"PRAGMA max_page_count={pages + 100}")  # type: ignore[attr-defined]
        assert code(lambda: db.attach("b", "file", BIG[::-1])) == "store.full"
        assert "b" not in db and findings(db) == []
        assert db.collect_chunks().blocks > 0
        assert first.cid is not None
        assert db.read_attachment(first.cid).read() == BIG[:100_000]
        assert db.attach("b", "file", b"small")


def test_what_was_altered_is_not_given_out(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with connect(path, author="alice") as db:
        cid = db.attach("a", "file", BIG).cid
        assert cid is not None
        apsw.Connection(str(path)).execute("UPDATE chunk SET body = zeroblob(length(body)) WHERE row = 3")
        assert code(lambda: db.read_attachment(cid).read()) == "store.damaged"
        assert findings(db) == ["store.damaged"]


KILLED = """
import os, sys
import rhizomedb
from rhizomedb.db.attachments import intake
intake.WRITE_BYTES = 300_000
class Content:
    at = 0
    def read(self, size):
        self.at += 1
        if self.at == 4:
            os.kill(os.getpid(), 9)
        return os.urandom(1_000_000)
rhizomedb.open(sys.argv[1], author="alice").attach("a", "file", Content())
"""


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    with connect(path, create=False, author="alice") as db:
        assert "a" not in db and findings(db) == []
        assert db.collect_chunks().bytes > 1_000_000
        cid = db.attach("a", "file", BIG).cid
        assert cid is not None and db.read_attachment(cid).read() == BIG
