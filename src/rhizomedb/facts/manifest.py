"""Manifests: which chunks, in which order, make up the content of an attachment (docs/spec/attachment.md).

An attachment is named by the CID of a *manifest*, a block that lists *parts*: each a link and how much content is behind
it. At height 0 the parts are chunks; a manifest of a greater height lists manifests that are one lower. The same content
makes the same manifests everywhere, so an attachment has one name. What it is called and of which kind it is are no
business of the manifest: they are facts like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

from rhizomedb._record import dataclass
from rhizomedb.errors import AttachmentError
from rhizomedb.facts import codec
from rhizomedb.facts.chunking import SIZES
from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid

FANOUT: Final = 1024
"""How many parts a manifest has at most."""

HEIGHT_MAX: Final = 5
"""Enough for any size that an integer can say: 1024⁶ chunks."""

SIZE_MAX: Final = 2**63 - 1

MANIFEST_BYTES_MAX: Final = 64 << 10
BLOCK_BYTES_MAX: Final = max(SIZES.bytes_max, MANIFEST_BYTES_MAX)

CHUNK_PREFIX: Final = bytes([0x01, 0x55, 0x12, 0x20])
"""What the CID of a chunk begins with: version 1, codec raw, sha2-256 of 32 bytes."""

_LIMITS: Final = codec.Limits(bytes=MANIFEST_BYTES_MAX, depth=3, items=3 * FANOUT + 16)


class Part(NamedTuple):
    """A chunk, or a manifest one lower, and how many bytes of content it stands for."""

    cid: Cid
    size: int


@dataclass(frozen=True)
class Manifest:
    """The parts of some content, in order. Made by `Tree` or decoded, it is well formed."""

    height: int
    parts: tuple[Part, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Where each part ends in the content."""
        return tuple(accumulate(part.size for part in self.parts))

    @property
    def size(self) -> int:
        """How many bytes of content there are."""
        return self.ends[-1] if self.parts else 0

    def encode(self) -> bytes:
        """The one encoding."""
        parts = [[part.cid, part.size] for part in self.parts]
        return codec.encode({"size": self.size, "parts": parts, "height": self.height}, limits=_LIMITS)

    @classmethod
    def decode(cls, block: bytes) -> Manifest:
        """The manifest of a block. What is none is `attachment.shape`, or `facts.*` where it is not DAG-CBOR."""
        node = codec.decode(block, limits=_LIMITS)
        if type(node) is not dict or set(node) != {"size", "parts", "height"}:
            raise _shape("it is not a map of size, parts and height")
        height, parts = node["height"], node["parts"]
        if type(height) is not int or not 0 <= height <= HEIGHT_MAX:
            raise _shape(f"its height is not 0 to {HEIGHT_MAX}")
        if type(parts) is not list or len(parts) > FANOUT or (height and not parts):
            raise _shape(f"it does not have up to {FANOUT:,} parts")
        manifest = cls(height, tuple(_part(part, height) for part in parts))
        if type(node["size"]) is not int or node["size"] != manifest.size or manifest.size > SIZE_MAX:
            raise _shape("its size is not that of its parts")
        # Or a few blocks would stand for a content that takes hours to read, byte by byte.
        if any(part.size < SIZES.bytes_min for part in manifest.parts[:-1]):
            raise _shape(f"a part that is not its last has less than {SIZES.bytes_min:,} bytes")
        if len({part.cid for part in manifest.parts}) != len(set(manifest.parts)):
            raise _shape("it gives two sizes for one part")
        return manifest


def _part(node: object, height: int) -> Part:
    if type(node) is not list or len(node) != 2:
        raise _shape("a part is not a link and a size")
    cid, size = node
    if type(cid) is not Cid or not (is_manifest(cid) if height else is_chunk(cid)):
        raise _shape(f"a part is not a link to a {'manifest' if height else 'chunk'}")
    if type(size) is not int or not 1 <= size <= (SIZE_MAX if height else SIZES.bytes_max):
        raise _shape("a part has an impossible size")
    return Part(cid, size)


def _shape(what: str) -> AttachmentError:
    return AttachmentError("attachment.shape", f"the block is not a manifest: {what}")


def is_chunk(cid: Cid) -> bool:
    """Whether a CID has the codec and hash of a chunk."""
    raw = bytes(cid)
    return len(raw) == CID_BYTES and raw.startswith(CHUNK_PREFIX)


def is_manifest(cid: Cid) -> bool:
    """Whether a CID has the codec and hash of a manifest, which facts and deltas have too."""
    return cid.is_block


class Block:
    """A chunk or a manifest with its CID. It is never held unverified: who makes one has hashed its bytes."""

    __slots__ = ("body", "cid")

    def __init__(self, cid: Cid, body: bytes) -> None:
        """Take in bytes that are said to have a CID; `attachment.block` or `attachment.shape` if they are none of ours."""
        if type(body) is not bytes or len(body) > BLOCK_BYTES_MAX:
            raise AttachmentError("attachment.block", f"a block is at most {BLOCK_BYTES_MAX:,} bytes")
        if type(cid) is not Cid or not (is_chunk(cid) or is_manifest(cid)):
            raise AttachmentError("attachment.block", f"{cid} does not name a chunk or a manifest")
        if hashlib.sha256(body).digest() != bytes(cid)[4:]:
            raise AttachmentError("attachment.block", f"the bytes of {cid} are those of another block")
        if is_manifest(cid):
            Manifest.decode(body)
        elif not body:
            raise AttachmentError("attachment.block", "a chunk is not empty")
        self.cid = cid
        self.body = body

    @classmethod
    def chunk(cls, body: bytes) -> Block:
        """The block of a chunk that was cut here."""
        assert 0 < len(body) <= SIZES.bytes_max, "a chunk is cut to size"
        return cls._made(CHUNK_PREFIX, body)

    @classmethod
    def manifest(cls, manifest: Manifest) -> Block:
        """The block of a manifest that was made here."""
        return cls._made(PREFIX, manifest.encode())

    @classmethod
    def _made(cls, prefix: bytes, body: bytes) -> Block:
        block = object.__new__(cls)
        block.cid = Cid._trusted(prefix + hashlib.sha256(body).digest())
        block.body = body
        return block


class Tree:
    """The manifests of a content whose chunks come one by one: as few as can be, each full but the last of its height."""

    def __init__(self) -> None:
        self.size = 0
        self._open: list[list[Part]] = [[]]

    def add(self, chunk: Block) -> Iterator[Block]:
        """Go on with a chunk; gives the manifests that are full."""
        self.size += len(chunk.body)
        yield from self._add(Part(chunk.cid, len(chunk.body)), 0)

    def close(self) -> Iterator[Block]:
        """The manifests that are not full; the last names the attachment."""
        height = 0
        while height < len(self._open) - 1:
            block, part = self._manifest(height)
            yield block
            yield from self._add(part, height + 1)
            height += 1
        yield self._manifest(height)[0]

    def _add(self, part: Part, height: int) -> Iterator[Block]:
        assert height <= HEIGHT_MAX, "no content is that large"
        if height == len(self._open):
            self._open.append([])
        if len(self._open[height]) == FANOUT:  # only now is it sure that one more level is needed
            block, full = self._manifest(height)
            yield block
            yield from self._add(full, height + 1)
        self._open[height].append(part)

    def _manifest(self, height: int) -> tuple[Block, Part]:
        manifest = Manifest(height, tuple(self._open[height]))
        self._open[height] = []
        block = Block.manifest(manifest)
        return block, Part(block.cid, manifest.size)
