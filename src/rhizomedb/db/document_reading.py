"""Documents read whole: level by level, each with a few questions, however many nodes it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from rhizomedb.crdt.document import ASKED, KIND, LIST, MAP, NULL, TEXT, VALUE, element
from rhizomedb.crdt.policy import Policy
from rhizomedb.crdt.text_order import Order
from rhizomedb.db import view
from rhizomedb.db.compiled import Compiled, answering
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.value import Attribute, Entity, Value
from rhizomedb.logic.parse import parse
from rhizomedb.store.store import COLUMNS, Cut, Store

Path = tuple[Attribute | int, ...]
"""The way to a place in a document: keys, and numbers of elements."""

_ASKED: Final = {"asked": ("entity",)}


class Slot(NamedTuple):
    """A place of a node where something stands: its key or number, and the register."""

    key: Attribute | int
    register: view.Register


@cache
def _extraction() -> Compiled:
    return answering(parse(ASKED), COLUMNS, _ASKED)


class Nodes:
    """The nodes of documents of a store at a cut, as a policy chooses what stands."""

    def __init__(self, store: Store, cut: Cut, policy: Policy) -> None:
        self._store = store
        self._cut = cut
        self._policy = policy

    def kinds(self, entities: Iterable[Entity]) -> dict[Entity, str]:
        """What those entities are that are nodes. If somebody said two things of one, the lesser counts."""
        found: dict[Entity, str] = {}
        keys = [(entity,) for entity in dict.fromkeys(entities)]
        for _, entity, _, kind in self._store.scan_keys("fact", {"attribute": KIND}, ("entity",), keys, self._cut):
            if isinstance(entity, bytes) and isinstance(kind, str) and kind in (MAP, LIST, TEXT):
                found[entity] = min(kind, found.get(entity, kind))
        return found

    def orders(self, entities: Iterable[Entity]) -> dict[Entity, Order]:
        """The order of the characters of texts, and so of the elements of lists."""
        asked = [(entity,) for entity in entities]
        orders = {entity: Order() for (entity,) in asked}
        if not asked:
            return orders
        told = view.run(_extraction(), self._store, self._cut, {"asked": asked}, view.UNBOUNDED)
        inserted: defaultdict[Any, list[Any]] = defaultdict(list)
        deleted: defaultdict[Any, list[Any]] = defaultdict(list)
        for rows, by_text in ((told["inserted"], inserted), (told["deleted"], deleted)):
            for row in rows:
                by_text[row[1]].append(row)
        for entity, order in orders.items():
            order.take(inserted[entity], deleted[entity])
        return orders

    def map_slots(self, entities: Iterable[Entity]) -> dict[Entity, list[Slot]]:
        """What stands in maps, in the order of the keys."""
        asked = list(entities)
        slots: dict[Entity, list[Slot]] = {entity: [] for entity in asked}
        found = view.registers(self._store, self._cut, asked, view.UNBOUNDED).values() if asked else ()
        for register in view.shown(found):
            slots[register.entity].append(Slot(register.attribute, register))
        return slots

    def list_slots(self, entities: Iterable[Entity]) -> dict[Entity, list[tuple[int, Slot]]]:
        """What stands in lists, each with its position in the order: an element whose value is not here is left out."""
        places: list[tuple[Entity, int, Entity]] = []
        orders = self.orders(entities)
        for entity, order in orders.items():
            for position, (run, place) in enumerate(_characters(order)):
                places.append((entity, position, element(run, place)))
        keys = [(each, VALUE) for _, _, each in places]
        found = view.asked(self._store, self._cut, keys, view.UNBOUNDED) if keys else {}
        slots: dict[Entity, list[tuple[int, Slot]]] = {entity: [] for entity in orders}
        for entity, position, each in places:
            register = found.get((each, VALUE))
            if register is not None:
                slots[entity].append((position, Slot(len(slots[entity]), register)))
        return slots

    def chosen(self, register: view.Register) -> Value:
        """The value of a register that the policy shows."""
        return self._policy.choose(register.claims).values[0]

    # -- whole ------------------------------------------------------------------------------------------------------

    def plain(self, root: Entity, kind: str) -> Any:
        """A node and all below it as plain dicts, lists and values."""
        tree = self._tree(root, kind)
        made: dict[Entity, Any] = {}
        for entity, _ in reversed(_in_order(root, tree)):  # what is below comes first
            of, slots = tree[entity]
            values = [(slot.key, self._plain(slot, made)) for slot in slots]
            if of == TEXT:
                made[entity] = slots_text(self.orders([entity])[entity])
            else:
                made[entity] = dict(values) if of == MAP else [value for _, value in values]
        return made[root]

    def contested(self, root: Entity, kind: str) -> Iterator[tuple[Path, view.Register]]:
        """The places of a document where different values stand, each with the way to it."""
        tree = self._tree(root, kind)
        for entity, path in _in_order(root, tree):
            for slot in tree[entity][1]:
                if slot.register.is_contested:
                    yield (*path, slot.key), slot.register

    def _plain(self, slot: Slot, made: Mapping[Entity, Any]) -> Any:
        value = self.chosen(slot.register)
        if value == NULL:
            return None
        return made[value] if isinstance(value, bytes) and value in made else value

    def _tree(self, root: Entity, kind: str) -> _Tree:
        """Every node from one on, with its kind and what stands in it."""
        tree: _Tree = {}
        level = {root: kind}
        while level:
            of = {each: [entity for entity, kind in level.items() if kind == each] for each in (MAP, LIST, TEXT)}
            lists = self.list_slots(of[LIST])
            for entity, slots in self.map_slots(of[MAP]).items():
                tree[entity] = MAP, slots
            for entity, placed in lists.items():
                tree[entity] = LIST, [slot for _, slot in placed]
            for entity in of[TEXT]:
                tree[entity] = TEXT, []
            values = (self.chosen(slot.register) for entity in level for slot in tree[entity][1])
            names = [value for value in values if isinstance(value, bytes) and len(value) == ENTITY_BYTES]
            level = self.kinds(name for name in names if name not in tree)
        return tree


_Tree = dict[Entity, tuple[str, list[Slot]]]


def _in_order(root: Entity, tree: _Tree) -> list[tuple[Entity, Path]]:
    raise NotImplementedError


def _characters(order: Order) -> Iterator[tuple[Cid, int]]:
    for run, start, count in order.rope.spans(0, len(order)):
        name = order.names[run]
        assert name is not None, "all of it was said"
        for place in range(start, start + count):
            yield name, place


def slots_text(order: Order) -> str:
    """A text as it stands."""
    return order.text(0, len(order))
