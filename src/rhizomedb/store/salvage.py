"""What can still be read of a file that is cut short, or altered so much that it does not open.

A delta proves itself: its signature says whether its bytes are those that were written. So nothing else of the file has
to be trusted, neither its schema nor its trees. Every page is looked at by itself, for rows of the shape of the log's,
and a row whose envelope is sound is saved wherever it stands. The pages are read here and not by SQLite, which finds a
row only through all that stands above it. The file is only read: no lock is taken and nothing is made beside it.

Rows of every format are read: an envelope as it is (format 1), or in a frame, whose hash need not be right, for the
signature says more. How many deltas there were is known from the last page of the log, or else from the marks and the
catalogue of the index.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import ENVELOPE_BYTES_MAX, Delta
from rhizomedb.store.check import LOG_ROW_BYTES_MIN
from rhizomedb.store.folder import ENDING
from rhizomedb.store.frame import DEFLATED, HEAD_BYTES, PLAIN
from rhizomedb.store.layout import APPLICATION_ID, Mark, seal

PAGE_BYTES: Final = 4096
"""What a page has where the header does not say it."""

LOG_ROOT: Final = 3
"""The page where the tree of the log begins, if the schema does not say it: it is the second table that is made."""

GROWTH_MAX: Final = 64
"""How many times larger a file may have been than what is left of it."""

CHAIN_READS: Final = 16
"""How often each page may be read, on average, as the continuation of a row: pages of strangers may lead in circles."""

UNREADABLE: Final = "cannot be read"
NOT_INFLATED: Final = "its compressed bytes are not what was written"

_HEADER_BYTES: Final = 100
_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_INNER, _LEAF = 0x05, 0x0D
_DEPTH_MAX: Final = 20
_ROW_BYTES_MAX: Final = ENVELOPE_BYTES_MAX + 64
_COLUMNS_MAX: Final = 13
_DELTA_COLUMNS_1, _MARK_COLUMNS_1 = 13, 10
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
_SEAL, _SEGMENT_SEAL = 12 + 2 * 8, 12 + 2 * 16
_LOG_NAMED: Final = b"tableloglog"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A row of the log: the envelope of its delta if it is sound, else what is wrong with it."""

    seq: int
    envelope: bytes | None
    problem: str | None = None


def salvage(path: str | os.PathLike[str]) -> Iterator[Salvaged]:
    """Every delta of a damaged file that is sound, and what is known of those that are not, in the order of the log."""
    with _Pages(os.fspath(path)) as pages:
        found = _Found(pages)
        saved = 0
        for row in found.rows():
            saved += row.envelope is not None
            yield row
        if not saved and pages.application_id != APPLICATION_ID:
            name = os.path.basename(pages.path) or pages.path
            raise StoreError("store.not-a-database", f"{name} is not a RhizomeDB database: it holds no delta")


class _Row(NamedTuple):
    """Where a row of the log stands: its page, its place and length there, and where in it the last column begins."""

    page: int
    at: int
    size: int
    body: int


