"""The general codec: every IPLD fixture, every way to be non-canonical, and a second implementation as the oracle."""

import json
import random
import struct
import tracemalloc
import warnings
from pathlib import Path

import pytest
from fact_strategies import cids, mutated, nodes
from hypothesis import given

from rhizomedb.errors import Error, ValueRefused
from rhizomedb.facts import Cid
from rhizomedb.facts.codec import ForeignLink, Limits, any_link, decode, encode

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dag_cbor
    from multiformats import CID

FIXTURES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data/ipld/dag-cbor.jsonl").read_text(encoding="utf-8").splitlines()
]
LINK = "d82a5825000171122000" + "11" * 31


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", FIXTURES, ids=[row["name"] for row in FIXTURES])
def test_fixture(fixture):
    block = bytes.fromhex(fixture["hex"])
    if fixture["expect"] == "reject":
        with pytest.raises(ValueRefused) as refusal:
            decode(block, links=any_link)
        assert refusal.value.code == "facts.not-canonical"
    else:
        assert encode(decode(block, links=any_link)) == block
        assert str(Cid.of(block)) == fixture["cid"]


def test_all_fixtures_are_here():
    assert len(FIXTURES) == 133


@pytest.mark.parametrize(
    ("node", "block"),
    [
        ({"b": 1, "a": 2, "aa": 0}, "a3616102616201626161" + "00"),
        ([], "80"),
        ({}, "a0"),
        ([[], {}, [None]], "8380a081f6"),
        ((1, [2, 3]), "8201820203"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-(2**64), "3bffffffffffffffff"),
        (-0.0, "fb8000000000000000"),  # DAG-CBOR has it; facts do not
    ],
)
def test_encode(node, block):
    assert encode(node).hex() == block
    assert encode(decode(bytes.fromhex(block))).hex() == block


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (2**64, "facts.integer-range"),
        (-(2**64) - 1, "facts.integer-range"),
        (10**5000, "facts.integer-range"),
        (float("nan"), "facts.float-not-finite"),
        (float("-inf"), "facts.float-not-finite"),
        ("\ud800", "facts.text-not-utf8"),
        ({"\udfff": 1}, "facts.text-not-utf8"),
        ({1: 2}, "facts.value-type"),
        ({1, 2}, "facts.value-type"),
        (object(), "facts.value-type"),
        ([0] * 65_536, "facts.too-big"),
        (b"x" * (1 << 20), "facts.too-big"),
    ],
    ids=lambda part: part if isinstance(part, str) and part.startswith("facts.") else "",
)
def test_encode_refuses(node, code):
    with pytest.raises(ValueRefused) as refusal:
        encode(node)
    assert refusal.value.code == code


def test_encode_refuses_what_holds_itself():
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueRefused, match="deeper"):
        encode(loop)


# -- what is not canonical, made systematically ------------------------------------------------------------------------


def wide_heads(major: int, number: int) -> list[bytes]:
    """Every head of a number that is longer than it has to be."""
    forms = [(24, ">B", 0), (25, ">H", 24), (26, ">I", 256), (27, ">Q", 65_536)]
    least = [24, 256, 65_536, 2**32]
    return [
        bytes([major << 5 | info]) + struct.pack(form, number)
        for (info, form, _), smallest in zip(forms, least, strict=True)
        if number < smallest and number < 256 ** struct.calcsize(form)
    ]


