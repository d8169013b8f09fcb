"""The small tables of a file beside its log, each row of which carries a seal: epochs, what each reached, and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rhizomedb.store.file import File
from rhizomedb.store.layout import Mark, seal
from rhizomedb.store.store import Epoch

REMEMBERED_MAX: Final = 1024
"""How many epochs are remembered, and how many marks."""

_MARK_TYPES: Final = (*(int,) * len(Mark._fields), bytes)


class SealedTables:
    """The epochs, marks and names of a file. An altered row is an error, and so is one that should be there."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._epochs: dict[int, Epoch] = {}
        self._marks: dict[int, Mark] = {}
        self._made: dict[int, Mark] | None = None

    def forget(self) -> None:
        """Read all of it again: somebody else may have written."""
        self._marks.clear()
        self._epochs.clear()

    # -- epochs -----------------------------------------------------------------------------------------------------

    def epochs(self, after: int) -> list[Epoch]:
        """All epochs after one, oldest first."""
        found = [self._epoch(row) for row in self._epoch_rows("WHERE number > ? ORDER BY number", (after,))]
        for number, epoch in enumerate(found, max(after, 0) + 1):
            if epoch.number != number:
                raise self._file.damaged(f"there is no epoch {number}", fix=self._file.salvage)
        return found

    def epoch(self, number: int) -> Epoch:
        """One epoch."""
        epoch = self._epochs.get(number)
        if epoch is None:
            rows = self._epoch_rows("WHERE number = ?", (number,))
            if not rows:
                raise self._file.damaged(f"there is no epoch {number}")
            if len(self._epochs) >= REMEMBERED_MAX:
                self._epochs.clear()
            epoch = self._epochs[number] = self._epoch(rows[0])
        return epoch

    def add_epoch(self, epoch: Epoch) -> None:
        """Note an epoch that begins; inside a write."""
        row = (epoch.number, epoch.at_ms, epoch.origin)
        self._file.run("INSERT INTO epoch VALUES (?, ?, ?, ?)", (*row, seal(*row)))

    def _epoch_rows(self, which: str, bindings: Sequence[Any] = ()) -> list[Any]:
        if self._file.format == 1:
            rows = self._file.typed((int, int, str), f"SELECT number, at_ms, origin FROM epoch {which}", bindings)
            return [(*row, seal(*row)) for row in rows]
        return self._file.typed((int, int, str, bytes), f"SELECT * FROM epoch {which}", bindings)

    def _epoch(self, row: Any) -> Epoch:
        if seal(*row[:3]) != row[3]:
            raise self._file.damaged(f"what is kept of epoch {row[0]} was altered")
        return Epoch(*row[:3])

    # -- marks ------------------------------------------------------------------------------------------------------

    @property
    def has_made_marks(self) -> bool:
        """Whether the marks are those of `use`, and not those of the file."""
        return self._made is not None

    def use(self, marks: Sequence[Mark]) -> None:
        """Answer with marks that were made, for a file that has none and cannot be written."""
        self._made = {mark.epoch: mark for mark in marks}

    def newest_mark(self) -> Mark:
        """What the newest epoch reached; nothing where there is none."""
        if self._made is not None:
            return self._made.get(max(self._made, default=0), Mark())
        return self._read_mark("ORDER BY epoch DESC LIMIT 1")

    def mark(self, epoch: int) -> Mark:
        """What an epoch reached that is not the newest."""
        mark = self._marks.get(epoch)
        if mark is None:
            if self._made is not None:
                mark = self._made.get(epoch, Mark())
            else:
                mark = self._read_mark("WHERE epoch = ?", (epoch,))
            if mark.epoch != epoch:
                raise self._file.damaged(f"the index knows nothing of epoch {epoch}")
            if len(self._marks) >= REMEMBERED_MAX:
                self._marks.clear()
            self._marks[epoch] = mark
        return mark

    def set_mark(self, mark: Mark) -> None:
        """Note what an epoch reached; inside a write."""
        self._file.run("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*mark, seal(*mark)))

    def _read_mark(self, which: str, bindings: Sequence[Any] = ()) -> Mark:
        rows = self._file.typed(_MARK_TYPES, f"SELECT * FROM mark {which}", bindings)
        if not rows:
            return Mark()
        *numbers, sealed = rows[0]
        if seal(*numbers) != sealed:
            raise self._file.damaged(f"what was reached in epoch {numbers[0]} was altered")
        return Mark(*numbers)

    # -- names ------------------------------------------------------------------------------------------------------

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        if self._file.format == 1:
            return dict(self._file.typed((bytes, str), "SELECT author, name FROM name ORDER BY author"))
        found = {}
        for author, name, sealed in self._file.typed((bytes, str, bytes), "SELECT * FROM name ORDER BY author"):
            if seal(author, name) != sealed:
                raise self._file.damaged(f"the name of author {author.hex()} was altered")
            found[author] = name
        return found

    def name(self, author: bytes, name: str) -> None:
        """Remember what this copy calls an author key; inside a write."""
        if self._file.run("SELECT name FROM name WHERE author = ?", (author,)) != [(name,)]:
            self._file.run("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", (author, name, seal(author, name)))
