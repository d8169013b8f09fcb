"""CAR v1: blocks in a file, each behind the CID that its bytes must hash to (https://ipld.io/specs/transport/car/carv1/).

A file is a *header*, which names the *root* to begin at, and then *sections*: the length of what follows as a varint,
a CID, a block. Nothing here knows what the blocks say; `archive.py` does. Read strictly: every number in its shortest
form, all 36 bytes of each CID compared with those that the block has, nothing before, between or after the sections.
The format has no mark for the end of a file, so what it should hold must be said by a block that the root leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, BinaryIO, Final, NoReturn

from rhizomedb.errors import Error, ExchangeError
from rhizomedb.facts import codec
from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid

HEADER_BYTES_MAX: Final = 64 << 10
SECTION_BYTES_MAX: Final = 2 << 20
"""The longest header and section that are read, without the varint before them. A block is at most 1 MiB."""

UNPACKED_BYTES_FREE: Final = 64 << 20
UNPACKED_RATIO_MAX: Final = 200
"""A compressed file may unpack to the first, and beyond it to so many times its own size: signatures and hashes, of
which an honest archive is full, cannot be compressed."""

_VARINT_BYTES_MAX: Final = 4
"""Enough for the largest section."""

_PIECE_BYTES: Final = 64 << 10
"""How much is read at once: a length that is declared and not there costs no more than this."""

_HEADER_LIMITS: Final = codec.Limits(bytes=HEADER_BYTES_MAX)
_VERSION_1: Final = (b"\xa2eroots",)
_VERSION_2: Final = b"\x0a\xa1gversion\x02"


def looks_like_car(head: bytes) -> bool:
    """Whether a file that begins so is a CAR, of version 1 or 2."""
    return head.startswith(_VERSION_2) or any(head[at:].startswith(_VERSION_1) for at in (1, 2, 3))


# -- writing -----------------------------------------------------------------------------------------------------------


def header(root: Cid) -> bytes:
    """The header of a file with one root: as long for every root."""
    block = codec.encode({"roots": [root], "version": 1})
    return varint(len(block)) + block


def write_block(out: IO[bytes], block: bytes) -> Cid:
    """Write a block as a section; gives the CID under which it stands there."""
    cid = Cid.of(block)
    out.write(varint(CID_BYTES + len(block)) + bytes(cid))
    out.write(block)
    return cid


def varint(number: int) -> bytes:
    """A number of 0 or more in groups of seven bits, the lowest first (unsigned LEB128)."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


# -- reading -----------------------------------------------------------------------------------------------------------


class Reader:
    """One pass over the bytes of a CAR: the root, then every block with its CID. `place` says what was read last."""

    def __init__(self, data: BinaryIO, raw: BinaryIO, name: str) -> None:
        self._data = data
        self._raw = raw
        self._name = name
        self._at = 0
        self._start = 0
        self._number = 0

    @property
    def place(self) -> str:
        """The section that was read last, and at which byte of the unpacked file it begins."""
        part = f"section {self._number:,}" if self._number else "header"
        return f"{self._name} {part}, byte {self._start:,}"

    def root(self) -> Cid:
        """The one root that the header names."""
        size = self._varint(HEADER_BYTES_MAX)
        if size is None:
            self._refuse("exchange.car-header", "the file is empty")
        block = self._take(size)
        try:
            said = codec.decode(block, limits=_HEADER_LIMITS, links=codec.any_link)
        except Error as error:
            self._refuse("exchange.car-header", f"the header is not that of a CAR: {error.message}")
        if not isinstance(said, dict) or type(said.get("version")) is not int:
            self._refuse("exchange.car-header", "the header is not that of a CAR: it says no version")
        if said["version"] != 1:
            self._refuse("exchange.car-version", f"this is CAR version {said['version']}, and version 1 is read")
        roots = said.get("roots")
        if said.keys() != {"roots", "version"} or not isinstance(roots, list):
            self._refuse("exchange.car-header", "the header of a CAR has a list of roots, a version and nothing else")
        if len(roots) != 1:
            self._refuse("exchange.car-header", f"an archive of deltas has one root, and this has {len(roots):,}")
        if not (isinstance(roots[0], Cid) and roots[0].is_block):
            self._refuse("exchange.car-header", "the root is not the CID of a dag-cbor block by sha2-256")
        return roots[0]

    def blocks(self) -> Iterator[tuple[Cid, bytes]]:
        """Every block that follows, in the order of the file."""
        while True:
            self._number += 1
            self._start = self._at
            size = self._varint(SECTION_BYTES_MAX)
            if size is None:
                return
            if size <= CID_BYTES:
                self._refuse("exchange.car-section", f"a section of {size} bytes holds no CID and block")
            section = self._take(size)
            if self._at > UNPACKED_BYTES_FREE and self._at > UNPACKED_RATIO_MAX * self._raw.tell():
                self._refuse("exchange.car-section", "the file unpacks to far more than an archive would", "gunzip it")
            yield self._checked(section)

    def _checked(self, section: bytes) -> tuple[Cid, bytes]:
        block = section[CID_BYTES:]
        cid = Cid.of(block)
        if section[:CID_BYTES] != bytes(cid):
            if not section.startswith(PREFIX):
                message = f"the CID 0x{section[:8].hex()}… is not that of a dag-cbor block by sha2-256"
            else:
                message = f"the block that stands as {Cid(section[:CID_BYTES])} is {cid}: it was altered"
            self._refuse("exchange.car-block", message)
        return cid, block

    def _varint(self, most: int) -> int | None:
        """The length that begins here; None at the end of the file."""
        number = 0
        for place in range(_VARINT_BYTES_MAX):
            byte = self._data.read(1)
            if not byte:
                if place:
                    self._cut_short()
                return None
            self._at += 1
            number |= (byte[0] & 0x7F) << (7 * place)
            if byte[0] < 0x80:
                if place and not byte[0]:
                    self._refuse(self._code, f"the length {number:,} is not written in its shortest form")
                if number > most:
                    break
                return number
        self._refuse(self._code, f"a length of more than {most:,} bytes is declared")

    def _take(self, size: int) -> bytes:
        """So many bytes, asked for in pieces, so that nothing is allocated on the word of a length."""
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._data.read(min(missing, _PIECE_BYTES))
            if not piece:
                self._cut_short()
            pieces.append(piece)
            missing -= len(piece)
        self._at += size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def _code(self) -> str:
        return "exchange.car-section" if self._number else "exchange.car-header"

    def _cut_short(self) -> NoReturn:
        if self._number:
            self._refuse(self._code, "the file ends within a section: it was cut short, or something follows its end")
        self._refuse(self._code, "the file ends within its header: it was cut short, or is no CAR")

    def _refuse(self, code: str, message: str, fix: str | None = None) -> NoReturn:
        raise ExchangeError(code, message, where=self.place, fix=fix or FIXES[code]) from None


FIXES: Final = {
    "exchange.car-header": "rhizome export THEIRS.db deltas.car makes an archive that can be read",
    "exchange.car-version": "write it as CAR v1 with the tool that made it",
    "exchange.car-section": "copy the file again, whole, or export it again: rhizome export THEIRS.db deltas.car",
    "exchange.car-block": "copy the file again, or export it again: rhizome export THEIRS.db deltas.car",
}
"""What to do about each kind of fault."""
