"""Reading the index: the stored relations as SQL over it, and the rows that come back as tuples of cells.

Each relation has a few *paths*, ways to its rows through an index; the bound columns choose one. The text of a
statement is put together of constants only. A scan reads page after page, each a finished statement that goes on behind
the last row of the one before and never past the mark of its cut: so a slow reader holds no lock, may write while it
reads, and still sees one moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from struct import Struct
from typing import Any, Final, TypeAlias

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts import codec
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import FALSE, INTEGER_MAX, INTEGER_MIN, TRUE, Cell, Exact, exact, plain
from rhizomedb.store.file import File
from rhizomedb.store.layout import STUB_BYTES, Mark, pack, stub, unpack
from rhizomedb.store.store import COLUMNS, Cut

PAGE_ROWS_MIN: Final = 256
PAGE_ROWS_MAX: Final = 4096
"""How many rows are read at once: few at first, for most scans are short."""

COUNT_MAX: Final = 256
"""How far `size` counts before it estimates."""

KEYS_AT_ONCE: Final = 128
"""How many keys one statement looks up."""

REMEMBERED_MAX: Final = 50_000
"""How many attributes are remembered with their numbers."""

Bindings: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """One way to rows: the bound columns it uses, where the rows are, and the order in which they come.

    `select` replaces that of its part, where a bound column need not be read again.
    """

    uses: frozenset[str]
    source: str
    where: str
    order: tuple[str, ...]
    select: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a relation's tuples: the columns to read, when a row is within a window of time, and the paths to rows.

    The paths are tried in order; the last takes no bound column.
    """

    select: str
    within: str
    paths: tuple[Path, ...]

    def path(self, bound: frozenset[str]) -> Path:
        """The first path whose columns are all bound."""
        return next(path for path in self.paths if path.uses <= bound)


def _path(uses: str, source: str, where: str, order: str, select: str | None = None) -> Path:
    return Path(frozenset(uses.split()), source, where, tuple(order.split()), select)


_WINDOW: Final = (
    "{0}.ms > :since AND {0}.ms <= :until"
    " AND (:authors IS NULL OR {0}.author IN (SELECT value FROM json_each(:authors)))"
)
_FACT_WITHIN: Final = (
    f"EXISTS (SELECT 1 FROM delta w WHERE w.seq = f.delta AND {_WINDOW.format('w')})"
    " OR EXISTS (SELECT 1 FROM repeat r CROSS JOIN delta w ON w.seq = r.delta"
    f" WHERE r.fact = f.row AND r.delta <= :deltas AND {_WINDOW.format('w')})"
)
DELTA_WITHIN: Final = _WINDOW.format("d")
"""Whether a delta `d` lies within a window."""

_IS_CID: Final = "substr(f.cid, 1, 8) = substr(:{0}, 1, 8) AND f.cid = :{0}"
_THE_FACT: Final = "(SELECT f.row FROM fact f WHERE substr(f.cid, 1, 8) = substr(:{0}, 1, 8) AND f.cid = :{0})"
_THE_DELTA: Final = "(SELECT seq FROM delta WHERE substr(id, 1, 8) = substr(:{0}, 1, 8) AND id = :{0})"
_ENTITY: Final = "f.entity = (SELECT row FROM entity WHERE stub = :entity)"
_ATTRIBUTE: Final = "f.attribute = (SELECT row FROM attribute WHERE stub = :attribute)"

_FACTS: Final = "fact f {} CROSS JOIN entity e ON e.row = f.entity"
_OF_ENTITY: Final = "fact f INDEXED BY fact_entity"
_ENTITY_BOUND: Final = "f.cid, :entity, f.attribute, f.value"
_CAUSES: Final = "cause c {} CROSS JOIN fact f ON f.row = c.fact"
_FIRST: Final = "fact f {} CROSS JOIN delta d ON d.seq = f.delta"
_AGAIN: Final = "repeat g {} CROSS JOIN fact f ON f.row = g.fact CROSS JOIN delta d ON d.seq = g.delta"
_DELTAS: Final = "delta d CROSS JOIN author a ON a.row = d.author"
_ARRIVALS: Final = "delta d CROSS JOIN epoch p ON p.number = d.epoch"

