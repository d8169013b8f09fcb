"""Deltas: the worked example of the specification, every shape that is refused, forgeries, and round trips."""

import copy
import pickle
import random
import re
from pathlib import Path

import pytest
from fact_strategies import KEYS, deltas, mutated
from fact_vectors import MIDNIGHT, NEGATIVE_ZERO, NOON, SUNSET, E
from hypothesis import given, settings

from rhizomedb.errors import DeltaRefused, Error
from rhizomedb.facts import Cid, Delta, Fact, Group, HybridTime, Key, codec
from rhizomedb.facts.delta import DOMAIN, ENVELOPE_BYTES_MAX
from rhizomedb.facts.payload import FACTS_MAX
from rhizomedb.facts.signature import GROUP_ORDER

SPECIFICATION = (Path(__file__).parents[2] / "docs/spec/delta.md").read_text(encoding="utf-8")

KEY = Key(bytes(range(32)))
FIRST = Fact(bytes(range(16)), "runtime", 136)
SECOND = Fact(bytes(range(16)), "runtime", 138, [FIRST.cid])
TIME = HybridTime(1_800_000_000_000, 0)
EXAMPLE = Delta.sign(KEY, system="laptop", time=TIME, facts=[FIRST, SECOND])
FULL = Delta.sign(
    KEY,
    system="läptop",
    time=HybridTime(2**48 - 1, 2**16 - 1),
    facts=[NOON, SUNSET, MIDNIGHT],
    edge=b"edge",
    group=Group(b"group", 3),
    scope="own",
)


def payload(**parts) -> dict:
    """The payload of the example as an IPLD node, with some parts replaced, or left out if they are `...`."""
    node = codec.decode(EXAMPLE.payload) | parts
    return {name: part for name, part in node.items() if part is not ...}


def signed(block: bytes, key: Key = KEY) -> bytes:
    """An envelope around any bytes, with a signature that is right."""
    return b"\x82\x58\x40" + key.sign(DOMAIN + block) + block


def refusal(envelope: bytes) -> str:
    with pytest.raises(Error) as error:
        Delta.decode(envelope)
    return error.value.code


# -- tables ------------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification():
    block = SPECIFICATION.split("```text\n")[1].split("```")[0]
    left = [re.split(r" {3,}", line.strip())[0] for line in block.splitlines()]
    written = "".join(left)
    assert bytes.fromhex(written) == EXAMPLE.encode()
    for part in (EXAMPLE.id, FIRST.cid, SECOND.cid, KEY.public.hex()):
        assert f"`{part}`" in SPECIFICATION


def test_the_limits_of_the_specification():
    for number in (ENVELOPE_BYTES_MAX, FACTS_MAX, 262_144, 1_024):
        assert f"{number:,}" in SPECIFICATION


def test_parts():
    delta = Delta.decode(FULL.encode())
    assert delta.author == KEY.public
    assert delta.system == "läptop"
    assert delta.time == HybridTime(2**48 - 1, 2**16 - 1)
    assert delta.facts == (NOON, SUNSET, MIDNIGHT)
    assert delta.edge == b"edge"
    assert delta.group == Group(b"group", 3)
    assert delta.scope == "own"
    assert delta.id == Cid.of(delta.payload)
    assert delta.encode() == FULL.encode() == signed(delta.payload)
    assert delta.signature == KEY.sign(DOMAIN + delta.payload)


def test_what_is_left_out():
    delta = Delta.decode(EXAMPLE.encode())
    assert (delta.edge, delta.group, delta.scope) == (None, None, "seen")
    assert list(codec.decode(delta.payload)) == ["time", "facts", "author", "system"]
    assert list(codec.decode(FULL.payload)) == ["edge", "time", "facts", "group", "scope", "author", "system"]


def test_the_order_of_facts_is_kept():
    assert Delta.sign(KEY, system="a", time=TIME, facts=[SECOND, FIRST]).facts == (SECOND, FIRST)
    assert Delta.sign(KEY, system="a", time=TIME, facts=iter([FIRST, SECOND])).id != (
        Delta.sign(KEY, system="a", time=TIME, facts=[SECOND, FIRST]).id
    )


