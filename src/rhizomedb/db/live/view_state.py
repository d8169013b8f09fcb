"""What a stored view derives, kept in the index folder, so that it is there at once when the file is opened again.

A file holds the tuples of one view at one epoch. It is derived and never believed on its word: it has a hash of all of
it, and says of which program, parameters and window it is, by which version of this format, of which place in the file
system, and up to which delta of the log (`cursor`). Where any of that does not fit, it is removed and made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rhizomedb.db.live.cursor import cursor_of, named_end_of, place_of
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Value, check_value, exact, plain
from rhizomedb.flow.relation import Change
from rhizomedb.store.folder import Folder

if TYPE_CHECKING:
    from rhizomedb.db.live.live_view import Kept
    from rhizomedb.db.live.stored import Row, Stored
    from rhizomedb.flow.batch import Batch
    from rhizomedb.flow.body import Input
    from rhizomedb.store.file import File
    from rhizomedb.store.store import Cut, Store

FORMAT: Final = 1
MAGIC: Final = b"rhizome view\n"
ENDING: Final = ".view"
BYTES_MAX: Final = 256 << 20
"""A view that is larger is not kept: to read it would take as long as to derive it."""

_HASH_BYTES: Final = 32

Rows = Mapping[str, "Sequence[Row]"]
"""The tuples of relations by their names."""


class StateFile:
    """The file of one view of a database file, by the name of the view. `key` is all that the view depends on but the log."""

    def __init__(self, store: Store, file: File, name: str, key: Iterable[object]) -> None:
        folder = Folder(file.absolute)
        self._store = store
        self._folder = folder.path
        self.path = os.path.join(folder.path, hashlib.sha256(name.encode()).hexdigest()[:16] + ENDING)
        # A copy of the database has another place, and believes nothing that came with it.
        self._key = hashlib.sha256(repr((FORMAT, folder.place(), name, *key)).encode()).hexdigest()
        self._epoch: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether a state is kept."""
        return os.path.isfile(self.path)

    def load(self, columns: Mapping[str, Sequence[str]], newest: int) -> tuple[int, Rows] | None:
        """The epoch and the tuples that are kept; None where none are, or they do not fit, and then they are removed."""
        if not self.is_there:
            return None
        try:
            epoch, rows = self._read(columns, newest)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, Error):
            self.remove()
            return None
        self._epoch = epoch
        return epoch, rows

    def save(self, epoch: int, columns: Mapping[str, Sequence[str]], rows: Callable[[str], Sequence[Row]]) -> bool:
        """Keep the tuples of an epoch; whether that was possible."""
        if epoch == self._epoch:
            return True
        try:
            relations = {name: _columns(rows(name), len(columns[name])) for name in columns}
            cursor = cursor_of(self._store, named_end_of(self._store, epoch))
            said = {"key": self._key, "cursor": cursor, "relations": relations}
            body = json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (ValueError, TypeError, MemoryError):
            return False
        data = MAGIC + hashlib.sha256(body).digest() + body
        if len(data) > BYTES_MAX:
            self.remove()
            return False
        under_way = f"{self.path}.new"  # where two write at once the hash says so, and nothing is left behind
        try:
            os.makedirs(self._folder, exist_ok=True)
            with suppress(FileNotFoundError):
                os.unlink(under_way)
            with open(under_way, "xb") as file:  # never through a link, nor into a pipe that nobody reads
                file.write(data)
            os.replace(under_way, self.path)
        except OSError:  # whatever the file system says no to, the view is derived again next time
            with suppress(OSError):
                os.unlink(under_way)
            return False
        self._epoch = epoch
        return True

    def remove(self) -> None:
        """Keep nothing."""
        self._epoch = None
        with suppress(OSError):
            os.unlink(self.path)

    def _read(self, columns: Mapping[str, Sequence[str]], newest: int) -> tuple[int, Rows]:
        with open(self.path, "rb") as file:
            data = file.read(BYTES_MAX + 1)
        body = data[len(MAGIC) + _HASH_BYTES :]
        whole = data.startswith(MAGIC) and data[len(MAGIC) :][:_HASH_BYTES] == hashlib.sha256(body).digest()
        if not whole or len(data) > BYTES_MAX:
            raise ValueError("it is not what was written")
        said = json.loads(body)
        if said["key"] != self._key or said["relations"].keys() != columns.keys():
            raise ValueError("it is of another view")
        place = place_of(self._store, said["cursor"], newest)
        rows = {name: _rows(said["relations"][name], len(columns[name])) for name in columns}
        return place.epoch, rows


