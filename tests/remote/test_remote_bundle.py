"""The bytes of bundles and packs: what is refused, and that what is packed is read back."""

from __future__ import annotations

import random
import zlib
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_helpers import delta

from rhizomedb.errors import BundleRefused
from rhizomedb.facts.manifest import Block
from rhizomedb.remote import bundle
from rhizomedb.remote.bundle import Head, Item, Name, bundle_of, pack, read_body, read_head
from rhizomedb.remote.kind import BLOCKS, DELTAS, Kind, id_of

DIGEST = "0" * 64

KINDS = pytest.mark.parametrize("kind", [DELTAS, BLOCKS], ids=lambda kind: str(kind.folder))


def item(kind: Kind, number: int) -> Item:
    """A delta, or a chunk, with its id."""
    if kind is DELTAS:
        envelope = delta(number).encode()
        return id_of(envelope), envelope
    block = Block.chunk(b"chunk %d" % number)
    return bytes(block.cid), block.body


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        (f"{DIGEST}-1", True),
        (f"{DIGEST}-16384", True),
        (f"{DIGEST}-16385", False),
        (f"{DIGEST}-0", False),
        (f"{DIGEST}-01", False),
        (f"{DIGEST}-99999999999", False),
        (f"{DIGEST}-", False),
        (f"{DIGEST}-1\n", False),
        (f"{DIGEST}-١", False),
        (f"{'A' * 64}-1", False),
        (f"../{DIGEST}-1", False),
        (f"/{DIGEST}-1", False),
        (f"{DIGEST}-1\0", False),
        ("", False),
        (".partial-00", False),
    ],
)
@KINDS
def test_names(kind: Kind, text: str, is_name: bool) -> None:
    name = Name.parse(kind, text)
    assert (name is not None) is is_name
    assert name is None or str(name) == text


def made(kind: Kind, head: bytes, body: bytes, count: int = 1) -> tuple[Name, bytes]:
    """An object under the name that fits its head."""
    return Name(kind, sha256(head).hexdigest(), count), head + body


def raw_of(*items: Item) -> bytes:
    return b"".join(len(each).to_bytes(4, "big") + each for _, each in items)


def with_body(kind: Kind, body: bytes, *items: Item) -> tuple[Name, bytes]:
    items = items or (item(kind, 1),)
    return made(kind, kind.magic + sha256(body).digest() + b"".join(each for each, _ in items), body, len(items))


def refused(kind: Kind) -> dict[str, tuple[str, tuple[Name, bytes]]]:
    one, two = item(kind, 1), item(kind, 2)
    good = zlib.compress(raw_of(one))
    name, data = with_body(kind, good)

    def packed(raw: bytes, *items: Item) -> tuple[Name, bytes]:
        return with_body(kind, zlib.compress(raw), *items)

    return {
        "another head": ("remote.altered", (Name(kind, DIGEST, 1), data)),
        "another body": ("remote.altered", (name, data[:-1] + b"x")),
        "cut off": ("remote.altered", (name, data[:-1])),
        "longer": ("remote.altered", (name, data + b"x")),
        "another kind": ("remote.malformed", made(kind, bytes(name.head_bytes), b"")),
        "not compressed": ("remote.malformed", with_body(kind, raw_of(one))),
        "compressed, cut off": ("remote.malformed", with_body(kind, good[:-2])),
        "followed by more": ("remote.malformed", with_body(kind, good + b"x")),
        "a bomb": ("remote.too-big", packed(bytes(bundle.RAW_BYTES_MAX + 1))),
        "a length too long": ("remote.malformed", packed(b"\xff\xff\xff\xff" + one[1])),
        "half a length": ("remote.malformed", packed(raw_of(one) + b"\0\0")),
        "other items": ("remote.malformed", packed(raw_of(two))),
        "fewer items": ("remote.malformed", packed(raw_of(one), one, two)),
        "more items": ("remote.malformed", packed(raw_of(one, two))),
        "the same item twice": ("remote.malformed", packed(raw_of(one, one))),
        "empty": ("remote.malformed", packed(b"")),
    }


