"""Sources: the bytes of a file, a pipe or standard input, opened afresh for each pass and read as UTF-8 text.

What cannot be read twice (a pipe, standard input) is first copied to a temporary file. A gzip file is known by its
first bytes, whatever its name. Bytes that are not UTF-8 come through as lone surrogates, so that a reader can say on
which line they are and go on.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO, Final, TextIO, cast

from rhizomedb._record import dataclass
from rhizomedb.errors import ExchangeError, RequestError, nearest_names

LINE_CHARACTERS_MAX: Final = 16 << 20
"""The longest line that is read; a longer one means that the file is not a text table."""

SILENCE_CHARACTERS_MAX: Final = 16 << 20
"""The longest stretch of a text that says nothing: blank lines, rows of empty cells. A few kB of gzip hold gigabytes."""

HEAD_BYTES: Final = 64 << 10

NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as it comes through."""

_MAGIC: Final[dict[bytes, tuple[str, str]]] = {
    b"PK\x03\x04": ("a spreadsheet or zip archive", "save the sheet as CSV, or unpack the archive"),
    b"\xd0\xcf\x11\xe0": ("an old spreadsheet", "save the sheet as CSV"),
    b"SQLite format 3\0": ("a SQLite database", 'export a table: sqlite3 -header -csv FILE "select * from t"'),
    b"PAR1": ("a Parquet file", "export it as CSV or JSON lines"),
    b"ARROW1": ("an Arrow file", "export it as CSV or JSON lines"),
    b"%PDF": ("a PDF", "export its tables as CSV"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it first: zstd -d"),
    b"BZh": ("compressed with bzip2", "unpack it first: bunzip2"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it first: unxz"),
}
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"


@dataclass
class Opened:
    """One pass over a source: its text, and the raw file whose position says how far the pass is."""

    text: TextIO
    raw: BinaryIO
    name: str

    @property
    def data(self) -> BinaryIO:
        """The unpacked bytes, for a reader of what is no text; who reads them reads no text."""
        return self.text.buffer

    def position(self) -> int:
        """How many bytes of the (compressed) file have been read."""
        return self.raw.tell()

    def lines(self) -> Iterator[str]:
        """The lines with their ends, each at most `LINE_CHARACTERS_MAX` long, and not blank for ever."""
        blank = 0
        for number, line in enumerate(iter(partial(self.text.readline, LINE_CHARACTERS_MAX), ""), 1):
            if len(line) == LINE_CHARACTERS_MAX:
                raise ExchangeError(
                    "exchange.format",
                    f"the line is longer than {LINE_CHARACTERS_MAX >> 20} MiB: the file is not a text table",
                    where=f"{self.name} line {number}",
                    fix="name a CSV, TSV, JSON or JSON lines file",
                )
            if line.isspace():
                blank += len(line)
                if blank > SILENCE_CHARACTERS_MAX:
                    raise says_nothing(self.name, number)
            else:
                blank = 0
            yield line


def says_nothing(name: str, line: int, much: str = f"{SILENCE_CHARACTERS_MAX >> 20} MiB") -> ExchangeError:
    """The error for a text that goes on without saying anything."""
    return ExchangeError(
        "exchange.format",
        f"{much} of it say nothing: the file is not a table, or was made to take long",
        where=f"{name} line {line}",
        fix="look what is in it, and take out what is empty",
    )


class Source:
    """A file by its path, or `-` for standard input.

    Of what can be read only once, and may not end, at most `bytes_max` bytes are taken.
    """

    def __init__(
        self, path: str | os.PathLike[str], stdin: BinaryIO | None = None, *, bytes_max: int | None = None
    ) -> None:
        self.name = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        self._path = os.fspath(path)
        if "\0" in self._path:
            raise ExchangeError(
                "exchange.not-found", f"{self.name!r} cannot be the name of a file", fix="a name without NUL bytes"
            )
        with _failures_named(self.name):
            if self._path == "-":
                self._spool(stdin or standard_input(), bytes_max)
            elif not stat.S_ISREG(self._stat().st_mode):
                with open(self._path, "rb") as pipe:
                    self._spool(pipe, bytes_max)
            self._identity = _identity(os.stat(self._path))
            self.bytes_total = self._identity[2]
            with open(self._path, "rb") as file:
                self._gzipped = file.read(2) == _GZIP
            with self.open() as opened:
                head = bytes(cast(io.TextIOWrapper, opened.text).buffer.read(HEAD_BYTES))
        self._refuse_binary(head)
        self.head = head.decode("utf-8-sig", errors="replace")

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """Open the source for one pass; every failure to read it becomes an `ExchangeError`."""
        with _failures_named(self.name), open(self._path, "rb") as raw:
            if _identity(os.fstat(raw.fileno())) != self._identity:
                raise ExchangeError(
                    "exchange.unreadable", "the file changed while it was read", where=self.name, fix="try again"
                )
            # `raw` is closed by its own `with` alone: neither the text nor the decompressor owns it
            data = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self._gzipped else raw
            text = io.TextIOWrapper(data, encoding="utf-8-sig", errors="surrogateescape", newline="")
            try:
                yield Opened(text, raw, self.name)
            finally:
                text.detach()

    def _stat(self) -> os.stat_result:
        """The file's state; a missing file and a folder get messages of their own."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            raise not_found(self._path) from None
        if stat.S_ISDIR(status.st_mode):
            raise ExchangeError(
                "exchange.unreadable", f"{self.name} is a folder", fix="name a file, or read a repository with --git"
            )
        return status

    def _spool(self, stream: BinaryIO, bytes_max: int | None) -> None:
        """Copy a stream that can be read only once to a file that goes when this source does."""
        descriptor, self._path = tempfile.mkstemp(prefix="rhizome-")
        weakref.finalize(self, _unlink, self._path)
        with open(descriptor, "wb") as file:
            if bytes_max is None:
                shutil.copyfileobj(stream, file, 1 << 20)
            else:
                file.write(stream.read(bytes_max))

    def _refuse_binary(self, head: bytes) -> None:
        for magic, (what, fix) in _MAGIC.items():
            if head.startswith(magic):
                raise ExchangeError("exchange.format", f"{self.name} is {what}, which cannot be read", fix=fix)
        if head.startswith(_UTF16):
            raise ExchangeError(
                "exchange.encoding",
                f"{self.name} is UTF-16 text, not UTF-8",
                where=f"{self.name} line 1",
                fix="save it as UTF-8: iconv -f UTF-16 -t UTF-8",
            )


def standard_input() -> BinaryIO:
    """The bytes of standard input; `db.usage` if it is closed."""
    if sys.stdin is None:  # as it was when the process began
        raise RequestError(
            "db.usage", "standard input is closed", fix="name a file, or pipe one in: cat FILE | rhizome"
        )
    return sys.stdin.buffer


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def near_files(path: str) -> list[str]:
    """Paths of files in the same folder whose names look like this one."""
    folder = os.path.dirname(path)
    names: list[str] = []
    with suppress(OSError, ValueError):
        names = os.listdir(folder or ".")
    own = os.path.basename(path)  # it is there where the path is a symbolic link to nothing
    return [os.path.join(folder, name) for name in nearest_names(own, names) if name != own]


def leads_nowhere(path: str) -> str | None:
    """What to say of a path that is a symbolic link to nothing."""
    return f"{path} is a symbolic link that leads to no file" if os.path.islink(path) else None


def not_found(path: str, what: str = "file") -> ExchangeError:
    """The error for a path at which there is nothing."""
    return ExchangeError(
        "exchange.not-found",
        leads_nowhere(path) or f"there is no {what} {path}",
        nearest=near_files(path),
        fix=f"ls {shlex.quote(os.path.dirname(path) or '.')}",
    )


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """What the operating system and the decompressor say, as an `ExchangeError` that names the file."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ExchangeError(
            "exchange.unreadable",
            f"the compressed file is damaged or cut short: {error}",
            where=name,
            fix=f"gzip -t {shlex.quote(name)}",
        ) from None
    except OSError as error:
        raise ExchangeError(
            "exchange.unreadable",
            f"{name} cannot be read: {error.strerror or error}",
            fix=f"ls -l {shlex.quote(name)}",
        ) from None
