"""The verbs of attachments, as text and as data."""

from __future__ import annotations

import io
import json
import os
import random
import re
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pytest

from rhizomedb.cli import main
from rhizomedb.db.connection import connect
from rhizomedb.facts.manifest import Block

BIG = random.Random(4).randbytes(700_000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poster.png").write_bytes(BIG)
    return tmp_path


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bytes, str]]:
    """Runs a command whose standard output is a real file; gives what it prints, and what it says beside."""

    def command(*words: str, exit: int = 0, stdin: bytes = b"") -> tuple[bytes, str]:
        capfdbinary.readouterr()
        with (
            io.TextIOWrapper(os.fdopen(os.dup(1), "wb"), write_through=True) as out,
            io.TextIOWrapper(os.fdopen(os.dup(2), "wb"), write_through=True) as err,
            monkeypatch.context() as patch,
        ):
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            code = main(words)
        printed = capfdbinary.readouterr()
        assert code == exit, printed.err
        return printed.out, printed.err.decode()

    return command


Run = Callable[..., tuple[bytes, str]]


def row(printed: tuple[bytes, str]) -> dict[str, Any]:
    (line,) = printed[0].splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_there_and_back(run: Run, folder: Path) -> None:
    out, _ = run("attach", "films.db", "Alien", "poster", "poster.png", "--as", "imdb")
    said = r"attached: Alien · poster = bafyrei\w+ +\(700\.0 kB, 70\d\.\d kB of it new here; epoch 1\)\n"
    assert re.fullmatch(said, out.decode())
    out, _ = run("attach", "films.db", "Alien", "poster", "poster.png", "--as", "imdb")
    assert out.decode().startswith("nothing new: Alien · poster = bafyrei") and b"all of it was here" in out
    assert run("fetch", "films.db", "Alien", "poster")[0] == BIG
    _, err = run("fetch", "films.db", "Alien", "poster", "-o", "copy.gz")
    assert err == "700.0 kB written to copy.gz\n"
    assert (folder / "copy.gz").read_bytes() == BIG  # as it is, whatever the name
    assert stat.S_IMODE((folder / "copy.gz").stat().st_mode) == 0o666 & ~_umask()
    assert {path.name for path in folder.iterdir()} == {"films.db", "poster.png", "copy.gz"}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_as_data(run: Run) -> None:
    said = row(run("attach", "films.db", "Alien", "poster", "poster.png", "--json"))
    assert (said["bytes"], said["epoch"], said["new_entity"]) == (700_000, 1, True)
    assert said["new_bytes"] > 700_000 and said["new_blocks"] > 5
    cid = said["cid"]["/"]
    listed = row(run("attachments", "films.db", "--json"))
    assert (listed["entity"], listed["attribute"], listed["cid"]["/"]) == ("Alien", "poster", cid)
    assert (listed["bytes"], listed["missing"]) == (700_000, 0)
    assert row(run("fetch", "films.db", "Alien", "poster", "-o", "x", "--json")) == {
        "file": "x",
        "cid": {"/": cid},
        "bytes": 700_000,
    }
    assert row(run("attachments", "films.db", "--collect", "--json")) == {"blocks": 0, "bytes": 0, "removed": True}


def test_standard_input(run: Run) -> None:
    run("attach", "films.db", "Alien", "script", "-", stdin=b"In space\n")
    assert run("fetch", "films.db", "Alien", "script", "-o", "-")[0] == b"In space\n"


def test_at_a_moment_and_by_an_author(run: Run) -> None:
    run("attach", "films.db", "Alien", "poster", "poster.png", "--as", "imdb")
    run("attach", "films.db", "Alien", "poster", "-", "--as", "me", stdin=b"mine")
    assert run("fetch", "films.db", "Alien", "poster")[0] == b"mine"
    assert run("fetch", "films.db", "Alien", "poster", "--epoch", "1")[0] == BIG
    assert run("fetch", "films.db", "Alien", "poster", "--by", "imdb", "--policy", "all")[0] == BIG
    assert len(run("attachments", "films.db")[0].splitlines()) == 3
    assert len(run("attachments", "films.db", "--limit", "1", "--json")[0].splitlines()) == 1
    assert len(run("attachments", "films.db", "--epoch", "1", "--json")[0].splitlines()) == 1


def test_the_list(run: Run) -> None:
    run("add", "films.db", "Alien", "runtime", "117")
    assert run("attachments", "films.db")[0] == b"nothing is attached\n"
    run("attach", "films.db", "Alien", "poster", "poster.png")
    assert re.search(r"Alien +poster +700\.0 kB +complete +bafyrei\w+\n", run("attachments", "films.db")[0].decode())


