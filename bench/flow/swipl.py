"""SWI-Prolog with tabling, as a process of its own that times itself.

Points-to is tabled by subsumption: otherwise every variable asked for has a table of its own, and it takes forever.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.flow import checksum

RULES = {
    "closure": """
        :- table path/2.
        path(A, B) :- edge(A, B).
        path(A, C) :- path(A, B), edge(B, C).
    """,
    "generation": """
        :- table same/2.
        same(X, Y) :- parent(P, X), parent(P, Y), X =\\= Y.
        same(X, Y) :- same(A, B), parent(A, X), parent(B, Y).
    """,
    "points to": """
        :- table points_to/2 as subsumptive.
        points_to(Y, X) :- address_of(Y, X).
        points_to(Y, X) :- assign(Y, Z), points_to(Z, X).
        points_to(Y, W) :- load(Y, X), points_to(X, Z), points_to(Z, W).
        points_to(Z, W) :- store(Y, X), points_to(Y, Z), points_to(X, W).
    """,
    "components": """
        :- table label(_, min).
        label(X, X) :- edge(X, _).
        label(X, L) :- edge(X, Y), label(Y, L).
    """,
    "triangles": """
        triangles(N) :- aggregate_all(count, (edge(A, B), edge(B, C), edge(A, C)), N).
    """,
    "five atoms": """
        :- table found/4.
        found(E, D, B, S) :- fact(E, 0, V), V < 100, fact(E, 1, D), fact(E, 2, B), fact(B, 1, D), fact(B, 3, S).
    """,
}

ARITY = {"path": 2, "same": 2, "points_to": 2, "label": 2, "triangles": 1, "found": 4}

_MAIN = """
:- use_module(library(aggregate)).
:- style_check(-singleton).

count(N) :- aggregate_all(count, {answer}, N).
checksum(S) :- aggregate_all(sum(H), ({answer}, W is {weighted}, H is {cube}), S).

main :-
    current_prolog_flag(argv, [Checked|_]),
    statistics(cputime, C0), get_time(T0),
    count(N),
    get_time(T1), statistics(cputime, C1),
    Wall is T1 - T0, Cpu is C1 - C0,
    (Checked == check -> checksum(S) ; S = null),
    format("{{\\"eval\\": [~w, ~w], \\"answer\\": [[~w], [~w]]}}~n", [Wall, Cpu, N, S]).
"""


def missing() -> str | None:
    """It is a program that is there or not."""
    return None if shutil.which("swipl") else "`swipl` is not installed"


def write(folder: Path, inputs: Path, program: str, answers: Sequence[str]) -> Path:
    """The program and its facts as one file of Prolog."""
    from bench.flow.inputs import read

    path = folder / "program.pl"
    [answer] = answers
    variables = [f"C{number}" for number in range(ARITY[answer])]
    # Prolog writes the remainder as `mod`.
    weighted, cube = (text.replace("%", "mod") for text in (checksum.weighted_sum(variables), checksum.cube("W")))
    with open(path, "w", encoding="utf-8") as file:
        file.write(_MAIN.format(answer=f"{answer}({', '.join(variables)})", weighted=weighted, cube=cube))
        file.write(RULES[program])
        for name, (_, columns) in read(inputs).items():
            file.write("\n")
            rows = zip(*(column.tolist() for column in columns), strict=True)
            file.writelines(f"{name}({', '.join(map(str, row))}).\n" for row in rows)
    return path


def command(path: Path, *, checked: bool) -> list[str]:
    """How to run it. The limits of its stacks and tables are set beyond what a workload may use."""
    limits = ("--stack-limit=8g", "--table-space=8g")
    return ["swipl", *limits, "-g", "main", "-t", "halt", str(path), "--", "check" if checked else "count"]
