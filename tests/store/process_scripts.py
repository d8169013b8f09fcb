"""What other processes do in the tests: `python process_scripts.py WHAT PATH ...`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from store_helpers import KEYS, NOW, delta

from rhizomedb.errors import StoreError
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, admit, check, folder, tiers
from rhizomedb.store.sqlite import SqliteStore


def say(path: str, who: str, times: str) -> None:
    """Write so many deltas, each in its own transaction, and print each number when it is acknowledged."""
    store = SqliteStore(path, create=True, wait_ms=60_000)
    for number in range(int(times)):
        facts = [Fact(f"{who}/{number}/{part}".encode(), "n" * (1 + 70 * (part % 2)), number) for part in range(4)]
        admit(store, [delta(*facts, key=KEYS[int(who)]).encode()], now_ms=NOW, origin=who)
        print(number, flush=True)


def occupy(path: str, seconds: str) -> None:
    """Be the writer for a while, with something half said."""
    store = SqliteStore(path, create=False)
    with store.writing():
        epoch = store.begin(NOW, "slow")
        store.append([delta(Fact(b"slow", "n", 1))], epoch)
        print("writing", flush=True)
        time.sleep(float(seconds))
    print(store.counts(ALL)["deltas"], flush=True)


def shorten(path: str, read_max: str, size: str, when: str) -> None:
    """Have every segment cut short while it is in use, and print what is answered after that."""
    folder.READ_BYTES_MAX = int(read_max)
    store = SqliteStore(path, create=False)

    assert store.epoch() == 1

    def cut() -> None:
        assert store._indexed.tiers.in_files, "there is something to cut"
        for name in os.listdir(f"{path}-index"):
            os.truncate(f"{path}-index/{name}", int(size))
        time.sleep(2e-9 * tiers.LOOKED_NS)

    def attempt(what: Callable[[], object]) -> None:
        try:
            print(what(), flush=True)
        except StoreError as error:
            print(error.code, flush=True)

    if when == "between":
        cut()
    elif when == "scanning":
        scan = store.scan("fact", {}, ALL)
        next(scan)
        cut()
        attempt(lambda: sum(1 for _ in scan))
    elif when == "writing":
        with suppress(StoreError), store.writing():
            epoch = store.begin(NOW, "cut")
            cut()
            attempt(lambda: store.append([delta(Fact(b"cut", "n", 1))], epoch))
            raise StoreError("store.full", "nothing of this is kept")
    elif when == "verifying":
        walk = check.log_rows

        def cut_at_first(*arguments: Any) -> Iterator[check.LogRow]:
            cut()
            check.log_rows = walk
            return walk(*arguments)

        check.log_rows = cut_at_first
        attempt(lambda: len(list(store.verify())))
    print(sum(1 for _ in store.scan("fact", {}, ALL)), store.epoch())
    print(admit(store, [delta(Fact(b"after", "n", 1)).encode()], now_ms=NOW, origin="after").new)
    print(len(list(store.verify())))
    store.close()


if __name__ == "__main__":
    {"say": say, "occupy": occupy, "shorten": shorten}[sys.argv[1]](*sys.argv[2:])
