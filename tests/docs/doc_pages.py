"""Pages that run: every `console` and `python` block of a Markdown page, and what the page says comes out.

A page starts in an empty folder. Its blocks run from top to bottom and share the folder, the current directory and the
Python names.

* ```` ```console ````: a line `$ command` and the output beneath it, standard output and errors together. `rhizome`
  runs inside this process, `cd` moves the page, anything else goes to `bash`. A command may fail only where the page
  shows an error code.
* ```` ```python ```` with `>>>`: as in doctest. Without: a program; a `text` block right after it is what it prints.
* ```` ```pomologic ````: a program that must parse.

What changes from run to run is compared by its shape (`CHANGING`), and `…` stands for anything.

    python tests/docs/doc_pages.py docs/tour.md …        writes the real output where a page says something else
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import rhizomedb
from rhizomedb import cli
from rhizomedb.errors import CODES

REPOSITORY = Path(__file__).resolve().parents[2]

CHANGING: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:[+-]\d\d:\d\d|Z)", "<moment>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "<minute>"),
    (r"\b1[789]\d{11}\b", "<milliseconds>"),
    (r"…[a-z2-7]{10}\b", "<short id>"),
    (r"\b\d+\.\d+ (?:s|ms)\b", "<duration>"),
    (r"""(system: )?(["'])[0-9a-f]{16}\2""", "<system>"),
)
"""What no two runs share, and the word for it: moments, the ends of CIDs, durations, instances."""

