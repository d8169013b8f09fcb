"""`rhizome demo`: two film catalogues that disagree, from import to why, with the commands that anybody can type.

The example files lie beside this module; README.md there says where their values come from.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from importlib import resources
from pathlib import Path

from rhizomedb.cli import out
from rhizomedb.cli.session import print_lines
from rhizomedb.errors import ExchangeError

FILES = ("imdb.csv", "wiki.csv", "wiki-corrected.csv")

STEPS: tuple[tuple[str, str], ...] = (
    ("Two catalogues. Each is taken in as what one source says; the title names the film.",
     "rhizome import films.db imdb.csv --as imdb --key title"),
    ("", "rhizome import films.db wiki.csv --as wikipedia --key title"),
    ("What do they disagree about? Nothing was overwritten; a policy chooses what the view shows.",
     "rhizome conflicts films.db --limit 4"),
    ("Why does the view show that?", 'rhizome why films.db "The Matrix" runtime'),
    ("Trust one source instead: nothing is rewritten.",
     'rhizome get films.db "The Matrix" runtime --policy trusted:imdb'),
    ("The second catalogue publishes a new edition. It replaces what it said itself, and nothing else.",
     "rhizome import films.db wiki-corrected.csv --as wikipedia --key title"),
    ("What is said now, and what was said before.", 'rhizome history films.db "The Matrix" runtime'),
    ("What this copy knew after the second import.", 'rhizome get films.db "The Matrix" --epoch 2'),
    ("A question in Datalog: films longer than three hours, by any source.",
     "rhizome query films.db 'long(title: T, minutes: R) :- fact(entity: E, attribute: \"title\", value: T), "
     "fact(entity: E, attribute: \"runtime\", value: R), R > 180.'"),
    ("Every hash and signature, checked.", "rhizome verify films.db"),
    ("", "rhizome films.db"),
)  # fmt: skip
"""What the demo says and runs, in order."""


def demo(options: Namespace) -> int:
    """Run the steps in a folder, each printed as it would be typed."""
    from rhizomedb.cli import main

    started = time.monotonic()
    folder = Path(options.folder) if options.folder else Path(tempfile.mkdtemp(prefix="rhizome-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "films.db").exists():
            raise ExchangeError(
                "exchange.unwritable", f"{folder} holds a films.db already", fix="name another folder, or remove it"
            )
        for name in FILES:
            with resources.as_file(resources.files(__package__) / name) as path:
                shutil.copy(path, folder / name)
    except OSError as error:
        raise ExchangeError(
            "exchange.unwritable", f"{folder}: {error.strerror}", fix="name a folder you can write"
        ) from None
    before = os.getcwd()
    os.chdir(folder)
    try:
        for words, command in STEPS:
            if options.json:
                print_lines([{"command": command, "about": words}])
            else:
                out.say((f"\n{out.faint(words)}\n" if words else "") + out.strong(f"$ {command}"))
            sys.stdout.flush()
            code = main([*shlex.split(command)[1:], *(["--json"] if options.json else [])])
            if code:
                return code
    finally:
        os.chdir(before)
    took = time.monotonic() - started
    if options.json:
        print_lines([{"seconds": round(took, 1), "folder": str(folder)}])
    else:
        out.say(f"\n{took:.1f} s. The files are in {folder}; try the commands there, or your own CSV.")
    return 0
