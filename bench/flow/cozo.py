"""Cozo in memory: the closest product, an embedded database that is asked in Datalog.

The answer of a script is what is derived, counted, since Cozo has no way to keep it but a stored relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from bench.flow import checksum
from bench.flow.graphs import Relations

RULES = {
    "closure": """
        path[a, b] := *edge[a, b]
        path[a, c] := path[a, b], *edge[b, c]
    """,
    "generation": """
        same[x, y] := *parent[p, x], *parent[p, y], x != y
        same[x, y] := same[a, b], *parent[a, x], *parent[b, y]
    """,
    "points to": """
        points_to[y, x] := *address_of[y, x]
        points_to[y, x] := *assign[y, z], points_to[z, x]
        points_to[y, w] := *load[y, x], points_to[x, z], points_to[z, w]
        points_to[z, w] := *store[y, x], points_to[y, z], points_to[x, w]
    """,
    "components": """
        label[node, min(least)] := *edge[node, _], least = node
        label[node, min(least)] := label[other, least], *edge[other, node]
    """,
    "triangles": "triangles[count(a)] := *edge[a, b], *edge[b, c], *edge[a, c]",
    "five atoms": """
        found[e, d, b, s] :=
            *fact[e, 0, v], v < 100, *fact[e, 1, d], *fact[e, 2, b], *fact[b, 1, d], *fact[b, 3, s]
    """,
}

WIDTHS = {"path": 2, "same": 2, "points_to": 2, "label": 2, "triangles": 1, "found": 4}
"""How many columns an answer has."""


def missing() -> str | None:
    """Cozo has wheels for few systems."""
    try:
        found = all(map(find_spec, ("pycozo", "cozo_embedded")))
    except ModuleNotFoundError:
        found = False
    return None if found else "`pycozo[embedded]` is not installed"


class Loaded:
    """Stored relations in memory, keyed by all their columns, as they come."""

    def __init__(self, relations: Relations) -> None:
        from pycozo.client import Client

        self._db = Client("mem", "", dataframe=False)
        self._program = ""
        for name, (names, columns) in relations.items():
            self._db.run(f":create {name} {{{', '.join(f'{column}: Int' for column in names)}}}")
            rows = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
            self._db.import_relations({name: {"headers": list(names), "rows": rows}})

    def run(self, program: str, answers: Sequence[str]) -> list[int]:
        """Derive and count."""
        self._program = program
        return [int(self._ask(f"?[count({_columns(answer)[0]})] := {_atom(answer)}")) for answer in answers]

    def checksums(self, answers: Sequence[str]) -> list[int]:
        """Derive once more, and sum up in the database: handing everything over would take far longer."""
        return [
            int(
                self._ask(
                    f"weighed[{_list(answer)}, w] := {_atom(answer)}, w = {checksum.weighted_sum(_columns(answer))}\n"
                    f"?[sum(h)] := weighed[{_list(answer)}, w], h = {checksum.cube('w')}"
                )
            )
            for answer in answers
        ]

    def _ask(self, question: str) -> Any:
        return self._db.run(f"{RULES[self._program]}\n{question}")["rows"][0][0]


def _columns(answer: str) -> list[str]:
    return [f"c{number}" for number in range(WIDTHS[answer])]


def _list(answer: str) -> str:
    return ", ".join(_columns(answer))


def _atom(answer: str) -> str:
    return f"{answer}[{_list(answer)}]"


def load(relations: Relations) -> Loaded:
    """Take relations in."""
    return Loaded(relations)
