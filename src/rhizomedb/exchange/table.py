"""Tables: the rows of a file, whatever its format, with the rows that cannot be read and the things worth knowing.

A *row* says something about one thing: its values by column name. An empty cell, a JSON null and an absent name say
nothing, so the row does not hold them. A *bad row* is one that cannot be imported as it stands; unless the caller
skips bad rows, all of them are reported at once and nothing is read. A *notice* is no error, but a reader of the
file would want to know it.

A file is read twice. The first pass types its columns and finds the bad rows; iterating over the table is the second
pass and streams, so a file larger than memory can be imported, and every row is known to be good before the first
one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final, NamedTuple, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import ExchangeError, nearest_names
from rhizomedb.facts.value import KIND_NAMES, Value
from rhizomedb.store.room import share

Progress: TypeAlias = Callable[[int, int], None]
"""Told now and then how many bytes of the file this pass has read, and how many there are (0 if unknown)."""

FORMATS: Final = ("csv", "tsv", "json", "jsonl")

COLUMNS_MAX: Final = 10_000
BAD_ROWS_LISTED: Final = 20
BAD_ROWS_KEPT: Final = 10_000
KEYS_TRACKED_MAX: Final = 2_000_000

NOTICES: Final[dict[str, str]] = {
    "duplicate-key": "Several rows of the file have the same key: each of them says its values.",
    "kinds-differ": "A column holds another kind of value than the database has under its name.",
    "kinds-mixed": "A column holds ints and floats: 1 and 1.0 are two values.",
    "numbers-as-text": "A column holds numbers that no int or float can hold exactly, so it was read as text.",
    "decimal-commas": "A column holds numbers with decimal commas, which were read as text.",
    "blanks-kept": "Cells begin or end with blanks, which were kept.",
}
"""Every notice that a table can carry, with its meaning."""


ROW_FIXES: Final[dict[str, str]] = {
    "exchange.row-width": "--delimiter, if another character separates the cells; else correct the row",
    "exchange.row-quote": "--no-quotes, if quotation marks mean nothing here; else correct the row",
    "exchange.row-value": "correct the cell, or leave its column out: --drop COLUMN",
    "exchange.row-key": "fill in the key, or choose another one: --key COLUMN",
    "exchange.row-json": "one object a row, with plain values",
    "exchange.encoding": "save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8",
}
"""What would be right, for each way in which a row is bad."""


class Row(NamedTuple):
    """One row: the line on which it begins, and what it says by column. Several values of one name are a list."""

    line: int
    values: dict[str, Value | list[Value]]


class Chunk(NamedTuple):
    """Some rows by column: the lines on which they begin, and each column's values, None where a row says nothing."""

    lines: Sequence[int]
    values: Sequence[Sequence[Value | None]]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be imported: the line on which it begins, a code of `errors.CODES`, and why."""

    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing about a file that was read: a code of `NOTICES`, a sentence, and its column if any."""

    code: str
    message: str
    column: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a table.

    `rename` maps the file's names to other ones and comes first: `key`, `types`, `known`, `only` and `drop` use the new
    names. `types` says what kind a column is, whatever its cells look like; `known` says what kind the database already
    holds under a name, so that an int column joins floats as floats and text stays text. `quotes=False` reads quotation
    marks as ordinary characters, as some TSV files mean them. `strip` takes blanks off the ends of the text in cells.
    `memory_bytes` is how much memory of the process's own the import may take (None: no limit).
    """

    format: str | None = None
    delimiter: str | None = None
    quotes: bool = True
    key: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    strip: bool = False
    skip_bad: bool = False
    memory_bytes: int | None = None

    @property
    def share(self) -> float:
        """How much of the usual room the reading has."""
        return share(self.memory_bytes)

    def __post_init__(self) -> None:
        share(self.memory_bytes)  # refuses what is too little
        if self.format is not None and self.format not in FORMATS:
            raise ExchangeError(
                "exchange.format",
                f"{self.format!r} is not a format that can be read",
                nearest=nearest_names(self.format, FORMATS),
                fix=f"use one of {', '.join(FORMATS)}",
            )
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise ExchangeError(
                "exchange.format",
                f"{self.delimiter!r} cannot separate cells",
                fix="use one character, such as ; or a tab",
            )
        for column, kind in self.types.items():
            if kind not in KIND_NAMES:
                raise ExchangeError(
                    "exchange.column",
                    f"column {column!r} is to be {kind!r}, which is not a kind of value",
                    nearest=nearest_names(kind, KIND_NAMES),
                    fix=f"use one of {', '.join(KIND_NAMES)}",
                )


class RowsRefused(ExchangeError):
    """Some rows of a file cannot be imported; `bad_rows` holds them, `rows_count` says of how many."""

    def __init__(self, name: str, bad_rows: BadRows, rows_count: int) -> None:
        listed = bad_rows.kept[:BAD_ROWS_LISTED]
        lines = [f"\n  {bad}" for bad in listed]
        if bad_rows.count > len(listed):
            lines.append(f"\n  and {bad_rows.count - len(listed):,} more")
        encoding = all(bad.code == "exchange.encoding" for bad in bad_rows.kept)
        good = rows_count - bad_rows.count
        super().__init__(
            "exchange.encoding" if encoding else "exchange.rows",
            f"{bad_rows.count:,} of {rows_count:,} {'row' if rows_count == 1 else 'rows'} cannot be imported, "
            f"nothing was:{''.join(lines)}",
            where=f"{name} line {listed[0].line}",
            fix="save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8"
            if encoding
            else f"--skip-bad imports the other {good:,}"
            if good
            else ROW_FIXES[listed[0].code],
        )
        self.bad_rows = tuple(bad_rows.kept)
        self.bad_count = bad_rows.count
        self.rows_count = rows_count


class BadRows:
    """The bad rows of one file: how many, and the first `BAD_ROWS_KEPT` of them."""

    __slots__ = ("count", "kept")

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[BadRow] = []

    def add(self, line: int, code: str, message: str) -> None:
        """Note a bad row."""
        self.count += 1
        if len(self.kept) < BAD_ROWS_KEPT:
            self.kept.append(BadRow(line, code, message))

    def union(self, other: BadRows) -> BadRows:
        """The bad rows of two disjoint parts of a file, in the order of their lines."""
        both = BadRows()
        both.count = self.count + other.count
        both.kept = sorted(self.kept + other.kept, key=lambda bad: bad.line)[:BAD_ROWS_KEPT]
        return both


class Keys:
    """The keys met so far in one file, as hashes, to notice when two rows have the same one."""

    __slots__ = ("_hashes", "_most", "again", "example")

    def __init__(self, share: float = 1.0) -> None:
        self._hashes: set[int] = set()
        self._most = int(KEYS_TRACKED_MAX * share)
        self.again = 0
        self.example: tuple[int, tuple[object, ...]] | None = None

    def add(self, keys: Iterable[tuple[object, ...]], lines: Iterable[int]) -> None:
        """Count the keys that were met before; past `KEYS_TRACKED_MAX` distinct ones no more are looked at."""
        hashes = self._hashes
        if len(hashes) >= self._most:
            return
        for key, line in zip(keys, lines, strict=True):
            size = len(hashes)
            hashes.add(hash(key))
            if len(hashes) == size and all(part != "" for part in key):  # an empty key is bad, not repeated
                self.again += 1
                self.example = self.example or (line, key)

    @property
    def may_repeat(self) -> bool:
        """Whether any key came more than once, as far as it can be known: not all were looked at where they are many."""
        return self.example is not None or len(self._hashes) >= self._most

    def notices(self) -> list[Notice]:
        """What there is to say about keys that came more than once."""
        if self.example is None:
            return []
        line, key = self.example
        shown = ", ".join(map(str, key))
        rows = "1 row repeats" if self.again == 1 else f"{self.again:,} rows repeat"
        return [Notice("duplicate-key", f"{rows} the key of an earlier row, first line {line}: {shown[:80]}")]


@dataclass(frozen=True)
class Table:
    """The rows of a file. Iterate as often as needed: each time the file is read again, good rows only.

    `kinds` says how each column was read: a kind of value, or "mixed" where a JSON column holds several. `rows_count`
    counts the bad rows too. `keys_may_repeat` unless it is known that no two rows have one key; `memory_bytes` is that of
    the options.
    """

    name: str
    format: str
    columns: tuple[str, ...]
    kinds: Mapping[str, str]
    rows_count: int
    bad_count: int
    bad_rows: tuple[BadRow, ...]
    notices: tuple[Notice, ...]
    keys_may_repeat: bool
    memory_bytes: int | None
    _read: Callable[[Progress | None], Iterator[Row]] = field(repr=False)
    _read_chunks: Callable[[Progress | None], Iterator[Chunk]] | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Row]:
        return self._read(None)

    def rows(self, progress: Progress | None = None) -> Iterator[Row]:
        """The rows, in the order of the file, telling `progress` how far the reading is."""
        return self._read(progress)

    def chunks(self, progress: Progress | None = None) -> Iterator[Chunk] | None:
        """The same rows by column, some thousands at once; None where the file does not give them so."""
        return None if self._read_chunks is None else self._read_chunks(progress)


def check_columns(options: Options, columns: Iterable[str], name: str) -> None:
    """Refuse options that name columns which the file does not have."""
    known = set(columns)
    for key in options.key:
        if key not in known:
            raise ExchangeError(
                "exchange.key-column",
                f"{name} has no column {key!r} to be the key",
                nearest=nearest_names(key, known),
                fix=f"its columns are {', '.join(sorted(known)[:20]) or 'none'}",
            )
    for wanted, what in (*((n, "--type") for n in options.types), *((n, "--only") for n in options.only)):
        if wanted not in known:
            raise _no_column(name, wanted, what, known)
    for dropped in options.drop:
        if dropped in options.key:
            raise ExchangeError(
                "exchange.key-column", f"the key column {dropped!r} cannot be dropped", fix=f"without --drop {dropped}"
            )
        if dropped and dropped not in known:
            raise _no_column(name, dropped, "--drop", known)


def check_renames(options: Options, names: Iterable[str], name: str) -> None:
    """Refuse a renaming of columns that the file does not have."""
    known = set(names)
    for old in options.rename:
        if old not in known:
            raise _no_column(name, old, "--rename", known)


def keeps(options: Options, column: str) -> bool:
    """Whether a column, by its new name, is to be read: the key always is."""
    return column in options.key or (column not in options.drop and (not options.only or column in options.only))


def kinds_differ(column: str, kind: str, known: str) -> Notice:
    """The notice that a column and the database hold different kinds under one name, and what to do about it."""
    if (kind, known) == ("float", "int"):
        reason = f"1 and 1.0 are two values (import what holds the ints again with --type {column}=float)"
    else:
        reason = f"they will never be equal (--type {column}={known} reads the column as {known})"
    return Notice("kinds-differ", f"`{column}` holds {kind} here and {known} in the database: {reason}", column)


def _no_column(name: str, column: str, option: str, known: set[str]) -> ExchangeError:
    return ExchangeError(
        "exchange.column",
        f"{name} has no column {column!r} (named by {option})",
        nearest=nearest_names(column, known),
        fix=f"its columns are {', '.join(sorted(known)[:20]) or 'none'}",
    )
