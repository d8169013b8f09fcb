"""The worked example of the RhizomeDB specification: a blog post, its author, its comments, and one that is taken back.

Eight JSON deltas come from a blog that knows nothing of this database. Three schemas say what is shown of a post, and
policies what of it is believed.

python examples/blog.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import rhizomedb
from rhizomedb.hyper import HyperSchema, Nest, Property
from rhizomedb.hyper.json_delta import of_hyperedge, read
from rhizomedb.hyper.resolution import Said

ALICE, BOB = "author_alice", "user_bob"


def delta(number: int, timestamp: int, author: str, *pointers: tuple[str, Any]) -> dict[str, Any]:
    """A delta as the blog writes it; a target is a value, or the id of a thing and the context under which it is found."""
    made = [
        {"role": role, "target": {"id": target[0], "context": target[1]} if isinstance(target, tuple) else target}
        for role, target in pointers
    ]
    return {
        "id": f"delta_{number:03}",
        "timestamp": timestamp,
        "author": author,
        "system": "blog_instance_1",
        "pointers": made,
    }


DELTAS = [
    delta(1, 1000, ALICE, ("named", (ALICE, "name")), ("name", "Alice Johnson")),
    delta(2, 1001, ALICE, ("post", ("post_001", "title")), ("title", "Understanding RhizomeDB")),
    delta(3, 1002, ALICE, ("post", ("post_001", "content")), ("content", "RhizomeDB is a novel database …")),
    delta(4, 1003, ALICE, ("post", ("post_001", "author")), ("author", (ALICE, "posts"))),
    delta(5, 2000, BOB, ("comment", ("comment_001", "text")), ("text", "Great explanation!"), ("author", "Bob")),
    delta(6, 2001, BOB, ("post", ("post_001", "comments")), ("comment", ("comment_001", "post"))),
    delta(7, 3000, BOB, ("comment", ("comment_002", "text")), ("text", "This is spam!")),
    delta(8, 3500, BOB, ("negates", ("delta_007", "negated_by")), ("reason", "Accidental spam comment")),
]

# A post shows its author and its comments, and these nothing further: what leads on always comes to an end.
PERSON = HyperSchema("named_entity", "NamedEntity", selects=["name"])
COMMENT = HyperSchema("comment", "Comment", selects=["text"])
POST = HyperSchema(
    "blog_post",
    "BlogPost",
    nests={"author": Nest("named_entity"), "comment": Nest("comment")},
    properties={"title": Property("string", required=True), "comments": Property(role="comment")},
)


def remark(said: Sequence[Said]) -> dict[str, Any]:
    """A policy of one's own: of a comment its latest words, with whoever they name as author, and when."""
    edge = said[-1].edge
    return {"words": edge.targets("text")[0], "author": edge.targets("author")[0], "timestamp": edge.time.ms}


VIEW = {"comments": "all", "Comment.text": remark}  # of everything else the latest is shown


def main() -> None:
    with rhizomedb.open(":memory:") as db:
        print("Eight statements are passed on, and three schemas said:")
        passed = db.pass_on(map(read, DELTAS), origin="the blog")
        for schema in (PERSON, COMMENT, POST):
            db.define(schema)
        print(f"  {len(passed.deltas)} new, {len(db.schemas())} schemas")

        print("Everything that points at the post, and who says it:")
        view = db.hyperview("post_001", "BlogPost")
        for property, entries in view.properties.items():
            for entry in entries:
                print(f"  {property:9} {entry.edge.edge.decode()}, says {entry.edge.claimed_author}")
        (comment,) = view["comments"][0].values("comment")
        print(f"  and inside: {comment['text'][0].values('text')[0]}")

        print("What is shown of it:")
        print(json.dumps(db.show("post_001", "BlogPost", policies=VIEW), indent=2, ensure_ascii=False))

        print("The spam was taken back; it was there before, and is marked where that is asked for:")
        for moment, found in (("now   ", db), ("before", db.as_of(3200))):
            print(f"  {moment}  {found.show('comment_002', COMMENT)}")
        (entry,) = db.hyperview("comment_002", COMMENT, negated="mark")["text"]
        (negation,) = db.hyperedges(targets=[entry.edge.edge], contexts=["negated_by"])
        print(f"  marked  {entry.values('text')[0]} ({negation.targets('reason')[0]})")

        print("An edit takes nothing away:")
        db.relate(post=("post_001", "title"), title="Understanding RhizomeDB, again", author="alice")
        for policy in ("latest", "first", f"claimed:{ALICE}"):
            print(f"  {policy:20} {db.show('post_001', 'BlogPost', policies={'title': policy})['title']}")

        print("The statements leave as they came:")
        left = [of_hyperedge(edge, "?") for edge in db.hyperedges(systems=["blog_instance_1"], negated="mark")]
        print(f"  {left == DELTAS}")


if __name__ == "__main__":
    main()
