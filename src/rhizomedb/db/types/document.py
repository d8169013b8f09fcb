"""Documents that several people write at the same time: read as plain dicts and lists, written by keys and positions.

    doc = db.doc("Heat")                                an entity, such as a row of an imported table
    doc["cast"] = [{"name": "Al Pacino"}]               nested as deep as you like
    doc["cast", 0, "role"] = "Vincent Hanna"            by the way to a place
    doc["cast"].append({"name": "Robert De Niro"})
    doc.plain()                                         dicts, lists and values

What the nodes are made of says `crdt.document`. Each call that writes says all of it together, or nothing.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, MutableSequence, ValuesView
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, overload

from rhizomedb.crdt.document import KIND, LIST, MAP, NULL, PLACEHOLDER, TEXT, VALUE, element, text_under
from rhizomedb.crdt.library import OPERATIONS
from rhizomedb.crdt.text import DELETE, INSERT
from rhizomedb.db.reader import is_register
from rhizomedb.db.transaction import retractions
from rhizomedb.db.types.document_reading import Node, Nodes, Path, Slot, show_path
from rhizomedb.db.types.replicated import NoPlace
from rhizomedb.db.types.text_batch import RUN_CHARACTERS_MAX
from rhizomedb.db.view import VIEW_BUDGET, Register, asked
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import mint
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Attribute, Entity, Value, check_value, exact
from rhizomedb.store.store import Cut

if TYPE_CHECKING:
    from rhizomedb.db.connection import Connection
    from rhizomedb.db.reader import Reader
    from rhizomedb.db.types.text import Text

DEPTH_MAX: Final = 100
"""How deep what is written may be nested."""

Item: TypeAlias = "Fact | tuple[Entity, Attribute, Value]"


class _Read:
    """The nodes that the handles of one document have read at one moment: a loop over places reads each node once."""

    def __init__(self) -> None:
        self.at: tuple[Cut | None, dict[tuple[Entity, str], Node]] = None, {}


class _Handle:
    """One node, by the entity that it is."""

    _kind: str

    def __init__(
        self,
        db: Reader,
        entity: Entity,
        writer: Connection | None,
        author: str | None,
        path: Path,
        read: _Read | None = None,
    ) -> None:
        self._db = db
        self.entity = entity
        self._writer = writer
        self._author = author
        self._path = path
        self._read = read or _Read()

    def plain(self, policy: str = "latest") -> Any:
        """All of it as plain dicts, lists and values, as a policy chooses where people disagree."""
        return self._nodes(policy).plain(self.entity, self._kind)

    def conflicts(self) -> dict[Path, tuple[Any, ...]]:
        """The places where different values stand, by the way to each: what was written at the same time.

        Of maps, lists and texts that were made there at the same time, each is shown whole, as plain data.
        """
        nodes = self._nodes()
        found = sorted(nodes.contested(self.entity, self._kind), key=lambda each: show_path(each[0]))
        return {path: tuple(map(nodes.shown, register.values)) for path, register in found}

    def __eq__(self, other: object) -> bool:
        return bool(self.plain() == (other.plain() if isinstance(other, _Handle) else other))

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        try:
            shown = f"{self.plain()!r:.60}"
        except RequestError as error:  # what somebody made of it is no reason not to be shown
            shown = error.code
        return f"<rhizomedb.Document {show_path(self._path) or self.entity.hex()}: {shown}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _nodes(self, policy: str = "latest", cut: Cut | None = None) -> Nodes:
        return Nodes(self._db._store, cut or self._db.cut, self._db._policy(policy))

    def _node(self) -> Node:
        cut = self._db.cut
        known, nodes = self._read.at
        if known != cut:
            nodes = {}
            self._read.at = cut, nodes
        key = self.entity, self._kind
        if key not in nodes:
            nodes[key] = self._nodes(cut=cut).some({self.entity: self._kind})[self.entity]
        return nodes[key]

    def _shown(self, slot: Slot) -> Any:
        """What stands in a place: a value, or a handle of what is below."""
        nodes = self._nodes()
        child = nodes.child(slot.register)
        kind = nodes.kinds([child]).get(child) if child is not None else None
        if child is None or kind is None:
            value = nodes.chosen(slot.register)
            return None if value == NULL else value
        path = (*self._path, slot.key)
        if kind == TEXT:
            return nodes.texts([child])[child].characters
        return (DocumentList if kind == LIST else Document)(
            self._db, child, self._writer, self._author, path, self._read
        )

    def _walk(self, path: tuple[Any, ...]) -> Any:
        """What stands at the end of a way from here."""
        found: Any = self
        for number, key in enumerate(path):
            if not isinstance(found, _Handle):
                raise NoPlace(
                    "crdt.place",
                    f"{show_path(path[:number])} is a value, {found!r:.40}, and has nothing below it",
                    fix=f"doc[{', '.join(map(repr, path[:number]))}] = {{...}}",
                )
            found = cast("Document | DocumentList", found)[key]
        return found

    def _parent(self, path: tuple[Any, ...]) -> Any:
        if not path:
            raise NoPlace("crdt.place", "a way has a key or more", fix='doc["cast", 0]')
        try:
            parent = self._walk(path[:-1])
        except NoPlace as error:
            fix = error.fix or "what is above it first, and the rest within: doc[key] = {...}"
            raise NoPlace(error.code, error.message, nearest=error.nearest, fix=fix) from None
        if not isinstance(parent, _Handle):
            raise NoPlace(
                "crdt.place",
                f"{show_path(path[:-1])} is a value, {parent!r:.40}, and has nothing below it",
                fix=f"doc[{', '.join(map(repr, path[:-1]))}] = {{...}}",
            )
        return parent

    def _put_back(self, register: Register, value: Any) -> list[Item]:
        """What is said where a value is written to a place: `doc["cast"] += [...]` writes the list to where it was.

        That is the same node, and no copy, in which others' elements would not be. It is said where people disagree. What
        is of another moment or another database is copied.
        """
        if isinstance(value, _Handle) and value._db is self._db and self._nodes().child(register) == value.entity:
            return [(register.entity, register.attribute, value.entity)] if register.is_contested else []
        return _place(register.entity, register.attribute, value)

    def _say(self, items: Iterable[Item]) -> None:
        if self._writer is None:
            raise RequestError("crdt.past", "a document at another moment cannot be written", fix="db.doc(entity)")
        self._writer.transact(list(items), author=self._author)


class Document(_Handle, MutableMapping[Any, Any]):
    """A map of a document: keys, and what stands under them. A way of keys and positions may stand for a key."""

    _kind = MAP

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self._walk(key)
        register = self._register(key)
        if register is not None:
            return self._shown(Slot(register.attribute, register))
        raise NoPlace(
            "crdt.place",
            f"{show_path(self._path) or 'the document'} has no {key!r:.60}",
            nearest=nearest_names(str(key), [str(slot.key) for slot in self._node().slots]),
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, tuple):
            self._parent(key)[key[-1]] = value
        else:
            self.update({key: value})

    def __delitem__(self, key: Any) -> None:
        if isinstance(key, tuple):
            del self._parent(key)[key[-1]]
            return
        self[key]
        if self._writer is None:
            self._say(())
        else:
            self._writer.retract(self.entity, key, author=self._author)

    def __iter__(self) -> Iterator[Any]:
        return iter([slot.key for slot in self._node().slots])

    def __len__(self) -> int:
        return len(self._node().slots)

    def items(self) -> ItemsView[Any, Any]:
        """Every key with what stands under it, as they are now."""
        return {slot.key: self._shown(slot) for slot in self._node().slots}.items()

    def values(self) -> ValuesView[Any]:
        """What stands under each key now."""
        return dict(self.items()).values()

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Write several keys together."""
        values = {**dict(other), **more}
        items: list[Item] = []
        for key, value in values.items():
            register = self._register(key) if isinstance(value, _Handle) else None
            items += _place(self.entity, _key(key), value) if register is None else self._put_back(register, value)
        if items:
            self._say(items)

    def clear(self) -> None:
        """Delete every key, together."""
        claims = [claim for slot in self._node().slots for claim in slot.register.claims]
        if claims:
            self._say(retractions(self.entity, claims))

    def _register(self, key: Any) -> Register | None:
        """What stands under a key, without a look at the others."""
        if not isinstance(key, str | int | float | bytes) or not is_register(key):
            return None
        at = self.entity, exact(key)
        return asked(self._db._store, self._db.cut, [at], VIEW_BUDGET).get(at)

    def text(self, key: str) -> Text:
        """The text under a key, to be edited by positions; an empty one is made where nothing stands.

        It is the same one for all who make it there for the first time, so two people may begin it apart.
        """
        nodes = self._nodes()
        for slot in self._node().slots:
            if slot.key == key:
                child = nodes.child(slot.register)
                if child is None or nodes.kinds([child]).get(child) != TEXT:
                    raise RequestError(
                        "crdt.kind", f"{show_path((*self._path, key))} is no text", fix=f"doc[{key!r}] to read it"
                    )
                break
        else:
            child = text_under(self.entity, _key(key))
            if nodes.kinds([child]):  # there was one, and it went: what it said is not to come back
                child = _new()
            self._say([Fact(child, KIND, TEXT), (self.entity, key, child)])
        if self._writer is None:
            raise RequestError("crdt.past", "a document at another moment cannot be written", fix="db.doc(entity)")
        return self._writer.text(child, author=self._author)


