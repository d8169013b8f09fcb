"""The page of results: what was measured on which machine, and whether what must hold does."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("rhizomedb", "apsw", "pynacl", "sqlite-utils", "duckdb", "lmdb", "numpy")


@dataclass(frozen=True, slots=True)
class MustBe:
    """One line that has to hold, as it was asked for, and the figures that say whether it does."""

    text: str
    met: bool
    figures: str

    def __str__(self) -> str:
        return f"- **{'met' if self.met else 'missed'}**: {self.text}. Measured: {self.figures}."


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark: its name, what is measured, what must be, and its tables."""

    name: str
    what: str
    must_be: Sequence[MustBe]
    tables: Sequence[str]

    def __str__(self) -> str:
        claims = "\n".join(map(str, self.must_be)) or "- no figure is asked for here"
        return "\n\n".join((f"## {self.name}", self.what, f"Must be:\n\n{claims}", *self.tables))


READING = """\
Times are medians over fresh processes, with the least and the greatest in brackets; CPU is user and system time of
all threads; peak is the most memory that the whole process held. Ours and the peer's ran in turn, and their answers
were compared. `ours ÷ peer` above 1 says how many times slower we are, by
the wall clock and in CPU time. Growth is the factor to the size before it, in
the line above. Pages of files were in the system's cache."""


def page(sections: Iterable[Section], load_before: float, seconds: float) -> str:
    """The whole page as Markdown."""
    head = "# Results\n\nMade by `make bench`; not edited by hand."
    return "\n\n".join((head, machine(load_before, seconds), READING, *map(str, sections))) + "\n"


def replaced(text: str, sections: Iterable[Section], load_before: float, seconds: float) -> str:
    """A page with some sections in the place of those of the same names, or behind the others; the rest stays as it is."""
    head, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    found = {part.split("\n", 1)[0].removeprefix("## "): part.strip() for part in parts}
    for section in sections:
        title, _, rest = str(section).partition("\n\n")
        found[section.name] = f"{title}\n\nMeasured apart from the rest: {machine(load_before, seconds)}\n\n{rest}"
    return "\n\n".join((head.strip(), *found.values())) + "\n"


def machine(load_before: float, seconds: float) -> str:
    """The machine and the versions, in a paragraph that names neither the host nor a path."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, {libraries}, SQLite {_own_sqlite()} (ours) and {sqlite3.sqlite_version} "
        f"(sqlite-utils). {datetime.now(UTC):%Y-%m-%d}; the run took {seconds / 60:.0f} minutes. The load of "
        f"the machine was {load_before:.1f} when it began; where wall time is well above CPU time, other programs had the "
        "cores or the disk was waited for."
    )


def load() -> float:
    """How many programs want a core, over the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            name, _, text = line.partition(":")
            if name.strip() == "model name":
                return text.strip()
    return platform.processor() or "unknown processor"


def _own_sqlite() -> str:
    import apsw

    return apsw.sqlite_lib_version()
