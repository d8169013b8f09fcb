"""What a source says again: the registers that are as it left them are told from the others without evaluation.

A register of which an author said only facts without causes, and took nothing of its entity back, holds exactly these
facts by that author: nothing replaces them. Whoever says just the same again, says nothing new. What was ever corrected
or taken back, and what differs now, is for `transaction.facts_as_source`, which knows the whole law.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rhizomedb.crdt.register import RETRACTS, WITHDRAWS
from rhizomedb.db.transaction import Columns, digests_of
from rhizomedb.facts.cid import PREFIX
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, exact
from rhizomedb.store.store import Cut, Store


def sort_out(store: Store, own: Cut, columns: Columns, stretch: Stretch) -> tuple[list[int], list[int]]:
    """Which of some values stand in registers of which an author said nothing, and which in those that may change.

    The others say what that author says already. `own` shows that author alone; `stretch` holds the facts of the columns.
    """
    wished: defaultdict[Entity, list[int]] = defaultdict(list)
    for place, entity in enumerate(columns.entities):
        wished[entity].append(place)
    said = store.digests_by_entity(wished, own)
    digests = digests_of(stretch)
    new: list[int] = []
    differing: dict[Entity, list[int]] = {}
    for entity, places in wished.items():
        if entity not in said:
            new += places
        elif said[entity] != {digests[place] for place in places}:
            differing[entity] = places
    changed: list[int] = []
    if differing:
        _by_register(_facts_of(store, own, differing), columns, digests, differing, new, changed)
    return new, changed


_BEFORE_DIGEST: Final = len(PREFIX)


def _facts_of(store: Store, cut: Cut, entities: Iterable[Entity]) -> Iterator[tuple[Cell, ...]]:
    """Every visible fact of some distinct entities."""
    return store.scan_keys("fact", {}, ("entity",), ((entity,) for entity in entities), cut)


def _by_register(
    said: Iterable[tuple[Cell, ...]],
    columns: Columns,
    digests: list[bytes],
    wished: Mapping[Entity, list[int]],
    new: list[int],
    changed: list[int],
) -> None:
    """Sort out the values of some entities, register by register."""
    before: defaultdict[Cell, defaultdict[Cell, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for cid, entity_cell, attribute_cell, _ in said:
        before[entity_cell][attribute_cell].add(bytes(cid)[_BEFORE_DIGEST:])  # type: ignore[arg-type]  # the first column holds CIDs
    for entity, places in wished.items():
        if RETRACTS in before[entity] or WITHDRAWS in before[entity]:
            changed += places
            continue
        now: defaultdict[Cell, list[int]] = defaultdict(list)
        for place in places:
            now[exact(columns.attributes[place])].append(place)
        for attribute, some in now.items():
            if attribute not in before[entity]:
                new += some
            elif before[entity][attribute] != {digests[place] for place in some}:
                changed += some


class Changed:
    """Values in registers that may change, gathered until there are enough of them for one evaluation."""

    def __init__(self) -> None:
        self._columns = Columns([], [], [])

    def add(self, columns: Columns) -> None:
        """Some more, of other registers than those before."""
        self._columns.entities.extend(columns.entities)
        self._columns.attributes.extend(columns.attributes)
        self._columns.values.extend(columns.values)

    def take(self, size: int, rest: bool = False) -> Iterator[Iterator[tuple[Entity, Attribute, Value]]]:
        """Take out what there is, by `size` entities at once; fewer only with `rest`."""
        columns = self._columns
        if not columns.entities or (len(columns.entities) < size and not rest):
            return
        for places in by_entities(range(len(columns.entities)), columns.entities, size):
            some = columns.at(places)
            if rest or len(set(some.entities)) == size:
                yield some.items()
            else:
                self._columns = some
                return
        self._columns = Columns([], [], [])


def by_entities(places: Iterable[int], entities: Sequence[Entity], size: int) -> Iterator[list[int]]:
    """Places in a column of entities, in lists of at most `size` entities; those of one entity stand together."""
    batch: list[int] = []
    met: set[Entity] = set()
    for place in places:
        entity = entities[place]
        if entity not in met and len(met) == size:
            yield batch
            batch, met = [], set()
        batch.append(place)
        met.add(entity)
    if batch:
        yield batch
