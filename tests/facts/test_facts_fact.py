"""Facts: the printed vectors, the rows of the specifications by their ids, laws, and two readers against each other."""

import copy
import math
import pickle
import random
from enum import Enum, IntEnum

import pytest
from fact_strategies import cids, facts, mutated, values
from fact_vectors import (
    ATTRIBUTES,
    CAPSULE,
    MIDNIGHT,
    MONROE,
    NEGATIVE_ZERO,
    NOON,
    NOON_BLOCK,
    PLACES,
    SCALARS,
    SKY,
    SUNSET,
    SWAPPED_CAUSES_CID,
    E,
    S,
)
from hypothesis import given
from hypothesis import strategies as st
from multiformats import multibase

from rhizomedb.errors import CODES, Error, ValueRefused
from rhizomedb.facts import Cid, Fact, codec
from rhizomedb.facts.fact import CAUSES_MAX, decode_at, decode_slowly_at
from rhizomedb.facts.value import VALUE_BYTES_MAX


def refusal(call, *arguments):
    with pytest.raises(ValueRefused) as error:
        call(*arguments)
    return error.value.code


# -- tables: the vectors of the specifications -------------------------------------------------------------------------


@pytest.mark.parametrize(("fact", "block", "cid"), SKY, ids=["D24-noon", "D24-sunset", "D24-midnight"])
def test_I1_sky(fact, block, cid):
    assert fact.encode().hex() == block
    assert str(fact.cid) == cid
    assert Fact.decode(bytes.fromhex(block)) == fact


@pytest.mark.parametrize(("value", "block", "cid"), SCALARS, ids=[repr(row[0])[:30] for row in SCALARS])
def test_D13_D29_I4_value(value, block, cid):
    fact = Fact(E, "v", value)
    assert fact.encode().hex() == "8450" + E.hex() + "6176" + block + "80"
    assert str(fact.cid) == cid
    again = Fact.decode(fact.encode())
    assert again == fact
    assert type(again.value) is type(value)
    assert again.value == value


@pytest.mark.parametrize(("attribute", "cid"), ATTRIBUTES, ids=[repr(row[0]) for row in ATTRIBUTES])
def test_D28_I3_attribute(attribute, cid):
    fact = Fact(E, attribute, 1)
    assert str(fact.cid) == cid
    assert Fact.decode(fact.encode()).attribute == attribute


def test_D22_E3_empty_entity():
    fact = Fact(b"", "v", 1)
    assert fact.encode().hex() == "844061760180"
    assert str(fact.cid) == "bafyreigvr36ctkq3dfzcmm4b7suqjaf4zl5upw6qxioi53e4u23i34chre"
    assert Fact.decode(fact.encode()) == fact


@pytest.mark.parametrize(("fact", "cid"), PLACES.values(), ids=PLACES)
def test_places(fact, cid):
    assert str(fact.cid) == cid
    assert Fact.decode(fact.encode()) == fact


def test_I8_capsule():
    block, cid = CAPSULE
    assert NOON.encode_capsule().hex() == block
    assert str(Cid.of(NOON.encode_capsule())) == cid
    assert Fact.decode_capsule(bytes.fromhex(block)) == NOON
    assert Fact.decode_capsule(bytes.fromhex(block)).cid == NOON.cid


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (NOON_BLOCK, "facts.shape"),
        (CAPSULE[0] + "00", "facts.malformed"),
        (CAPSULE[0][:-2], "facts.malformed"),
        ("a1" + "70706f6d6f64622f76302e322f66616374" + "00", "facts.shape"),
        ("a0", "facts.shape"),
        ("", "facts.malformed"),
        (CAPSULE[0][:36] + "f6", "facts.shape"),
    ],
)
def test_I8_capsule_refused(block, code):
    assert refusal(Fact.decode_capsule, bytes.fromhex(block)) == code


@pytest.mark.parametrize(
    "causes", [(NOON, SUNSET), (SUNSET, NOON), (NOON, SUNSET, NOON, NOON)], ids=["12", "21", "1211"]
)
def test_D30_D32_causes_are_a_set(causes):
    fact = Fact(E, "v", 1, [cause.cid for cause in causes])
    assert str(fact.cid) == "bafyreiafn6suvxmw452vnh5m3z2ufp3cpkss5dkfeyi3p6kypktx7nvpty"
    assert fact.causes == (SUNSET.cid, NOON.cid)


