"""What other processes do in the tests of looking after a file: `python care_scripts.py WHAT PATH ...`."""

from __future__ import annotations

import sys
import time

from store_helpers import KEYS, NOW, said

from rhizomedb.store import admit
from rhizomedb.store.backup import backup, restore
from rhizomedb.store.compact import compact
from rhizomedb.store.sqlite import SqliteStore


def stall(stop_at: int) -> object:
    """Progress that says where it is, and waits to be killed at one step."""
    steps = iter(range(1_000_000))

    def progress(done: int, total: int) -> None:
        step = next(steps)
        print(step, done, total, flush=True)
        if step == stop_at:
            time.sleep(60)

    return progress


def back_up(path: str, target: str, stop_at: str = "-1") -> None:
    made = backup(path, target, progress=stall(int(stop_at)))  # type: ignore[arg-type]  # it takes two numbers
    print("done", made.epoch, flush=True)


def bring_back(path: str, target: str, stop_at: str = "-1") -> None:
    step = stall(int(stop_at))
    restore(path, target, force=True, discard=True, progress=step)  # type: ignore[arg-type]  # it takes two numbers
    print("done", flush=True)


def hold_open(path: str) -> None:
    store = SqliteStore(path, create=False)
    print(store.epoch(), flush=True)
    sys.stdin.read()


def write_on(path: str, who: str, times: str) -> None:
    """Write, each delta in an epoch of its own, and say each epoch when it is there."""
    store = SqliteStore(path, create=True, wait_ms=60_000, durability="normal")
    for number in range(int(times)):
        delta = said(1_000_000 * (int(who) + 1) + number, key=KEYS[int(who)])
        print(admit(store, [delta], now_ms=NOW, origin=f"writer {who}").epoch, flush=True)


def make_small(path: str) -> None:
    print(compact(path, wait_ms=60_000).segments, flush=True)


if __name__ == "__main__":
    {
        "backup": back_up,
        "restore": bring_back,
        "hold": hold_open,
        "write": write_on,
        "compact": make_small,
    }[sys.argv[1]](*sys.argv[2:])
