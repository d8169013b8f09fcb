"""The facts of `store`: generated in a stream from a fixed seed into one file of inputs, and read from it in batches.

Ten facts an entity on average. Seven tenths arrive entity by entity, seven at a time, with attributes in turn; the rest
hit entities and attributes at random. Values are whole numbers, short texts and floats, mixed. The cause of a fact is
what was the last fact of its entity when its delta began, or the last fact of the delta before if the entity is new.
So every fact but those of the first delta names one earlier fact.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from bench.child import Watch
from bench.store.sizes import ASKED, ATTRIBUTES, FACTS_PER_DELTA, FACTS_PER_ENTITY, FACTS_PER_EPOCH
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.stretch import Stretch

ROW = np.dtype(
    [
        ("digest", "V32"),
        ("cause_digest", "V32"),
        ("cause", "<u4"),
        ("entity", "<u4"),
        ("attribute", "u1"),
        ("value", "<u4"),
        ("term", "<u4"),
    ]
)
"""A fact in the file: its digest, the row of its cause (from 1; 0 is none) and that one's digest, its entity and attribute
by number, its value by the number in which values first came up (from 1), and by what it is (`value_of`)."""

ENTITIES_PER_BATCH = 7
STREAMED = 0.7

WHOLE = TEXTS = 1_000_000
FLOATS = 4_000_000
"""How many values of each kind there are to draw from, the kinds as often as one another."""

ENTITY_BYTES = 16
DIGEST_BYTES = 32

Cell = int | float | str


def value_of(term: int) -> Cell:
    """The value of a term."""
    if term < WHOLE:
        return term
    if term < WHOLE + TEXTS:
        return f"value {term - WHOLE}"
    return (term - WHOLE - TEXTS) / 4 + 0.125


def entities(count: int) -> bytes:
    """The ids of all entities, one after the other."""
    return random.Random(5).randbytes(ENTITY_BYTES * count)


def entity_count(facts: int) -> int:
    """How many entities facts are about."""
    return facts // FACTS_PER_ENTITY


def split(data: bytes, size: int) -> list[bytes]:
    """Bytes in pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


# -- making ------------------------------------------------------------------------------------------------------------


def prepare(_watch: Watch, inputs: str, facts: int) -> dict[str, float]:
    """Write the file of inputs; returns the mean size of a fact's block in bytes, and of how many values they are."""
    path = Path(inputs)
    ids = split(entities(entity_count(facts)), ENTITY_BYTES)
    rows = np.memmap(path, dtype=ROW, mode="w+", shape=(facts,))
    numbers = np.zeros(WHOLE + TEXTS + FLOATS, np.uint32)
    last = np.zeros(len(ids), np.uint32)
    chance = np.random.default_rng(4)
    streamed = values = block_bytes = 0
    for first in range(0, facts, FACTS_PER_EPOCH):
        part = rows[first : first + FACTS_PER_EPOCH]
        streamed = _draw(chance, part, streamed, len(ids))
        values = _number_values(part, numbers, values)
        for start in range(0, len(part), FACTS_PER_DELTA):
            block_bytes += _name(rows, first + start, last, ids)
    rows.flush()
    return {"block_bytes": block_bytes / facts, "values": values}


