"""What the rows of a table say, as columns for `write_source`: the entity, the attribute and the value of each cell.

Every register must stand in one batch. Entities that several rows are about therefore come whole, after all others; if
they are many, in several passes over the file, each of which takes up only some of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, compress, islice
from typing import TYPE_CHECKING, Any, Final

from rhizomedb.db.identity import new_entity
from rhizomedb.db.standing import by_entities
from rhizomedb.db.transaction import Columns
from rhizomedb.exchange.table import Chunk, Progress, Row, Table
from rhizomedb.facts.entity import ENTITY_BYTES, derive_all
from rhizomedb.facts.value import Attribute, Entity
from rhizomedb.store.room import BASE_BYTES, mebibytes, share, too_little

if TYPE_CHECKING:
    import numpy as np

BATCH_ROWS: Final = 1_000
"""Rows that are taken together, where a file does not give more."""

LATE_CELLS_MAX: Final = 500_000
"""About how many cells of entities with several rows are held in memory."""

HEAD_ROOM_BYTES: Final = 64
"""How much memory it takes for each row to find out which entities have several, as measured with two million."""


def said_by_rows(table: Table, key: Sequence[str], progress: Progress | None = None) -> Generator[Columns, None, None]:
    """What a table says, in batches; entities with several rows come whole, in the last ones."""
    repeats = _repeats(table, key)
    if repeats is None:
        yield from _said(table, key, progress)
        return
    for part in range(repeats.parts):
        late: list[Columns] = []
        for said in _said(table, key, progress if part == 0 else None):
            parts = repeats.parts_of(said.entities)
            if part == 0:
                yield said.at(place for place, of in enumerate(parts) if of is None)
            late.append(said.at(place for place, of in enumerate(parts) if of == part))
        yield from _whole(late)


def _whole(late: list[Columns]) -> Iterator[Columns]:
    """Columns in batches, entity by entity."""
    columns = Columns(*(list(chain.from_iterable(parts)) for parts in zip(*late, strict=True)))
    late.clear()
    places = sorted(range(len(columns.entities)), key=columns.entities.__getitem__)
    for some in by_entities(places, columns.entities, BATCH_ROWS):
        yield columns.at(some)


def _said(table: Table, key: Sequence[str], progress: Progress | None) -> Iterator[Columns]:
    """What a table says, some rows at once, in its order."""
    chunks = table.chunks(progress)
    if chunks is not None:
        for chunk in chunks:
            yield _of_chunk(chunk, table.columns, key)
        return
    rows = table.rows(progress)
    while some := list(islice(rows, BATCH_ROWS)):
        yield _of_rows(some, key)


def _of_chunk(chunk: Chunk, names: Sequence[str], key: Sequence[str]) -> Columns:
    """What a chunk says. Empty cells say nothing."""
    if not names:
        return Columns([], [], [])
    rows = len(chunk.lines)
    entities = _chunk_entities(chunk, names, key)
    cells = list(chain.from_iterable(zip(*chunk.values, strict=True)))
    entity_of_cell = list(chain.from_iterable(zip(*[entities] * len(names), strict=True)))
    attributes: list[Attribute] = [*names] * rows
    if not any(None in column for column in chunk.values):
        return Columns(entity_of_cell, attributes, cells)
    filled = [cell is not None for cell in cells]
    values = [cell for cell in cells if cell is not None]
    return Columns(list(compress(entity_of_cell, filled)), list(compress(attributes, filled)), values)


def _of_rows(rows: Sequence[Row], key: Sequence[str]) -> Columns:
    """What some rows say, in which a name may have several values."""
    said = Columns([], [], [])
    for entity, row in zip(_row_entities(rows, key), rows, strict=True):
        for attribute, value in row.values.items():
            for one in value if isinstance(value, list) else (value,):
                said.entities.append(entity)
                said.attributes.append(attribute)
                said.values.append(one)
    return said


def _chunk_entities(chunk: Chunk, names: Sequence[str], key: Sequence[str]) -> list[Entity]:
    if not key:
        return [new_entity() for _ in chunk.lines]
    return derive_all({name: chunk.values[names.index(name)] for name in key})  # type: ignore[misc]  # no key is empty in a good row


def _row_entities(rows: Sequence[Row], key: Sequence[str]) -> list[Entity]:
    if not key:
        return [new_entity() for _ in rows]
    return derive_all({name: [row.values[name] for row in rows] for name in key})  # type: ignore[misc]  # a key holds one value


# -- entities with several rows ----------------------------------------------------------------------------------------


def _repeats(table: Table, key: Sequence[str]) -> Repeats | None:
    """The entities with several rows, if there are any."""
    if not key or not table.keys_may_repeat:
        return None
    needed = BASE_BYTES + table.rows_count * HEAD_ROOM_BYTES
    if table.memory_bytes is not None and needed > table.memory_bytes:
        message = f"to tell which of {table.rows_count:,} rows repeat a key takes {mebibytes(needed)} of memory"
        raise too_little(f"{message}, and an import may hold {mebibytes(table.memory_bytes)}", needed)
    return Repeats(_entities_of_rows(table, key), len(table.columns), int(LATE_CELLS_MAX * share(table.memory_bytes)))


def _entities_of_rows(table: Table, key: Sequence[str]) -> Iterator[list[Entity]]:
    chunks = table.chunks()
    if chunks is not None:
        for chunk in chunks:
            yield _chunk_entities(chunk, table.columns, key)
        return
    rows = table.rows()
    while some := list(islice(rows, BATCH_ROWS)):
        yield _row_entities(some, key)


class Repeats:
    """The entities that several rows are about, divided into `parts` of them.

    The first eight bytes of an entity stand for it: if two share them by chance, that they count as repeated does no harm.
    """

    def __init__(self, entities: Iterable[list[Entity]], width: int, cells_max: int) -> None:
        import numpy as np  # it would cost most of the import time, and few tables need it

        found = [np.zeros(0, "<u8"), *map(_heads, entities)]
        heads, counts = np.unique(np.concatenate(found), return_counts=True)
        self._heads = heads[counts > 1]
        self.parts = max(1, -(-int(counts[counts > 1].sum()) * width // cells_max))

    def parts_of(self, entities: list[Entity]) -> list[int | None]:
        """The part of each entity, None for one that is not repeated."""
        import numpy as np

        heads = _heads(entities)
        if not len(self._heads):
            return [None] * len(entities)
        near = self._heads[np.minimum(np.searchsorted(self._heads, heads), len(self._heads) - 1)]
        parts = (heads % self.parts).tolist()
        return [part if is_one else None for part, is_one in zip(parts, (near == heads).tolist(), strict=True)]


def _heads(entities: list[Entity]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(b"".join(entities), "<u8")[:: ENTITY_BYTES // 8]
