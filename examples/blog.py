"""A blog post with an author, tags and comments: hyperedges, a schema that nests, a comment that is taken back.

python examples/blog.py
"""

from __future__ import annotations

from typing import Any

import rhizomedb
from rhizomedb.hyper import HyperSchema, Nest, Property

POST, ANA, BO, CY = b"post:forks", b"person:ana", b"person:bo", b"person:cy"

# A post shows its comments, a comment its writer, and a person nothing else: what leads on always comes to an end.
PERSON = HyperSchema("person", "Person", selects=["name"])
COMMENT = HyperSchema("comment", "Comment", selects=["text", "writer"], nests={"writer": Nest("person")})
ARTICLE = HyperSchema(
    "post",
    "Post",
    selects=["title", "body", "writer", "tags", "comments"],
    nests={"writer": Nest("person"), "comment": Nest("comment")},
    properties={
        "title": Property("string", required=True),
        "tags": Property(role="tag"),  # else a property has its value in the role of its own name
        "comments": Property(role="comment"),
    },
)


def write(db: rhizomedb.Connection) -> None:
    """A post, as the blog software says it: one statement for each thing that is said."""
    for person, name in ((ANA, "Ana"), (BO, "Bo"), (CY, "Cy")):
        db.relate(of=(person, "name"), name=name, author="blog")
    db.relate(of=(POST, "title"), title="Forks are fine", author="ana")
    db.relate(of=(POST, "body"), body="Two copies may differ for a while.", author="ana")
    db.relate(post=(POST, "writer"), writer=(ANA, "wrote"), author="ana")
    for tag in ("databases", "offline"):
        db.relate(of=(POST, "tags"), tag=tag, author="ana")


def comment(db: rhizomedb.Connection, who: bytes, author: str, text: str) -> bytes:
    """A comment is a thing of its own: so it can be answered, liked, or taken back."""
    made = rhizomedb.new_entity()
    db.relate(of=(made, "text"), text=text, author=author)
    db.relate(comment=(made, "writer"), writer=(who, "commented"), author=author)
    return db.relate(post=(POST, "comments"), comment=(made, "on"), author=author).edge


def page(post: dict[str, Any]) -> None:
    """The post as its readers see it."""
    print(f"  {post['title']}, by {post['writer']['name']}   [{', '.join(post['tags'])}]")
    print(f"  {post['body']}")
    for each in post.get("comments", []):
        print(f"    {each['writer']['name']}: {each['text']}")


def main() -> None:
    with rhizomedb.open(":memory:") as db:
        for schema in (PERSON, COMMENT, ARTICLE):
            db.define(schema, author="blog")
        write(db)
        comment(db, BO, "bo", "So they are.")
        spam = comment(db, CY, "cy", "Buy my forks!")
        lists = {"tags": "all", "comments": "all"}  # of everything else the latest is shown

        print("The post:")
        page(db.show("post:forks", "Post", policies=lists))

        print("Ana edits it, and takes a comment back:")
        before = db.snapshot()
        db.relate(of=(POST, "body"), body="Two copies may differ, and meet again.", author="ana")
        no = db.negate(spam, "advertising", author="ana")
        page(db.show("post:forks", "Post", policies=lists))

        print("Nothing is lost; as it was before:")
        page(before.show("post:forks", "Post", policies=lists))

        print("Who said what of the body:")
        for entry in db.hyperview("post:forks", "Post")["body"]:
            print(f"    {db.author_name(entry.edge.author)}: {entry.values('body')[0]}")

        print("What was taken back, and why:")
        for edge in db.hyperedges(targets=["post:forks"], negated="only"):
            (reason,) = db.hyperedge(no.edge).targets("reason")
            print(f"    a comment of {db.author_name(edge.author)}: {reason}")

        print("Who trusts nobody but writers themselves sees it still:")
        page(db.show("post:forks", "Post", policies=lists, trusted=[]))


if __name__ == "__main__":
    main()
