"""The bytes of bundles: what is refused, and that what is packed is read back."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_helpers import delta, deltas

from rhizomedb.errors import BundleRefused
from rhizomedb.remote import bundle
from rhizomedb.remote.bundle import MAGIC, Head, Name, bundle_of, id_of, pack, read_body, read_head

DIGEST = "0" * 64


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
def test_names(text: str, is_name: bool) -> None:
    name = Name.parse(text)
    assert (name is not None) is is_name
    assert name is None or str(name) == text


def made(head: bytes, body: bytes, count: int = 1) -> tuple[Name, bytes]:
    """An object under the name that fits its head."""
    return Name(sha256(head).hexdigest(), count), head + body


def raw_of(*envelopes: bytes) -> bytes:
    return b"".join(len(each).to_bytes(4, "big") + each for each in envelopes)


ONE = delta(1).encode()
TWO = delta(2).encode()


def with_body(body: bytes, *envelopes: bytes) -> tuple[Name, bytes]:
    head = MAGIC + sha256(body).digest() + b"".join(map(id_of, envelopes or (ONE,)))
    return made(head, body, len(envelopes or (ONE,)))


GOOD = zlib.compress(raw_of(ONE))

REFUSED = {
    "another head": ("remote.altered", (Name(DIGEST, 1), with_body(GOOD)[1])),
    "another body": ("remote.altered", (with_body(GOOD)[0], with_body(GOOD)[1][:-1] + b"x")),
    "cut off": ("remote.altered", (with_body(GOOD)[0], with_body(GOOD)[1][:-1])),
    "longer": ("remote.altered", (with_body(GOOD)[0], with_body(GOOD)[1] + b"x")),
    "another kind": ("remote.malformed", made(b"rhizomedb/bundle/2\n" + bytes(64), b"")),
    "not compressed": ("remote.malformed", with_body(raw_of(ONE))),
    "compressed, cut off": ("remote.malformed", with_body(GOOD[:-2])),
    "followed by more": ("remote.malformed", with_body(GOOD + b"x")),
    "a bomb": ("remote.too-big", with_body(zlib.compress(bytes(bundle.RAW_BYTES_MAX + 1)))),
    "a length too long": ("remote.malformed", with_body(zlib.compress(b"\xff\xff\xff\xff" + ONE))),
    "half a length": ("remote.malformed", with_body(zlib.compress(raw_of(ONE) + b"\0\0"))),
    "other deltas": ("remote.malformed", with_body(zlib.compress(raw_of(TWO)))),
    "fewer deltas": ("remote.malformed", with_body(GOOD, ONE, TWO)),
    "more deltas": ("remote.malformed", with_body(zlib.compress(raw_of(ONE, TWO)))),
    "the same delta twice": ("remote.malformed", with_body(zlib.compress(raw_of(ONE, ONE)))),
    "empty": ("remote.malformed", with_body(zlib.compress(b""))),
}


def read(name: Name, data: bytes) -> list[bytes]:
    return read_body(read_head(name, data[: name.head_bytes]), data[name.head_bytes :])


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    code, (name, data) = REFUSED[case]
    with pytest.raises(BundleRefused) as caught:
        read(name, data)
    assert caught.value.code == code
    assert caught.value.where == f"bundle {name}"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20, unique=True))
@settings(max_examples=30)
def test_what_is_packed_is_read_back(numbers: list[int]) -> None:
    envelopes = [delta(number).encode() for number in numbers]
    packed = bundle_of(envelopes)
    assert read(packed.name, packed.data) == envelopes
    assert bundle_of(envelopes) == packed
    assert Name.parse(str(packed.name)) == packed.name


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=200)
def test_no_byte_can_be_changed(at: int, flip: int) -> None:
    packed = bundle_of(each.encode() for each in deltas(3))
    data = bytearray(packed.data)
    data[at % len(data)] ^= flip
    with pytest.raises(BundleRefused):
        read(packed.name, bytes(data))


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    name, data = with_body(body)
    with pytest.raises(BundleRefused):
        read(name, data)


def test_bundles_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    envelopes = [each.encode() for each in deltas(10)]
    monkeypatch.setattr(bundle, "DELTAS_MAX", 4)
    assert [each.name.count for each in pack(envelopes)] == [4, 4, 2]
    monkeypatch.setattr(bundle, "RAW_BYTES_MAX", 3 * (len(envelopes[0]) + 4) + 2)
    assert [each.name.count for each in pack(envelopes)] == [3, 3, 3, 1]
    assert list(pack([])) == []


def test_the_largest_bundle_is_within_the_limits() -> None:
    import os

    body = zlib.compress(os.urandom(bundle.RAW_BYTES_MAX))
    assert len(body) <= bundle.BODY_BYTES_MAX
    head = Head(Name(DIGEST, 1), (bytes(32),), sha256(body).digest())
    with pytest.raises(BundleRefused):
        read_body(head, body)
