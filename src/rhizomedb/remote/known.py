"""What a copy has: the ids of its deltas, as bundles write them."""

from __future__ import annotations

from rhizomedb.budget import UNLIMITED
from rhizomedb.db.connection import Connection
from rhizomedb.facts.cid import Cid
from rhizomedb.remote.kind import id_of


def visible(db: Connection) -> set[bytes]:
    """The ids of the deltas that can be sent on."""
    rows = db.query("known(id: Id) :- delta(id: Id).", budget=UNLIMITED)
    return {id_of(row.id) for row in rows if isinstance(row.id, Cid)}


def held(db: Connection) -> set[bytes]:
    """The ids of the deltas that are held back: they are here, and need not come again."""
    return {id_of(each.id) for each in db.held()}
