"""A text as it stands: the runs that the program extracts, their characters, and their order as a `Rope` keeps it.

Runs come in any order; one whose parent is missing waits for it, and so do deletions whose run is. What is known already
changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from rhizomedb._native import kernel
from rhizomedb.crdt import rope
from rhizomedb.facts.cid import Cid

Rope = kernel(rope.Rope)


Inserted: TypeAlias = "tuple[Any, ...]"
"""A tuple of `inserted`: run, text, parent (the text itself at the beginning), offset, counter, session, characters."""

Deleted: TypeAlias = "tuple[Any, ...]"
"""A tuple of `deleted`: the fact that says it, text, run, start, count."""

Edited = Callable[[int, int, str, Cid], None]
"""Is told of each edit: the position, how many characters went there, what came in their place, by which fact."""


class Order:
    """The runs of one text by number, and where they stand."""

    def __init__(self) -> None:
        self.rope = Rope()
        self.names: list[Cid | None] = []
        """The fact of each run; None while it was not said yet."""
        self.characters: list[str] = []
        self.numbers: dict[Cid, int] = {}
        self._waiting: defaultdict[Cid, list[Inserted]] = defaultdict(list)
        self._waiting_deletions: defaultdict[Cid, list[Deleted]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.rope)

    def text(self, position: int, count: int) -> str:
        """Some of the visible characters."""
        characters = self.characters
        return "".join([characters[run][start : start + size] for run, start, size in self.rope.spans(position, count)])

    def add(self, parent: int | None, offset: int, counter: int, tie: bytes, characters: str) -> tuple[int, int]:
        """Put a run of no name yet after a character that is there; its number, and where it comes to stand."""
        number = len(self.names)
        position = self.rope.insert(number, parent, offset, len(characters), counter, tie)
        assert position is not None, "the character is there"
        self.names.append(None)
        self.characters.append(characters)
        return number, position

    def name(self, number: int, run: Cid, session: str) -> bool:
        """Say by which fact a run is now there; whether it stands where it has to. If it does not, begin anew."""
        self.names[number] = run
        self.numbers[run] = number
        return self.rope.settle(number, tie_of(session, run))

    def take(self, inserted: Iterable[Inserted], deleted: Iterable[Deleted], edited: Edited | None = None) -> None:
        """Take in runs and deletions."""
        numbers, waiting = self.numbers, self._waiting
        for row in inserted:
            run, _, parent = row[:3]
            if run in numbers:
                continue
            if type(parent) is Cid and parent not in numbers:
                waiting[parent].append(row)
                continue
            ready = [row]
            while ready:
                row = ready.pop()  # noqa: PLW2901  # and then those that waited for it
                self._insert(row, edited)
                if row[0] in waiting and row[0] in numbers:
                    ready += (each for each in waiting.pop(row[0]) if each[0] not in numbers)
        for each in deleted:
            self._delete(each, edited)

    def _insert(self, row: Inserted, edited: Edited | None) -> None:
        run, _, parent, offset, counter, session, characters = row
        above = self.numbers[parent] if type(parent) is Cid else None
        number = len(self.names)
        position = self.rope.insert(number, above, offset, len(characters), counter, tie_of(session, run))
        if position is None:  # the parent has no such character, and never will
            return
        self.names.append(run)
        self.characters.append(characters)
        self.numbers[run] = number
        if edited is not None:
            edited(position, 0, characters, run)
        if run in self._waiting_deletions:
            for each in self._waiting_deletions.pop(run):
                self._delete(each, edited)

    def _delete(self, row: Deleted, edited: Edited | None) -> None:
        fact, _, run, start, count = row
        number = self.numbers.get(run)
        if number is None:
            self._waiting_deletions[run].append(row)
            return
        gone = self.rope.delete(number, start, count)
        if edited is not None:
            for position, size in gone:
                edited(position, size, "", fact)


UNNAMED: Final = b""
"""The tie of a run that has no name yet: it is before its siblings by its counter."""


def tie_of(session: str, run: Cid) -> bytes:
    """What siblings of one counter stand by, as bytes: the session, which has a fixed length, then the CID."""
    return session.encode() + bytes(run)
