"""The verbs that look after a file, as text and as data."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from rhizomedb.cli import main


class Shell:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.notes = ""

    def __call__(self, command: str, exit: int = 0) -> str:
        self._capsys.readouterr()
        code = main(shlex.split(command))
        printed = self._capsys.readouterr()
        self.notes = printed.err
        assert code == exit, printed.err
        return printed.out

    def rows(self, command: str, exit: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(f"{command} --json", exit).splitlines()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    shell = Shell(capsys)
    shell("add films.db Alien runtime 117 --as imdb")
    return shell


@pytest.mark.parametrize("durability", ["full", "normal", "memory"])
def test_durability(run: Shell, durability: str) -> None:
    Path("table.csv").write_text("title,year\nHeat,1995\n")
    assert "epoch 2" in run(f"add films.db Alien genre Horror --as imdb --durability {durability}")
    run(f"import films.db table.csv --as wiki --key title --durability {durability}")
    run(f"retract films.db Alien genre --as imdb --durability {durability}")
    assert run("verify films.db").startswith("all well")


def test_another_durability(run: Shell) -> None:
    run("add films.db Alien genre Horror --durability ful", exit=2)
    assert "did you mean: full?" in run.notes


def test_watch(run: Shell) -> None:
    run("add films.db Alien genre Horror --as wiki")
    out = run("watch films.db --since 0 --timeout 0")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["epoch 1", "epoch 2"]
    assert out.splitlines()[1].endswith("rhizome add: 1 delta, 1 new fact")
    assert run("watch films.db --since 1 --limit 1 --changes").splitlines()[1] == "  Alien · genre"
    (row,) = run.rows("watch films.db --since 1 --timeout 0 --changes")
    assert (row["number"], row["origin"], row["deltas"], row["facts"]) == (2, "rhizome add", 1, 1)
    assert (
        row["changes"][0]["attribute"] == "genre" and "changes" not in run.rows("watch films.db --since 1 --limit 1")[0]
    )
    assert run("watch films.db --timeout 0") == ""
    run("watch films.db --since 9", exit=1)
    assert run.notes.startswith("db.epoch: there is no epoch 9 yet")


def test_watch_goes_on_where_a_cursor_says(run: Shell) -> None:
    run("add films.db Alien genre Horror --as wiki")
    first, last = run.rows("watch films.db --since 0 --timeout 0 --cursors")
    assert [row["number"] for row in run.rows(f"watch films.db --since {first['cursor']} --timeout 0")] == [2]
    assert run(f"watch films.db --since {last['cursor']} --timeout 0") == ""
    assert run("watch films.db --since 1 --timeout 0 --cursors").splitlines()[1] == f"  cursor {last['cursor']}"
    (row,) = run.rows(f"watch films.db '{FILM}' --since 0 --timeout 0 --cursors")
    assert row["cursor"] == first["cursor"]
    assert run(f"watch films.db '{FILM}' --since {row['cursor']} --timeout 0") == ""
    run("add other.db Heat genre Crime --as wiki")
    for cursor, code in (
        (last["cursor"], "db.cursor-ahead"),
        (first["cursor"], "db.cursor-foreign"),
        ("x", "db.cursor"),
    ):
        run(f"watch other.db --since {cursor} --timeout 0", exit=1)
        assert run.notes.startswith(f"{code}: ")


FILM = """film(`the title`: T, minutes: R) :-
    stands(entity: E, attribute: "name", value: T), stands(entity: E, attribute: "runtime", value: R)."""


def test_watch_a_program(run: Shell) -> None:
    run("add films.db Alien runtime 119 --as imdb")
    run("add films.db Alien genre Horror --as wiki")
    run("add films.db Heat runtime 170 --as wiki")
    lines = run(f"watch films.db '{FILM}' --since 0 --timeout 0").splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == ["epoch 1", "epoch 2", "epoch 4"]
    assert [line.split() for line in lines if line.startswith(" ")] == [
        ["+", "Alien", "117"],
        ["-", "Alien", "117"],
        ["+", "Alien", "119"],
        ["+", "Heat", "170"],
    ]
    (row,) = run.rows(f"watch films.db '{FILM}' --since 1 --limit 1")
    assert (row["number"], row["origin"], row["relation"]) == (2, "rhizome add", "film")
    assert row["plus"] == [{"the title": "Alien", "minutes": 119}] and row["minus"][0]["minutes"] == 117
    Path("p.pomo").write_text("big(of: E) :- fact(entity: E, attribute: $what, value: V), V > 118. none() :- big().")
    run("watch films.db @p.pomo --relation big --param what=runtime --since 0 --timeout 0 --by wiki")
    assert run("watch films.db @p.pomo --param what=nothing --timeout 0") == ""
    assert run("watch films.db @p.pomo --param what=nothing --since 0 --timeout 0") == ""


@pytest.mark.parametrize(
    ("arguments", "exit", "code"),
    [
        ("--relation p", 2, "db.usage"),
        ("'p(x: X) :- fact(value: X).' --changes", 2, "db.usage"),
        ("'p(x: X) :- fact(valu: X).'", 1, "logic.unknown-attribute"),
        ("'p(x: X) :- fact(value: X).' --since 9", 1, "db.epoch"),
        ("'p(x: X) :- fact(value: X).' --budget facts=1", 1, "budget.facts"),
    ],
)
def test_what_cannot_be_watched(run: Shell, arguments: str, exit: int, code: str) -> None:
    run(f"watch films.db {arguments}", exit=exit)
    assert code in run.notes


def test_backup_and_restore(run: Shell) -> None:
    assert run("backup films.db saved.db").startswith("saved.db holds epoch 1: 1 new delta, 1 new epoch (")
    assert run("backup films.db saved.db") == "saved.db holds epoch 1 already; nothing is new\n"
    run("add films.db Alien genre Horror --as wiki")
    (row,) = run.rows("backup films.db saved.db")
    assert (row["epoch"], row["deltas"], row["epochs"], row["blocks"]) == (2, 1, 1, 0)
    run("restore saved.db films.db", exit=1)
    assert run.notes == "store.exists: films.db is there already\n  try: --force, or another name\n"
    assert "2 new deltas, 2 new epochs; every signature was checked" in run("restore saved.db films.db --force")
    assert run("get films.db Alien genre") == "Horror\n"
    assert run("get films.db Alien --epoch 1") == run("get saved.db Alien --epoch 1")
    assert run("history films.db Alien") == run("history saved.db Alien")
    run("add films.db Alien genre Western --as wiki")
    run("restore saved.db films.db --force", exit=1)
    assert run.notes.startswith("store.restore-loses: films.db holds 1 delta or block that saved.db does not")
    assert "\ndiscarded: 1 " in run("restore saved.db films.db --force --discard")
    run("add other.db Heat runtime 170 --as imdb")
    run("backup other.db saved.db", exit=1)
    assert run.notes.startswith("store.backup-target: saved.db is not a backup of other.db; nothing was written\n")


def test_compact(run: Shell) -> None:
    assert "segments: " in run("compact films.db")
    (row,) = run.rows("compact films.db")
    assert row["wal_bytes"] == 0 and row["gained"] >= 0


def test_doctor(run: Shell) -> None:
    assert run("doctor films.db") == "all well\n"
    assert run.rows("doctor films.db") == [{"ok": True}]
    assert "mended: index: it was made anew" in run("doctor films.db --rebuild-index")
    with apsw.Connection("films.db") as file:
        file.execute("UPDATE log SET frame = CAST(substr(frame, 1, 40) || zeroblob(8) || substr(frame, 49) AS BLOB)")
    out = run("doctor films.db", exit=3)
    assert "wrong: delta 1: it is not what was written [store.damaged]" in out
    *_, last = run.rows("doctor films.db", exit=3)
    assert last == {"ok": False}


def test_doctor_of_a_file_that_does_not_open(run: Shell) -> None:
    Path("text.db").write_text("no database")
    assert "wrong: file: text.db is not a RhizomeDB database" in run("doctor text.db", exit=3)
    run("doctor none.db", exit=1)
    assert run.notes.startswith("store.not-found")


def test_limits(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_BYTES_MAX", "1M")
    monkeypatch.setenv("RHIZOME_HELD_DELTAS_MAX", "none")
    rows = {row["name"]: row for row in run.rows("limits films.db")}
    assert rows["bytes_max"]["limit"] == 1 << 20 and rows["bytes_max"]["used"] > 0
    assert rows["held_deltas_max"]["limit"] is None and rows["held_bytes_max"]["limit"] == 32 << 20
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in run("limits films.db").splitlines()}
    assert shown["held_deltas_max"].startswith("none 0 deltas")
    assert shown["bytes_max"].startswith("1 MiB ") and shown["held_bytes_max"].startswith("32 MiB 0 B bytes held")
    assert shown["query_facts"].startswith("5,000,000 ")
    monkeypatch.setenv("RHIZOME_BYTES_MAX", "100K")
    Path("table.csv").write_text("title,year\n" + "".join(f"film {number},1995\n" for number in range(2000)))
    run("import films.db table.csv --as wiki --key title", exit=1)
    assert run.notes.startswith("store.quota: films.db may have 102,400 bytes and would have ")
    monkeypatch.setenv("RHIZOME_BYTES_MAX", "lots")
    run("limits films.db", exit=2)


def test_stats(run: Shell) -> None:
    (row,) = run.rows("stats films.db")
    assert row["storage"]["format"] == 2 and row["storage"]["file_bytes"] == os.path.getsize("films.db")
    assert row["bytes_per_fact"] > 0
    shown = run("stats films.db")
    assert "storage: " in shown and "bytes per fact" not in shown and "(format 2)" in shown


def test_an_index_in_memory_is_called_so(run: Shell) -> None:
    assert " index in 1 segment in memory (format 2)" in run("stats films.db")
    assert "index: 0 B before, 0 B now" in run("compact films.db")
    run("doctor films.db --rebuild-index")
    assert "in memory" not in run("stats films.db") and " index in 1 segment" in run("stats films.db")
    rows = "".join(f"{number},{number}\n" for number in range(10_000))
    Path("table.csv").write_text(f"key,n\n{rows}")
    run("import films.db table.csv --as wiki --key key")
    assert " bytes per fact (format 2)" in run("stats films.db")


@pytest.mark.parametrize("verb", ["add {} Heat runtime 170", "stats {}", "doctor {}", "backup films.db {}"])
def test_a_name_that_is_not_utf_8(run: Shell, verb: str) -> None:
    name = os.fsdecode(b"a\xff.db")
    Path(name).write_bytes(Path("films.db").read_bytes())
    code = 3 if "doctor" in verb else 1
    printed = run(verb.format(f"'{name}'"), exit=code)
    assert "store.unreadable" in printed + run.notes and "not UTF-8, which SQLite needs" in printed + run.notes


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_what_is_no_file_where_sqlite_keeps_one(run: Shell, end: str, kind: str) -> None:
    beside = Path(f"films.db{end}")
    make = {"folder": beside.mkdir, "fifo": lambda: os.mkfifo(beside), "link": lambda: beside.symlink_to("elsewhere")}
    make[kind]()
    run("stats films.db", exit=1)
    assert run.notes.startswith("store.unreadable") and f"films.db{end}, where SQLite" in run.notes
    run("verify films.db", exit=1)
    assert f"films.db{end}, where" in run.notes
    beside.rmdir() if kind == "folder" else beside.unlink()
    run("stats films.db")


FULL = """
import resource, signal, sys
from rhizomedb.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("verb", "code"), [("stats", 1), ("doctor", 3)])
def test_no_room_for_what_sqlite_keeps_beside_a_file(run: Shell, verb: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, verb, "films.db"], check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    printed = done.stdout + done.stderr
    assert "store.full" in printed and "no room left for what SQLite keeps beside films.db" in printed
    run("stats films.db")


def test_the_doctor_looks_at_the_disk_first(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    Path("films.db").write_bytes(b"SQLite format 3\x00" + bytes(5000))
    assert [row.get("record") for row in run.rows("doctor films.db", exit=3)] == ["disk", "file", None]
