"""The reference is fresh and whole, and no link leads nowhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from doc_pages import REPOSITORY

import rhizomedb
from rhizomedb.cli.parser import EXIT_CODES, VERBS
from rhizomedb.crdt.library import LIBRARY
from rhizomedb.errors import CODES
from rhizomedb.logic import AGGREGATES, FUNCTIONS

REFERENCE = REPOSITORY / "docs" / "reference"

MARKDOWN = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", REPOSITORY / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(page: str) -> set[str]:
    return {
        line.lstrip("# ").strip() for line in (REFERENCE / page).read_text("utf-8").split("\n") if line.startswith("#")
    }


def test_fresh() -> None:
    stale = [path.name for path, text in generator().pages().items() if path.read_text("utf-8") != text]
    assert not stale, f"stale: {', '.join(stale)}; run `make docs`"


def test_every_verb_and_exit_code() -> None:
    assert headings("cli.md") >= set(VERBS)
    text = (REFERENCE / "cli.md").read_text("utf-8")
    assert all(f"| `{code}` |" in text for code in EXIT_CODES)


def test_every_data_type_with_its_program() -> None:
    assert headings("types.md") >= set(LIBRARY)
    text = (REFERENCE / "types.md").read_text("utf-8")
    assert all(f"```text\n{found.program.rstrip()}\n```" in text for found in LIBRARY.values())


def test_every_public_name() -> None:
    documented = headings("python.md")
    assert documented >= {name for name in rhizomedb.__all__ if not name.startswith("__")}
    methods = {
        (kind.__name__, name)
        for kind in (rhizomedb.Connection, rhizomedb.Database)
        for name in dir(kind)
        if not name.startswith("_")
    }
    assert not {f"{kind}.{name}" for kind, name in methods if not {name, f"{kind}.{name}"} & documented}


def test_every_public_name_says_what_it_is() -> None:
    mute = [name for name in rhizomedb.__all__ if name[0] != "_" and not getattr(rhizomedb, name).__doc__]
    assert not mute


def test_every_builtin() -> None:
    text = (REFERENCE / "builtins.md").read_text("utf-8")
    assert [name for name, function in FUNCTIONS.items() if str(function).replace("|", "\\|") not in text] == []
    assert [name for name in AGGREGATES if f"| `{name}` |" not in text] == []


def test_every_error_code() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    assert [code for code in CODES if f"| `{code}` |" not in text] == []


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings make, as forges make them."""
    text = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$", "", path.read_text("utf-8"))
    found: set[str] = set()
    for title in re.findall(r"(?m)^#+ (.+)$", text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        found.add(re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$", "", page.read_text("utf-8"))
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken
