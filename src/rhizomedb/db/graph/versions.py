"""Reading a version of a schema: what is said in the others comes through the lenses between them (`hyper.lens`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget
from rhizomedb.crdt.policy import Claim, agreed
from rhizomedb.db import view
from rhizomedb.db.explanation import Record, shown_of
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import RANK, at_one_moment, set_of
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Names
from rhizomedb.db.programs.compiled import Compiled, answering
from rhizomedb.db.programs.composing import parts_of
from rhizomedb.db.programs.result import Result, show
from rhizomedb.db.reader import REFUSE, Reader, shown_registers
from rhizomedb.errors import Error, RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Attribute, Entity, Value, check_value, exact, plain
from rhizomedb.hyper import lens as lenses
from rhizomedb.hyper.lens import LENS, Lens, Reading, Step
from rhizomedb.hyper.lens_program import CLAIMED, LOST, READ, program_of
from rhizomedb.hyper.lens_program import COLUMNS as CLAIM_COLUMNS
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.vocabulary import VOCABULARY
from rhizomedb.logic import Program, parse
from rhizomedb.store.store import COLUMNS

if TYPE_CHECKING:
    from rhizomedb.db.graph.hypergraph import HypergraphWriter
    from rhizomedb.db.graph.relating import Related

PROGRAMS_MAX: Final = 64
"""The compiled programs of how many versions are remembered."""

_CLAIM: Final = "claim"
"""The relation of the claims that come with a question."""


@dataclass(frozen=True, slots=True)
class LensesSaid:
    """What is said of lenses: those that count, those that others of the same two versions took the place of, and what
    cannot be understood and why."""

    lenses: tuple[Lens, ...]
    replaced: tuple[tuple[Lens, Hyperedge], ...] = ()
    refused: tuple[tuple[Hyperedge, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LostClaim:
    """A claim that a version does not show: its property there where it was lost, its value, who said it, and why."""

    property: str
    value: Value
    author: str
    why: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class SaidIn:
    """A claim as a version shows it, and as it was said: the thing, the attribute and the value. A default has none."""

    value: Value
    author: str
    time_ms: int
    said: tuple[str, Attribute, Value] | None


@dataclass(frozen=True, slots=True)
class Versioning:
    """Why a property of a version shows what it shows: what was said for it and against it, and as what."""

    entity: Entity
    label: str
    property: str
    version: str
    shown: tuple[Value, ...]
    policy: str
    reason: str
    support: tuple[SaidIn, ...]
    against: tuple[SaidIn, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        sides = [
            [
                {
                    "value": each.value,
                    "author": each.author,
                    "time": show_ms(each.time_ms, zone=True),
                    "said": each.said,
                }
                for each in side
            ]
            for side in (self.support, self.against)
        ]
        return {
            "entity": self.label,
            "id": self.entity.hex(),
            "property": self.property,
            "version": self.version,
            "shown": shown_of(self.shown, self.policy),
            "policy": self.policy,
            "reason": self.reason,
            "for": sides[0],
            "against": sides[1],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.label} · {self.property} = {', '.join(map(show, self.shown))}   ({self.version})",
            f"  shown by {self.policy}: {self.reason}",
        ]
        for head, side in (("for it", self.support), ("against it", self.against)):
            lines += [f"  {head}"] if side else []
            for each in side:
                if each.said is None:
                    lines.append(f"    {show(each.value)}  where nobody says it, by the lens of {each.author}")
                    continue
                of, attribute, value = each.said
                line = f"    {show(each.value)}  {each.author}, {show_ms(each.time_ms)}"
                is_own = of == self.label and attribute == self.property and agreed(value) == agreed(each.value)
                lines.append(line if is_own else f"{line}, as {show(attribute)} of {of} = {show(value)}")
        return "\n".join(lines)


def lens(db: HypergraphWriter, old: str, new: str, steps: tuple[Step, ...], author: str | None) -> Related:
    """See `WordingWriter.lens`."""
    return db.relate(*lenses.pointers_of(Lens(old, new, steps)), author=author, origin=f"lens {old} → {new}")


def lenses_said(reader: Any, trusted: Iterable[str] | None) -> LensesSaid:
    """See `Wording.lenses`."""
    reader = at_one_moment(reader)
    believed = set_of(trusted, reader.author_key)
    source = edge_source(reader._store, reader.cut)
    found = source.read([id for context, id in source.under(VOCABULARY) if context == LENS])
    away = negated_among(reader._store, reader.cut, believed, {each.edge for each in found})
    edges = sorted(
        {each for each in found if each.edge not in away and (believed is None or each.author in believed)}, key=RANK
    )
    counted: dict[frozenset[str], tuple[Lens, Hyperedge]] = {}
    replaced: list[tuple[Lens, Hyperedge]] = []
    refused: list[tuple[Hyperedge, str]] = []
    for edge in edges:
        try:
            said = lenses.lens_of(edge)
        except Error as error:  # what is no value among it
            refused.append((edge, error.message))
            continue
        if said is not None:
            between = frozenset((said.old, said.new))
            if between in counted:  # the latest counts
                replaced.append(counted[between])
            counted[between] = said, edge
    return LensesSaid(tuple(said for said, _ in counted.values()), tuple(replaced), tuple(refused))


def versioned(reader: Reader, version: str, trusted: Iterable[str] | None) -> Versioned:
    """See `Wording.as_version`."""
    now = at_one_moment(reader)
    return Versioned(now, lenses.reading(lenses_said(now, trusted).lenses, version))


class Versioned:
    """A database read as one version of a schema; made by `as_version`, of one moment.

    What is said in another version is shown under the properties of this one, by the lenses between them: by facts, and by
    hyperedges, of which a context is the property and the role of that name has its value. Attributes that no
    lens names are the same in all versions. A lens is about everything that is read through it: read those things so that
    are of this schema.
    """

    def __init__(self, reader: Reader, reading: Reading) -> None:
        self._reader = reader
        self._reading = reading

    @property
    def version(self) -> str:
        """The version that is read."""
        return str(self._reading.root.version)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions from which something is read: this one, and the others by how many lenses are between."""
        return self._reading.versions

    def program(self) -> str:
        """The PomoLogic program of this version: `read` has what it shows, in the columns of `stands`; `lost` the rest."""
        return program_of(self._reading) + CLAIMED

    def query(self, program: str | Program, parameters: Mapping[str, object] | None = None, **options: Any) -> Result:
        """The tuples that a program derives, which may also use `read` and `lost` of this version."""
        using = [*parts_of(options.pop("using", ())), parse(self.program())]
        return self._reader.query(program, parameters, using=using, **options)

    def get(
        self,
        entity: str | Entity,
        property: str | None = None,
        *,
        policy: str = "latest",
        default: Any = REFUSE,
    ) -> Any:
        """What this version shows of a thing: a `Record`, or with a property its value, None where nothing is shown."""
        chosen, names = self._reader._policy(policy), self._names()
        if default is not REFUSE and entity not in self._reader:
            return default
        subject = names.entity(entity)
        if property is not None:
            check_value(property)
        found = self._registers(subject)
        if property is None:
            ordered = shown_registers(found.values())
            return Record(
                subject,
                names.label(subject),
                chosen.name,
                {register.attribute: chosen.choose(register.claims) for register in ordered},
                frozenset(register.attribute for register in ordered if register.is_contested),
            )
        register = found.get(exact(property))
        if register is None:
            if default is REFUSE:
                self._check(property)
                return None
            return default
        choice = chosen.choose(register.claims)
        return list(choice.values) if chosen.name == "all" else choice.values[0]

    def why(self, entity: str | Entity, property: str, *, policy: str = "latest") -> Versioning:
        """Why a property shows what it shows: who said it, and as what."""
        chosen, names = self._reader._policy(policy), self._names()
        subject = names.entity(entity)
        found = self._registers(subject)
        register = found.get(exact(check_value(property)))
        if register is None:
            self._check(property)
            known = [str(each.attribute) for each in found.values()]
            raise RequestError(
                "db.unknown-attribute",
                f"{self.version} shows nothing as {property!r:.60} of {names.label(subject)}",
                nearest=nearest_names(property, known),
                fix=f"one of {', '.join(sorted(known)[:12])}" if known else None,
            )
        choice = chosen.choose(register.claims)
        shown = {agreed(value) for value in choice.values}
        ordered = sorted(register.claims, key=lambda claim: (claim == choice.decided_by, claim.rank), reverse=True)
        said = [(agreed(claim.value) in shown, self._said(claim, names)) for claim in ordered]
        return Versioning(
            subject,
            names.label(subject),
            property,
            self.version,
            choice.values,
            chosen.name,
            choice.reason,
            tuple(each for is_shown, each in said if is_shown),
            tuple(each for is_shown, each in said if not is_shown),
        )

    def lost(self, entity: str | Entity) -> list[LostClaim]:
        """What is said of a thing in other versions and not shown in this one, and why; earliest first."""
        names, authors = self._names(), self._reader._authors()
        subject = names.entity(entity)
        found: list[LostClaim] = []
        for of, property, value, fact, delta, author, time, counter, why in self._derived(subject)[LOST]:
            if of == subject:
                claim = Claim(plain(value), fact, delta, author, HybridTime(time, counter))
                found.append(LostClaim(property, claim.value, authors.name(author), why, claim))
        return sorted(found, key=lambda each: (each.claim.rank, each.property, each.why))

    def __repr__(self) -> str:
        return f"<{self._reader!r} as {self.version}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _names(self) -> Names:
        return Names(self._reader._store, self._reader.cut)

    def _check(self, property: str) -> None:
        """Refuse a property that neither a lens nor a fact has: it is a slip."""
        if property not in self._reading.root.names and all(path != property for *_, path in self._reading.paths):
            self._reader.check_attribute(property)

    def _registers(self, subject: Entity) -> dict[object, view.Register]:
        """What this version shows of a thing, by property."""
        rows = [row for row in self._derived(subject)[READ] if row[0] == subject]
        return {attribute: register for (_, attribute), register in view.group(rows).items()}

    def _derived(self, subject: Entity) -> dict[str, list[Any]]:
        store, cut = self._reader._store, self._reader.cut
        rows = self._claims([subject])
        if self._leads_on:
            inside = {row[2] for row in rows if type(row[2]) is bytes} - {subject}
            rows += self._claims(sorted(inside))
        program = _compiled(program_of(self._reading, _CLAIM))
        found: Any = view.run(program, store, cut, {_CLAIM: rows}, Budget())
        return {name: list(found[name]) for name in (READ, LOST)}

    def _claims(self, things: Sequence[Entity]) -> list[Any]:
        """What is said of some things: the tuples of `claimed`."""
        reader = self._reader
        rows: list[Any] = [
            (
                register.entity,
                exact(register.attribute),
                exact(claim.value),
                claim.fact,
                claim.delta,
                claim.author,
                claim.time.ms,
                claim.time.counter,
            )
            for register in view.registers(reader._store, reader.cut, things, view.VIEW_BUDGET).values()
            for claim in register.claims
        ]
        source = edge_source(reader._store, reader.cut)
        shown = [(thing, context, id) for thing in things for context, id in source.under(thing)]
        if not shown:
            return rows
        edges = source.read([id for *_, id in shown])
        away = negated_among(reader._store, reader.cut, None, {edge.edge for edge in edges})
        for (thing, context, _), edge in zip(shown, edges, strict=True):
            if edge.edge in away:
                continue
            for target in edge.targets(context):
                value = target.entity if isinstance(target, Reference) else target
                if value not in (thing, edge.edge):
                    fact = Fact(edge.edge, context, value)
                    said = edge.delta, edge.author, edge.time.ms, edge.time.counter
                    rows.append((thing, context, exact(value), fact.cid, *said))
        return rows

    @property
    def _leads_on(self) -> bool:
        steps = [step for node in self._reading.nodes for _, step, _ in node.sources]
        return any(isinstance(step, lenses.Hoist | lenses.Sink) for step in steps)

    def _said(self, claim: Claim, names: Names) -> SaidIn:
        author = self._reader.author_name(claim.author)
        said = self._fact(claim.fact)
        if said is None:
            return SaidIn(claim.value, author, claim.time.ms, None)
        entity, attribute, value = said
        return SaidIn(claim.value, author, claim.time.ms, (names.label(entity), attribute, value))

    def _fact(self, cid: Cid) -> tuple[Entity, Attribute, Value] | None:
        """What a fact says: of a thing; where it is part of a hyperedge, of what shows that under the name of its role."""
        store, cut = self._reader._store, self._reader.cut
        for _, entity, attribute, value in store.scan("fact", {"$cid": cid}, cut):
            for _, thing, context, _ in store.scan("fact", {"value": entity}, cut):
                if context == attribute:
                    return thing, plain(attribute), plain(value)  # type: ignore[return-value]  # columns hold the kinds that `COLUMNS` says
            return entity, plain(attribute), plain(value)  # type: ignore[return-value]  # columns hold the kinds that `COLUMNS` says
        return None  # the lens itself says it


@lru_cache(maxsize=PROGRAMS_MAX)
def _compiled(program: str) -> Compiled:
    return answering(parse(program), COLUMNS, {_CLAIM: CLAIM_COLUMNS}, None)
