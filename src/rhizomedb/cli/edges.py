"""The verbs of hyperedges: edges, relate, negate, and the import of JSON deltas."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rhizomedb.cli import out
from rhizomedb.cli.session import at_moment, file_stem, known_thing, opened, print_lines, value_of
from rhizomedb.db.connection import Connection
from rhizomedb.db.graph.hyperedges import show_id
from rhizomedb.db.graph.relating import Related
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Authors, Names
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.exchange.json_deltas import import_json_deltas
from rhizomedb.exchange.source import Source
from rhizomedb.hyper import json_delta
from rhizomedb.hyper.pointer import Hyperedge, Pointer, Reference

BAD_SHOWN_MAX = 20

_EXAMPLE = 'rhizome relate FILE "actor=@Keanu Reeves:appearedIn" "movie=@The Matrix:cast" characterName=Neo'


def edges(options: Namespace) -> int:
    """The hyperedges that meet the conditions, oldest first."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        if options.target is not None:
            known_thing(reader, options.target)
        limit = options.limit
        found = reader.hyperedges(
            ids=options.id,
            targets=None if options.target is None else [options.target],
            contexts=options.context,
            claimed_authors=options.claimed_author,
            systems=options.system,
            negated=options.negated,
            trusted=options.trusted,
        )
        shown = found if limit is None else found[:limit]
        authors = reader._authors()
        if options.json:
            print_lines(_as_dict(edge, authors) for edge in shown)
            return 0
        _say_pointers(
            reader,
            shown,
            lambda edge: (
                f"{_id(edge.edge)}  {show_ms(edge.time.ms)}  {_who(edge, authors)}"
                f"{'  taken back' if edge.is_negated else ''}"
            ),
        )
        more = len(found) - len(shown)
        out.say(f"{out.plural(len(found), 'hyperedge')}" + (f", {more:,} more not shown" if more else ""))
        if not found:
            for note in _why_none(reader, options):
                out.note(note)
    return 0


def _why_none(reader: Reader, options: Namespace) -> Iterator[str]:
    """What may be misspelt where nothing was found."""
    every = reader.hyperedges(negated="mark")
    for what, asked, known in (
        ("the context", options.context, {each.context for edge in every for each in edge.references}),
        ("the id", options.id, None),
        ("the system", options.system, {edge.system for edge in every}),
        ("the claimed author", options.claimed_author, {edge.claimed_author for edge in every}),
    ):
        some = {show_id(edge.edge) for edge in every} if known is None else {each for each in known if each}
        for each in asked or ():
            is_here = any(edge.edge == reader.thing(each) for edge in every) if known is None else each in some
            if not is_here:
                near = nearest_names(each, some)
                meant = f"; did you mean {', '.join(map(out.safe, near))}?" if near else ""
                yield f"note: no hyperedge here has {what} {out.safe(each)}{meant}"


def relate(options: Namespace) -> int:
    """Say a hyperedge."""
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        done = db.relate(*(_read(db, text) for text in options.pointers), origin="rhizome relate")
        _said(options, done, "said")
        if not options.json:
            _say_pointers(db, [db.hyperedge(done.edge)])
    return 0


def negate(options: Namespace) -> int:
    """Take a hyperedge back."""
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        edge = db.hyperedge(options.id)
        done = db.negate(edge, options.reason)
        return _said(options, done, f"{_id(edge.edge)} taken back, by")


