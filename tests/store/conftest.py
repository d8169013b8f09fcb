from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rhizomedb.store import MemoryStore, Store
from rhizomedb.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "films.db")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, path: str) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(path, create=True)
    yield made
    made.close()
