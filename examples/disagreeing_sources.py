"""Two catalogues disagree about a film: list the conflicts, ask why, decide, and look back.

python examples/disagreeing_sources.py
"""

from __future__ import annotations

import rhizomedb

CATALOGUES = {
    "imdb": {"Alien": {"runtime": 117, "genre": "Horror"}, "Ran": {"runtime": 160, "genre": "Drama"}},
    "wikipedia": {"Alien": {"runtime": 116, "genre": "Science fiction"}, "Ran": {"runtime": 160, "genre": "War"}},
}


def main() -> None:
    with rhizomedb.open(":memory:") as db:
        for source, films in CATALOGUES.items():
            said = [
                # The key derives the entity, so that both catalogues speak of the same film.
                (rhizomedb.entity(title=title), attribute, value)
                for title, film in films.items()
                for attribute, value in {"title": title, **film}.items()
            ]
            db.transact(said, author=source, scope="own")

        print("Who disagrees?")
        for conflict in db.conflicts():
            sides = " or ".join(f"{said.value} ({', '.join(said.authors)})" for said in conflict.values)
            print(f"  {conflict.label}, {conflict.attribute}: {sides}")

        print("What does each policy show of Alien?")
        for policy in ("first", "latest", "trusted:imdb", "max"):
            shown = db.get("Alien", policy=policy)
            print(f"  {policy:13} {shown['runtime']} minutes, {shown['genre']}")

        before = db.snapshot()
        db.transact([("Alien", "runtime", 117)], author="alice")  # she has seen both

        print("Why 117?")
        why = db.why("Alien", "runtime")
        for support in why.support:
            print(f"  {support.author} says so; {why.reason}")
        for statement in why.fallen:
            print(f"  {statement.author} said {statement.claim.value}: {statement.fate}")

        print(f"Conflicts: {len(before.conflicts())} before, {len(db.conflicts())} now.")


if __name__ == "__main__":
    main()
