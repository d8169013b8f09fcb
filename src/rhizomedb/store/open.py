"""Opening a store by its path."""

from __future__ import annotations

import os

from rhizomedb.store.memory import MEMORY, MemoryStore
from rhizomedb.store.store import Store

WAIT_MS: int = 10_000
"""How long a write waits for another process."""


def open_store(path: str | os.PathLike[str], *, create: bool = True, wait_ms: int = WAIT_MS) -> Store:
    """The store in a file, or a new one in memory for ":memory:"."""
    if os.fspath(path) == MEMORY:
        return MemoryStore()
    from rhizomedb.store.sqlite import SqliteStore  # so that importing the package does not load SQLite

    return SqliteStore(path, create=create, wait_ms=wait_ms)
