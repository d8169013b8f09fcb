"""JSON and JSON lines: objects whose names are columns and whose values keep the kind that JSON gives them.

`1` is an int and `1.0` a float; null says nothing; an array of scalars says several values. Bytes and CIDs are written
as DAG-JSON writes them, `{"/": {"bytes": "…"}}` and `{"/": "bafy…"}`. Any other object inside a row has no place in a
fact, so the row is bad. A `.json` file holds an array of objects, or one object with such an array in it; it is
streamed too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, Final

from rhizomedb.errors import ExchangeError, ValueRefused
from rhizomedb.exchange.infer import TYPES, convert_as, why_not
from rhizomedb.exchange.json_text import DEPTH_MAX, Cursor, Flaw, decode, depth
from rhizomedb.exchange.source import NOT_UTF8, Source, says_nothing
from rhizomedb.exchange.table import (
    COLUMNS_MAX,
    BadRows,
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
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import KIND_NAMES, Value, check_text, check_value

_SHORT: Final = 64 << 10
"""ASCII text of fewer characters needs no further look."""

SILENT_ROWS_MAX: Final = 1 << 20
"""The longest stretch of objects in which no name has a value."""

_TELL_EVERY: Final = 2048
"""Rows between two words to the progress."""


class _Refused(Exception):
    """A row that cannot be imported."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_json(source: Source, options: Options, progress: Progress | None = None) -> Table:
    """Make the first pass: find the columns and the bad rows; refuse the file if none may be skipped."""
    columns = _Columns(options)
    bad, keys = BadRows(), Keys(options.share)
    rows_count = silent = 0
    for line, said in _objects(source, options, progress):
        try:
            values = columns.row(said)
        except _Refused as refused:
            rows_count, silent = rows_count + 1, 0
            bad.add(line, refused.code, refused.message)
            continue
        if not values:
            silent += 1
            if silent > SILENT_ROWS_MAX:
                raise says_nothing(source.name, line, f"{SILENT_ROWS_MAX:,} objects")
            continue
        rows_count, silent = rows_count + 1, 0
        columns.note(values)
        if options.key:
            keys.add((tuple(map(values.get, options.key)),), (line,))
    if columns.columns:
        check_renames(options, columns.originals, source.name)
        check_columns(options, columns.columns, source.name)
    if bad.count and not options.skip_bad:
        raise RowsRefused(source.name, bad, rows_count)
    kept = tuple(name for name in columns.columns if keeps(options, name))
    return Table(
        name=source.name,
        format=options.format or "json",
        columns=kept,
        kinds={name: columns.kind(name) for name in kept},
        rows_count=rows_count,
        bad_count=bad.count,
        bad_rows=tuple(bad.kept),
        notices=(*keys.notices(), *columns.notices(kept)),
        keys_may_repeat=keys.may_repeat,
        memory_bytes=options.memory_bytes,
        _read=lambda told: _rows(source, options, told),
    )


def _rows(source: Source, options: Options, progress: Progress | None) -> Iterator[Row]:
    """The second pass: the good rows with their values."""
    columns = _Columns(options)
    for line, said in _objects(source, options, progress):
        try:
            values = columns.row(said)
        except _Refused:
            continue
        if values:
            yield Row(line, values)


