"""CSV and TSV (RFC 4180): cells separated by one character, quoted where they must be, a header line first.

The first pass finds what each column holds and which rows are bad; the second converts whole columns, a few thousand
rows at a time, and puts the rows together again. A row is bad if its number of cells is not that of the header, if a
quotation mark in it is misplaced, if its bytes are not UTF-8, if its key is empty, or if a cell is not of the kind
that was declared. A row without a single filled cell says nothing and is passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import compress
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import ExchangeError, ValueRefused
from rhizomedb.exchange.infer import CONVERT, Seen, are_numbers_with_commas, look, parse_as, settle, why_not
from rhizomedb.exchange.source import NOT_UTF8, SILENCE_CHARACTERS_MAX, Opened, Source, says_nothing
from rhizomedb.exchange.table import (
    COLUMNS_MAX,
    BadRows,
    Chunk,
    Keys,
    Notice,
    Options,
    Progress,
    Row,
    RowsRefused,
    Table,
    check_columns,
    check_renames,
    keeps,
    kinds_differ,
)
from rhizomedb.facts.value import VALUE_BYTES_MAX, Value, check_text

FIELD_CHARACTERS_MAX: Final = 1 << 20
DELIMITERS: Final = ",;\t|"
CHUNK_ROWS: Final = 2048
CHUNK_CELLS: Final = 1 << 17
CHUNK_CHARACTERS: Final = 8 << 20
"""How much is converted at once: so many rows, or so many cells or characters where the rows are wide or long."""

_QUOTING: Final[dict[bool, Any]] = {True: csv.QUOTE_MINIMAL, False: csv.QUOTE_NONE}


@dataclass(slots=True)
class Column:
    """One column that is read: its place in the file, what was declared of it, and what its cells look like so far."""

    index: int
    name: str
    declared: str | None
    known: str | None
    kind: str = "text"
    seen: Seen = Seen.NOTHING
    fits_known: bool = True
    blanks: int = 0
    numbers: bool = True
    """Whether every cell so far is a number, with a decimal comma or without."""
    commas: bool = False
    """Whether one of them has a comma."""


@dataclass
class Cells:
    """Some rows that have the right number of cells, and the lines on which they begin."""

    lines: list[int]
    rows: list[list[str]]


@dataclass(slots=True)
class Taken:
    """How many characters were read since the last chunk, and since the last row that says something."""

    characters: int = 0
    silent: int = 0


@dataclass
class Shape:
    """What is known of a file before its rows: how cells are separated, and the header."""

    source: Source
    delimiter: str
    quotes: bool
    share: float = 1.0
    width: int = 0
    header: list[str] = field(default_factory=list)

    def reader(self, lines: Iterator[str]) -> Any:
        """The standard library's reader, strict: a misplaced quotation mark is an error and not a guess."""
        # The limit is one for the whole process and 128 KiB by default: it is only ever raised here.
        csv.field_size_limit(max(FIELD_CHARACTERS_MAX, csv.field_size_limit()))
        return csv.reader(lines, delimiter=self.delimiter, quoting=_QUOTING[self.quotes], strict=True)


def read_csv(source: Source, options: Options, progress: Progress | None = None) -> Table:
    """Make the first pass: type the columns and find the bad rows; refuse the file if none may be skipped."""
    tabs = options.format == "tsv"
    delimiter = options.delimiter or ("\t" if tabs else sniff(source.head, options.quotes))
    shape = Shape(source, delimiter, options.quotes, options.share)
    columns = _header(shape, options)
    misshapen, unfit, keys = BadRows(), BadRows(), Keys(options.share)
    rows_count = 0
    for chunk in _chunks(shape, misshapen, progress):
        rows_count += len(chunk.rows)
        _look(chunk, columns, options, unfit, keys)
    rows_count += misshapen.count
    bad = misshapen.union(unfit)
    if bad.count and not options.skip_bad:
        raise RowsRefused(source.name, bad, rows_count)
    notices = keys.notices()
    for column in columns:
        notices += _settle(column)
    unfit_count = unfit.count
    return Table(
        name=source.name,
        format="tsv" if delimiter == "\t" else "csv",
        columns=tuple(column.name for column in columns),
        kinds={column.name: column.kind for column in columns},
        rows_count=rows_count,
        bad_count=bad.count,
        bad_rows=tuple(bad.kept),
        notices=tuple(notices),
        keys_may_repeat=keys.may_repeat,
        memory_bytes=options.memory_bytes,
        _read=lambda told: _rows(_values(shape, columns, options, unfit_count, told), columns),
        _read_chunks=lambda told: _values(shape, columns, options, unfit_count, told),
    )


