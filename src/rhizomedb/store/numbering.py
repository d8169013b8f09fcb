"""Numbering: one id for each cell, as the index numbers them, for as long as somebody works with the ids.

The index has two words for a cell: its number, and for the CID of a fact that is here its row with the bit `ROW`. Neither
ever changes, for the log only grows; but a cell that was met before may get another word when more is said: one that was
computed is said, a fact that was only named comes. Its id stays what it was, and the later word is translated (`images`).
Cells that the index does not have get numbers of the reader's own, from `OWN` on, which are used again when a sweep says
that nobody holds them.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Cell
from rhizomedb.store.keys import LINK_HEAD, are_ordered, cell_of, key_of
from rhizomedb.store.order import Order
from rhizomedb.store.relations import PAGE_ROWS_MAX, View
from rhizomedb.store.segment import CELL, ROW, damaged
from rhizomedb.store.tiers import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN: Final = CELL
"""Where the numbers of cells begin that the index does not have."""

FEW: Final = 1024
"""So much that came is followed without asking whether to begin anew costs less."""

MANY: Final = 256
"""From how many ids on their order is asked for, instead of each of their cells."""

Word: TypeAlias = int
"""How the index names a cell: by number, or by row with the bit `ROW`."""


class Numbering:
    """The ids of cells, over an index that grows: `view` is of all of it, so far with these cells, in these segments."""

    def __init__(self, view: View, cell_last: int, parts: Sequence[Part]) -> None:
        self.is_whole = True
        """Whether nothing stopped it while it went on: where something did, ids may be missing that it gave."""
        self._own: dict[Cell, int] = {}
        self._own_cells: list[Cell | None] = []
        self._free: list[int] = []
        self.own_bytes = 0
        """How long the texts and bytes are that have numbers of the reader's own."""
        self._images: dict[Word, int] | None = None
        self._sorted_images: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._words: dict[int, list[Word]] = {}
        self._rowless: dict[Cid, int] = {}
        self._met = view.last_row, cell_last
        self._take(view, cell_last, parts)

    def _take(self, view: View, cell_last: int, parts: Sequence[Part]) -> None:
        assert cell_last < OWN, "an index numbers fewer cells than that"
        self._view, self._segments = view, len(parts)
        self._order = Order(view, parts)

    @property
    def own(self) -> int:
        """How many cells have numbers of the reader's own."""
        return len(self._own)

    def ids(self, cells: Iterable[Cell]) -> list[int]:
        """The ids of some cells; one that the index does not have gets an own one."""
        return [self._id(cell) for cell in cells]

    def _id(self, cell: Cell) -> int:
        own = self._own.get(cell)
        if own is not None:
            return own
        word = self.word(cell)
        if word:
            id = word if self._images is None else self._images.get(word, word)
        elif self._free:
            id = self._free.pop()
            self._own_cells[id - OWN] = cell
        else:
            self._own_cells.append(cell)
            id = OWN + len(self._own_cells) - 1
        if not word and isinstance(cell, str | bytes):
            self.own_bytes += len(cell)
        if type(cell) is Cid and word < ROW:
            self._rowless[cell] = id
        if not word:
            self._own[cell] = id  # last: what stops this before leaves a number unused, and nothing half known
        return id

    def word(self, cell: Cell) -> Word:
        """What the index calls a cell: its row if it names a fact that is here, else its number; 0 if it has none."""
        row = self._view.row(cell) if type(cell) is Cid else 0
        return row | ROW if row else self._view.number(cell)

    def cells(self, ids: Iterable[int]) -> list[Cell]:
        """The cells of some ids."""
        ids = list(ids)
        facts = [id for id in ids if id >= ROW]
        numbers = [id for id in ids if id < OWN]
        known = self._view.cells(numbers) if numbers else {}
        digests = dict(zip(facts, self._view.cids([id - ROW for id in facts]), strict=True)) if facts else {}
        own = self._own_cells
        return [digests[id] if id >= ROW else known[id] if id < OWN else own[id - OWN] for id in ids]  # type: ignore[misc]  # an id that is held has its cell

    def is_ordered(self, greatest: int) -> bool:
        """Never: cells are numbered in the order in which they are met."""
        return False

    def compared(self, comparison: str, cell: Cell, ids: Sequence[int] | array[int]) -> array[int] | None:
        """Those of many ids whose cells are `<`, `<=`, `>` or `>=` a cell; None where looking at each is the better way."""
        import numpy as np

        if len(ids) < MANY or type(cell) is Cid:
            return None
        asked = np.asarray(ids, np.uint32)
        kept = self._order.compared(comparison, cell, asked)
        own = np.flatnonzero((asked >= OWN) & (asked < ROW))
        for place, of_id in zip(own.tolist(), self.cells(asked[own].tolist()), strict=True):
            kept[place] = are_ordered(comparison, key_of(of_id), key_of(cell))
        return array("I", asked[kept].tobytes())

    # -- words ------------------------------------------------------------------------------------------------------

    @property
    def images(self) -> Mapping[Word, int]:
        """The words whose ids are others, with these."""
        if self._images is None:
            images: dict[Word, int] = {}
            for cid, number in self._links():
                row = self._view.row(cid)
                if row:
                    images[number] = row | ROW
                else:
                    self._rowless[cid] = number
            self._words = {id: [number] for number, id in images.items()}
            self._images = images  # only now: half of them, after an interruption, would be taken for all
        return self._images

    def replaced(self, words: NDArray[Any]) -> NDArray[Any]:
        """The ids of many words."""
        import numpy as np

        images = self.images
        if not images:
            return words
        if self._sorted_images is None:
            keys = np.fromiter(images, np.uint32, len(images))
            order = np.argsort(keys)
            self._sorted_images = keys[order], np.fromiter(images.values(), np.uint32, len(images))[order]
        keys, ids = self._sorted_images
        places = np.searchsorted(keys, words)
        places[places == len(keys)] = 0
        return np.where(keys[places] == words, ids[places], words).astype(np.uint32)

    def words(self, id: int) -> list[Word]:
        """All words for the cell of an id."""
        given = [] if OWN <= id < ROW else [id]
        return given + self._words.get(id, []) if self.images else given

    def _image(self, word: Word, id: int) -> None:
        assert self._images is not None, "images are looked for before any is added"
        if word != id:
            self._sorted_images = None
            self._images[word] = id
            words = self._words.setdefault(id, [])
            if word not in words:
                words.append(word)

    def _links(self) -> Iterator[tuple[Cid, int]]:
        """The links among the cells of the index, with their numbers."""
        for segment in range(self._segments):
            key = LINK_HEAD
            while page := self._view.index.ordered(segment, key, PAGE_ROWS_MAX):
                for found, number in page:
                    if not found.startswith(LINK_HEAD):
                        break
                    yield Cid._trusted(found[1:]), number
                else:
                    key = page[-1][0] + b"\0"
                    continue
                break

    # -- growing ----------------------------------------------------------------------------------------------------

    def is_near(self, view: View, cell_last: int) -> bool:
        """Whether to follow a newer state costs no more than to number it from the beginning, which looks at all links."""
        came = view.last_row - self._view.last_row + cell_last - self._met[1]
        return came <= max(FEW, len(self._rowless) + len(self._images or ()))

    def follow(self, view: View, cell_last: int, parts: Sequence[Part]) -> None:
        """Go on over a newer state of the same index; costs what came since. If it is interrupted, the next one does it."""
        if self._met == (view.last_row, cell_last):
            self._take(view, cell_last, parts)
            return
        _ = self.images  # as they were when the numbering began
        self.is_whole = False
        self._take(view, cell_last, parts)
        last, before = self._met
        self._meet_facts(last, view.last_row)
        self._meet_cells(before, cell_last)
        self._met = view.last_row, cell_last
        self.is_whole = True

    def _meet_facts(self, after: int, last: int) -> None:
        """What was only named so far, and is a fact that came."""
        named: list[Cid] = []
        if len(self._rowless) <= last - after:
            named = list(self._rowless)
        else:
            for first in range(after + 1, last + 1, PAGE_ROWS_MAX):
                rows = range(first, min(first + PAGE_ROWS_MAX, last + 1))
                named += [cid for cid in self._view.cids(rows) if cid in self._rowless]
        for cid in named:
            row = self._view.row(cid)
            if row:
                self._image(row | ROW, self._rowless[cid])
                del self._rowless[cid]

    def _meet_cells(self, after: int, last: int) -> None:
        """What has an id already, and is a cell of the index that came."""
        for first in range(after + 1, last + 1, PAGE_ROWS_MAX):
            numbers = range(first, min(first + PAGE_ROWS_MAX, last + 1))
            for number, key in zip(numbers, self._view.index.keys(list(numbers)), strict=True):
                if not self._own and not key.startswith(LINK_HEAD):
                    continue
                try:
                    cell = cell_of(key)
                except ValueError as error:
                    raise damaged(str(error)) from error
                own = self._own.get(cell)
                if own is not None:
                    self._image(number, own)
                elif type(cell) is Cid:
                    row = self._view.row(cell)
                    if row:
                        self._image(number, self.images.get(row | ROW, row | ROW))
                    else:
                        self._rowless[cell] = number

    # -- forgetting -------------------------------------------------------------------------------------------------

    def sweep(self, held: Collection[int]) -> None:
        """Forget the own cells whose ids nobody holds; the ids come to stand for others."""
        for cell, id in [(cell, id) for cell, id in self._own.items() if id not in held]:
            del self._own[cell]
            if isinstance(cell, str | bytes):
                self.own_bytes -= len(cell)
            self._own_cells[id - OWN] = None
            self._free.append(id)
            words = sorted(self._words.pop(id, ()))  # a row comes last
            for word in words:
                self._sorted_images = None
                del self._images[word]  # type: ignore[union-attr]  # there are words
            for word in words[:-1]:
                self._image(word, words[-1])
            if type(cell) is Cid:
                self._rowless.pop(cell, None)
                if words and words[-1] < ROW:
                    self._rowless[cell] = words[-1]
