"""The verbs of vocabulary: what means the same, and how versions of a schema become each other; and reading so."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any, TypeAlias

from rhizomedb.cli import out
from rhizomedb.cli.session import at_moment, opened, print_lines, text_of_file
from rhizomedb.db.graph.hyperedges import show_id
from rhizomedb.db.graph.relating import Related
from rhizomedb.db.moment import show_ms
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.hyper import lens as lenses
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.lens import Step
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.hyper.vocabulary import ALIAS, SAME, VOCABULARY, members

if TYPE_CHECKING:
    from rhizomedb.db.graph.versions import Versioned
    from rhizomedb.db.graph.vocabulary import Understood

_STEP = '\'{"rename": ["title", "name"]}\''

Reading: TypeAlias = "Reader | Understood | Versioned"
"""A database as it is, by a vocabulary, or as a version."""


def reading(reader: Reader, options: Namespace) -> Reading:
    """How the options want a database to be read."""
    if options.vocabulary and options.as_version is not None:
        raise RequestError(
            "db.usage", "a database is read by a vocabulary or as a version", fix="leave one of them out"
        )
    if options.vocabulary:
        return reader.with_vocabulary(trusted=options.believe)
    if options.as_version is not None:
        return reader.as_version(options.as_version, trusted=options.believe)
    if options.believe is not None:
        raise RequestError("db.usage", "--believe goes with --vocabulary or --as-version")
    return reader


def alias(options: Namespace) -> int:
    """Say that attributes mean the same."""
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        known = [name for name in db.attribute_names() if isinstance(name, str)]
        code = _said(options, db.alias(*options.names), " = ".join(map(out.safe, options.names)))
        for name in options.names:
            if known and name not in known:
                near = nearest_names(name, [each for each in known if each not in options.names])
                meant = f"; did you mean {', '.join(map(out.safe, near))}?" if near else ""
                out.note(f"note: nothing here has {out.safe(name)} yet{meant}")
        return code


def same(options: Namespace) -> int:
    """Say that things are one."""
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        for thing in options.things:
            if not db.is_known(db.thing(thing)):
                db.get(thing)  # the error that says what is near
        return _said(options, db.same(*options.things), " = ".join(map(out.safe, options.things)))


def lens(options: Namespace) -> int:
    """Say how one version of a schema becomes another."""
    steps = [step for text in options.steps for step in _steps(text)]
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        done = db.lens(options.old, options.new, *steps)
        return _said(options, done, f"{out.safe(options.old)} → {out.safe(options.new)}")


def vocabulary(options: Namespace) -> int:
    """What is said to mean the same, and the lenses between versions."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        known, found = reader.vocabulary(options.believe), reader.lenses(options.believe)
        believed = None if options.believe is None else set(map(reader.author_key, options.believe))
        said = [
            (context, edge)
            for context in (ALIAS, SAME)
            for edge in reader.hyperedges(targets=[VOCABULARY], contexts=[context], trusted=options.believe)
            if believed is None or edge.author in believed
        ]
        if options.json:
            print_lines(
                {
                    "means_the_same": context,
                    "names": [each if isinstance(each, str) else id_of(each) for each in members(edge, context)],
                    "author": reader.author_name(edge.author),
                    "time": edge.time.ms,
                    "id": id_of(edge.edge),
                }
                for context, edge in said
            )
            print_lines(
                {"from": each.old, "to": each.new, "steps": list(map(lenses.written, each.steps))}
                for each in found.lenses
            )
            print_lines({"not_understood": id_of(edge.edge), "reason": reason} for edge, reason in found.refused)
            return 0
        labels = reader.labels({thing for group in known.things for thing in group})
        for what, groups in (
            ("attributes", [" = ".join(map(out.safe, group)) for group in known.attributes]),
            ("things", [" = ".join(out.safe(labels[each]) for each in group) for group in known.things]),
        ):
            if groups:
                out.say(out.strong(f"{what} that mean the same"))
                for group in groups:
                    out.say(f"  {group}")
        if said:
            out.say(out.strong("said by"))
            out.say_table(
                ["", "", ""],
                [
                    [
                        " = ".join(
                            each if isinstance(each, str) else labels.get(each, id_of(each))
                            for each in members(edge, context)
                        ),
                        _who(reader, edge),
                        show_id(edge.edge),
                    ]
                    for context, edge in said
                ],
                indent="  ",
            )
        for each in found.lenses:
            out.say(out.strong(f"{each.old} → {each.new}"))
            for step in each.steps:
                out.say(f"  {out.safe(json.dumps(lenses.written(step), ensure_ascii=False))}")
        for _, edge in found.replaced:
            out.say(f"not used, a later lens counts: {show_id(edge.edge)}, {_who(reader, edge)}")
        for edge, reason in found.refused:
            out.say(f"not understood: {show_id(edge.edge)}, {_who(reader, edge)}: {out.safe(reason)}")
        if not (said or found.lenses or found.refused):
            out.say("nothing is said to mean the same")
            out.note(f"try: rhizome alias {out.quoted(options.file)} title name")
    return 0


def _said(options: Namespace, done: Related, words: str) -> int:
    if options.json:
        print_lines([{"epoch": done.epoch, "deltas": list(done.deltas), "id": id_of(done.edge)}])
    else:
        out.say(
            f"said: {words}   (epoch {done.epoch}; taken back by: rhizome negate {out.quoted(options.file)} {show_id(done.edge)})"
        )
    return 0


def _steps(text: str) -> list[Step]:
    """The steps that JSON says: one, or a list of them, in the text itself or in @FILE."""
    said = text_of_file(text[1:]) if text.startswith("@") else text
    try:
        node: Any = json.loads(said)
    except (ValueError, RecursionError):
        raise RequestError("hyper.lens", f"{text!r:.60} is no JSON", fix=_STEP) from None
    return [lenses.read(each) for each in (node if isinstance(node, list) else [node])]


def _who(reader: Reader, edge: Hyperedge) -> str:
    return f"{out.safe(reader.author_name(edge.author))} {show_ms(edge.time.ms)}"