FACTS = [FIRST.node(), SECOND.node()]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        pytest.param({"time": ...}, "delta.shape", id="no-time"),
        pytest.param({"facts": ...}, "delta.shape", id="no-facts"),
        pytest.param({"author": ...}, "delta.shape", id="no-author"),
        pytest.param({"system": ...}, "delta.shape", id="no-system"),
        pytest.param({"version": 1}, "delta.shape", id="unknown-key"),
        pytest.param({"": 1}, "delta.shape", id="empty-key"),
        pytest.param({"edge": None}, "delta.shape", id="edge-null"),
        pytest.param({"edge": b""}, "delta.shape", id="edge-empty"),
        pytest.param({"edge": "edge"}, "delta.shape", id="edge-text"),
        pytest.param({"edge": bytes(262_145)}, "delta.shape", id="edge-long"),
        pytest.param({"time": 5}, "delta.shape", id="time-number"),
        pytest.param({"time": []}, "delta.shape", id="time-empty"),
        pytest.param({"time": [5]}, "delta.shape", id="time-one"),
        pytest.param({"time": [5, 0, 0]}, "delta.shape", id="time-three"),
        pytest.param({"time": [-1, 0]}, "delta.shape", id="time-negative"),
        pytest.param({"time": [2**48, 0]}, "delta.shape", id="time-far"),
        pytest.param({"time": [0, 2**16]}, "delta.shape", id="counter-high"),
        pytest.param({"time": [0, -1]}, "delta.shape", id="counter-negative"),
        pytest.param({"time": [5.0, 0]}, "delta.shape", id="time-float"),
        pytest.param({"time": [True, False]}, "delta.shape", id="time-bool"),
        pytest.param({"time": ["5", 0]}, "delta.shape", id="time-text"),
        pytest.param({"facts": []}, "delta.empty", id="no-fact"),
        pytest.param({"facts": {}}, "delta.shape", id="facts-map"),
        pytest.param({"facts": None}, "delta.shape", id="facts-null"),
        pytest.param({"facts": [FACTS[0], FACTS[1], FACTS[0]]}, "delta.repeated-fact", id="fact-twice"),
        pytest.param({"facts": [5]}, "facts.shape", id="fact-number"),
        pytest.param({"facts": [FACTS[0][:3]]}, "facts.shape", id="fact-of-three"),
        pytest.param({"facts": [FIRST.cid]}, "facts.shape", id="fact-behind-a-link"),
        pytest.param({"facts": [[E, "v", -0.0, []]]}, "facts.not-canonical", id="E9-negative-zero"),
        pytest.param({"facts": [[E, "v", 2**63, []]]}, "facts.integer-range", id="E37-integer"),
        pytest.param({"facts": [[E, "v", None, []]]}, "facts.null-value", id="D19-null"),
        pytest.param({"facts": [[E, "v", 1, [NOON.cid, SUNSET.cid]]]}, "facts.not-canonical", id="E35-causes"),
        pytest.param({"group": None}, "delta.shape", id="group-null"),
        pytest.param({"group": {}}, "delta.shape", id="group-empty"),
        pytest.param({"group": {"id": b"a"}}, "delta.shape", id="group-no-size"),
        pytest.param({"group": {"id": b"a", "size": 0}}, "delta.shape", id="group-of-none"),
        pytest.param({"group": {"id": b"a", "size": 65_537}}, "delta.shape", id="group-of-many"),
        pytest.param({"group": {"id": b"a", "size": True}}, "delta.shape", id="group-of-true"),
        pytest.param({"group": {"id": b"", "size": 1}}, "delta.shape", id="group-id-empty"),
        pytest.param({"group": {"id": bytes(65), "size": 1}}, "delta.shape", id="group-id-long"),
        pytest.param({"group": {"id": "a", "size": 1}}, "delta.shape", id="group-id-text"),
        pytest.param({"group": {"id": b"a", "size": 1, "x": 1}}, "delta.shape", id="group-unknown-key"),
        pytest.param({"group": [b"a", 1]}, "delta.shape", id="group-list"),
        pytest.param({"scope": "seen"}, "delta.shape", id="scope-seen-is-never-written"),
        pytest.param({"scope": "all"}, "delta.shape", id="scope-unknown"),
        pytest.param({"scope": None}, "delta.shape", id="scope-null"),
        pytest.param({"scope": b"own"}, "delta.shape", id="scope-bytes"),
        pytest.param({"author": KEY.public[:31]}, "delta.shape", id="author-short"),
        pytest.param({"author": KEY.public.hex()}, "delta.shape", id="author-text"),
        pytest.param({"author": bytes(32)}, "delta.author-key", id="T1-author-small-order"),
        pytest.param({"author": b"\x01" + bytes(31)}, "delta.author-key", id="T1-author-identity"),
        pytest.param({"author": b"\xff" * 32}, "delta.author-key", id="T1-author-not-canonical"),
        pytest.param({"author": KEYS[0].public}, "delta.signature", id="T1-author-another"),
        pytest.param({"system": ""}, "delta.shape", id="system-empty"),
        pytest.param({"system": "é" * 65}, "delta.shape", id="system-long"),
        pytest.param({"system": b"laptop"}, "delta.shape", id="system-bytes"),
        pytest.param({"system": 1}, "delta.shape", id="system-number"),
    ],
)
def test_payload_refused(parts, code):
    assert refusal(signed(codec.encode(payload(**parts)))) == code


