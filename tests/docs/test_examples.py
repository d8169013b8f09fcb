"""The examples run, and print what they are there to show."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from doc_pages import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

SHOWN = {
    "disagreeing_sources.py": [
        "Alien, runtime: 116 (wikipedia) or 117 (imdb)",
        "trusted:imdb  117 minutes, Horror",
        "alice says so; nobody says otherwise",
        "Conflicts: 3 before, 2 now.",
    ],
    "agent_memory.py": [
        "scheduler: 'Lisbon', because scheduler says so (message 17); nobody says otherwise",
        "mailbot:   'Porto', because mailbot says so (mail 4); scheduler says Lisbon",
        "stopped:   city of Kim is Faro, not Porto; nothing was written",
        "before:    'Porto'",
        "likes:     nothing known",
        "findings:  []",
    ],
}


def test_every_example_is_listed() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_example(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RHIZOME_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", [name])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    assert [line for line in SHOWN[name] if line not in printed] == []
