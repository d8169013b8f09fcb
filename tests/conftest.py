"""What every test shares: keys of its own, a clock it can move, and databases of both kinds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring

# A shell that runs the suite in the background has it ignore Ctrl-C, and then nothing can be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("default")

START_MS = 1_800_000_000_000


class Wall:
    """A wall clock that stands still until it is moved."""

    def __init__(self, ms: int = START_MS) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms

    def forward(self, ms: int) -> None:
        self.ms += ms


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys made by tests go to a folder that goes with them."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHIZOME_HOME", str(folder))
        patch.setenv("NO_COLOR", "1")
        yield folder


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(params=["memory", "file"])
def db(request: pytest.FixtureRequest, tmp_path: Path, wall: Wall) -> Iterator[Connection]:
    """A new database, in memory and in a file."""
    path = ":memory:" if request.param == "memory" else tmp_path / "test.db"
    with connect(path, author="alice", clock=wall, keyring=Keyring()) as connection:
        yield connection


@pytest.fixture
def another(tmp_path: Path, wall: Wall) -> Callable[[], Connection]:
    """Further copies, in memory."""
    return lambda: connect(":memory:", author="alice", clock=wall, keyring=Keyring())