class _Found:
    """All that the pages hold of the log, each row by its number, and how many the index says there are."""

    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self._log: dict[int, list[_Row]] = {}
        self._said = 0
        for page in pages:
            self._look(page)

    def rows(self) -> Iterator[Salvaged]:
        """Every row that there was, as far as that can be known."""
        possible = self._pages.bytes_once // LOG_ROW_BYTES_MIN
        found = max((seq for seq in self._log if seq <= possible), default=0)
        end = self._end()
        if end is not None and end < found:  # it is the end of something else, such as a log of an older format
            end = None
        said = self._said if self._said <= possible else 0
        last = min(end, possible) if end is not None else max(found, said)
        for seq in range(1, last + 1):
            yield self._row(seq)
        if end is None and (said < found or not last):
            yield Salvaged(last + 1, None, "it and all that came after it cannot be read")
        for seq in sorted(self._log):
            if seq > last and (row := self._row(seq)).envelope is not None:  # its number was altered, and not itself
                yield row

    def _row(self, seq: int) -> Salvaged:
        problem = UNREADABLE
        for row in self._log.get(seq, ()):
            data = self._pages.body(row)
            if data is None:
                continue
            found = _sound(data)
            if isinstance(found, Delta):
                return Salvaged(seq, found.encode())
            problem = found
        return Salvaged(seq, None, problem)

    def _look(self, page: int) -> None:
        data = self._pages.read(page)
        for cell in _cells(data):
            parsed = _parse(data, cell)
            if parsed is None:
                continue
            seq, types, at, size, body = parsed
            if _is_log(types):
                row = _Row(page, at, size, body + _INTEGER_BYTES[types[1]] - at)
                self._log.setdefault(seq, []).append(row)
            else:
                self._said = max(self._said, _deltas_said(data, seq, types, body))

    def _end(self) -> int | None:
        """The number of the last row, if the last page of the log can be read."""
        number = root = self._root()
        for _ in range(_DEPTH_MAX):
            data = self._pages.newest_of(number)
            if data[:1] == bytes([_INNER]):
                number = int.from_bytes(data[8:12], "big")
                continue
            if data[:1] != bytes([_LEAF]):
                return None
            cells = [_parse(data, cell) for cell in _cells(data)]
            if not cells:
                return 0 if number == root and not int.from_bytes(data[3:5], "big") else None
            last = cells[-1]
            return last[0] if last is not None and _is_log(last[1]) else None
        return None

    def _root(self) -> int:
        """The page where the tree of the log begins, as the schema says; it is on the first page, or just beneath it."""
        first = self._pages.newest_of(1)
        at = _HEADER_BYTES
        pages = [(first, at)]
        if first[at : at + 1] == bytes([_INNER]):
            below = [first[cell : cell + 4] for cell in _places(first, at, at + 12)] + [first[at + 8 : at + 12]]
            pages = [(self._pages.newest_of(int.from_bytes(number, "big")), 0) for number in below]
        for page, start in pages:
            for cell in _cells(page, start):
                _, types, _, _, body = _record(page, cell)
                begin = body + len(_LOG_NAMED)
                if page[body:begin] == _LOG_NAMED and len(types) == 5 and types[3] in _INTEGER_BYTES:
                    return int.from_bytes(page[begin : begin + _INTEGER_BYTES[types[3]]], "big")
        return LOG_ROOT


