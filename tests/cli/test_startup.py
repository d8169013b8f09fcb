"""What starting costs: nothing is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("apsw", "nacl", "sqlite3", "json", "subprocess", "asyncio", "difflib", "email")
"""What neither `import rhizomedb` nor `rhizome --help` may pull in."""


def modules(code: str) -> set[str]:
    """The modules that a program has imported at its end, and a bare interpreter has not."""
    report = "\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    loaded = [
        set(
            subprocess.run(
                [sys.executable, "-c", text + report], capture_output=True, text=True, check=True
            ).stderr.split()
        )
        for text in (code, "")
    ]
    return loaded[0] - loaded[1]


def test_import() -> None:
    plain = modules("import importlib, typing, warnings, __future__")
    assert modules("import rhizomedb") - plain == {"rhizomedb", "rhizomedb._version"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["import", "--help"], [], ["nosuchverb"]])
def test_help(arguments: list[str]) -> None:
    """Help and complaints need the grammar of the command line alone."""
    found = modules(f"from rhizomedb.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass")
    rooms = {name.split(".")[1] for name in found if name.startswith("rhizomedb.")}
    complaint = arguments == ["nosuchverb"]  # it looks for near names, and prints text that may hold anything
    assert rooms <= {"_version", "_interrupt", "_record", "cli", "errors"} | (
        {"exchange", "facts", "_native"} if complaint else set()
    )
    assert not found & set(HEAVY) - ({"difflib", "json"} if complaint else set())
