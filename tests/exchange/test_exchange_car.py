"""Archives: their bytes, what a reader refuses, that nothing of a bad one is kept, and that a foreign tool reads them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import dag_cbor
import pytest
from histories import START_MS, signed
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.cli import main
from rhizomedb.db.connection import Connection, connect
from rhizomedb.errors import Error, ExchangeError
from rhizomedb.exchange import archive, car
from rhizomedb.exchange.archive import write_archive
from rhizomedb.exchange.importer import envelopes, holds_deltas, import_deltas
from rhizomedb.exchange.source import Source
from rhizomedb.facts import codec
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.store.store import Finding

# The container, written by hand: no line of the writer's is used here.


def leb(number: int) -> bytes:
    """A varint as the multiformats page has it."""
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + leb(number // 128)


def cid(block: bytes) -> bytes:
    return b"\x01\x71\x12\x20" + hashlib.sha256(block).digest()


def section(block: bytes, name: bytes | None = None) -> bytes:
    name = cid(block) if name is None else name
    return leb(len(name) + len(block)) + name + block


def header(*roots: bytes, version: int = 1) -> bytes:
    block = codec.encode({"roots": [Cid(root) for root in roots], "version": version})
    return leb(len(block)) + block


def link(raw: bytes) -> bytes:
    return b"\xd8\x2a" + codec.encode_bytes(b"\x00" + raw)


def shard(*blocks: bytes) -> bytes:
    return codec.encode({"deltas": [Cid.of(block) for block in blocks]})


def root(number: int, *shards: bytes, **more: Any) -> bytes:
    said = {"count": number, "shards": [Cid.of(each) for each in shards], "format": "rhizomedb/archive/1"}
    return codec.encode({name: part for name, part in {**said, **more}.items() if part is not ...})


def archive_of(top: bytes, *blocks: bytes) -> bytes:
    return header(cid(top)) + b"".join(map(section, blocks)) + section(top)


A, B, C = (signed(number).encode() for number in range(3))
SHARD = shard(A, B)
ROOT = root(2, SHARD)
GOOD = archive_of(ROOT, A, B, SHARD)
HEAD = header(cid(ROOT))
BODY = GOOD[len(HEAD) :]


def forged(envelope: bytes) -> bytes:
    return envelope.replace(b"film 0", b"film 9")


def with_delta(block: bytes) -> bytes:
    """An archive in which everything is right but one delta."""
    return archive_of(root(1, shard(block)), block, shard(block))


def raw_header(block: bytes) -> bytes:
    return leb(len(block)) + block + BODY


def renamed(name: bytes) -> bytes:
    """The good archive, but its first block stands under another name."""
    return HEAD + section(A, name) + BODY[len(section(A)) :]


def copy() -> Connection:
    return connect(":memory:", author="alice", clock=lambda: START_MS)


def take_in(path: Path, db: Connection) -> int:
    return import_deltas(db, Source(path), format="car", origin="test").new


# What an archive is


def test_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.car"
    assert write_archive([Delta.decode(A), Delta.decode(B)], path) == 2
    assert path.read_bytes() == GOOD
    assert write_archive([Delta.decode(A), Delta.decode(B)], tmp_path / "a.car.gz") == 2
    assert gzip.decompress((tmp_path / "a.car.gz").read_bytes()) == GOOD
    assert list(envelopes(Source(path))) == [A, B]
    assert {each.name for each in tmp_path.iterdir()} == {"a.car", "a.car.gz"}


def test_another_decoder_walks_it(tmp_path: Path) -> None:
    write_archive([Delta.decode(A), Delta.decode(B)], tmp_path / "a.car")
    data = (tmp_path / "a.car").read_bytes()
    size = data[0]
    top = dag_cbor.decode(data[1 : 1 + size])
    assert top["version"] == 1
    blocks = {}
    at = 1 + size
    while at < len(data):
        length, shift = 0, 0
        while True:
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        name, block = data[at : at + 36], data[at + 36 : at + length]
        assert name == cid(block)
        blocks[name] = dag_cbor.decode(block)
        at += length
    found = blocks.pop(bytes(top["roots"][0]))
    assert found["format"] == "rhizomedb/archive/1"
    deltas = [bytes(each) for part in found["shards"] for each in blocks.pop(bytes(part))["deltas"]]
    assert found["count"] == len(deltas) == len(blocks) == 2
    assert [blocks[each][1]["facts"][0][0] for each in deltas] == [b"film 0", b"film 1"]


def test_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SHARD_LINKS", 3)
    monkeypatch.setattr(archive, "SHARDS_MAX", 4)
    path = tmp_path / "a.car"
    for number in (0, 1, 2, 3, 4, 6, 11, 12):
        deltas = [signed(each) for each in range(number)]
        assert write_archive(iter(deltas), path) == number
        with copy() as db:
            assert take_in(path, db) == number
            assert list(db.deltas()) == deltas
    before = path.read_bytes()
    with pytest.raises(ExchangeError) as refused:
        write_archive((signed(each) for each in range(13)), path)
    assert refused.value.code == "exchange.unwritable"
    assert path.read_bytes() == before


def test_the_largest_shard_and_root_are_blocks() -> None:
    links = [Cid.of(bytes([each % 256])) for each in range(archive.SHARD_LINKS)]
    assert len(codec.encode({"deltas": links})) < 1 << 20
    assert (
        len(codec.encode({"count": 2**28, "shards": links[: archive.SHARDS_MAX], "format": archive.FORMAT})) < 1 << 20
    )


SPECIFICATION = (Path(__file__).parents[2] / "docs" / "spec" / "archive.md").read_text("utf-8")


def test_the_example_of_the_specification(tmp_path: Path) -> None:
    entity = bytes(range(16))
    first = Fact(entity, "runtime", 136)
    facts = [first, Fact(entity, "runtime", 138, [first.cid])]
    key, time = Key(bytes(range(32))), HybridTime(1_800_000_000_000)
    delta = Delta.sign(key, system="laptop", time=time, facts=facts)
    write_archive([delta], tmp_path / "a.car")
    block = SPECIFICATION.split("```text\n")[1].split("```")[0]
    left = [re.split(r" {3,}", line.strip())[0] for line in block.splitlines()]
    assert "".join(left) == (tmp_path / "a.car").read_bytes().hex()
    envelope = delta.encode()
    for part in (envelope, shard(envelope), root(1, shard(envelope))):
        assert f"`{Cid.of(part)}`" in SPECIFICATION
    numbers = (
        car.HEADER_BYTES_MAX,
        car.SECTION_BYTES_MAX,
        archive.SHARD_LINKS,
        archive.SHARD_LINKS * archive.SHARDS_MAX,
    )
    assert all(f"{number:,}" in SPECIFICATION for number in numbers)
    assert f"{len(car.header(Cid.of(envelope)))} bytes with the varint" in SPECIFICATION
    assert f"`{archive.FORMAT}`" in SPECIFICATION


# What a reader takes

TAKEN: dict[str, tuple[bytes, int]] = {
    "as it is written": (GOOD, 2),
    "the root first": (HEAD + section(ROOT) + section(SHARD) + section(B) + section(A), 2),
    "blocks that are repeated": (GOOD + section(A) + section(SHARD) + section(ROOT) + section(A), 2),
    "two shards": (archive_of(root(2, shard(A), shard(B)), B, shard(A), A, shard(B)), 2),
    "shards that overlap": (archive_of(root(2, shard(A, B), shard(B)), B, shard(A, B), A, shard(B)), 2),
    "a shard of nothing": (archive_of(root(1, shard(), shard(A)), shard(), A, shard(A)), 1),
    "no delta": (archive_of(root(0)), 0),
    "compressed": (gzip.compress(GOOD), 2),
    "compressed in two members": (gzip.compress(GOOD[:300]) + gzip.compress(GOOD[300:]), 2),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(tmp_path: Path, name: str) -> None:
    data, count = TAKEN[name]
    path = tmp_path / "odd name"
    path.write_bytes(data)
    with copy() as db:
        assert holds_deltas(Source(path))
        assert import_deltas(db, Source(path), origin="test").new == count
        assert import_deltas(db, Source(path), origin="test").new == 0
        assert len(list(db.deltas())) == count


# What a reader refuses

BOMB = b"\x81" * 70
BIG = A[:67] + codec.head(codec.BYTES, 1 << 20) + b"x" * (1 << 20)
PAYLOAD = Delta.decode(A).payload
HUGE_SHARD = codec.head(codec.LIST, 2**40)

REFUSED: list[tuple[str, str, bytes]] = [
    # the header
    ("empty", "header", b""),
    ("one zero", "header", b"\0"),
    ("only a length", "header", b"\x3a"),
    ("cut in the length", "header", b"\xba"),
    ("a text table", "header", b"title,year\nAlien,1979\n"),
    ("a length of 2^63", "header", leb(2**63) + GOOD[1:]),
    ("a length of 2^64 - 1", "header", leb(2**64 - 1) + GOOD[1:]),
    ("a length without end", "header", b"\xff" * 100),
    ("a length of 1 GiB", "header", leb(1 << 30) + GOOD[1:]),
    ("a length over 64 KiB", "header", leb((64 << 10) + 1) + b"\0" * (64 << 10) + b"\0"),
    ("a length in two bytes for one", "header", bytes([GOOD[0] | 0x80, 0]) + GOOD[1:]),
    ("a length in four bytes for one", "header", bytes([GOOD[0] | 0x80, 0x80, 0x80, 0]) + GOOD[1:]),
    ("a length too short by one", "header", bytes([GOOD[0] - 1]) + GOOD[1:]),
    ("a length too long by one", "header", bytes([GOOD[0] + 1]) + GOOD[1:]),
    ("a depth bomb", "header", raw_header(BOMB)),
    ("a depth bomb of 60 KiB", "header", raw_header(b"\x81" * 60_000)),
    ("lists that declare 2^64 - 1", "header", raw_header(b"\x9b" + b"\xff" * 8)),
    ("a map that declares 2^40", "header", raw_header(b"\xbb" + (2**40).to_bytes(8, "big"))),
    ("text of 2^40 bytes", "header", raw_header(b"\x7b" + (2**40).to_bytes(8, "big"))),
    ("an endless map", "header", raw_header(b"\xbf\x65roots\x80\x67version\x01\xff")),
    ("a list", "header", raw_header(b"\x82\x80\x01")),
    ("an empty map", "header", raw_header(b"\xa0")),
    ("no roots", "header", raw_header(codec.encode({"version": 1}))),
    ("roots of nothing", "header", raw_header(codec.encode({"roots": [], "version": 1}))),
    ("roots that are null", "header", raw_header(codec.encode({"roots": None, "version": 1}))),
    ("roots that are text", "header", raw_header(codec.encode({"roots": [str(Cid.of(ROOT))], "version": 1}))),
    ("roots that are bytes", "header", raw_header(codec.encode({"roots": [cid(ROOT)], "version": 1}))),
    ("a root in a list", "header", raw_header(codec.encode({"roots": [[Cid.of(ROOT)]], "version": 1}))),
    ("roots that are a map", "header", raw_header(codec.encode({"roots": {"a": Cid.of(ROOT)}, "version": 1}))),
    ("two roots", "header", header(cid(ROOT), cid(SHARD)) + BODY),
    ("a root of raw bytes", "header", header(b"\x01\x55" + cid(ROOT)[2:]) + BODY),
    ("a root by identity", "header", raw_header(b"\xa2eroots\x81" + link(b"\x01\x71\x00\x01a") + b"gversion\x01")),
    ("a root of CID version 0", "header", raw_header(b"\xa2eroots\x81" + link(cid(ROOT)[2:]) + b"gversion\x01")),
    ("a root cut short", "header", raw_header(b"\xa2eroots\x81" + link(cid(ROOT)[:-1]) + b"gversion\x01")),
    ("another tag", "header", raw_header(b"\xa2eroots\x81\xd8\x2b\x41\x00gversion\x01")),
    ("no version", "header", raw_header(codec.encode({"roots": [Cid.of(ROOT)]}))),
    ("a version as text", "header", raw_header(codec.encode({"roots": [Cid.of(ROOT)], "version": "1"}))),
    ("a version as a float", "header", raw_header(codec.encode({"roots": [Cid.of(ROOT)], "version": 1.0}))),
    ("a version as a bool", "header", raw_header(codec.encode({"roots": [Cid.of(ROOT)], "version": True}))),
    (
        "more than roots and version",
        "header",
        raw_header(codec.encode({"roots": [Cid.of(ROOT)], "version": 1, "x": 1})),
    ),
    ("keys out of order", "header", raw_header(b"\xa2gversion\x01eroots\x81" + link(cid(ROOT)))),
    ("a key twice", "header", raw_header(b"\xa3eroots\x80eroots\x81" + link(cid(ROOT)) + b"gversion\x01")),
    ("bytes after the map", "header", raw_header(codec.encode({"roots": [Cid.of(ROOT)], "version": 1}) + b"\0")),
    (
        "a number not in its shortest form",
        "header",
        raw_header(b"\xa2eroots\x81" + link(cid(ROOT)) + b"gversion\x18\x01"),
    ),
    ("version 0", "version", header(cid(ROOT), version=0) + BODY),
    ("version 2 with roots", "version", header(cid(ROOT), version=2) + BODY),
    ("version 3", "version", header(cid(ROOT), version=3) + BODY),
    ("CAR version 2", "version", b"\x0a\xa1gversion\x02" + b"\0" * 16 + (51).to_bytes(8, "little") + GOOD),
    # the sections
    ("a section of nothing", "section", HEAD + b"\0" + BODY),
    ("zeros at the end", "section", GOOD + b"\0" * 512),
    ("one byte at the end", "section", GOOD + b"\x01"),
    ("text at the end", "section", GOOD + b"\n"),
    ("half a length at the end", "section", GOOD + b"\x80"),
    ("a section of one byte", "section", HEAD + b"\x01\x01" + BODY),
    ("a section that is a CID alone", "section", HEAD + leb(36) + cid(b"") + BODY),
    ("a section of 2^63", "section", HEAD + leb(2**63) + BODY),
    ("a section of 2^64 - 1", "section", HEAD + leb(2**64 - 1) + BODY),
    ("a section without end", "section", HEAD + b"\x80" * 64),
    ("a section of 1 GiB", "section", HEAD + leb(1 << 30) + BODY),
    ("a section over 2 MiB", "section", HEAD + leb((2 << 20) + 1) + b"\0" * (2 << 20) + BODY),
    ("a section of 2 MiB that is not there", "section", HEAD + leb(2 << 20) + BODY),
    ("a length with a zero behind", "section", HEAD + bytes([BODY[0], BODY[1] | 0x80, 0]) + BODY[2:]),
    ("a length of 0 in two bytes", "section", HEAD + b"\x80\x00" + BODY),
    ("the first section lost its first byte", "section", HEAD + BODY[1:]),
    # the blocks
    *(
        (f"byte {at} of a CID", "block", renamed(bytes(b ^ (at == i) for i, b in enumerate(cid(A)))))
        for at in range(36)
    ),
    ("a CID of another block", "block", renamed(cid(B))),
    ("a CID of raw bytes", "block", renamed(b"\x01\x55" + cid(A)[2:])),
    ("a CID by sha2-512", "block", renamed(b"\x01\x71\x13\x40" + hashlib.sha512(A).digest())),
    ("a CID by sha1", "block", renamed(b"\x01\x71\x11\x14" + hashlib.sha1(A).digest())),
    ("a CID by identity", "block", renamed(b"\x01\x71\x00" + leb(len(A)) + A)),
    ("an empty CID by identity", "block", renamed(b"\x01\x71\x00\x00")),
    ("a CID version 0", "block", renamed(cid(A)[2:])),
    ("a CID in longer numbers", "block", renamed(b"\x81\x00" + cid(A)[1:])),
    ("a digest cut to 20 bytes", "block", renamed(b"\x01\x71\x12\x14" + cid(A)[4:24])),
    ("an altered delta under the old CID", "block", HEAD + section(forged(A), cid(A)) + BODY[len(section(A)) :]),
    ("a block that is no DAG-CBOR", "block", GOOD + section(b"\xff")),
    ("a block that is text", "block", GOOD + section(b"hello")),
    ("a depth bomb as a block", "block", GOOD + section(BOMB)),
    ("a depth bomb of 1 MiB", "block", GOOD + section(b"\x81" * (1 << 20))),
    ("a block that declares 2^40 items", "block", GOOD + section(HUGE_SHARD)),
    ("a payload without its signature", "block", GOOD + section(PAYLOAD)),
    ("a foreign map", "block", GOOD + section(codec.encode({"hello": [1, 2]}))),
    ("a shard with more in it", "block", GOOD + section(codec.encode({"deltas": [], "more": 1}))),
    ("a shard of numbers", "block", GOOD + section(codec.encode({"deltas": [1, 2]}))),
    ("a shard of text", "block", GOOD + section(codec.encode({"deltas": str(Cid.of(A))}))),
    ("a shard that is not canonical", "block", GOOD + section(b"\xa1\x78\x06deltas\x80")),
    ("a shard of links to raw bytes", "block", GOOD + section(b"\xa1\x66deltas\x81" + link(b"\x01\x55" + cid(A)[2:]))),
    ("a shard of links by identity", "block", GOOD + section(b"\xa1\x66deltas\x81" + link(b"\x01\x71\x00\x01a"))),
    ("the root is a delta", "block", header(cid(A)) + section(A)),
    ("the root is a shard", "block", header(cid(SHARD)) + BODY[: -len(section(ROOT))]),
    ("another format", "block", archive_of(root(2, SHARD, format="rhizomedb/archive/2"), A, B, SHARD)),
    ("a format that is bytes", "block", archive_of(root(2, SHARD, format=b"rhizomedb/archive/1"), A, B, SHARD)),
    ("no format", "block", archive_of(root(2, SHARD, format=...), A, B, SHARD)),
    ("no count", "block", archive_of(root(2, SHARD, count=...), A, B, SHARD)),
    ("no shards", "block", archive_of(root(2, shards=...), A, B, SHARD)),
    ("a count below 0", "block", archive_of(root(-1, SHARD), A, B, SHARD)),
    ("a count that is a float", "block", archive_of(root(2, SHARD, count=2.0), A, B, SHARD)),
    ("a count that is a bool", "block", archive_of(root(1, shard(A), count=True), A, shard(A))),
    ("shards that are a link", "block", archive_of(root(2, shards=Cid.of(SHARD)), A, B, SHARD)),
    ("shards inside the root", "block", archive_of(root(2, shards=[{"deltas": [Cid.of(A)]}]), A, B)),
    ("a key more in the root", "block", archive_of(root(2, SHARD, more=1), A, B, SHARD)),
    ("another archive at the end", "block", GOOD + GOOD),
    ("the root of another archive", "block", HEAD + b"".join(map(section, (C, shard(C), root(1, shard(C)))))),
    # the deltas
    ("a forged delta", "delta", with_delta(forged(A))),
    ("a signature of zeros", "delta", with_delta(A[:3] + bytes(64) + A[67:])),
    ("the signature of another delta", "delta", with_delta(B[:67] + A[67:])),
    ("a payload that is a list", "delta", with_delta(A[:67] + b"\x80")),
    ("a payload that is cut short", "delta", with_delta(A[:-1])),
    ("bytes after the payload", "delta", with_delta(A + b"\0")),
    ("a payload that is empty", "delta", with_delta(A[:67] + b"\xa0")),
    ("no payload", "delta", with_delta(A[:67])),
    ("a delta over 1 MiB", "delta", with_delta(BIG)),
    ("a third part in the envelope", "block", with_delta(b"\x83" + A[1:] + b"\x00")),
    ("a signature of 63 bytes", "block", with_delta(b"\x82\x58\x3f" + A[3:66] + A[67:])),
    # what is not there, or should not be
    ("a header and nothing more", "incomplete", HEAD),
    ("cut before the root", "incomplete", GOOD[: -len(section(ROOT))]),
    ("only the root", "incomplete", HEAD + section(ROOT)),
    ("no delta of a shard", "incomplete", HEAD + section(ROOT) + section(SHARD)),
    ("one delta missing", "incomplete", archive_of(ROOT, A, SHARD)),
    ("the shard missing", "incomplete", archive_of(ROOT, A, B)),
    ("a delta that is not listed", "incomplete", archive_of(ROOT, A, B, C, SHARD)),
    ("a shard that is not listed", "incomplete", archive_of(ROOT, A, B, SHARD, shard(A))),
    ("a delta of a shard that is not listed", "incomplete", archive_of(ROOT, A, B, C, SHARD, shard(C))),
    ("a root that nothing is", "incomplete", header(cid(b"x")) + section(A) + section(B) + section(SHARD)),
    ("a delta as a shard", "incomplete", archive_of(root(1, A), A)),
    ("a shard as a delta", "incomplete", archive_of(root(2, shard(SHARD)), SHARD, shard(SHARD), A, B)),
    ("a delta as a shard, and no other", "incomplete", archive_of(root(0, A), A)),
    ("a shard as a delta, and counted", "incomplete", archive_of(root(3, shard(SHARD)), SHARD, shard(SHARD), A, B)),
    ("a count too small", "incomplete", archive_of(root(1, SHARD), A, B, SHARD)),
    ("a count too large", "incomplete", archive_of(root(3, SHARD), A, B, SHARD)),
    ("a count beyond 64 bits signed", "incomplete", archive_of(root(2**64 - 1, SHARD), A, B, SHARD)),
    # compressed
    ("compressed and cut short", "unreadable", gzip.compress(GOOD)[:-20]),
    ("compressed with rubbish behind", "unreadable", gzip.compress(GOOD) + b"rubbish"),
    ("compressed with a wrong sum", "unreadable", gzip.compress(GOOD)[:-8] + b"\0" * 8),
    ("compressed zeros", "header", gzip.compress(bytes(1 << 20))),
    ("compressed twice", "header", gzip.compress(gzip.compress(GOOD))),
]


def refusal(path: Path, db: Connection) -> Error:
    with pytest.raises(Error) as refused:
        take_in(path, db)
    assert db.cut.epoch == 0
    assert not list(db.deltas())
    assert not db.held()
    return refused.value


@pytest.mark.parametrize(("name", "code", "data"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_refused(tmp_path: Path, name: str, code: str, data: bytes) -> None:
    path = tmp_path / "in.car"
    path.write_bytes(data)
    with copy() as db:
        error = refusal(path, db)
        assert error.code in (f"exchange.car-{code}", f"exchange.{code}")
        assert isinstance(error.where, str)
        assert str(path) in error.where
        assert error.fix
        assert len(str(error)) < 1000
        with pytest.raises(Error) as dry:
            list(envelopes(Source(path), format="car"))
        assert dry.value.code == error.code
        path.write_bytes(GOOD)
        assert take_in(path, db) == 2  # the database is as good as new


def test_refusals_are_many_and_each_is_one() -> None:
    assert len(REFUSED) >= 130
    assert len({name for name, _, _ in REFUSED}) == len(REFUSED)
    assert len({data for _, _, data in REFUSED}) == len(REFUSED)


@pytest.mark.parametrize("name", [name for name, _, data in REFUSED if len(data) < 100_000])
def test_lies_cost_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in.car"
    path.write_bytes(next(data for each, _, data in REFUSED if each == name))
    with copy() as db:
        tracemalloc.start()
        refusal(path, db)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 << 20


MESSAGES: list[tuple[str, str]] = [
    ("CAR version 2", "this is CAR version 2, and version 1 is read"),
    ("two roots", "an archive of deltas has one root, and this has 2"),
    ("one delta missing", f"1 block is listed and not in it: {Cid.of(B)}"),
    ("no delta of a shard", "2 blocks are listed and not in it: "),
    ("a delta that is not listed", f"1 block is in it and not listed: {Cid.of(C)}"),
    ("a count too small", "the count of its root is 1, and the deltas that it lists are 2"),
    (
        "an altered delta under the old CID",
        f"the block that stands as {Cid.of(A)} is {Cid.of(forged(A))}: it was altered",
    ),
    ("a forged delta", "the block is not a delta that can be trusted: delta.signature: this was not signed by "),
    ("a section of 1 GiB", "a length of more than 2,097,152 bytes is declared (in.car section 1, byte 59)"),
]


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.car").write_bytes(next(data for each, _, data in REFUSED if each == name))
    with copy() as db:
        assert message in str(refusal(Path("in.car"), db))


def test_cut_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "in.car"
    with copy() as db:
        for size in range(len(GOOD)):
            path.write_bytes(GOOD[:size])
            assert refusal(path, db).code in ("exchange.car-header", "exchange.car-section", "exchange.car-incomplete")


def test_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "in.car"
    with copy() as db:
        for at in range(len(GOOD)):
            path.write_bytes(GOOD[:at] + bytes([GOOD[at] ^ 1 << at % 8]) + GOOD[at + 1 :])
            refusal(path, db)


def mutated(seed: int) -> bytes:
    """The good archive after one to three accidents."""
    chance = random.Random(seed)
    data = bytearray(GOOD)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(data) or 1)
        end = min(len(data), start + chance.choice([1, 1, 2, 4, 36, 200]))
        match chance.randrange(6):
            case 0:
                data[start:end] = chance.randbytes(end - start)
            case 1:
                del data[start:end]
            case 2:
                data[start:start] = data[start:end]
            case 3:
                data[start:start] = chance.randbytes(end - start)
            case 4:
                data[start:end] = bytes([chance.choice([0, 0x7F, 0x80, 0xFF])]) * (end - start)
            case 5:
                data[start : start + 1] = leb(chance.choice([0, 1, 127, 128, 2**21, 2**32, 2**63, 2**64]))
    return bytes(data)


def test_accidents(tmp_path: Path) -> None:
    path = tmp_path / "in.car"
    refused = 0
    with copy() as db:
        for seed in range(2_000):
            data = mutated(seed)
            path.write_bytes(data)
            try:
                with copy() as other:
                    take_in(path, other)
                    assert {delta.encode() for delta in other.deltas()} == {A, B}, seed
            except Error as error:
                refused += 1
                assert refusal(path, db).code == error.code
    assert refused > 1_900


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_sections_after_a_good_header(tmp_path_factory: pytest.TempPathFactory, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.car"
    path.write_bytes(HEAD + rest)
    with copy() as db:
        refusal(path, db)


# Bounds


def test_streams(tmp_path: Path) -> None:
    """Neither writing nor reading holds more than a few blocks, whatever there is."""
    path = tmp_path / "big.car"
    write_archive([signed()], path)
    assert sum(1 for _ in envelopes(Source(path))) == 1  # what is imported on first use is no part of it
    tracemalloc.start()
    assert write_archive((signed(number, "x" * 200_000) for number in range(200)), path) == 200
    written = tracemalloc.get_traced_memory()[1]
    assert path.stat().st_size > 40_000_000
    tracemalloc.reset_peak()
    assert sum(1 for _ in envelopes(Source(path))) == 200
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 4 << 20
    assert read < 4 << 20


def test_what_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(car, "UNPACKED_BYTES_FREE", 1 << 20)
    long = signed(0, "x" * 200_000).encode()
    whole = archive_of(root(1, shard(long)), *[long] * 100, shard(long))
    path = tmp_path / "bomb.car.gz"
    path.write_bytes(gzip.compress(whole))
    with copy() as db:
        error = refusal(path, db)
        assert error.code == "exchange.car-section"
        assert error.fix == "gunzip it"
        path.write_bytes(whole)
        assert take_in(path, db) == 1


def test_no_room_to_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def execute(self, statement: str) -> None: ...

        def executemany(self, statement: str, rows: object) -> None:
            raise apsw.FullError("database or disk is full")

        def close(self) -> None: ...

    (tmp_path / "in.car").write_bytes(GOOD)
    with copy() as db:
        monkeypatch.setattr(archive.apsw, "Connection", lambda _: Full())
        assert refusal(tmp_path / "in.car", db).code == "exchange.unreadable"


# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database of three deltas."""
    monkeypatch.chdir(tmp_path)
    with connect("films.db", author="ada") as db:
        for number in range(3):
            db.transact([(f"Film {number}", "runtime", number)])
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main(shlex.split(command))
    printed = capfd.readouterr()
    return code, printed.out, printed.err


