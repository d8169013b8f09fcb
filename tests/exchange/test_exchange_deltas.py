"""Exports of deltas, in every format: whatever was said comes back byte for byte, and the copy shows the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from histories import START_MS, histories, shown, signed
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import Connection, connect
from rhizomedb.exchange.archive import write_archive
from rhizomedb.exchange.importer import holds_deltas, import_deltas
from rhizomedb.exchange.output import write_lines
from rhizomedb.exchange.source import Source
from rhizomedb.facts.delta import Delta

FORMATS = ("jsonl", "jsonl.gz", "car", "car.gz")


def copy() -> Connection:
    return connect(":memory:", author="alice", clock=lambda: START_MS)


def exported(db: Connection, path: Path) -> int:
    if ".car" in path.name:
        return write_archive(db.deltas(), path)
    return write_lines((delta.to_json() for delta in db.deltas()), path)


def envelopes(db: Connection) -> set[bytes]:
    return {delta.encode() for delta in db.deltas()}


@settings(max_examples=150)
@given(histories(), st.sampled_from(FORMATS))
def test_everything_said_comes_back(
    tmp_path_factory: pytest.TempPathFactory, history: list[Delta], suffix: str
) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())) / f"export.{suffix}"
    with copy() as here, copy() as there:
        here.admit([delta.encode() for delta in history], origin="test")
        kept = {delta.id for delta in here.deltas()} | {held.id for held in here.held()}
        assert kept == {delta.id for delta in history}
        count = exported(here, path)
        assert count == len(envelopes(here))
        source = Source(path)
        assert holds_deltas(source) or not count
        first = import_deltas(there, source, origin="copy")
        assert (first.new, first.known, first.held) == (count, 0, 0)
        assert envelopes(there) == envelopes(here)
        assert there.held() == []  # what was held back here did not travel
        assert shown(there) == shown(here)
        again = import_deltas(there, source, origin="copy")
        assert (again.new, again.known, again.held) == (0, count, 0)
    shutil.rmtree(path.parent)


@settings(max_examples=40)
@given(histories(), histories(), st.sampled_from(FORMATS))
def test_two_copies_meet(
    tmp_path_factory: pytest.TempPathFactory, one: list[Delta], other: list[Delta], suffix: str
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    with copy() as here, copy() as there:
        for db, history, name in ((here, one, "here"), (there, other, "there")):
            db.admit([delta.encode() for delta in history], origin="test")
            exported(db, folder / f"{name}.{suffix}")
        all_travelled = not here.held() and not there.held()  # what was held back was not exported
        for db, name in ((here, "there"), (there, "here")):
            import_deltas(db, Source(folder / f"{name}.{suffix}"), origin="copy")
        if all_travelled:
            assert {delta.id for delta in here.deltas()} == {delta.id for delta in there.deltas()}
            assert shown(here) == shown(there)
    shutil.rmtree(folder)


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_said(tmp_path: Path, suffix: str) -> None:
    with copy() as here, copy() as there:
        assert exported(here, tmp_path / f"empty.{suffix}") == 0
        if "car" in suffix:
            admission = import_deltas(there, Source(tmp_path / f"empty.{suffix}"), origin="copy")
            assert (admission.new, admission.epoch) == (0, None)


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_fault_and_nothing_is_taken_in(tmp_path: Path, suffix: str) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    path = tmp_path / f"export.{suffix}"
    with copy() as here, connect(tmp_path / "there.db", clock=lambda: START_MS) as there:
        # more than one batch of the door's, so that some was written when it stops
        here.admit([signed(number, "x" * 100_000).encode() for number in range(30)], origin="test")
        exported(here, path)
        calls = iter(range(25))
        with pytest.raises(KeyboardInterrupt):
            import_deltas(
                there, Source(path), origin="copy", progress=lambda *_: interrupted() if next(calls) == 24 else None
            )
        assert envelopes(there) == set()
        assert there.cut.epoch == 0
        assert import_deltas(there, Source(path), origin="copy").new == 30
