"""What can be asked of a database at one moment. `Connection` and `Database` both answer, each at its own cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from rhizomedb._record import dataclass
from rhizomedb.budget import Budget, budget_of
from rhizomedb.crdt import policy as policies
from rhizomedb.crdt.library import OPERATIONS
from rhizomedb.crdt.policy import Policy, agreed
from rhizomedb.db import view
from rhizomedb.db.attachments.attaching import Attaching
from rhizomedb.db.causality import Causality
from rhizomedb.db.explanation import (
    Conflict,
    Conflicts,
    Explanation,
    History,
    Record,
    Records,
    Said,
)
from rhizomedb.db.graph.viewing import Viewing
from rhizomedb.db.graph.wording import Wording
from rhizomedb.db.identity import as_cid
from rhizomedb.db.limits import Limits
from rhizomedb.db.log import Logged, log
from rhizomedb.db.moment import to_ms
from rhizomedb.db.naming import Authors, Names
from rhizomedb.db.programs import notices
from rhizomedb.db.programs import query as queries
from rhizomedb.db.programs.arriving import with_arrivals
from rhizomedb.db.programs.composing import Part
from rhizomedb.db.programs.programming import Programming
from rhizomedb.db.programs.reading import reading_of
from rhizomedb.db.programs.result import Result, show
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.db.search import Match, matching, mentions
from rhizomedb.db.statements import Statements
from rhizomedb.db.supposing import Supposing
from rhizomedb.db.whole_records import choices, groups_of
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.value import KIND_NAMES, Attribute, Cell, Entity, Value, check_entity, exact, kind_of, plain
from rhizomedb.logic import Aggregate, Program
from rhizomedb.logic.parameters import merged
from rhizomedb.logic.temporal import is_temporal
from rhizomedb.store.storage import Storage
from rhizomedb.store.store import COLUMNS, AttributeSummary, Cut, Epoch, Store

if TYPE_CHECKING:
    from rhizomedb.crdt.together import Given, Together
    from rhizomedb.db.database import Database
    from rhizomedb.db.graph.disagreement import ViewConflicts
    from rhizomedb.db.graph.hyperedges import Thing
    from rhizomedb.db.graph.hyperviews import Wanted
    from rhizomedb.db.types.document import Document
    from rhizomedb.hyper.resolution import Choose
    from rhizomedb.hyper.schema import HyperSchema

Moment = int | float | str | datetime
"""A time: milliseconds, a datetime, an ISO text, or words such as "2 hours ago"."""

ENTITIES_AT_ONCE = 2_000
"""How many entities a view reads in one evaluation when it goes through all of them."""

LABELS_AT_ONCE = 1_000
"""How many conflicts get their labels together."""

SUPPORT_MAX = 50
"""How many claims for, and how many against a value an explanation derives; `history` has all."""


class _Refuse:
    """No default was given: what is not there is refused."""

    def __repr__(self) -> str:
        return "refuse"


REFUSE: Any = _Refuse()


@dataclass(frozen=True, slots=True)
class Stats:
    """How much there is: counts at the cut, the epoch, and the bytes of all that is kept, at whatever cut."""

    facts: int
    entities: int
    attributes: int
    deltas: int
    authors: int
    causes: int
    epoch: int
    held: int
    path: str
    storage: Storage = field(default=Storage(), compare=False)

    @property
    def bytes_per_fact(self) -> float:
        """How much log and index there is for each fact."""
        return self.storage.bytes_per_fact(self.facts)

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        counts = {name: getattr(self, name) for name in self.__slots__}
        return {**counts, "storage": self.storage.as_dict(), "bytes_per_fact": round(self.bytes_per_fact, 1)}


class Reader(Causality, Programming, Viewing, Wording, Attaching, Supposing):
    """The questions. A subclass says which store and which cut."""

    _store: Store
    _clock: Callable[[], int]
    _limits: Limits

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        raise AssertionError("a reader has a cut")

    # -- other moments ----------------------------------------------------------------------------------------------

    def as_of(self, moment: Moment) -> Database:
        """The database as it was claimed at a time: only what was said up to then."""
        until = to_ms(moment, self._clock(), edge="end")
        return self._at(until=until if self.cut.until is None else min(until, self.cut.until))

    def since(self, moment: Moment) -> Database:
        """Only what was said after a time."""
        since = to_ms(moment, self._clock())
        return self._at(since=since if self.cut.since is None else max(since, self.cut.since))

    def at_epoch(self, epoch: int) -> Database:
        """The database as this copy knew it at the end of an epoch."""
        newest = self._store.epoch()
        if type(epoch) is not int:
            raise RequestError("db.epoch", f"an epoch is an int, not {type(epoch).__name__}", fix=f"0 to {newest}")
        if not 0 <= epoch <= newest:
            raise RequestError("db.epoch", f"there is no epoch {epoch}", fix=f"0 to {newest}")
        return self._at(epoch=epoch if self.cut.epoch is None else min(epoch, self.cut.epoch))

    def by(self, *authors: str) -> Database:
        """Only what these authors said."""
        names = self._authors()
        if not authors or not all(isinstance(author, str) for author in authors):
            raise RequestError("db.unknown-author", "authors are given by name", fix='db.by("imdb", "wikipedia")')
        keys = frozenset(names.key(author) for author in authors)
        return self._at(authors=keys if self.cut.authors is None else keys & self.cut.authors)

    def _at(self, **changes: Any) -> Database:
        from rhizomedb.db.database import Database  # a Database is a Reader

        return Database(self._store, replace(self.cut, **changes), self._authors, self._clock, self._limits)

    # -- views ------------------------------------------------------------------------------------------------------

    def get(
        self,
        entity: str | Entity,
        attribute: Attribute | None = None,
        *,
        policy: str = "latest",
        together: Given = (),
        default: Any = REFUSE,
    ) -> Any:
        """What the view shows of an entity: a `Record`, or with an attribute its value, None where nothing stands.

        Attributes that belong `together`, as in `together=[("street", "city", "zip")]`, come from one delta that the policy
        chooses, or are not shown: see `rhizomedb.Together`. An entity that nothing is said about is refused, unless a
        `default` is given to come instead.
        """
        cut, chosen, groups = self.cut, self._policy(policy), groups_of(together)
        names = Names(self._store, cut)
        if default is not REFUSE and entity not in self:
            return default
        subject = names.entity(entity)
        found = view.registers(self._store, cut, [subject], view.VIEW_BUDGET)
        if attribute is not None:
            register = found.get((subject, exact(attribute)))
            if register is None:
                if default is not REFUSE:
                    return default
                self.check_attribute(
                    attribute
                )  # a name that no fact has is a slip; one that others have is just unsaid
                return None
            of_subject = [register] if not groups else list(found.values())
            shown = choices(chosen, of_subject, groups).get(register.attribute)
            if shown is None:
                return None if default is REFUSE else default
            return list(shown.values) if chosen.name == "all" else shown.values[0]
        ordered = shown_registers(found.values())
        return Record(
            subject,
            names.label(subject),
            chosen.name,
            choices(chosen, ordered, groups),
            frozenset(register.attribute for register in ordered if register.is_contested),
        )

    def __getitem__(self, entity: str | Entity) -> Record:
        """What the view shows of an entity by the policy `latest`."""
        record: Record = self.get(entity)
        return record

    def __contains__(self, entity: object) -> bool:
        """Whether a name or id means something about which anything is said."""
        names = Names(self._store, self.cut)
        return (
            bool(names.find(entity)) if isinstance(entity, str) else isinstance(entity, bytes) and names.exists(entity)
        )

    @overload
    def conflicts(
        self,
        entity: str | Entity | None = None,
        attribute: Attribute | None = None,
        *,
        policy: str = "latest",
        limit: int | None = None,
    ) -> Conflicts: ...

    @overload
    def conflicts(
        self,
        entity: Thing | Iterable[Thing] | None = None,
        attribute: str | Iterable[str] | None = None,
        *,
        schema: Wanted,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        limit: int | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
    ) -> ViewConflicts: ...

    def conflicts(
        self,
        entity: Any = None,
        attribute: Any = None,
        *,
        policy: Any = "latest",
        limit: int | None = None,
        schema: Wanted | None = None,
        policies: Mapping[str, str | Choose] | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
    ) -> Conflicts | ViewConflicts:
        """Every register in which more than one value stands, with who says what, and what the view shows and why.

        With a `schema` (its name, or a class) the same of what it shows: the properties of things of which hyperedges say
        several values, with who says which, when and by which hyperedge, views inside included, each thing once. Then
        `entity` and `attribute` are a thing and a property, or lists of them; policies, `schemas` and `trusted` are those of
        `show`. A property that has many values has no rivals.

            db.conflicts(schema="Movie")

        With a `limit`, the first so many that are found: enough where not all can be looked at, however many there are.
        """
        if schema is not None:
            return self._view_conflicts(schema, entity, attribute, policy, policies, limit, schemas, trusted, budget)
        if not (policies is None and schemas == () and trusted is None and budget is None):
            raise RequestError(
                "db.usage", "policies, schemas, trusted and budget go with a schema", fix='schema="Movie"'
            )
        if limit is not None and (type(limit) is not int or limit < 0):
            raise RequestError("db.usage", f"a limit is a whole number, not {limit!r}", fix="limit=20")
        cut, chosen, authors = self.cut, self._policy(policy), self._authors()
        names = Names(self._store, cut)
        if attribute is not None:
            self.check_attribute(attribute)
        if entity is not None:
            subject = names.entity(entity)
            found: Iterable[view.Register] = shown_registers(
                view.registers(self._store, cut, [subject], view.VIEW_BUDGET).values()
            )
        else:
            wanted = None if attribute is None else exact(attribute)
            found = view.contested(
                self._store,
                cut,
                view.VIEW_BUDGET,
                lambda key: is_register(key[1]) if wanted is None else key[1] == wanted,
                view.REGISTERS_AT_ONCE if limit is None else min(2 * limit + 1, view.REGISTERS_AT_ONCE),
            )
        contested = (
            register
            for register in found
            if register.is_contested and (attribute is None or exact(register.attribute) == exact(attribute))
        )
        conflicts: list[Conflict] = []
        most = LABELS_AT_ONCE if limit is None else min(limit + 1, LABELS_AT_ONCE)
        while some := list(islice(contested, most)):
            is_over = limit is not None and len(conflicts) + len(some) > limit
            some = some[: limit - len(conflicts)] if is_over and limit is not None else some
            names.learn({register.entity for register in some})
            conflicts += [self._conflict(register, chosen, names, authors) for register in some]
            if is_over:
                return Conflicts(conflicts, more=True)
        return Conflicts(conflicts)

    def _conflict(self, register: view.Register, chosen: Policy, names: Names, authors: Authors) -> Conflict:
        choice = chosen.choose(register.claims)
        return Conflict(
            register.entity,
            names.label(register.entity),
            register.attribute,
            tuple(Said.of(value, claims, authors.name) for value, claims in register.claims_by_value()),
            choice.values,
            chosen.name,
            choice.reason,
        )

    def _shows_up(self, subject: Entity, attribute: Attribute) -> bool:
        """Whether hyperedges, even ones that are taken back, show up under an attribute of a thing."""
        if not isinstance(attribute, str) or not attribute:
            return False
        return bool(self.hyperedges(targets=[subject], contexts=[attribute], negated="mark", limit=1))

    def why(self, entity: str | Entity, attribute: Attribute, *, policy: str = "latest") -> Explanation:
        """Why the view shows what it shows of an attribute: derivation, authors, times, and what stands against it."""
        cut, chosen, authors = self.cut, self._policy(policy), self._authors()
        names = Names(self._store, cut)
        subject = names.entity(entity)
        evaluation = view.evaluated(self._store, cut, [subject], view.VIEW_BUDGET)
        register = view.group(evaluation.relations[view.SURVIVOR]).get((subject, exact(attribute)))
        statements = Statements(self._store, authors, evaluation.relations)
        fallen = [s for s in statements.of(attribute) if not s.standing]
        if register is None:
            self.check_attribute(attribute)
            if not fallen and self._shows_up(subject, attribute):
                raise RequestError(
                    "db.unknown-attribute",
                    f"no fact alone says anything about {show(attribute)} of {names.label(subject)}, but hyperedges do",
                    fix=f'rhizome show FILE "{names.label(subject)}", rhizome edges FILE "{names.label(subject)}"',
                )
            if not fallen:
                raise RequestError(
                    "db.unknown-attribute",
                    f"nobody says anything about {show(attribute)} of {names.label(subject)}",
                    nearest=nearest_names(str(attribute), map(str, self._attributes_of(subject))),
                    fix=f'rhizome get FILE "{names.label(subject)}"',
                )
            return Explanation(
                subject,
                names.label(subject),
                attribute,
                (),
                chosen.name,
                "nothing stands",
                (),
                (),
                tuple(fallen),
                {},
            )
        support = partial(statements.support, evaluation=evaluation)
        choice = chosen.choose(register.claims)
        shown = {agreed(value) for value in choice.values}
        decided = choice.decided_by
        ordered = sorted(register.claims, key=lambda c: (c == decided, c.rank), reverse=True)
        return Explanation(
            subject,
            names.label(subject),
            attribute,
            choice.values,
            chosen.name,
            choice.reason,
            tuple(support(claim) for claim in [c for c in ordered if agreed(c.value) in shown][:SUPPORT_MAX]),
            tuple(support(claim) for claim in [c for c in ordered if agreed(c.value) not in shown][:SUPPORT_MAX]),
            tuple(fallen),
            {subject: names.label(subject), **{c.author: authors.name(c.author) for c in register.claims}},
        )

    def history(self, entity: str | Entity, attribute: Attribute | None = None) -> History:
        """Everything ever said about an entity, or one attribute of it, and what became of each statement."""
        cut = self.cut
        names = Names(self._store, cut)
        subject = names.entity(entity)
        if attribute is not None:
            self.check_attribute(attribute)
        derived = view.derived(self._store, cut, [subject], view.VIEW_BUDGET)
        return History(names.label(subject), Statements(self._store, self._authors(), derived).of(attribute))

    def log(self, entity: str | Entity | None = None) -> Iterator[Logged]:
        """Every delta, newest first, and which deltas each had seen; or those that say something of an entity.

        What this copy learned last comes first, but none comes before one that had seen it. They are read as they are
        asked for: `itertools.islice(db.log(), 20)` looks at few.
        """
        names = Names(self._store, self.cut)
        return log(self._store, self.cut, names, self._authors(), None if entity is None else names.entity(entity))

    def doc(self, entity: str | Entity) -> Document:
        """An entity read as a document: its attributes as keys, and nested maps, lists and texts."""
        from rhizomedb.db.types.document import Document  # most programs have none

        return Document(self, self.entity(entity) if isinstance(entity, str) else check_entity(entity), None, None, ())

    def find(
        self, text: str | None = None, *, policy: str = "latest", limit: int | None = None, **conditions: object
    ) -> Records:
        """The entities of which the view shows a text anywhere, or whose attributes meet conditions.

        `db.find("matrix")`, `db.find(director="Ridley Scott", year__lt=1990)`. A condition is an attribute name, or
        one with `__ne`, `__lt`, `__le`, `__gt`, `__ge`, `__contains`, `__starts`.
        """
        if text is not None and not isinstance(text, str):
            raise RequestError(
                "db.usage", f"{text!r:.60} is no text to look for", fix='db.find("matrix"), db.find(runtime=136)'
            )
        matches = [Match.parse(name, value) for name, value in conditions.items()]
        for match in matches:
            self.check_attribute(match.attribute)
        return self.select(text, matches, policy=policy, limit=limit)

    def select(
        self, text: str | None, matches: Sequence[Match], *, policy: str = "latest", limit: int | None = None
    ) -> Records:
        """`find` with its conditions as values."""
        cut, chosen = self.cut, self._policy(policy)
        names = Names(self._store, cut)
        records = Records()
        candidates = matching(self._store, cut, text, matches)
        mentioned = None if text is None else mentions(text)
        for record in self._records(candidates, cut, chosen, names):
            shown = (value for choice in record.choices.values() for value in choice.values)
            if all(match.holds(record) for match in matches) and (mentioned is None or any(map(mentioned, shown))):
                records.append(record)
        records.sort(key=lambda record: (record.label, record.entity))
        return records if limit is None else Records(records[:limit])

    def records(self, *, policy: str = "latest", together: Given = ()) -> Iterable[Record]:
        """What the view shows of every entity, in the order of their ids; see `get` for `together`."""
        cut, chosen, groups = self.cut, self._policy(policy), groups_of(together)
        return self._records(self._store.entities(cut), cut, chosen, Names(self._store, cut), groups)

    # -- programs ---------------------------------------------------------------------------------------------------

    def query(
        self,
        program: str | Program,
        parameters: Mapping[str, object] | None = None,
        *,
        relation: str | None = None,
        using: Iterable[Part] = (),
        aggregates: Mapping[str, Aggregate] | None = None,
        budget: Budget | None = None,
        **more_parameters: object,
    ) -> Result:
        """The tuples that a PomoLogic program derives: of its last rule's relation, or of `relation`.

        It can read what was ever said, `fact`, `cause`, `delta`, `asserts`, `arrival`, and what stands of it:
        `stands(entity, attribute, value, fact, delta, author, time, counter)`, one tuple for each standing claim.

        A program with `@next` rules is run from the first epoch to this one; what comes in an epoch it reads as the event
        `arrives(fact, delta, entity, attribute, value)`.

        `import "add-wins-set".` in the program, or `using=["add-wins-set"]`, adds the rules of a data type, or of a program
        that is defined here (`programs`); `using` takes data types and programs as well.

        `$name` in the program takes the parameter `name`, from the mapping or as a keyword; nothing is ever pasted into
        text.
        """
        compose = self.composing(program, using)
        whole = with_arrivals(compose(queries.parsed_of(program)))
        values = merged(parameters, more_parameters)
        if is_temporal(whole):
            result = self._stepped(whole, relation, values, aggregates, budget_of(budget))
        else:
            source = StoreSource(self._store, self.cut)
            result = queries.query(
                source,
                reading_of(self._store, self.cut, source),
                COLUMNS,
                program,
                relation=relation,
                parameters=values,
                aggregates=aggregates,
                budget=budget_of(budget),
                compose=compose,
            )
        said = [*notices.unknown_attributes(whole, self._store)]
        if not result:
            said += notices.other_numbers(whole, self.kind_of_attribute)
        result.notices = tuple(said)
        return result

    def _stepped(
        self,
        program: Program,
        relation: str | None,
        parameters: Mapping[str, object],
        aggregates: Mapping[str, Aggregate] | None,
        budget: Budget,
    ) -> Result:
        """The tuples of a program with steps, run from the first epoch on."""
        from rhizomedb.db.live.stored import Arrivals  # what few programs need need not be loaded by all
        from rhizomedb.db.programs.timeline import timeline_of

        answer = queries.answer_relation(program, relation)
        cut = self.cut if self.cut.epoch is not None else replace(self.cut, epoch=self._store.epoch())
        arrivals = Arrivals(self._store)
        timeline, columns = timeline_of(program, self._store, arrivals, cut, parameters, aggregates, budget, answer)
        return Result(answer, columns[answer], timeline.rows(answer), timeline.why(answer))

    def explain(
        self,
        program: str | Program,
        parameters: Mapping[str, object] | None = None,
        *,
        relation: str | None = None,
        using: Iterable[Part] = (),
        aggregates: Mapping[str, Aggregate] | None = None,
        budget: Budget | None = None,
        **more_parameters: object,
    ) -> str:
        """The plan of a program as it ran: rewrites, and each stage with expected and real tuple counts and its time."""
        compose = self.composing(program, using)
        queries.refuse_steps(with_arrivals(compose(queries.parsed_of(program))))
        source = StoreSource(self._store, self.cut)
        return queries.explain(
            reading_of(self._store, self.cut, source),
            COLUMNS,
            program,
            relation=relation,
            parameters=merged(parameters, more_parameters),
            aggregates=aggregates,
            budget=budget_of(budget),
            compose=compose,
        )

    # -- facts ------------------------------------------------------------------------------------------------------

    def fact(self, cid: Cid | str) -> Fact:
        """The fact that a CID names."""
        name = as_cid(cid)
        for _cid, entity, attribute, value in self._store.scan("fact", {"$cid": name}, self.cut):
            causes = [row[1] for row in self._store.scan("cause", {"from": name}, Cut())]
            return Fact(entity, plain(attribute), plain(value), causes)  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says
        raise RequestError("db.unknown-fact", f"no fact here has the CID {name}", fix="rhizome history FILE NAME")

    def facts(self, entity: str | Entity | None = None) -> Iterable[Fact]:
        """Every visible fact, or those of one entity."""
        cut = self.cut
        bound: dict[str, Cell] = {} if entity is None else {"entity": Names(self._store, cut).entity(entity)}
        return self._facts(bound, cut)

    def _facts(self, bound: Mapping[str, Cell], cut: Cut) -> Iterable[Fact]:
        rows = iter(self._store.scan("fact", bound, cut))
        while some := list(islice(rows, ENTITIES_AT_ONCE)):
            causes: dict[Cell, list[Cell]] = {}
            for effect, cause in self._store.scan_keys("cause", {}, ("from",), ((row[0],) for row in some), Cut()):
                causes.setdefault(effect, []).append(cause)
            for cid, subject, attribute, value in some:
                yield Fact(subject, plain(attribute), plain(value), causes.get(cid, ()))  # type: ignore[arg-type]  # columns hold the kinds that `COLUMNS` says

    # -- counts -----------------------------------------------------------------------------------------------------

    def schema(self) -> list[AttributeSummary]:
        """Every attribute in use: how many facts and entities have it, and of which kinds its values are."""
        return self._data_attributes()

    def stats(self) -> Stats:
        """How much there is."""
        cut = self.cut
        counts = self._store.counts(cut)
        for name in self._store.attribute_names():
            if is_reserved(name) and any(True for _ in self._store.scan("fact", {"attribute": exact(name)}, cut)):
                counts["attributes"] -= 1
        newest = self._store.epoch()
        epoch = newest if cut.epoch is None else cut.epoch
        return Stats(
            **counts, epoch=epoch, held=len(self._store.held()), path=self._store.path, storage=self._store.storage()
        )

    def authors(self) -> dict[str, bytes]:
        """Everyone who said something visible: name to public key."""
        names = self._authors()
        keys = {row[1] for row in self._store.scan("delta", {}, self.cut)}
        return dict(sorted((names.name(key), key) for key in keys))  # type: ignore[misc, arg-type]  # an author is bytes

    def entity(self, name: str | Entity, *, called: bool = False) -> Entity:
        """The id of the entity that a name means; with `called` not of what has this text as some value, as for a write."""
        return Names(self._store, self.cut).entity(name, called=called)

    def arrivals(self) -> list[Epoch]:
        """When and how this copy learned what it holds: every epoch, oldest first."""
        return [epoch for epoch in self._store.epochs() if self.cut.epoch is None or epoch.number <= self.cut.epoch]

    # -- within -----------------------------------------------------------------------------------------------------

    def _policy(self, text: str) -> Policy:
        if not isinstance(text, str):
            raise RequestError("db.unknown-policy", f"a policy is a text, not {type(text).__name__}", fix='"latest"')
        return policies.policy(text, lambda name: self._authors().key(name))

    def _authors(self) -> Authors:
        return Authors(self._store.names())

    def kind_of_attribute(self, attribute: Attribute) -> str | None:
        """The kind of value that an attribute was first given here, or None where no fact has it."""
        for _cid, _entity, _attribute, value in self._store.scan("fact", {"attribute": exact(attribute)}, self.cut):
            return KIND_NAMES[kind_of(plain(value))]
        return None

    def attribute_names(self) -> list[Attribute]:
        """The names of all attributes that any fact here ever had."""
        return [name for name in self._store.attribute_names() if not is_reserved(name)]

    def _data_attributes(self) -> list[AttributeSummary]:
        return [s for s in self._store.attributes(self.cut) if not is_reserved(s.attribute)]

    def check_attribute(self, attribute: Attribute) -> None:
        """Refuse an attribute that no fact here has."""
        known = self.attribute_names()
        if exact(attribute) not in {exact(name) for name in known}:
            raise RequestError(
                "db.unknown-attribute",
                f"no fact has the attribute {attribute!r}",
                nearest=nearest_names(str(attribute), map(str, known)),
                fix="rhizome schema FILE",
            )

    def _attributes_of(self, entity: Entity) -> set[Value]:
        return {plain(row[2]) for row in self._store.scan("fact", {"entity": entity}, self.cut)}

    def _records(
        self,
        entities: Iterable[Entity],
        cut: Cut,
        chosen: Policy,
        names: Names,
        groups: tuple[Together, ...] = (),
    ) -> Iterable[Record]:
        for batch in view.batches(entities, ENTITIES_AT_ONCE):
            found: dict[Entity, list[view.Register]] = {}
            for register in view.registers(self._store, cut, batch, view.VIEW_BUDGET).values():
                found.setdefault(register.entity, []).append(register)
            names.learn(found)
            for entity in batch:
                if entity in found:
                    ordered = shown_registers(found[entity])
                    yield Record(
                        entity,
                        names.label(entity),
                        chosen.name,
                        choices(chosen, ordered, groups),
                        frozenset(register.attribute for register in ordered if register.is_contested),
                    )


def shown_registers(registers: Iterable[view.Register]) -> list[view.Register]:
    """Those of some registers that are shown, by their attributes."""
    shown = [register for register in registers if is_register(register.attribute)]
    return sorted(shown, key=lambda register: str(register.attribute))


def is_register(attribute: Attribute | Cell) -> bool:
    """Whether the values of an attribute are rivals: not those of the database's own facts, nor operations of a data type."""
    return not is_reserved(attribute) and attribute not in OPERATIONS


def now_ms() -> int:
    """The wall clock, read at the rim."""
    return time.time_ns() // 1_000_000
