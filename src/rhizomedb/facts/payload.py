"""Payloads: the map inside a delta that says who says which facts, when and where (docs/spec/delta.md).

Its parts stand in a dict, in the canonical order of their keys: `edge`, `time`, `facts`, `group`, `scope`, `author`,
`system`. Reading and writing check them by the same table, so what can be signed here can be read everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import DeltaRefused
from rhizomedb.facts import codec
from rhizomedb.facts.clock import COUNTER_MAX, MS_MAX, HybridTime
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import PUBLIC_BYTES
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import VALUE_BYTES_MAX

FACTS_MAX: Final = 65_536
SYSTEM_BYTES_MAX: Final = 128
GROUP_ID_BYTES_MAX: Final = 64
GROUP_SIZE_MAX: Final = 65_536

Scope: TypeAlias = Literal["seen", "own"]
"""Which facts a delta's facts replace: all in their causal past, or of those only what the same author claimed."""

Parts: TypeAlias = dict[str, Any]
"""Each part of a payload under its key. Where they are not written, `edge` and `group` are None, `scope` is "seen"."""


@dataclass(frozen=True, slots=True)
class Group:
    """What several deltas of one author share that become visible only together: an id, and how many they are."""

    id: bytes
    size: int


# -- writing -----------------------------------------------------------------------------------------------------------


def gather(facts: Iterable[Fact]) -> Stretch:
    """The stretch of facts that are to be said, or the one that they are."""
    if type(facts) is Stretch:
        return facts
    said = tuple(islice(facts, FACTS_MAX + 1))
    if any(type(fact) is not Fact for fact in said):
        raise shape("the facts of a delta are facts")
    return Stretch.of(said)


def encode(said: Parts) -> tuple[bytes, int]:
    """The block of parts, if each is what it must be, and where in it the facts begin."""
    for name, check in _CHECKS.items():
        check(said[name])
    edge, time, group, facts = said["edge"], said["time"], said["group"], said["facts"]
    before = [] if edge is None else [_EDGE, codec.encode_bytes(edge)]
    before += (_TIME, codec.encode_int(time.ms), codec.encode_int(time.counter))
    before += (_FACTS, codec.head(codec.LIST, len(facts)))
    after = [] if group is None else [_GROUP, codec.encode({"id": group.id, "size": group.size})]
    if said["scope"] == "own":
        after.append(_OWN)
    after.append(_whose(said["author"], said["system"]))
    count = 4 + (edge is not None) + (group is not None) + (said["scope"] == "own")
    begin = codec.head(codec.MAP, count) + b"".join(before)
    return b"".join((begin, facts.encode(), *after)), len(begin)


@lru_cache(maxsize=256)
def _whose(author: bytes, system: str) -> bytes:
    """The parts that say whose a delta is: the same ones again and again."""
    return b"".join((_AUTHOR, codec.encode_bytes(author), _SYSTEM, codec.encode_text(system)))


_EDGE, _TIME, _FACTS, _GROUP, _OWN, _AUTHOR, _SYSTEM = (
    codec.encode_text(name) + rest
    for name, rest in (
        ("edge", b""),
        ("time", codec.head(codec.LIST, 2)),
        ("facts", b""),
        ("group", b""),
        ("scope", codec.encode_text("own")),
        ("author", b""),
        ("system", b""),
    )
)
"""What each part begins with, as far as it is always the same."""


# -- reading -----------------------------------------------------------------------------------------------------------


def decode_at(data: bytes, start: int) -> Parts:
    """The parts of the payload that begins at an offset and goes on to the end."""
    major, count, at = codec.read_head(data, start)
    if major != codec.MAP:
        raise shape("a payload is a map", start)
    said: Parts = {"edge": None, "group": None, "scope": "seen"}
    names = list(_READERS)
    previous = -1
    for _ in range(count):
        key_at = at
        name, at = codec.decode_at(data, at, limits=_PART_LIMITS)
        if type(name) is not str or name not in names:
            raise shape(f"the payload has no key {name!r:.40}", key_at)
        place = names.index(name)
        if place <= previous:
            fault = "twice" if place == previous else "out of order"
            raise codec.refused("facts.not-canonical", f"the key {name!r} is there {fault}", key_at)
        previous = place
        part_at = at
        part, at = _READERS[name](data, at)
        try:
            _CHECKS[name](part)
        except DeltaRefused as error:
            raise DeltaRefused(error.code, error.message, where=f"byte {part_at:,}") from None
        said[name] = part
    if at != len(data):
        raise codec.refused("facts.malformed", f"{len(data) - at} bytes follow the end of the payload", at)
    for name in ("time", "facts", "author", "system"):
        if name not in said:
            raise shape(f"the payload has no {name}", start)
    return said


