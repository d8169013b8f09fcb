"""Entities: fresh ones from random bytes, and known ones from a key (PomoDB 4.1.3).

Two sources that never met can speak of the same thing if they derive its entity from the same key, such as
`{"title": "The Matrix", "year": 1999}`. Values are taken as text, trimmed and in Unicode's composed form (NFC), so that
the 1999 of one file and the "1999 " of another meet; nothing else is guessed, and case counts.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, product
from typing import Any, Final

from rhizomedb.errors import ValueRefused
from rhizomedb.facts import codec
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Entity, Value, check_value

ENTITY_BYTES: Final = 16
"""The length of an entity that is minted or derived: 128 bits (PomoIPLD 2.1.2). Any length is read."""

DOMAIN: Final = b"rhizomedb/entity/1\x00"
"""What is hashed before the key: no other hash of the same bytes is an entity."""


def mint(randomness: bytes) -> Entity:
    """A new entity of 16 random bytes, which the caller draws."""
    if not isinstance(randomness, bytes) or len(randomness) != ENTITY_BYTES:
        raise ValueRefused("facts.entity-type", f"an entity is minted from exactly {ENTITY_BYTES} random bytes")
    return randomness


def derive(key: Mapping[str, Value] | Iterable[tuple[str, Value]]) -> Entity:
    """The entity that everybody derives who has this key, whatever the order of its parts.

    >>> derive({"title": "The Matrix", "year": 1999}) == derive([("year", "1999"), ("title", " The Matrix")])
    True
    """
    texts: dict[str, str] = {}
    for attribute, value in key.items() if isinstance(key, Mapping) else key:
        if not isinstance(attribute, str):
            raise _refused(f"an attribute of a key is text, not {type(attribute).__name__}")
        name = _normal(attribute)
        if not name or name in texts:
            raise _refused(f"the attribute {name!r:.40} is there twice" if name else "an attribute of the key is blank")
        texts[name] = key_text(value)
    if not texts:
        raise _refused("the key is empty")
    if not any(texts.values()):
        # Else all rows that lack their key would be taken for one thing.
        raise _refused("every part of the key is blank")
    pairs = [[name, texts[name]] for name in sorted(texts, key=str.encode)]
    return hashlib.sha256(DOMAIN + codec.encode(pairs)).digest()[:ENTITY_BYTES]


def derive_all(key: Mapping[str, Sequence[Value]]) -> list[Entity]:
    """The entities of many rows, whose keys are given by column: what `derive` gives for each row.

    >>> derive_all({"title": ["The Matrix", "Alien"], "year": [1999, 1979]})[1] == derive({"title": "Alien", "year": 1979})
    True
    """
    rows = len(next(iter(key.values()), ()))
    assert all(len(values) == rows for values in key.values()), "every row has every part of the key"
    if not rows:
        return []
    derive([(attribute, values[0]) for attribute, values in key.items()])  # refuses what is wrong with the names
    columns = {_normal(attribute): values for attribute, values in key.items()}
    before = DOMAIN + codec.head(codec.LIST, len(columns))
    parts: list[list[bytes]] = []
    for name in sorted(columns, key=str.encode):
        before += codec.head(codec.LIST, 2) + codec.encode_text(name)
        parts.append(_encode_texts(columns[name], before))
        before = b""
    keys = parts[0] if len(parts) == 1 else [b"".join(each) for each in zip(*parts, strict=True)]
    blank = len(_blank_key(columns))
    for row, encoded in enumerate(keys):
        if len(encoded) == blank:  # nothing is shorter
            derive([(attribute, values[row]) for attribute, values in key.items()])
    sha256 = hashlib.sha256
    return [sha256(encoded).digest()[:ENTITY_BYTES] for encoded in keys]


def key_of(
    entity: Entity, said: Mapping[str, Sequence[Value]], keys: Iterable[Sequence[str]], most: int
) -> tuple[tuple[str, ...], tuple[Value, ...]] | None:
    """The first of some keys by which what is said of an entity derives it: its attributes, and their values.

    `keys` are attributes whose names are not blank, `said` the values of each; of each key no more than `most`
    combinations of values are tried.

    >>> said = {"title": ["Alien"], "year": [1979, 1980]}
    >>> key_of(derive({"title": "Alien", "year": 1979}), said, [("title",), ("title", "year")], 10)
    (('title', 'year'), ('Alien', 1979))
    """
    if len(entity) != ENTITY_BYTES:
        return None  # no key derives it
    parts: dict[str, tuple[bytes, list[tuple[Value, bytes, bool]]]] = {}
    for name, values in said.items():  # each is encoded once, for there are many keys
        normal = _normal(name)
        texts = [(value, key_text(value)) for value in islice(values, most)]
        before = codec.head(codec.LIST, 2) + codec.encode_text(normal)
        parts[name] = normal.encode(), [(value, before + codec.encode_text(text), not text) for value, text in texts]
    for key in keys:
        names = [parts[name][0] for name in key if name in parts]
        if not names or len(names) < len(key) or len(set(names)) < len(names):
            continue
        order = sorted(range(len(names)), key=names.__getitem__)
        head = DOMAIN + codec.head(codec.LIST, len(names))
        for chosen in islice(product(*(parts[name][1] for name in key)), most):
            if all(is_blank for _, _, is_blank in chosen):
                continue
            found = hashlib.sha256(head + b"".join([chosen[place][1] for place in order])).digest()
            if found[:ENTITY_BYTES] == entity:
                return tuple(key), tuple([value for value, _, _ in chosen])
    return None


def _encode_texts(values: Sequence[Value], before: bytes) -> list[bytes]:
    """The texts by which values stand in a key, encoded, each with the same bytes before it."""
    heads = [before + head for head in codec.TEXT_HEADS]
    encoded = []
    for value in values:
        if type(value) is str and len(value) < len(heads) and value.isascii():
            data = value.strip().encode()
            encoded.append(heads[len(data)] + data)
        else:
            encoded.append(before + codec.encode_text(key_text(value)))
    return encoded


def _blank_key(names: Iterable[str]) -> bytes:
    """What is hashed for a key of which every part is blank."""
    return DOMAIN + codec.encode([[name, ""] for name in sorted(names, key=str.encode)])


def key_text(value: Value) -> str:
    """The text by which a value stands in a key."""
    value = check_value(value)
    return _TEXTS[type(value)](value)


def _normal(text: str) -> str:
    codec.encode_text(text)  # refuses lone surrogates, before Unicode is asked about them
    return unicodedata.normalize("NFC", text).strip()


_TEXTS: Final[dict[type, Callable[[Any], str]]] = {
    str: _normal,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: lambda value: str(int(value)) if value.is_integer() else repr(value),
    bytes: bytes.hex,
    Cid: str,
}
"""A whole number is the same text as int and as float: spreadsheets do not keep them apart."""


def _refused(message: str) -> ValueRefused:
    return ValueRefused("facts.entity-key", message, fix='derive({"title": "The Matrix"})')
