"""Chunking: where content is cut, so that two files that mostly agree share most of their chunks.

A cut depends on the bytes around it and on nothing else (FastCDC, Xia et al. 2016, with a window of 32 bytes): a byte put
in at the front moves every later byte, and changes one chunk. The *gear hash* of a place is that of the 32 bytes before
it, each looked up in `GEAR`; a chunk ends where it is small. Until a chunk has its normal size few hashes are small
enough, and more after it, so that most chunks come out near that size.

The table, the sizes and the rule are fixed (docs/spec/attachment.md): copies that cut differently would share nothing.
`find_cuts_plain` is the rule as it reads; `find_cuts` gives the same for many bytes at once.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from rhizomedb._record import dataclass

if TYPE_CHECKING:
    import numpy

Data: TypeAlias = bytes | bytearray | memoryview

WINDOW_BYTES: Final = 32
"""How many bytes decide whether a chunk ends: the gear hash has as many bits, and each byte moves them up by one."""

GEAR: Final = tuple(
    int.from_bytes(hashlib.sha256(b"rhizomedb/gear/1\0" + bytes([byte])).digest()[:4], "big") for byte in range(256)
)
"""A number for each byte: the first four bytes of a SHA-256, so that anybody can make the table anew."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large chunks are, and how small a hash ends one, before the normal size and from it on."""

    bytes_min: int = 16 << 10
    bytes_normal: int = 64 << 10
    bytes_max: int = 256 << 10
    early: int = 1 << 14
    late: int = 1 << 18

    def __post_init__(self) -> None:
        assert WINDOW_BYTES <= self.bytes_min <= self.bytes_normal <= self.bytes_max, "the window lies in the chunk"
        assert self.early <= self.late, "what ends a chunk early ends it late too"


SIZES: Final = Sizes()
"""Those of the specification; others are for tests."""

SEGMENT_BYTES: Final = 1 << 20
"""How much of a stream is looked at together."""

BLOCK_BYTES: Final = 32 << 10
"""How many places are hashed together: few enough that their hashes stay in the cache."""


def find_cuts(data: Data, *, final: bool = True, sizes: Sizes = SIZES) -> list[int]:
    """Where the chunks of some bytes end, the first beginning at 0.

    With `final` false more bytes follow, and only those ends are given that hold whatever they are.
    """
    if len(data) <= sizes.bytes_min:  # numpy takes longer to load than a small file to cut
        return [len(data)] if data and final else []
    places = _small_hashes(data, sizes.late)
    ends = [end for end, _ in places]
    cuts: list[int] = []
    start = at = 0
    while start < len(data):
        at = bisect_left(ends, start + sizes.bytes_min, at)
        while at < len(ends) and places[at][1] >= sizes.early and ends[at] < start + sizes.bytes_normal:
            at += 1
        end = min(start + sizes.bytes_max, ends[at] if at < len(ends) else len(data) + sizes.bytes_max)
        if end > len(data):
            return [*cuts, len(data)] if final else cuts
        cuts.append(end)
        start = end
    return cuts


def _small_hashes(data: Data, limit: int) -> list[tuple[int, int]]:
    """Every place behind a whole window whose hash is below a limit, with the hash."""
    import numpy as np  # 100 ms, which only those who cut a file should pay

    gear = _gear()
    raw = np.frombuffer(data, np.uint8)
    before = WINDOW_BYTES - 1
    hashes = np.empty(BLOCK_BYTES + before, np.uint32)
    moved = np.empty_like(hashes)
    found: list[tuple[int, int]] = []
    for start in range(0, len(raw) - before, BLOCK_BYTES):
        part = raw[start : start + BLOCK_BYTES + before]
        hash_of, up = hashes[: len(part)], moved[: len(part)]
        np.take(gear, part, out=hash_of, mode="wrap")  # "raise" would fill `out` by a copy
        # Each turn doubles how many bytes are in a hash: that of the bytes before, moved up, joins that of the last.
        for width in (1, 2, 4, 8, 16):
            np.left_shift(hash_of[:-width], width, out=up[width:])
            np.add(hash_of[width:], up[width:], out=hash_of[width:])
        small = np.flatnonzero(hash_of[before:] < limit)
        found += zip((small + (start + WINDOW_BYTES)).tolist(), hash_of[before:][small].tolist(), strict=True)
    return found


@cache
def _gear() -> numpy.ndarray[tuple[int], numpy.dtype[numpy.uint32]]:
    import numpy as np

    return np.array(GEAR, np.uint32)


def find_cuts_plain(data: Data, *, final: bool = True, sizes: Sizes = SIZES) -> list[int]:
    """What `find_cuts` gives, one byte after another: the rule as the specification has it, and the oracle."""
    cuts: list[int] = []
    start = gear_hash = 0
    for end, byte in enumerate(data, 1):
        gear_hash = (2 * gear_hash + GEAR[byte]) % 2**WINDOW_BYTES
        size = end - start
        limit = sizes.early if size < sizes.bytes_normal else sizes.late
        if (size >= sizes.bytes_min and gear_hash < limit) or size == sizes.bytes_max:
            cuts.append(end)
            start = end
    return [*cuts, len(data)] if final and start < len(data) else cuts


def chunks(blocks: Iterable[Data], *, sizes: Sizes = SIZES) -> Iterator[bytes]:
    """The chunks of a content that comes in blocks of any size: the same, however it comes. Nothing has no chunk.

    Holds no more than a segment, a block and a chunk.
    """
    buffer = bytearray()
    for block in blocks:
        buffer += block
        if len(buffer) >= SEGMENT_BYTES:
            yield from _cut_off(buffer, final=False, sizes=sizes)
    yield from _cut_off(buffer, final=True, sizes=sizes)


def _cut_off(buffer: bytearray, *, final: bool, sizes: Sizes) -> Iterator[bytes]:
    whole = bytes(buffer)
    start = 0
    for end in find_cuts(whole, final=final, sizes=sizes):
        yield whole[start:end]
        start = end
    del buffer[:start]
