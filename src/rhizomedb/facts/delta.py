"""Deltas: what one author said at one moment, signed once and taken whole or not at all (docs/spec/delta.md).

A *payload* is a canonical DAG-CBOR map: author, system, time, facts, and what else is known of the saying. An
*envelope* is the list of a signature and a payload. The id of a delta is the CID of its payload, so that the signature
cannot change what is said. There is no way to hold a `Delta` that was not verified: it is signed here or decoded here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NoReturn, final

from rhizomedb.errors import DeltaRefused, Error
from rhizomedb.facts import codec, payload, signature
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.fact import Fact, show
from rhizomedb.facts.payload import Group, Scope
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Entity

__all__ = ["DOMAIN", "ENVELOPE_BYTES_MAX", "Delta", "Group", "Scope"]

DOMAIN: Final = b"rhizomedb/delta/1\x00"
"""What is signed before the payload: no signature made for another purpose, or another version, is one of a delta."""

ENVELOPE_BYTES_MAX: Final = 1 << 20

_ENVELOPE_HEAD: Final = b"\x82\x58\x40"
PAYLOAD_AT: Final = len(_ENVELOPE_HEAD) + signature.SIGNATURE_BYTES
_LIMITS: Final = codec.Limits(bytes=ENVELOPE_BYTES_MAX)
_JSON_LIMITS: Final = codec.Limits(bytes=ENVELOPE_BYTES_MAX, items=ENVELOPE_BYTES_MAX)
"""For a whole envelope as one value: 65,536 facts are more items than a block may hold elsewhere."""


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
    facts: Stretch
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
        """A new delta that the holder of a key says. A `Stretch` of facts is said without a look at each."""
        said: payload.Parts = {
            "edge": edge,
            "time": time,
            "facts": payload.gather(facts),
            "group": group,
            "scope": scope,
            "author": key.public,
            "system": system,
        }
        block, facts_at = payload.encode(said)
        if len(block) > ENVELOPE_BYTES_MAX - PAYLOAD_AT:
            raise _too_big()
        envelope = _ENVELOPE_HEAD + key.sign(DOMAIN + block) + block
        said["facts"] = said["facts"].within(envelope, PAYLOAD_AT + facts_at)
        return _verified(said, envelope, block)

    @classmethod
    def decode(cls, envelope: bytes) -> Delta:
        """The delta of exactly these bytes, if they are canonical, within the limits, and signed by their author."""
        try:
            envelope = codec.check_block(envelope, _LIMITS)
        except Error as error:
            raise _too_big() if error.code == "facts.too-big" else error from None
        if not envelope.startswith(_ENVELOPE_HEAD):
            codec.decode(envelope, limits=_LIMITS)  # if it is no DAG-CBOR at all, that is the better error
            raise payload.shape("an envelope is a list of a signature of 64 bytes and a payload", 0)
        said = payload.decode_at(envelope, PAYLOAD_AT)
        block = envelope[PAYLOAD_AT:]
        signed = envelope[len(_ENVELOPE_HEAD) : PAYLOAD_AT]
        if not signature.verify(said["author"], DOMAIN + block, signed):
            raise DeltaRefused("delta.signature", f"this was not signed by {said['author'].hex()}")
        return _verified(said, envelope, block)

    def encode(self) -> bytes:
        """The envelope: exactly the bytes that were signed or received."""
        return self._envelope

    @property
    def payload(self) -> bytes:
        """The block that the id names."""
        return self._envelope[PAYLOAD_AT:]

    @property
    def signature(self) -> bytes:
        """The author's signature over the payload."""
        return self._envelope[len(_ENVELOPE_HEAD) : PAYLOAD_AT]

    def to_json(self) -> str:
        """The envelope as DAG-JSON; `from_json` gives the same delta back, with the same bytes."""
        from rhizomedb.facts import dagjson  # it imports json, which most programs never need

        return dagjson.dumps(codec.decode(self._envelope, limits=_JSON_LIMITS), limits=_JSON_LIMITS)

    @classmethod
    def from_json(cls, text: str | bytes) -> Delta:
        """The delta of a DAG-JSON text, decoded and verified like any other."""
        from rhizomedb.facts import dagjson

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


def _verified(said: payload.Parts, envelope: bytes, block: bytes) -> Delta:
    delta = object.__new__(Delta)
    put = object.__setattr__
    for name, part in said.items():
        put(delta, name, part)
    put(delta, "id", Cid.of(block))
    put(delta, "_envelope", envelope)
    return delta


def _too_big() -> DeltaRefused:
    return DeltaRefused(
        "delta.too-big", f"a delta is at most {ENVELOPE_BYTES_MAX:,} bytes", fix="say it in several deltas of one group"
    )
