"""Names for people: from a name to an entity or an author, and back to what is shown.

An entity is found by, in this order: the key of this text that derives it, or its title, name or label; any value of
this text; a key of several parts; its id in hexadecimal, or a unique beginning of it, eight digits or more. With `0x`
before it a text is an id and nothing else. The first of these that finds something decides; several finds are an
error that lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from itertools import combinations as combinations_of

from rhizomedb.budget import Budget
from rhizomedb.db.programs.result import show
from rhizomedb.db.view import Key, Register, asked
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import derive, key_of, key_text
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, check_entity, exact, order, plain
from rhizomedb.store.store import Cut, Store

LABELS: tuple[str, ...] = ("title", "name", "label")
"""Attributes whose value is shown for an entity, best first."""

LABEL_BUDGET = Budget(seconds=None)

KEY_ATTRIBUTES_MAX = 3
KEY_CANDIDATES_MAX = 10
VALUES_TRIED_MAX = 50
"""How far a key is looked for, to show an entity that has no name: attributes together, attributes in all, values."""

SUGGESTIONS_MAX = 20_000
"""How many names are looked at for one that is near."""

HEX = re.compile(r"(?:0x)?([0-9a-f]{8,})\Z", re.IGNORECASE)


class Names:
    """Looks names up in a store at a cut."""

    def __init__(self, store: Store, cut: Cut) -> None:
        self._store = store
        self._cut = cut
        self._whole = Cut(epoch=cut.epoch)  # names mean what they mean, also where only a part of time is looked at
        self._labels: dict[Entity, str] = {}
        self._standing_names: Mapping[Key, Register] = {}
        self._attributes: list[Attribute] | None = None
        self._key_attributes: tuple[str, ...] = ()

    def exists(self, entity: Entity) -> bool:
        """Whether anything visible is said about an entity."""
        return any(True for _ in self._store.scan("fact", {"entity": entity}, self._cut))

    def find(self, name: str, *, called: bool = False) -> list[Entity]:
        """The entities that a name may mean: those of the first way of looking that finds any.

        Where something is written, only what is `called` so is meant, and not what has this text as any value: nobody
        writes about a film by the name of its director.

        An id that is written without `0x` comes last, and keys and labels are looked at together: a stranger's entity
        cannot take a name over unnoticed.
        """
        if name.lower().startswith("0x"):
            return self._by_id(name)
        found = sorted({*self._by_key(name), *self._by_value(name, LABELS)})
        found = (
            found
            or ([] if called else self._by_value(name, self.attributes()))
            or self._by_parts(name)
            or self._by_id(name)
            or self._by_text(name)
        )
        return found if self._cut == self._whole else [entity for entity in found if self.exists(entity)]

    def entity(self, name: str | Entity, *, called: bool = False) -> Entity:
        """The one entity that a name or id means; see `find` for `called`."""
        if not isinstance(name, str):
            name = check_entity(name)
            if self.exists(name):
                return name
            self._refuse_if_known_otherwise(name, f"0x{name.hex()}")
            raise RequestError("db.unknown-entity", f"nothing is said about 0x{name.hex()}", fix="rhizome find FILE")
        found = self.find(name, called=called)
        if len(found) == 1:
            return found[0]
        if not found:
            self._refuse_if_known_otherwise(name, repr(name))
            having = self.find(name) if called else []
            raise RequestError(
                "db.unknown-entity",
                f"nothing here is called {name!r}"
                + (f"; it is what {self.label(having[0])} has as a value" if having else ""),
                nearest=nearest_names(name, self._known_names()),
                fix=f'rhizome find FILE "{name.split()[0] if name.split() else name}"',
            )
        listed = ", ".join(f"{self.label(entity)} (0x{entity.hex()[:12]})" for entity in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise RequestError(
            "db.ambiguous-entity",
            f"{name!r} may mean {len(found)} things: {listed}{more}",
            fix=f"use the id: 0x{found[0].hex()[:12]}",
        )

    def _refuse_if_known_otherwise(self, name: str | Entity, shown: str) -> None:
        """Say so where a name means something here, but nothing that is visible at this moment."""
        if self._cut in (Cut(), Cut(epoch=self._store.epoch())):
            return
        everything = Names(self._store, Cut())
        if everything.exists(name) if isinstance(name, bytes) else everything.find(name):
            raise RequestError(
                "db.unknown-entity",
                f"{shown} is known here, but nothing is said about it at that moment or by those authors",
                fix="rhizome history FILE NAME says when and by whom",
            )

    def label(self, entity: Entity) -> str:
        """What to show for an entity: its title, name or label; else the key that derives it; else its id, as a text if it is one."""
        if entity not in self._labels:
            label = self._label(entity, self._cut)
            if label is None and self._cut != self._whole:
                label = self._label(entity, self._whole)
            self._labels[entity] = label or _id(entity)
        return self._labels[entity]

    def _label(self, entity: Entity, cut: Cut) -> str | None:
        said: dict[str, list[Value]] = {}
        for cid, _entity, attribute, value in self._store.scan("fact", {"entity": entity}, cut):
            if not isinstance(attribute, str) or not attribute.strip():
                continue
            if type(value) is bytes and attribute in LABELS and value in self._edges_of(cid):  # type: ignore[arg-type]  # a CID
                said.setdefault(attribute, []).extend(self._said_in(value, attribute, cut))
            else:
                said.setdefault(attribute, []).append(plain(value))
        for name in LABELS:
            values = said.get(name, [])
            for named in values:
                if _derives({name: named}, entity):
                    return show(named)
            if values:
                standing = None if len(set(map(exact, values))) == 1 else self._standing(entity, name, cut)
                return show(max(values, key=order) if standing is None else standing)
        return self._key_of(entity, said)

    def _said_in(self, edge: Entity, role: str, cut: Cut) -> Iterator[Value]:
        """What a hyperedge says in a role, as far as it is no thing."""
        for _cid, _entity, _role, value in self._store.scan("fact", {"entity": edge, "attribute": role}, cut):
            if type(value) is not bytes:
                yield plain(value)

    def learn(self, entities: Iterable[Entity]) -> None:
        """Work out together what `label` needs of many entities of which sources say different names."""
        keys = [(entity, name) for entity in entities if entity not in self._labels for name in LABELS]
        self._standing_names = asked(self._store, self._cut, keys, LABEL_BUDGET)

    def _standing(self, entity: Entity, name: str, cut: Cut) -> Value | None:
        """What the view shows of one attribute, by the policy `latest`."""
        register = self._standing_names.get((entity, name)) if cut == self._cut else None
        if register is None:
            register = asked(self._store, cut, [(entity, name)], LABEL_BUDGET).get((entity, name))
        return max(register.claims, key=lambda claim: claim.rank).value if register else None

    def _key_of(self, entity: Entity, said: Mapping[str, list[Value]]) -> str | None:
        """The values of the key that derives an entity: of the attributes last found to be a key, then of up to three."""
        few = sorted(said)[:KEY_CANDIDATES_MAX]
        combinations = (names for count in range(1, KEY_ATTRIBUTES_MAX + 1) for names in combinations_of(few, count))
        wanted = {name: said[name] for name in {*few, *self._key_attributes} & set(said)}
        found = key_of(entity, wanted, chain([self._key_attributes], combinations), VALUES_TRIED_MAX)
        if found is None:
            return None
        self._key_attributes, values = found
        return ", ".join(map(show, values))

    def attributes(self) -> list[Attribute]:
        """Every attribute in use."""
        if self._attributes is None:
            self._attributes = self._store.attribute_names()
        return self._attributes

    def _by_id(self, name: str) -> list[Entity]:
        match = HEX.match(name)
        if not match:
            return []
        digits = match[1].lower()
        if len(digits) % 2 == 0 and self.exists(bytes.fromhex(digits)):
            return [bytes.fromhex(digits)]
        return self._store.entities_starting(digits, self._cut)

    def _by_text(self, name: str) -> list[Entity]:
        """The entity that is this text, as the ids of other systems are."""
        entity = name.encode(errors="replace")
        return [entity] if name and self.exists(entity) else []

    def _by_key(self, name: str) -> list[Entity]:
        if not name.strip():
            return []
        found = []
        for attribute in self.attributes():
            if isinstance(attribute, str) and attribute.strip():
                entity = derive({attribute: name})
                rows = self._store.scan("fact", {"entity": entity, "attribute": attribute}, self._whole)
                if any(_derives({attribute: plain(row[3])}, entity) for row in rows):
                    found.append(entity)
        return found

    def _by_value(self, name: str, attributes: Iterable[Attribute]) -> list[Entity]:
        found: set[Entity] = set()
        for attribute in attributes:
            bound: dict[str, Cell] = {"attribute": exact(attribute), "value": name}
            for fact, entity, _, _ in self._store.scan("fact", bound, self._whole):
                found.update(self._meant(fact, entity))  # type: ignore[arg-type]  # a CID and an entity
        return sorted(found)

    def _meant(self, fact: Cid, entity: Entity) -> Iterator[Entity]:
        """What a fact names: its entity, or where it is part of a hyperedge the things whose name that hyperedge says."""
        edges = set(self._edges_of(fact))
        if edges != {entity}:
            yield entity
            return
        for context, thing, attribute, _ in self._store.scan("fact", {"value": entity}, self._whole):
            if attribute in LABELS and entity in self._edges_of(context):  # type: ignore[arg-type]  # a CID
                yield thing  # type: ignore[misc]  # an entity

    def _edges_of(self, fact: Cid) -> Iterator[Entity]:
        """The edges of the deltas that say a fact, empty for those that have none."""
        for delta, _ in self._store.scan("asserts", {"fact": fact}, self._whole):
            for row in self._store.scan("delta", {"id": delta}, self._whole):
                yield row[5]  # type: ignore[misc]  # an edge is bytes

    def _by_parts(self, name: str) -> list[Entity]:
        """The entities shown by a key of several parts, as `Namibia, 2000`."""
        parts = name.split(", ")
        if len(parts) > 1:
            for part in parts:
                found = self._by_value(part, self.attributes())[:SUGGESTIONS_MAX]
                if found:
                    return [entity for entity in found if self.label(entity) == name]
        return []

    def _known_names(self) -> list[str]:
        names: list[str] = []
        attributes = [a for a in LABELS if a in self.attributes()] or self.attributes()[:3]
        for attribute in attributes:
            for row in self._store.scan("fact", {"attribute": exact(attribute)}, self._cut):
                if isinstance(row[3], str):
                    names.append(row[3])
                if len(names) >= SUGGESTIONS_MAX:
                    return names
        return names


def _id(entity: Entity) -> str:
    """An id as other systems give it, where it is a text that can be read; else how it begins in hexadecimal."""
    text = entity.decode(errors="replace")
    is_read = bool(text.strip()) and text.isprintable() and "\ufffd" not in text and not text.startswith("0x")
    return text if is_read else _hex(entity)


def _hex(entity: Entity) -> str:
    return f"0x{entity.hex()[:12]}"


def _derives(key: Mapping[str, Value], entity: Entity) -> bool:
    """Whether a key derives the entity."""
    return any(key_text(value).strip() for value in key.values()) and derive(key) == entity


class Authors:
    """What to call author keys: names this copy remembers, then this user's own keys; equal names are told apart."""

    def __init__(self, names: Mapping[bytes, str]) -> None:
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        self._names = {key: name if counts[name] == 1 else f"{name}~{key.hex()[:6]}" for key, name in names.items()}

    def name(self, key: bytes) -> str:
        """The name of an author, or the beginning of the key."""
        return self._names.get(key) or f"key {key.hex()[:12]}"

    def key(self, name: str) -> bytes:
        """The key of an author: by name, by a unique beginning of a name, or by key in hexadecimal."""
        if not isinstance(name, str):
            raise RequestError("db.unknown-author", f"an author is given by name, not {name!r:.60}", fix='"alice"')
        by_name = {label: key for key, label in self._names.items()}
        if name in by_name:
            return by_name[name]
        if re.fullmatch(r"[0-9a-f]{64}", name):
            return bytes.fromhex(name)
        begins = [label for label in by_name if label.startswith(name)] if name else []
        if len(begins) == 1:
            return by_name[begins[0]]
        raise RequestError(
            "db.unknown-author",
            f"{name!r} may be {', '.join(sorted(begins))}"
            if begins
            else f"nobody called {name!r} has said anything here",
            nearest=nearest_names(name, by_name),
            fix=f"one of {', '.join(sorted(by_name))}" if by_name else "rhizome stats FILE lists the authors",
        )
