"""The verb check: what is wrong with a program, and which of its relations may be shown before everything has arrived."""

from __future__ import annotations

import os
import re
from argparse import Namespace

from rhizomedb.cli import out
from rhizomedb.cli.session import parts, print_lines, text_of_file
from rhizomedb.db.programs.checking import EARLY, LATE
from rhizomedb.db.programs.checking import check as checked

REASONS_MAX = 3
"""How many reasons are told of one relation; `--json` has all."""


def _text(program: str) -> str:
    """The program: what a file holds, with `@` before its name or without, or the text itself, as `query` takes it."""
    is_file = program.startswith("@") or os.path.exists(program) or not re.search(r"[(\s]", program)
    return text_of_file(program.removeprefix("@")) if is_file else program


def check(options: Namespace) -> int:
    """Whether a program has a meaning, and of which relations nothing is withdrawn when facts arrive."""
    found = checked(_text(options.program), using=parts(options.using))
    found.raise_if_wrong()
    if options.json:
        print_lines(found.rows())
        return 0
    for name, each in found.relations.items():
        out.say(f"{out.strong(found.called(name))}  {EARLY if each.is_monotone else LATE}")
        for reason in each.reasons[:REASONS_MAX]:
            out.say(f"  {out.safe(str(reason))}")
        if len(each.reasons) > REASONS_MAX:
            out.say(f"  and {out.plural(len(each.reasons) - REASONS_MAX, 'more reason')}")
    return 0
