"""Documents read whole: level by level, each with a few questions, however many nodes it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias, cast

from rhizomedb.crdt.document import ASKED, KIND, LIST, MAP, NULL, TEXT, VALUE, element
from rhizomedb.crdt.policy import Policy
from rhizomedb.crdt.text_order import Order
from rhizomedb.db import view
from rhizomedb.db.compiled import Compiled, answering
from rhizomedb.db.reader import VIEW_BUDGET, is_register
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.value import Attribute, Entity, Value, exact
from rhizomedb.logic.parse import parse
from rhizomedb.store.store import COLUMNS, Cut, Store

Path: TypeAlias = tuple[Attribute | int, ...]
"""The way to a place in a document: keys, and numbers of elements."""

_ASKED: Final = {"asked": ("entity",)}


class Slot(NamedTuple):
    """A place of a node where something stands: its key or number, what stands there, and its position in the order."""

    key: Attribute | int
    register: view.Register
    position: int = 0


class Node(NamedTuple):
    """What an entity is in a document, and what stands in it; of a text, its characters."""

    kind: str
    slots: list[Slot]
    characters: str = ""


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
        orders = {entity: Order() for entity in entities}
        if orders:
            asked = {"asked": [(entity,) for entity in orders]}
            told = view.run(_extraction(), self._store, self._cut, asked, VIEW_BUDGET)
            by_text: defaultdict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
            for place, relation in enumerate(("inserted", "deleted")):
                for row in told[relation]:
                    by_text[row[1]][place].append(row)
            for entity, order in orders.items():
                order.take(*by_text[entity])
        return orders

    def maps(self, entities: Iterable[Entity]) -> dict[Entity, Node]:
        """What stands in maps, in the order of the keys."""
        nodes = {entity: Node(MAP, []) for entity in entities}
        if nodes:
            found = view.registers(self._store, self._cut, nodes, VIEW_BUDGET).values()
            for register in sorted(found, key=lambda register: str(register.attribute)):
                if is_register(register.attribute):
                    nodes[register.entity].slots.append(Slot(register.attribute, register))
        return nodes

    def lists(self, entities: Iterable[Entity]) -> dict[Entity, Node]:
        """What stands in lists; an element whose value is not here is left out."""
        orders = self.orders(entities)
        places = [
            (entity, position, element(run, place))
            for entity, order in orders.items()
            for position, (run, place) in enumerate(_characters(order))
        ]
        keys = [(each, exact(VALUE)) for _, _, each in places]
        found = view.asked(self._store, self._cut, keys, VIEW_BUDGET) if keys else {}
        nodes = {entity: Node(LIST, []) for entity in orders}
        for (entity, position, _), key in zip(places, keys, strict=True):
            if key in found:
                slots = nodes[entity].slots
                slots.append(Slot(len(slots), found[key], position))
        return nodes

    def texts(self, entities: Iterable[Entity]) -> dict[Entity, Node]:
        """What texts say."""
        orders = self.orders(entities).items()
        return {entity: Node(TEXT, [], order.text(0, len(order))) for entity, order in orders}

    def some(self, kinds: dict[Entity, str]) -> dict[Entity, Node]:
        """Nodes of these kinds."""
        of = {kind: [entity for entity, each in kinds.items() if each == kind] for kind in (MAP, LIST, TEXT)}
        return {**self.maps(of[MAP]), **self.lists(of[LIST]), **self.texts(of[TEXT])}

    def chosen(self, register: view.Register) -> Value:
        """The value of a register that the policy shows."""
        return self._policy.choose(register.claims).values[0]

    def child(self, register: view.Register) -> Entity | None:
        """The id that may be that of a node, if one stands in a register."""
        value = self.chosen(register)
        return value if isinstance(value, bytes) and len(value) == ENTITY_BYTES and value != NULL else None

    # -- whole ------------------------------------------------------------------------------------------------------

    def plain(self, root: Entity, kind: str) -> Any:
        """A node and all below it as plain dicts, lists, texts and values."""
        tree = self._tree(root, kind)
        made: dict[Entity, Any] = {}
        for entity, _ in self._walk(root, tree):
            node = tree[entity]
            values = [self._plain(slot.register, made) for slot in node.slots]
            match node.kind:
                case "text":
                    made[entity] = node.characters
                case "list":
                    made[entity] = values
                case _:
                    made[entity] = dict(zip((slot.key for slot in node.slots), values, strict=True))
        return made[root]

    def contested(self, root: Entity, kind: str) -> Iterator[tuple[Path, view.Register]]:
        """The places of a document where different values stand, each with the way to it."""
        tree = self._tree(root, kind)
        for entity, path in self._walk(root, tree):
            for slot in tree[entity].slots:
                if slot.register.is_contested:
                    yield (*path, slot.key), slot.register

    def shown(self, value: Value) -> Any:
        """A value of a register as plain data: if it is a node, all of that."""
        if value == NULL:
            return None
        kind = self.kinds([value]).get(value) if isinstance(value, bytes) else None
        return value if kind is None else self.plain(cast(Entity, value), kind)

    def _plain(self, register: view.Register, made: dict[Entity, Any]) -> Any:
        value = self.chosen(register)
        if value == NULL:
            return None
        return made[value] if isinstance(value, bytes) and value in made else value

    def _tree(self, root: Entity, kind: str) -> dict[Entity, Node]:
        """Every node from one on."""
        tree: dict[Entity, Node] = {}
        level = {root: kind}
        while level:
            tree.update(self.some(level))
            names = (self.child(slot.register) for entity in level for slot in tree[entity].slots)
            level = self.kinds(name for name in names if name is not None and name not in tree)
        return tree

    def _walk(self, root: Entity, tree: dict[Entity, Node]) -> list[tuple[Entity, Path]]:
        """Every node with the way to it, after all that is below it."""
        done: dict[Entity, Path] = {}
        above: dict[Entity, Path] = {}
        pending: list[tuple[Entity, Path, bool]] = [(root, (), False)]
        while pending:
            entity, path, is_left = pending.pop()
            if is_left:
                del above[entity]
                done[entity] = path
                continue
            if entity in done:
                continue
            if entity in above:
                raise RequestError(
                    "crdt.cycle",
                    f"the document holds itself: {show_path(path)} is {show_path(above[entity]) or 'its beginning'}",
                    fix=f"del doc[{', '.join(map(repr, path))}]",
                )
            above[entity] = path
            pending.append((entity, path, True))
            for slot in reversed(tree[entity].slots):
                child = self.child(slot.register)
                if child in tree:
                    pending.append((child, (*path, slot.key), False))
        return list(done.items())


def show_path(path: Path) -> str:
    """A way as it is written, `cast[0].name`."""
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f"{'.' if shown else ''}{key!s}"
    return shown


def _characters(order: Order) -> Iterator[tuple[Cid, int]]:
    for run, start, count in order.rope.spans(0, len(order)):
        name = order.names[run]
        assert name is not None, "all of it was said"
        for place in range(start, start + count):
            yield name, place