class Asleep:
    """A view as it was kept: awake, and worked out, once something is said that its program reads.

    It does what `Upkeep` does, to which it hands everything on from then on.
    """

    def __init__(
        self, epoch: int, rows: Rows, window: Cut, stored: Callable[[], Stored], inputs: Callable[[], Mapping[str, Input]],
        wake: Callable[[Cut], Kept],
    ) -> None:  # fmt: skip
        self._epoch = epoch
        self._rows = rows
        self._window = replace(window, epoch=None)
        self._stored = stored
        self._inputs = inputs
        self._wake = wake
        self._awake: Kept | None = None
        self._read: Stored | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether it has yet to be worked out."""
        return self._awake is None

    @property
    def epoch(self) -> int:
        """Where it is."""
        return self._epoch if self._awake is None else self._awake.epoch

    @property
    def cut(self) -> Cut:
        """The same as a cut."""
        return replace(self._window, epoch=self.epoch)

    def move(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch; what that changed. Where nothing that is read came, nothing is worked out."""
        if self._awake is None:
            if epoch == self._epoch:
                return {}
            if self._read is None or not self._read.is_current():
                self._read = self._stored()
            after = replace(self._window, epoch=epoch)
            if not self._read.changes(self._inputs(), self.cut, after):
                self._epoch = epoch
                return {}
            self._awake, self._rows, self._read = self._wake(self.cut), {}, None
        return self._awake.move(epoch)

    def reset(self, epoch: int) -> None:
        """Be where it was before a move of which nobody learned."""
        if self._awake is None:
            self._epoch = epoch
        else:
            self._awake.reset(epoch)

    def tidy(self) -> None:
        """Forget what is of no use any more."""
        if self._awake is not None:
            self._awake.tidy()

    def rows(self, relation: str) -> list[Row]:
        """The tuples of a relation, in no order."""
        return list(self._rows[relation]) if self._awake is None else self._awake.rows(relation)

    def cells(self, batch: Batch) -> list[Row]:
        """What the ids of a batch stand for."""
        assert self._awake is not None, "a change comes from a view that is awake"
        return self._awake.cells(batch)


# -- tuples as JSON, column by column --------------------------------------------------------------------------------

_KINDS: Final[Mapping[type, str]] = {bool: "b", int: "i", float: "f", str: "s", bytes: "y", Cid: "c"}

_READ: Final[Mapping[str, Callable[[Any], Value]]] = {
    "b": lambda value: _of(value, bool),
    "i": lambda value: _of(value, int),
    "f": lambda value: _of(value, float),
    "s": lambda value: _of(value, str),
    "y": bytes.fromhex,
    "c": lambda value: Cid(bytes.fromhex(value)),
}


def _columns(rows: Sequence[Row], width: int) -> dict[str, Any]:
    columns = []
    for column in range(width):
        values = [plain(row[column]) for row in rows]
        kinds = "".join(_KINDS[type(value)] for value in values)
        written = [
            value.hex() if isinstance(value, bytes) else bytes(value).hex() if isinstance(value, Cid) else value
            for value in values
        ]
        columns.append([kinds[0] if len(set(kinds)) == 1 else kinds, written])
    return {"count": len(rows), "columns": columns}


def _rows(said: Any, width: int) -> list[Row]:
    columns = said["columns"]
    if len(columns) != width or any(len(values) != said["count"] for _, values in columns):
        raise ValueError("it has other columns")
    read = []
    for kinds, values in columns:
        each = kinds * len(values) if len(kinds) == 1 else kinds
        if len(each) != len(values):
            raise ValueError("a column has other values")
        read.append([exact(check_value(_READ[kind](value))) for kind, value in zip(each, values, strict=True)])
    return list(zip(*read, strict=True)) if width else [()] * said["count"]


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError("a value is of another kind")
    return value
