"""Places of each kind, seen from the back: what lies in them can be altered, taken away and added by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from remote_helpers import Back
from remote_server import Server

from rhizomedb.remote import memory

NUMBERS = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("obstore", reason="buckets need the extra: pip install 'rhizomedb[remote]'")
    server = Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Back:
    """A fresh prefix in a bucket of the real server."""
    import obstore
    from obstore.store import from_url

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url = f"{server.bucket('films')}/copies/{next(NUMBERS)}"

    def delete(path: str) -> None:
        obstore.delete(from_url(url, client_options={"allow_http": True}), path)

    return Back(url, delete)


@pytest.fixture
def folder(tmp_path: Path) -> Back:
    return Back(str(tmp_path / "share"), lambda path: (tmp_path / "share" / path).unlink(missing_ok=True))


@pytest.fixture
def dictionary() -> Back:
    name = f"test-{next(NUMBERS)}"
    return Back(f"memory://{name}", memory.PLACES.setdefault(name, {}).pop)


@pytest.fixture(params=["dictionary", "folder", "s3"])
def back(request: pytest.FixtureRequest) -> Back:
    """A place of each kind."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Back)
    return found


@pytest.fixture
def small_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few deltas make several bundles."""
    monkeypatch.setattr("rhizomedb.remote.bundle.ITEMS_MAX", 3)