class _Pages:
    """The pages of a file, and those in the write-ahead log beside it, which count as negative numbers from -1 on.

    What cannot be read is no bytes, and what is cut is filled with zeros.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._stack = ExitStack()
        self._file, self._bytes = self._open(path)
        try:
            self._wal, self._wal_bytes = self._open(os.path.realpath(path) + "-wal")
        except StoreError:
            self._wal, self._wal_bytes = -1, 0
        header = _pread(self._file, _HEADER_BYTES, 0)
        wal_header = _pread(self._wal, _WAL_HEADER_BYTES, 0)
        sizes = (int.from_bytes(header[16:18], "big"), int.from_bytes(wal_header[8:12], "big"))
        self._page_bytes = next((size for raw in sizes if (size := 65536 if raw == 1 else raw) in _SIZES), PAGE_BYTES)
        self._count = -(-self._bytes // self._page_bytes)
        self._frames = 0
        self._newest: dict[int, int] = {}
        self._read_wal(wal_header[16:24])
        first = self.newest_of(1)
        once = min(int.from_bytes(first[28:32], "big") * self._page_bytes, GROWTH_MAX * self._bytes)
        self.application_id = int.from_bytes(first[68:72], "big")
        self.bytes_once = max(self._bytes, once) + self._wal_bytes
        self._chain_reads = CHAIN_READS * (self._count + self._frames + 1)

    def __enter__(self) -> _Pages:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[int]:
        """Every page, what was written last first; all but the first, which holds the schema."""
        yield from range(-self._frames, 0)
        yield from range(2, self._count + 1)

    def newest(self, number: int) -> int:
        """What was written last of the page with a number."""
        return self._newest.get(number, max(number, 0))

    def read(self, page: int) -> bytes:
        """The bytes of a page."""
        size = self._page_bytes
        if page > 0:
            data = _pread(self._file, size, (page - 1) * size) if page <= self._count else b""
        else:
            data = _pread(self._wal, size, self._frame_at(-page) + _FRAME_HEADER_BYTES) if page else b""
        return data.ljust(size, b"\0") if data else b""

    def newest_of(self, number: int) -> bytes:
        """What was written last on the page with a number."""
        return self.read(self.newest(number))

    def body(self, row: _Row) -> bytes | None:
        """The frame or envelope in a row of the log, with all that continues on other pages; None if some is not there."""
        data = self.read(row.page)
        most, least = self._page_bytes - 35, (self._page_bytes - 12) * 32 // 255 - 23
        here = row.size
        if row.size > most:
            here = least + (row.size - least) % (self._page_bytes - 4)
            here = here if here <= most else least
        end = row.at + here
        parts = [data[row.at : end]]
        number = int.from_bytes(data[end : end + 4], "big")
        missing = row.size - here
        while missing > 0:
            self._chain_reads -= 1
            data = self.newest_of(number) if self._chain_reads > 0 else b""
            if not data:
                return None
            number = int.from_bytes(data[:4], "big")
            parts.append(data[4 : 4 + missing])
            missing -= len(parts[-1])
        return b"".join(parts)[row.body :]

    def _open(self, path: str) -> tuple[int, int]:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise StoreError("store.unreadable", f"{path} is not a file", fix="name a file, such as films.db")
            file = os.open(path, os.O_RDONLY)
            self._stack.callback(os.close, file)
            return file, os.fstat(file).st_size
        except FileNotFoundError:
            raise StoreError("store.not-found", f"there is no file {path}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StoreError("store.unreadable", f"{path} cannot be opened: {reason.lower()}") from None

    def _frame_at(self, frame: int) -> int:
        return _WAL_HEADER_BYTES + (frame - 1) * (_FRAME_HEADER_BYTES + self._page_bytes)

    def _read_wal(self, salt: bytes) -> None:
        """Find the frames of the transactions that were finished."""
        pending: dict[int, int] = {}
        frame = 0
        while self._frame_at(frame + 2) <= self._wal_bytes:  # one more is there whole
            frame += 1
            header = _pread(self._wal, _FRAME_HEADER_BYTES, self._frame_at(frame))
            if header[8:16] != salt or not salt:
                return
            pending[int.from_bytes(header[:4], "big")] = -frame
            if any(header[4:8]):  # the last of a transaction
                self._newest.update(pending)
                self._frames = frame
                pending.clear()


_SIZES: Final = frozenset(1 << power for power in range(9, 17))


def _pread(file: int, size: int, at: int) -> bytes:
    """Some bytes of a file, or none where the disk does not give them."""
    try:
        return os.pread(file, size, at) if file >= 0 else b""
    except OSError:
        return b""


# -- what the rows of ours say -----------------------------------------------------------------------------------------


def _sound(data: bytes) -> Delta | str:
    """The delta in the last column of a row of the log, whatever its format is; else what is wrong with it."""
    problems = []
    for envelope in _envelopes(data):
        try:
            if envelope is None:
                problems.append(NOT_INFLATED)
            else:
                return Delta.decode(envelope)
        except Error as error:
            problems.append(error.message)
    return problems[0]


def _envelopes(data: bytes) -> Iterator[bytes | None]:
    """What may be an envelope here; first what the first byte says, then the rest, for that byte may be what is wrong."""
    kind = data[:1]
    if kind not in (bytes((PLAIN,)), bytes((DEFLATED,))):
        yield data
    if kind != bytes((DEFLATED,)):
        yield data[HEAD_BYTES:]
    try:
        yield zlib.decompressobj().decompress(data[HEAD_BYTES:], ENVELOPE_BYTES_MAX)
    except zlib.error:
        yield None
    if kind == bytes((DEFLATED,)):
        yield data[HEAD_BYTES:]


def _deltas_said(page: bytes, number: int, types: Sequence[int], body: int) -> int:
    """How many deltas there are at least, as a row of the index says; 0 for other rows."""
    match len(types):
        case 8 if types[-1] == _SEAL and all(kind in _INTEGER_BYTES for kind in types[1:-1]):
            *numbers, sealed = _values(page, types[1:], body)
            deltas: int = numbers[0]
            return deltas if seal(*Mark(number, *numbers)) == sealed else 0
        case 4 if types[3] == _SEGMENT_SEAL and _is_text(types[1]) and types[2] in _INTEGER_BYTES:
            name, *_ = _values(page, types[1:], body)
            return number if name.endswith(ENDING.encode()) else 0
        case columns if columns == _MARK_COLUMNS_1 and all(kind in _INTEGER_BYTES for kind in types[1:]):
            deltas_1: int = _values(page, types[1:2], body)[0]
            return max(0, deltas_1)
        case columns if columns == _DELTA_COLUMNS_1 and _is_blob(types[1]):
            return number
    return 0


# -- the format of SQLite's tables, as far as it matters here ----------------------------------------------------------


def _cells(page: bytes, start: int = 0) -> Sequence[int]:
    """Where the rows of a page stand within it, if it is one with rows."""
    return _places(page, start, start + 8) if page[start : start + 1] == bytes([_LEAF]) else ()


def _places(page: bytes, start: int, first: int) -> Sequence[int]:
    """Where the cells of a page whose header begins at `start` stand; `first` is where the list of them begins."""
    count = min(int.from_bytes(page[start + 3 : start + 5], "big"), (len(page) - first) // 2)
    places = (int.from_bytes(page[at : at + 2], "big") for at in range(first, first + 2 * count, 2))
    return list(dict.fromkeys(place for place in places if first <= place < len(page)))


def _record(page: bytes, cell: int) -> tuple[int, list[int], int, int, int]:
    """A row's number, the types of its columns, where it begins, its length, and where its columns begin."""
    size, at = _varint(page, cell)
    number, at = _varint(page, at)
    head, after = _varint(page, at)
    body = at + head
    types: list[int] = []
    while after < body and len(types) <= _COLUMNS_MAX:
        kind, after = _varint(page, after)
        types.append(kind)
    return number, types, at, size, body


