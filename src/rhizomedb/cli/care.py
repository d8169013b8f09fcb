"""The verbs of those who look after a file: doctor, backup, restore, compact, limits."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rhizomedb.cli import out
from rhizomedb.cli.session import opened, print_lines
from rhizomedb.cli.terminal import binary_text, bytes_text
from rhizomedb.db.care import Limit
from rhizomedb.db.care import restore as restored
from rhizomedb.db.doctor import Ailment, unopened
from rhizomedb.errors import StoreError
from rhizomedb.store.backup import Backup

UNOPENED = (
    *("store.damaged", "store.index-damaged", "store.not-a-database", "store.newer-format"),
    *("store.unreadable", "store.full"),
)
"""Errors of opening a file that are what the doctor was asked for."""


def doctor(options: Namespace) -> int:
    """What is wrong, and what was mended; 3 if something is wrong still."""
    try:
        with opened(options.file, wait=options.wait) as db, out.progress("verifying", "record") as bar:
            found = db.doctor(fix=options.fix, rebuild_index=options.rebuild_index, quick=options.quick, progress=bar)
    except StoreError as error:
        if error.code not in UNOPENED:
            raise
        found = unopened(options.file, error)
    ill = [ailment for ailment in found if ailment.wrong and not ailment.mended]
    if options.json:
        print_lines([*(ailment.as_dict() for ailment in found), {"ok": not ill}])
        return 3 if ill else 0
    for ailment in found:
        _say_ailment(ailment, options.file)
    if not ill:
        out.say("all well" if not found else "nothing else is wrong")
    return 3 if ill else 0


def _say_ailment(ailment: Ailment, file: str) -> None:
    mark = "mended" if ailment.mended else "wrong" if ailment.wrong else "note"
    code = f" [{ailment.code}]" if ailment.code else ""
    out.say(out.safe(f"{mark}: {ailment.record}: {ailment.message}{code}"))
    if ailment.fix and not ailment.mended:
        out.say(f"  try: {out.safe(ailment.fix).replace('FILE', out.quoted(file))}")


def backup(options: Namespace) -> int:
    """Make a backup, or add to it what is new."""
    with opened(options.file, wait=options.wait) as db, out.progress("backing up", "delta") as bar:
        made = db.backup(options.target, progress=bar)
    if options.json:
        print_lines([_as_dict(made)])
    elif made.epochs or made.blocks:
        out.say(f"{out.safe(options.target)} holds epoch {made.epoch}: {_new(made)} ({bytes_text(made.bytes)})")
    else:
        out.say(f"{out.safe(options.target)} holds epoch {made.epoch} already; nothing is new")
    return 0


def restore(options: Namespace) -> int:
    """Make a database of a backup."""
    wait = {} if options.wait is None else {"wait_ms": int(options.wait * 1000)}
    with out.progress("restoring", "delta") as bar:
        made = restored(
            options.backup, options.file, force=options.force, discard=options.discard, progress=bar, **wait
        )
    if options.json:
        print_lines([_as_dict(made)])
    else:
        out.say(f"{out.safe(options.file)} holds epoch {made.epoch}: {_new(made)}; every signature was checked")
        if made.discarded:
            one, many = "1 delta or block that was", f"{made.discarded:,} deltas and blocks that were"
            out.say(f"discarded: {one if made.discarded == 1 else many} there, and not in the backup")
    return 0


def _new(made: Backup) -> str:
    parts = [out.plural(made.deltas, "new delta"), out.plural(made.epochs, "new epoch", "new epochs")]
    return ", ".join([*parts, *([out.plural(made.blocks, "new block")] if made.blocks else [])])


def _as_dict(made: Backup) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__slots__}


def compact(options: Namespace) -> int:
    """Make a file small, and say how much was gained."""
    with opened(options.file, wait=options.wait) as db:
        done = db.compact()
    if options.json:
        print_lines([{**{name: getattr(done, name) for name in done.__slots__}, "gained": done.gained}])
        return 0
    for what, before, after in (
        ("file", done.file_bytes_before, done.file_bytes),
        ("write-ahead log", done.wal_bytes_before, done.wal_bytes),
        ("index", done.index_bytes_before, done.index_bytes),
    ):
        out.say(f"{what}: {bytes_text(before)} before, {bytes_text(after)} now")
    out.say(f"segments: {done.segments_before:,} before, {done.segments:,} now")
    return 0


def limits(options: Namespace) -> int:
    """Every limit, and how much of it is used."""
    with opened(options.file) as db:
        found = db.limits()
    if options.json:
        print_lines(limit.as_dict() for limit in found)
        return 0
    rows = [[each.name, _amount(each, each.limit, "none"), _amount(each, each.used, ""), each.what] for each in found]
    out.say_table(["limit", "at most", "used", ""], rows)
    return 0


def _amount(limit: Limit, amount: float | None, absent: str) -> str:
    """How much, in words: limits of bytes are set in powers of 1,024, and so they are shown."""
    if amount is None:
        return absent
    return binary_text(amount) if limit.counts_bytes else f"{amount:,}"
