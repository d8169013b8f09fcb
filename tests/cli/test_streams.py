"""Standard streams that are full or closed, and Ctrl-C at every moment: said in a sentence, with an exit code that is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rhizomedb

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="it takes a device that is always full")

COMMAND = f"{shlex.quote(sys.executable)} -m rhizomedb"
FULL = "exchange.unwritable: standard output cannot be written: No space left on device"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("streams")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RHIZOME_HOME", str(folder / "home"))
        with rhizomedb.open("films.db", author="ada") as db:
            db.transact([("Alien", "year", 1979), *(("Alien", "seen", number) for number in range(20))])
        yield folder


def shell(command: str) -> tuple[int, str, str]:
    """Run a line of the shell, in which `rhizome` is the command."""
    done = subprocess.run(
        ["sh", "-c", re.sub(r"\brhizome\b", COMMAND, command)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "get films.db Alien",
        "films.db",
        "export films.db --format jsonl",
        "export films.db --format car",
        "watch films.db --since 0 --timeout 0",
        "--help",
        "--version",
        "get --help",
    ],
)
def test_a_full_device(folder: Path, command: str) -> None:
    code, _, said = shell(f"rhizome {command} > /dev/full")
    assert (code, said.splitlines()[0]) == (1, FULL)
    assert "Traceback" not in said


def test_what_was_written_stays(folder: Path) -> None:
    code, _, said = shell("rhizome add films.db Alien runtime 117 --as ada > /dev/full")
    assert code == 1 and f"{FULL}; what was written to films.db stays\n" in said
    assert shell("rhizome get films.db Alien runtime") == (0, "117\n", "")
    code, _, said = shell("rhizome export films.db out.csv --json > /dev/full")
    assert code == 1 and "what was written to out.csv stays" in said
    assert (folder / "out.csv").read_text().startswith("name,runtime,seen,year\n")


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_lead_nowhere(folder: Path, streams: str) -> None:
    code, printed, _ = shell(f"rhizome get films.db Alien year {streams}")
    assert (code, printed) == (0, "" if ">&-" in streams.split() else printed)
    code, printed, _ = shell(f"rhizome get films.db Nothing {streams}")
    assert (code, printed) == (1, "")  # what is said on the error stream never goes to the other


@pytest.mark.parametrize("command", ["import new.db -", "attach films.db Alien poster -"])
def test_closed_standard_input(folder: Path, command: str) -> None:
    code, _, said = shell(f"rhizome {command} <&-")
    assert (code, said.splitlines()[0]) == (2, "db.usage: standard input is closed")
    assert not (folder / "new.db").exists()


def test_a_reader_that_has_seen_enough(folder: Path) -> None:
    code, printed, said = shell("rhizome history films.db Alien | head -n 1")
    assert (code, said) == (0, "")
    assert printed == "Alien\n"


INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize(
    ("moment", "code", "printed", "said"),
    [
        (f"m.before_work(); {INTERRUPT}", 130, "", "interrupted; nothing was begun\n"),
        (f"read.get = lambda _: {INTERRUPT}", 130, "", "interrupted; the file is as it was before, or holds the whole write\n"),
        (f"atexit.register(lambda: {INTERRUPT})", 0, "1979\n", ""),
    ],
)  # fmt: skip
def test_interrupts(folder: Path, moment: str, code: int, printed: str, said: str) -> None:
    """Ctrl-C before anything is begun, at work, and when everything was said: no trace, and an exit code that is true."""
    program = "import atexit, os, signal\nfrom rhizomedb import __main__ as m\nfrom rhizomedb.cli import read\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}{moment}\nraise SystemExit(m.main())", "get", "films.db", "Alien", "year"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, printed, said)


def test_interrupts_that_are_ignored_stay_ignored(folder: Path) -> None:
    assert shell("trap '' INT; rhizome get films.db Alien year") == (0, "1979\n", "")
    program = f"import os, signal; from rhizomedb import __main__; {INTERRUPT}; print('went on')"
    assert shell(f"trap '' INT; {shlex.quote(sys.executable)} -c {shlex.quote(program)}") == (0, "went on\n", "")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="it takes a device that never ends")
def test_a_program_from_where_it_never_ends(folder: Path) -> None:
    """All of it was copied to the disk first."""
    asked = [sys.executable, "-m", "rhizomedb", "query", "films.db", "@/dev/zero"]
    said = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1 and said.stderr.startswith("logic.text-size: ")
