"""DAG-JSON: blocks as text, without loss (IPLD DAG-JSON, PomoDB 4.1.1, erratum E38).

Bytes are `{"/": {"bytes": "…"}}` in base64 without padding, links `{"/": "bafy…"}`; so a map cannot have the key `/`.
A number is a float if it is written with a fraction or an exponent, and floats always are. Facts and deltas that come
in as JSON are encoded and then decoded like any other block: what is refused there is refused here.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Final, NoReturn

from rhizomedb.errors import ValueRefused
from rhizomedb.facts import codec
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.codec import LIMITS, Limits, Node
from rhizomedb.facts.fact import Fact

EXPANSION_MAX: Final = 20
"""How many characters of JSON one byte of a block can become: the worst is empty bytes."""

_DIGITS_MAX: Final = 20


def dumps(node: Node, *, limits: Limits = LIMITS) -> str:
    """The DAG-JSON of a value: keys sorted, no spaces."""
    try:
        plain = _to_json(node, limits.depth)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise _too_deep(limits) from None


def loads(text: str | bytes, *, limits: Limits = LIMITS) -> Node:
    """The value of a DAG-JSON text."""
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise ValueRefused("facts.text-not-utf8", f"the text is not UTF-8 from its byte {error.start} on") from None
    if not isinstance(text, str):
        raise ValueRefused("facts.json", f"JSON is text, not {type(text).__name__}")
    if len(text) > EXPANSION_MAX * limits.bytes:
        raise ValueRefused("facts.too-big", f"JSON of {len(text):,} characters is over the limit")
    try:
        node = json.loads(
            text, object_pairs_hook=_map, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueRefused("facts.json", f"this is not JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise _too_deep(limits) from None
    _check(node, limits)
    return node


def dump_fact(fact: Fact) -> str:
    """A fact as DAG-JSON: the list of its four parts."""
    return dumps(fact.node())


def load_fact(text: str | bytes) -> Fact:
    """The fact of a DAG-JSON text."""
    return Fact.decode(codec.encode(loads(text)))


# -- writing -----------------------------------------------------------------------------------------------------------


def _to_json(node: Node, depth: int) -> Any:
    kind = type(node)
    if kind is str:
        codec.encode_text(node)  # refuses lone surrogates, which JSON could write and nobody could read back
        return node
    if kind is bytes:
        return {"/": {"bytes": base64.b64encode(node).decode().rstrip("=")}}
    if kind is Cid:
        return {"/": str(node)}
    if kind is int or kind is float:
        codec.SCALARS[kind](node)  # refuses what has no encoding
        return node
    if kind is bool or node is None:
        return node
    if depth == 0:
        raise _too_deep(LIMITS)
    if kind is list or kind is tuple:
        return [_to_json(child, depth - 1) for child in node]
    if kind is dict:
        for key in node:
            if type(key) is not str or key == "/":
                raise ValueRefused("facts.json", f"a map with the key {key!r:.40} has no DAG-JSON")
            codec.encode_text(key)
        return {key: _to_json(child, depth - 1) for key, child in node.items()}
    raise ValueRefused("facts.value-type", f"{kind.__name__} has no place in DAG-JSON")


# -- reading -----------------------------------------------------------------------------------------------------------


def _map(pairs: list[tuple[str, Node]]) -> Node:
    """The map, bytes or link of what one pair of braces holds; the inner ones come first."""
    node = dict(pairs)
    if len(node) != len(pairs):
        raise ValueRefused("facts.json", "a key is twice in one map")
    if "/" not in node:
        return node
    inner = node["/"]
    if len(node) == 1 and type(inner) is str:
        return Cid.parse(inner)
    if len(node) == 1 and type(inner) is dict and list(inner) == ["bytes"] and type(inner["bytes"]) is str:
        return _bytes(inner["bytes"])
    raise ValueRefused("facts.json", 'the key "/" is kept for bytes and links', fix='{"/": {"bytes": "AAE"}}')


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        data = b""
    if base64.b64encode(data).decode().rstrip("=") != text:
        raise ValueRefused("facts.json", f"{text!r:.40} is not base64 without padding")
    return data


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _DIGITS_MAX + 1 else codec.INTEGER_MAX + 1
    if not codec.INTEGER_MIN <= number <= codec.INTEGER_MAX:
        raise ValueRefused("facts.integer-range", f"{text:.40} does not fit in 64 bits", fix="write it as text")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueRefused("facts.float-not-finite", f"{text:.40} is more than a float can hold")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueRefused("facts.float-not-finite", f"{text} cannot be stored")


def _check(node: Node, limits: Limits) -> None:
    """Refuse what is too deep, too much, or holds text that is not Unicode."""
    waiting = [(node, 0)]
    items = 0
    while waiting:
        node, depth = waiting.pop()
        items += 1
        if type(node) is str:
            codec.encode_text(node)
        elif type(node) is list or type(node) is dict:
            if depth >= limits.depth:
                raise _too_deep(limits)
            children = [*node, *node.values()] if type(node) is dict else node
            if items + len(waiting) + len(children) > limits.items:
                raise ValueRefused("facts.too-big", f"the JSON holds more than {limits.items:,} items")
            waiting += [(child, depth + 1) for child in children]


def _too_deep(limits: Limits) -> ValueRefused:
    return ValueRefused("facts.too-deep", f"the JSON nests deeper than {limits.depth}")
