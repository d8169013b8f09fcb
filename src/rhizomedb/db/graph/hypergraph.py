"""The hypergraph of a database: hyperedges, schemas and views, for every reader and for who writes.

What is asked here is answered in `hyperedges`, `hyperviews` and `relating`, which are loaded by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from rhizomedb.errors import RequestError
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.crdt.together import Given
    from rhizomedb.db.graph.hyperedges import Moment, Taken, Thing
    from rhizomedb.db.graph.hyperviews import Wanted
    from rhizomedb.db.graph.relating import PassedOn, Related, Target
    from rhizomedb.db.graph.schema_history import SchemaOnce
    from rhizomedb.db.live.live_hyperviews import LiveHyperViews
    from rhizomedb.db.naming import Authors
    from rhizomedb.db.programs.stored_programs import Policy
    from rhizomedb.db.reader import Reader
    from rhizomedb.db.transaction import Transaction
    from rhizomedb.facts.signature import Key
    from rhizomedb.facts.value import Entity
    from rhizomedb.hyper.hyperview import HyperView
    from rhizomedb.hyper.json_delta import JsonDelta
    from rhizomedb.hyper.pointer import Hyperedge, Pointer
    from rhizomedb.hyper.resolution import Choose
    from rhizomedb.hyper.schema import HyperSchema, Schemas
    from rhizomedb.hyper.schema_edges import SchemasSaid


class Hypergraph:
    """The questions about hyperedges, schemas and views; every reader has them."""

    _store: Store
    _clock: Callable[[], int]

    @property
    def cut(self) -> Cut:
        """Which deltas are visible."""
        raise AssertionError("a reader has a cut")

    def _authors(self) -> Authors:
        """What authors are called."""
        raise AssertionError("a reader knows authors")

    def hyperedges(
        self,
        *,
        ids: Iterable[Thing] | None = None,
        targets: Iterable[Thing] | None = None,
        contexts: Iterable[str] | None = None,
        authors: Iterable[str] | None = None,
        claimed_authors: Iterable[str] | None = None,
        systems: Iterable[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        negated: Taken = "exclude",
        trusted: Iterable[str] | None = None,
        predicate: Callable[[Hyperedge], bool] | None = None,
        limit: int | None = None,
    ) -> list[Hyperedge]:
        """The hyperedges that meet every condition given, oldest first by claimed time.

            db.hyperedges(targets=["movie_matrix"], contexts=["cast"])

        In a list one match is enough, an empty list matches nothing, and `targets` and `contexts` may be met by different
        pointers. `authors` are those who signed, by name; `claimed_authors` what unsigned statements name, which nobody
        has verified. `since` and `until` are included. What was taken back is left out; `negated="mark"` gives it with
        `is_negated` set, `"only"` nothing else. With `trusted`, which may be empty, only these authors and whoever said a
        thing can take it back.
        """
        from rhizomedb.db.graph.hyperedges import ask, edge_filter

        wanted = edge_filter(self, ids, targets, contexts, authors, claimed_authors, systems, since, until)
        return ask(self, wanted, negated, trusted, limit, predicate)

    def hyperedge(self, id: Thing) -> Hyperedge:
        """The hyperedge of an id; the first by claimed time where several deltas say it. One taken back is marked."""
        found = self.hyperedges(ids=[id], negated="mark")
        if not found:
            from rhizomedb.db.graph.hyperedges import show_id

            message = f"no hyperedge here has the id {show_id(id)!r}"
            raise RequestError("hyper.unknown-edge", message, fix="rhizome edges FILE lists them")
        return found[0]

    def negated_edges(self, trusted: Iterable[str] | None = None) -> frozenset[Entity]:
        """The ids of all hyperedges that are taken back; see `hyperedges` for `trusted`."""
        from rhizomedb.db.graph.hyperedges import set_of
        from rhizomedb.db.graph.negations import negated

        return negated(self._store, self.cut, set_of(trusted, self.author_key))

    def thing(self, thing: Thing) -> Entity:
        """The entity that is meant: by its bytes, by the id that another system gave it, or by name.

        A text that is the id of something here means that; else it is a name; what nobody knows is an id.
        """
        from rhizomedb.db.graph.hyperedges import meant

        return meant(self, thing)

    def labels(self, things: Iterable[Entity]) -> dict[Entity, str]:
        """What to show for some things: an id that is a text as it is, else a title, name or label, or how the id begins."""
        from rhizomedb.db.graph.hyperedges import labels

        return labels(self, things)

    def is_known(self, entity: Entity) -> bool:
        """Whether anything is said of an entity, or names it."""
        whole = Cut(epoch=self.cut.epoch)
        return any(True for name in ("entity", "value") for _ in self._store.scan("fact", {name: entity}, whole))

    def author_key(self, author: str) -> bytes:
        """The key of an author whom this copy calls so."""
        return self._authors().key(author)

    def author_name(self, author: bytes) -> str:
        """What this copy calls the author of a key."""
        return self._authors().name(author)

    def schemas(self, *, policy: Policy = "latest", trusted: Iterable[str] | None = None) -> Schemas:
        """The schemas that are said here at this moment, by their ids.

            db.show("matrix", "Movie", schemas=db.schemas(policy="trusted:ann").values())

        Where several things are said of one part of a schema, a policy says which counts: `latest`, `first`, `vote`,
        `trusted:A,B`, `claimed:A,B`, or a function from them, oldest first, to one of them. `trusted` as for `hyperedges`.
        """
        return self.schemas_said(policy=policy, trusted=trusted).schemas

    def schemas_said(self, *, policy: Policy = "latest", trusted: Iterable[str] | None = None) -> SchemasSaid:
        """The same, with what is said in several ways, and what cannot be understood and why."""
        from rhizomedb.db.graph.hyperviews import said_of_schemas

        return said_of_schemas(self, policy, trusted)

    def schema_history(self, schema: str) -> list[SchemaOnce]:
        """Every version of a schema that was said, newest first, each with the epoch and who changed it.

            [once.version for once in db.schema_history("Movie")]

        The schema of each is one like any other: `db.show("matrix", once.schema)` shows by it. In the order in
        which this copy learned of it; where several things are said the latest counts, as in `schemas`. None where it was
        taken back.
        """
        from rhizomedb.db.graph.schema_history import schema_history

        return schema_history(cast("Reader", self), schema)

    def hyperview(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        negated: Literal["exclude", "mark"] = "exclude",
    ) -> HyperView:
        """What a schema shows of a thing: the hyperedges that point at it, property by property, and nested views.

            db.hyperview("movie_matrix", "Movie").to_dict()

        `schemas` are others than those that are said here, as is a `schema` that is given itself. What was taken back is
        left out, as by `hyperedges`; with `negated="mark"` it is there, its `edge.is_negated` set.
        """
        return self.hyperviews([thing], schema, schemas=schemas, trusted=trusted, negated=negated)[0]

    def hyperviews(
        self,
        things: Iterable[Thing],
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        negated: Literal["exclude", "mark"] = "exclude",
    ) -> list[HyperView]:
        """The views of several things, evaluated together; see `hyperview`."""
        from rhizomedb.db.graph.hyperviews import views

        return views(self, things, schema, schemas, trusted, negated)

    def show(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        together: Given = (),
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """A thing as plain data: its `id`, and for each property what a policy chooses of all that is said.

            db.show("movie_matrix", "Movie", policies={"runtime": "max", "Person.name": "first"})

        Policies are `latest`, `first`, `all`, `vote`, `average`, `max`, `min`, `trusted:A,B` (who signed), `claimed:A,B` (whom
        unsigned statements name), or a function from all that is said, oldest first, to a value. Nothing is rewritten:
        another policy shows another side of the same hyperedges.

        Properties that belong `together`, as in `together=[("street", "city")]`, come from one hyperedge that `policy` chooses,
        or are not shown (`rhizomedb.Together`).
        """
        from rhizomedb.db.graph.choosing import choosing

        chosen = choosing(self, policy, policies, together)
        return chosen.shown(self.hyperview(thing, schema, schemas=schemas, trusted=trusted))

    def hyperview_program(
        self,
        schema: Wanted,
        *,
        things: Iterable[Thing] | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> str:
        """The PomoLogic program of the views of a schema: which hyperedges are `shown` of the things `asked` for.

            db.query(db.hyperview_program("Movie", things=["movie_matrix"]), relation="shown")

        Without `things` it is printed to be read: the relation `asked` is left to whoever runs it.
        """
        from rhizomedb.db.graph.hyperviews import program

        return program(self, schema, things, schemas, trusted)


class HypergraphWriter(Hypergraph):
    """The hyperedges and schemas that a connection says."""

    _key: Callable[[str | None], Key]
    _say: Callable[..., Transaction]
    _write: Callable[[Callable[[], Any]], Any]
    _author_name: Callable[[str | None], str]
    _release_if_due: Callable[[], None]

    def relate(
        self,
        *pointers: Pointer | tuple[str, Target],
        author: str | None = None,
        origin: str = "relation",
        **roles: Target,
    ) -> Related:
        """Say a hyperedge: one statement that ties several things and values together, each in a role.

            db.relate(actor=(keanu, "appearedIn"), movie=(matrix, "cast"), characterName="Neo")

        A target is a value, or a thing: `(thing, context)` where it shows up under a property of that thing, its bytes
        alone where it does not. A text alone is a value; a thing is named by `(name, context)`, and one that nobody knows
        is made. A list is a role that several play. Roles that are no Python names, or are called `author` or `origin` as
        the words about the statement are, come first, as `(role, target)`.
        """
        from rhizomedb.db.graph.relating import relate

        return relate(self, pointers, roles, author, origin)

    def negate(
        self, edge: Hyperedge | Related | Entity | str, reason: str | None = None, *, author: str | None = None
    ) -> Related:
        """Take a hyperedge back, by its id. It stays in the log, and is shown again once this negation is negated."""
        from rhizomedb.db.graph.relating import negate

        return negate(self, edge, reason, author)

    def define(self, schema: HyperSchema | type[Any], *, author: str | None = None) -> Transaction:
        """Say a schema, as hyperedges: what is said here of it and is not so any more is taken back, the rest stays.

        A dataclass or pydantic model says its own and those of the classes in it. `hyper.cycle`, with the schemas named,
        where one would lead back to itself. One transaction; nothing new is none.
        """
        from rhizomedb.db.graph.relating import define
        from rhizomedb.hyper.schema import HyperSchema

        if isinstance(schema, type):
            from rhizomedb.hyper.typed import schemas_of

            return define(self, list(schemas_of(schema).values()), author)
        if not isinstance(schema, HyperSchema):
            raise RequestError("hyper.schema", f"{schema!r:.60} is no HyperSchema", fix='HyperSchema("movie", "Movie")')
        return define(self, [schema], author)

    def pass_on(
        self,
        statements: Iterable[JsonDelta],
        *,
        author: str | None = None,
        origin: str,
        refuse: Literal["raise", "collect"] = "raise",
    ) -> PassedOn:
        """Say what unsigned statements of others say, all or nothing. Whom they name as author stays a claim of theirs.

        The same statement is said once. The first that has the id of another one is `hyper.taken`, and nothing is written;
        with `refuse="collect"` those are left out, and told by their places.
        """
        from rhizomedb.db.graph.relating import pass_on

        return pass_on(self, statements, author, origin, refuse)

    def live_hyperviews(
        self,
        things: Iterable[Thing],
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> LiveHyperViews:
        """The views of some things by a schema, kept up to date: what is said costs what it changes.

            with db.live_hyperviews(["movie_matrix"], "Movie") as live:
                print(live["movie_matrix"].to_dict())

        The schema stays what it is now. Close it when it is of no use any more.
        """
        from rhizomedb.db.graph.hyperedges import set_of
        from rhizomedb.db.graph.hyperviews import schemas_for
        from rhizomedb.db.live.live_hyperviews import LiveHyperViews, Standing

        authors = set_of(trusted, self.author_key)
        return LiveHyperViews(cast(Standing, self), things, *schemas_for(self, schema, schemas), authors)