def negative() -> list[tuple[str, bytes, str]]:
    cases: list[tuple[str, str | bytes, str]] = []

    def add(name: str, block: str | bytes, code: str) -> None:
        cases.append((name, block, code))

    for number in (0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1):
        for major in (0, 1):
            for wide in wide_heads(major, number):
                add(f"wide-int-{major}-{wide.hex()}", wide, "facts.not-canonical")
    for number in (0, 1, 23, 24, 255, 256):
        for major, content in ((2, b"a"), (3, b"a"), (4, b"\x00")):
            for wide in wide_heads(major, number):
                add(f"wide-length-{major}-{wide.hex()}", wide + content * number, "facts.not-canonical")
    for number in (0, 1, 23):
        entries = b"".join(b"\x61" + bytes([97 + index]) + b"\x00" for index in range(number))
        for wide in wide_heads(5, number):
            add(f"wide-length-5-{wide.hex()}", wide + entries, "facts.not-canonical")
    for tag in ("d9002a", "da0000002a", "db000000000000002a"):
        add(f"wide-tag-{tag}", tag + LINK[4:], "facts.not-canonical")
    for size in ("590025", "5a00000025", "5b0000000000000025"):
        add(f"wide-link-{size}", "d82a" + size + LINK[8:], "facts.not-canonical")

    for block in ("5fff", "5f4161ff", "7fff", "7f6161ff", "9fff", "9f00ff", "bfff", "bf616100ff", "829fff00"):
        add(f"open-{block}", block, "facts.not-canonical")
    for major in range(8):
        for info in (28, 29, 30):
            add(f"reserved-{major}-{info}", bytes([major << 5 | info]) + bytes(16), "facts.malformed")
    for first in (0x1F, 0x3F, 0xDF, 0xFF):
        add(f"break-{first:02x}", bytes([first]), "facts.malformed")

    for simple in [*range(0xE0, 0xF4), 0xF7]:
        add(f"simple-{simple:02x}", bytes([simple]), "facts.malformed")
    for simple in (0, 20, 21, 22, 23, 31, 32, 255):
        add(f"simple-f8{simple:02x}", bytes([0xF8, simple]), "facts.malformed")
    for block in (
        "f90000",
        "f93c00",
        "f98000",
        "f97e00",
        "f97c00",
        "fa00000000",
        "fa3f800000",
        "fa7fc00000",
        "fa7f800000",
    ):
        add(f"short-float-{block}", block, "facts.not-canonical")
    for bits in ("7ff8000000000000", "7ff8000000000001", "fff8000000000000", "7ff0000000000001", "7fffffffffffffff"):
        add(f"nan-{bits}", "fb" + bits, "facts.float-not-finite")
    for bits in ("7ff0000000000000", "fff0000000000000"):
        add(f"infinity-{bits}", "fb" + bits, "facts.float-not-finite")

    for tag in range(24):
        add(f"tag-{tag}", bytes([0xC0 | tag]) + b"\x00", "facts.malformed")
    for tag in ("d818", "d829", "d82b", "d9d9f7"):
        add(f"tag-{tag}", tag + "41" + "00", "facts.malformed")

    digest = "22" * 32
    links = {
        "no-prefix": "01711220" + digest,
        "other-prefix": "0101711220" + digest,
        "empty": "",
        "only-prefix": "00",
        "short-digest": "0001711220" + digest[2:],
        "long-digest": "0001711220" + digest + "00",
        "wrong-length": "000171121f" + digest[2:],
        "version-0": "001220" + digest,
        "version-2": "0002711220" + digest,
        "unknown-codec": "0001011220" + digest,
        "dag-jose": "000185011220" + digest,
        "wide-varint": "0001f1001220" + digest,
        "endless-varint": "0001" + "ff" * 40,
        "identity": "00015500050001020304",
        "sha1": "0001781114" + "22" * 20,
        "sha1-raw": "0001551114" + "22" * 20,
        "md5": "000155d50110" + "22" * 16,
        "huge": "0001711220" + digest * 8,
    }
    for name, raw in links.items():
        data = bytes.fromhex(raw)
        add(f"link-{name}", b"\xd8\x2a" + encode(data), "facts.cid-bytes")
    for inner in ("00", "6100", "80", "a0", "f6", "d82a4100"):
        add(f"link-of-{inner}", "d82a" + inner, "facts.malformed")

    for block in (
        "a2616200616100",
        "a262616100616100",
        "a2626161006162" + "00",
        "a3616100616300616200",
        "a261620060" + "00",
    ):
        add(f"unsorted-{block}", block, "facts.not-canonical")
    for block in ("a2616100616100", "a2600060" + "01", "a3616100616200616200"):
        add(f"repeated-{block}", block, "facts.not-canonical")
    for key in ("00", "20", "4161", "80", "a0", "f4", "f6", "fb3ff0000000000000", LINK):
        add(f"key-{key[:8]}", "a1" + key + "00", "facts.malformed")

    for text in (
        "80",
        "c0",
        "ff",
        "fe",
        "c080",
        "c1bf",
        "e080",
        "e08080",
        "eda080",
        "edbfbf",
        "f0808080",
        "f4908080",
        "f8888080",
    ):
        data = bytes.fromhex(text)
        add(f"utf8-{text}", bytes([0x60 + len(data)]) + data, "facts.text-not-utf8")
        add(f"utf8-key-{text}", b"\xa1" + bytes([0x60 + len(data)]) + data + b"\x00", "facts.text-not-utf8")

    for valid in ("00", "1818", "20", "4161", "6161", "8101", "a1616100", "f6", "fb3ff0000000000000", LINK):
        for end in range(len(valid) // 2):
            add(f"cut-{valid[:12]}-{end}", valid[: 2 * end], "facts.malformed")
        for tail in ("00", "ff", valid[:2]):
            add(f"trailing-{valid[:12]}-{tail}", valid + tail, "facts.malformed")
    for major in (2, 3, 4, 5):
        for size in (24, 2**16, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
            lie = encode(size)
            add(f"lie-{major}-{size}", bytes([lie[0] | major << 5]) + lie[1:] + b"\x00" * 8, "facts.malformed")

    for opening in ("81", "a16161", "82" + "00"):
        add(f"deep-{opening}", bytes.fromhex(opening) * 65 + b"\x00", "facts.too-deep")
        add(f"very-deep-{opening}", bytes.fromhex(opening) * 200_000, "facts.too-deep")
    add("items-list", b"\x9a" + struct.pack(">I", 65_536) + bytes(65_536), "facts.too-big")
    add("items-nested", b"\x99\xff\x00" + b"\x99\xff\x00" + bytes(2 * 0xFF00), "facts.too-big")
    add("bytes", b"\x5a" + struct.pack(">I", 1 << 20) + bytes(1 << 20), "facts.too-big")
    return [(name, bytes.fromhex(block) if isinstance(block, str) else block, code) for name, block, code in cases]


NEGATIVE = negative()


def test_there_are_enough_negative_vectors():
    assert len({block for _, block, _ in NEGATIVE}) >= 300


@pytest.mark.parametrize(("block", "code"), [case[1:] for case in NEGATIVE], ids=[case[0] for case in NEGATIVE])
def test_refused(block, code):
    with pytest.raises(ValueRefused) as refusal:
        decode(block)
    assert refusal.value.code == code


def test_T5_refusing_takes_little_memory():
    for name, block, _ in NEGATIVE:
        tracemalloc.start()
        with pytest.raises(ValueRefused):
            decode(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20, name


def test_refusals_say_where():
    with pytest.raises(ValueRefused) as refusal:
        decode(bytes.fromhex("8300001800"))
    assert refusal.value.where == "byte 3"


def test_depth_at_the_limit_is_fine():
    block = b"\x81" * 64 + b"\x00"
    assert encode(decode(block)) == block


def test_items_at_the_limit_are_fine():
    block = encode([0] * 65_535)
    assert decode(block) == [0] * 65_535


def test_limits_are_arguments():
    with pytest.raises(ValueRefused) as refusal:
        decode(b"\x82\x00\x00", limits=Limits(items=2))
    assert refusal.value.code == "facts.too-big"


@pytest.mark.parametrize("data", ["00", None, 7, [0]], ids=repr)
def test_blocks_are_bytes(data):
    with pytest.raises(ValueRefused) as refusal:
        decode(data)
    assert refusal.value.code == "facts.malformed"


@pytest.mark.parametrize(
    "raw",
    ["1220" + "22" * 32, "01551114" + "22" * 20, "015500050001020304", "0178" + "1114" + "22" * 20],
    ids=["cid-v0", "sha1", "identity", "git"],
)
def test_foreign_links_only_on_request(raw):
    data = bytes.fromhex(raw)
    block = encode(ForeignLink(data))
    assert decode(block, links=any_link) == ForeignLink(data)
    with pytest.raises(ValueRefused) as refusal:
        decode(block)
    assert refusal.value.code == "facts.cid-bytes"


@pytest.mark.parametrize(
    "raw", ["", "01", "0171", "01711220", "ff" * 40, "02551220" + "22" * 32, "0155122022", "015580"]
)
def test_no_cid_at_all(raw):
    with pytest.raises(ValueRefused) as refusal:
        any_link(bytes.fromhex(raw))
    assert refusal.value.code == "facts.cid-bytes"


# -- laws --------------------------------------------------------------------------------------------------------------


@given(nodes)
def test_decode_undoes_encode(node):
    block = encode(node)
    again = decode(block)
    assert encode(again) == block
    assert again == node


@given(cids)
def test_links_keep_their_bytes(cid):
    assert decode(encode([cid])) == [cid]


# -- oracles -----------------------------------------------------------------------------------------------------------


def to_oracle(node):
    match node:
        case Cid():
            return CID.decode(bytes(node))
        case list():
            return [to_oracle(child) for child in node]
        case dict():
            return {key: to_oracle(child) for key, child in node.items()}
    return node


@given(nodes)
def test_agrees_with_dag_cbor(node):
    block = encode(node)
    assert dag_cbor.encode(to_oracle(node)) == block
    assert dag_cbor.decode(block) == to_oracle(node)


def test_fuzzed_blocks_are_refused_or_mean_the_same_to_dag_cbor():
    chance = random.Random(20)
    seeds = [bytes.fromhex(row["hex"]) for row in FIXTURES if row["expect"] == "ok" and len(row["hex"]) < 400]
    accepted = 0
    for _ in range(6_000):
        block = mutated(chance.choice(seeds), chance)
        try:
            node = decode(block, links=any_link)
        except Error:
            continue
        accepted += 1
        assert encode(node) == block
        if "ForeignLink" not in repr(node):
            assert dag_cbor.encode(to_oracle(node)) == dag_cbor.encode(dag_cbor.decode(block)) == block
    assert accepted > 500
