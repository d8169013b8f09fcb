"""What a copy has: the ids of its deltas, as bundles write them."""

from __future__ import annotations

from rhizomedb.db.connection import Connection
from rhizomedb.remote.kind import id_of


def visible(db: Connection) -> set[bytes]:
    """The ids of the deltas that can be sent on."""
    return set(map(id_of, db.delta_ids()))


def held(db: Connection) -> set[bytes]:
    """The ids of the deltas that are held back: they are here, and need not come again."""
    return {id_of(each.id) for each in db.held()}
