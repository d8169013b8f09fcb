"""What a source says again: the registers that are as it left them are told from the others without evaluation.

A register of which an author said only facts without causes, and took nothing of its entity back, holds exactly these
facts by that author: nothing replaces them. Whoever says just the same again, says nothing new. What was ever corrected
or taken back, and what differs now, is for `transaction.facts_as_source`, which knows the whole law.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db.transaction import Columns, digests_of
from rhizomedb.facts.cid import PREFIX
from rhizomedb.facts.stretch import Stretch
from rhizomedb.facts.value import Cell, Entity, exact
from rhizomedb.store.store import Cut, Store

Said = list[tuple[Cell, bytes]]
"""Of one entity: the attribute and the digest of each fact."""


def said_of(store: Store, cut: Cut, entities: Iterable[Entity]) -> Iterator[tuple[Entity, Cell, bytes]]:
    """The entity, the attribute and the digest of every visible fact of some distinct entities."""
    keys = ((entity,) for entity in entities)
    for cid, entity, attribute, _ in store.scan_keys("fact", {}, ("entity",), keys, cut):
        yield entity, attribute, bytes(cid)[len(PREFIX) :]  # type: ignore[misc, arg-type]  # columns hold the kinds that `COLUMNS` says


def sort_out(store: Store, own: Cut, columns: Columns, stretch: Stretch) -> tuple[list[int], list[int]]:
    """Which of some values stand in registers of which an author said nothing, and which in those that may change.

    The others say what that author says already. `own` shows that author alone; `stretch` holds the facts of the columns.
    """
    before: dict[Entity, Said] = {}
    places: dict[Entity, list[int]] = {}
    for place, entity in enumerate(columns.entities):
        places.setdefault(entity, []).append(place)
    for entity, attribute, digest in said_of(store, own, places):
        before.setdefault(entity, []).append((attribute, digest))
    digests = digests_of(stretch)
    new: list[int] = []
    changed: list[int] = []
    for entity, wished in places.items():
        said = before.get(entity)
        if said is None:
            new += wished
        elif len(said) != len(wished) or {digest for _, digest in said} != {digests[place] for place in wished}:
            _by_register(columns, digests, wished, said, new, changed)
    return new, changed


def _by_register(
    columns: Columns, digests: list[bytes], wished: list[int], said: Said, new: list[int], changed: list[int]
) -> None:
    """Sort out the values of one entity, register by register."""
    before: dict[Cell, set[bytes]] = {}
    for attribute, digest in said:
        before.setdefault(attribute, set()).add(digest)
    if RETRACTS in before:
        changed += wished
        return
    now: dict[Cell, list[int]] = {}
    for place in wished:
        now.setdefault(exact(columns.attributes[place]), []).append(place)
    for attribute, places in now.items():
        if attribute not in before:
            new += places
        elif before[attribute] != {digests[place] for place in places}:
            changed += places


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
