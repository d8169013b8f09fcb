"""Opening a store by its path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rhizomedb.store.memory import MEMORY, MemoryStore
from rhizomedb.store.quota import USUAL, Quota
from rhizomedb.store.store import Store

if TYPE_CHECKING:
    from rhizomedb.store.file import Durability
    from rhizomedb.store.holder import Waiting

WAIT_MS: int = 10_000
"""How long a write waits for another process."""


def open_store(
    path: str | os.PathLike[str],
    *,
    create: bool = True,
    wait_ms: int = WAIT_MS,
    durability: Durability = "full",
    quota: Quota = USUAL,
    waiting: Waiting | None = None,
) -> Store:
    """The store in a file, or a new one in memory for ":memory:"."""
    if os.fspath(path) == MEMORY:
        if durability != "full":
            from rhizomedb.store.file import check_durability

            check_durability(durability)
        return MemoryStore(quota=quota)
    from rhizomedb.store.sqlite import SqliteStore  # so that importing the package does not load SQLite

    return SqliteStore(path, create=create, wait_ms=wait_ms, durability=durability, quota=quota, waiting=waiting)
