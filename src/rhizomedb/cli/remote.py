"""The verbs that meet a remote place: push and pull."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from rhizomedb.cli import out
from rhizomedb.cli.session import opened, print_lines
from rhizomedb.errors import Error, RemoteError
from rhizomedb.remote import pull as pull_from
from rhizomedb.remote import push as push_to
from rhizomedb.store.store import Finding

SHOWN_MAX = 20
"""How many broken bundles are named on the terminal."""


def push(options: Namespace) -> int:
    """Write what a place does not have yet; 3 if something is broken, there or here."""
    try:
        with opened(options.file) as db, out.progress("pushing", "delta") as bar:
            pushed = push_to(db, options.url, check=options.check, progress=bar)
    except KeyboardInterrupt:
        return _interrupted()
    if options.json:
        counts = {
            name: getattr(pushed, name) for name in ("new", "known", "bundles", "bytes", "strangers", "refused_count")
        }
        print_lines([{**counts, "refused": _as_dicts(pushed.refused), "lost": _lost(pushed.lost)}])
    else:
        out.say(
            f"{out.plural(pushed.new, 'delta')} pushed in {out.plural(pushed.bundles, 'bundle')}, "
            f"{pushed.known:,} there already"
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
            pulled = pull_from(db, options.url, progress=bar)
    except KeyboardInterrupt:
        return _interrupted()
    if options.json:
        names = ("new", "held", "known", "bundles", "unsent", "strangers", "refused_count", "not_kept_count")
        faults = {"refused": _as_dicts(pulled.refused), "not_kept": _as_dicts(pulled.not_kept)}
        print_lines([{**{name: getattr(pulled, name) for name in names}, **faults}])
    else:
        out.say(
            f"{out.plural(pulled.new, 'delta')} taken in, {pulled.known:,} known already"
            + (f", {pulled.held:,} held back (rhizome stats)" if pulled.held else "")
        )
        _say_refused(pulled.refused, pulled.refused_count, pulled.strangers)
        if pulled.not_kept:
            first = pulled.not_kept[0]
            out.note(
                f"{out.plural(pulled.not_kept_count, 'delta')} not kept; the first: {first.message} [{first.code}]"
            )
            out.note(f"  try: {first.fix}")
        if pulled.unsent:
            many = "is" if pulled.unsent == 1 else "are"
            out.note(f"{out.plural(pulled.unsent, 'delta')} of this copy {many} not there: never pushed, or lost there")
    return 3 if pulled.refused or pulled.not_kept else 0


def _interrupted() -> int:
    out.note("interrupted; what was done stays, and the same command goes on from there")
    return 130


def _say_refused(refused: Sequence[RemoteError], count: int, strangers: int) -> None:
    for error in refused[:SHOWN_MAX]:
        out.note(f"refused: {error.where}: {error.message} [{error.code}]")
    if count > SHOWN_MAX:
        out.note(f"… and {count - SHOWN_MAX:,} more")
    if strangers:
        out.note(
            f"note: {out.plural(strangers, 'object')} there {'is' if strangers == 1 else 'are'} no bundle of deltas"
        )


def _as_dicts(refused: Sequence[Error]) -> list[dict[str, object]]:
    return [error.as_dict() for error in refused]


def _lost(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"record": each.record, "code": each.code, "message": each.message} for each in findings]