def sniff(head: str, quotes: bool = True) -> str:
    """The character that separates the cells: the one that gives most columns in most of the first rows."""
    lines = head.splitlines(keepends=True)
    if len(lines) > 1 and not lines[-1].endswith("\n"):
        lines.pop()  # the head may end inside a line

    def score(delimiter: str) -> tuple[float, int]:
        widths = []
        try:
            for row in csv.reader(iter(lines[:50]), delimiter=delimiter, quoting=_QUOTING[quotes]):
                if row:
                    widths.append(len(row))
        except csv.Error:
            pass
        if not widths or widths[0] < 2:
            return (0.0, 0)
        agree = sum(width == widths[0] for width in widths) / len(widths)
        return (round(agree, 1), widths[0])

    best = max(DELIMITERS, key=score)
    return best if score(best)[1] else ","


def _header(shape: Shape, options: Options) -> list[Column]:
    """Read the header and choose the columns."""
    name = shape.source.name
    with shape.source.open() as opened:
        lines = opened.lines()
        try:
            header = next((row for row in shape.reader(lines) if row), None)
        except csv.Error as error:
            raise _bad_header(name, f"the header cannot be read: {_reason(error)}") from None
    if header is None:
        raise _bad_header(name, "the file is empty", "its first line names the columns")
    if len(header) > COLUMNS_MAX:
        raise _bad_header(name, f"{len(header):,} columns are more than the {COLUMNS_MAX:,} that are read")
    shape.width = len(header)
    shape.header = [cell.strip() for cell in header]
    for place, title in enumerate(shape.header, 1):
        if NOT_UTF8.search(title):
            raise ExchangeError(
                "exchange.encoding",
                f"the name of column {place} is not UTF-8",
                where=f"{name} line 1",
                fix="save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8",
            )
        if "\0" in title:
            raise _bad_header(name, f"the name of column {place} holds a NUL byte")
        if not title and "" not in options.drop:
            raise _bad_header(name, f"column {place} has no name", 'name it in the file, or leave it out: --drop ""')
    named = [title for title in shape.header if title]
    check_renames(options, named, name)
    titles = [options.rename.get(title, title) for title in shape.header]
    twice = sorted({title for title in titles if title and titles.count(title) > 1})
    if twice:
        raise _bad_header(name, f"two columns are called {twice[0]!r}", "rename one of them in the file")
    check_columns(options, [title for title in titles if title], name)
    return [
        Column(index, title, options.types.get(title), options.known.get(title))
        for index, title in enumerate(titles)
        if title and keeps(options, title)
    ]


def _bad_header(name: str, message: str, fix: str = "correct the first line of the file") -> ExchangeError:
    return ExchangeError("exchange.header", message, where=f"{name} line 1", fix=fix)