def raw_fact(*causes: Cid) -> bytes:
    return codec.encode([E, "v", 1, list(causes)])


def test_I10_E35_swapped_causes_are_not_canonical():
    block = raw_fact(NOON.cid, SUNSET.cid)
    assert str(Cid.of(block)) == SWAPPED_CAUSES_CID
    assert refusal(Fact.decode, block) == "facts.not-canonical"


def test_D31_repeated_causes_are_not_canonical():
    assert refusal(Fact.decode, raw_fact(NOON.cid, NOON.cid)) == "facts.not-canonical"
    assert Fact.decode(raw_fact(NOON.cid)).causes == (NOON.cid,)


def test_E35_cids_sort_by_bytes():
    higher, lower = Fact(E, "v", 2**53).cid, Fact(E, "v", -1).cid
    assert higher > lower
    assert str(higher) < str(lower)
    assert Fact(E, "v", 1, [higher, lower]).causes == (lower, higher)


def test_E9_negative_zero():
    assert str(Cid.of(NEGATIVE_ZERO)) == "bafyreic744qunwteaegs6w6p2rwemuemf42anpqltqm7arllzndfhcq34a"
    assert refusal(Fact.decode, NEGATIVE_ZERO) == "facts.not-canonical"
    assert refusal(Fact.decode, codec.encode([E, -0.0, 1, []])) == "facts.not-canonical"
    assert Fact(E, "v", -0.0).encode() == Fact(E, "v", 0.0).encode()
    assert math.copysign(1, Fact(E, "v", -0.0).value) == 1.0
    assert Fact(E, -0.0, 1) == Fact(E, 0.0, 1)


def test_E33_integer_entity_is_refused():
    block = codec.encode([123, "name/last", "Monroe", [MONROE]])
    assert str(Cid.of(block)) == "bafyreigtowwv63mtajo7ytsfzi5t4ktuegwrgqt5exqa7fta2baqccqb2m"
    assert refusal(Fact.decode, block) == "facts.entity-type"
    fact = Fact(b"\x7b", "name/last", "Monroe", [MONROE])
    assert str(fact.cid) == "bafyreicgzey6xb5otit2l4mhlfmp2vlotsikzb5dvbo46a52v6rval2pse"


HEAD = "8450" + E.hex() + "6176"


