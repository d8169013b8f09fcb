"""DAG-JSON: nothing is lost on the way there and back, and nothing but our errors comes out of hostile text."""

import json
import random

import pytest
from fact_strategies import deltas, facts, nodes
from fact_vectors import MIDNIGHT, NOON, E
from hypothesis import given, settings

from rhizomedb.errors import Error, ValueRefused
from rhizomedb.facts import Delta, Fact, codec
from rhizomedb.facts.dagjson import dump_fact, dumps, load_fact, loads


@pytest.mark.parametrize(
    ("node", "text"),
    [
        pytest.param(1, "1", id="E38-int"),
        pytest.param(1.0, "1.0", id="E38-float"),
        pytest.param(1e22, "1e+22", id="E38-exponent"),
        pytest.param(5e-324, "5e-324", id="E38-least"),
        pytest.param(2**64 - 1, "18446744073709551615", id="largest-int"),
        pytest.param(-(2**64), "-18446744073709551616", id="least-int"),
        pytest.param(b"", '{"/":{"bytes":""}}', id="empty-bytes"),
        pytest.param(b"\x00\x01", '{"/":{"bytes":"AAE"}}', id="bytes-without-padding"),
        pytest.param(NOON.cid, f'{{"/":"{NOON.cid}"}}', id="link"),
        pytest.param({"b": None, "aa": [True, "é"]}, '{"aa":[true,"é"],"b":null}', id="keys-sorted"),
        pytest.param({"bytes": "x"}, '{"bytes":"x"}', id="a-map-with-bytes"),
    ],
)
def test_text(node, text):
    assert dumps(node) == text
    assert loads(text) == loads(text.encode()) == node
    assert type(loads(text)) is type(node)


def test_D14_a_fact_as_json():
    text = dump_fact(MIDNIGHT)
    assert json.loads(text) == [
        {"/": {"bytes": "AAECAwQFBgcICQoLDA0ODw"}}, "color", "black", [{"/": str(MIDNIGHT.causes[0])}],
    ]  # fmt: skip
    assert load_fact(text) == MIDNIGHT


@pytest.mark.parametrize(("text", "kind"), [("1e0", float), ("1.0", float), ("1E2", float), ("-0", int), ("10", int)])
def test_E38_number_kinds(text, kind):
    assert type(loads(text)) is kind


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "facts.json"),
        ("{", "facts.json"),
        ("[1,]", "facts.json"),
        ("[1] 2", "facts.json"),
        ("{'a': 1}", "facts.json"),
        ("\ufeff1", "facts.json"),
        ("[01]", "facts.json"),
        ('"a\nb"', "facts.json"),
        ('{"a": 1, "a": 1}', "facts.json"),
        ('{"/": 1}', "facts.json"),
        ('{"/": null}', "facts.json"),
        ('{"/": {"bytes": 1}}', "facts.json"),
        ('{"/": {"bytes": "AA", "x": 1}}', "facts.json"),
        ('{"/": {"bytes": "AA"}, "x": 1}', "facts.json"),
        ('{"/": {}}', "facts.json"),
        ('{"/": {"bytes": "AAE="}}', "facts.json"),
        ('{"/": {"bytes": "AAF"}}', "facts.json"),
        ('{"/": {"bytes": "A"}}', "facts.json"),
        ('{"/": {"bytes": "A-_A"}}', "facts.json"),
        ('{"/": {"bytes": "é"}}', "facts.json"),
        ('{"/": "bafy"}', "facts.cid-text"),
        ('{"/": ""}', "facts.cid-text"),
        ("NaN", "facts.float-not-finite"),
        ("[Infinity]", "facts.float-not-finite"),
        ("-Infinity", "facts.float-not-finite"),
        ("1e999", "facts.float-not-finite"),
        ("18446744073709551616", "facts.integer-range"),
        ("-18446744073709551617", "facts.integer-range"),
        ("9" * 100_000, "facts.integer-range"),
        ('"\\ud800"', "facts.text-not-utf8"),
        ('{"\\udfff": 1}', "facts.text-not-utf8"),
        (b"\xff", "facts.text-not-utf8"),
        (b"1\x00\x00\x00", "facts.json"),
        ("[" * 65 + "]" * 65, "facts.too-deep"),
        ("[" * 100_000 + "]" * 100_000, "facts.too-deep"),
        ('{"a":' * 100_000, "facts.too-deep"),
        ("[" + "0," * 65_536 + "0]", "facts.too-big"),
        ('"' + "x" * (21 << 20) + '"', "facts.too-big"),
        (None, "facts.json"),
        (7, "facts.json"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_refused(text, code):
    with pytest.raises(ValueRefused) as refusal:
        loads(text)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("node", "code"),
    [
        ({"/": 1}, "facts.json"),
        ({1: 1}, "facts.json"),
        (float("nan"), "facts.float-not-finite"),
        (2**64, "facts.integer-range"),
        ("\ud800", "facts.text-not-utf8"),
        ({1}, "facts.value-type"),
    ],
)
def test_refused_to_write(node, code):
    with pytest.raises(ValueRefused) as refusal:
        dumps(node)
    assert refusal.value.code == code


def test_refuses_to_write_what_holds_itself():
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueRefused) as refusal:
        dumps(loop)
    assert refusal.value.code == "facts.too-deep"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[1]", "facts.shape"),
        ('["abc","v",1,[]]', "facts.entity-type"),
        ('[{"/":{"bytes":"AA"}},"v",-0.0,[]]', "facts.not-canonical"),
        ('[{"/":{"bytes":"AA"}},"v",9223372036854775808,[]]', "facts.integer-range"),
        ('[{"/":{"bytes":"AA"}},"v",null,[]]', "facts.null-value"),
        ('[{"/":{"bytes":"AA"}},"v",1,["x"]]', "facts.causes"),
        (f'[{{"/":{{"bytes":"AA"}}}},"v",1,[{{"/":"{NOON.cid}"}},{{"/":"{NOON.cid}"}}]]', "facts.not-canonical"),
    ],
)
def test_facts_refused(text, code):
    with pytest.raises(ValueRefused) as refusal:
        load_fact(text)
    assert refusal.value.code == code


def test_D13_kinds_survive():
    for value in (1, 1.0, True, "1", b"1", NOON.cid):
        fact = Fact(E, "v", value)
        assert load_fact(dump_fact(fact)).encode() == fact.encode()


@given(nodes)
def test_loads_undoes_dumps(node):
    try:
        text = dumps(node)
    except ValueRefused as error:
        assert error.code == "facts.json"  # a map with the key "/"
        return
    assert codec.encode(loads(text)) == codec.encode(node)
    assert dumps(loads(text)) == text


@given(facts)
def test_facts_keep_their_cid(fact):
    assert load_fact(dump_fact(fact)).cid == fact.cid


@given(deltas)
@settings(max_examples=50)
def test_deltas_keep_their_bytes(delta):
    again = Delta.from_json(delta.to_json())
    assert again.id == delta.id
    assert again.encode() == delta.encode()


def test_fuzzed_text_raises_only_our_errors():
    chance = random.Random(38)
    seeds = [dump_fact(MIDNIGHT), dump_fact(Fact(E, "v", 1.5)), dumps({"a": [b"abc", {"b": None}], "c": -7})]
    for _ in range(10_000):
        text = list(chance.choice(seeds))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 2)] = chance.choice(
                ['"', "{", "}", "[", "]", "/", ",", "\\", "1e9", "\\ud8", ""]
            )
        try:
            node = loads("".join(text))
            assert codec.encode(loads(dumps(node))) == codec.encode(node)
        except Error:
            continue
