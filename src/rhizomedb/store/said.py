"""What the index takes in of a delta: the keys of its parts, and where its facts stand in its bytes."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from rhizomedb.facts import payload
from rhizomedb.facts.delta import PAYLOAD_AT, Delta
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


def said_by(delta: Delta, epoch: int) -> Said:
    """What a verified delta says."""
    parts = {"author": delta.author, "system": delta.system, "edge": delta.edge, "group": delta.group,
             "time": delta.time, "scope": delta.scope, "facts": delta.facts}  # fmt: skip
    return _said(bytes(delta.id)[4:], parts, epoch)


def said_in(envelope: bytes, epoch: int) -> Said:
    """What an envelope of our own log says: it was verified when it came in, so its signature is not looked at again."""
    digest = hashlib.sha256(memoryview(envelope)[PAYLOAD_AT:]).digest()
    return _said(digest, payload.decode_at(envelope, PAYLOAD_AT), epoch)


def _said(digest: bytes, parts: payload.Parts, epoch: int) -> Said:
    group, edge, time, facts = parts["group"], parts["edge"], parts["time"], parts["facts"]
    return Said(
        digest,
        BYTES_HEAD + parts["author"],
        TEXT_HEAD + parts["system"].encode(),
        b"" if edge is None else BYTES_HEAD + edge,
        b"" if group is None else BYTES_HEAD + group.id,
        0 if group is None else group.size,
        time.ms,
        time.counter,
        SCOPES.index(parts["scope"]),
        epoch,
        facts.data,
        facts.spans,
        facts.digests,
    )