@pytest.mark.parametrize(
    ("block", "code"),
    [
        pytest.param("8350" + E.hex() + "617601", "facts.shape", id="D21-three-elements"),
        pytest.param("8550" + E.hex() + "61760180f6", "facts.shape", id="D21-five-elements"),
        pytest.param("80", "facts.shape", id="D22-no-elements"),
        pytest.param("a1616101", "facts.shape", id="I1-map"),
        pytest.param("01", "facts.shape", id="I1-integer"),
        pytest.param("f6", "facts.shape", id="I1-null"),
        pytest.param(HEAD + "f93c0080", "facts.not-canonical", id="I5-half-float"),
        pytest.param(HEAD + "fa3f80000080", "facts.not-canonical", id="I5-single-float"),
        pytest.param(HEAD + "fb7ff800000000000080", "facts.float-not-finite", id="D15-I6-nan"),
        pytest.param(HEAD + "fb7ff800000000000180", "facts.float-not-finite", id="D15-I6-nan-payload"),
        pytest.param(HEAD + "fbfff800000000000080", "facts.float-not-finite", id="D15-I6-nan-negative"),
        pytest.param(HEAD + "fb7ff000000000000080", "facts.float-not-finite", id="E8-infinity"),
        pytest.param(HEAD + "fbfff000000000000080", "facts.float-not-finite", id="E8-minus-infinity"),
        pytest.param(HEAD + "1b800000000000000080", "facts.integer-range", id="D13-E37-two-to-63"),
        pytest.param(HEAD + "3b800000000000000080", "facts.integer-range", id="D13-E37-below-minus-two-to-63"),
        pytest.param(HEAD + "f680", "facts.null-value", id="D19-null-value"),
        pytest.param(HEAD + "800180", "facts.causes", id="D29-list-then-int-causes"),
        pytest.param(HEAD + "8080", "facts.value-type", id="D29-list-value"),
        pytest.param(HEAD + "a080", "facts.value-type", id="D29-map-value"),
        pytest.param("8450" + E.hex() + "f50180", "facts.attribute-type", id="D28-bool-attribute"),
        pytest.param("8450" + E.hex() + "f60180", "facts.attribute-type", id="D28-null-attribute"),
        pytest.param("8450" + E.hex() + "800180", "facts.attribute-type", id="D28-list-attribute"),
        pytest.param(
            "8450" + E.hex() + "d82a582500" + bytes(NOON.cid).hex() + "0180",
            "facts.attribute-type",
            id="D28-link-attribute",
        ),
        pytest.param("84636162636176" + "0180", "facts.entity-type", id="I2-text-entity"),
        pytest.param("84f66176" + "0180", "facts.entity-type", id="D22-null-entity"),
        pytest.param(HEAD + "c10080", "facts.malformed", id="other-tag"),
        pytest.param(HEAD + "d82a5824" + bytes(NOON.cid).hex() + "80", "facts.cid-bytes", id="link-without-prefix"),
        pytest.param(HEAD + "d82a4900015500040001020380", "facts.cid-bytes", id="D18-identity-link"),
        pytest.param(HEAD + "180180", "facts.not-canonical", id="wide-integer"),
        pytest.param(HEAD + "1900ff80", "facts.not-canonical", id="wide-integer-2"),
        pytest.param(HEAD + "78016180", "facts.not-canonical", id="wide-text"),
        pytest.param("985004" + E.hex(), "facts.malformed", id="80-elements"),
        pytest.param("9804" + "50" + E.hex() + "61760180", "facts.not-canonical", id="wide-list"),
        pytest.param("9f50" + E.hex() + "61760180ff", "facts.not-canonical", id="open-list"),
        pytest.param(HEAD + "7f6161ff80", "facts.not-canonical", id="open-text"),
        pytest.param(HEAD + "018000", "facts.malformed", id="trailing-byte"),
        pytest.param(HEAD + "62c32880", "facts.text-not-utf8", id="D13-invalid-utf8"),
        pytest.param(HEAD + "63eda08080", "facts.text-not-utf8", id="D13-surrogate"),
        pytest.param(HEAD + "6261", "facts.malformed", id="truncated-text"),
        pytest.param(HEAD + "01", "facts.malformed", id="D22-no-causes"),
        pytest.param(HEAD + "01f6", "facts.causes", id="D22-null-causes"),
        pytest.param(HEAD + "01a0", "facts.causes", id="I7-map-causes"),
        pytest.param(HEAD + "018101", "facts.causes", id="I7-integer-cause"),
        pytest.param(HEAD + "0181d82a582500" + bytes(NOON.cid).hex()[:-2], "facts.malformed", id="truncated-cause"),
        pytest.param(HEAD + "01980180", "facts.not-canonical", id="wide-causes"),
        pytest.param("", "facts.malformed", id="empty"),
        pytest.param("84", "facts.malformed", id="only-a-head"),
        pytest.param("845bffffffffffffffff00", "facts.malformed", id="T5-length-lie"),
        pytest.param("8450" + E.hex() + "6176019bffffffffffffffff", "facts.malformed", id="T5-causes-lie"),
        pytest.param(HEAD + "81" * 70 + "0080", "facts.too-deep", id="T5-deep-value"),
    ],
)
def test_refused_on_decode(block, code):
    assert refusal(Fact.decode, bytes.fromhex(block)) == code


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        pytest.param((E, "v", None), "facts.null-value", id="D19"),
        pytest.param((E, "v", 2**63), "facts.integer-range", id="D13-two-to-63"),
        pytest.param((E, "v", -(2**63) - 1), "facts.integer-range", id="D13-below"),
        pytest.param((E, "v", 10**9999), "facts.integer-range", id="D13-far-above"),
        pytest.param((E, "v", math.nan), "facts.float-not-finite", id="D15"),
        pytest.param((E, "v", -math.inf), "facts.float-not-finite", id="E8"),
        pytest.param((E, "v", "\ud800"), "facts.text-not-utf8", id="D13-surrogate"),
        pytest.param((E, "v", [1]), "facts.value-type", id="D21-nested"),
        pytest.param((E, "v", {}), "facts.value-type", id="D29-map"),
        pytest.param((E, "v", 1j), "facts.value-type", id="D29-complex"),
        pytest.param((E, "v", "x" * (VALUE_BYTES_MAX + 1)), "facts.value-size", id="size-text"),
        pytest.param((E, "v", "é" * (VALUE_BYTES_MAX // 2 + 1)), "facts.value-size", id="size-utf8"),
        pytest.param((E, "v", bytes(VALUE_BYTES_MAX + 1)), "facts.value-size", id="size-bytes"),
        pytest.param((bytes(VALUE_BYTES_MAX + 1), "v", 1), "facts.value-size", id="size-entity"),
        pytest.param((E, "x" * (VALUE_BYTES_MAX + 1), 1), "facts.value-size", id="size-attribute"),
        pytest.param((E, True, 1), "facts.attribute-type", id="D28-bool"),
        pytest.param((E, NOON.cid, 1), "facts.attribute-type", id="D28-cid"),
        pytest.param((E, None, 1), "facts.attribute-type", id="D22-none"),
        pytest.param((E, ["v"], 1), "facts.attribute-type", id="D28-list"),
        pytest.param((E, "\udfff", 1), "facts.text-not-utf8", id="D28-surrogate"),
        pytest.param(("abc", "v", 1), "facts.entity-type", id="I2-text"),
        pytest.param((123, "v", 1), "facts.entity-type", id="E33"),
        pytest.param((None, "v", 1), "facts.entity-type", id="D22-no-entity"),
        pytest.param((E, "v", 1, NOON.cid), "facts.causes", id="D30-not-a-set"),
        pytest.param((E, "v", 1, None), "facts.causes", id="D22-no-causes"),
        pytest.param((E, "v", 1, [NOON]), "facts.causes", id="D30-a-fact"),
        pytest.param((E, "v", 1, "abc"), "facts.causes", id="D30-text"),
        pytest.param((E, "v", 1, [bytes(NOON.cid)]), "facts.causes", id="D30-bytes"),
    ],
)
def test_refused_here(parts, code):
    assert refusal(Fact, *parts) == code


# -- the rows of the checklist -----------------------------------------------------------------------------------------


def test_D1_nothing_of_time_is_in_a_fact():
    assert Fact(S, "color", "blue").encode() == NOON.encode()
    assert set(Fact.__annotations__) == {"entity", "attribute", "value", "causes", "_block", "_cid"}


@pytest.mark.parametrize("text", ["bafkqabiaaebagba", "zdjFAKE", "QmRgutAxd8t7oGkSm4wmeuByG6M51wcTso6cubDdQtuEfL"])
def test_D3_D18_weak_or_foreign_hashes_are_refused(text):
    with pytest.raises(ValueRefused):
        Cid.parse(text)


TEXT = str(NOON.cid)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="base32"),
        pytest.param(TEXT.upper(), id="base32upper"),
        pytest.param(multibase.encode(bytes(NOON.cid), "base32upper"), id="base32upper-by-multiformats"),
        pytest.param(multibase.encode(bytes(NOON.cid), "base58btc"), id="base58btc-by-multiformats"),
        pytest.param(f"  {TEXT}\n", id="blanks-around"),
    ],
)
def test_I12_multibase_in_is_base32_out(text):
    cid = Cid.parse(text)
    assert cid == NOON.cid
    assert str(cid) == TEXT == multibase.encode(bytes(cid), "base32")
    assert TEXT.startswith("bafyrei")


