"""Deltas: what one author said at one moment, signed once and taken whole or not at all (docs/spec/delta.md).

A *payload* is a canonical DAG-CBOR map: author, system, time, facts, and what else is known of the saying. An
*envelope* is the list of a signature and a payload. The id of a delta is the CID of its payload, so that the signature
cannot change what is said. There is no way to hold a `Delta` that was not verified: it is signed here or decoded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypeAlias, final

from rhizomedb.errors import DeltaRefused, Error
from rhizomedb.facts import codec, signature
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import COUNTER_MAX, MS_MAX, HybridTime
from rhizomedb.facts.fact import Fact, decode_at, show
from rhizomedb.facts.value import VALUE_BYTES_MAX, Entity

DOMAIN: Final = b"rhizomedb/delta/1\x00"
"""What is signed before the payload: no signature made for another purpose, or another version, is one of a delta."""

ENVELOPE_BYTES_MAX: Final = 1 << 20
FACTS_MAX: Final = 65_536
SYSTEM_BYTES_MAX: Final = 128
GROUP_ID_BYTES_MAX: Final = 64
GROUP_SIZE_MAX: Final = 65_536

Scope: TypeAlias = Literal["seen", "own"]
"""Which facts a delta's facts replace: all in their causal past, or of those only what the same author claimed."""