def read(name: Name, data: bytes) -> list[bytes]:
    return read_body(read_head(name, data[: name.head_bytes]), data[name.head_bytes :])


@KINDS
@pytest.mark.parametrize("case", refused(DELTAS))
def test_refused(kind: Kind, case: str) -> None:
    code, (name, data) = refused(kind)[case]
    with pytest.raises(BundleRefused) as caught:
        read(name, data)
    assert caught.value.code == code
    assert caught.value.where == f"{'pack' if kind is BLOCKS else 'bundle'} {name}"


@pytest.mark.parametrize("prefix", ["00000000", "01701220", "01551320", "01711120"])
def test_a_pack_lists_chunks_and_manifests_only(prefix: str) -> None:
    body = b"what it is named by is no CID of a chunk or a manifest"
    stranger = (bytes.fromhex(prefix) + sha256(body).digest(), body)
    with pytest.raises(BundleRefused) as caught:
        read(*with_body(BLOCKS, zlib.compress(raw_of(stranger)), stranger))
    assert caught.value.code == "remote.malformed"


@KINDS
@given(numbers=st.lists(st.integers(0, 50), min_size=1, max_size=20, unique=True))
@settings(max_examples=30)
def test_what_is_packed_is_read_back(kind: Kind, numbers: list[int]) -> None:
    items = [item(kind, number) for number in numbers]
    packed = bundle_of(kind, items)
    assert read(packed.name, packed.data) == [each for _, each in items]
    assert bundle_of(kind, items) == packed
    assert Name.parse(kind, str(packed.name)) == packed.name


@KINDS
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=100)
def test_no_byte_can_be_changed(kind: Kind, at: int, flip: int) -> None:
    packed = bundle_of(kind, [item(kind, number) for number in range(3)])
    data = bytearray(packed.data)
    data[at % len(data)] ^= flip
    with pytest.raises(BundleRefused):
        read(packed.name, bytes(data))


@KINDS
@given(body=st.binary(max_size=300))
@settings(max_examples=100)
def test_any_body_is_read_or_refused(kind: Kind, body: bytes) -> None:
    name, data = with_body(kind, body)
    with pytest.raises(BundleRefused):
        read(name, data)


def test_bundles_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [item(DELTAS, number) for number in range(10)]
    monkeypatch.setattr(bundle, "ITEMS_MAX", 4)
    assert [each.name.count for each in pack(DELTAS, items)] == [4, 4, 2]
    monkeypatch.setattr(bundle, "RAW_BYTES_MAX", 3 * (len(items[0][1]) + 4) + 2)
    assert [each.name.count for each in pack(DELTAS, items)] == [3, 3, 3, 1]
    assert list(pack(DELTAS, [])) == []


@pytest.mark.parametrize("level", [0, -1, 9])
def test_the_largest_bundle_is_within_the_limits(level: int) -> None:
    body = zlib.compress(random.Random(1).randbytes(bundle.RAW_BYTES_MAX), level)
    assert len(body) <= bundle.BODY_BYTES_MAX
    head = Head(Name(DELTAS, DIGEST, 1), bytes(32), sha256(body).digest())
    with pytest.raises(BundleRefused):
        read_body(head, body)


@pytest.mark.parametrize("size", [1, 1000, 200_000])
def test_what_cannot_be_made_smaller_is_only_wrapped(size: int) -> None:
    def packed(chunk: bytes) -> int:
        block = Block.chunk(chunk)
        made = bundle_of(BLOCKS, [(bytes(block.cid), chunk)])
        assert read(made.name, made.data) == [chunk]
        return len(made.data) - made.name.head_bytes

    assert packed(random.Random(1).randbytes(size)) <= size + 100
    assert packed(bytes(size)) <= max(size / 100, 20)
