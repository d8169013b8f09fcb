"""Frames: the bytes of one row of the log. Whatever happened to them is known before they are believed.

A frame is one byte that says how the envelope stands in it (0: as it is, 1: deflated), 16 bytes of the SHA-256 of the
row's number, its epoch, that byte and what follows, and the envelope. The hash is no signature: it tells damage, not forgery.
"""

from __future__ import annotations

import hashlib
import zlib
from struct import Struct
from typing import Final

from rhizomedb.facts.delta import ENVELOPE_BYTES_MAX

PLAIN, DEFLATED = 0, 1
HASH_BYTES: Final = 16
HEAD_BYTES: Final = 1 + HASH_BYTES
DEFLATE_FROM: Final = 1024
"""Shorter envelopes are mostly keys and signatures, which no compression makes smaller."""

_PLACE: Final = Struct(">QQB")


def frame(seq: int, epoch: int, envelope: bytes) -> bytes:
    """The frame of an envelope at its place in the log."""
    kind, body = PLAIN, envelope
    if len(envelope) >= DEFLATE_FROM:
        deflated = zlib.compress(envelope, 1)
        if len(deflated) < len(envelope) - len(envelope) // 8:
            kind, body = DEFLATED, deflated
    return b"".join((bytes((kind,)), _hash(seq, epoch, kind, body), body))


def unframe(seq: int, epoch: int, data: bytes) -> bytes | None:
    """The envelope of a frame, or None if it is not the one that was written at this place."""
    kind, body = data[0] if data else -1, data[HEAD_BYTES:]
    if kind not in (PLAIN, DEFLATED) or seq < 0 or epoch < 0 or _hash(seq, epoch, kind, body) != data[1:HEAD_BYTES]:
        return None
    if kind == PLAIN:
        return body
    inflater = zlib.decompressobj()
    try:
        envelope = inflater.decompress(body, ENVELOPE_BYTES_MAX)
    except zlib.error:
        return None
    return envelope if inflater.eof and not inflater.unused_data else None


def _hash(seq: int, epoch: int, kind: int, body: bytes) -> bytes:
    hashed = hashlib.sha256(_PLACE.pack(seq, epoch, kind))
    hashed.update(body)
    return hashed.digest()[:HASH_BYTES]