_PART_LIMITS: Final = codec.Limits(items=8)


def _read(data: bytes, at: int) -> tuple[Any, int]:
    return codec.decode_at(data, at, limits=_PART_LIMITS)


def _read_edge(data: bytes, at: int) -> tuple[Any, int]:
    node, end = _read(data, at)
    if node is None:
        raise shape("an edge that is not there is not written", at)
    return node, end


def _read_time(data: bytes, at: int) -> tuple[HybridTime, int]:
    node, end = _read(data, at)
    if type(node) is not list or len(node) != 2:
        raise shape("a time is a list of milliseconds and a counter", at)
    return HybridTime(*node), end


def _read_group(data: bytes, at: int) -> tuple[Group, int]:
    node, end = _read(data, at)
    if type(node) is not dict or list(node) != ["id", "size"]:
        raise shape("a group is a map of id and size", at)
    return Group(**node), end


def _read_scope(data: bytes, at: int) -> tuple[Any, int]:
    node, end = _read(data, at)
    if node != "own":
        raise shape('the only scope that is written is "own"', at)
    return node, end


def _read_facts(data: bytes, at: int) -> tuple[Stretch, int]:
    start = at
    major, count, at = codec.read_head(data, at)
    if major != codec.LIST:
        raise shape("the facts are a list", start)
    if count > FACTS_MAX:
        raise _too_many_facts()
    return Stretch.read(data, at, count)


_READERS: Final[dict[str, Callable[[bytes, int], tuple[Any, int]]]] = {
    "edge": _read_edge,
    "time": _read_time,
    "facts": _read_facts,
    "group": _read_group,
    "scope": _read_scope,
    "author": _read,
    "system": _read,
}
"""How each part of a payload is read, in the canonical order of their keys."""


# -- what each part must be --------------------------------------------------------------------------------------------


def _check_edge(edge: object) -> None:
    if edge is not None and (type(edge) is not bytes or not 1 <= len(edge) <= VALUE_BYTES_MAX):
        raise shape(f"an edge is an entity of 1 to {VALUE_BYTES_MAX:,} bytes")


def _check_time(time: object) -> None:
    if type(time) is not HybridTime or not (
        type(time.ms) is type(time.counter) is int and 0 <= time.ms <= MS_MAX and 0 <= time.counter <= COUNTER_MAX
    ):
        raise shape(f"a time is milliseconds below {MS_MAX + 1:,} and a counter below {COUNTER_MAX + 1:,}")


def _check_facts(facts: object) -> None:
    assert type(facts) is Stretch, "facts are gathered in a stretch before they are checked"
    if not facts:
        raise DeltaRefused("delta.empty", "a delta says at least one fact")
    if len(facts) > FACTS_MAX:
        raise _too_many_facts()
    if facts.has_repeats():
        raise DeltaRefused("delta.repeated-fact", "a fact is said twice in one delta")


def _check_group(group: object) -> None:
    if group is not None and not (
        type(group) is Group
        and type(group.id) is bytes
        and type(group.size) is int
        and 1 <= len(group.id) <= GROUP_ID_BYTES_MAX
        and 1 <= group.size <= GROUP_SIZE_MAX
    ):
        raise shape(f"a group is an id of 1 to {GROUP_ID_BYTES_MAX} bytes and a size of 1 to {GROUP_SIZE_MAX:,}")


def _check_scope(scope: object) -> None:
    if scope not in ("seen", "own"):
        raise shape('a scope is "seen" or "own"')


def _check_author(author: object) -> None:
    if type(author) is not bytes or len(author) != PUBLIC_BYTES:
        raise shape("an author is the 32 bytes of a public key")


def _check_system(system: object) -> None:
    # What cannot be encoded is refused when it is; here it only has to be counted.
    if type(system) is not str or not 1 <= len(system.encode(errors="surrogatepass")) <= SYSTEM_BYTES_MAX:
        raise shape(f"a system is a text of 1 to {SYSTEM_BYTES_MAX} bytes")


_CHECKS: Final[dict[str, Callable[[object], None]]] = {
    "edge": _check_edge,
    "time": _check_time,
    "facts": _check_facts,
    "group": _check_group,
    "scope": _check_scope,
    "author": _check_author,
    "system": _check_system,
}


def shape(message: str, at: int | None = None) -> DeltaRefused:
    """The error for what is no delta, and where."""
    return DeltaRefused("delta.shape", message, where=None if at is None else f"byte {at:,}")


def _too_many_facts() -> DeltaRefused:
    return DeltaRefused(
        "delta.too-big", f"a delta is at most {FACTS_MAX:,} facts", fix="say it in several deltas of one group"
    )
