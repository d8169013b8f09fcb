"""Editing histories: real ones where their files are at hand, and ones that are made for small sizes.

The collection editing-traces (CC BY 4.0; rustcode, sveltecomponent, friendsforever, clownschool: Joseph Gentle,
automerge-paper: Martin Kleppmann) is not part of this project: `RHIZOMEDB_BENCH_DATA` names the folder that holds its files as
`traces/NAME.json.gz`. A patch is (position, how many characters go, what comes), an edit some patches, with the edits that
its writer had seen last.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FOLDER = "RHIZOMEDB_BENCH_DATA"

PAPER = "automerge-paper"
CONCURRENT = ("friendsforever", "clownschool")

Patch = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Edit:
    """Patches of one writer, and the edits that they had seen last, by number."""

    writer: int
    seen: tuple[int, ...]
    patches: tuple[Patch, ...]


def missing() -> str | None:
    """What to say where the histories are not at hand."""
    named = os.environ.get(FOLDER)
    if named is None:
        return f"{FOLDER} does not name the folder that holds them"
    if not _file(PAPER).exists():
        return f"the folder that {FOLDER} names has no traces/{PAPER}.json.gz"
    return None


def patches(name: str) -> list[Patch]:
    """The patches of a history of one writer; of `made`, so many that were made up."""
    if name.startswith("made "):
        return made(int(name.removeprefix("made ")))
    whole = json.loads(gzip.decompress(_file(name).read_bytes()))
    return [tuple(patch) for txn in whole["txns"] for patch in txn["patches"]]


def edits(name: str, most: int | None = None) -> list[Edit]:
    """The edits of a history of several writers."""
    if name.startswith("made "):
        return _made_by_two(int(name.removeprefix("made ")))
    whole = json.loads(gzip.decompress(_file(name).read_bytes()))
    return [
        Edit(txn["agent"], tuple(txn["parents"]), tuple(map(tuple, txn["patches"]))) for txn in whole["txns"][:most]
    ]


def ending(name: str) -> str:
    """The text that a real history ends with."""
    text: str = json.loads(gzip.decompress(_file(name).read_bytes()))["endContent"]
    return text


def made(count: int) -> list[Patch]:
    """Typing with the cursor set elsewhere now and then, and a quarter taken back."""
    chance, size, cursor, found = random.Random(5), 0, 0, []
    for _ in range(count):
        if chance.random() < 0.03:
            cursor = chance.randint(0, size)
        if cursor and chance.random() < 0.25:
            cursor -= 1
            size -= 1
            found.append((cursor, 1, ""))
        else:
            found.append((cursor, 0, chance.choice("abcdefgh ")))
            cursor += 1
            size += 1
    return found


def _made_by_two(count: int) -> list[Edit]:
    """Two who type apart, at two ends of a text, and see each other's work every ten edits."""
    found = [Edit(0, (), ((0, 0, "middle"),))]
    last = {0: 0, 1: 0}
    size = 6
    while len(found) < count:
        seen = tuple(sorted(set(last.values())))
        for writer in (0, 1):
            before = seen
            for number in range(10):
                place = number if writer == 0 else size + number
                found.append(Edit(writer, before, ((place, 0, "ab"[writer]),)))
                before = (len(found) - 1,)
            last[writer] = len(found) - 1
        size += 20
    return found


class Copy(Protocol):
    """One copy of a text, of any engine."""

    def edit(self, patches: list[Patch]) -> list[bytes]:
        """Make some patches together; what others have to be sent."""
        ...

    def receive(self, sent: list[bytes]) -> None:
        """Take in what others sent."""
        ...

    def text(self) -> str:
        """The text."""
        ...


def replay(history: list[Edit], copies: list[Copy]) -> list[bytes]:
    """Let each writer make their edits, having seen what they had seen and nothing else; everything that was sent."""
    seen: list[list[int]] = []  # by edit: how many edits of each writer it had seen, itself among them
    own: list[list[list[bytes]]] = [[] for _ in copies]  # what each writer sent, by their edits
    has = [[0] * len(copies) for _ in copies]
    everything = []
    for some in stretches(history):
        writer = history[some[0]].writer
        receive(copies[writer], writer, own, has[writer], _before(history[some[0]], seen, len(copies)))
        sent = copies[writer].edit([patch for number in some for patch in history[number].patches])
        everything += sent
        for number in some:
            now = _before(history[number], seen, len(copies))
            now[writer] += 1
            seen.append(now)
            own[writer].append(sent if number == some[-1] else [])
        has[writer][writer] += len(some)
    for writer, copy in enumerate(copies):
        receive(copy, writer, own, has[writer], [len(sent) for sent in own])
    return everything


def receive(copy: Copy, writer: int, own: list[list[list[bytes]]], has: list[int], wanted: list[int]) -> None:
    """Let a copy have so many edits of each of the others."""
    coming = []
    for other, sent in enumerate(own):
        if other != writer:
            coming += [one for each in sent[has[other] : wanted[other]] for one in each]
            has[other] = max(has[other], wanted[other])
    if coming:
        copy.receive(coming)


def _before(edit: Edit, seen: list[list[int]], writers: int) -> list[int]:
    found = [seen[number] for number in edit.seen]
    return [max(counts) for counts in zip(*found, strict=True)] if found else [0] * writers


def stretches(history: list[Edit]) -> Iterator[list[int]]:
    """Edits of one writer one after the other, of which nobody saw some without the others."""
    after: dict[int, list[int]] = {}
    for number, edit in enumerate(history):
        for before in edit.seen:
            after.setdefault(before, []).append(number)
    some: list[int] = []
    for number, edit in enumerate(history):
        last = some[-1] if some else -1
        if edit.seen == (last,) and after[last] == [number] and history[last].writer == edit.writer:
            some.append(number)
        else:
            if some:
                yield some
            some = [number]
    if some:
        yield some


def _file(name: str) -> Path:
    return Path(os.environ[FOLDER]) / "traces" / f"{name}.json.gz"