@given(cids)
def test_I12_every_base_of_every_cid(cid):
    for base, prefix in (("base32", "b"), ("base32upper", "B"), ("base58btc", "z")):
        text = multibase.encode(bytes(cid), base)
        assert text[0] == prefix
        assert Cid.parse(text) == cid
    assert str(cid) == multibase.encode(bytes(cid), "base32")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT[:-1] + TEXT[-1].upper(), id="two-cases"),
        pytest.param("B" + TEXT[1:], id="lower-case-after-B"),
        pytest.param(TEXT + "=", id="padding"),
        pytest.param("z" + TEXT[1:], id="base32-called-base58"),
        pytest.param(multibase.encode(bytes(NOON.cid), "base58btc")[:-1] + "0", id="0-is-not-base58"),
        pytest.param(multibase.encode(bytes(NOON.cid), "base16"), id="base16"),
        pytest.param(multibase.encode(bytes(NOON.cid), "base64"), id="base64"),
        pytest.param("", id="empty"),
    ],
)
def test_I12_other_texts_are_refused(text):
    assert refusal(Cid.parse, text) in ("facts.cid-text", "facts.cid-bytes")


def test_D3_one_changed_byte_changes_the_cid():
    for at in range(len(NOON.encode())):
        block = bytearray(NOON.encode())
        block[at] ^= 1
        assert Cid.of(bytes(block)) != NOON.cid


