"""The data that benchmarks are run on: generated from fixed seeds, the same for ours and for the peer."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

COLUMNS = ("id", "title", "year", "runtime", "director")

WORDS = (
    "Moon",
    "River",
    "Night",
    "Garden",
    "Winter",
    "Stranger",
    "Iron",
    "Glass",
    "Summer",
    "Silence",
    "North",
    "Fire",
)

Film = tuple[str, str, int, int, str]


def films(rows: int) -> Iterator[Film]:
    """Films in the columns of `COLUMNS`: every title once, a director for twenty films, a third over three hours."""
    chance = random.Random(1)
    for number in range(rows):
        yield (
            film_id(number),
            film_title(number),
            chance.randint(1920, 2025),
            chance.randint(60, 240),
            f"{chance.choice(WORDS)} Director {chance.randrange(max(1, rows // 20))}",
        )


def film_id(number: int) -> str:
    """The key of a film."""
    return f"tt{number:07d}"


def film_title(number: int) -> str:
    """The title of a film, which no other has."""
    return f"The {WORDS[number % 12]} of {WORDS[number // 12 % 12]} {number}"


def some_films(rows: int, most: int) -> list[int]:
    """Numbers of films to ask for, anywhere in the table."""
    return random.Random(2).choices(range(rows), k=most)


def write_csv(folder: Path, rows: int) -> Path:
    """The films as a CSV file in a folder; written once."""
    path = folder / f"films-{rows}.csv"
    if not path.exists():
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(films(rows))
    return path


def chain(edges: int) -> list[tuple[int, int]]:
    """A path through a graph: as deep as it is long."""
    return [(node, node + 1) for node in range(edges)]


def random_graph(edges: int) -> list[tuple[int, int]]:
    """Half as many nodes as edges, joined at random."""
    chance = random.Random(3)
    nodes = edges // 2
    found: dict[tuple[int, int], None] = {}
    while len(found) < edges:
        edge = (chance.randrange(nodes), chance.randrange(nodes))
        if edge[0] != edge[1]:
            found[edge] = None
    return list(found)


GRAPHS = {"chain": chain, "random graph": random_graph}