ENVIRONMENT = {"NO_COLOR": "1", "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def normal(text: str) -> str:
    """A text with its changing parts named, without blanks at the ends of lines."""
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def agrees(expected: str, actual: str) -> bool:
    """Whether an output is what a page says it is."""
    parts = map(re.escape, normal(expected).split("…"))
    return re.fullmatch("(?s:.*?)".join(parts), normal(actual)) is not None


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the index of its first line within the page, and its lines."""

    language: str
    first: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.lines)


@dataclass(frozen=True)
class Finding:
    """An output that is not as the page says: which lines of the page hold it, and what came instead."""

    page: Path
    line: int
    command: str
    expected: str
    actual: str
    lines: tuple[int, int]
    prefix: str = ""

    def __str__(self) -> str:
        return (
            f"{self.page.relative_to(REPOSITORY)}:{self.line}: {self.command}\n"
            f"--- the page says\n{self.expected}\n--- what comes\n{self.actual}"
        )


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    opened: tuple[str, str, int] | None = None
    lines = text.split("\n")
    for index, line in enumerate(lines):
        fence = re.match(r"(`{3,}|~{3,})\s*(\w*)\s*$", line)
        if opened is None and fence:
            opened = (fence[1], fence[2], index + 1)
        elif opened is not None and line.rstrip() == opened[0]:
            yield Block(opened[1], opened[2], tuple(lines[opened[2] : index]))
            opened = None


@dataclass
class Session:
    """A page under way."""

    page: Path
    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self) -> Iterator[Finding]:
        """Run every block; gives what is not as the page says."""
        found = list(blocks(self.page.read_text("utf-8")))
        for block, after in zip_longest(found, found[1:]):
            match block.language:
                case "console":
                    yield from self._console(block)
                case "python" if ">>> " in block.text:
                    yield from self._dialogue(block)
                case "python":
                    told = after if after and after.language == "text" and after.first - self._end(block) <= 3 else None
                    yield from self._program(block, told)
                case "pomologic":
                    rhizomedb.parse(block.text)

    @staticmethod
    def _end(block: Block) -> int:
        return block.first + len(block.lines)

    def _console(self, block: Block) -> Iterator[Finding]:
        index = 0
        while index < len(block.lines):
            line = block.lines[index]
            assert line.startswith("$ "), f"{self.page}:{block.first + index + 1}: output without a command"
            command, at = line[2:], index
            index += 1
            while index < len(block.lines) and _goes_on(command):
                command += "\n" + block.lines[index]
                index += 1
            start = index
            while index < len(block.lines) and not block.lines[index].startswith("$ "):
                index += 1
            expected = "\n".join(block.lines[start:index])
            code, actual = self._command(command)
            if code and code not in CODES_OF_DAMAGE and not any(f"{known}:" in actual for known in CODES):
                actual += f"\n(the command failed with {code})"
            if not agrees(expected, actual) or (code and expected.strip() in ("", "…")):
                where = (block.first + start, block.first + index)
                yield Finding(self.page, block.first + at + 1, command, expected, actual.strip("\n"), where)

    def _command(self, command: str) -> tuple[int, str]:
        words = list(shlex.shlex(command.replace("\\\n", " "), punctuation_chars=True))
        plain = not any(set(word) <= set("();<>|&") for word in words)
        if plain and words[0] == "cd":
            os.chdir(shlex.split(command)[1])
            return 0, ""
        if plain and words[0] == "rhizome":
            with _captured() as output:
                code = cli.main(shlex.split(command)[1:])
            return code, output.text()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, **ENVIRONMENT, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    def _dialogue(self, block: Block) -> Iterator[Finding]:
        for example in doctest.DocTestParser().get_examples(block.text):
            with _captured() as output:
                try:
                    exec(compile(example.source, str(self.page), "single", dont_inherit=True), self.names)
                except Exception as error:
                    lines = traceback.format_exception_only(error)
                    print("Traceback (most recent call last):", "  …", "".join(lines), sep="\n")
            actual = re.sub(r"(?m)^[ ]*$", "<BLANKLINE>", output.text().rstrip("\n")) if output.text() else ""
            if not agrees(example.want, actual):
                first = block.first + example.lineno + example.source.count("\n")
                where = (first, first + example.want.count("\n"))
                line = block.first + example.lineno + 1
                yield Finding(self.page, line, example.source.rstrip(), example.want.rstrip(), actual, where)

    def _program(self, block: Block, told: Block | None) -> Iterator[Finding]:
        with _captured() as output:
            exec(compile(ast.parse(block.text), str(self.page), "exec", dont_inherit=True), self.names)
        if told is not None and not agrees(told.text, output.text()):
            where = (told.first, self._end(told))
            yield Finding(self.page, block.first, "the program", told.text, output.text().strip("\n"), where)


CODES_OF_DAMAGE = {3}
"""Exit codes that are an answer and no failure: `verify` found damage, or `export` could not save everything."""


def _goes_on(command: str) -> bool:
    """Whether a command needs another line: after a backslash, in a quotation, in a here-document."""
    if command.endswith("\\"):
        return True
    here = re.search(r"<<-?\s*'?(\w+)'?", command.split("\n", maxsplit=1)[0])
    if here:
        return command.rsplit("\n", maxsplit=1)[-1] != here[1]
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


class _Output(io.TextIOWrapper):
    """What is printed, with a binary side as a real output has."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode("utf-8").replace("\r\n", "\n")


@contextlib.contextmanager
def _captured() -> Iterator[_Output]:
    output = _Output()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield output


def run_page(page: Path, folder: Path) -> list[Finding]:
    """Run a page in a folder; what is not as it says."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        return list(Session(page, folder).run())
    finally:
        os.chdir(before)


def pages() -> list[Path]:
    """Every page that runs, the generated reference and the specifications among them."""
    return [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def rewrite(page: Path, findings: list[Finding]) -> None:
    """Put what really comes out into a page."""
    lines = page.read_text("utf-8").split("\n")
    for finding in sorted(findings, key=lambda finding: finding.lines, reverse=True):
        lines[slice(*finding.lines)] = finding.actual.split("\n") if finding.actual else []
    page.write_text("\n".join(lines), "utf-8")


def environment(home: Path) -> Mapping[str, str]:
    """The environment in which pages run."""
    return {**ENVIRONMENT, "RHIZOME_HOME": str(home), "TZ": "UTC", "LOGNAME": "you", "COLUMNS": "120"}


def main(arguments: list[str]) -> None:
    import tempfile
    import time

    for name in arguments:
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
            os.environ.update(environment(Path(home)))
            time.tzset()
            findings = run_page(Path(name).resolve(), Path(folder))
            rewrite(Path(name), findings)
            print(f"{name}: {len(findings)} outputs written")


if __name__ == "__main__":
    main(sys.argv[1:])
