"""The verb revert: what an author, a run, an import or a stretch of time said is taken back."""

from __future__ import annotations

import shlex
from argparse import Namespace

from rhizomedb.cli import out
from rhizomedb.cli.session import opened, print_lines
from rhizomedb.errors import RequestError

SHOWN_MAX = 20
"""How many statements are listed unless a limit is named."""

CHOSEN = ("by", "origin", "since", "until", "epoch")


def revert(options: Namespace) -> int:
    """Take back what is meant, or say what that would be."""
    chosen = [name for name in CHOSEN if getattr(options, name) is not None]
    if options.last and chosen:
        raise RequestError("db.usage", f"--last means one transaction, and --{chosen[0]} others", fix="one of the two")
    if not options.last and not chosen:
        raise RequestError(
            "db.usage",
            "nothing says what to revert",
            fix="rhizome revert FILE --last, or --by, --origin, --since, --until, --epoch",
        )
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        if options.last:
            done = db.undo(author=options.author, dry_run=options.dry_run)
        else:
            done = db.revert(
                by=options.by,
                origin=options.origin,
                since=options.since,
                until=options.until,
                epochs=options.epoch,
                author=options.author,
                dry_run=options.dry_run,
            )
        if options.json:
            said = {"epoch": done.epoch, "author": done.author, "dry_run": options.dry_run, "of": list(done.of)}
            print_lines([{**said, "statements": [each.as_dict() for each in done.statements]}])
            return 0
        words = "would be taken back" if options.dry_run else "taken back"
        undone, left = done.undone, done.left
        where = f" (epoch {done.epoch})" if done.epoch is not None else ""
        out.say(f"{out.plural(len(undone), 'statement')} {words} by {out.safe(done.author)}{where}")
        limit = SHOWN_MAX if options.limit is None else options.limit
        shown = [*undone, *left] if options.dry_run else left
        for each in shown[:limit]:
            out.say(f"  {out.safe(str(each))}")
        if len(shown) > limit:
            out.say(f"  … {len(shown) - limit:,} more")
        if undone and not options.dry_run:
            command = f"rhizome revert {shlex.quote(options.file)} --last --as {shlex.quote(done.author)}"
            out.note(f"note: nothing is erased, and this takes it back: {command}")
    return 0
