"""Two agents share one memory in a file: beliefs with sources, a contradiction, a careful write, a look back.

python examples/agent_memory.py [memory.db]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rhizomedb


@contextmanager
def memory_file(arguments: list[str]) -> Iterator[Path]:
    """The file that was named, or one that is gone afterwards."""
    if arguments:
        yield Path(arguments[0])
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "memory.db"


def explain(db: rhizomedb.Connection, who: str, what: str) -> str:
    """A belief with its source, as an agent would tell it."""
    why = db.why(who, what)
    source = why.support[0]
    doubts = ", ".join(f"{other.author} says {other.claim.value}" for other in why.against) or "nobody says otherwise"
    return f"{why.shown[0]!r}, because {source.author} says so ({source.origin}); {doubts}"


def main(arguments: list[str]) -> None:
    with (
        memory_file(arguments) as path,
        rhizomedb.open(path, author="scheduler") as scheduler,
        rhizomedb.open(path, author="mailbot") as mailbot,  # could be another process
    ):
        scheduler.transact([("Kim", "city", "Lisbon"), ("Kim", "likes", "tea")], origin="message 17")
        print("scheduler:", explain(scheduler, "Kim", "city"))

        # A report that does not claim to overrule anybody: scope "own".
        mailbot.transact([("Kim", "city", "Porto")], scope="own", origin="mail 4")
        print("mailbot:  ", explain(mailbot, "Kim", "city"))
        print("conflicts:", [conflict.attribute for conflict in scheduler.conflicts()])

        # A decision that holds only if nobody wrote meanwhile.
        believed = scheduler.get("Kim", "city")
        decided_at = scheduler.snapshot()
        mailbot.transact([("Kim", "city", "Faro")], scope="own", origin="mail 5")
        try:
            scheduler.transact([("Kim", "airport", "OPO")], expect={("Kim", "city"): believed}, origin="planning")
        except rhizomedb.Error as error:
            print("stopped:  ", error.message)

        scheduler.transact([("Kim", "city", "Faro")], origin="message 23: Kim confirms")
        print("scheduler:", explain(scheduler, "Kim", "city"))
        print("before:   ", repr(decided_at.get("Kim", "city")))

        scheduler.retract("Kim", "likes", origin="message 24")
        print("likes:    ", scheduler.get("Kim", "likes", default="nothing known"))
        print("findings: ", list(scheduler.verify()))


if __name__ == "__main__":
    main(sys.argv[1:])
