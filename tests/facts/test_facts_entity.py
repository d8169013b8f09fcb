"""Entities: minted from randomness that is handed in, derived from keys that two sources share."""

import hashlib
from itertools import islice, product

import pytest
from fact_strategies import texts, values
from fact_vectors import NOON
from hypothesis import assume, given
from hypothesis import strategies as st

from rhizomedb.errors import ValueRefused
from rhizomedb.facts import derive, mint
from rhizomedb.facts.entity import derive_all, key_of


def test_D26_minted_from_16_random_bytes():
    assert mint(bytes(range(16))) == bytes(range(16))
    for wrong in (b"", bytes(15), bytes(17), "0" * 16, None):
        with pytest.raises(ValueRefused) as refusal:
            mint(wrong)
        assert refusal.value.code == "facts.entity-type"


def test_derived_by_hand():
    block = b"rhizomedb/entity/1\x00" + bytes.fromhex("82" + "82" + "657469746c65" + "6a546865204d6174726978")
    block += bytes.fromhex("82" + "6479656172" + "6431393939")
    assert derive({"title": "The Matrix", "year": 1999}) == hashlib.sha256(block).digest()[:16]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"id": 7}, {"id": "7"}, id="int-and-text"),
        pytest.param({"id": 7.0}, {"id": 7}, id="whole-float-and-int"),
        pytest.param({"id": -0.0}, {"id": 0}, id="negative-zero"),
        pytest.param({"id": 0.1}, {"id": "0.1"}, id="float-and-text"),
        pytest.param({"id": 1e22}, {"id": "10000000000000000000000"}, id="huge-float"),
        pytest.param({"id": True}, {"id": "true"}, id="bool-and-text"),
        pytest.param({"id": b"\x01\xff"}, {"id": "01ff"}, id="bytes-and-hex"),
        pytest.param({"id": NOON.cid}, {"id": str(NOON.cid)}, id="cid-and-text"),
        pytest.param({"id": " a \n"}, {" id": "a"}, id="blanks-around"),
        pytest.param({"id": "e\u0301"}, {"id": "\u00e9"}, id="composed-and-not"),
        pytest.param({"a": 1, "b": 2}, [("b", 2), ("a", "1")], id="order"),
    ],
)
def test_meet(one, other):
    assert derive(one) == derive(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"id": "a"}, {"id": "A"}, id="case"),
        pytest.param({"id": "a"}, {"name": "a"}, id="attribute"),
        pytest.param({"id": "a b"}, {"id": "a  b"}, id="inner-blanks"),
        pytest.param({"a": "b", "c": "d"}, {"a": "d", "c": "b"}, id="swapped"),
        pytest.param({"id": 1}, {"id": True}, id="one-and-true"),
        pytest.param({"id": "1"}, {"id": "01"}, id="leading-zero"),
    ],
)
def test_stay_apart(one, other):
    assert derive(one) != derive(other)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ({}, "facts.entity-key"),
        ([], "facts.entity-key"),
        ({"": "a"}, "facts.entity-key"),
        ({" ": "a"}, "facts.entity-key"),
        ({"title": ""}, "facts.entity-key"),
        ({"title": " ", "year": ""}, "facts.entity-key"),
        ({1: "a"}, "facts.entity-key"),
        ([("a", 1), ("a", 2)], "facts.entity-key"),
        ({"a": 1, "a ": 2}, "facts.entity-key"),
        ({"a": None}, "facts.null-value"),
        ({"a": [1]}, "facts.value-type"),
        ({"a": "\ud800"}, "facts.text-not-utf8"),
        ({"\ud800": "a"}, "facts.text-not-utf8"),
        ({"a": float("nan")}, "facts.float-not-finite"),
    ],
)
def test_refused(key, code):
    with pytest.raises(ValueRefused) as refusal:
        derive(key)
    assert refusal.value.code == code


def test_one_blank_part_is_part_of_the_key():
    assert derive({"title": "The Matrix", "year": ""}) != derive({"title": "The Matrix"})


@given(
    st.dictionaries(texts.map(str.strip).filter(bool), values, min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_a_key_does_not_matter(key, chance):
    pairs = list(key.items())
    chance.shuffle(pairs)
    try:
        entity = derive(key)
    except ValueRefused as error:
        assume(error.code == "facts.entity-key")
        return
    assert derive(pairs) == entity
    assert len(entity) == 16


@given(
    st.lists(texts | st.sampled_from(["id", "id ", "é", "e\u0301"]), max_size=3, unique=True).flatmap(
        lambda names: st.lists(st.fixed_dictionaries({name: values | st.just(" ") for name in names}), max_size=4)
    )
)
def test_many_at_once_are_derived_like_each(rows):
    assume(rows and rows[0])
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    try:
        expected = [derive(row) for row in rows]
    except ValueRefused as error:
        with pytest.raises(ValueRefused) as refusal:
            derive_all(columns)
        assert refusal.value.code == error.code
    else:
        assert derive_all(columns) == expected


PLAIN = st.one_of(
    st.sampled_from(["", " ", "a", "b ", "é", "e\u0301", 1, 1.0, 2.5, True, b"", b"\x01"]), st.text(max_size=3)
)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "a ", "é", "c"]), st.lists(PLAIN, min_size=1, max_size=3), max_size=4),
    st.lists(st.lists(st.sampled_from(["a", "b", "a ", "é", "c"]), max_size=3, unique=True), max_size=5),
    st.integers(0, 4),
    st.integers(1, 6),
)
def test_the_key_that_is_found_is_the_first_that_derives(said, keys, which, most):
    """Against trying each by itself."""

    def derived(names):
        for some in islice(product(*(said[name] for name in names)), most):
            try:
                yield some, derive(dict(zip(names, some, strict=True)))
            except ValueRefused:
                continue

    tried = [(tuple(key), values, entity) for key in keys if set(key) <= set(said) for values, entity in derived(key)]
    entity = tried[which % len(tried)][2] if tried else bytes(16)
    expected = next(((names, values) for names, values, found in tried if found == entity), None)
    found = key_of(entity, said, keys, most)
    if expected is None:
        assert found is None
    else:
        assert found is not None and found[0] == expected[0]
        assert derive(dict(zip(*found, strict=True))) == entity
