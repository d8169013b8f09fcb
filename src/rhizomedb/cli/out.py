"""Printing on standard output and the error stream, with the colours and the width that they have."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence

from rhizomedb.cli.progress import ProgressBar
from rhizomedb.cli.terminal import plural, safe, style_for, table, terminal_width, value_text


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


def say_table(header: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> None:
    """A table as wide as the terminal; without names in the header, only the rows."""
    width = terminal_width(sys.stdout)
    lines = table(
        header, rows, width_max=None if width is None else max(20, width - len(indent)), style=style_for(sys.stdout)
    )
    for line in lines if any(header) else lines[1:]:
        say(indent + line)


def values(shown: Iterable[object]) -> str:
    """Values with commas between them."""
    return ", ".join(map(value_text, shown))


def quoted(word: str) -> str:
    """A word as it is typed in a shell."""
    return shlex.quote(safe(word))


def progress(label: str) -> ProgressBar:
    """A progress bar on the error stream, drawn only where a person watches."""
    return ProgressBar(label, sys.stderr)


__all__ = [
    "faint",
    "note",
    "plural",
    "progress",
    "quoted",
    "safe",
    "say",
    "say_table",
    "strong",
    "value_text",
    "values",
]
