"""The verbs of attachments: attach a file, fetch it again, list what is attached."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from typing import IO, Any

from rhizomedb.cli import out
from rhizomedb.cli.progress import ProgressBar
from rhizomedb.cli.session import at_moment, attribute_named, column_of, opened, print_lines
from rhizomedb.cli.terminal import bytes_text
from rhizomedb.cli.write import check_target, means_new_entity
from rhizomedb.db.attachments.attachment import Attachment, Place
from rhizomedb.db.programs.result import show
from rhizomedb.db.reader import Reader
from rhizomedb.errors import AttachmentError, RequestError
from rhizomedb.exchange.output import opened_exactly
from rhizomedb.exchange.source import standard_input
from rhizomedb.facts.chunking import SEGMENT_BYTES
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Attribute


def attach(options: Namespace) -> int:
    """Keep a file as the value of an attribute."""
    from_stdin = options.path == "-"
    content = standard_input() if from_stdin else options.path
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        attribute = attribute_named(db, options.attribute)
        is_new = means_new_entity(db, options.name, expected=options.new)
        with out.progress(f"attaching {'standard input' if from_stdin else options.path}") as bar:
            attached = db.attach(options.name, attribute, content, origin="rhizome attach", progress=bar)
    new = attached.new
    if options.json:
        said = {"epoch": attached.epoch, "deltas": list(attached.deltas), "facts": attached.facts}
        blocks = {"cid": attached.cid, "bytes": attached.size, "new_blocks": new.blocks, "new_bytes": new.bytes}
        print_lines([{**said, **blocks, "new_entity": is_new}])
        return 0
    what = f"{out.safe(options.name)} · {show(attribute)} = {attached.cid}"
    known = "all of it was here" if not new.bytes else f"{bytes_text(new.bytes)} of it new here"
    if attached:
        out.say(f"attached: {what}   ({bytes_text(attached.size)}, {known}; epoch {attached.epoch})")
    else:
        out.say(f"nothing new: {what} was said by you already   ({bytes_text(attached.size)}, {known})")
    return 0


def fetch(options: Namespace) -> int:
    """Write the file that is attached."""
    to_stdout = options.output == "-"
    if to_stdout and options.json:
        raise RequestError("db.usage", "--json says what was written to a file", fix="-o PATH")
    if to_stdout and sys.stdout.isatty():
        raise RequestError("db.usage", "a file is not shown on a terminal", fix="-o PATH, or pipe it on: | less")
    check_target(options.output, options.file, force=options.force)
    with opened(options.file) as db:
        reader = at_moment(db, options)
        attribute = attribute_named(reader, options.attribute)
        cid = _named(reader, options, attribute)
        content = reader.read_attachment(cid)
        size = _whole_size(reader, cid)
        if to_stdout:
            shutil.copyfileobj(content, sys.stdout.buffer, SEGMENT_BYTES)
            sys.stdout.buffer.flush()
            return 0
        with out.progress(f"fetching {show(attribute)}") as bar, opened_exactly(options.output) as target:
            _copy(content, target, size, bar)
    if options.json:
        print_lines([{"file": options.output, "cid": cid, "bytes": size}])
    else:
        out.note(f"{bytes_text(size)} written to {options.output}")
    return 0


def _named(reader: Reader, options: Namespace, attribute: Attribute) -> Cid:
    """The attachment that the view shows."""
    value: Any = reader.get(options.name, attribute, policy=options.policy)
    if isinstance(value, list):
        if len(value) != 1:
            raise RequestError("db.usage", f"{len(value)} values of {show(attribute)} stand", fix="--policy latest")
        value = value[0]
    if type(value) is not Cid:
        shown = "nothing" if value is None else show(value)
        raise AttachmentError(
            "attachment.unknown",
            f"{show(attribute)} of {options.name} is {shown}, not an attachment",
            fix="rhizome attachments FILE",
        )
    return value


def _whole_size(reader: Reader, cid: Cid) -> int:
    """The size of an attachment that is here whole; better to know before half of it is written."""
    info = reader.attachment(cid)
    if info.contradicts:
        raise AttachmentError(
            "attachment.shape", f"{cid} contradicts itself: no copy can have it", fix="attach the file again"
        )
    if info.missing:
        raise AttachmentError(
            "attachment.missing",
            f"{cid} is not whole in this copy: {out.plural(info.missing, 'block')} missing",
            fix="rhizome attachments FILE",
        )
    assert info.size is not None, "what is whole has a size"
    return info.size


def _copy(content: IO[bytes], target: IO[bytes], size: int, bar: ProgressBar) -> None:
    done = 0
    while block := content.read(SEGMENT_BYTES):
        target.write(block)
        done += len(block)
        bar(done, size)


def attachments(options: Namespace) -> int:
    """List what is attached, or remove what nothing names."""
    if options.dry_run and not options.collect:
        raise RequestError(
            "db.usage", "--dry-run belongs to --collect", fix="rhizome attachments FILE --collect --dry-run"
        )
    with opened(options.file, wait=options.wait, durability=options.durability) as db:
        if options.collect:
            gone = db.collect_chunks(dry_run=options.dry_run)
            if options.json:
                print_lines([{"blocks": gone.blocks, "bytes": gone.bytes, "removed": not options.dry_run}])
            else:
                done = "would be removed; nothing was" if options.dry_run else "removed"
                out.say(f"{out.plural(gone.blocks, 'block')} ({bytes_text(gone.bytes)}) {done}")
            return 0
        reader = at_moment(db, options)
        rows = [_row(each, place) for each in reader.attachments() for place in each.places]
    rows.sort(key=lambda row: (row["entity"], row["attribute"], str(row["cid"])))
    if options.json:
        print_lines(rows, options.limit)
    elif not rows:
        out.say("nothing is attached")
    else:
        shown = rows if options.limit is None else rows[: options.limit]
        table = [[row["entity"], row["attribute"], _size(row), _state(row), str(row["cid"])] for row in shown]
        out.say_table(["entity", "attribute", "size", "", "attachment"], table, whole={"attachment"})
    return 0


def _row(each: Attachment, place: Place) -> dict[str, Any]:
    return {
        "entity": place.label,
        "id": place.entity.hex(),
        "attribute": column_of(place.attribute),
        "cid": each.cid,
        "bytes": each.size,
        "chunks": each.chunks,
        "missing": each.missing,
        "contradicts": each.contradicts,
    }


def _size(row: dict[str, Any]) -> str:
    return "?" if row["bytes"] is None else bytes_text(row["bytes"])


def _state(row: dict[str, Any]) -> str:
    if row["contradicts"]:
        return "contradicts itself"
    if row["bytes"] is None:
        return "not here"
    return f"{out.plural(row['missing'], 'block')} missing" if row["missing"] else "complete"