GOOD = EXAMPLE.payload


@pytest.mark.parametrize(
    ("block", "code"),
    [
        pytest.param(b"", "facts.malformed", id="nothing"),
        pytest.param(b"\xf6", "delta.shape", id="null"),
        pytest.param(b"\x84" + GOOD[1:], "delta.shape", id="list"),
        pytest.param(b"\xa0", "delta.shape", id="empty-map"),
        pytest.param(GOOD + b"\x00", "facts.malformed", id="trailing"),
        pytest.param(GOOD[:-1], "facts.malformed", id="truncated"),
        pytest.param(b"\xa5" + GOOD[1:], "facts.malformed", id="one-key-missing"),
        pytest.param(b"\xa3" + GOOD[1:], "facts.malformed", id="one-key-too-many"),
        pytest.param(b"\xb8\x04" + GOOD[1:], "facts.not-canonical", id="wide-map"),
        pytest.param(b"\xbf" + GOOD[1:] + b"\xff", "facts.not-canonical", id="open-map"),
        pytest.param(b"\xbb" + b"\xff" * 8 + GOOD[1:], "facts.malformed", id="T5-lie"),
        pytest.param(GOOD.replace(b"\x64time", b"\x78\x04time"), "facts.not-canonical", id="wide-key"),
        pytest.param(GOOD.replace(b"\x64time", b"\x44time"), "delta.shape", id="key-of-bytes"),
        pytest.param(GOOD.replace(b"\x18\x88", b"\x19\x00\x88"), "facts.not-canonical", id="wide-integer-in-a-fact"),
        pytest.param(b"\xa5" + GOOD[1:] + b"\x66system\x61a", "facts.not-canonical", id="key-twice"),
        pytest.param(b"\xa5" + GOOD[1:] + b"\x64edge\x41a", "facts.not-canonical", id="key-out-of-order"),
        pytest.param(
            b"\xa1\x65facts\x81" + NEGATIVE_ZERO, "facts.not-canonical", id="E9-negative-zero"
        ),
        pytest.param(b"\xa1\x65facts\x9a\x00\x01\x00\x01", "delta.too-big", id="facts-declared"),
        pytest.param(b"\xa1\x65facts\x9b" + b"\xff" * 8, "delta.too-big", id="facts-lie"),
        pytest.param(b"\xa1\x64edge" + b"\x81" * 100, "facts.too-big", id="T5-deep"),
        pytest.param(b"\xa1\x64edge\x98\x64" + bytes(100), "facts.too-big", id="T5-many"),
        pytest.param(b"\xa1\x66system\x62\xc3\x28", "facts.text-not-utf8", id="utf8"),
    ],
)  # fmt: skip
def test_block_refused(block, code):
    assert refusal(signed(block)) == code


