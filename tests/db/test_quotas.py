"""Quotas as they are given to `open`, and by the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.quotas import VARIABLES, quota_of
from rhizomedb.errors import RequestError, StoreError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.store.quota import Quota


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, {}, Quota()),
        ({}, {"bytes": 5}, Quota(bytes=5)),
        ({"bytes": "1M"}, {"bytes": "default"}, Quota(bytes=1 << 20)),
        ({"bytes": "1M"}, {"bytes": None}, Quota()),
        ({"held_deltas": "none"}, {"held_deltas": "default"}, Quota(held_deltas=None)),
        ({"held_bytes": "2K"}, {"held_bytes": "default"}, Quota(held_bytes=2048)),
    ],
)
def test_what_is_given_comes_before_the_environment(
    environment: dict[str, str], given: dict[str, Any], expected: Quota
) -> None:
    assert quota_of({VARIABLES[name]: text for name, text in environment.items()}, **given) == expected


def test_a_limit_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        connect(tmp_path / "films.db", bytes_max=-1)
    assert caught.value.code == "db.usage" and not (tmp_path / "films.db").exists()


@pytest.mark.parametrize("kind", [":memory:", "films.db"])
def test_a_peer_may_not_send_more_than_its_share(
    kind: str, tmp_path: Path, wall: Any, another: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ahead = another()
    wall.forward(AHEAD_MS_MAX * 2)
    for number in range(4):
        ahead.transact([("Alien", "n", number)])
    wall.forward(-AHEAD_MS_MAX * 2)
    envelopes = [delta.encode() for delta in ahead.deltas()]
    with connect(kind, clock=wall, held_deltas_max=3) as db:
        with pytest.raises(StoreError) as caught:
            db.admit(envelopes, origin="peer")
        assert caught.value.code == "store.quota" and db.held() == []
        assert db.admit(envelopes[:3], origin="peer").held == 3
        db.transact([("Heat", "n", 1)], author="me")
        assert db.get("Heat", "n") == 1, "who is here can write"


@pytest.mark.parametrize("kind", [":memory:", "films.db"])
def test_a_database_may_not_grow_beyond_its_size(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with connect(kind, author="me", bytes_max=150_000) as db:
        db.transact([("Alien", "runtime", 117)])
        for write in (
            lambda: db.transact([(f"film {number}", "text", "x" * 100) for number in range(1000)]),
            lambda: db.attach("Alien", "plot", bytes(range(256)) * 2000),
        ):
            with pytest.raises(StoreError) as caught:
                write()
            assert caught.value.code == "store.quota"
        assert [(r.label, r["runtime"]) for r in db.records()] == [("Alien", 117)]
        db.transact([("Alien", "genre", "Horror")])
        assert list(db.verify()) == []
