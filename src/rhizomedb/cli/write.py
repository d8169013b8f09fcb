"""The verbs that change a database or carry it: import, add, retract, export, verify."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Mapping

from rhizomedb.cli import out
from rhizomedb.cli.salvage import export_salvaged, report
from rhizomedb.cli.session import (
    at_moment,
    attribute_named,
    column_of,
    file_stem,
    opened,
    pairs,
    print_lines,
    together_named,
    value_like,
    value_of,
)
from rhizomedb.db.connection import Connection
from rhizomedb.db.doctor import FETCH, not_here
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.limits import bytes_of
from rhizomedb.db.programs.result import show
from rhizomedb.db.quotas import quota_of
from rhizomedb.db.transaction import Transaction
from rhizomedb.errors import ExchangeError, RequestError, StoreError, nearest_names
from rhizomedb.exchange.archive import write_archive
from rhizomedb.exchange.git import commits
from rhizomedb.exchange.importer import (
    ImportReport,
    check_names,
    envelopes,
    holds_deltas,
    import_commits,
    import_deltas,
    import_table,
    looks_like_json_deltas,
)
from rhizomedb.exchange.output import FORMATS, write_lines, write_rows
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.source import Source
from rhizomedb.exchange.table import Options
from rhizomedb.store.store import Finding

DELTA_FORMATS = ("jsonl", "car")
"""What holds every delta and no view."""


def import_(options: Namespace) -> int:
    """Take in a table, a git history or exported deltas."""
    if (options.git is None) == (options.source is None):
        raise RequestError(
            "db.usage",
            "import takes a file or --git DIR" + (", not both" if options.source else ""),
            fix="rhizome import FILE imdb.csv --as imdb --key title",
        )
    memory = quota_of(
        os.environ, memory="default" if options.memory is None else bytes_of(options.memory, "--memory")
    ).memory
    if options.git is not None:
        return _import_git(options, memory)
    source = Source(options.source)
    if options.format == "car" or (options.format in (None, "jsonl") and holds_deltas(source)):
        return _import_deltas(options, source, memory)
    if options.format in (None, "json-deltas") and (options.format or looks_like_json_deltas(source.head)):
        from rhizomedb.cli.edges import import_json  # what few imports need need not be loaded by all

        return import_json(options, source, memory)
    key = _names(options.key)
    author = options.author or ("stdin" if options.source == "-" else file_stem(options.source))
    new_file = not os.path.exists(options.file)
    reading = Options(
        format=options.format,
        delimiter={"tab": "\t", "\\t": "\t"}.get(options.delimiter, options.delimiter),
        key=key,
        types=pairs(options.type, "--type"),
        known={} if new_file else _known_kinds(options.file),
        rename=pairs(options.rename, "--rename"),
        only=_names(options.only),
        drop=("",) if options.drop == "" else _names(options.drop),
        quotes=not options.no_quotes,
        strip=options.strip,
        skip_bad=options.skip_bad,
        memory_bytes=memory,
    )
    with out.progress(f"reading {source.name}") as bar:
        table = read_table(source, reading, progress=bar)
    if options.dry_run:
        check_names(table)
        rows = [{"column": column, "kind": table.kinds[column], "key": column in key} for column in table.columns]
        if options.json:
            print_lines(rows)
        else:
            good = table.rows_count - table.bad_count
            out.say(f"{out.plural(good, 'row')} would be imported as {author}; nothing was written")
            out.say_table(["column", "kind", ""], [[r["column"], r["kind"], "key" if r["key"] else ""] for r in rows])
        _say_notices(ImportReport(table.rows_count, Transaction(None), table.notices, table.bad_rows, table.bad_count))
        return 0
    with opened(options.file, create=True, wait=options.wait, durability=options.durability, memory=memory) as db:
        with out.progress(f"importing as {author}") as bar:
            report = import_table(
                db, table, author=author, key=key, origin=f"import of {os.path.basename(table.name)}", progress=bar
            )
        _report(options, db, report, author)
    return 0


def _import_git(options: Namespace, memory: int | None) -> int:
    author = options.author or "git"
    if options.dry_run:
        counts = {"commits": sum(1 for _ in commits(options.git))}
        return _say_dry(options, counts, f"{out.plural(counts['commits'], 'commit')} would be imported as {author}")
    with opened(options.file, create=True, wait=options.wait, durability=options.durability, memory=memory) as db:
        with out.progress(f"importing as {author}", "commit") as bar:
            report = import_commits(
                db, options.git, author=author, origin=f"import of git history {options.git}", progress=bar
            )
        _report(options, db, report, author, what="commit")
    return 0


def _import_deltas(options: Namespace, source: Source, memory: int | None) -> int:
    if options.author or options.key:
        out.note("note: these are signed deltas: their authors and entities stay as they are")
    if options.dry_run:
        counts = {"deltas": sum(1 for _ in envelopes(source, format=options.format))}
        return _say_dry(options, counts, f"{out.plural(counts['deltas'], 'delta')} would be taken in")
    with opened(options.file, create=True, wait=options.wait, durability=options.durability, memory=memory) as db:
        with out.progress(f"importing {source.name}") as bar:
            admission = import_deltas(
                db,
                source,
                origin=f"import of {os.path.basename(source.name)}",
                format=options.format,
                progress=bar,
            )
        counts = {"new": admission.new, "known": admission.known, "held": admission.held}
        if options.json:
            print_lines([counts])
        else:
            out.say(
                f"{out.plural(admission.new, 'delta')} taken in, {admission.known:,} known already"
                + (f", {admission.held:,} held back (rhizome stats)" if admission.held else "")
            )
    return 0


def _say_dry(options: Namespace, counts: Mapping[str, object], words: str) -> int:
    if options.json:
        print_lines([counts])
    else:
        out.say(f"{words}; nothing was written")
    return 0


def add(options: Namespace) -> int:
    """Say one thing; it replaces what the view showed."""
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        attribute = attribute_named(db, options.attribute)
        value = value_like(db, attribute, options.value, options.type)
        is_new = means_new_entity(db, options.name, expected=options.new)
        known = db.attribute_names()
        transaction = db.transact([(options.name, attribute, value)], origin="rhizome add")
        said = f"{out.safe(options.name)} · {show(attribute)} = {out.value_text(value)}"
        if known and attribute not in known:
            near = nearest_names(show(attribute), map(show, known))
            out.note(
                f"note: {show(attribute)} is a new attribute" + (f"; did you mean {', '.join(near)}?" if near else "")
            )
        if options.json:
            print_lines([{**_as_dict(transaction), "new_entity": is_new}])
        elif transaction:
            new = f"; nothing here was called {out.safe(options.name)}, so this is a new entity" if is_new else ""
            out.say(f"said: {said}   (epoch {transaction.epoch}){new}")
        else:
            out.say(f"nothing new: {said} was said by you already")
    return 0


def means_new_entity(db: Connection, name: str, *, expected: bool) -> bool:
    """Whether a name means nothing here yet. What looks like an id, or like a name that is here, is no new name."""
    if not name.strip():
        raise RequestError("db.usage", "an entity has a name", fix='rhizome add FILE "The Matrix" runtime 136')
    try:
        db.entity(name, called=True)
    except RequestError as error:
        if error.code != "db.unknown-entity" or name.lower().startswith("0x"):
            raise
        if (error.nearest or name in db) and not expected:
            raise RequestError(
                error.code, error.message, nearest=error.nearest, fix="--new, if another thing of this name is meant"
            ) from None
        return True
    return False


def retract(options: Namespace) -> int:
    """Take back what stands."""
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        attribute = None if options.attribute is None else attribute_named(db, options.attribute)
        value = None if options.value is None else value_of(options.value, options.type)
        scope = "own" if options.own else "seen"
        transaction = db.retract(options.name, attribute, value, scope=scope, origin="rhizome retract")  # type: ignore[arg-type]  # one of the two scopes, two lines up
        if options.json:
            print_lines([_as_dict(transaction)])
        else:
            what = " · ".join(out.value_text(part) for part in (options.name, attribute, value) if part is not None)
            out.say(f"taken back: {what}   ({out.plural(transaction.facts, 'claim')}; history keeps them)")
    return 0


def export(options: Namespace) -> int:
    """Write the view, or every delta."""
    check_target(options.target, options.file, force=options.force)
    if options.salvage:
        return export_salvaged(options)
    to_stdout = options.target == "-"
    as_lines = options.json and to_stdout and options.format is None  # the view, one object a line
    chosen = options.format or ("csv" if to_stdout else _format_of(options.target))
    with opened(options.file) as db:
        reader = at_moment(db, options)
        if chosen == "json-deltas":
            from rhizomedb.exchange.json_deltas import json_deltas

            count = write_lines(json_deltas(reader), options.target)
            return report(options, count, [], chosen)
        if chosen in DELTA_FORMATS:
            if reader is not db or options.policy != "latest":
                raise RequestError(
                    "db.usage",
                    f"{chosen} exports every delta, not what a view shows at a moment",
                    fix="--format json exports the view",
                )
            lost: list[Finding] = []
            deltas = db.deltas(lost=lost)
            if chosen == "car":
                count = write_archive(deltas, options.target)
            else:
                count = write_lines((delta.to_json() for delta in deltas), options.target)
            return report(options, count, [(finding.record, finding.message) for finding in lost], chosen)
        records = reader.records(policy=options.policy, together=together_named(reader, options.together))
        # of what holds nothing but operations of a data type, such as a text, a table has nothing to show
        rows = [{column_of(attribute): record[attribute] for attribute in record} for record in records if record]
        columns = sorted({column for row in rows for column in row}, key=_column_order)
        rows.sort(key=lambda row: [str(row.get(column, "")).casefold() for column in columns])
        count = write_rows(rows, options.target, format="jsonl" if as_lines else chosen, columns=columns)
        edges = len(edge_source(reader._store, reader.cut).all())
    if options.json and not to_stdout:
        print_lines([{"file": options.target, "format": chosen, "rows": count}])
    elif not to_stdout:
        out.note(f"{out.plural(count, 'row')} written to {options.target}")
    if edges:
        is_one = edges == 1
        out.note(
            f"note: {out.plural(edges, 'hyperedge')} {'is' if is_one else 'are'} in no table; "
            f"--format json-deltas writes {'it' if is_one else 'them'}"
        )
    return 0


def check_target(target: str, database: str, *, force: bool) -> None:
    """Refuse to write over a database, and over any other file unless that is meant."""
    if target == "-" or not os.path.isfile(target):
        return
    # Looked at by name first: to open and close a database behind SQLite's back would drop this process's locks on it.
    is_database = os.path.realpath(target).removesuffix("-wal").removesuffix("-shm") == os.path.realpath(database)
    if not is_database:
        with open(target, "rb") as file:
            is_database = file.read(16).startswith(b"SQLite format 3")
    if is_database:
        raise RequestError(
            "db.usage", f"{target} is a database, and is not written over", fix="name another file to write to"
        )
    if not force:
        raise ExchangeError("exchange.unwritable", f"{target} is there already", fix="--force, or another name")


def verify(options: Namespace) -> int:
    """Re-check everything; 3 if something is wrong."""
    try:
        return _verify(options)
    except StoreError as error:
        if error.code == "store.damaged":  # so badly that it cannot be gone through
            error.fix = f"rhizome export {shlex.quote(options.file)} saved.jsonl --salvage"
        raise


def _verify(options: Namespace) -> int:
    with opened(options.file) as db:
        with out.progress("verifying", "delta") as bar:
            findings = list(db.verify(progress=bar))
        damage = [finding for finding in findings if finding.is_damage]
        stats = None if damage else db.stats()  # what is damaged may not be counted
        if options.json:
            rows = [{"record": f.record, "code": f.code, "message": f.message} for f in findings]
            counts = {"deltas": stats.deltas, "facts": stats.facts} if stats else {}
            print_lines([*rows, {"ok": not damage, "missing": sum(f.missing for f in findings), **counts}])
        elif stats is None:
            out.say(f"{out.plural(len(damage), 'finding')}:")
            for finding in damage:
                out.say(out.safe(f"  {finding.record}: {finding.message} [{finding.code}]"))
        else:
            out.say(
                f"all well: {out.plural(stats.deltas, 'delta')}, {out.plural(stats.facts, 'fact')}; "
                "every hash, signature, cause and page of the index was checked"
            )
        missing = not_here(findings)
        if missing is not None and not options.json:
            out.note(f"note: {missing}; nothing of it is damaged")
            out.note(f"  try: {FETCH.replace('FILE', out.quoted(options.file))}")
        if options.rebuild_index:
            db.rebuild_index()
            out.note("the indexes were made anew from the log")
    return 3 if damage else 0


def _report(options: Namespace, db: Connection, report: ImportReport, author: str, what: str = "row") -> None:
    transaction = report.transaction
    if options.json:
        print_lines(
            [
                {
                    f"{what}s": report.rows,
                    **_as_dict(transaction),
                    "author": author,
                    "bad_rows": [{"line": bad.line, "message": bad.message} for bad in report.bad_rows],
                    "notices": [notice.message for notice in report.notices],
                }
            ]
        )
        return
    if transaction:
        stats = db.stats()
        out.say(
            f"{out.plural(report.rows, what)} as {author}: {out.plural(transaction.facts, 'new statement')} "
            f"(epoch {transaction.epoch}); the database has {out.plural(stats.facts, 'fact')} "
            f"about {out.plural(stats.entities, 'entity', 'entities')} from {out.plural(stats.authors, 'author')}"
        )
    else:
        everything = f"everything in it was said by {author} before" if report.rows else f"there are no {what}s in it"
        out.say(f"{out.plural(report.rows, what)} as {author}: nothing new, {everything}")
    _say_notices(report)


def _say_notices(report: ImportReport) -> None:
    for notice in report.notices:
        out.note(f"note: {notice}")
    if report.bad_count:
        out.note(f"{out.plural(report.bad_count, 'row')} skipped:")
        for bad in report.bad_rows[:20]:
            out.note(f"  {bad}")
        if report.bad_count > 20:
            out.note(f"  … {report.bad_count - 20:,} more")


def _as_dict(transaction: Transaction) -> dict[str, object]:
    return {"epoch": transaction.epoch, "deltas": list(transaction.deltas), "facts": transaction.facts}


def _known_kinds(path: str) -> dict[str, str]:
    """The kind that each attribute of a database holds, where it holds one kind only."""
    with opened(path) as db:
        return {
            summary.attribute: summary.kinds[0][0]
            for summary in db.schema()
            if isinstance(summary.attribute, str) and len(summary.kinds) == 1
        }


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _column_order(column: str) -> tuple[int, str]:
    """Names first, then the rest by alphabet."""
    first = ("title", "name", "label")
    return (first.index(column) if column in first else len(first), column)


def _format_of(target: str) -> str:
    suffix = target.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix not in (*FORMATS, "car"):
        raise RequestError(
            "db.usage",
            f"the format of {target!r} cannot be told from its name",
            nearest=nearest_names(suffix, (*FORMATS, "car")),
            fix="--format csv, json, jsonl or car",
        )
    return suffix
