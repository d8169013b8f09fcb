"""What lies in a place: bundles of deltas, and packs of the blocks that attachments are made of (docs/spec/remote.md).

Both are bundles in form: items that are named by their hash, behind a head that lists the names. A kind says in which
folder they are, what they are called, and what makes an item one.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.manifest import CHUNK_PREFIX, Block

DIGEST_BYTES: Final = 32

_PAYLOAD_AT: Final = 67
"""Where the payload begins in an envelope (docs/spec/delta.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of bundle: its folder in a place, its name and that of its items, how its head begins, and what an id is.

    An id begins with one of `id_prefixes` and ends with what `digest` gives of its item. `check` refuses with an error
    what has the right digest and still is no item.
    """

    folder: str
    noun: str
    item: str
    magic: bytes
    id_bytes: int
    id_prefixes: tuple[bytes, ...]
    digest: Callable[[bytes], bytes]
    check: Callable[[bytes, bytes], object]

    def path(self, name: str) -> str:
        """Where within a place an object of this kind is."""
        return f"{self.folder}/{name}"

    def where(self, name: object) -> str:
        """What an object of this kind is called in messages."""
        return f"{self.noun} {name}"


def id_of(delta: Cid | bytes) -> bytes:
    """The id of a delta as bundles write it: the hash within its CID, or of the payload of its envelope."""
    return bytes(delta)[-DIGEST_BYTES:] if isinstance(delta, Cid) else sha256(delta[_PAYLOAD_AT:]).digest()


DELTAS: Final = Kind(
    folder="bundles",
    noun="bundle",
    item="delta",
    magic=b"rhizomedb/bundle/1\n",
    id_bytes=DIGEST_BYTES,
    id_prefixes=(b"",),
    digest=id_of,
    check=lambda _id, envelope: Delta.decode(envelope),
)

BLOCKS: Final = Kind(
    folder="blocks",
    noun="pack",
    item="block",
    magic=b"rhizomedb/pack/1\n",
    id_bytes=CID_BYTES,
    id_prefixes=(PREFIX, CHUNK_PREFIX),
    digest=lambda block: sha256(block).digest(),
    check=lambda cid, block: Block(Cid(cid), block),
)
"""The id of a block is its CID."""
