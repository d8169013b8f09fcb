"""The kernels and their twins: tables, then both against the slow reader and `Fact`, and against each other."""

import json
import random
import struct
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from fact_strategies import attributes, cids, facts, mutated, values
from fact_vectors import ATTRIBUTES, MIDNIGHT, NEGATIVE_ZERO, NOON, PLACES, SCALARS, SKY, SUNSET, E
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import Error
from rhizomedb.facts import Cid, Fact, Stretch, codec, kernels, stretch
from rhizomedb.facts.fact import CAUSES_MAX, decode_slowly_at
from rhizomedb.facts.value import VALUE_BYTES_MAX

try:
    import rhizomedb_native as native
except ModuleNotFoundError:
    native = None

needs_native = pytest.mark.skipif(native is None, reason="the kernels in Rust are not built")
TWINS = [kernels] if native is None else [kernels, native]
NAMES = ("scan_facts", "encode_facts", "has_repeats", "shift_spans")
both = pytest.mark.parametrize(
    "twin", [pytest.param(kernels, id="python"), pytest.param(native, id="rust", marks=needs_native)]
)


@contextmanager
def running(twin):
    """Stretches by the kernels of one twin."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(stretch, name, getattr(twin, name))
        yield


def outcome(call, *arguments):
    """What a call gives, or all that its error says."""
    try:
        return call(*arguments)
    except Error as error:
        return error.as_dict()


def spans_of(said: list[Fact], at: int = 0) -> list[tuple[int, ...]]:
    """Spans by the sizes of the parts, each encoded alone."""
    spans = []
    for fact in said:
        span = [at, at + 1]
        for part in fact.node():
            span.append(span[-1] + len(codec.encode(part)))
        spans.append((span[0], *span[2:]))
        at = span[-1]
    return spans


def unpacked(spans: bytes) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack("<5I", spans))


# -- tables ------------------------------------------------------------------------------------------------------------

FOREIGN = Cid(bytes.fromhex("01551220") + bytes(32))
LONG = Cid(bytes.fromhex("01711340") + bytes(64))
CAUSES = sorted((Cid.of(b"%d" % number) for number in range(CAUSES_MAX + 1)), key=bytes)

USUAL = [
    *(fact for fact, _, _ in SKY),
    *(fact for fact, _ in PLACES.values()),
    *(Fact(E, "v", value) for value, _, _ in SCALARS),
    *(Fact(E, attribute, 1) for attribute, _ in ATTRIBUTES),
    *(Fact(bytes(size), "x" * size, bytes(size)) for size in (0, 23, 24, 255, 256, 65_535, 65_536, VALUE_BYTES_MAX)),
    *(Fact(E, number, -1 - number) for number in (0, 23, 24, 2**8, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**63 - 1)),
    *(Fact(E, "v", 1, CAUSES[:count]) for count in (1, 2, 23, 24, 255, 256, CAUSES_MAX)),
    *(Fact(E, "v", text) for text in ("é", "€", "😀", "\0", "\U0010ffff", "\ud7ff\ue000")),
    Fact(E, "v", NOON.cid, [SUNSET.cid, MIDNIGHT.cid]),
]


@both
@pytest.mark.parametrize("fact", USUAL, ids=[str(number) for number in range(len(USUAL))])
def test_usual(twin, fact):
    before = b"\x00" * 3
    data = before + fact.encode() + NOON.encode()
    done, end, spans, digests = twin.scan_facts(data, 3, 1)
    assert (done, end) == (1, 3 + len(fact.encode()))
    assert unpacked(spans) == spans_of([fact], 3)
    assert digests == bytes(fact.cid)[4:]
    columns = [fact.entity], [fact.attribute], [fact.value], [fact.causes]
    assert twin.encode_facts(*columns, 0) == (fact.encode(), struct.pack("<5I", *spans_of([fact])[0]), digests, 1)


UNUSUAL = {
    "foreign-link": Fact(E, "v", FOREIGN).encode(),
    "long-link": Fact(E, "v", LONG).encode(),
    "foreign-cause": Fact(E, "v", 1, [FOREIGN]).encode(),
    "negative-zero": NEGATIVE_ZERO,
    "negative-zero-attribute": NEGATIVE_ZERO.replace(b"\x61v", b"\xfb" + struct.pack(">d", -0.0)),
    "nan": NEGATIVE_ZERO.replace(b"\x80" + bytes(7), b"\x7f\xf8" + bytes(6)),
    "infinity": NEGATIVE_ZERO.replace(b"\x80" + bytes(7), b"\x7f\xf0" + bytes(6)),
    "float-32": b"\x84\x41e\x61v\xfa" + bytes(4) + b"\x80",
    "integer-high": codec.encode([E, "v", 2**63, []]),
    "integer-low": codec.encode([E, "v", -(2**63) - 1, []]),
    "integer-attribute": codec.encode([E, 2**63, 1, []]),
    "long-head": b"\x84\x58\x01e\x61v\x01\x80",
    "long-integer": b"\x84\x41e\x61v\x18\x17\x80",
    "long-text": b"\x84\x41e\x61v\x78\x01v\x80",
    "long-causes": b"\x84\x41e\x61v\x01\x98\x00",
    "open-text": b"\x84\x41e\x61v\x7f\x61v\xff\x80",
    "null": codec.encode([E, "v", None, []]),
    "list": codec.encode([E, "v", [], []]),
    "map": codec.encode([E, "v", {}, []]),
    "attribute-bool": codec.encode([E, True, 1, []]),
    "attribute-link": codec.encode([E, NOON.cid, 1, []]),
    "entity-text": codec.encode(["e", "v", 1, []]),
    "causes-texts": codec.encode([E, "v", 1, ["x"]]),
    "causes-map": codec.encode([E, "v", 1, {}]),
    "causes-unsorted": codec.encode([E, "v", 1, CAUSES[1::-1]]),
    "causes-twice": codec.encode([E, "v", 1, [CAUSES[0], CAUSES[0]]]),
    "causes-many": codec.encode([E, "v", 1, CAUSES]),
    "five-parts": codec.encode([E, "v", 1, [], []]),
    "three-parts": codec.encode([E, "v", 1]),
    "no-list": codec.encode("fact"),
    "not-utf-8": b"\x84\x41e\x61v\x61\xff\x80",
    "surrogate": b"\x84\x41e\x61v\x63\xed\xa0\x80\x80",
    "overlong": b"\x84\x41e\x61v\x62\xc0\x80\x80",
    "entity-long": codec.encode([bytes(VALUE_BYTES_MAX + 1), "v", 1, []]),
    "attribute-long": codec.encode([E, "x" * (VALUE_BYTES_MAX + 1), 1, []]),
    "value-long": codec.encode([E, "v", bytes(VALUE_BYTES_MAX + 1), []]),
    "other-tag": b"\x84\x41e\x61v\xd8\x2b\x41x\x80",
    "lying-length": b"\x84\x41e\x61v\x5b" + b"\xff" * 8 + b"\x80",
    "lying-count": b"\x84\x41e\x61v\x01\x9b" + b"\xff" * 8,
    "nothing": b"",
}


@both
@pytest.mark.parametrize("block", UNUSUAL.values(), ids=UNUSUAL)
def test_the_batch_ends_before_the_unusual(twin, block):
    before = NOON.encode() + SUNSET.encode()
    done, end, spans, digests = twin.scan_facts(before + block, 0, 4)
    assert (done, end) == (2, len(before))
    assert unpacked(spans) == spans_of([NOON, SUNSET])
    assert digests == bytes(NOON.cid)[4:] + bytes(SUNSET.cid)[4:]


class Text(str):
    __slots__ = ()


class Number(int):
    pass


ROW = (b"e", "v", 1, ())
UNUSUAL_ROWS = [
    *((entity, "v", 1, ()) for entity in ("e", bytearray(b"e"), None, 1, bytes(VALUE_BYTES_MAX + 1))),
    *((b"e", it, 1, ()) for it in (True, None, NOON.cid, 2**63, float("nan"), "\ud800", Text("v"), "é" * 140_000, [])),
    *((b"e", "v", it, ()) for it in (None, 2**63, -(2**63) - 1, float("inf"), "\ud800", Number(1), FOREIGN, LONG, {})),
    *((b"e", "v", it, ()) for it in (Text("v"), "x" * (VALUE_BYTES_MAX + 1), bytes(VALUE_BYTES_MAX + 1), 10**5000)),
    *((b"e", "v", 1, causes) for causes in (None, "x", b"x", 1, {NOON.cid}, [NOON], [FOREIGN], iter(()), CAUSES)),
]


@both
@pytest.mark.parametrize("row", UNUSUAL_ROWS, ids=[str(number) for number in range(len(UNUSUAL_ROWS))])
def test_columns_end_before_the_unusual(twin, row):
    data, spans, digests, done = twin.encode_facts(*map(list, zip(ROW, ROW, row, ROW, strict=True)), 1)
    assert (data, done) == (Fact(*ROW).encode(), 1)
    assert unpacked(spans) == spans_of([Fact(*ROW)])
    assert digests == bytes(Fact(*ROW).cid)[4:]


@both
def test_columns_may_be_empty_or_without_causes(twin):
    assert twin.encode_facts([], [], [], None, 0) == (b"", b"", b"", 0)
    assert twin.encode_facts([b"e"], ["v"], [1], None, 0)[0] == Fact(b"e", "v", 1).encode()
    assert twin.encode_facts([b"e"], ["v"], [1], None, 1) == (b"", b"", b"", 0)
    assert twin.scan_facts(b"", 0, 5) == (0, 0, b"", b"")
    assert twin.scan_facts(NOON.encode(), 500, 5) == (0, 500, b"", b"")


@both
def test_written_facts_are_put_in_order(twin):
    shuffled = [CAUSES[2], CAUSES[0], CAUSES[1], CAUSES[0]]
    data, *_ = twin.encode_facts([E] * 2, [-0.0, "v"], [-0.0, 1], [(), shuffled], 0)
    assert data == Fact(E, 0.0, 0.0).encode() + Fact(E, "v", 1, CAUSES[:3]).encode()


@both
def test_has_repeats(twin):
    chance = random.Random(3)
    digests = [chance.randbytes(32) for _ in range(500)]
    assert not twin.has_repeats(b"")
    assert not twin.has_repeats(digests[0])
    assert not twin.has_repeats(b"".join(digests))
    assert twin.has_repeats(b"".join([*digests, digests[250]]))
    alike = [bytes(8) + digest[8:] for digest in digests]  # as the first bytes of digests could be made to be
    assert not twin.has_repeats(b"".join(alike))
    assert twin.has_repeats(b"".join([*alike, alike[9]]))


@both
def test_shift_spans(twin):
    spans = struct.pack("<5I", 5, 6, 2**31, 2**32 - 10, 2**32 - 6)
    assert unpacked(twin.shift_spans(spans, 5)) == [(10, 11, 2**31 + 5, 2**32 - 5, 2**32 - 1)]
    assert unpacked(twin.shift_spans(spans, -5)) == [(0, 1, 2**31 - 5, 2**32 - 15, 2**32 - 11)]
    assert twin.shift_spans(spans, 0) == spans
    assert twin.shift_spans(b"", 7) == b""


# -- oracles: the slow reader, `Fact`, and the twin --------------------------------------------------------------------


def slowly(data: bytes, at: int, count: int) -> tuple[list[Fact], int]:
    said = []
    for _ in range(count):
        fact, at = decode_slowly_at(data, at)
        said.append(fact)
    return said, at


def check_read(data: bytes, at: int, count: int) -> bool:
    """Both twins do with bytes what the slow reader does, and the same as each other; whether they are facts."""
    expected = outcome(slowly, data, at, count)
    scans = [twin.scan_facts(data, at, count) for twin in TWINS]
    assert all(scan == scans[0] for scan in scans)
    for twin in TWINS:
        with running(twin):
            found = outcome(Stretch.read, data, at, count)
            if isinstance(expected, dict):
                assert found == expected
                continue
            read, end = found
            assert (list(read), end) == expected
            assert [list(fact.node()) for fact in read] == [fact.node() for fact in expected[0]]
            assert [type(fact.value) for fact in read] == [type(fact.value) for fact in expected[0]]
            assert [fact.cid for fact in read] == [Cid.of(fact.encode()) for fact in read]
            assert unpacked(read.spans) == spans_of(expected[0], at)
            assert read.digests == b"".join(bytes(fact.cid)[4:] for fact in expected[0])
    return not isinstance(expected, dict)


strange = st.one_of(facts, st.builds(Fact, st.just(E), attributes, st.sampled_from([FOREIGN, LONG])),
                    st.builds(Fact, st.just(E), attributes, values, st.lists(st.sampled_from([FOREIGN, LONG, *CAUSES[:3]]))))  # fmt: skip


@given(st.lists(strange, max_size=8), st.binary(max_size=5), st.binary(max_size=5))
def test_facts_are_read(said, before, after):
    assert check_read(before + b"".join(fact.encode() for fact in said) + after, len(before), len(said))


def test_mutated_facts():
    chance = random.Random(4)
    seeds = [fact.encode() for fact in USUAL if len(fact.encode()) < 500]
    seeds += [block for block in UNUSUAL.values() if len(block) < 500]
    good = 0
    for _ in range(4_000):
        blocks = [chance.choice(seeds) for _ in range(3)]
        which = chance.randrange(3)
        blocks[which] = mutated(blocks[which], chance)
        good += check_read(b"".join(blocks), 0, 3)
    assert good > 50


def test_every_prefix_and_flipped_bit():
    data = NOON.encode() + Fact(E, 1.5, "é" * 20, [NOON.cid]).encode()
    for end in range(len(data)):
        assert not check_read(data[:end], 0, 2)
    for bit in range(8 * len(data)):
        block = bytearray(data)
        block[bit // 8] ^= 1 << bit % 8
        check_read(bytes(block), 0, 2)


FIXTURES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data/ipld/dag-cbor.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("fixture", FIXTURES, ids=[row["name"] for row in FIXTURES])
def test_ipld_fixtures_as_each_part(fixture):
    block = bytes.fromhex(fixture["hex"])
    parts = [codec.encode(part) for part in NOON.node()]
    check_read(block, 0, 1)
    for place in range(4):
        check_read(b"\x84" + b"".join([*parts[:place], block, *parts[place + 1 :]]), 0, 1)
    check_read(b"\x84" + b"".join(parts[:3]) + b"\x81" + block, 0, 1)


wrong = st.sampled_from([None, [], {}, 1j, 2**63, -(2**63) - 1, float("nan"), float("-inf"), "\ud800", object, "é" * 140_000])  # fmt: skip
odd = st.one_of(wrong, values, st.sampled_from([Text("x"), Number(5), bytearray(b"x"), FOREIGN, LONG]))
rows = st.lists(
    st.tuples(
        st.one_of(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), odd),
        st.one_of(attributes, attributes, attributes, odd),
        st.one_of(values, values, odd),
        st.one_of(st.just(()), st.lists(cids, max_size=5), st.tuples(cids), st.lists(st.sampled_from([FOREIGN, *CAUSES[:4]])), wrong),
    ),
    max_size=6,
)  # fmt: skip


@given(rows)
@settings(max_examples=400)
def test_columns_are_as_fact_by_fact(table):
    expected: list[Fact] = []
    error = None
    for number, row in enumerate(table):
        made = outcome(Fact, *row)
        if isinstance(made, dict):
            error = {**made, "where": f"item {number}"}
            break
        expected.append(made)
    columns = [list(column) for column in islice(zip(*table, strict=True), 4)] or [[], [], [], []]
    batches = [twin.encode_facts(*columns, 0) for twin in TWINS]
    assert all(batch == batches[0] for batch in batches)
    for twin in TWINS:
        with running(twin):
            found = outcome(Stretch.from_columns, *columns)
            if error is not None:
                assert found == error
                continue
            assert found == tuple(expected)
            assert [fact.node() for fact in found] == [fact.node() for fact in expected]
            assert unpacked(found.spans) == spans_of(expected)
            assert found.digests == b"".join(bytes(fact.cid)[4:] for fact in expected)
