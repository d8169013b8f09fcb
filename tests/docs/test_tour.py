"""Every command and every line of Python in the documentation runs, and gives what the page says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from doc_pages import REPOSITORY, agrees, blocks, environment, pages, run_page


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


RUNNING = [
    page
    for page in pages()
    if any(b.language in ("console", "python", "pomologic") for b in blocks(page.read_text("utf-8")))
]


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_page_says_what_happens(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    findings = run_page(page, folder)
    assert not findings, "\n\n".join(map(str, findings))


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        ("136", "136", True),
        ("136", "138", False),
        ("136  ", "136\n", True),
        ("imdb 2026-11-20 14:14", "imdb 2027-01-01 00:00", True),
        ("imdb 2026-11-20", "imdb 2027-01-01", False),
        ("fact …bjitmmqhqq", "fact …vypfnkix6a", True),
        ("fact …bjitmmqhqq", "fact bjitmmqhqq", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nb\nc", False),
        ("", "something", False),
        ("1.4 s. The files are in …", "0.9 s. The files are in /tmp/x", True),
        ("time: 1795184726621", "time: 1800000000000", True),
    ],
)
def test_what_agrees(expected: str, actual: str, agree: bool) -> None:
    assert agrees(expected, actual) is agree
