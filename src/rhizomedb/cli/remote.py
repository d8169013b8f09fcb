"""The verbs that meet a remote place: push and pull."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields

from rhizomedb.cli import out
from rhizomedb.cli.session import opened, print_lines
from rhizomedb.cli.terminal import bytes_text
from rhizomedb.errors import Error, RemoteError
from rhizomedb.remote import Pull, Push
from rhizomedb.remote import pull as pull_from
from rhizomedb.remote import push as push_to
from rhizomedb.store.store import Finding

SHOWN_MAX = 20
"""How many broken bundles and packs are named on the terminal."""


def push(options: Namespace) -> int:
    """Write what a place does not have yet; 3 if something is broken, there or here."""
    try:
        with opened(options.file) as db, out.progress("pushing", "record") as bar:
            pushed = push_to(db, options.url, attachments=options.attachments, check=options.check, progress=bar)
    except KeyboardInterrupt:
        return _interrupted()
    if options.json:
        names = ("new", "known", "bundles", "bytes", "blocks", "block_bytes", "packs", "strangers", "refused_count")
        counts = {name: getattr(pushed, name) for name in names}
        print_lines([{**counts, "refused": _as_dicts(pushed.refused), "lost": _lost(pushed.lost)}])
    else:
        out.say(
            f"{out.plural(pushed.new, 'delta')} pushed in {out.plural(pushed.bundles, 'bundle')}, "
            f"{pushed.known:,} there already{_content(pushed)}"
        )
        _say_refused(pushed.refused, pushed.refused_count, pushed.strangers)
        for finding in pushed.lost[:SHOWN_MAX]:
            out.note(f"{finding.record}: {finding.message}")
    return 3 if pushed.refused or pushed.lost else 0


def pull(options: Namespace) -> int:
    """Take in what this copy does not have yet; 3 if something there is broken, or a limit keeps some of it out."""
    try:
        with (
            opened(options.file, create=True, wait=options.wait, durability=options.durability) as db,
            out.progress("pulling") as bar,
        ):
            pulled = pull_from(db, options.url, attachments=options.attachments, progress=bar)
    except KeyboardInterrupt:
        return _interrupted()
    if options.json:
        faults = {name: _as_dicts(getattr(pulled, name)) for name in ("refused", "not_kept", "left_out")}
        print_lines([{**{each.name: getattr(pulled, each.name) for each in fields(pulled)}, **faults}])
    else:
        out.say(
            f"{out.plural(pulled.new, 'delta')} taken in, {pulled.known:,} known already"
            + (f", {pulled.held:,} held back (rhizome stats)" if pulled.held else "")
            + _content(pulled)
        )
        _say_refused(pulled.refused, pulled.refused_count, pulled.strangers)
        _say_not_kept("delta", pulled.not_kept, pulled.not_kept_count)
        _say_not_kept("attachment", pulled.left_out, pulled.left_out_count)
        if pulled.unfilled:
            many = "is" if pulled.unfilled == 1 else "are"
            out.note(
                f"{out.plural(pulled.unfilled, 'attachment')} {many} whole neither here nor there (rhizome attachments)"
            )
        if pulled.unsent:
            many = "is" if pulled.unsent == 1 else "are"
            out.note(f"{out.plural(pulled.unsent, 'delta')} of this copy {many} not there: never pushed, or lost there")
    return 3 if pulled.refused or pulled.not_kept or pulled.left_out else 0


def _interrupted() -> int:
    out.note("interrupted; what was done stays, and the same command goes on from there")
    return 130


def _content(done: Push | Pull) -> str:
    """What was done with the content of attachments, if anything, behind what was done with deltas."""
    if not done.blocks:
        return ""
    return f"; {out.plural(done.blocks, 'block')} ({bytes_text(done.block_bytes)}) of attachments"


def _say_not_kept(noun: str, why: Sequence[Error], count: int) -> None:
    if why:
        out.note(f"{out.plural(count, noun)} not kept; the first: {why[0].message} [{why[0].code}]")
        if why[0].fix:
            out.note(f"  try: {why[0].fix}")


def _say_refused(refused: Sequence[RemoteError], count: int, strangers: int) -> None:
    for error in refused[:SHOWN_MAX]:
        out.note(f"refused: {error.where}: {error.message} [{error.code}]")
    if count > SHOWN_MAX:
        out.note(f"… and {count - SHOWN_MAX:,} more")
    if strangers:
        out.note(f"note: {out.plural(strangers, 'object')} there {'is' if strangers == 1 else 'are'} no bundle or pack")


def _as_dicts(refused: Sequence[Error]) -> list[dict[str, object]]:
    return [error.as_dict() for error in refused]


def _lost(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"record": each.record, "code": each.code, "message": each.message} for each in findings]
