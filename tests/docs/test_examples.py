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
        "  8 new, 3 schemas\n",
        "  author    delta_004, says author_alice\n  comments  delta_006, says user_bob\n",
        '  "author": {\n    "id": "author_alice",\n    "name": "Alice Johnson"\n  },\n',
        '        "words": "Great explanation!",\n        "author": "Bob",\n        "timestamp": 2000\n',
        "  now     {'id': 'comment_002'}\n  before  {'id': 'comment_002', 'text': 'This is spam!'}\n",
        "  marked  This is spam! (Accidental spam comment)\n",
        "  latest               Understanding RhizomeDB, again\n  first                Understanding RhizomeDB\n",
        "The statements leave as they came:\n  True\n",
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
