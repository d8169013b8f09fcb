"""Documents read whole: level by level, each with a few questions, however many nodes it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, cast

from rhizomedb.crdt.document import ASKED, KIND, LIST, MAP, NULL, TEXT, VALUE, elements
from rhizomedb.crdt.policy import Policy
from rhizomedb.crdt.text_order import Order
from rhizomedb.db import view
from rhizomedb.db.programs.compiled import Compiled, answering
from rhizomedb.db.reader import is_register
from rhizomedb.db.view import VIEW_BUDGET
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.value import Attribute, Entity, Value, exact
from rhizomedb.logic.parse import parse
from rhizomedb.store.store import COLUMNS, Cut, Store

Path: TypeAlias = tuple[Attribute | int, ...]
"""The way to a place in a document: keys, and numbers of elements."""

LEVELS_MAX: Final = 250
"""How deep a document may be nested that is read whole. Each level costs some questions, and whoever reads what is made of
it goes down by calls: `repr`, `==` and JSON end at 1,000."""

PLACES_MAX: Final = 1_000_000
"""How many places a document may have that has so many only because nodes stand in several places: thirty nodes, each
twice in the next, are 2³⁰, and who prints, compares or copies them meets each."""

WAY_CHARACTERS_MAX: Final = 400
"""How much of a way a message tells."""

PIECE: Final = 1 << 16
"""How many characters of lists are looked at together, whether they are elements."""

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
        nodes = {entity: Node(LIST, []) for entity in orders}
        # In pieces, for whoever likes can put characters there that are no elements, a byte each.
        characters = _characters(orders)
        while some := list(islice(characters, PIECE)):
            keys = [(each, exact(VALUE)) for each in elements([place for _, _, place in some])]
            found = view.asked(self._store, self._cut, keys, VIEW_BUDGET)
            for (entity, position, _), key in zip(some, keys, strict=True):
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
        places: dict[Entity, int] = {}  # how many a node has with all below it, as often as that stands there
        for entity in self._walk(root, tree).order:
            node = tree[entity]
            values = [self._plain(slot.register, made) for slot in node.slots]
            children = (self.child(slot.register) for slot in node.slots)
            places[entity] = 1 + sum(1 if child is None else places.get(child, 1) for child in children)
            match node.kind:
                case "text":
                    made[entity] = node.characters
                case "list":
                    made[entity] = values
                case _:
                    made[entity] = dict(zip((slot.key for slot in node.slots), values, strict=True))
        if places[root] > PLACES_MAX and places[root] > 1 + sum(len(node.slots) for node in tree.values()):
            raise RequestError(
                "crdt.shared",
                f"written out, the document has more than {PLACES_MAX:,} places: its nodes stand in several each",
                fix="read one of its places, as doc[key]",
            )
        return made[root]

    def contested(self, root: Entity, kind: str) -> Iterator[tuple[Path, view.Register]]:
        """The places of a document where different values stand, each with the way to it."""
        tree = self._tree(root, kind)
        walk = self._walk(root, tree)
        for entity in walk.order:
            for slot in tree[entity].slots:
                if slot.register.is_contested:
                    yield (*walk.way(entity), slot.key), slot.register

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
        for _ in range(LEVELS_MAX):
            tree.update(self.some(level))
            names = (self.child(slot.register) for entity in level for slot in tree[entity].slots)
            level = self.kinds(name for name in names if name is not None and name not in tree)
            if not level:
                return tree
        raise _too_deep()

    def _walk(self, root: Entity, tree: dict[Entity, Node]) -> _Walk:
        """Every node, after all that is below it."""
        walk = _Walk([], {root: None})
        below: dict[Entity, int] = {}  # how many levels a node has that is done
        above: set[Entity] = set()
        pending: list[tuple[Entity, tuple[Entity, Attribute | int] | None, bool]] = [(root, None, False)]
        while pending:
            entity, came, is_left = pending.pop()
            if is_left:
                above.discard(entity)
                children = (self.child(slot.register) for slot in tree[entity].slots)
                below[entity] = 1 + max((below.get(child, 0) for child in children if child is not None), default=0)
                if below[entity] > LEVELS_MAX:
                    raise _too_deep()
                walk.order.append(entity)
                continue
            if entity in below:
                continue
            if entity in above:
                assert came is not None, "the root is met first"
                raise _cyclic((*walk.way(came[0]), came[1]), walk.way(entity))
            above.add(entity)
            walk.came[entity] = came
            pending.append((entity, came, True))
            for slot in reversed(tree[entity].slots):
                child = self.child(slot.register)
                if child in tree:
                    pending.append((child, (entity, slot.key), False))
        return walk


class _Walk(NamedTuple):
    """The nodes of a document in an order, and from where each was come to: the ways themselves may be long."""

    order: list[Entity]
    came: dict[Entity, tuple[Entity, Attribute | int] | None]

    def way(self, entity: Entity) -> Path:
        """The way to a node."""
        keys: list[Attribute | int] = []
        while (came := self.came[entity]) is not None:
            entity, key = came
            keys.append(key)
        return tuple(reversed(keys))


def _cyclic(path: Path, above: Path) -> RequestError:
    keys = ", ".join(map(repr, path))
    return RequestError(
        "crdt.cycle",
        f"the document holds itself: {_short(path)} is {_short(above) or 'its beginning'}",
        fix=f"del doc[{keys}]" if len(keys) <= WAY_CHARACTERS_MAX else "delete the last key of that way",
    )


def _short(path: Path) -> str:
    """A way as a message tells it: keys may be very long."""
    shown = show_path(path)
    return shown if len(shown) <= WAY_CHARACTERS_MAX else f"{shown[:WAY_CHARACTERS_MAX]}…"


def _too_deep() -> RequestError:
    return RequestError(
        "crdt.deep",
        f"the document is nested more than {LEVELS_MAX} deep, or holds itself: somebody made it so",
        fix="read one of its places, as doc[key]",
    )


def show_path(path: Path) -> str:
    """A way as it is written, `cast[0].name`."""
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f"{'.' if shown else ''}{key!s}"
    return shown


def _characters(orders: Mapping[Entity, Order]) -> Iterator[tuple[Entity, int, tuple[Cid, int]]]:
    """The visible characters of lists: whose each is, at which position, and its run and its place there."""
    for entity, order in orders.items():
        position = 0
        for run, start, count in order.rope.spans(0, len(order)):
            name = order.names[run]
            assert name is not None, "all of it was said"
            for place in range(start, start + count):
                yield entity, position, (name, place)
                position += 1
