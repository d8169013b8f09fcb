"""Vocabulary of a database: what is said to mean the same, and reading with it.

Off unless it is asked for: that two things are one is a claim that anybody may make, and it would pour what is said of one
into the other before everybody's eyes. Who reads says whether it counts, and whose word does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rhizomedb._record import dataclass
from rhizomedb.crdt.policy import Claim, agreed
from rhizomedb.db import view
from rhizomedb.db.explanation import Conflict, Conflicts, Record, Said, shown_of
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import RANK, Thing, at_one_moment, check_list, set_of
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Names
from rhizomedb.db.programs.compiled import Compiled, answering
from rhizomedb.db.programs.composing import parts_of
from rhizomedb.db.programs.result import Result, show
from rhizomedb.db.reader import REFUSE, Reader, shown_registers
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Attribute, Cell, Entity, Value, check_entity, check_value, exact
from rhizomedb.hyper import vocabulary as words
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.json_delta import UNREADABLE, id_of
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.hyper.translated import walk_translated
from rhizomedb.hyper.vocabulary import ALIAS, SAME, Classes, Vocabulary
from rhizomedb.logic import Program, parse
from rhizomedb.store.store import COLUMNS

if TYPE_CHECKING:
    from rhizomedb.db.graph.hypergraph import HypergraphWriter
    from rhizomedb.db.graph.relating import Related
    from rhizomedb.hyper.resolution import Choose
    from rhizomedb.hyper.schema import HyperSchema


def alias(db: HypergraphWriter, names: tuple[str, ...], author: str | None) -> Related:
    """See `WordingWriter.alias`."""
    for name in names:
        if type(name) is not str or not name:
            raise RequestError(
                "hyper.vocabulary", f"{name!r:.60} is no name of an attribute", fix='db.alias("title", "name")'
            )
    return db.relate(*words.alias(names), author=author, origin="alias")


def same(db: HypergraphWriter, things: tuple[Thing, ...], author: str | None) -> Related:
    """See `WordingWriter.same`."""
    for thing in things:
        if not isinstance(thing, str | bytes) or not thing:
            raise RequestError("hyper.vocabulary", f"{thing!r:.60} is no thing", fix='db.same("film:42", "tt0133093")')
    return db.relate(*words.same(map(db.thing, things)), author=author, origin="same-as")


def vocabulary(reader: Any, trusted: Iterable[str] | None) -> Vocabulary:
    """See `Wording.vocabulary`."""
    reader = at_one_moment(reader)
    believed = set_of(trusted, reader.author_key)
    source = edge_source(reader._store, reader.cut)
    said = [(context, id) for context, id in source.under(words.VOCABULARY) if context in (ALIAS, SAME)]
    if not said:
        return Vocabulary(Classes({}, ()), Classes({}, ()))
    read = source.read([id for _, id in said])
    maybe = negated_among(reader._store, reader.cut, believed, {edge.edge for edge in read})
    away = frozenset(edge.edge for edge in read if edge.edge in maybe)
    edges = [
        (context, edge)
        for (context, _), edge in zip(said, read, strict=True)
        if edge.edge not in away and (believed is None or edge.author in believed)
    ]

    def classes(context: str) -> Classes[Any]:
        found = sorted({edge for under, edge in edges if under == context}, key=RANK)
        labels = _labels(reader, context, away, believed) if found else {}
        return Classes(labels, [(edge, words.members(edge, context)) for edge in found])

    return Vocabulary(classes(ALIAS), classes(SAME))


def _labels(reader: Any, context: str, away: frozenset[Entity], believed: frozenset[bytes] | None) -> dict[Any, object]:
    tuples: dict[str, list[Any]] = {words.AWAY: [(edge,) for edge in away]}
    if believed is not None:
        tuples[words.BELIEVED] = [(author,) for author in believed]
    program = _closing(context, believed is None)
    return dict(view.run(program, reader._store, reader.cut, tuples, view.VIEW_BUDGET)[words.CLASS])  # type: ignore[arg-type]  # pairs


@cache
def _closing(context: str, is_trusting: bool) -> Compiled:
    brought = {words.AWAY: ("edge",)} if is_trusting else {words.AWAY: ("edge",), words.BELIEVED: ("author",)}
    return answering(parse(words.classes(context, is_trusting)), COLUMNS, brought, words.CLASS)


def understood(reader: Reader, trusted: Iterable[str] | None) -> Understood:
    """See `Wording.with_vocabulary`."""
    now = at_one_moment(reader)
    return Understood(now, vocabulary(now, trusted))


@dataclass(frozen=True, slots=True)
class SaidAs:
    """A claim, of what and under which name it was said, and the statements by which that means what was asked for."""

    value: Value
    author: str
    time_ms: int
    of: str
    attribute: Attribute
    because: tuple[Hyperedge, ...]
    claim: Claim


@dataclass(frozen=True, slots=True)
class Understanding:
    """Why an attribute shows what it shows by a vocabulary: what is shown, what was said for it and against it."""

    entity: Entity
    label: str
    attribute: Attribute
    shown: tuple[Value, ...]
    policy: str
    reason: str
    support: tuple[SaidAs, ...]
    against: tuple[SaidAs, ...]
    _says: Callable[[Hyperedge], str]

    @property
    def because(self) -> tuple[Hyperedge, ...]:
        """Every statement that two names or things mean the same on which something here rests."""
        return tuple(dict.fromkeys(edge for each in (*self.support, *self.against) for edge in each.because))

    def as_dict(self) -> dict[str, Any]:
        """As data."""

        def said(each: SaidAs) -> dict[str, Any]:
            return {
                "value": each.value,
                "author": each.author,
                "time": show_ms(each.time_ms, zone=True),
                "of": each.of,
                "attribute": each.attribute,
                "because": [self._says(edge) for edge in each.because],
            }

        return {
            "entity": self.label,
            "id": self.entity.hex(),
            "attribute": self.attribute,
            "shown": shown_of(self.shown, self.policy),
            "policy": self.policy,
            "reason": self.reason,
            "for": [said(each) for each in self.support],
            "against": [said(each) for each in self.against],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.label} · {show(self.attribute)} = {', '.join(map(show, self.shown))}",
            f"  shown by {self.policy}: {self.reason}",
        ]
        for head, some in (("for it", self.support), ("against it", self.against)):
            lines += [f"  {head}"] if some else []
            for each in some:
                said = f"    {show(each.value)}  {each.author}, {show_ms(each.time_ms)}"
                lines.append(f"{said}, as {show(each.attribute)} of {each.of}" if each.because else said)
                lines += [f"      since {self._says(edge)}" for edge in each.because]
        return "\n".join(lines)


def _saying(names: Names, author: Callable[[bytes], str]) -> Callable[[Hyperedge], str]:
    """What a statement says to be the same, and who says so."""

    def says(edge: Hyperedge) -> str:
        things = words.members(edge, SAME)
        called = [_label(names, thing) for thing in things]
        if len(set(called)) < len(called):  # as it is where one film has two ids
            called = [f"{name} ({id_of(thing):.24})" for name, thing in zip(called, things, strict=True)]
        same = [*words.members(edge, ALIAS), *called]
        return f"{' = '.join(same)}, says {author(edge.author)} {show_ms(edge.time.ms)}"

    return says


def _label(names: Names, thing: Entity) -> str:
    """What to show for a thing: its name, else its id as text where it is one."""
    found, id = names.label(thing), id_of(thing)
    return id if found.startswith("0x") and not id.startswith(UNREADABLE) else found


class Understood:
    """A database read with a vocabulary: what means the same is one. Made by `with_vocabulary`, of one moment.

    An attribute of a thing holds what stands in any of its names of any of the things that are one; a policy chooses among
    all of it, and what differs is a conflict.
    """

    def __init__(self, reader: Reader, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self.vocabulary = vocabulary
        """What means the same."""

    def get(
        self,
        entity: str | Entity,
        attribute: Attribute | None = None,
        *,
        policy: str = "latest",
        default: Any = REFUSE,
    ) -> Any:
        """What the view shows of a thing: a `Record` by the names that are shown, or with an attribute its value."""
        chosen, names = self._reader._policy(policy), self._names()
        if default is not REFUSE and not self._found(names, entity):
            return default
        subject = self._entity(names, entity)
        found = self._registers([subject]).get(subject, {})
        if attribute is None:
            return self._record(subject, found, chosen, names)
        register = found.get(exact(self._attribute(attribute)))
        if register is None:
            if default is not REFUSE:
                return default
            self._reader.check_attribute(attribute)
            return None
        choice = chosen.choose(register.claims)
        return list(choice.values) if chosen.name == "all" else choice.values[0]

    def records(self, *, policy: str = "latest") -> Iterable[Record]:
        """What the view shows of every thing, things that are one once, in the order of the ids that are shown."""
        chosen, names = self._reader._policy(policy), self._names()
        shown = sorted({self.vocabulary.things.shown(each) for each in self._reader._store.entities(self._reader.cut)})
        for batch in view.batches(shown, view.REGISTERS_AT_ONCE):
            found = self._registers(batch)
            names.learn(found)
            for subject in batch:
                if subject in found:
                    yield self._record(subject, found[subject], chosen, names)

    def conflicts(self, entity: str | Entity | None = None, *, policy: str = "latest") -> Conflicts:
        """Every attribute about which more than one value stands, of one thing or of all."""
        chosen, names, authors = self._reader._policy(policy), self._names(), self._reader._authors()
        if entity is not None:
            subjects = [self._entity(names, entity)]
        else:
            every = self._reader._store.entities(self._reader.cut)
            subjects = sorted({self.vocabulary.things.shown(each) for each in every})
        conflicts: list[Conflict] = []
        for batch in view.batches(subjects, view.REGISTERS_AT_ONCE):
            for subject, registers in sorted(self._registers(batch).items()):
                for register in shown_registers(registers.values()):
                    if register.is_contested:
                        choice = chosen.choose(register.claims)
                        said = [Said.of(value, claims, authors.name) for value, claims in register.claims_by_value()]
                        conflicts.append(
                            Conflict(
                                subject,
                                names.label(subject),
                                register.attribute,
                                tuple(said),
                                choice.values,
                                chosen.name,
                                choice.reason,
                            )
                        )
        return Conflicts(conflicts)

    def why(self, entity: str | Entity, attribute: Attribute, *, policy: str = "latest") -> Understanding:
        """Why an attribute shows what it shows: who said it of what and as what, and who says that this means the same."""
        chosen, names, authors = self._reader._policy(policy), self._names(), self._reader._authors()
        subject = self._entity(names, entity)
        origins: dict[Claim, tuple[Entity, Attribute]] = {}
        found = self._registers([subject], origins).get(subject, {})
        register = found.get(exact(self._attribute(attribute)))
        if register is None:
            self._reader.check_attribute(attribute)
            raise RequestError(
                "db.unknown-attribute",
                f"nobody says anything about {show(attribute)} of {names.label(subject)}",
                nearest=nearest_names(str(attribute), [str(each.attribute) for each in found.values()]),
            )
        choice = chosen.choose(register.claims)
        shown = {agreed(value) for value in choice.values}
        ordered = sorted(register.claims, key=lambda claim: (claim == choice.decided_by, claim.rank), reverse=True)
        words_ = self.vocabulary

        def said(claim: Claim) -> SaidAs:
            of, as_ = origins[claim]
            because = words_.things.why(self._asked(names, entity), of)
            if isinstance(as_, str) and isinstance(attribute, str):
                because += words_.attributes.why(attribute, as_)
            return SaidAs(
                claim.value, authors.name(claim.author), claim.time.ms, _label(names, of), as_, because, claim
            )

        return Understanding(
            subject,
            _label(names, subject),
            attribute,
            choice.values,
            chosen.name,
            choice.reason,
            tuple(said(claim) for claim in ordered if agreed(claim.value) in shown),
            tuple(said(claim) for claim in ordered if agreed(claim.value) not in shown),
            _saying(names, authors.name),
        )

    def query(self, program: str | Program, parameters: Mapping[str, object] | None = None, **options: Any) -> Result:
        """The tuples that a program derives, which may also read `meant`: what stands, by the names that are shown.

        `meant` has the columns of `stands`; `thing_is(of, is)` and `attribute_is(of, is)` have what is shown for another.
        """
        using = [*parts_of(options.pop("using", ())), self.vocabulary.rules()]
        return self._reader.query(program, parameters, using=using, **options)

    def hyperview(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> HyperView:
        """What a schema shows of a thing, as `db.hyperview`: contexts and roles in any of their names, things that are one as one."""
        return self.hyperviews([thing], schema, schemas=schemas, trusted=trusted)[0]

    def hyperviews(
        self,
        things: Iterable[Thing],
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> list[HyperView]:
        """The views of several things, evaluated together."""
        reader, words_ = self._reader, self.vocabulary
        known, id = schemas_for(reader, schema, schemas)
        entities = [reader.thing(thing) for thing in check_list(things)]
        store, cut = reader._store, reader.cut
        source = edge_source(store, cut)
        away = partial(negated_among, store, cut, set_of(trusted, reader.author_key))
        return walk_translated(known, id, entities, source.under, source.read, away, words_)

    def show(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """A thing as plain data, as `db.show`."""
        from rhizomedb.hyper.resolution import policy_of, resolve

        if policies is not None and not isinstance(policies, Mapping):
            raise RequestError("db.usage", f"{policies!r:.60} is no mapping", fix='policies={"runtime": "max"}')
        key = self._reader.author_key
        special = {name: policy_of(each, key) for name, each in (policies or {}).items()}
        seen = self.hyperview(thing, schema, schemas=schemas, trusted=trusted)
        return resolve(seen, policy_of(policy, key), special)

    def __repr__(self) -> str:
        return f"<{self._reader!r} with {self.vocabulary!r}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _names(self) -> Names:
        return Names(self._reader._store, self._reader.cut)

    def _found(self, names: Names, entity: str | Entity) -> list[Entity]:
        """The things that a name or an id means, of which anything is known, by the ids that are shown."""
        if isinstance(entity, str):
            found = names.find(entity)
        else:
            found = [each for each in self.vocabulary.things.all(check_entity(entity)) if names.exists(each)]
        return list(dict.fromkeys(map(self.vocabulary.things.shown, found)))

    def _entity(self, names: Names, entity: str | Entity) -> Entity:
        """The one thing that is meant, by the id that is shown: two things of one name that are one are no doubt."""
        found = self._found(names, entity)
        return found[0] if len(found) == 1 else self.vocabulary.things.shown(names.entity(entity))

    def _asked(self, names: Names, entity: str | Entity) -> Entity:
        """The thing as it was asked for, before anything was said to be the same."""
        if not isinstance(entity, str):
            return entity
        found = names.find(entity)
        return found[0] if len(found) == 1 else self._entity(names, entity)

    def _attribute(self, attribute: Attribute) -> Attribute:
        checked = check_value(attribute)
        return self.vocabulary.attributes.shown(checked) if isinstance(checked, str) else checked  # type: ignore[return-value]  # no attribute is bytes of a thing

    def _registers(
        self, shown: Iterable[Entity], origins: dict[Claim, tuple[Entity, Attribute]] | None = None
    ) -> dict[Entity, dict[Cell, view.Register]]:
        """What stands of some things, under the names that are shown."""
        words_ = self.vocabulary
        members = list(dict.fromkeys(each for thing in shown for each in words_.things.all(thing)))
        found: dict[Entity, dict[Cell, view.Register]] = {}
        for register in view.registers(self._reader._store, self._reader.cut, members, view.VIEW_BUDGET).values():
            entity, attribute = words_.things.shown(register.entity), self._attribute(register.attribute)
            of = found.setdefault(entity, {}).setdefault(exact(attribute), view.Register(entity, attribute))
            of.claims += register.claims
            if origins is not None:
                origins.update(dict.fromkeys(register.claims, (register.entity, register.attribute)))
        for registers in found.values():
            for register in registers.values():
                register.claims.sort(key=lambda claim: claim.rank)
        return found

    def _record(self, subject: Entity, registers: Mapping[Cell, view.Register], chosen: Any, names: Names) -> Record:
        ordered = shown_registers(registers.values())
        return Record(
            subject,
            names.label(subject),
            chosen.name,
            {register.attribute: chosen.choose(register.claims) for register in ordered},
            frozenset(register.attribute for register in ordered if register.is_contested),
        )
