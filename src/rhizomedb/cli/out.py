"""Printing on standard output and the error stream, with the colours and the width that they have."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterable, Sequence

from rhizomedb.cli.progress import ProgressBar
from rhizomedb.cli.terminal import fit, plural, safe, style_for, table, terminal_width, value_text
from rhizomedb.cli.terminal import width as cells


def say(text: str = "") -> None:
    """A line of ours on standard output; parts that come from the data are made safe by who builds the line."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """A line beside the output, on the error stream."""
    sys.stdout.flush()
    sys.stderr.write(safe(text) + "\n")


def strong(text: str) -> str:
    """Data as a heading."""
    return style_for(sys.stdout)("bold", safe(text))


def faint(text: str) -> str:
    """Data that matters less."""
    return style_for(sys.stdout)("dim", safe(text))


def say_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "", whole: Collection[str] = ()
) -> None:
    """A table as wide as the terminal; without names in the header, only the rows. The columns `whole` are not cut."""
    for line in table(header, rows, width_max=_room(indent), style=style_for(sys.stdout), whole=whole)[
        not any(header) :
    ]:
        say(indent + line)


def say_pairs(rows: Sequence[tuple[str, object, str]], indent: str) -> None:
    """Rows of a mark, a value and words about it: in one line each, or where that is too long, in two."""
    width = _room(indent)
    lines = table(["", "", ""], rows)[1:]
    if width is None or max(map(cells, lines), default=0) <= width:
        return say_table(["", "", ""], rows, indent)
    for mark, value, words in rows:
        say(f"{indent}{mark or ' '}  {fit(value_text(value), width - 3)}")
        say(f"{indent}     {faint(fit(safe(words), width - 5))}")
    return None


def _room(indent: str) -> int | None:
    width = terminal_width(sys.stdout)
    return None if width is None else max(20, width - len(indent))


def values(shown: Iterable[object]) -> str:
    """Values with commas between them."""
    return ", ".join(map(value_text, shown))


def quoted(word: str) -> str:
    """A word as it is typed in a shell."""
    return shlex.quote(safe(word))


def progress(label: str, noun: str | None = None) -> ProgressBar:
    """A progress bar on the error stream, drawn only where a person watches; it counts bytes unless told what."""
    if noun is None:
        return ProgressBar(label, sys.stderr)
    return ProgressBar(label, sys.stderr, unit=lambda count: plural(int(count), noun))


__all__ = [
    "faint",
    "note",
    "plural",
    "progress",
    "quoted",
    "safe",
    "say",
    "say_pairs",
    "say_table",
    "strong",
    "value_text",
    "values",
]
