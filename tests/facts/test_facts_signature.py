"""Signatures: the vectors of RFC 8032, and every key and signature that a forger would like accepted."""

import pickle
import random

import pytest
from nacl import bindings

from rhizomedb.errors import DeltaRefused, RequestError
from rhizomedb.facts import Key
from rhizomedb.facts.signature import FIELD, GROUP_ORDER, SMALL_ORDER, check_public, verify

KEY = Key(bytes(range(32)))
D = -121665 * pow(121666, -1, FIELD) % FIELD

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def point(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


UNSAFE = {
    f"{name}-{sign}": point(y, sign)
    for sign in (0, 1)
    for name, y in {
        "zero": 0,
        "one": 1,
        "minus-one": FIELD - 1,
        **{f"order-8-{index}": y for index, y in enumerate(sorted(SMALL_ORDER - {0, 1, FIELD - 1}))},
        **{f"p-plus-{more}": FIELD + more for more in range(19)},
    }.items()
}


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032, ids=["1", "2", "3"])
def test_rfc_8032(seed, public, message, signature):
    key = Key(bytes.fromhex(seed))
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert verify(key.public, bytes.fromhex(message), bytes.fromhex(signature))


def double(x: int, y: int) -> tuple[int, int]:
    """Twice a point of the curve -x² + y² = 1 + d x² y²."""
    product = D * x * x * y * y
    return (
        2 * x * y * pow(1 + product, -1, FIELD) % FIELD,
        (y * y + x * x) * pow(1 - product, -1, FIELD) % FIELD,
    )


@pytest.mark.parametrize("y", sorted(SMALL_ORDER))
def test_T1_the_listed_points_are_of_small_order(y):
    x_squared = (y * y - 1) * pow(D * y * y + 1, -1, FIELD) % FIELD
    x = pow(x_squared, (FIELD + 3) // 8, FIELD)
    if x * x % FIELD != x_squared:
        x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    assert x * x % FIELD == x_squared, "the point is on the curve"
    for _ in range(3):
        x, y = double(x, y)
    assert (x, y) == (0, 1), "eight times the point is nothing"


def test_T1_there_are_eight_such_points():
    assert len(SMALL_ORDER) == 5  # two have one x, three have two
    assert sum(1 if y in (1, FIELD - 1) else 2 for y in SMALL_ORDER) == 8


@pytest.mark.parametrize("public", UNSAFE.values(), ids=UNSAFE)
def test_T1_unsafe_keys_are_refused(public):
    chance = random.Random(1)
    for _ in range(8):
        forged = chance.choice(list(UNSAFE.values())) + chance.choice([bytes(32), point(chance.randrange(GROUP_ORDER))])
        with pytest.raises(DeltaRefused) as refusal:
            verify(public, chance.randbytes(20), forged)
        assert refusal.value.code == "delta.author-key"


@pytest.mark.parametrize(
    "public", [b"", bytes(31), bytes(33), b"\x02" + bytes(31), "x" * 32, bytearray(32), None], ids=repr
)
def test_other_things_are_no_keys(public):
    with pytest.raises(DeltaRefused) as refusal:
        check_public(public)
    assert refusal.value.code == "delta.author-key"


def test_T1_keys_outside_the_prime_subgroup_are_refused():
    torsion = point(min(SMALL_ORDER - {0, 1}))
    mixed = bindings.crypto_core_ed25519_add(KEY.public, torsion)
    check_public(KEY.public)
    with pytest.raises(DeltaRefused):
        check_public(mixed)


def test_T1_a_scalar_past_the_order_is_refused():
    signature = KEY.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little")
    assert verify(KEY.public, b"message", signature)
    for more in range(1, 8):
        assert not verify(KEY.public, b"message", signature[:32] + (scalar + more * GROUP_ORDER).to_bytes(32, "little"))


@pytest.mark.parametrize("start", UNSAFE.values(), ids=UNSAFE)
def test_T1_unsafe_signature_points_are_refused(start):
    assert not verify(KEY.public, b"message", start + KEY.sign(b"message")[32:])


def test_signatures_of_other_messages_keys_and_lengths():
    signature = KEY.sign(b"message")
    assert not verify(KEY.public, b"massage", signature)
    assert not verify(Key(bytes(32)).public, b"message", signature)
    for wrong in (b"", signature[:63], signature + b"\x00"):
        assert not verify(KEY.public, b"message", wrong)


def test_keys_never_show_their_seed():
    key = Key(bytes.fromhex("5eed" * 16))
    assert "5eed" not in repr(key) + str(key)
    assert key.public.hex() in repr(key)
    with pytest.raises(RequestError):
        pickle.dumps(key)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), "0" * 32, None])
def test_seeds_are_32_bytes(seed):
    with pytest.raises(RequestError) as refusal:
        Key(seed)
    assert refusal.value.code == "keys.malformed"