PARTS: Final[dict[str, tuple[Part, ...]]] = {
    "fact": (
        Part(
            "f.cid, e.stub, f.attribute, f.value",
            _FACT_WITHIN,
            (
                _path("$cid", _FACTS.format("INDEXED BY fact_cid"), _IS_CID.format("cid"), "f.row"),
                _path("entity attribute", _OF_ENTITY, f"{_ENTITY} AND {_ATTRIBUTE}", "f.row", _ENTITY_BOUND),
                _path("entity", _OF_ENTITY, _ENTITY, "f.attribute f.row", _ENTITY_BOUND),
                _path(
                    "attribute value",
                    _FACTS.format("INDEXED BY fact_value"),
                    f"f.value = :value AND {_ATTRIBUTE}",
                    "f.row",
                ),
                _path("value", _FACTS.format("INDEXED BY fact_value"), "f.value = :value", "f.attribute f.row"),
                _path("attribute", _FACTS.format("INDEXED BY fact_attribute"), _ATTRIBUTE, "f.row"),
                _path("", _FACTS.format("NOT INDEXED"), "f.row <= :facts", "f.row"),
            ),
        ),
    ),
    "cause": (
        Part(
            "f.cid, c.cid",
            _FACT_WITHIN,
            (
                _path("from", _CAUSES.format(""), f"c.fact = {_THE_FACT.format('from')}", "c.cid"),
                _path(
                    "to",
                    _CAUSES.format("INDEXED BY cause_cid"),
                    "substr(c.cid, -8) = substr(:to, -8) AND c.cid = :to",
                    "c.fact",
                ),
                _path("", _CAUSES.format(""), "c.fact <= :facts", "c.fact c.cid"),
            ),
        ),
    ),
    "delta": (
        Part(
            "d.id, a.stub, d.system, d.ms, d.counter, d.edge, d.scope",
            DELTA_WITHIN,
            (
                _path("id", _DELTAS, f"d.seq = {_THE_DELTA.format('id')}", "d.seq"),
                _path("", _DELTAS, "d.seq <= :deltas", "d.seq"),
            ),
        ),
    ),
    "asserts": (
        Part(  # what a delta was the first to say
            "d.id, f.cid",
            DELTA_WITHIN,
            (
                _path("fact", _FIRST.format("INDEXED BY fact_cid"), _IS_CID.format("fact"), "f.row"),
                _path(
                    "delta",
                    "delta d CROSS JOIN fact f NOT INDEXED",
                    f"d.seq = {_THE_DELTA.format('delta')} AND f.row > d.fact_after AND f.row <= d.fact_last",
                    "f.row",
                ),
                _path("", _FIRST.format("NOT INDEXED"), "f.row <= :facts", "f.row"),
            ),
        ),
        Part(  # and what it said again
            "d.id, f.cid",
            DELTA_WITHIN,
            (
                _path("fact", _AGAIN.format(""), f"g.fact = {_THE_FACT.format('fact')}", "g.delta"),
                _path(
                    "delta",
                    _AGAIN.format("INDEXED BY repeat_delta"),
                    f"g.delta = {_THE_DELTA.format('delta')}",
                    "g.fact",
                ),
                _path("", _AGAIN.format(""), "g.delta <= :deltas", "g.fact g.delta"),
            ),
        ),
    ),
    "arrival": (
        Part(
            "d.id, d.epoch, p.at_ms, p.origin",
            DELTA_WITHIN,
            (
                _path("delta", _ARRIVALS, f"d.seq = {_THE_DELTA.format('delta')}", "d.seq"),
                _path("", _ARRIVALS, "d.seq <= :deltas", "d.seq"),
            ),
        ),
    ),
}
"""How each relation is read. A relation of several parts is their union; they have no tuple in common."""

_SEEN: Final = {
    "fact": "f.row <= :facts",
    "cause": "c.fact <= :facts",
    "delta": "d.seq <= :deltas",
    "asserts": "d.seq <= :deltas",
    "arrival": "d.seq <= :deltas",
}
"""What lies before a mark."""


