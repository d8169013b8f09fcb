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
    "blog.py": [
        "  Forks are fine, by Ana   [databases, offline]\n  Two copies may differ for a while.\n    Bo: So they are.\n    Cy: Buy",
        "  Two copies may differ, and meet again.\n    Bo: So they are.\nNothing is lost; as it was before:\n",
        "    ana: Two copies may differ for a while.\n    ana: Two copies may differ, and meet again.\n",
        "    a comment of cy: advertising\n",
        "  Two copies may differ, and meet again.\n    Bo: So they are.\n    Cy: Buy my forks!\n",
    ],
    "films.py": [
        "  latest             136 minutes, 1999\n",
        "  average            136.667 minutes, 1999\n",
        "  trusted:wikipedia  138 minutes, 1999\n",
        "  runtime  138, says wikipedia\n",
        "Cast: Keanu Reeves as Neo; Carrie-Anne Moss as Neo\n",
        "Cast: Keanu Reeves as Neo; Carrie-Anne Moss as Trinity (corrected)\n",
        "Cast: Keanu Reeves as Neo; Carrie-Anne Moss as Neo (before)\n",
        "  Neo, says fansite: taken back\n  Trinity, says curator: stands\n",
        "  now    {'id': 'film:matrix', 'title': 'The Matrix'}\n",
        "  Neo: person:keanu\n  Trinity: person:carrie-anne\n",
    ],
    "wiki.py": [
        "  both: Rhizome (draft) | A rhizome is a root. | see Biology\n",
        "  ana : Rhizomes (draft) | In biology: A rhizome is a root. | see Biology, Deleuze\n",
        "  ben : Rhizome (plant) (reviewed) | A rhizome is a root. It grows sideways. | see nothing\n",
        "(reviewed) | In biology: A rhizome is a root. It grows sideways. | see Deleuze\n",
        "  title: Rhizome (plant), says ben\n",
        "  title: Rhizomes, says ana\n",
        "  ben : Rhizome (plants) (reviewed) | In biology: A rhizome is a root. It grows sideways. | see Deleuze\n",
        "  conflicts: 0\n",
        "  ana: Rhizome (plants) (stands)\n",
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