def test_out_and_in(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "export films.db out.car") == (0, "", "3 deltas written to out.car\n")
    code, _, said = run(capfd, "export films.db out.car")
    assert code == 1 and "out.car is there already" in said
    code, printed, _ = run(capfd, "export films.db out.car --force --json")
    assert json.loads(printed) == {"file": "out.car", "format": "car", "deltas": 3, "lost": []}
    assert run(capfd, "import new.db out.car --dry-run")[:2] == (0, "3 deltas would be taken in; nothing was written\n")
    assert not Path("new.db").exists()
    assert run(capfd, "import new.db out.car")[:2] == (0, "3 deltas taken in, 0 known already\n")
    assert run(capfd, "import new.db out.car")[:2] == (0, "0 deltas taken in, 3 known already\n")
    assert json.loads(run(capfd, "import new.db out.car --json")[1]) == {"new": 0, "known": 3, "held": 0}
    assert run(capfd, "verify new.db")[0] == 0
    Path("cut.car").write_bytes(Path("out.car").read_bytes()[:-5])
    code, _, said = run(capfd, "import other.db cut.car")
    assert code == 1 and said.startswith("exchange.car-section: ") and "cut.car section 5" in said
    assert not Path("other.db").exists()


def test_through_pipes(folder: Path) -> None:
    rhizome = f"{shlex.quote(sys.executable)} -m rhizomedb"
    script = f"set -o pipefail; {rhizome} export films.db --format car | {rhizome} import new.db -"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "3 deltas taken in, 0 known already\n"
    script = f"{rhizome} export films.db --format car >> appended && {rhizome} export films.db a.car"
    subprocess.run(["bash", "-c", script], check=True)
    assert (folder / "appended").read_bytes() == (folder / "a.car").read_bytes()
    os.mkfifo("pipe.car")
    script = f"{rhizome} export films.db pipe.car & cat pipe.car > piped; wait"
    subprocess.run(["bash", "-c", script], check=True, timeout=60)
    assert (folder / "piped").read_bytes() == (folder / "a.car").read_bytes()
    done = subprocess.run(
        ["bash", "-c", f"{rhizome} export films.db --format car | true"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_what_is_lost_is_said(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    every = Connection.deltas

    def all_but_the_second(db: Connection, *, lost: list[Finding]) -> Iterator[Delta]:
        for number, delta in enumerate(every(db), 1):
            if number == 2:
                lost.append(Finding("delta 2", "delta.signature", "this was not signed by 00"))
            else:
                yield delta

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "deltas", all_but_the_second)
        code, _, said = run(capfd, "export films.db out.car")
    assert (code, said) == (3, "delta 2: this was not signed by 00\n2 deltas written to out.car\n")
    assert run(capfd, "import new.db out.car")[1] == "2 deltas taken in, 0 known already\n"


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.car"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["head", "-c", "10", pipe], stdout=subprocess.PIPE)
    assert write_archive((signed(number, "x" * 100_000) for number in range(20)), pipe) == 20
    assert len(reader.communicate(timeout=60)[0]) == 10


REFUSED_COMMANDS = [
    ("export films.db out.car --as-of now", "db.usage", "car exports every delta"),
    ("export films.db out.car --policy first", "db.usage", "car exports every delta"),
    ("export films.db out.car --salvage", "db.usage", "as jsonl"),
    ("export films.db out.cra", "db.usage", "car"),
    ("export films.db no/such/out.car", "exchange.unwritable", "no/such/out.car"),
    ("export films.db - --format car --salvage", "db.usage", "as jsonl"),
    ("import new.db films.db --format car", "exchange.format", "SQLite"),
    ("import new.db text.txt --format car", "exchange.car-header", "is no CAR"),
    ("import new.db text.car", "exchange.car-header", "is no CAR"),
    ("import new.db gone.car", "exchange.not-found", "gone.car"),
]


@pytest.mark.parametrize(("command", "code", "names"), REFUSED_COMMANDS)
def test_refused_commands(folder: Path, capfd: pytest.CaptureFixture[str], command: str, code: str, names: str) -> None:
    Path("text.txt").write_text("a,b\n1,2\n")
    Path("text.car").write_text("a,b\n1,2\n")
    before = set(folder.iterdir())
    exit_code, printed, said = run(capfd, command)
    assert exit_code == (2 if code == "db.usage" else 1)
    assert said.startswith(f"{code}: ") and names in said and "try: " in said and not printed
    assert set(folder.iterdir()) == before


def test_a_terminal_gets_no_bytes(folder: Path) -> None:
    leader, follower = os.openpty()
    with open(follower, "w") as terminal, connect("films.db") as db, pytest.raises(ExchangeError) as refused:
        write_archive(db.deltas(), stdout=terminal)
    os.close(leader)
    assert refused.value.code == "exchange.unwritable"