def _draw(chance: np.random.Generator, part: Any, streamed: int, entities: int) -> int:
    """Draw what facts say; returns how many facts of the stream there were so far."""
    count = len(part)
    in_stream = chance.random(count) < STREAMED
    place = streamed + np.cumsum(in_stream) - 1
    part["entity"] = np.where(in_stream, place // ENTITIES_PER_BATCH % entities, chance.integers(entities, size=count))
    part["attribute"] = np.where(in_stream, place % len(ATTRIBUTES), chance.integers(len(ATTRIBUTES), size=count))
    kind = chance.integers(3, size=count)
    part["term"] = np.choose(
        kind,
        (
            chance.integers(WHOLE, size=count),
            WHOLE + chance.integers(TEXTS, size=count),
            WHOLE + TEXTS + chance.integers(FLOATS, size=count),
        ),
    )
    return streamed + int(in_stream.sum())


def _number_values(part: Any, numbers: Any, values: int) -> int:
    terms = part["term"]
    new, at = np.unique(terms[numbers[terms] == 0], return_index=True)
    new = new[np.argsort(at)]
    numbers[new] = np.arange(values + 1, values + 1 + len(new))
    part["value"] = numbers[terms]
    return values + len(new)


def _name(rows: Any, first: int, last: Any, ids: list[bytes]) -> int:
    """Give the facts of one delta their causes and digests; returns the bytes of their blocks."""
    part = rows[first : first + FACTS_PER_DELTA]
    cause = last[part["entity"]]
    cause[cause == 0] = first
    part["cause"] = cause
    if first:
        part["cause_digest"] = rows["digest"][cause - 1]
    last[part["entity"]] = np.arange(first + 1, first + 1 + len(part))
    stretch = Stretch.from_columns(*columns(part, ids))
    part["digest"] = np.frombuffer(stretch.digests, "V32")
    return len(stretch.encode())


def columns(part: Any, ids: list[bytes]) -> tuple[list[bytes], list[str], list[Cell], list[tuple[Cid, ...]]]:
    """Facts as the columns that `Stretch.from_columns` takes."""
    causes = split(part["cause_digest"].tobytes(), DIGEST_BYTES)
    return (
        [ids[number] for number in part["entity"].tolist()],
        [ATTRIBUTES[number] for number in part["attribute"].tolist()],
        [value_of(term) for term in part["term"].tolist()],
        [(Cid(PREFIX + digest),) if row else () for row, digest in zip(part["cause"].tolist(), causes, strict=True)],
    )


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """The facts of one epoch: the row of the first (from 1), the rows, the ids of all entities, and what came up first."""

    first: int
    rows: Any
    ids: list[bytes]
    new_entities: list[tuple[int, bytes]]
    new_values: list[tuple[int, Cell]]


def batches(inputs: str, facts: int) -> Iterator[Batch]:
    """The file of inputs, an epoch at a time."""
    ids = split(entities(entity_count(facts)), ENTITY_BYTES)
    seen = np.zeros(len(ids), bool)
    values = 0
    for first in range(0, facts, FACTS_PER_EPOCH):
        rows = np.fromfile(inputs, ROW, FACTS_PER_EPOCH, offset=first * ROW.itemsize)
        about = np.unique(rows["entity"])
        about = about[~seen[about]]
        seen[about] = True
        numbers, at = np.unique(rows["value"], return_index=True)
        fresh = numbers > values
        terms = rows["term"][at[fresh]].tolist()
        values = max(values, int(numbers[-1]))
        new_values = list(zip(numbers[fresh].tolist(), map(value_of, terms), strict=True))
        yield Batch(first + 1, rows, ids, [(number, ids[number]) for number in about.tolist()], new_values)


def ask_for(_watch: Watch, inputs: str, facts: int, questions: str) -> str:
    """Write which entities and which facts, anywhere in the file, are asked for; returns the first entity."""
    rows = np.memmap(inputs, dtype=ROW, mode="r", shape=(facts,))
    ids = split(entities(entity_count(facts)), ENTITY_BYTES)
    about, named = np.random.default_rng(6).integers(facts, size=(2, ASKED))
    asked = {
        "entity": [ids[number].hex() for number in rows["entity"][about].tolist()],
        "fact": [digest.hex() for digest in split(rows["digest"][named].tobytes(), DIGEST_BYTES)],
    }
    Path(questions).write_text(json.dumps(asked))
    return asked["entity"][0]


def answer_hash(answers: list[list[tuple[str, str, Cell]]]) -> str:
    """What many questions were answered with, as one hash: the rows of each in any order."""
    return sha256(repr([sorted(rows, key=repr) for rows in answers]).encode()).hexdigest()