_ENTITY_WITHIN: Final = (
    "AND EXISTS (SELECT 1 FROM fact f INDEXED BY fact_entity"
    f" WHERE f.entity = e.row AND f.row <= :facts AND ({_FACT_WITHIN}))"
)


@cache
def statement(relation: str, part: int, bound: frozenset[str], windowed: bool, further: bool) -> str:
    """The SQL for one page: `windowed` if claimed time has bounds, `further` if it is not the first page."""
    chosen = PARTS[relation][part]
    path = chosen.path(bound)
    order = ", ".join(path.order)
    conditions = [path.where, _SEEN[relation]]
    if windowed:
        conditions.append(f"({chosen.within})")
    if further:
        conditions.append(f"({order}) > ({', '.join(f':after{place}' for place in range(len(path.order)))})")
    where = " AND ".join(conditions)
    return (
        f"SELECT {path.select or chosen.select}, {order} FROM {path.source} WHERE {where} ORDER BY {order} LIMIT :most"
    )


@cache
def statement_for_keys(
    relation: str, part: int, bound: frozenset[str], names: tuple[str, ...], windowed: bool, count: int
) -> str:
    """The SQL for all rows of `count` keys over `names` at once, bound as `:key0`, `:key1`, … row by row."""
    chosen = PARTS[relation][part]
    path = chosen.path(bound)
    plain_names = [name.lstrip("$") for name in names]
    columns = ", ".join(f"key_{name}" for name in plain_names)
    width = len(names)
    keys = ", ".join(f"({', '.join(f':key{row * width + place}' for place in range(width))})" for row in range(count))
    conditions = [path.where, _SEEN[relation], *([f"({chosen.within})"] if windowed else [])]
    text = (
        f"SELECT {path.select or chosen.select}, {', '.join(path.order)}"
        f" FROM asked CROSS JOIN {path.source} WHERE {' AND '.join(conditions)}"
    )
    for name in plain_names:
        text = re.sub(rf":{name}\b", f"asked.key_{name}", text)
    return f"WITH asked({columns}) AS (VALUES {keys}) {text}"