class DocumentList(_Handle, MutableSequence[Any]):
    """A list of a document."""

    _kind = LIST

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    @overload
    def __getitem__(self, place: tuple[Any, ...]) -> Any: ...
    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, tuple):
            return self._walk(place)
        slots = self._node().slots
        if isinstance(place, slice):
            return [self._shown(slot) for slot in slots[place]]
        return self._shown(slots[self._at(place, len(slots))])

    def __setitem__(self, place: Any, value: Any) -> None:
        if isinstance(place, tuple):
            self._parent(place)[place[-1]] = value
            return
        if isinstance(place, slice):
            why = f"{show_path(self._path) or 'the list'} is written by places, and not by slices"
            raise NoPlace("crdt.place", why, fix="del of the slice, then insert or extend")
        slots = self._node().slots
        register = slots[self._at(place, len(slots))].register
        if items := self._put_back(register, value):
            self._say(items)

    def __delitem__(self, place: Any) -> None:
        if isinstance(place, tuple):
            del self._parent(place)[place[-1]]
            return
        slots = self._node().slots
        chosen = slots[place] if isinstance(place, slice) else [slots[self._at(place, len(slots))]]
        order = self._nodes().orders([self.entity])[self.entity]
        facts: list[Item] = []
        for slot in chosen:
            run, at = cast("tuple[int, int]", order.rope.at(slot.position))
            facts.append(Fact(self.entity, DELETE, f"{at}.1", (cast(Cid, order.names[run]),)))
        if facts:
            self._say(facts)

    def __len__(self) -> int:
        return len(self._node().slots)

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def insert(self, index: int, value: Any) -> None:
        """Put a value before the element at a place."""
        self._put(index, [value])

    def append(self, value: Any) -> None:
        """Put a value at the end."""
        self._put(None, [value])

    def extend(self, values: Iterable[Any]) -> None:
        """Put several values at the end, together."""
        self._put(None, list(values))

    def clear(self) -> None:
        """Delete every element, together."""
        del self[:]

    def reverse(self) -> None:
        """Turn the values of the elements around, together; what stands in them stays what it is."""
        registers = [slot.register for slot in self._node().slots]
        values = map(self._nodes().chosen, reversed(registers))
        items: list[Item] = [(to.entity, VALUE, value) for to, value in zip(registers, values, strict=True)]
        if items:
            self._say(items)

    def index(self, value: Any, start: int = 0, stop: int = sys.maxsize) -> int:
        """The place of the first element that equals a value; ValueError if there is none, as of any list."""
        return list(self).index(value, start, stop)

    def _put(self, index: int | None, values: list[Any]) -> None:
        if not values:
            return
        order = self._nodes().orders([self.entity])[self.entity]
        position = len(order)
        if index is not None:
            if type(index) is not int:
                raise _no_element(self._path, index, "is no place")
            slots = self._node().slots
            before = slots[index:] if index < len(slots) else []
            position = before[0].position if before else len(order)
        run, at = order.rope.at(position - 1) or (None, 0) if position else (None, 0)
        counter = order.rope.counter(run, at)
        after = None if run is None else order.names[run]
        self._say(_elements(self.entity, values, (after, at), counter, DEPTH_MAX))

    def _at(self, place: object, size: int) -> int:
        if type(place) is not int or not -size <= place < size:
            raise _no_element(self._path, place, f"has {size:,} element{'' if size == 1 else 's'}")
        return place % size


