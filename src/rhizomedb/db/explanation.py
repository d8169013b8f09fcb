"""Answers that carry their reasons: records, conflicts, explanations and histories, each printable and as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rhizomedb._record import dataclass
from rhizomedb.crdt.policy import Choice, Claim
from rhizomedb.db.moment import show_ms
from rhizomedb.db.programs.result import show
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Attribute, Entity, Value, plain

if TYPE_CHECKING:
    from rhizomedb.algebra import Derivation, Premise

AuthorName = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Said:
    """One value of a register and who stands behind it: author names and claimed times, most recent first."""

    value: Value
    claims: tuple[Claim, ...]
    authors: tuple[str, ...]
    times_ms: tuple[int, ...]

    @classmethod
    def of(cls, value: Value, claims: Sequence[Claim], name: AuthorName) -> Said:
        """The value with its authors, each once, at the latest time each said it."""
        latest: dict[bytes, int] = {}
        for claim in claims:
            latest[claim.author] = max(claim.time.ms, latest.get(claim.author, 0))
        ordered = sorted(latest, key=lambda author: (-latest[author], author))
        return cls(value, tuple(claims), tuple(map(name, ordered)), tuple(latest[author] for author in ordered))

    def as_dict(self) -> dict[str, Any]:
        """As data: the value, its authors and their times."""
        return {
            "value": self.value,
            "authors": [
                {"name": name, "time": show_ms(ms, zone=True)}
                for name, ms in zip(self.authors, self.times_ms, strict=True)
            ],
        }

    def __str__(self) -> str:
        who = ", ".join(f"{name} {show_ms(ms)}" for name, ms in zip(self.authors, self.times_ms, strict=True))
        return f"{show(self.value)} ({who})"


class Record(Mapping[Attribute, Any]):
    """What a view shows of one entity: a mapping from attribute to value; under policy `all`, to a list of values."""

    def __init__(
        self,
        entity: Entity,
        label: str,
        policy: str,
        choices: Mapping[Attribute, Choice],
        contested: frozenset[Attribute],
    ) -> None:
        self.entity = entity
        self.label = label
        self.policy = policy
        self.choices = choices
        self.contested = contested
        """The attributes about which more than one value stands."""

    def __getitem__(self, attribute: Attribute) -> Any:
        values = self.choices[attribute].values
        return list(values) if self.policy == "all" else values[0]

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __repr__(self) -> str:
        text = [f"{show(self.label)}  (0x{self.entity.hex()[:12]}, policy {self.policy})"]
        width = max((len(show(attribute)) for attribute in self), default=0)
        for attribute, choice in self.choices.items():
            mark = "  ≠ contested" if attribute in self.contested else ""
            text.append(f"  {show(attribute):<{width}}  {', '.join(show(value) for value in choice.values)}{mark}")
        return "\n".join(text)


class Records(list[Record]):
    """The records that a search found, as a list; `to_dicts` gives the values by attribute."""

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per record: what the view shows, by attribute."""
        return [{show(attribute): value for attribute, value in record.items()} for record in self]


def shown_of(values: tuple[Value, ...], policy: str) -> object:
    """What a view shows, as data: a list under policy `all`, else one value, or None where nothing stands."""
    if policy == "all":
        return list(values)
    return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A register in which more than one value stands: who says what and when, what the view shows and why."""

    entity: Entity
    label: str
    attribute: Attribute
    values: tuple[Said, ...]
    shown: tuple[Value, ...]
    policy: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """As data: entity, attribute, each value with its authors and times, and the choice."""
        return {
            "entity": self.label,
            "id": self.entity.hex(),
            "attribute": self.attribute,
            "values": [said.as_dict() for said in self.values],
            "shown": shown_of(self.shown, self.policy),
            "policy": self.policy,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        values = "  ≠  ".join(map(str, self.values))
        shown = ", ".join(show(value) for value in self.shown)
        return f"{show(self.label)} · {show(self.attribute)}   {values}   view shows {shown} ({self.policy}: {self.reason})"


class Conflicts(Sequence[Conflict]):
    """The conflicts of a view, by label and attribute: all, or as many as were asked for where there are `more`."""

    def __init__(self, conflicts: Sequence[Conflict], more: bool = False) -> None:
        self._conflicts = sorted(conflicts, key=lambda c: (c.label, c.entity, str(c.attribute)))
        self.more = more

    def __getitem__(self, index: Any) -> Any:
        return self._conflicts[index]

    def __len__(self) -> int:
        return len(self._conflicts)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per conflict."""
        return [conflict.as_dict() for conflict in self]

    def __repr__(self) -> str:
        head = f"{len(self):,} conflict{'' if len(self) == 1 else 's'}{', and there are more' if self.more else ''}"
        more = [f"… {len(self) - 20:,} more"] if len(self) > 20 else []
        return "\n".join([head, *(f"  {conflict}" for conflict in self._conflicts[:20]), *more])


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing ever said about a register: the claim, its author, how it arrived, and what became of it."""

    claim: Claim
    attribute: Attribute
    author: str
    epoch: int
    arrived_ms: int
    origin: str
    fate: str
    standing: bool

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "attribute": self.attribute,
            "value": self.claim.value,
            "author": self.author,
            "time": show_ms(self.claim.time.ms, zone=True),
            "status": self.fate,
            "epoch": self.epoch,
            "arrived": show_ms(self.arrived_ms, zone=True),
            "origin": self.origin,
            "fact": self.claim.fact,
            "delta": self.claim.delta,
        }


class History(Sequence[Statement]):
    """Everything ever said about an entity, oldest claim first."""

    def __init__(self, label: str, statements: Sequence[Statement]) -> None:
        self.label = label
        self._statements = sorted(statements, key=lambda s: (s.claim.rank, show(s.attribute)))

    def __getitem__(self, index: Any) -> Any:
        return self._statements[index]

    def __len__(self) -> int:
        return len(self._statements)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per statement."""
        return [statement.as_dict() for statement in self]

    def __repr__(self) -> str:
        text = [f"{show(self.label)}: {len(self):,} statement{'' if len(self) == 1 else 's'}"]
        text += [
            f"  {show_ms(s.claim.time.ms)}  {s.author}  {show(s.attribute)} = {show(s.claim.value)}  {s.fate}"
            for s in self._statements[:50]
        ]
        return "\n".join([*text, *([f"… {len(self) - 50:,} more"] if len(self) > 50 else [])])