class Reader:
    """Tuples out of the index of a file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._attributes: dict[int, Cell] = {}

    def forget(self) -> None:
        """Drop what is remembered: the numbers of attributes may be others now."""
        self._attributes.clear()

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut, mark: Mark) -> Iterator[tuple[Cell, ...]]:
        """The tuples of a relation that agree with `bound` at a cut whose epoch ends at a mark."""
        bindings = bind(relation, bound)
        if bindings is None:
            return
        bindings["facts"], bindings["deltas"] = mark.facts, mark.deltas
        keys = frozenset(bound)
        windowed = is_windowed(cut)
        if windowed:
            bindings.update(self.window(cut))
        decode: Callable[[Row], tuple[Cell, ...]] = getattr(self, f"_{relation}")
        for number, part in enumerate(PARTS[relation]):
            path = part.path(keys)
            filters = [(place, bound[name]) for place, name in enumerate(COLUMNS[relation]) if name in keys - path.uses]
            most, further = PAGE_ROWS_MIN, False
            reached: Row | None = None
            while True:
                bindings["most"] = most
                rows = self._file.run(statement(relation, number, keys, windowed, further), bindings)
                try:
                    page = list(map(decode, rows))
                    before, reached = reached, rows[-1][-len(path.order) :] if rows else ()
                    if before is not None and rows and reached <= before:  # a broken tree may lead back
                        raise ValueError(f"{relation} is out of order")
                except (TypeError, ValueError, Error) as error:  # a value that nobody wrote
                    raise as_damage(self._file, error) from error
                if filters:
                    page = [cells for cells in page if all(cells[place] == cell for place, cell in filters)]
                yield from page
                if len(rows) < most:
                    break
                bindings.update((f"after{place}", key) for place, key in enumerate(reached))
                most, further = PAGE_ROWS_MAX, True

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[tuple[Cell, ...]],
        cut: Cut,
        mark: Mark,
    ) -> Iterator[tuple[Cell, ...]]:
        """What `scan` gives for `bound` together with each of some distinct keys, many keys in one statement."""
        together = frozenset((*bound, *names))
        if any(not together <= part.path(together).uses for part in PARTS[relation]):
            for row in rows:  # some column is only a filter, which belongs to its own key
                yield from self.scan(relation, {**bound, **dict(zip(names, row, strict=True))}, cut, mark)
            return
        waiting = iter(rows)
        while many := list(islice(waiting, KEYS_AT_ONCE)):
            if len(many) < KEYS_AT_ONCE:
                for row in many:
                    yield from self.scan(relation, {**bound, **dict(zip(names, row, strict=True))}, cut, mark)
            else:
                yield from self._scan_keys(relation, bound, names, many, cut, mark)

    def _scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: list[tuple[Cell, ...]],
        cut: Cut,
        mark: Mark,
    ) -> Iterator[tuple[Cell, ...]]:
        bindings = bind(relation, bound)
        if bindings is None:
            return
        bindings.update(facts=mark.facts, deltas=mark.deltas)
        windowed = is_windowed(cut)
        if windowed:
            bindings.update(self.window(cut))
        for row, cells in enumerate(rows):
            found = bind(relation, dict(zip(names, cells, strict=True))) or {}  # NULL, which is equal to nothing
            for place, name in enumerate(names):
                bindings[f"key{row * len(names) + place}"] = found.get(name.lstrip("$"))
        keys = frozenset((*bound, *names))
        decode: Callable[[Row], tuple[Cell, ...]] = getattr(self, f"_{relation}")
        for part in range(len(PARTS[relation])):
            sql = statement_for_keys(relation, part, keys, names, windowed, len(rows))
            try:
                yield from map(decode, self._file.run(sql, bindings))
            except (TypeError, ValueError, Error) as error:  # a value that nobody wrote
                raise as_damage(self._file, error) from error

    def size(self, relation: str, bound: Mapping[str, Cell], mark: Mark) -> int:
        """How many tuples `scan` would give, counted up to `COUNT_MAX` and estimated beyond."""
        totals = {
            "fact": mark.facts,
            "cause": mark.causes,
            "asserts": mark.facts + mark.repeats,
            "delta": mark.deltas,
            "arrival": mark.deltas,
        }
        total = totals[relation]
        bindings = bind(relation, bound)
        if bindings is None:
            return 0
        used = [part.path(frozenset(bound)).uses for part in PARTS[relation]]
        if not any(used):
            return total
        if used == [frozenset({"attribute"})]:
            found = self._file.run("SELECT facts FROM attribute WHERE stub = :attribute", bindings)
            return int(found[0][0]) if found else 0
        bindings.update(facts=mark.facts, deltas=mark.deltas)
        counted = sum(
            len(
                self._file.run(
                    statement(relation, part, frozenset(bound), False, False), {**bindings, "most": COUNT_MAX}
                )
            )
            for part in range(len(used))
        )
        return counted if counted < COUNT_MAX else max(counted, total // 20)

    def repeated(self, mark: Mark) -> Iterator[tuple[bytes, Cell]]:
        """The registers of more than one fact before a mark, page by page."""
        reached = (0, 0)
        while True:
            rows = self._file.run(
                "SELECT f.entity, f.attribute, e.stub FROM fact f INDEXED BY fact_entity JOIN entity e ON e.row = f.entity"
                " WHERE (f.entity, f.attribute) > (?, ?) AND f.row <= ?"
                " GROUP BY f.entity, f.attribute HAVING count(*) > 1 ORDER BY f.entity, f.attribute LIMIT ?",
                (*reached, mark.facts, PAGE_ROWS_MAX),
            )
            for _, attribute, entity in rows:
                yield self.whole(entity), self.attribute(attribute)
            if len(rows) < PAGE_ROWS_MAX:
                return
            reached = rows[-1][:2]

    # -- entities ---------------------------------------------------------------------------------------------------

    def entities(self, digits: str, cut: Cut, mark: Mark) -> Iterator[bytes]:
        """The visible entities whose hexadecimal form begins with some digits, in the order of their bytes."""
        # Stubs sort as what they stand for, except among those that share the 32 bytes which a long one begins with.
        for _, same in groupby(self._entity_stubs(digits[:64], cut, mark), key=lambda each: each[:32]):
            for entity in sorted(map(self.whole, same)):
                if entity.hex().startswith(digits):
                    yield entity

    def _entity_stubs(self, digits: str, cut: Cut, mark: Mark) -> Iterator[bytes]:
        windowed = is_windowed(cut)
        bindings: Bindings = {"facts": mark.facts, "deltas": mark.deltas, "entities": mark.entities}
        bindings.update(self.window(cut) if windowed else {})
        first = bytes.fromhex(digits + "0" * (len(digits) % 2))
        last = bytes.fromhex(digits + "f" * (len(digits) % 2)) + b"\xff" * STUB_BYTES
        bindings.update(first=first, last=last, most=PAGE_ROWS_MIN)
        comparison = ">="
        while True:
            rows = self._file.typed(
                (bytes,),
                f"SELECT stub FROM entity e WHERE stub {comparison} :first AND stub <= :last AND e.row <= :entities"
                f" {_ENTITY_WITHIN if windowed else ''} ORDER BY stub LIMIT :most",
                bindings,
            )
            for (short,) in rows:
                yield short
            if len(rows) < bindings["most"]:
                return
            if rows[-1][0] < bindings["first"]:  # a broken tree may lead back
                raise self._file.damaged("the index of entities is out of order")
            bindings.update(first=rows[-1][0], most=PAGE_ROWS_MAX)
            comparison = ">"

    def window(self, cut: Cut) -> Bindings:
        """The bounds of claimed time and the authors, as SQLite can compare them."""
        since = INTEGER_MIN if cut.since is None else max(INTEGER_MIN, min(cut.since, INTEGER_MAX))
        until = INTEGER_MAX if cut.until is None else max(INTEGER_MIN, min(cut.until, INTEGER_MAX))
        authors = None
        if cut.authors is not None:
            found = [self._file.run("SELECT row FROM author WHERE stub = ?", (author,)) for author in cut.authors]
            authors = str([row for rows in found for (row,) in rows])
        return {"since": since, "until": until, "authors": authors}

    # -- rows to cells ----------------------------------------------------------------------------------------------

    def _fact(self, row: Row) -> tuple[Cell, ...]:
        attribute = row[2]
        known = self._attributes.get(attribute)
        return (
            unpack(row[0]),
            self.whole(row[1]),
            self.attribute(attribute) if known is None else known,
            self.cell(row[3]),
        )

    def _cause(self, row: Row) -> tuple[Cell, ...]:
        return unpack(row[0]), unpack(row[1])

    _asserts = _cause

    def _delta(self, row: Row) -> tuple[Cell, ...]:
        identity, author, system, ms, counter, edge, scope, _ = row
        if not (type(author) is bytes and type(system) is type(scope) is str and type(ms) is type(counter) is int):
            raise TypeError("a value is not of the type of its column")
        return unpack(identity), author, system, ms, counter, self.whole(edge), scope

    def _arrival(self, row: Row) -> tuple[Cell, ...]:
        identity, epoch, at_ms, origin, _ = row
        if not (type(epoch) is type(at_ms) is int and type(origin) is str):
            raise TypeError("a value is not of the type of its column")
        return unpack(identity), epoch, at_ms, origin

    def attribute(self, row: int) -> Cell:
        """The attribute of a number."""
        cell = self._attributes.get(row)
        if cell is None:
            found = self._file.typed((bytes,), "SELECT stub FROM attribute WHERE row = ?", (row,))
            if not found:
                raise self._file.damaged(f"the index names an attribute {row} that it does not have")
            if len(self._attributes) >= REMEMBERED_MAX:
                self._attributes.clear()
            cell = self._attributes[row] = self.cell(found[0][0])
        return cell

    def cell(self, short: bytes) -> Cell:
        """The cell that a stub of an encoded value stands for."""
        if type(short) is not bytes or not short:
            raise TypeError("a value is not of the type of its column")
        first = short[0]
        if first < 0x18:
            return first
        if 0x60 <= first < 0x78:
            return str(short[1:], "utf-8")
        if first == 0x78 and len(short) < STUB_BYTES:
            return str(short[2:], "utf-8")
        if 0x40 <= first < 0x58:
            return short[1:]
        if first in _INTEGERS and len(short) == _INTEGERS[first]:
            number = int.from_bytes(short[1:], "big")
            return number if first < 0x20 else -1 - number
        if first == 0xFB and len(short) == 9:
            return Exact(_FLOAT.unpack_from(short, 1)[0])
        if first == 0xF5:
            return TRUE
        if first == 0xF4:
            return FALSE
        return exact(codec.decode(self.whole(short)))

    def whole(self, short: bytes) -> bytes:
        """The bytes that a stub stands for."""
        if type(short) is not bytes:
            raise TypeError("a value is not of the type of its column")
        if len(short) < STUB_BYTES:
            return short
        found = self._file.typed((bytes,), "SELECT body FROM long WHERE stub = ?", (short,))
        if not found or stub(found[0][0]) != short:
            raise self._file.damaged("the index holds the beginning of a long value but not the value")
        body: bytes = found[0][0]
        return body


def as_damage(file: File, error: Exception) -> StoreError:
    """What went wrong with a value from a file, as an error of the store."""
    return error if isinstance(error, StoreError) else file.damaged(f"the index holds what nobody said: {error}")


def facts_from(cut: Cut) -> str:
    """FROM and WHERE for the facts `f` that are visible at a cut; binds `facts`, `deltas` and what `window` gives."""
    return f"FROM fact f WHERE f.row <= :facts{f' AND ({_FACT_WITHIN})' if is_windowed(cut) else ''}"


def is_windowed(cut: Cut) -> bool:
    """Whether a cut asks for more than an epoch, so that each delta must be looked at."""
    return cut.since is not None or cut.until is not None or cut.authors is not None


def kind_of_encoded(first: bytes) -> str:
    """The name of a value's kind by the first byte of its encoding."""
    if first in (b"\xf4", b"\xf5"):
        return "bool"
    return _MAJOR_KINDS.get(first[0] >> 5 if first else -1, "float")


