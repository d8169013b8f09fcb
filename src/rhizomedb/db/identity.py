"""Names of things: entities derived from a key, so that sources meet without coordination, or minted; CIDs as given."""

from __future__ import annotations

import secrets

from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import derive
from rhizomedb.facts.value import Entity, Value


def entity(**key: Value) -> Entity:
    """The entity that a key derives: the same 16 bytes wherever the same key is used.

    `entity(title="The Matrix")` is the entity of that row in every import with `--key title`. Attribute names that
    are not Python names are given as `entity(**{"imdb/id": "tt0133093"})`.
    """
    return derive(key)


def new_entity() -> Entity:
    """A fresh entity: 128 random bits."""
    return secrets.token_bytes(16)


def as_cid(cid: Cid | str) -> Cid:
    """A CID that may be given as its text."""
    if not isinstance(cid, Cid | str):
        raise RequestError("db.usage", f"a CID is a Cid or its text, not {type(cid).__name__}", fix="bafyrei…")
    return Cid.parse(cid) if isinstance(cid, str) else cid
