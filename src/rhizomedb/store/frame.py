"""Frames: the bytes of one row of the log. Whatever happened to them is known before they are believed.

A frame is one byte that says how the envelope stands in it (0: as it is, 1: deflated), 16 bytes of the SHA-256 of the
row's number, its epoch and the envelope, and the envelope. The hash is no signature: it tells damage, not forgery.
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

_PLACE: Final = Struct(">QQ")


def frame(seq: int, epoch: int, envelope: bytes) -> bytes:
    """The frame of an envelope at its place in the log."""
    hashed = _hash(seq, epoch, envelope)
    if len(envelope) >= DEFLATE_FROM:
        body = zlib.compress(envelope, 1)
        if len(body) < len(envelope) - len(envelope) // 8:
            return b"".join((bytes((DEFLATED,)), hashed, body))
    return b"".join((bytes((PLAIN,)), hashed, envelope))


def unframe(seq: int, epoch: int, data: bytes) -> bytes | None:
    """The envelope of a frame, or None if it is not the one that was written at this place."""
    body = data[HEAD_BYTES:]
    if data[:1] == bytes((DEFLATED,)):
        inflater = zlib.decompressobj()
        try:
            body = inflater.decompress(body, ENVELOPE_BYTES_MAX)
        except zlib.error:
            return None
        if not inflater.eof or inflater.unused_data:
            return None
    elif data[:1] != bytes((PLAIN,)):
        return None
    return body if _hash(seq, epoch, body) == data[1:HEAD_BYTES] else None


def _hash(seq: int, epoch: int, envelope: bytes) -> bytes:
    hashed = hashlib.sha256(_PLACE.pack(seq, epoch))
    hashed.update(envelope)
    return hashed.digest()[:HASH_BYTES]