@given(facts)
def test_D4_no_fact_is_its_own_cause(fact):
    assert fact.cid not in fact.causes


def test_D13_four_different_values():
    four = {Fact(E, "v", value) for value in (1, 1.0, True, "1")}
    assert len(four) == len({fact.cid for fact in four}) == 4
    assert Fact(E, 1, 1) != Fact(E, 1.0, 1) != Fact(E, "1", 1)


def test_D16_D17_empty_text_and_empty_bytes():
    assert len({Fact(E, "v", ""), Fact(E, "v", b""), Fact(E, "", ""), Fact(E, b"", "")}) == 4


def test_D23_the_cid_is_that_of_the_block():
    assert NOON.cid == Cid.of(NOON.encode())
    assert NOON.cid is NOON.cid


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 23, 24, 255, 256, 5000])
def test_D25_I2_entities_of_any_length(length):
    fact = Fact(bytes(length), "v", 1)
    assert Fact.decode(fact.encode()) == fact
    assert len(Fact.decode(fact.encode()).entity) == length


@pytest.mark.parametrize("count", [0, 1, 2, 23, 24, 64, 255, 256, 1000, CAUSES_MAX])
def test_D39_parents(count):
    causes = [Cid.of(b"%d" % number) for number in range(count)]
    fact = Fact(E, "v", 1, causes)
    assert len(Fact.decode(fact.encode()).causes) == count
    assert list(fact.causes) == sorted(causes)
    assert Fact(E, "v", 1, iter(causes)) == Fact(E, "v", 1, set(causes)) == fact


def test_D39_too_many_parents():
    causes = [Cid.of(b"%d" % number) for number in range(CAUSES_MAX + 1)]
    assert refusal(Fact, E, "v", 1, causes) == "facts.causes"
    assert refusal(Fact.decode, raw_fact(*sorted(causes))) == "facts.too-big"
    assert (
        refusal(Fact.decode, raw_fact(*sorted(Cid.of(b"%d" % number) for number in range(20_000)))) == "facts.too-big"
    )


def test_D41_the_same_fact_from_two_writers_is_one():
    assert len({Fact(S, "color", "blue"), Fact(bytearray(S), "color", "blue"), NOON}) == 1


def test_I7_causes_may_name_any_safe_block():
    other = Cid(bytes.fromhex("0155122022" + "22" * 31))
    long = Cid(bytes.fromhex("01711340" + "33" * 64))
    fact = Fact(E, "v", long, [long, other, NOON.cid])
    assert Fact.decode(fact.encode()) == fact
    assert fact.causes == tuple(sorted([long, other, NOON.cid]))


@given(st.lists(facts, max_size=5))
def test_I9_a_collection_is_a_list_of_facts(said):
    block = codec.encode([fact.node() for fact in said])
    assert block == codec.head(codec.LIST, len(said)) + b"".join(fact.encode() for fact in said)
    assert [Fact.decode(codec.encode(node)) for node in codec.decode(block)] == said


@given(facts)
def test_I11_I12_one_canonical_cid(fact):
    assert fact.cid.is_block
    assert str(fact.cid).startswith("bafyrei")
    assert Fact.decode(fact.encode()).cid == fact.cid


# -- what Python sees --------------------------------------------------------------------------------------------------


def test_facts_do_not_change():
    for name in ("entity", "attribute", "value", "causes", "cid", "other"):
        with pytest.raises(AttributeError):
            setattr(NOON, name, 1)
    with pytest.raises(AttributeError):
        del NOON.entity
    assert not hasattr(NOON, "__dict__")