_ENVELOPE_HEAD: Final = b"\x82\x58\x40"
_PAYLOAD_AT: Final = len(_ENVELOPE_HEAD) + signature.SIGNATURE_BYTES
_LIMITS: Final = codec.Limits(bytes=ENVELOPE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Group:
    """What several deltas of one author share that become visible only together: an id, and how many they are."""

    id: bytes
    size: int


@final
class Delta:
    """Facts that one author said together: immutable, verified, named by its payload.

    >>> delta = Delta.sign(key, system="laptop", time=HybridTime(1), facts=[Fact(b"matrix", "runtime", 136)])
    >>> Delta.decode(delta.encode()) == delta
    True
    """

    __slots__ = ("_envelope", "author", "edge", "facts", "group", "id", "scope", "system", "time")

    id: Cid
    author: bytes
    system: str
    time: HybridTime
    facts: tuple[Fact, ...]
    edge: Entity | None
    group: Group | None
    scope: Scope
    _envelope: bytes

    def __init__(self) -> None:
        raise DeltaRefused("delta.not-signed", "a delta is not made from parts", fix="Delta.sign or Delta.decode")

    @classmethod
    def sign(
        cls,
        key: signature.Key,
        *,
        system: str,
        time: HybridTime,
        facts: Iterable[Fact],
        edge: Entity | None = None,
        group: Group | None = None,
        scope: Scope = "seen",
    ) -> Delta:
        """A new delta that the holder of a key says."""
        said = {
            "edge": edge,
            "time": time,
            "facts": tuple(facts),
            "group": group,
            "scope": scope,
            "author": key.public,
            "system": system,
        }
        for name, check in _CHECKS.items():
            check(said[name])
        payload = _encode(said)
        if len(payload) > ENVELOPE_BYTES_MAX - _PAYLOAD_AT:
            raise _too_big()
        return _verified(said, _ENVELOPE_HEAD + key.sign(DOMAIN + payload) + payload, payload)

    @classmethod
    def decode(cls, envelope: bytes) -> Delta:
        """The delta of exactly these bytes, if they are canonical, within the limits, and signed by their author."""
        try:
            envelope = codec.check_block(envelope, _LIMITS)
        except Error as error:
            raise _too_big() if error.code == "facts.too-big" else error from None
        if not envelope.startswith(_ENVELOPE_HEAD):
            codec.decode(envelope, limits=_LIMITS)  # if it is no DAG-CBOR at all, that is the better error
            raise _shape("an envelope is a list of a signature of 64 bytes and a payload", 0)
        said = _decode(envelope)
        payload = envelope[_PAYLOAD_AT:]
        signed = envelope[len(_ENVELOPE_HEAD) : _PAYLOAD_AT]
        if not signature.verify(said["author"], DOMAIN + payload, signed):
            raise DeltaRefused("delta.signature", f"this was not signed by {said['author'].hex()}")
        return _verified(said, envelope, payload)

    def encode(self) -> bytes:
        """The envelope: exactly the bytes that were signed or received."""
        return self._envelope

    @property
    def payload(self) -> bytes:
        """The block that the id names."""
        return self._envelope[_PAYLOAD_AT:]

    @property
    def signature(self) -> bytes:
        """The author's signature over the payload."""
        return self._envelope[len(_ENVELOPE_HEAD) : _PAYLOAD_AT]

    def to_json(self) -> str:
        """The envelope as DAG-JSON; `from_json` gives the same delta back, with the same bytes."""
        from rhizomedb.facts import dagjson  # noqa: PLC0415 # it imports json, which most programs never need

        return dagjson.dumps(codec.decode(self._envelope, limits=_JSON_LIMITS), limits=_JSON_LIMITS)

    @classmethod
    def from_json(cls, text: str | bytes) -> Delta:
        """The delta of a DAG-JSON text, decoded and verified like any other."""
        from rhizomedb.facts import dagjson  # noqa: PLC0415

        return cls.decode(codec.encode(dagjson.loads(text, limits=_JSON_LIMITS), limits=_JSON_LIMITS))

    def __eq__(self, other: object) -> bool:
        return type(other) is Delta and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a delta does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a delta does not change: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return Delta.decode, (self._envelope,)  # so that what comes out of a pickle is verified as well

    def __repr__(self) -> str:
        edge = f" edge {show(self.edge)}" if self.edge is not None else ""
        group = f" group {self.group.id.hex()}/{self.group.size}" if self.group else ""
        facts = "1 fact" if len(self.facts) == 1 else f"{len(self.facts):,} facts"
        own = " scope own" if self.scope == "own" else ""
        who = f"{self.author.hex()[:12]}@{self.system}"
        return f"<Delta {self.id.short} by {who} at {self.time}: {facts}{edge}{group}{own}>"


def _verified(said: dict[str, Any], envelope: bytes, payload: bytes) -> Delta:
    delta = object.__new__(Delta)
    put = object.__setattr__
    for name, part in said.items():
        put(delta, name, part)
    put(delta, "id", Cid.of(payload))
    put(delta, "_envelope", envelope)
    return delta


# -- writing -----------------------------------------------------------------------------------------------------------


def _encode(said: dict[str, Any]) -> bytes:
    """The payload of checked parts, which are in the order of their keys."""
    facts: tuple[Fact, ...] = said["facts"]
    time: HybridTime = said["time"]
    group: Group | None = said["group"]
    written: dict[str, bytes | None] = {
        "edge": None if said["edge"] is None else codec.encode_bytes(said["edge"]),
        "time": codec.encode([time.ms, time.counter]),
        "facts": codec.head(codec.LIST, len(facts)) + b"".join([fact.encode() for fact in facts]),
        "group": None if group is None else codec.encode({"id": group.id, "size": group.size}),
        "scope": codec.encode_text("own") if said["scope"] == "own" else None,
        "author": codec.encode_bytes(said["author"]),
        "system": codec.encode_text(said["system"]),
    }
    parts = [codec.encode_text(name) + part for name, part in written.items() if part is not None]
    return codec.head(codec.MAP, len(parts)) + b"".join(parts)


# -- reading -----------------------------------------------------------------------------------------------------------


def _decode(envelope: bytes) -> dict[str, Any]:
    """The checked parts of a payload: a map whose keys are among those of `_READERS`, in the same order."""
    major, count, at = codec.read_head(envelope, _PAYLOAD_AT)
    if major != codec.MAP:
        raise _shape("a payload is a map", _PAYLOAD_AT)
    said: dict[str, Any] = {"edge": None, "group": None, "scope": "seen"}
    names = list(_READERS)
    previous = -1
    for _ in range(count):
        start = at
        name, at = codec.decode_at(envelope, at, limits=_PART_LIMITS)
        if type(name) is not str or name not in names:
            raise _shape(f"the payload has no key {name!r:.40}", start)
        place = names.index(name)
        if place <= previous:
            fault = "twice" if place == previous else "out of order"
            raise codec.refused("facts.not-canonical", f"the key {name!r} is there {fault}", start)
        previous = place
        start = at
        part, at = _READERS[name](envelope, at)
        try:
            _CHECKS[name](part)
        except DeltaRefused as error:
            raise DeltaRefused(error.code, error.message, where=f"byte {start:,}") from None
        said[name] = part
    if at != len(envelope):
        raise codec.refused("facts.malformed", f"{len(envelope) - at} bytes follow the end of the envelope", at)
    for name in ("time", "facts", "author", "system"):
        if name not in said:
            raise _shape(f"the payload has no {name}", _PAYLOAD_AT)
    return said


_PART_LIMITS: Final = codec.Limits(items=8)
_JSON_LIMITS: Final = codec.Limits(bytes=ENVELOPE_BYTES_MAX, items=ENVELOPE_BYTES_MAX)
"""For a whole envelope as one value: 65,536 facts are more items than a block may hold elsewhere."""


def _read(envelope: bytes, at: int) -> tuple[Any, int]:
    return codec.decode_at(envelope, at, limits=_PART_LIMITS)


def _read_time(envelope: bytes, at: int) -> tuple[HybridTime, int]:
    node, end = _read(envelope, at)
    if type(node) is not list or len(node) != 2:
        raise _shape("a time is a list of milliseconds and a counter", at)
    return HybridTime(*node), end


def _read_group(envelope: bytes, at: int) -> tuple[Group, int]:
    node, end = _read(envelope, at)
    if type(node) is not dict or list(node) != ["id", "size"]:
        raise _shape("a group is a map of id and size", at)
    return Group(**node), end


def _read_scope(envelope: bytes, at: int) -> tuple[Any, int]:
    node, end = _read(envelope, at)
    if node != "own":
        raise _shape('the only scope that is written is "own"', at)
    return node, end


def _read_facts(envelope: bytes, at: int) -> tuple[tuple[Fact, ...], int]:
    start = at
    major, count, at = codec.read_head(envelope, at)
    if major != codec.LIST:
        raise _shape("the facts are a list", start)
    if count > FACTS_MAX:
        raise _too_many_facts()
    facts = []
    for _ in range(count):
        fact, at = decode_at(envelope, at)
        facts.append(fact)
    return tuple(facts), at


_READERS: Final[dict[str, Callable[[bytes, int], tuple[Any, int]]]] = {
    "edge": _read,
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
        raise _shape(f"an edge is an entity of 1 to {VALUE_BYTES_MAX:,} bytes")


def _check_time(time: object) -> None:
    if type(time) is not HybridTime or not (
        type(time.ms) is type(time.counter) is int and 0 <= time.ms <= MS_MAX and 0 <= time.counter <= COUNTER_MAX
    ):
        raise _shape(f"a time is milliseconds below {MS_MAX + 1:,} and a counter below {COUNTER_MAX + 1:,}")


def _check_facts(facts: object) -> None:
    assert type(facts) is tuple, "facts are gathered in a tuple before they are checked"
    if not facts:
        raise DeltaRefused("delta.empty", "a delta says at least one fact")
    if len(facts) > FACTS_MAX:
        raise _too_many_facts()
    if any(type(fact) is not Fact for fact in facts):
        raise _shape("the facts of a delta are facts")
    if len({fact.encode() for fact in facts}) != len(facts):
        raise DeltaRefused("delta.repeated-fact", "a fact is said twice in one delta")


def _check_group(group: object) -> None:
    if group is not None and not (
        type(group) is Group
        and type(group.id) is bytes
        and type(group.size) is int
        and 1 <= len(group.id) <= GROUP_ID_BYTES_MAX
        and 1 <= group.size <= GROUP_SIZE_MAX
    ):
        raise _shape(f"a group is an id of 1 to {GROUP_ID_BYTES_MAX} bytes and a size of 1 to {GROUP_SIZE_MAX:,}")


def _check_scope(scope: object) -> None:
    if scope not in ("seen", "own"):
        raise _shape('a scope is "seen" or "own"')


def _check_author(author: object) -> None:
    if type(author) is not bytes or len(author) != signature.PUBLIC_BYTES:
        raise _shape("an author is the 32 bytes of a public key")


def _check_system(system: object) -> None:
    # What cannot be encoded is refused when it is; here it only has to be counted.
    if type(system) is not str or not 1 <= len(system.encode(errors="surrogatepass")) <= SYSTEM_BYTES_MAX:
        raise _shape(f"a system is a text of 1 to {SYSTEM_BYTES_MAX} bytes")


_CHECKS: Final[dict[str, Callable[[object], None]]] = {
    "edge": _check_edge,
    "time": _check_time,
    "facts": _check_facts,
    "group": _check_group,
    "scope": _check_scope,
    "author": _check_author,
    "system": _check_system,
}


def _shape(message: str, at: int | None = None) -> DeltaRefused:
    return DeltaRefused("delta.shape", message, where=None if at is None else f"byte {at:,}")


def _too_big() -> DeltaRefused:
    return DeltaRefused(
        "delta.too-big", f"a delta is at most {ENVELOPE_BYTES_MAX:,} bytes", fix="say it in several deltas of one group"
    )


def _too_many_facts() -> DeltaRefused:
    return DeltaRefused(
        "delta.too-big", f"a delta is at most {FACTS_MAX:,} facts", fix="say it in several deltas of one group"
    )