def written(value: Any, depth: int = DEPTH_MAX) -> tuple[Value, list[Item]]:
    """What stands in a place for a value, and what has to be said of what is below it."""
    if value is None:
        return NULL, []
    if isinstance(value, _Handle):
        value = value.plain()
    if not isinstance(value, Mapping | list | tuple):
        return check_value(value), []
    if not depth:
        raise RequestError("crdt.deep", f"a document is nested at most {DEPTH_MAX} deep, and does not hold itself")
    node = _new()
    if isinstance(value, Mapping):
        items: list[Item] = [Fact(node, KIND, MAP)]
        for key, each in value.items():
            made, below = written(each, depth - 1)
            items += [*below, (node, _key(key), made)]
        return node, items
    return node, [Fact(node, KIND, LIST), *(_elements(node, list(value), (None, 0), 1, depth) if value else ())]


def _place(entity: Entity, attribute: Attribute, value: Any) -> list[Item]:
    """What is said where a value is written to a place."""
    made, below = written(value)
    return [*below, (entity, attribute, made)]


def _elements(
    node: Entity, values: list[Any], after: tuple[Cid | None, int], counter: int, depth: int
) -> Iterator[Item]:
    """What puts elements after a character of a list, or where it begins."""
    session = secrets.token_urlsafe(6)
    run, at = after
    for start in range(0, len(values), RUN_CHARACTERS_MAX):
        piece = values[start : start + RUN_CHARACTERS_MAX]
        said = f"{at}.{counter}.{session}:{PLACEHOLDER * len(piece)}"
        fact = Fact(node, INSERT, said, () if run is None else (run,))
        yield fact
        for place, each in enumerate(piece):
            made, below = written(each, depth - 1)
            yield from below
            yield element(fact.cid, place), VALUE, made
        run, at, counter = fact.cid, len(piece) - 1, 1


def _key(key: Any) -> Any:
    """A key, unless it is the name of an operation: then it would be read as one."""
    if key in OPERATIONS:
        raise RequestError("crdt.key", f"{key!r} is no key: it names an operation of data types", fix="choose another")
    return key


def _new() -> Entity:
    return mint(secrets.token_bytes(16))


def _no_element(path: Path, place: object, why: str) -> NoPlace:
    return NoPlace("crdt.place", f"{show_path(path) or 'the list'} has no element {place!r:.40}: it {why}")