SIGNED = EXAMPLE.encode()


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        pytest.param(b"", "facts.malformed", id="nothing"),
        pytest.param(GOOD, "delta.shape", id="only-the-payload"),
        pytest.param(b"\x81" + SIGNED[1:67], "delta.shape", id="only-the-signature"),
        pytest.param(b"\x83" + SIGNED[1:] + b"\xf6", "delta.shape", id="list-of-three"),
        pytest.param(b"\x82\x58\x3f" + SIGNED[4:], "delta.shape", id="short-signature"),
        pytest.param(b"\x82\x58\x41\x00" + SIGNED[3:], "delta.shape", id="long-signature"),
        pytest.param(b"\x82\x78\x40" + b"a" * 64 + GOOD, "delta.shape", id="signature-of-text"),
        pytest.param(b"\x82\x59\x00\x40" + SIGNED[3:], "facts.not-canonical", id="wide-signature"),
        pytest.param(b"\x82" + codec.encode(GOOD) + SIGNED[1:67], "delta.shape", id="the-other-way-round"),
        pytest.param(b"\x82\x58\x40" + SIGNED[3:67] + codec.encode(GOOD), "delta.shape", id="payload-as-bytes"),
        pytest.param(SIGNED + b"\x00", "facts.malformed", id="trailing"),
        pytest.param(SIGNED[:3] + bytes(64) + GOOD, "delta.signature", id="T1-no-signature"),
        pytest.param(SIGNED[:3] + KEY.sign(GOOD) + GOOD, "delta.signature", id="T1-without-the-domain"),
        pytest.param(
            SIGNED[:3] + KEY.sign(DOMAIN.replace(b"1", b"2") + GOOD) + GOOD, "delta.signature", id="T1-another-version"
        ),
        pytest.param(SIGNED[:3] + FULL.signature + GOOD, "delta.signature", id="T1-signature-of-another-delta"),
        pytest.param(bytes(ENVELOPE_BYTES_MAX + 1), "delta.too-big", id="T5-too-big"),
        pytest.param("text", "facts.malformed", id="text"),
        pytest.param(None, "facts.malformed", id="none"),
    ],
)
def test_envelope_refused(envelope, code):
    assert refusal(envelope) == code


def test_T1_a_scalar_past_the_order_is_refused():
    scalar = int.from_bytes(EXAMPLE.signature[32:], "little") + GROUP_ORDER
    assert refusal(SIGNED[:35] + scalar.to_bytes(32, "little") + GOOD) == "delta.signature"


def test_errors_say_where():
    with pytest.raises(Error) as error:
        Delta.decode(signed(codec.encode(payload(facts=[FACTS[0], [E, "v", None, []]]))))
    assert re.fullmatch(r"byte \d+", error.value.where)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"facts": []}, "delta.empty"),
        ({"facts": [FIRST, FIRST]}, "delta.repeated-fact"),
        ({"facts": [FIRST, "fact"]}, "delta.shape"),
        ({"facts": [Fact(b"%d" % n, "v", 1) for n in range(FACTS_MAX + 1)]}, "delta.too-big"),
        ({"facts": [Fact(b"%d" % n, "v", bytes(200_000)) for n in range(6)]}, "delta.too-big"),
        ({"system": ""}, "delta.shape"),
        ({"system": "x" * 129}, "delta.shape"),
        ({"system": None}, "delta.shape"),
        ({"system": "\ud800"}, "facts.text-not-utf8"),
        ({"time": 5}, "delta.shape"),
        ({"time": HybridTime(-1)}, "delta.shape"),
        ({"time": HybridTime(2**48)}, "delta.shape"),
        ({"time": HybridTime(0, 2**16)}, "delta.shape"),
        ({"time": HybridTime(1.5)}, "delta.shape"),
        ({"edge": b""}, "delta.shape"),
        ({"edge": "edge"}, "delta.shape"),
        ({"group": Group(b"", 1)}, "delta.shape"),
        ({"group": Group(b"a", 0)}, "delta.shape"),
        ({"group": (b"a", 1)}, "delta.shape"),
        ({"scope": "all"}, "delta.shape"),
        ({"scope": None}, "delta.shape"),
    ],
)
def test_not_signed(parts, code):
    with pytest.raises(Error) as error:
        Delta.sign(KEY, **{"system": "laptop", "time": TIME, "facts": [FIRST], **parts})
    assert error.value.code == code


