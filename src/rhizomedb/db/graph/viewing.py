"""Things as instances of typed classes: had, asked for, compared and said, for every reader and for who writes.

What is asked here is answered in `loading` and `saving`, which are loaded by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.db.graph.differing import Policies, Policy, ViewDiff
    from rhizomedb.db.graph.disagreement import ViewConflicts
    from rhizomedb.db.graph.hyperedges import Moment, Thing
    from rhizomedb.db.graph.hypergraph import HypergraphWriter
    from rhizomedb.db.graph.hyperviews import Wanted
    from rhizomedb.db.graph.saving import Saved
    from rhizomedb.db.graph.things import Things
    from rhizomedb.db.reader import Reader
    from rhizomedb.hyper.resolution import Choose
    from rhizomedb.hyper.schema import HyperSchema

T = TypeVar("T")


class Viewing:
    """The questions about things as people model them; every reader has them."""

    def load(
        self,
        thing: Thing,
        cls: type[T],
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        trusted: Iterable[str] | None = None,
    ) -> T:
        """A thing as an instance of a dataclass or pydantic model, filled from what its view shows.

            movie = db.load("matrix", Movie)

        The class need not be defined here. Policies are those of `show`. `hyper.missing` names every required property that
        nothing shows, of this thing and of those inside it; `hyper.instance` what the class refuses.
        """
        from rhizomedb.db.graph.loading import load

        return load(cast("Reader", self), thing, cls, policy, policies, trusted)

    @overload
    def where(
        self,
        schema: type[T],
        conditions: Mapping[str, object] | None = None,
        /,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        limit: int | None = None,
        views: Literal[False] = False,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
        **more: object,
    ) -> list[T]: ...

    @overload
    def where(
        self,
        schema: Wanted,
        conditions: Mapping[str, object] | None = None,
        /,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        limit: int | None = None,
        views: bool = False,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
        **more: object,
    ) -> list[Any]: ...

    def where(
        self,
        schema: Wanted,
        conditions: Mapping[str, object] | None = None,
        /,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        limit: int | None = None,
        views: bool = False,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
        **more: object,
    ) -> list[Any]:
        """The things of a schema that meet constraints: as instances of a class, or else as plain data, as `show` gives it.

            db.where("Movie", year__gt=1990, director__name="Lana Wachowski", limit=10)
            db.where(Movie, year__gt=1990)

        A thing is of a schema if something shows up in its view and nothing is missing that is required; of a class, if
        an instance can be made of it. It meets a constraint if one of the values does that the policies choose, which are those
        of `show`. Operators come after two underscores: `eq` (as without one), `ne`, `lt`, `le`, `gt`, `ge`, `in`, and of texts
        `contains` and `startswith`, without regard to case. A name may lead through views inside (`director__name`), a thing is meant by its id or name, and
        `id` is that of the thing; a name that is an option of this method goes into `conditions`, as `{"limit__gt": 3}`.

        In the order of their ids, `limit` at most; with `views` as HyperViews. Only things are looked at of which the index
        says that they may meet it. More than the budget allows is refused, as in a query.
        """
        from rhizomedb.db.graph.finding import where

        return where(
            cast("Reader", self),
            schema,
            conditions,
            more,
            policy,
            policies,
            limit,
            views,
            schemas,
            trusted,
            budget,
        )

    def things(self, schema: Wanted) -> Things:
        """The things of a schema or class, to be asked for by themselves.

            Movie = db.things("Movie")
            Movie.where(year__gt=1990)

        `where` takes what the database's own takes; iterated, they are all things of the schema.
        """
        from rhizomedb.db.graph.things import things

        return things(cast("Reader", self), schema)

    def class_of(self, schema: str) -> type[Any]:
        """A dataclass of a schema that is said here, by its id or name: what `load` takes where nobody wrote a class."""
        from rhizomedb.db.graph.loading import class_of

        return class_of(cast("Reader", self), schema)

    def diff(
        self,
        things: Thing | Iterable[Thing] | None = None,
        *,
        schema: Wanted,
        properties: str | Iterable[str] | None = None,
        moments: tuple[Moment | None, Moment | None] | None = None,
        epochs: tuple[int | None, int | None] | None = None,
        authors: tuple[str | Iterable[str], str | Iterable[str]] | None = None,
        policy: Policy = "latest",
        policies: Policies = None,
        limit: int | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
        budget: Budget | None = None,
    ) -> ViewDiff:
        """What is shown differently of some things, or of all things of a schema: property, before, after, and why.

            db.diff("matrix", schema="Movie", moments=("yesterday", "now"))
            db.diff(schema="Movie", authors=("ann", "ben"))
            db.diff(schema="Movie", policy=("latest", "trusted:ann"))

        What differs between the two sides is a pair, before and after: two `moments` of claimed time, two `epochs`, two
        `authors` (or lists of them), two policies, or several of these; None is this side as it is. The schema is that of now.
        Views inside are compared by path, each thing once. `rhizomedb.diff` compares any two readers.
        """
        from rhizomedb.db.graph.differing import diff_of

        return diff_of(
            cast("Reader", self),
            things,
            schema,
            properties,
            moments,
            epochs,
            authors,
            policy,
            policies,
            limit,
            schemas,
            trusted,
            budget,
        )

    def _view_conflicts(
        self,
        schema: Wanted,
        things: Thing | Iterable[Thing] | None,
        properties: str | Iterable[str] | None,
        policy: str | Choose,
        policies: Mapping[str, str | Choose] | None,
        limit: int | None,
        schemas: Iterable[HyperSchema],
        trusted: Iterable[str] | None,
        budget: Budget | None,
    ) -> ViewConflicts:
        """What hyperedges say in several ways; see `Reader.conflicts`."""
        from rhizomedb.db.graph.disagreement import view_conflicts

        reader = cast("Reader", self)
        return view_conflicts(reader, schema, things, properties, policy, policies, limit, schemas, trusted, budget)


class ViewingWriter(Viewing):
    """The instances that a connection says."""

    _release_if_due: Callable[[], None]

    def save(
        self,
        instance: Any,
        thing: Thing | None = None,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        trusted: Iterable[str] | None = None,
        author: str | None = None,
    ) -> Saved:
        """Say an instance of a typed class, and those inside it: what differs from what `load` gives, and nothing else.

            movie = db.load("matrix", Movie)
            movie.year = 1999
            db.save(movie)

        A value that differs is said as a hyperedge, and what the same author said before of that property is taken back; what
        others say stays. One transaction; nothing new is none. The thing is that of the field `id`, or `thing`; an instance
        whose `id` is empty is a new thing, and gets one. Load and save by the same policies.
        """
        from rhizomedb.db.graph.saving import save

        return save(cast("HypergraphWriter", self), instance, thing, policy, policies, trusted, author)
