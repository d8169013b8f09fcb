"""The page of results: what was measured on which machine, and whether what must hold does.

Every section says when and where it was measured, so that one can be measured again and the others stay.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "rhizomedb",
    "apsw",
    "pynacl",
    "sqlite-utils",
    "duckdb",
    "lmdb",
    "numpy",
    "cozo-embedded",
    "pycrdt",
    "loro",
    "matplotlib",
)


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

    def text(self, measured: str) -> str:
        """The section without its heading; `measured` says where and when."""
        claims = "\n".join(map(str, self.must_be)) or "- no figure is asked for here"
        return "\n\n".join((measured, self.what, f"Must be:\n\n{claims}", *self.tables))


READING = """\
Times are medians over fresh processes, with the least and the greatest in brackets; CPU is user and system time of
all threads; peak is the most memory that the whole process held. Ours and the peer's ran in turn, and their answers
were compared. `ours ÷ peer` above 1 says how many times slower we are, by
the wall clock and in CPU time. Growth is the factor to the size before it, in
the line above. Pages of files were in the system's cache."""


HEADING = "\n## "


def page(sections: Mapping[str, str]) -> str:
    """The whole page as Markdown, from the texts of its sections by name."""
    head = "# Results\n\nMade by `make bench`; not edited by hand."
    named = (f"## {name}\n\n{text.strip()}" for name, text in sections.items())
    return "\n\n".join((head, READING, *named)) + "\n"


def sections_of(text: str) -> dict[str, str]:
    """The sections of a page, by name: what `page` was made from."""
    _, *sections = text.split(HEADING)
    return {name: said.strip() for name, _, said in (section.partition("\n") for section in sections)}


def machine(load_before: float, seconds: float) -> str:
    """The machine and the versions, in a paragraph that names neither the host nor a path."""
    libraries = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)))
    return (
        f"Measured on {os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, {libraries}, SQLite {_own_sqlite()} (ours) and {sqlite3.sqlite_version} "
        f"(sqlite-utils). {datetime.now(UTC):%Y-%m-%d}; the run took {max(1, round(seconds / 60))} minutes. The load of "
        f"the machine was {load_before:.1f} when it began; where wall time is well above CPU time, other programs had the "
        "cores or the disk was waited for."
    )


def _version(library: str) -> str:
    """The version of a library, nothing if it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


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
