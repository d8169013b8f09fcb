"""Films by sources that disagree: schemas, nested views, policies, looking back, and who said what.

python examples/films.py
"""

from __future__ import annotations

import rhizomedb
from rhizomedb.hyper import HyperSchema, Nest, Property
from rhizomedb.hyper.negation import BY_ANYBODY

FILM, PEOPLE = b"film:matrix", {"Keanu Reeves": b"person:keanu", "Carrie-Anne Moss": b"person:carrie-anne"}

PERSON = HyperSchema("person", "Person", selects=["name", "born"])
MOVIE = HyperSchema(
    "movie",
    "Movie",
    selects=["title", "year", "runtime", "cast"],
    nests={"actor": Nest("person")},
    properties={"title": Property("string", required=True), "year": Property("integer.year")},
)


def catalogue(db: rhizomedb.Connection, source: str, year: int | str, minutes: int) -> None:
    """What a source says of the film. Another source says its own; neither writes over the other."""
    db.relate(film=(FILM, "title"), title="The Matrix", author=source)
    db.relate(film=(FILM, "year"), year=year, author=source)
    db.relate(film=(FILM, "runtime"), runtime=minutes, author=source)


def play(db: rhizomedb.Connection, source: str, actor: str, character: str) -> bytes:
    """One statement about an actor, a film and a character at once; it is found from either end."""
    person = PEOPLE[actor]
    return db.relate(film=(FILM, "cast"), actor=(person, "appeared in"), character=character, author=source).edge


def main() -> None:
    with rhizomedb.open(":memory:") as db:
        for schema in (PERSON, MOVIE):
            db.define(schema, author="curator")
        for name, person in PEOPLE.items():
            db.relate(of=(person, "name"), name=name, author="imdb")
        db.relate(of=(PEOPLE["Keanu Reeves"], "born"), born=1964, author="imdb")

        catalogue(db, "imdb", 1999, 136)
        catalogue(db, "wikipedia", 1999, 138)
        catalogue(db, "fansite", "the year of the cat", 136)  # no year, and so none that the schema shows
        play(db, "imdb", "Keanu Reeves", "Neo")
        wrong = play(db, "fansite", "Carrie-Anne Moss", "Neo")

        print("What does each policy show?")
        for policy in ("latest", "first", "vote", "max", "average", "trusted:wikipedia"):
            film = db.show("film:matrix", "Movie", policy=policy)
            print(f"  {policy:18} {film['runtime']:g} minutes, {film['year']:g}")

        print("Who says so?")
        for property in ("year", "runtime"):
            for entry in db.hyperview("film:matrix", "Movie")[property]:
                print(f"  {property:8} {entry.values(property)[0]}, says {db.author_name(entry.edge.author)}")

        def cast(db: rhizomedb.Connection | rhizomedb.Database) -> list[str]:
            shown = db.show("film:matrix", "Movie", policies={"cast": "all"})
            return [f"{role['actor']['name']} as {role['character']}" for role in shown["cast"]]

        print("Cast:", "; ".join(cast(db)))
        before = db.snapshot()
        db.negate(wrong, "that was Trinity", author="curator")
        play(db, "curator", "Carrie-Anne Moss", "Trinity")
        print("Cast:", "; ".join(cast(db)), "(corrected)")
        print("Cast:", "; ".join(cast(before)), "(before)")

        print("From the other end:")
        for edge in db.hyperedges(targets=["person:carrie-anne"], contexts=["appeared in"], negated="mark"):
            fate = "taken back" if edge.is_negated else "stands"
            print(f"  {edge.targets('character')[0]}, says {db.author_name(edge.author)}: {fate}")

        print("The schema is data as well:")
        db.define(HyperSchema("movie", "Film", selects=["title"]), author="curator")
        print(f"  now    {db.show('film:matrix', 'Film')}")
        print(f"  before {before.show('film:matrix', 'Movie', policies={'cast': 'first'})['title']} had a cast")

        print("And a program reads the same facts, and what takes them back:")
        program = """
        played(character: C, actor: A) :-
            F := fact(entity: M, attribute: "cast", value: E), asserts(delta: D, fact: F), delta(id: D, edge: E),
            fact(entity: E, attribute: "character", value: C), fact(entity: E, attribute: "actor", value: A),
            !negated(edge: E).
        """
        for character, actor in sorted(db.query(program + BY_ANYBODY, relation="played")):
            print(f"  {character}: {actor.decode()}")


if __name__ == "__main__":
    main()
