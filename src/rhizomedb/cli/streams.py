"""The three standard streams of a command: whatever they are, nothing that is printed may fail without being said.

What standard output cannot take is an error of ours, once; what the error stream cannot take is lost, as there is
nobody left to tell. A stream that is closed leads nowhere, and no file that is opened gets its number.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from rhizomedb.errors import ExchangeError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NAMES: Final = ("stdin", "stdout", "stderr")


class OutputRefused(ExchangeError):
    """Standard output could not be written."""


class _Rim(io.FileIO):
    """A file descriptor whose first failure to take bytes is told, if anybody is to be told; later bytes go nowhere."""

    def __init__(self, descriptor: int, *, silent: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._silent = silent
        self._broken = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes; `exchange.unwritable` if they cannot be, `BrokenPipeError` if nobody reads any more."""
        if not self._broken:
            try:
                while (count := super().write(data)) is None:  # it does not block, and is full
                    _wait_until_writable(self.fileno())
                return count
            except OSError as error:
                self._broken = True
                if not self._silent:
                    raise _told(error) from None
        return memoryview(data).nbytes


def _told(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return error
    return OutputRefused(
        "exchange.unwritable",
        f"standard output cannot be written: {error.strerror or error}",
        fix="make room where it goes, or send it to another file",
    )


def _wait_until_writable(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [])


@contextmanager
def settled(*, as_json: bool) -> Iterator[None]:
    """The streams as a command needs them, whatever the terminal's encoding: what it lacks comes as an escape."""
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_settled(stream, silent=stream is sys.stderr, as_json=as_json) for stream in before)
    try:
        yield
    finally:
        with suppress(Exception):  # it was told, or there is nobody to tell
            sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _settled(stream: TextIO, *, silent: bool, as_json: bool) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding = "utf-8" if as_json else stream.encoding
    if stream not in (sys.__stdout__, sys.__stderr__):  # whose it is knows how it fails
        stream.reconfigure(encoding=encoding, errors="backslashreplace")
        return stream
    with suppress(OSError):
        stream.flush()
    rim = io.BufferedWriter(_Rim(stream.fileno(), silent=silent))
    return io.TextIOWrapper(
        rim,
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _open_closed() -> None:
    """Give closed streams a place that leads nowhere: standard input stays closed to who asks for it."""
    for number, name in enumerate(_NAMES):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if name != "stdin":
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # as long as the process
