"""The verb watch: every epoch as it comes, or what each changes in the answer of a program."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator

from rhizomedb.cli import out
from rhizomedb.cli.session import budget_of, opened, pairs, parts, print_lines, text_of_file, value_of
from rhizomedb.db.connection import Connection
from rhizomedb.db.live.cursor import epoch_before
from rhizomedb.db.live.view_change import ViewChange, signed
from rhizomedb.db.live.watch import Arrived
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Names
from rhizomedb.db.programs.result import show
from rhizomedb.errors import RequestError


def watch(options: Namespace) -> int:
    """What comes, epoch by epoch, until Ctrl-C."""
    if options.program is None and (options.relation or options.param or options.by or options.budget or options.using):
        raise RequestError(
            "db.usage",
            "--relation, --param, --using, --by and --budget go with a program",
            fix="rhizome watch FILE 'p(x: X) :- fact(value: X).'",
        )
    if options.program is not None and options.changes:
        raise RequestError("db.usage", "--changes goes without a program", fix="rhizome watch FILE --changes")
    try:
        with opened(options.file) as db:
            tell = _epochs(db, options) if options.program is None else _changes(db, options)
            for number, _ in enumerate(tell, start=1):
                sys.stdout.flush()
                if number == options.limit:
                    break
    except KeyboardInterrupt:
        return 0  # that is how watching ends
    return 0


def _epochs(db: Connection, options: Namespace) -> Iterator[None]:
    for epoch in db.watch(options.since, timeout_s=options.timeout):
        _tell_epoch(db, epoch, options)
        yield


def _tell_epoch(db: Connection, epoch: Arrived, options: Namespace) -> None:
    registers = list(epoch.registers()) if options.changes else []
    names = Names(db._store, db.cut) if registers else None
    if options.json:
        changed = [{"entity": entity.hex(), "attribute": show(attribute)} for entity, attribute in registers]
        told = {**epoch.as_dict(), **({"changes": changed} if options.changes else {})}
        print_lines([{**told, **_cursor(epoch, options)}])
        return
    deltas, facts = out.plural(epoch.deltas, "delta"), out.plural(epoch.facts, "new fact")
    out.say(f"{_heading(epoch)}: {deltas}, {facts}")
    for entity, attribute in registers:
        assert names is not None, "there are registers to be named"
        out.say(f"  {out.safe(names.label(entity))} · {out.safe(show(attribute))}")
    _say_cursor(epoch, options)


def _changes(db: Connection, options: Namespace) -> Iterator[None]:
    text = options.program
    if text.startswith("@"):
        text = text_of_file(text[1:])
    parameters = {name: value_of(value) for name, value in pairs(options.param, "--param").items()}
    # The first evaluation comes before anything is watched: Ctrl-C ends it like any query.
    using = parts(options.using)
    view = db.view(
        text, parameters, relation=options.relation, using=using, budget=budget_of(options.budget), by=options.by
    )
    for notice in view.notices:
        out.note(f"note: {notice}")
    if options.since is not None:
        since = options.since
        view.rewind(since if isinstance(since, int) else epoch_before(db._store, since, view.epoch))
    watched, epochs = view.watch(timeout_s=options.timeout), db.watch(view.epoch)
    view.refresh()
    for change in watched:
        columns = view.columns(change.relation)
        _tell_change(change, columns, next(epoch for epoch in epochs if epoch.number == change.epoch), options)
        yield


def _tell_change(change: ViewChange, columns: tuple[str, ...], epoch: Arrived, options: Namespace) -> None:
    if options.json:
        plus, minus = ([dict(zip(columns, row, strict=True)) for row in rows] for rows in (change.plus, change.minus))
        told = {"number": epoch.number, "at_ms": epoch.at_ms, "origin": epoch.origin, "relation": change.relation}
        print_lines([{**told, "plus": plus, "minus": minus, **_cursor(epoch, options)}])
        return
    out.say(_heading(epoch))
    rows = [[sign, *row] for sign, row in signed(change[change.relation])]
    out.say_table([""] * len(rows[0]), rows, indent="  ")
    _say_cursor(epoch, options)


def _cursor(epoch: Arrived, options: Namespace) -> dict[str, str]:
    return {"cursor": epoch.cursor} if options.cursors else {}


def _say_cursor(epoch: Arrived, options: Namespace) -> None:
    if options.cursors:
        out.say(f"  cursor {epoch.cursor}")


def _heading(epoch: Arrived) -> str:
    return f"epoch {epoch.number}  {show_ms(epoch.at_ms)}  {out.safe(epoch.origin)}"
