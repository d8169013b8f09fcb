"""JSON deltas of the RhizomeDB reference: statements without signatures, read strictly and given back without loss.

    {"id": text, "timestamp": milliseconds, "author": text, "system": text,
     "pointers": [{"role": text, "target": text | number | bool | {"id": text, "context": text}}]}

An id is an entity: its UTF-8. An entity that is no text, or would be taken for one that is written otherwise, is
written `rhizome:0x…`. What facts cannot hold (unknown keys, repeated pointers, fractions of milliseconds) makes the
delta carry its own text as well.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import DeltaRefused, Error
from rhizomedb.facts.clock import MS_MAX, HybridTime
from rhizomedb.facts.payload import SYSTEM_BYTES_MAX
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, VALUE_BYTES_MAX, Entity
from rhizomedb.hyper.pointer import POINTERS_MAX, Hyperedge, Pointer, Reference, Target

KEYS: Final = ("id", "timestamp", "author", "system", "pointers")

UNREADABLE: Final = "rhizome:0x"
"""How the id of an entity begins that is no text."""

HEX: Final = re.compile(rf"{UNREADABLE}((?:[0-9a-f]{{2}})+)\Z")
"""Such an id."""

EXACT_MAX: Final = 2**53
"""Up to here whole numbers and floats are the same numbers in JSON."""

OWN_SYSTEM: Final = "rhizomedb"
"""The system of a delta whose own does not fit."""


@dataclass(frozen=True, slots=True)
class JsonDelta:
    """A JSON delta as it is said here: the edge, when, by whom as it claims, its pointers, and its text if that is needed."""

    edge: Entity
    time: HybridTime
    author: str
    system: str
    pointers: tuple[Pointer, ...]
    json: str | None


def entity_of(id: str) -> Entity:
    """The entity of an id."""
    found = HEX.match(id)
    return bytes.fromhex(found[1]) if found else id.encode()


def id_of(entity: Entity) -> str:
    """The id of an entity; `entity_of` gives the entity back."""
    try:
        text = entity.decode()
    except UnicodeDecodeError:
        return f"{UNREADABLE}{entity.hex()}"
    return f"{UNREADABLE}{entity.hex()}" if not text or HEX.match(text) else text


def read(node: object) -> JsonDelta:
    """The delta of something read from JSON; `hyper.json` says what is wrong with it, and where."""
    if not isinstance(node, dict):
        raise _wrong(
            "",
            f"is {_kind(node)}, not an object",
            '{"id": …, "timestamp": …, "author": …, "system": …, "pointers": […]}',
        )
    for key in KEYS:
        if key not in node:
            raise _wrong(key, "is missing", None)
    edge = _entity(node["id"], "id")
    timestamp = node["timestamp"]
    if type(timestamp) not in (int, float) or not 0 < timestamp <= MS_MAX:
        raise _wrong("timestamp", f"is {_shown(timestamp)}, not milliseconds since 1970", "1735689600000")
    author, system = _text(node["author"], "author"), _text(node["system"], "system")
    if type(node["pointers"]) is not list:
        raise _wrong("pointers", f"is {_kind(node['pointers'])}, not a list", None)
    if len(node["pointers"]) > POINTERS_MAX:
        raise _wrong("pointers", f"has more than {POINTERS_MAX:,}", None)
    pointers = tuple(_pointer(each, f"pointers[{place}]") for place, each in enumerate(node["pointers"]))
    fits = len(system.encode()) <= SYSTEM_BYTES_MAX
    found = JsonDelta(edge, HybridTime(int(timestamp), 0), author, system if fits else OWN_SYSTEM, pointers, None)
    if _same(write(edge, found.time, author, found.system, _once(pointers)), node):
        return found
    text = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode(errors="surrogatepass")) > VALUE_BYTES_MAX:
        raise _wrong("", f"is longer than {VALUE_BYTES_MAX:,} bytes and holds what facts cannot", None)
    return JsonDelta(edge, found.time, author, found.system, pointers, text)


def write(edge: Entity, time: HybridTime, author: str, system: str, pointers: tuple[Pointer, ...]) -> dict[str, Any]:
    """The object that says a hyperedge as JSON."""
    return {
        "id": id_of(edge),
        "timestamp": time.ms,
        "author": author,
        "system": system,
        "pointers": [{"role": pointer.role, "target": target_of(pointer.target)} for pointer in pointers],
    }


def of_hyperedge(hyperedge: Hyperedge, author: str) -> dict[str, Any]:
    """The JSON delta of a hyperedge; `author` is what to call the key that signed it, where it claims no author."""
    if hyperedge.json is not None:
        try:
            node: dict[str, Any] = json.loads(hyperedge.json)
            if read(node).edge == hyperedge.edge:  # what somebody says of his own edge is for him to say, of no other
                return node
        except (Error, ValueError, RecursionError):
            pass
    said_by = author if hyperedge.claimed_author is None else hyperedge.claimed_author
    return write(hyperedge.edge, hyperedge.time, said_by, hyperedge.system, hyperedge.pointers)


def _once(pointers: tuple[Pointer, ...]) -> tuple[Pointer, ...]:
    """The pointers as facts hold them: each once, and none without the context that another one has."""
    contexts = {
        (pointer.role, pointer.target.entity)
        for pointer in pointers
        if isinstance(pointer.target, Reference) and pointer.target.context is not None
    }
    found: dict[tuple[object, ...], Pointer] = {}
    for pointer in pointers:
        target = pointer.target
        if isinstance(target, Reference) and target.context is None and (pointer.role, target.entity) in contexts:
            continue
        found.setdefault(pointer.key, pointer)
    return tuple(found.values())


def _pointer(node: object, where: str) -> Pointer:
    if not isinstance(node, dict):
        raise _wrong(where, f"is {_kind(node)}, not an object", '{"role": "actor", "target": {"id": "keanu"}}')
    role = _text(node.get("role"), f"{where}.role")
    if "target" not in node:
        raise _wrong(f"{where}.target", "is missing", None)
    target = node["target"]
    try:
        if isinstance(target, dict):
            context = _text(target["context"], f"{where}.target.context") if "context" in target else None
            return Pointer(role, Reference(_entity(target.get("id"), f"{where}.target.id"), context))
        return Pointer(role, _primitive(target, f"{where}.target"))
    except Error as error:
        if error.code == "hyper.json":
            raise
        raise _wrong(where, f"cannot be said: {error.message}", error.fix) from None


def _primitive(target: object, where: str) -> Target:
    match target:
        case bool() | str():
            return target
        case int() if INTEGER_MIN <= target <= INTEGER_MAX:
            return target
        case int():
            return float(target) if abs(target) < 2**1023 else _refuse_number(where, target)
        case float() if target.is_integer() and abs(target) <= EXACT_MAX:
            return int(target)  # to JSON, 136.0 and 136 are one number
        case float():
            return target if abs(target) < float("inf") else _refuse_number(where, target)
    raise _wrong(where, f"is {_kind(target)}, not a text, number, bool or reference", None)


def _refuse_number(where: str, number: object) -> Target:
    raise _wrong(where, f"is {_shown(number)}, which no value can be", None)


def target_of(target: Target) -> Any:
    """The JSON of a target."""
    if not isinstance(target, Reference):
        return target if isinstance(target, bool | int | float | str) else str(target)
    if target.context is None:
        return {"id": id_of(target.entity)}
    return {"id": id_of(target.entity), "context": target.context}


def _entity(id: object, where: str) -> Entity:
    text = _text(id, where)
    if len(text.encode()) > VALUE_BYTES_MAX:
        raise _wrong(where, f"is longer than {VALUE_BYTES_MAX:,} bytes", None)
    return entity_of(text)


def _text(node: object, where: str) -> str:
    if type(node) is not str:
        raise _wrong(where, f"is {_kind(node)}, not a text", None)
    if not node:
        raise _wrong(where, "is empty", None)
    try:
        node.encode()
    except UnicodeEncodeError:
        raise _wrong(where, "is not Unicode: it holds half of a surrogate pair", None) from None
    return node


def _same(made: Any, node: Any) -> bool:
    """Whether two JSON values are the same, `True` and `1` not among them, `1.0` and `1` among them."""
    if isinstance(made, dict) and isinstance(node, dict):
        return made.keys() == node.keys() and all(_same(made[key], node[key]) for key in made)
    if isinstance(made, list) and isinstance(node, list):
        return len(made) == len(node) and all(map(_same, made, node))
    if isinstance(made, bool) or isinstance(node, bool):
        return made is node
    return bool(made == node) and not _is_minus_zero(node)


def _is_minus_zero(node: object) -> bool:
    return isinstance(node, float) and node == 0 and str(node).startswith("-")


_KINDS: Final = {type(None): "null", bool: "a bool", int: "a number", float: "a number", str: "a text", list: "a list"}


def _kind(node: object) -> str:
    return _KINDS.get(type(node), "an object")


def _shown(node: object) -> str:
    return f"{node!r:.40}" if isinstance(node, int | float | str) else _kind(node)


def _wrong(where: str, what: str, fix: str | None) -> DeltaRefused:
    return DeltaRefused("hyper.json", f"{where or 'the delta'} {what}", fix=fix)
