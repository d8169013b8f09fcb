"""Exports of damaged files: what is sound is written, what is not is named, and the exit code is 3 if anything was lost."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import apsw
import pytest

import rhizomedb
from rhizomedb.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database of eight deltas."""
    monkeypatch.chdir(tmp_path)
    with rhizomedb.open("films.db", author="ada") as db:
        for number in range(8):
            db.transact([(f"Film {number}", "runtime", number)])
    return tmp_path


def alter(statement: str) -> None:
    connection = apsw.Connection("films.db")
    connection.execute(statement)
    connection.close()


def run(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(shlex.split(command))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def lines(name: str) -> list[str]:
    return Path(name).read_text().splitlines()


@pytest.mark.parametrize("how", ["", " --salvage"])
def test_a_sound_file(folder: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    assert run(capsys, f"export films.db out.jsonl --force{how}") == (0, "", "8 deltas written to out.jsonl\n")
    assert len(lines("out.jsonl")) == 8
    code, printed, notes = run(capsys, f"export films.db out.jsonl --force --json{how}")
    assert (code, notes) == (0, "")
    assert json.loads(printed) == {"file": "out.jsonl", "format": "jsonl", "deltas": 8, "lost": []}
    assert run(capsys, f"export films.db --format jsonl{how}") == (0, Path("out.jsonl").read_text(), "")


@pytest.mark.parametrize("how", ["", " --salvage"])
def test_one_altered_delta_of_eight(folder: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    with rhizomedb.open("films.db") as db:
        assert db.rebuild_index() == []  # so that it is in a file, and what is altered is not read to make it
    alter("UPDATE log SET frame = CAST(replace(frame, CAST('Film 4' AS BLOB), 'Firm 4') AS BLOB) WHERE seq = 5")
    code, _, notes = run(capsys, f"export films.db out.jsonl --force{how}")
    assert code == 3 and notes.startswith("delta 5: this was not signed by " if how else "delta 5: ")
    assert notes.endswith("\n7 deltas written to out.jsonl\n") and len(lines("out.jsonl")) == 7
    code, printed, _ = run(capsys, f"export films.db out.jsonl --force --json{how}")
    assert code == 3 and [lost["record"] for lost in json.loads(printed)["lost"]] == ["delta 5"]
    code, printed, notes = run(capsys, f"export films.db --format jsonl{how}")
    assert code == 3 and printed.splitlines() == lines("out.jsonl") and notes.startswith("delta 5: ")
    assert run(capsys, "import new.db out.jsonl")[0] == run(capsys, "verify new.db")[0] == 0
    assert run(capsys, "get new.db 'Film 7' runtime")[1] == "7\n"


def test_an_altered_delta_that_is_not_indexed_yet_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter("UPDATE log SET frame = CAST(replace(frame, CAST('Film 4' AS BLOB), 'Firm 4') AS BLOB) WHERE seq = 5")
    for command in ("get films.db 'Film 1'", "export films.db out.jsonl", "verify films.db"):
        code, printed, notes = run(capsys, command)
        assert code in (1, 3) and "delta 5" in printed + notes, command
    code, _, notes = run(capsys, "export films.db out.jsonl --salvage --force")
    assert code == 3 and notes.startswith("delta 5: this was not signed by ") and len(lines("out.jsonl")) == 7


def test_a_file_that_does_not_open_says_how_it_is_saved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter("DROP INDEX held_id")
    for command in ("films.db", "get films.db 'Film 1'", "verify films.db", "export films.db out.jsonl"):
        code, _, notes = run(capsys, command)
        assert code == 1 and "  try: rhizome export films.db saved.jsonl --salvage" in notes
    assert run(capsys, "export films.db saved.jsonl --salvage --force")[0] == 0
    assert run(capsys, "import new.db saved.jsonl")[0] == run(capsys, "verify new.db")[0] == 0
    assert run(capsys, "stats new.db")[1].startswith("8 deltas") or len(lines("saved.jsonl")) == 8


def test_neighbours_are_named_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter("DELETE FROM log WHERE seq IN (2, 4, 5, 6)")
    code, _, notes = run(capsys, "export films.db saved.jsonl --force --salvage")
    assert code == 3
    assert notes == "delta 2: cannot be read\ndeltas 4 to 6: cannot be read\n4 deltas written to saved.jsonl\n"


@pytest.mark.parametrize("part", [90, 60, 30, 10])
def test_a_file_cut_short(folder: Path, capsys: pytest.CaptureFixture[str], part: int) -> None:
    content = Path("films.db").read_bytes()
    Path("cut.db").write_bytes(content[: len(content) * part // 100])
    code, _, notes = run(capsys, "export cut.db saved.jsonl --salvage --force")
    assert code == (0 if len(lines("saved.jsonl")) == 8 else 3), notes
    assert run(capsys, "import new.db saved.jsonl")[0] == 0 or not lines("saved.jsonl")


def test_random_damage_ends_in_our_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    content = Path("films.db").read_bytes()
    for _ in range(40):
        broken = bytearray(content)
        for _ in range(rng.choice([1, 16, 900])):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        Path("broken.db").write_bytes(broken)
        for end in ("-wal", "-shm"):
            Path(f"broken.db{end}").unlink(missing_ok=True)
        for how in ("", " --salvage"):
            assert run(capsys, f"export broken.db out.jsonl --force{how}")[0] in (0, 1, 3)
