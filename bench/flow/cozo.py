"""Cozo in memory: the closest product, an embedded database that is asked in Datalog.

Cozo joins in the order in which a body is written, and looks up by the first columns of a relation: each body
begins with what is new, and some relations are stored in another order too. The answer of a script is what is derived, counted, since the only
way to keep it is a stored relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bench.flow import checksum

if TYPE_CHECKING:
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
        points_to[y, x] := points_to[z, x], *assign_back[z, y]
        points_to[y, w] := points_to[x, z], *load_back[x, y], points_to[z, w]
        points_to[z, w] := points_to[y, z], *store[y, x], points_to[x, w]
    """,
    "components": """
        label[node, min(least)] := *edge[node, _], least = node
        label[node, min(least)] := label[other, least], *edge[other, node]
    """,
    "triangles": "triangles[count(a)] := *edge[a, b], *edge[b, c], *edge[a, c]",
    "five atoms": """
        found[e, d, b, s] :=
            *fact_back[0, v, e], v < 100, *fact[e, 1, d], *fact[e, 2, b], *fact[b, 1, d], *fact[b, 3, s]
    """,
}

BACK = {"assign": (1, 0), "load": (1, 0), "fact": (1, 2, 0)}
"""The order of columns in which a relation is stored a second time."""

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
            self._store(name, names, columns)
            if name in BACK:
                self._store(f"{name}_back", *([of[place] for place in BACK[name]] for of in (names, columns)))

    def _store(self, name: str, names: Sequence[str], columns: Sequence[Any]) -> None:
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
                    f"?[sum(h)] := {_atom(answer)}, w = {checksum.weighted_sum(_columns(answer))}, h = {checksum.cube('w')}"
                )
            )
            for answer in answers
        ]

    def _ask(self, question: str) -> Any:
        return self._db.run(f"{RULES[self._program]}\n{question}")["rows"][0][0]


def _columns(answer: str) -> list[str]:
    return [f"c{number}" for number in range(WIDTHS[answer])]


def _atom(answer: str) -> str:
    return f"{answer}[{', '.join(_columns(answer))}]"


def load(relations: Relations) -> Loaded:
    """Take relations in."""
    return Loaded(relations)
