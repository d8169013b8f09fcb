"""Rows out: CSV, JSON and JSON lines for other programs, to a file or to standard output.

A file appears whole or not at all: rows go to a temporary file beside it, which takes its name at the end. When the
reader of a pipe goes away (`| head`), writing stops without a word.

Data is written exactly. In particular a text that begins with `=`, `+`, `-` or `@` stays as it is, although a
spreadsheet takes it for a formula: whoever opens an export of strangers' data in one should import its columns as text.

A CSV cell holds a bool as `true` or `false`, a float with its point (`1.0`), bytes in hexadecimal, a CID as its text,
several values as a JSON array; an absent value and an empty text are both an empty cell. JSON holds bytes and CIDs as
DAG-JSON does, and keeps every kind.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, Any, Final, TextIO, TypeAlias, cast

from rhizomedb.errors import ExchangeError, nearest_names
from rhizomedb.facts.cid import Cid

RowOut: TypeAlias = Mapping[str, object]
"""A row to write: values by column; `None` for an absent one, a list for several, in JSON any nesting of these."""

FORMATS: Final = ("csv", "tsv", "json", "jsonl")


def write_rows(
    rows: Iterable[RowOut],
    path: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,
    columns: Sequence[str] | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Write rows, and say how many; `None` or `-` is standard output.

    The format is that of the path's name (`films.csv`, `films.jsonl.gz`) unless given; for standard output it is JSON
    lines. CSV needs its columns first: where they are not given, the rows are collected to find them.
    """
    to_stdout = path is None or os.fspath(path) == "-"
    chosen = format or ("jsonl" if to_stdout else _format_of(os.fspath(path or "")))
    if chosen not in WRITERS:
        raise ExchangeError(
            "exchange.format",
            f"{chosen!r} is not a format that can be written",
            nearest=nearest_names(chosen, WRITERS),
            fix=f"use one of {', '.join(FORMATS)}",
        )
    if chosen in ("csv", "tsv") and columns is None:
        rows = list(rows)
        columns = columns_of(rows)
    counted = _Counted(rows)
    with _opened(path, stdout) as out:
        WRITERS[chosen](counted, columns, out)
    return counted.count


def write_lines(
    lines: Iterable[str], path: str | os.PathLike[str] | None = None, *, stdout: TextIO | None = None
) -> int:
    """Write lines that are ready, and say how many; `None` or `-` is standard output."""
    count = 0
    with _opened(path, stdout) as out:
        for line in lines:
            out.write(line + "\n")
            count += 1
    return count


def opened_exactly(path: str | os.PathLike[str]) -> AbstractContextManager[IO[bytes]]:
    """A place for bytes that are written as they are, whatever its name; the file appears whole or not at all."""
    return _whole_file(os.fspath(path))


def opened_bytes(
    path: str | os.PathLike[str] | None = None, stdout: TextIO | None = None
) -> AbstractContextManager[tuple[IO[bytes], bool]]:
    """A place for bytes, and whether its beginning can be written again in the end; `None` or `-` is standard output."""
    if path is None or os.fspath(path) == "-":
        return _standard_bytes(stdout or sys.stdout)
    return _whole_bytes(os.fspath(path))


def _opened(path: str | os.PathLike[str] | None, stdout: TextIO | None) -> AbstractContextManager[TextIO]:
    if path is None or os.fspath(path) == "-":
        return _standard_output(stdout or sys.stdout)
    return _whole_text(os.fspath(path))


def columns_of(rows: Iterable[RowOut]) -> list[str]:
    """Every column of the rows, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row))


class _Counted:
    def __init__(self, rows: Iterable[RowOut]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[RowOut]:
        for row in self._rows:
            yield row
            self.count += 1


# What a value looks like in each format.


def to_json(value: object) -> Any:
    """A value, or any nesting of values, as `json.dumps` takes it: bytes and CIDs in their DAG-JSON forms."""
    if isinstance(value, Cid):
        return {"/": str(value)}
    if isinstance(value, bytes):
        return {"/": {"bytes": base64.b64encode(value).decode("ascii").rstrip("=")}}
    if isinstance(value, Mapping):
        return {str(name): to_json(inner) for name, inner in value.items()}
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, Iterable):
        return [to_json(inner) for inner in value]
    return str(value)


def to_cell(value: object) -> str:
    """A value as the text of a CSV cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Cid):
        return str(value)
    return to_line(value)


def to_line(value: object) -> str:
    """A value or a row as one line of JSON."""
    return json.dumps(to_json(value), ensure_ascii=False, allow_nan=False)


# How a whole output is laid out in each format.