def test_of_a_copy_without_the_blocks(run: Run) -> None:
    run("attach", "films.db", "Alien", "poster", "poster.png")
    run("export", "films.db", "all.jsonl")
    run("import", "copy.db", "all.jsonl")
    assert re.search(r"poster +\? +not here", run("attachments", "copy.db")[0].decode())
    _, err = run("fetch", "copy.db", "Alien", "poster", "-o", "x", exit=1)
    assert err.startswith("attachment.missing: manifest bafyrei") and not Path("x").exists()
    with connect("films.db") as films, connect("copy.db") as copy:
        cid = copy.get("Alien", "poster")
        for count in (1, 3):
            copy.put_blocks(films.get_blocks(islice(copy.missing_blocks(cid), count)))
    out, err = run("fetch", "copy.db", "Alien", "poster", exit=1)
    assert out == b"" and re.match(
        r"attachment.missing: bafyrei\w+ is not whole in this copy: \d blocks missing\n", err
    )
    assert re.search(r"poster +700\.0 kB +\d blocks missing", run("attachments", "copy.db")[0].decode())
    out, err = run("verify", "copy.db")
    assert out.startswith(b"all well: 1 delta, ") and re.fullmatch(
        r"note: \d blocks that 1 manifest lists are not in this copy; nothing of it is damaged\n"
        r"  try: rhizome pull copy.db URL, from a place where a copy pushed that has it\n",
        err,
    )
    lacking, last = map(json.loads, run("verify", "copy.db", "--json")[0].splitlines())
    assert lacking["code"] == "attachment.missing" and last["ok"] and last["missing"] > 0
    assert re.search(
        r"(?m)^note: attachments: \d blocks .* \[attachment.missing\]$", run("doctor", "copy.db")[0].decode()
    )


def test_a_damaged_block_is_damage_where_others_are_missing(run: Run) -> None:
    run("attach", "films.db", "Alien", "poster", "poster.png")
    with closing(apsw.Connection("films.db")) as file:
        file.execute("DELETE FROM chunk WHERE row = 2; UPDATE chunk SET body = zeroblob(length(body)) WHERE row = 3")
    out, err = run("verify", "films.db", exit=3)
    assert out.startswith(b"1 finding:\n  block bafkrei") and err.startswith(
        "note: 1 block that 1 manifest lists is not"
    )


def test_what_is_left_behind_is_removed(run: Run) -> None:
    run("attach", "films.db", "Alien", "poster", "poster.png")
    with connect("films.db") as db:
        block = Block.chunk(b"left behind")
        db.put_blocks([(block.cid, block.body)])
    assert (
        run("attachments", "films.db", "--collect", "--dry-run")[0] == b"1 block (11 B) would be removed; nothing was\n"
    )
    assert run("attachments", "films.db", "--collect")[0] == b"1 block (11 B) removed\n"
    assert run("attachments", "films.db", "--collect")[0] == b"0 blocks (0 B) removed\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("attach films.db Alien poster nothing.png", "attachment.source"),
        ("attach films.db Alien poster films.db", "db.usage"),
        ("attach films.db Alein poster poster.png", "db.unknown-entity"),
        ("fetch films.db Alien runtime -o x", "attachment.unknown"),
        ("fetch films.db Alien nothing -o x", "db.unknown-attribute"),
        ("fetch films.db Nobody poster -o x", "db.unknown-entity"),
        ("fetch films.db Alien poster -o poster.png", "exchange.unwritable"),
        ("fetch films.db Alien poster -o films.db --force", "db.usage"),
        ("fetch films.db Alien poster -o nowhere/x", "exchange.unwritable"),
        ("fetch films.db Alien poster --json", "db.usage"),
        ("fetch films.db Alien still --policy all", "db.usage"),
        ("fetch nothing.db Alien poster", "store.not-found"),
        ("attachments films.db --dry-run", "db.usage"),
    ],
)
def test_what_is_refused(run: Run, words: str, code: str, folder: Path) -> None:
    run("attach", "films.db", "Alien", "poster", "poster.png")
    run("add", "films.db", "Alien", "runtime", "117")
    with connect("films.db") as db:
        db.transact([("Alien", "still", 1), ("Alien", "still", 2)])
    before = (folder / "poster.png").read_bytes()
    _, err = run(*words.split(), exit=2 if code == "db.usage" else 1)
    assert err.startswith((f"{code}: ", f'{{"code": "{code}"'))
    assert (folder / "poster.png").read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {"films.db", "poster.png"}


def test_a_limit_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("RHIZOME_ATTACHMENT_BYTES_MAX", "100K")
    _, err = run("attach", "films.db", "Alien", "poster", "poster.png", exit=1)
    assert err.startswith("attachment.too-big: the attachment has more than 102,400 bytes")
    assert not (folder / "films.db").exists()


def test_with_force(run: Run, folder: Path) -> None:
    run("attach", "films.db", "Alien", "script", "-", stdin=b"In space")
    run("fetch", "films.db", "Alien", "script", "-o", "poster.png", "--force")
    assert (folder / "poster.png").read_bytes() == b"In space"
