"""Engines that compile a program to a binary: Soufflé and FlowLog, where their compilers are installed.

Both read the same text. Compiling is not counted; what is, is the whole process of the binary: start, reading the facts and
evaluation, with nothing written but the number of tuples.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.flow import checksum

RULES = {
    "closure": """
        path(a, b) :- edge(a, b).
        path(a, c) :- path(a, b), edge(b, c).
    """,
    "generation": """
        same(x, y) :- parent(p, x), parent(p, y), x != y.
        same(x, y) :- parent(a, x), same(a, b), parent(b, y).
    """,
    "points to": """
        points_to(y, x) :- address_of(y, x).
        points_to(y, x) :- assign(y, z), points_to(z, x).
        points_to(y, w) :- load(y, x), points_to(x, z), points_to(z, w).
        points_to(z, w) :- store(y, x), points_to(y, z), points_to(x, w).
    """,
    "five atoms": """
        found(e, d, b, s) :- fact(e, 0, v), v < 100, fact(e, 1, d), fact(e, 2, b), fact(b, 1, d), fact(b, 3, s).
    """,
}
"""What both languages can say in the same words."""

WIDTHS = {"path": 2, "same": 2, "points_to": 2, "found": 4}

THREADS = 2


@dataclass(frozen=True, slots=True)
class Compiler:
    """How a compiler is called, and its binary: with the facts, where to write the answers, and how many threads."""

    name: str
    program: str
    number: str

    def missing(self) -> str | None:
        """It is a program that is there or not."""
        return None if shutil.which(self.program) else f"`{self.program}` is not installed"

    def compile(self, folder: Path, inputs: Path, program: str, answers: Sequence[str]) -> None:
        """Write the facts, and make two binaries: one that counts, one that writes the answer out."""
        from bench.flow.inputs import read

        relations = read(inputs)
        facts = folder / "facts"
        facts.mkdir(parents=True)
        declared = []
        for name, (names, columns) in relations.items():
            declared.append(_declare(name, names, self.number))
            declared.append(f'.input {name}(IO="file", filename="{name}.csv", delimiter=",")')
            rows = zip(*(column.tolist() for column in columns), strict=True)
            with open(facts / f"{name}.csv", "w", encoding="utf-8") as file:
                file.writelines(",".join(map(str, row)) + "\n" for row in rows)
        for answer in answers:
            declared.append(_declare(answer, [f"c{number}" for number in range(WIDTHS[answer])], self.number))
        for kind, said in (
            ("count", ".printsize {}"),
            ("check", '.output {0}(IO="file", filename="{0}.csv", delimiter=",")'),
        ):
            source = folder / f"{kind}.dl"
            source.write_text("\n".join([*declared, *map(said.format, answers), RULES[program]]))
            words = [self.program, str(source), "-F", str(facts), "-o", str(folder / kind), "-D", str(folder)]
            subprocess.run(words, check=True, capture_output=True, cwd=folder)

    def command(self, folder: Path, *, checked: bool) -> list[str]:
        """How to run a binary."""
        binary = str(folder / ("check" if checked else "count"))
        if self.name == SOUFFLE.name:
            return [binary, "-F", str(folder / "facts"), "-D", str(folder), f"-j{THREADS}"]
        return [binary, "-w", str(THREADS)]


SOUFFLE = Compiler("Soufflé, compiled", "souffle", "number")
FLOWLOG = Compiler("FlowLog, compiled", "flowlog-compiler", "int32")


def counts(printed: str) -> list[int]:
    """The sizes of the answers, from lines that end with a number."""
    return [int(line.split()[-1]) for line in printed.splitlines() if line.split() and line.split()[-1].isdigit()]


def sizes_and_checksums(folder: Path, answers: Sequence[str]) -> list[list[int]]:
    """How many tuples a binary wrote for each answer, and their checksums."""
    import numpy as np

    columns = [np.loadtxt(folder / f"{answer}.csv", np.int64, delimiter=",", ndmin=2).T for answer in answers]
    return [[each.shape[1] for each in columns], [checksum.of_columns(list(each)) for each in columns]]


def _declare(name: str, names: Sequence[str], number: str) -> str:
    return f".decl {name}({', '.join(f'{column}: {number}' for column in names)})"
