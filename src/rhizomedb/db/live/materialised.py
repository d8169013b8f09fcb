"""HyperViews under a name: what they are is said once, and they come back in every process that opens the file.

Nothing of what they show is kept beside the index, for the index is just that: what shows up under a thing stands together in
it, and a view is read from there when it is asked for, at the cost of what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from rhizomedb.db.graph.hyperedges import Thing, check_list, set_of
from rhizomedb.db.graph.hyperviews import Wanted, schemas_for
from rhizomedb.db.live.live_hyperviews import LiveHyperViews, Standing
from rhizomedb.db.programs.stored_programs import define_hyperviews, unknown, views_said
from rhizomedb.errors import RequestError
from rhizomedb.hyper.pointer import POINTERS_MAX
from rhizomedb.hyper.program_edges import StoredHyperViews
from rhizomedb.hyper.schema import HyperSchema

if TYPE_CHECKING:
    from rhizomedb.db.programs.programming import ProgramsWriter

THINGS_MAX: Final = POINTERS_MAX - 1_000
"""How many things one definition may name: it is one hyperedge."""


def materialise(
    db: ProgramsWriter,
    name: str,
    things: Iterable[Thing] | None,
    schema: Wanted | None,
    trusted: Iterable[str] | None,
    about: str | None,
    author: str | None,
) -> LiveHyperViews:
    """See `ProgramsWriter.materialise`."""
    if (things is None) is not (schema is None):
        raise RequestError(
            "db.usage",
            "things and a schema say together what the views are; without both, a name opens those that are defined",
            fix='db.materialise("front page", ["movie_matrix"], "Movie")',
        )
    if things is not None and schema is not None:
        _define(db, name, things, schema, trusted, about, author)
    elif trusted is not None or about is not None:
        raise RequestError(
            "db.usage", "`trusted` and `about` are part of a definition, which names things and a schema", fix="neither"
        )
    found = views_said(db, "latest", None).defined
    view = found.get(name) if isinstance(name, str) else None
    if view is None:
        raise unknown(name, found, "view")
    if not isinstance(view, StoredHyperViews):
        raise RequestError("program.name", f"{name!r} is a view of a program", fix=f'db.view("{name}")')
    return LiveHyperViews(cast(Standing, db), view.things, *schemas_for(db, view.schema, ()), view.trusted)


def _define(
    db: ProgramsWriter,
    name: str,
    things: Iterable[Thing],
    schema: Wanted,
    trusted: Iterable[str] | None,
    about: str | None,
    author: str | None,
) -> None:
    known, id = schemas_for(db, schema, ())
    if isinstance(schema, HyperSchema) and db.schemas().get(id) != schema:
        raise RequestError(
            "hyper.schema",
            f"the schema {schema.name!r:.60} is not what is said here of {id!r:.60}",
            fix="db.define(schema)",
        )
    known.reached(id)  # what leads nowhere is told
    entities = [db.thing(thing) for thing in check_list(things)]
    if not 0 < len(entities) <= THINGS_MAX:
        raise RequestError(
            "db.usage",
            f"{len(entities):,} things are named, where views are kept of 1 to {THINGS_MAX:,}",
            fix="several names for more",
        )
    define_hyperviews(db, name, id, entities, set_of(trusted, db.author_key), about, author)