def _parse(page: bytes, cell: int) -> tuple[int, list[int], int, int, int] | None:
    """The row of a table of ours that counts: its first column is its number, and takes no bytes. None if it is not so."""
    number, types, at, size, body = _record(page, cell)
    fits = 0 < size <= _ROW_BYTES_MAX and 0 < number < 1 << 63
    return (number, types, at, size, body) if fits and len(types) > 2 and types[0] == 0 else None


def _values(page: bytes, types: Sequence[int], at: int) -> list[Any]:
    """The numbers and bytes that stand one after another."""
    values: list[Any] = []
    for kind in types:
        size = _INTEGER_BYTES.get(kind, max(0, (kind - 12) // 2))
        part = page[at : at + size]
        if kind in _INTEGER_BYTES:
            values.append(int.from_bytes(part, "big", signed=True) if size else kind - 8)
        else:
            values.append(part)
        at += size
    return values


def _is_log(types: Sequence[int]) -> bool:
    return len(types) == 3 and types[1] in _INTEGER_BYTES and _is_blob(types[2])


def _is_blob(kind: int) -> bool:
    return kind >= 12 and kind % 2 == 0


def _is_text(kind: int) -> bool:
    return kind >= 13 and kind % 2 == 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends. Beyond the end there are zeros."""
    number = 0
    for place in range(at, at + 8):
        byte = data[place] if place < len(data) else 0
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + 1
    return number << 8 | (data[at + 8] if at + 8 < len(data) else 0), at + 9
