"""What other processes do while a database is watched: `python watch_script.py PATH WHO TIMES`."""

from __future__ import annotations

import sys

import rhizomedb


def main(path: str, who: str, times: str) -> None:
    with rhizomedb.open(path, author=who, wait_ms=60_000, durability="normal") as db:
        for number in range(int(times)):
            db.transact([(f"{who} {number}", "n", number)], origin=f"by {who}")


if __name__ == "__main__":
    main(*sys.argv[1:])
