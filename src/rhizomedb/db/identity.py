"""Entities: derived from a key, so that sources meet without coordination, or minted."""

from __future__ import annotations

import secrets

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