class _Columns:
    """The columns of one pass: what each name becomes, and (in the first pass) the kinds met under it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._names: dict[str, str | None] = {}
        self.originals: list[str] = []
        self.columns: dict[str, None] = {}
        self._met: set[tuple[str, type]] = set()

    def row(self, said: Any) -> dict[str, Value | list[Value]]:
        """What an object says, by column; `_Refused` if it cannot be imported."""
        if isinstance(said, _Refused):
            raise said
        if isinstance(said, Flaw):
            raise _Refused("exchange.row-json", said.message)
        if not isinstance(said, dict):
            raise _Refused("exchange.row-json", f"a row is an object, not {_json_name(said)}")
        names, types = self._names, self._options.types
        values: dict[str, Value | list[Value]] = {}
        for original, found in said.items():
            if original not in names:
                names[original] = self._name(original)
            name = names[original]
            if name is None or found is None:
                continue
            if name in values:
                raise _Refused("exchange.row-json", f"two names of one row become `{name}`")
            if name in types:
                found = _declared(_value(found, name), name, types[name])  # noqa: PLW2901
            elif not (type(found) is str and len(found) < _SHORT and found.isascii()):
                found = _value(found, name)  # noqa: PLW2901
            if found != []:
                values[name] = found
        for key in self._options.key:
            found = values.get(key, "")
            if isinstance(found, list) and len(found) == 1:
                found = values[key] = found[0]
            if found == "":
                raise _Refused("exchange.row-key", f"the key column `{key}` is empty")
            if isinstance(found, list):
                raise _Refused("exchange.row-key", f"the key column `{key}` holds several values")
        return values

    def note(self, values: dict[str, Value | list[Value]]) -> None:
        """Remember the kinds of a good row."""
        self._met.update(zip(values, map(type, values.values()), strict=True))
        for name, value in values.items():
            if type(value) is list:
                self._met.update((name, type(one)) for one in value)

    def kind(self, name: str) -> str:
        """The kind of a column, "mixed" if there are several."""
        kinds = self._kinds(name)
        return kinds[0] if len(kinds) == 1 else "mixed" if kinds else "text"

    def notices(self, kept: tuple[str, ...]) -> list[Notice]:
        """What there is to say about the kinds of the columns that are read."""
        found = []
        for name in kept:
            kinds, known = self._kinds(name), self._options.known.get(name)
            if "int" in kinds and "float" in kinds:
                text = (
                    f"`{name}` holds ints and floats: 1 and 1.0 are two values (--type {name}=float makes all floats)"
                )
                found.append(Notice("kinds-mixed", text, name))
            elif known and kinds not in ([], [known]) and name not in self._options.types:
                found.append(kinds_differ(name, self.kind(name), known))
        return found

    def _kinds(self, name: str) -> list[str]:
        """The kinds met under a name, in the order of kinds."""
        return [kind for kind in KIND_NAMES if (name, TYPES[kind]) in self._met]

    def _name(self, original: str) -> str | None:
        """What a name of the file becomes; `None` if it is not read."""
        if len(self._names) >= COLUMNS_MAX:
            raise ExchangeError(
                "exchange.header", f"the rows have more than {COLUMNS_MAX:,} different names, which are all columns"
            )
        try:
            name = self._options.rename.get(check_text(original), original)
        except ValueRefused as error:
            raise _Refused("exchange.row-json", f"a name in the row: {error.message}") from None
        if not name:
            raise _Refused("exchange.row-json", "a name in the row is empty")
        self.originals.append(original)
        self.columns[name] = None
        return name if keeps(self._options, name) else None


def _value(found: Any, name: str) -> Value | list[Value]:
    """The value, or several, that a JSON value stands for."""
    if isinstance(found, list):
        return [_scalar(one, name) for one in found if one is not None]
    return _scalar(found, name)


def _scalar(found: Any, name: str) -> Value:
    if isinstance(found, dict):
        found = _dag_json(found, name)
    elif isinstance(found, Flaw):
        raise _Refused("exchange.row-json", f"`{name}`: {found.message}")
    elif isinstance(found, list):
        raise _Refused("exchange.row-json", f"`{name}` holds an array inside an array; a fact says one value")
    try:
        return check_value(found)
    except ValueRefused as error:
        raise _Refused("exchange.row-value", f"`{name}`: {error.message}") from None


def _dag_json(found: dict[str, Any], name: str) -> Value:
    """The bytes or the CID that DAG-JSON writes as an object with the one name `/`."""
    if depth(found) > DEPTH_MAX:
        raise _Refused("exchange.row-json", f"`{name}` nests deeper than {DEPTH_MAX} levels")
    match found:
        case {"/": str(text), **rest} if not rest:
            try:
                return Cid.parse(text)
            except ValueRefused as error:
                raise _Refused("exchange.row-value", f"`{name}`: {error.message}") from None
        case {"/": {"bytes": str(text), **inner}, **rest} if not rest and not inner:
            try:
                return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            except (binascii.Error, ValueError):
                raise _Refused("exchange.row-value", f"`{name}`: the bytes are not base64") from None
    raise _Refused(
        "exchange.row-json",
        f"`{name}` holds an object; a fact says one value (flatten it into columns, or make it rows of their own)",
    )


def _declared(value: Value | list[Value], name: str, kind: str) -> Value | list[Value]:
    if isinstance(value, list):
        return [_declared_one(one, name, kind) for one in value]
    return _declared_one(value, name, kind)


def _declared_one(value: Value, name: str, kind: str) -> Value:
    try:
        return convert_as(kind, value)
    except (ValueError, ValueRefused) as error:
        raise _Refused("exchange.row-value", why_not(kind, name, value, error)) from None


def _json_name(value: Any) -> str:
    names: dict[type, str] = {list: "an array", str: "a text", bool: "a bool", type(None): "null"}
    return names.get(type(value), "a number")


# The objects of a file, each with the line on which it begins.


def _objects(source: Source, options: Options, progress: Progress | None) -> Iterator[tuple[int, Any]]:
    read: Callable[[Source, Callable[[int], None]], Iterator[tuple[int, Any]]]
    read = _line_objects if options.format == "jsonl" else _array_objects
    total = source.bytes_total

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, total)

    yield from read(source, tell)
    tell(total)


def _line_objects(source: Source, tell: Callable[[int], None]) -> Iterator[tuple[int, Any]]:
    with source.open() as opened:
        for number, line in enumerate(opened.lines(), 1):
            text = line.strip(" \t\r\n")
            if not text:
                continue
            if number % _TELL_EVERY == 0:
                tell(opened.position())
            if not text.isascii() and NOT_UTF8.search(text):
                yield number, _Refused("exchange.encoding", "the line is not UTF-8")
                continue
            try:
                said, end = decode(text)
                if end != len(text):
                    raise ValueError(f"something follows the object at character {end + 1}")
            except ValueError as error:
                yield number, _Refused("exchange.row-json", f"the line is not JSON: {getattr(error, 'msg', error)}")
            else:
                yield number, said


def _array_objects(source: Source, tell: Callable[[int], None]) -> Iterator[tuple[int, Any]]:
    with source.open() as opened:
        cursor = Cursor(opened.text, source.name)
        rows = _in_envelope(cursor) if cursor.peek() == "{" else _in_array(cursor)
        for number, row in enumerate(rows, 1):
            yield row
            if number % _TELL_EVERY == 0:
                tell(opened.position())
        if cursor.peek():
            raise cursor.error("something follows its end")


def _in_array(cursor: Cursor) -> Iterator[tuple[int, Any]]:
    cursor.take("[")
    if cursor.peek() == "]":
        cursor.take("]")
        return
    yield from _elements(cursor)


def _elements(cursor: Cursor) -> Iterator[tuple[int, Any]]:
    """What is left of an array that has an element."""
    while True:
        cursor.peek()
        line = cursor.line
        yield line, cursor.value()
        if cursor.take(",]") == "]":
            return


def _in_envelope(cursor: Cursor) -> Iterator[tuple[int, Any]]:
    """The elements of the one array of objects in an object: what `{"count": 2, "films": [{…}, {…}]}` is about."""
    cursor.take("{")
    rows_name, arrays_count = None, 0
    mark = cursor.take("}") if cursor.peek() == "}" else ","
    while mark == ",":
        name = cursor.value() if cursor.peek() == '"' else cursor.take('"')
        cursor.take(":")
        if cursor.peek() == "[":
            arrays_count += 1
            cursor.take("[")
            match cursor.peek():
                case "{" if rows_name is not None:
                    raise cursor.error(f"two arrays could be the rows: `{rows_name}` and `{name}`")
                case "{":
                    rows_name = name
                    yield from _elements(cursor)
                case "]":
                    cursor.take("]")
                case _:
                    for _line, element in _elements(cursor):
                        _refuse_depth(cursor, name, element)
        else:
            _refuse_depth(cursor, name, cursor.value())
        mark = cursor.take(",}")
    if not arrays_count:
        raise cursor.error("it is one object, without an array of rows in it")


def _refuse_depth(cursor: Cursor, name: str, value: Any) -> None:
    if depth(value) > DEPTH_MAX:
        raise cursor.error(f"`{name}` nests deeper than {DEPTH_MAX} levels")
