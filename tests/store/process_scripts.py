"""What other processes do in the tests: `python process_scripts.py WHAT PATH ...`."""

from __future__ import annotations

import sys
import time

from store_helpers import KEYS, NOW, delta

from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL, admit
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


if __name__ == "__main__":
    {"say": say, "occupy": occupy}[sys.argv[1]](*sys.argv[2:])
