"""A wiki of two authors that forks and merges: two files, written while apart, that meet in a folder.

python examples/wiki.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import rhizomedb

PAGE = rhizomedb.entity(page="Rhizome")


def sync(place: Path, *copies: rhizomedb.Connection) -> None:
    """Meet in a folder: all say there what they have, and then take what the others have."""
    for copy in copies:
        rhizomedb.push(copy, str(place))
    for copy in copies:
        rhizomedb.pull(copy, str(place))


def links(db: rhizomedb.Connection) -> list[str]:
    """The pages to which this one leads; each link is a hyperedge with both pages in it."""
    edges = db.hyperedges(targets=[PAGE], contexts=["links"])
    return [str(edge.targets("to title")[0]) for edge in edges]


def show(name: str, db: rhizomedb.Connection) -> None:
    page = db.get(PAGE)
    print(f"  {name}: {page['title']} ({page['status']}) | {db.text(PAGE)} | see {', '.join(links(db)) or 'nothing'}")


def link(db: rhizomedb.Connection, to: str) -> bytes:
    return db.relate(("from", (PAGE, "links")), to=(to, "linked from"), **{"to title": to}).edge


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "meeting"
        place.mkdir()
        with (
            rhizomedb.open(Path(folder) / "ana.db", author="ana") as ana,
            rhizomedb.open(Path(folder) / "ben.db", author="ben") as ben,
        ):
            print("Ana begins a page, and Ben gets it.")
            ana.transact([(PAGE, "page", "Rhizome"), (PAGE, "title", "Rhizome"), (PAGE, "status", "draft")])
            ana.text(PAGE).append("A rhizome is a root.")
            biology = link(ana, "Biology")
            sync(place, ana, ben)
            show("both", ben)

            print("Both go offline and write on.")
            ana.transact([(PAGE, "title", "Rhizomes")])
            ana.text(PAGE).insert(0, "In biology: ")
            link(ana, "Deleuze")
            ben.transact([(PAGE, "title", "Rhizome (plant)"), (PAGE, "status", "reviewed")])
            ben.text(PAGE).append(" It grows sideways.")
            ben.negate(biology, "everybody knows that")
            show("ana ", ana)
            show("ben ", ben)

            print("They meet. The texts and links are merged, and both copies show the same.")
            sync(place, ana, ben)
            show("ana ", ana)
            show("ben ", ben)

            print("What they do not agree on is kept, and listed:")
            for conflict in ana.conflicts():
                for said in conflict.values:
                    print(f"  {conflict.attribute}: {said.value}, says {', '.join(said.authors)}")

            print("Ana decides, having seen both; Ben hears of it.")
            ana.transact([(PAGE, "title", "Rhizome (plants)")])
            sync(place, ana, ben)
            show("ben ", ben)
            print(f"  conflicts: {len(ben.conflicts())}")

            print("How the title came to be:")
            for statement in ben.history(PAGE, "title"):
                print(f"  {statement.author}: {statement.claim.value} ({statement.fate})")


if __name__ == "__main__":
    main()