def _chunks(shape: Shape, bad: BadRows, progress: Progress | None) -> Iterator[Cells]:
    """The rows after the header with the right number of cells, in chunks; the others are noted as bad."""
    total = shape.source.bytes_total
    with shape.source.open() as opened:
        spoiled: dict[int, tuple[str, str]] = {}
        taken = Taken()
        reader = shape.reader(_checked(opened, spoiled, taken))
        rows = _good_rows(reader, shape, spoiled, bad, taken)
        most = max(1, min(CHUNK_ROWS, int(CHUNK_CELLS * shape.share) // shape.width))
        while chunk := _take(rows, most, int(CHUNK_CHARACTERS * shape.share), taken):
            yield chunk
            if progress is not None:
                progress(opened.position(), total)
        if progress is not None:
            progress(total, total)


def _take(rows: Iterator[tuple[int, list[str]]], most: int, characters: int, taken: Taken) -> Cells | None:
    taken.characters = 0
    lines, cells = [], []
    for line, row in rows:
        lines.append(line)
        cells.append(row)
        if len(cells) == most or taken.characters > characters:
            break
    return Cells(lines, cells) if cells else None


def _checked(opened: Opened, spoiled: dict[int, tuple[str, str]], taken: Taken) -> Iterator[str]:
    """The lines as they are; those with bytes that text cannot hold are noted by number."""
    for number, line in enumerate(opened.lines(), 1):
        taken.characters += len(line)
        taken.silent += len(line)
        if "\0" in line:
            spoiled[number] = ("exchange.row-value", "a NUL byte cannot stand in a text table")
        elif not line.isascii() and (match := NOT_UTF8.search(line)):
            byte = ord(match.group()) & 0xFF
            spoiled[number] = ("exchange.encoding", f"byte 0x{byte:02X} at character {match.start() + 1} is not UTF-8")
        yield line


def _good_rows(
    reader: Any, shape: Shape, spoiled: dict[int, tuple[str, str]], bad: BadRows, taken: Taken
) -> Iterator[tuple[int, list[str]]]:
    """The rows whose shape is right, each with the line on which it begins."""
    width, header_due = shape.width, True
    line, start = 1, 1
    while True:
        try:
            for row in reader:
                line, start = start, reader.line_num + 1
                if not row:
                    continue
                if header_due:
                    header_due = False
                    spoiled.clear()
                elif spoiled and (found := [spoiled.pop(n) for n in range(line, start) if n in spoiled]):
                    taken.silent = 0
                    bad.add(line, *found[0])
                elif len(row) != width:
                    taken.silent = 0
                    bad.add(line, "exchange.row-width", _wrong_width(row, width))
                elif row[0].strip() or any(map(str.strip, row)):
                    taken.silent = 0
                    yield line, row
                elif taken.silent > SILENCE_CHARACTERS_MAX:
                    raise says_nothing(shape.source.name, line)
            return
        except csv.Error as error:
            line, start = start, reader.line_num + 1
            reason = _reason(error)
            if "field larger" in str(error):
                bad.add(
                    line, "exchange.row-quote", f"{reason}: is a quotation mark never closed? Nothing after it was read"
                )
                return
            bad.add(line, "exchange.row-quote", reason)


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quotation mark opens in this row and is never closed: the file ends inside it"
    if "expected after" in text:
        return 'a quoted cell goes on after its closing quotation mark (inside a cell it is written twice: "")'
    if "field larger" in text:
        return f"a cell is longer than {FIELD_CHARACTERS_MAX >> 20} MiB"
    return text


def _wrong_width(row: Sequence[str], width: int) -> str:
    hint = " (a cell with a comma in it must be quoted)" if len(row) > width else ""
    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
    return f"{cells} where the header has {width}{hint}"


def _look(chunk: Cells, columns: list[Column], options: Options, bad: BadRows, keys: Keys) -> None:
    """Note what the cells of a chunk look like, and the rows whose key or declared cells are bad."""
    raw, stripped = _columns(chunk, columns)
    for line, reason in sorted(_unfit(chunk, columns, options, raw, stripped).items()):
        bad.add(line, *reason)
    for column, cells, plain in zip(columns, raw, stripped, strict=True):
        if column.declared is not None:
            continue
        if column.numbers:
            column.numbers = are_numbers_with_commas(plain)
            column.commas = column.commas or any("," in cell for cell in plain)
        if Seen.TEXT not in column.seen:
            column.seen |= look(plain)
        if column.known in ("bytes", "cid") and column.fits_known:
            column.fits_known = _fits(column.known, plain)
        if cells != plain and not options.strip:
            column.blanks += sum(1 for cell, bare in zip(cells, plain, strict=True) if bare and cell != bare)
    if options.key:
        by_name = {column.name: cells for column, cells in zip(columns, stripped, strict=True)}
        key_cells = [by_name[name] for name in options.key]
        keys.add(zip(*key_cells, strict=True), chunk.lines)


def _unfit(
    chunk: Cells, columns: list[Column], options: Options, raw: list[tuple[str, ...]], stripped: list[tuple[str, ...]]
) -> dict[int, tuple[str, str]]:
    """The rows of a chunk whose key or declared cells are bad, by line, and the first reason for each.

    Either pass finds them anew: to remember the lines of all would take memory without bound, and compressed a file
    of bad rows is small.
    """
    found: dict[int, tuple[str, str]] = {}
    for column, cells, plain in zip(columns, raw, stripped, strict=True):
        if column.name in options.key and "" in plain:
            for line in compress(chunk.lines, (not cell for cell in plain)):
                found.setdefault(line, ("exchange.row-key", f"the key column `{column.name}` is empty"))
        if sum(map(len, cells)) > VALUE_BYTES_MAX // 4:  # bytes are at most four times the characters
            _note_too_long(column, chunk.lines, cells, found)
        if column.declared is not None:
            _note_undeclared(column, chunk.lines, plain, found)
    return found


def _columns(chunk: Cells, columns: list[Column]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The cells of a chunk by column, as they are and without blanks at their ends."""
    transposed = list(zip(*chunk.rows, strict=True))
    raw = [transposed[column.index] for column in columns]
    return raw, [tuple(map(str.strip, cells)) for cells in raw]


def _note_too_long(column: Column, lines: list[int], cells: Sequence[str], found: dict[int, tuple[str, str]]) -> None:
    for line, cell in zip(lines, cells, strict=True):
        try:
            check_text(cell)
        except ValueRefused as error:
            found.setdefault(line, ("exchange.row-value", f"`{column.name}`: {error.message}"))


def _note_undeclared(column: Column, lines: list[int], cells: Sequence[str], found: dict[int, tuple[str, str]]) -> None:
    kind = column.declared
    assert kind is not None, "only declared columns are checked cell by cell"
    if kind == "text":
        return
    for line, cell in zip(lines, cells, strict=True):
        if cell:
            try:
                parse_as(kind, cell)
            except (ValueError, ValueRefused) as error:
                found.setdefault(line, ("exchange.row-value", why_not(kind, column.name, cell, error)))


def _fits(kind: str, cells: Sequence[str]) -> bool:
    try:
        for cell in cells:
            if cell:
                parse_as(kind, cell)
    except (ValueError, ValueRefused):
        return False
    return True


def _settle(column: Column) -> list[Notice]:
    """Fix a column's kind, and say what there is to say about it."""
    if column.declared is not None:
        column.kind = column.declared
        return []
    column.kind, differs = settle(column.seen, column.known, column.fits_known)
    notices = []
    if differs:
        notices.append(kinds_differ(column.name, column.kind, column.known or "text"))
    if column.kind == "text" and column.known != "text" and column.seen and not column.seen & (Seen.TEXT | Seen.BOOL):
        notices.append(
            Notice(
                "numbers-as-text", f"`{column.name}` holds numbers too long to keep exactly, so it is text", column.name
            )
        )
    if column.kind == "text" and column.known != "text" and column.numbers and column.commas:
        text = f"`{column.name}` holds numbers with decimal commas, so it is text (3.50, with a point, is a number)"
        notices.append(Notice("decimal-commas", text, column.name))
    if column.kind == "text" and column.blanks:
        cells = "1 cell" if column.blanks == 1 else f"{column.blanks:,} cells"
        begin = "begins or ends" if column.blanks == 1 else "begin or end"
        notices.append(
            Notice(
                "blanks-kept",
                f"{cells} of `{column.name}` {begin} with blanks, which are kept (--strip takes them off)",
                column.name,
            )
        )
    return notices


def _values(
    shape: Shape, columns: list[Column], options: Options, unfit_count: int, progress: Progress | None
) -> Iterator[Chunk]:
    """The second pass: the values of the good rows, by column."""
    for cells in _chunks(shape, BadRows(), progress):
        raw, stripped = _columns(cells, columns)
        unfit = _unfit(cells, columns, options, raw, stripped) if unfit_count else {}
        if unfit:
            good = [line not in unfit for line in cells.lines]
            cells = Cells(list(compress(cells.lines, good)), list(compress(cells.rows, good)))  # noqa: PLW2901
            if not cells.rows:
                continue
            raw, stripped = _columns(cells, columns)
        values = [
            _convert(column, kept, plain, options.strip)
            for column, kept, plain in zip(columns, raw, stripped, strict=True)
        ]
        yield Chunk(cells.lines, values)


def _rows(chunks: Iterator[Chunk], columns: list[Column]) -> Iterator[Row]:
    """The rows that say something, one by one."""
    names = [column.name for column in columns]
    for chunk in chunks:
        if any(None in column for column in chunk.values):
            for line, *row in zip(chunk.lines, *chunk.values, strict=True):
                said = {name: value for name, value in zip(names, row, strict=True) if value is not None}
                if said:
                    yield Row(line, said)
        else:
            for line, *row in zip(chunk.lines, *chunk.values, strict=True):
                yield Row(line, dict(zip(names, row, strict=True)))


def _convert(column: Column, cells: Sequence[str], plain: Sequence[str], strip: bool) -> Sequence[Value | None]:
    """The values of one column's cells; `None` where a cell is empty."""
    if column.kind == "text":
        kept = plain if strip else cells
        return [cell if bare else None for cell, bare in zip(kept, plain, strict=True)] if "" in plain else kept
    kind = column.kind
    if column.declared is not None:
        return [parse_as(kind, cell) if cell else None for cell in plain]
    convert = CONVERT[kind]
    return [convert(cell) if cell else None for cell in plain] if "" in plain else list(map(convert, plain))
