"""Segments that somebody made up, with right sums and a right seal, given to a store: `crafted_segments.py PATH SEED`.

A process of its own, because the backend is chosen once, and because a crash would end it.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import apsw

from rhizomedb.errors import Error
from rhizomedb.store import ALL, COLUMNS, Cut
from rhizomedb.store.segment import HEADER_BYTES, NAMES, PAGE_BYTES, SECTIONS, pages, read_header, seal
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.tiers import Index, Segment, merge_segments

TIMES = 60
NUMBERS = (0, 1, 2, 9, 255, 2**31 - 1, 2**31, 2**32 - 1)


def summed(content: bytearray) -> bytes:
    """With the sums of its pages."""
    end = read_header(bytes(content)).sums_at
    for page in range(pages(end)):
        part = content[page * PAGE_BYTES : min(end, (page + 1) * PAGE_BYTES)]
        content[end + 4 * page : end + 4 * page + 4] = zlib.crc32(part).to_bytes(4, "little")
    return bytes(content)


def crafted(content: bytes, rng: random.Random) -> bytes:
    """Another segment of the same header: one or several of its sections are anything."""
    header = read_header(content)
    made = bytearray(content)
    for name in rng.sample(NAMES, rng.choice([1, 1, 2, len(NAMES)])):
        size = SECTIONS[name]
        number = NAMES.index(name)
        at, length = header.offsets[number], header.counts[number] * size
        match rng.randrange(4):
            case 0:
                made[at : at + length] = rng.randbytes(length)
            case 1:
                made[at : at + length] = bytes(length)
            case 2 if size in (4, 8) and length:
                for _ in range(rng.choice([1, 20])):
                    place = at + rng.randrange(length // size) * size
                    made[place : place + size] = rng.choice(NUMBERS).to_bytes(size, "little")
            case _:
                items = [made[start : start + size] for start in range(at, at + length, size)]
                rng.shuffle(items)
                made[at : at + length] = b"".join(items)
    return summed(made)


def headers(content: bytes, rng: random.Random) -> bytes:
    """A header of which some numbers are anything."""
    made = bytearray(content)
    for _ in range(rng.choice([1, 3])):
        place = rng.randrange(16, HEADER_BYTES - 8)
        made[place : place + 4] = rng.choice(NUMBERS).to_bytes(4, "little")
    return bytes(made)


def uses(store: SqliteStore) -> Iterator[object]:
    for relation in COLUMNS:
        yield lambda relation=relation: list(store.scan(relation, {}, ALL))
    for cut in (ALL, Cut(epoch=2), Cut(until=99)):
        yield lambda cut=cut: list(store.scan("fact", {"entity": b"e1", "attribute": "n1"}, cut))
        yield lambda cut=cut: list(store.scan("fact", {"attribute": "n1", "value": 8}, cut))
        yield lambda cut=cut: list(store.scan("fact", {"value": 8}, cut))
        yield lambda cut=cut: list(store.entities(cut))
        yield lambda cut=cut: store.counts(cut)
        yield lambda cut=cut: store.attributes(cut)
    yield store.epochs
    yield store.held
    yield lambda: list(store.repeated(3))
    yield lambda: store.entities_starting("6", ALL)
    yield lambda: list(store.envelopes())
    yield lambda: list(store.verify())


def attempt(act: object) -> None:
    try:
        act()  # type: ignore[operator]
    except Error as error:
        assert error.code.startswith("store."), error


def touch(content: bytes) -> None:
    """Every look-up of the kernels themselves."""
    segment = Segment(content)
    index = Index([segment])
    for number in NUMBERS:
        for name in ("facts_of_delta", "causes", "effects", "sayers", "repeated_by", "has_author"):
            attempt(lambda name=name, number=number: getattr(index, name)(number))
        for name in ("keys", "deltas", "digests", "facts", "hyperedges"):
            attempt(lambda name=name, number=number: getattr(index, name)([number]))
        for place in ((number, 0, 0), (0, number, 0), (0, 0, number), (number, 1, 0), (0, 1, number)):
            attempt(lambda place=place: [index.read(part) for part in index.ranges(*place)])
        attempt(lambda number=number: index.read((0, number % 3, 0, number % 500)))
        attempt(lambda: index.ordered(0, b"", 1000))
        attempt(lambda number=number: index.members(number, number, 2))
        attempt(lambda number=number: index.visible([number], 9, -1, 2**62, [number]))
    attempt(lambda: index.repeated(2**31 - 1))
    attempt(lambda: index.find_cell(b"6"))
    attempt(lambda: index.find_delta(bytes(32)))
    attempt(lambda: index.find_fact(bytes(32)))
    attempt(lambda: merge_segments([segment]))


def main(path: str, seed: str) -> None:
    rng = random.Random(int(seed))
    (file,) = Path(f"{path}-index").iterdir()
    content = file.read_bytes()
    for time in range(TIMES):
        made = headers(content, rng) if time % 6 == 5 else crafted(content, rng)
        attempt(lambda made=made: touch(made))
        if time % 4:
            continue
        file.write_bytes(made)
        try:
            sealed = seal(made, read_header(made).sums_at)
        except Error:
            sealed = bytes(16)
        connection = apsw.Connection(path)
        connection.execute("UPDATE segment SET seal = ?", (sealed,))
        connection.close()
        store = SqliteStore(path, create=False)
        for use in uses(store):
            attempt(use)
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