_INTEGERS: Final = {0x18: 2, 0x19: 3, 0x1A: 5, 0x1B: 9, 0x38: 2, 0x39: 3, 0x3A: 5, 0x3B: 9}
"""The first byte of an encoded integer that does not fit in that byte, and the length of the whole."""

_FLOAT: Final = Struct(">d")

_MAJOR_KINDS: Final = {
    codec.UNSIGNED: "int",
    codec.NEGATIVE: "int",
    codec.BYTES: "bytes",
    codec.TEXT: "text",
    codec.TAG: "cid",
}


# -- cells to bindings -------------------------------------------------------------------------------------------------


def bind(relation: str, bound: Mapping[str, Cell]) -> Bindings | None:
    """The bindings for the bound columns that paths use; None if no tuple can agree with them."""
    bindings: Bindings = {}
    for name, cell in bound.items():
        assert name in COLUMNS[relation], f"{relation} has no column {name}"
        binder = _BINDERS.get((relation, name))
        if binder is None:
            continue
        found = binder(cell)
        if found is None:
            return None
        bindings[name.lstrip("$")] = found
    return bindings


def _bind_block(cell: Cell) -> bytes | None:
    return pack(cell) if type(cell) is Cid and cell.is_block else None


def _bind_cid(cell: Cell) -> bytes | None:
    return pack(cell) if type(cell) is Cid else None


def _bind_bytes(cell: Cell) -> bytes | None:
    return stub(cell) if type(cell) is bytes else None


def _bind_value(cell: Cell) -> bytes | None:
    value = plain(cell)
    return stub(codec.SCALARS[type(value)](value))


_BINDERS: Final[dict[tuple[str, str], Callable[[Cell], bytes | None]]] = {
    ("fact", "$cid"): _bind_block,
    ("fact", "entity"): _bind_bytes,
    ("fact", "attribute"): _bind_value,
    ("fact", "value"): _bind_value,
    ("cause", "from"): _bind_block,
    ("cause", "to"): _bind_cid,
    ("delta", "id"): _bind_block,
    ("asserts", "delta"): _bind_block,
    ("asserts", "fact"): _bind_block,
    ("arrival", "delta"): _bind_block,
}
"""How the columns that paths use are looked up."""