def _write_csv(rows: Iterable[RowOut], columns: Sequence[str] | None, out: TextIO, delimiter: str = ",") -> None:
    names = list(columns or ())
    # The csv module quotes a carriage return only if lines end in one; so they do, and `_Unix` takes it off again.
    writer = csv.writer(_Unix(out), delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([to_cell(row.get(name)) for name in names])


def _write_tsv(rows: Iterable[RowOut], columns: Sequence[str] | None, out: TextIO) -> None:
    _write_csv(rows, columns, out, "\t")


def _write_lines(rows: Iterable[RowOut], columns: Sequence[str] | None, out: TextIO) -> None:
    for row in rows:
        out.write(to_line(_chosen(row, columns)) + "\n")


def _write_json(rows: Iterable[RowOut], columns: Sequence[str] | None, out: TextIO) -> None:
    before = "[\n"
    for row in rows:
        out.write(f"{before}  {to_line(_chosen(row, columns))}")
        before = ",\n"
    out.write("\n]\n" if before != "[\n" else "[]\n")


WRITERS: Final[dict[str, Callable[[Iterable[RowOut], Sequence[str] | None, TextIO], None]]] = {
    "csv": _write_csv,
    "tsv": _write_tsv,
    "json": _write_json,
    "jsonl": _write_lines,
}


def _chosen(row: RowOut, columns: Sequence[str] | None) -> RowOut:
    return row if columns is None else {name: row[name] for name in columns if name in row}


class _Unix:
    """A file whose lines come ended by CR LF and are written ended by LF; the csv writer writes a row at a time."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, line: str) -> int:
        return self._out.write(line[:-2] + "\n")


# Where it goes.


@contextmanager
def _whole_text(path: str) -> Iterator[TextIO]:
    with _whole_file(path) as file, _packed(file, path) as data:
        text = io.TextIOWrapper(data, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            text.detach()


@contextmanager
def _whole_bytes(path: str) -> Iterator[tuple[IO[bytes], bool]]:
    with _whole_file(path) as file, _packed(file, path) as data:
        yield data, data is file and file.seekable()


@contextmanager
def _packed(file: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    """The file itself, or where its name ends in .gz, what packs for it."""
    if path.lower().endswith(".gz"):
        with gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed:
            yield cast(IO[bytes], packed)
    else:
        yield file


@contextmanager
def _whole_file(path: str) -> Iterator[IO[bytes]]:
    """A file that takes its place when everything is written; a pipe or device is written straight to."""
    if "\0" in path:
        raise _unwritable(f"{path!r} cannot be the name of a file")
    try:
        target = os.path.realpath(path)  # a symbolic link stays one
        exists = os.path.exists(target)
        if exists and not stat.S_ISREG(os.stat(target).st_mode):
            if os.path.isdir(target):
                raise _unwritable(f"{path} is a folder")
            with open(target, "wb") as device, _quiet_pipe():
                yield device
                device.flush()
            return
        descriptor, temporary = tempfile.mkstemp(prefix=".rhizome-", dir=os.path.dirname(target))
        try:
            with open(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode) if exists else 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise _unwritable(f"{path} cannot be written: {error.strerror or error}") from None


def _unwritable(message: str) -> ExchangeError:
    return ExchangeError(
        "exchange.unwritable", message, fix="name a file in a folder that you can write, or - to print"
    )


@contextmanager
def _standard_output(stdout: TextIO) -> Iterator[TextIO]:
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8")  # what programs read is UTF-8 wherever they run
    with _quiet_pipe(stdout):
        yield stdout
        stdout.flush()


@contextmanager
def _standard_bytes(stdout: TextIO) -> Iterator[tuple[IO[bytes], bool]]:
    if stdout.isatty():
        raise ExchangeError(
            "exchange.unwritable",
            "what is no text is not printed on a terminal",
            fix="name a file, or send it on: rhizome export FILE --format car > deltas.car",
        )
    with _quiet_pipe(stdout):
        stdout.flush()
        yield stdout.buffer, False  # a file behind it may be one that is only appended to
        stdout.buffer.flush()


@contextmanager
def _quiet_pipe(stream: TextIO | None = None) -> Iterator[None]:
    """Let a broken pipe end the writing in silence; the stream goes nowhere afterwards, so that exit is silent too."""
    try:
        yield
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            if stream is not None:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _format_of(path: str) -> str:
    """The format that a path's name says."""
    suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1].removeprefix(".")
    suffix = {"ndjson": "jsonl", "tab": "tsv"}.get(suffix, suffix)
    if suffix not in FORMATS:
        raise ExchangeError(
            "exchange.format",
            f"the name {path!r} does not say a format",
            fix=f"end it in .{', .'.join(FORMATS)}, or use --format",
        )
    return suffix