@pytest.mark.parametrize("fact", [NOON, MIDNIGHT, Fact(b"", b"\x01", b"\x02"), Fact(E, 0.5, NOON.cid, [NOON.cid])])
def test_repr_is_python(fact):
    assert eval(repr(fact), {"Fact": Fact, "Cid": Cid}) == fact


def test_repr_is_readable():
    assert repr(Fact(b"\x01", "runtime", 136)) == "Fact(bytes.fromhex('01'), 'runtime', 136)"


@given(facts)
def test_copies_and_pickles(fact):
    assert copy.deepcopy(fact) == pickle.loads(pickle.dumps(fact)) == fact


class Color(str, Enum):  # noqa: UP042 # unlike a StrEnum, its str() is not its text
    BLUE = "blue"


class Size(IntEnum):
    BIG = 3


def test_subclasses_become_plain():
    fact = Fact(memoryview(E), Color.BLUE, Color.BLUE)
    assert fact == Fact(E, "blue", "blue")
    assert type(fact.attribute) is type(fact.value) is str
    assert type(Fact(E, "v", Size.BIG).value) is int
    assert Fact(E, "v", bytearray(b"a")).value == b"a"


def test_every_code_is_listed():
    assert {"facts.entity-key", "delta.repeated-fact", "delta.not-signed"} <= set(CODES)


# -- laws --------------------------------------------------------------------------------------------------------------


@given(facts)
def test_decode_undoes_encode(fact):
    again = Fact.decode(fact.encode())
    assert again == fact
    assert hash(again) == hash(fact)
    assert again.node() == fact.node()
    assert [type(part) for part in again.node()] == [type(part) for part in fact.node()]
    assert Fact(*fact.node()) == fact


@given(facts)
def test_a_fact_is_a_block_of_the_general_codec(fact):
    assert codec.encode(fact.node()) == fact.encode()
    assert codec.decode(fact.encode()) == fact.node()


@given(facts, facts)
def test_facts_are_equal_when_their_cids_are(one, other):
    assert (one == other) == (one.cid == other.cid)


@given(st.binary(max_size=16), values, st.lists(cids, max_size=6), st.randoms(use_true_random=False))
def test_order_and_repetition_of_causes_do_not_matter(entity, value, causes, chance):
    shuffled = causes + causes[:2]
    chance.shuffle(shuffled)
    assert Fact(entity, "v", value, causes) == Fact(entity, "v", value, shuffled)


# -- oracles: the fast reader against the slow one ---------------------------------------------------------------------


@given(facts, st.binary(max_size=5), st.binary(max_size=5))
def test_both_readers_agree(fact, before, after):
    data = before + fact.encode() + after
    expected = fact, len(before) + len(fact.encode())
    assert decode_at(data, len(before)) == decode_slowly_at(data, len(before)) == expected


def test_fuzzed_facts_are_refused_or_encode_to_the_same_bytes():
    chance = random.Random(4)
    seeds = [fact.encode() for fact, _ in PLACES.values()]
    seeds += [Fact(E, "v", value, [NOON.cid, SUNSET.cid]).encode() for value, _, _ in SCALARS]
    seeds += [Fact(E, attribute, "x" * 60).encode() for attribute, _ in ATTRIBUTES] + [
        fact.encode() for fact, _, _ in SKY
    ]
    accepted = 0
    for _ in range(20_000):
        block = mutated(chance.choice(seeds), chance)
        try:
            fact = Fact.decode(block)
        except Error as error:
            assert isinstance(error, ValueRefused)
            continue
        accepted += 1
        assert fact.encode() == block == codec.encode(fact.node()) == Fact(*fact.node()).encode()
        assert decode_slowly_at(block) == (fact, len(block))
    assert accepted > 1_000


def test_every_prefix_of_a_fact_is_refused():
    for fact in (MIDNIGHT, Fact(E, "v", "x" * 300), Fact(E, 1.5, 1.5), Fact(E, "a" * 30, 70_000)):
        for end in range(len(fact.encode())):
            with pytest.raises(ValueRefused):
                Fact.decode(fact.encode()[:end])
