"""What the index takes in of a delta: the keys of its parts, and where its facts stand in its bytes."""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import Final, NamedTuple

from rhizomedb.facts import payload
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import PAYLOAD_AT, Delta, Group, Scope
from rhizomedb.facts.kernels import SPAN_BYTES
from rhizomedb.facts.stretch import Stretch
from rhizomedb.store.keys import BYTES_HEAD, TEXT_HEAD

SCOPES: Final = ("seen", "own")
"""The scopes by their numbers."""


class Said(NamedTuple):
    """One delta as the index takes it in: keys of its parts, empty where it has none, and its facts as a `Stretch` has them."""

    id: bytes
    author: bytes
    system: bytes
    edge: bytes
    group: bytes
    group_size: int
    ms: int
    counter: int
    scope: int
    epoch: int
    data: bytes
    spans: bytes
    digests: bytes


def causes_at(said: Said, place: int) -> int:
    """Where in the bytes of a delta the causes of a fact stand."""
    return int(_CAUSES_AT.unpack_from(said.spans, SPAN_BYTES * place)[0])


_CAUSES_AT: Final = Struct("<12xI")


def said_by(delta: Delta, epoch: int) -> Said:
    """What a verified delta says."""
    d = delta
    return _said(bytes(d.id)[4:], epoch, d.edge, d.time, d.facts, d.group, d.scope, d.author, d.system)


def said_in(envelope: bytes, epoch: int) -> Said:
    """What an envelope of our own log says: it was verified when it came in, so its signature is not looked at again."""
    digest = hashlib.sha256(memoryview(envelope)[PAYLOAD_AT:]).digest()
    return _said(digest, epoch, **payload.decode_at(envelope, PAYLOAD_AT))


def _said(
    digest: bytes,
    epoch: int,
    edge: bytes | None,
    time: HybridTime,
    facts: Stretch,
    group: Group | None,
    scope: Scope,
    author: bytes,
    system: str,
) -> Said:
    return Said(
        digest,
        BYTES_HEAD + author,
        TEXT_HEAD + system.encode(),
        b"" if edge is None else BYTES_HEAD + edge,
        b"" if group is None else BYTES_HEAD + group.id,
        0 if group is None else group.size,
        time.ms,
        time.counter,
        SCOPES.index(scope),
        epoch,
        facts.data,
        facts.spans,
        facts.digests,
    )