@dataclass(frozen=True, slots=True)
class Support:
    """One standing claim and how the program derived that it stands."""

    claim: Claim
    author: str
    epoch: int
    arrived_ms: int
    origin: str
    causes: tuple[Cid, ...]
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a view shows a value: the policy's reason, and for every standing claim its derivation down to facts."""

    entity: Entity
    label: str
    attribute: Attribute
    shown: tuple[Value, ...]
    policy: str
    reason: str
    support: tuple[Support, ...]
    against: tuple[Support, ...]
    fallen: tuple[Statement, ...]
    known: Mapping[bytes, str]
    """What to call the entities and author keys that the derivations mention."""

    def as_dict(self) -> dict[str, Any]:
        """As data: the choice, and the claims for and against it with their derivations."""

        def side(supports: tuple[Support, ...]) -> list[dict[str, Any]]:
            return [
                {
                    "value": s.claim.value,
                    "author": s.author,
                    "time": show_ms(s.claim.time.ms, zone=True),
                    "fact": s.claim.fact,
                    "delta": s.claim.delta,
                    "causes": list(s.causes),
                    "epoch": s.epoch,
                    "arrived": show_ms(s.arrived_ms, zone=True),
                    "origin": s.origin,
                    "derivation": derivation_dict(s.derivation),
                }
                for s in supports
            ]

        return {
            "entity": self.label,
            "id": self.entity.hex(),
            "attribute": self.attribute,
            "shown": shown_of(self.shown, self.policy),
            "policy": self.policy,
            "reason": self.reason,
            "for": side(self.support),
            "against": side(self.against),
            "fallen": [statement.as_dict() for statement in self.fallen],
        }

    def __str__(self) -> str:
        shown = ", ".join(show(value) for value in self.shown) or "nothing"
        text = [
            f"{show(self.label)} · {show(self.attribute)} = {shown}",
            f"  shown by policy {self.policy}: {self.reason}",
        ]
        for heading, supports in (("said by", self.support), ("against it", self.against)):
            if supports:
                text.append(f"  {heading}")
            for s in supports:
                text.append(f"    {show(s.claim.value)}  {s.author}, {show_ms(s.claim.time.ms)}")
                text.append(f"      fact …{s.claim.fact.short}  in delta …{s.claim.delta.short}")
                text.append(f"      arrived in epoch {s.epoch}, {show_ms(s.arrived_ms)}, with {show(s.origin)}")
        if self.fallen:
            text.append("  no longer standing")
            text += [
                f"    {show(s.claim.value)}  {s.author}, {show_ms(s.claim.time.ms)}: {s.fate}" for s in self.fallen[:20]
            ]
            text += [f"    … {len(self.fallen) - 20} more: rhizome history"] if len(self.fallen) > 20 else []
        if self.support:
            text.append("  derived")
            text += [f"    {line}" for line in derivation_lines(self.support[0].derivation, self.known)]
        return "\n".join(text)

    __repr__ = __str__


QUESTION = ("asked", "subject")
"""Relations that say what was asked for: no reason for anything."""


def derivation_lines(derivation: Derivation, known: Mapping[bytes, str], lines_max: int = 200) -> list[str]:
    """A derivation as an indented tree, with names for the entities and authors that have one."""
    from rhizomedb.algebra import lines

    def term(value: Value) -> str:
        if isinstance(value, bytes) and value in known:
            return show(known[value], 40)
        return f'"{show(value, 40)}"' if isinstance(value, str) else show(value, 40)

    shown: list[str] = []
    for depth, text in lines(derivation, show=term, rules=False, without=QUESTION):
        if len(shown) == lines_max:
            return [*shown, "…"]
        shown.append("  " * depth + text)
    return shown


def derivation_dict(premise: Premise, depth_max: int = 40) -> dict[str, Any]:
    """A derivation as nested data, cut at a depth."""
    from rhizomedb.algebra import Absent, Derivation, Group

    match premise:
        case Absent(relation, pattern):
            return {"absent": relation, "pattern": {column: plain(cell) for column, cell in pattern}}
        case Group(function, relation, pattern, count, members):
            return {
                "aggregate": function,
                "relation": relation,
                "pattern": {column: plain(cell) for column, cell in pattern},
                "count": count,
                "members": [derivation_dict(member, depth_max - 1) for member in members] if depth_max else [],
            }
        case Derivation(relation, columns, row, rule, premises):
            found: dict[str, Any] = {
                "relation": relation,
                "tuple": {column: plain(cell) for column, cell in zip(columns, row, strict=True)},
            }
            if rule is not None:
                found["rule"] = str(rule)
            if premises and depth_max:
                found["because"] = [derivation_dict(below, depth_max - 1) for below in premises]
            return found