def import_json(options: Namespace, source: Source, memory: int | None) -> int:
    """Take in JSON deltas of the reference."""
    author = options.author or ("stdin" if options.source == "-" else file_stem(options.source))
    if options.key:
        out.note("note: these are JSON deltas: their things stay what they are called, and --key does nothing")
    with opened(options.file, create=True, wait=options.wait, durability=options.durability, memory=memory) as db:
        with out.progress(f"importing {source.name}") as bar:
            report = import_json_deltas(
                db,
                source,
                author=author,
                origin=f"import of {os.path.basename(source.name)}",
                skip_bad=options.skip_bad,
                progress=bar,
            )
        done, bad = report.done, report.bad
        if options.json:
            print_lines(
                [
                    {
                        "new": len(done.deltas),
                        "known": done.known,
                        "epoch": done.epoch,
                        "author": author,
                        "bad": [{"line": each.line, "message": each.message} for each in bad],
                    }
                ]
            )
            return 0
        where = f" (epoch {done.epoch})" if done.epoch else ""
        out.say(
            f"{out.plural(report.lines, 'JSON delta')} passed on by {author}: {len(done.deltas):,} new, "
            f"{done.known:,} known already{where}"
        )
        if done:
            out.note("note: the authors that they name are kept as claims: nobody has signed them")
        if report.bad_count:
            out.note(f"{out.plural(report.bad_count, 'line')} left out:")
            for each in bad[:BAD_SHOWN_MAX]:
                out.note(f"  {each}")
            if report.bad_count > BAD_SHOWN_MAX:
                out.note(f"  … {report.bad_count - BAD_SHOWN_MAX:,} more")
    return 0


def _said(options: Namespace, done: Related, words: str) -> int:
    if options.json:
        print_lines(
            [{"epoch": done.epoch, "deltas": list(done.deltas), "facts": done.facts, "id": json_delta.id_of(done.edge)}]
        )
    else:
        out.say(f"{words} {_id(done.edge)}   (epoch {done.epoch})")
    return 0


def _read(db: Connection, text: str) -> tuple[str, Any]:
    """A role and its target: `role=value`, `role=@thing` or `role=@thing:context`; `@film:42:` is a thing with a colon.

    A colon with a blank behind it belongs to a name, as in `@2001: A Space Odyssey`.
    """
    role, equals, target = text.partition("=")
    if not role or not equals:
        raise RequestError("db.usage", f"{text!r:.60} is no ROLE=TARGET", fix=_EXAMPLE)
    if not target.startswith("@"):
        return role, value_of(target)
    whole = target[1:]
    thing, colon, context = whole.rpartition(":")
    if not colon or context.startswith(" "):
        thing, context = whole, ""
    if not thing:
        raise RequestError("db.usage", f"{text!r:.60} names no thing", fix=_EXAMPLE)
    if context and _is_known(db, whole) and not _is_known(db, thing):
        raise RequestError(
            "db.usage",
            f"{text!r:.60} may mean {whole!r:.60}, which is known here, or {thing!r:.60} under {context!r:.60}",
            fix=f"{role}=@{whole}: for the first, {role}=@{whole}:CONTEXT for it under a context",
        )
    return role, (thing, context) if context else (thing, None)


def _is_known(db: Connection, thing: str) -> bool:
    """Whether a text is the id or the name of something here."""
    return db.is_known(json_delta.entity_of(thing)) or bool(Names(db._store, db.cut).find(thing, called=True))


def _say_pointers(reader: Reader, edges: Iterable[Hyperedge], head: Callable[[Hyperedge], str] | None = None) -> None:
    """The pointers of hyperedges, things by what they are called."""
    edges = list(edges)
    labels = reader.labels({target.entity for edge in edges for target in edge.references})
    for edge in edges:
        if head is not None:
            out.say(head(edge))
        for pointer in edge.pointers:
            out.say(f"  {out.safe(pointer.role)}  {_target(pointer, labels)}")


def _as_dict(edge: Hyperedge, authors: Authors) -> dict[str, Any]:
    author = authors.name(edge.author)
    said = json_delta.of_hyperedge(edge, author)
    return {**said, "delta": edge.delta, "signed_by": author, "is_negated": edge.is_negated}


def _who(edge: Hyperedge, authors: Authors) -> str:
    author = out.safe(authors.name(edge.author))
    return author if edge.claimed_author is None else f"{out.safe(edge.claimed_author)} (as {author} claims)"


def _target(pointer: Pointer, labels: Mapping[bytes, str]) -> str:
    target = pointer.target
    if not isinstance(target, Reference):
        return out.value_text(target)
    return f"→ {out.safe(labels[target.entity])}" + (
        f" · {out.safe(target.context)}" if target.context is not None else ""
    )


def _id(entity: bytes) -> str:
    return out.safe(show_id(entity))
