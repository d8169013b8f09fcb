"""LMDB: five trees of facts (by row, by digest, and the three orders) over interned numbers, and trees of what they number."""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Any

import lmdb

from bench.child import Watch
from bench.store.sizes import ATTRIBUTES

MAP_BYTES = 64 << 30
"""The most that a file may become; address space only."""

TREES = ("fact", "cid", "eav", "aev", "ave", "entity", "entity id", "value", "value id")

FACT = Struct(">IBII32s")
"""What stands in `fact` under a row: entity, attribute, value, cause and digest, by number."""

NUMBER = Struct(">I")


def import_all() -> None:
    """Everything is imported."""


def _open(path: str) -> tuple[Any, dict[str, Any]]:
    db = lmdb.open(path, subdir=False, map_size=MAP_BYTES, max_dbs=len(TREES), readahead=False)
    return db, {name: db.open_db(name.encode()) for name in TREES}


def _encode(value: int | float | str) -> bytes:
    match value:
        case int():
            return b"i%d" % value
        case float():
            return b"f" + repr(value).encode()
    return b"t" + value.encode()


def _decode(data: bytes) -> int | float | str:
    text = data[1:].decode()
    return {"i": int, "f": float, "t": str}[chr(data[0])](text)


class Writer:
    """A new database: one synced transaction an epoch, the keys of each tree in order."""

    def __init__(self, path: str) -> None:
        self._db, self._trees = _open(path)

    def prepare(self, batch: Any) -> Any:
        """Arrays of interned numbers, and what is new among what they number."""
        return batch.first, batch.rows, batch.new_entities, batch.new_values

    def load(self, prepared: Any) -> None:
        first, rows, new_entities, new_values = prepared
        with self._db.begin(write=True) as transaction:
            self._number(transaction, "entity", new_entities)
            self._number(transaction, "value", [(number, _encode(value)) for number, value in new_values])
            self._put(transaction, "fact", _by_row(first, rows), append=True)
            self._put(transaction, "cid", _by_digest(first, rows))
            for order in ("eav", "aev", "ave"):
                self._put(transaction, order, _in_order(first, rows, order))

    def _number(self, transaction: Any, name: str, new: list[tuple[int, bytes]]) -> None:
        self._put(transaction, name, [(NUMBER.pack(number), each) for number, each in new])
        self._put(transaction, f"{name} id", sorted((each, NUMBER.pack(number)) for number, each in new))

    def _put(self, transaction: Any, tree: str, pairs: Any, *, append: bool = False) -> None:
        with transaction.cursor(self._trees[tree]) as cursor:
            cursor.putmulti(pairs, append=append)

    def settle(self) -> None:
        """Nothing goes on in the background."""

    def close(self) -> None:
        self._db.close()


def _by_row(first: int, rows: Any) -> list[tuple[bytes, bytes]]:
    import numpy as np

    facts = np.empty(
        len(rows), [("entity", ">u4"), ("attribute", "u1"), ("value", ">u4"), ("cause", ">u4"), ("digest", "V32")]
    )
    for name in facts.dtype.names:
        facts[name] = rows[name]
    return list(zip(_numbers(first, len(rows)), _split(facts), strict=True))


def _by_digest(first: int, rows: Any) -> list[tuple[bytes, bytes]]:
    return sorted(zip(_split(rows["digest"]), _numbers(first, len(rows)), strict=True))


def _in_order(first: int, rows: Any, order: str) -> list[tuple[bytes, bytes]]:
    import numpy as np

    names = {"e": ("entity", ">u4"), "a": ("attribute", "u1"), "v": ("value", ">u4")}
    keys = np.empty(len(rows), [*(names[letter] for letter in order), ("row", ">u4")])
    for letter in order:
        keys[names[letter][0]] = rows[names[letter][0]]
    keys["row"] = np.arange(first, first + len(rows))
    return [(key, b"") for key in sorted(_split(keys))]


def _numbers(first: int, count: int) -> list[bytes]:
    import numpy as np

    return _split(np.arange(first, first + count).astype(">u4"))


def _split(array: Any) -> list[bytes]:
    data, size = array.tobytes(), array.dtype.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


class Reader:
    """A database that is there."""

    def __init__(self, path: str) -> None:
        self._db, self._trees = _open(path)

    def epoch(self) -> int:
        with self._db.begin() as transaction:
            return int(transaction.stat(self._trees["fact"])["entries"])

    def entity(self, entity: bytes) -> Any:
        trees = self._trees
        with self._db.begin() as transaction:
            number = transaction.get(entity, db=trees["entity id"])
            found = []
            with transaction.cursor(trees["eav"]) as cursor:
                more = number is not None and cursor.set_range(number)
                while more:
                    key = cursor.key()
                    if key[:4] != number:
                        break
                    found.append(self._row(transaction, key[-4:], entity))
                    more = cursor.next()
        return found

    def _row(self, transaction: Any, row: bytes, entity: bytes | None = None) -> tuple[bytes, bytes, str, Any]:
        number, attribute, value, _, digest = FACT.unpack(transaction.get(row, db=self._trees["fact"]))
        if entity is None:
            entity = transaction.get(NUMBER.pack(number), db=self._trees["entity"])
        cell = _decode(transaction.get(NUMBER.pack(value), db=self._trees["value"]))
        return digest, entity, ATTRIBUTES[attribute], cell

    def fact(self, digest: bytes) -> Any:
        with self._db.begin() as transaction:
            row = transaction.get(digest, db=self._trees["cid"])
            return [] if row is None else [self._row(transaction, row)]

    def attribute(self, name: str) -> Any:
        """The keys of a stretch of `aev`, as one array."""
        import numpy as np

        prefix = bytes([ATTRIBUTES.index(name)])
        keys = []
        with self._db.begin() as transaction, transaction.cursor(self._trees["aev"]) as cursor:
            if cursor.set_range(prefix):
                for key in cursor.iternext(values=False):
                    if key[:1] != prefix:
                        break
                    keys.append(key)
        return np.frombuffer(b"".join(keys), [("a", "u1"), ("entity", ">u4"), ("value", ">u4"), ("row", ">u4")])

    def counts(self, columns: Any) -> list[int]:
        import numpy as np

        return [len(columns), len(np.unique(columns["entity"]))]

    def plain(self, rows: Any) -> list[tuple[str, str, Any]]:
        return [(digest.hex(), attribute, value) for digest, _, attribute, value in rows]

    def make(self, number: int) -> int:
        return number

    def commit(self, made: int) -> None:
        """One fact whose parts are interned."""
        row = self.epoch() + 1
        attribute, digest = made % len(ATTRIBUTES), sha256(b"%d" % row).digest()
        e, a, v, at = NUMBER.pack(0), bytes([attribute]), NUMBER.pack(1), NUMBER.pack(row)
        with self._db.begin(write=True) as transaction:
            transaction.put(at, FACT.pack(0, attribute, 1, row - 1, digest), db=self._trees["fact"])
            transaction.put(digest, at, db=self._trees["cid"])
            for order, key in (("eav", e + a + v), ("aev", a + e + v), ("ave", a + v + e)):
                transaction.put(key + at, b"", db=self._trees[order])

    def time_syncs(self, watch: Watch) -> bool:
        return False

    def close(self) -> None:
        self._db.close()


open_writer, open_reader = Writer, Reader