def test_the_most_facts():
    delta = Delta.sign(KEY, system="a", time=TIME, facts=[Fact(b"%d" % n, "", 1) for n in range(FACTS_MAX)])
    assert len(Delta.decode(delta.encode()).facts) == FACTS_MAX
    assert Delta.from_json(delta.to_json()).encode() == delta.encode()


# -- what Python sees --------------------------------------------------------------------------------------------------


def test_a_delta_is_not_made_from_parts():
    with pytest.raises(DeltaRefused) as refused:
        Delta()
    assert refused.value.code == "delta.not-signed"


def test_deltas_do_not_change():
    for name in (*Delta.__slots__, "signature", "payload", "other"):
        with pytest.raises(AttributeError):
            setattr(EXAMPLE, name, 1)
    with pytest.raises(AttributeError):
        del EXAMPLE.facts


def test_equal_by_id():
    again = Delta.decode(SIGNED)
    assert again == EXAMPLE
    assert again != FULL
    assert len({again, EXAMPLE, FULL}) == 2
    assert again != again.id


def test_copies_and_pickles_are_verified():
    assert copy.deepcopy(FULL) == pickle.loads(pickle.dumps(FULL)) == FULL
    with pytest.raises(DeltaRefused):
        pickle.loads(pickle.dumps(FULL).replace(b"color", b"sound"))


def test_repr():
    assert repr(EXAMPLE) == "<Delta mzyt4r4dte by 03a107bff3ce@laptop at 1800000000000.0: 2 facts>"
    assert "edge bytes.fromhex('65646765') group 67726f7570/3 scope own" in repr(FULL)


def test_json_that_was_changed_is_refused():
    with pytest.raises(DeltaRefused) as refused:
        Delta.from_json(EXAMPLE.to_json().replace("136", "137"))
    assert refused.value.code == "delta.signature"
    for text in ("", "[]", "{}", "[[", '{"a":1}'):
        with pytest.raises(Error):
            Delta.from_json(text)


# -- laws --------------------------------------------------------------------------------------------------------------


@given(deltas)
@settings(max_examples=60)
def test_decode_undoes_sign(delta):
    again = Delta.decode(delta.encode())
    assert again == delta
    for name in (*Delta.__slots__, "signature", "payload"):
        assert getattr(again, name) == getattr(delta, name)
    assert codec.encode(codec.decode(delta.encode())) == delta.encode()


# -- forgeries and fuzz ------------------------------------------------------------------------------------------------


def test_T1_no_flipped_bit_is_admitted():
    flips = [(delta, bit) for delta in (EXAMPLE, FULL) for bit in range(8 * len(delta.encode()))]
    chance = random.Random(7)
    others = [Delta.sign(key, system="x", time=TIME, facts=[FIRST, Fact(E, "v", 1.5)]) for key in KEYS]
    flips += [(delta, chance.randrange(8 * len(delta.encode()))) for delta in others for _ in range(2_000)]
    assert len(flips) >= 10_000
    for delta, bit in flips:
        block = bytearray(delta.encode())
        block[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Error):
            Delta.decode(bytes(block))


def test_fuzzed_payloads_are_refused_or_encode_to_the_same_bytes():
    # The signature is right each time, so that the fuzz reaches everything behind it.
    chance = random.Random(8)
    accepted = 0
    for _ in range(6_000):
        envelope = signed(mutated(chance.choice([EXAMPLE.payload, FULL.payload]), chance))
        try:
            delta = Delta.decode(envelope)
        except Error:
            continue
        accepted += 1
        assert codec.encode(codec.decode(envelope)) == envelope == delta.encode()
        parts = {name: getattr(delta, name) for name in ("system", "time", "facts", "edge", "group", "scope")}
        assert Delta.sign(KEY, **parts).encode() == envelope
    assert accepted > 100


def test_every_prefix_is_refused():
    for end in range(len(FULL.encode())):
        with pytest.raises(Error):
            Delta.decode(FULL.encode()[:end])
