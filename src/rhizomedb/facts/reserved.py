"""The names that belong to the database itself: attributes of its own facts, which no user, source or peer gives another sense."""

from __future__ import annotations

from typing import Final, TypeGuard

RESERVED_PREFIX: Final = "rhizome/"
"""How they begin."""


def is_reserved(attribute: object) -> bool:
    """Whether an attribute carries the database's own facts."""
    return isinstance(attribute, str) and attribute.startswith(RESERVED_PREFIX)


def is_name(attribute: object) -> TypeGuard[str]:
    """Whether an attribute can be a role or a context of a hyperedge: a text that says something and is not reserved."""
    return type(attribute) is str and bool(attribute) and not attribute.startswith(RESERVED_PREFIX)
