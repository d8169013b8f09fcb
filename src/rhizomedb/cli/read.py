"""The verbs that ask: get, conflicts, why, history, find, query, schema, stats, and the summary of a file."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from rhizomedb.cli import out
from rhizomedb.cli.session import (
    at_moment,
    attribute_named,
    budget_of,
    column_of,
    opened,
    pairs,
    parts,
    print_lines,
    text_of_file,
    together_named,
    value_like,
    value_of,
)
from rhizomedb.cli.terminal import bytes_text
from rhizomedb.db.connection import Connection
from rhizomedb.db.explanation import Conflicts, Explanation, Record, Said
from rhizomedb.db.moment import show_ms
from rhizomedb.db.programs.result import show
from rhizomedb.db.reader import Reader, Stats
from rhizomedb.db.search import Match
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Attribute
from rhizomedb.store.storage import Storage

if TYPE_CHECKING:
    from rhizomedb.cli.wording import Reading
    from rhizomedb.db.graph.versions import Versioning
    from rhizomedb.db.graph.vocabulary import Understanding

PER_FACT_FROM = 10_000
"""From how many facts on it says something how many bytes there are for each: before, most are what SQLite needs itself."""


def get(options: Namespace) -> int:
    """What the view shows of an entity, or of one attribute of it."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        read = _reading(reader, options)
        together = together_named(reader, options.together)
        if not together:
            record: Record = read.get(options.name, policy=options.policy)
        elif read is reader:
            record = reader.get(options.name, policy=options.policy, together=together)
        else:
            raise RequestError(
                "db.usage",
                "--together is about what was said, as it was said",
                fix="leave --vocabulary or --as-version out",
            )
        wanted = list(record)
        if options.attribute is not None:
            attribute = attribute_named(reader, options.attribute)
            if options.vocabulary and isinstance(attribute, str):
                attribute = reader.vocabulary(options.believe).attributes.shown(attribute)
            if attribute not in record and attribute not in {name for group in together for name in group}:
                _why(read, options, attribute)  # the error that says what is wrong, unless it was said and fell
                wanted = []
            else:
                wanted = [attribute] if attribute in record else []
        if options.json:
            print_lines([_record_dict(record, wanted)])
        elif not wanted:
            file, name = out.quoted(options.file), out.quoted(options.name)
            if reader.hyperedges(targets=[record.entity], limit=1):
                out.note(f"nothing stands of it alone; hyperedges point at it: rhizome edges {file} {name}")
            else:
                out.note(f"nothing stands; what was said and taken back: rhizome history {file} {name}")
        elif options.attribute is not None:
            for value in record.choices[wanted[0]].values if wanted else ():
                out.say(out.value_text(value))
        else:
            out.say(out.strong(record.label))
            rows = [
                [show(a), out.values(record.choices[a].values), "≠" if a in record.contested else ""] for a in wanted
            ]
            out.say_table(["", "", ""], rows, indent="  ")
            if record.contested:
                command = (
                    f"rhizome why {out.quoted(options.file)} {out.quoted(record.label)} {out.quoted(_first(record))}"
                    + _as_read(options)
                )
                out.say(
                    f"\n≠ {out.plural(len(record.contested), 'attribute')} with more than one value; try: {command}"
                )
            if wanted == ["name"] and reader.hyperedges(targets=[record.entity], limit=1):
                file, name = out.quoted(options.file), out.quoted(options.name)
                out.note(f"hyperedges point at it: rhizome show {file} {name}")
    return 0


def _reading(reader: Reader, options: Namespace) -> Reading:
    """The database as the options want it to be read; as it is, unless they say otherwise."""
    if not options.vocabulary and options.as_version is None and options.believe is None:
        return reader
    from rhizomedb.cli.wording import reading  # most do without

    return reading(reader, options)


def _as_read(options: Namespace) -> str:
    """The options that say how a database is read, to be typed again."""
    words = [" --vocabulary"] if options.vocabulary else []
    version: str | None = getattr(options, "as_version", None)
    words += [f" --as-version {out.quoted(version)}"] if version is not None else []
    return "".join([*words, *(f" --believe {out.quoted(author)}" for author in options.believe or ())])


def _why(read: Reading, options: Namespace, attribute: Attribute) -> Explanation | Understanding | Versioning:
    explain: Callable[..., Explanation | Understanding | Versioning] = read.why
    return explain(options.name, attribute, policy=options.policy)


GROUPS_SHOWN_MAX = 20
"""How many groups that wait are listed."""

COUNTED_MAX = 1_000
"""Up to how many conflicts are counted where not all are shown."""


def conflicts(options: Namespace) -> int:
    """Every register with more than one standing value."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        if options.schema is not None:
            from rhizomedb.cli.views import conflicts_of_views

            return conflicts_of_views(options, db, reader)
        attribute = None if options.attribute is None else attribute_named(reader, options.attribute)
        # So many more are counted: to count all takes as long as to list all.
        most = None if options.limit is None else max(options.limit, COUNTED_MAX)
        if options.vocabulary:
            read = reader.with_vocabulary(options.believe)
            every = read.conflicts(options.name, policy=options.policy)
            shown_as = attribute if not isinstance(attribute, str) else read.vocabulary.attributes.shown(attribute)
            found = Conflicts([each for each in every if attribute is None or each.attribute == shown_as])
        else:
            found = reader.conflicts(options.name, attribute, policy=options.policy, limit=most)
        if options.json:
            print_lines((conflict.as_dict() for conflict in found), options.limit)
            return 0
        shown = found[: options.limit] if options.limit is not None else found
        for conflict in shown:
            out.say(out.strong(f"{conflict.label} · {show(conflict.attribute)}"))
            decided = {repr(value) for value in conflict.shown}
            out.say_pairs(
                [("→" if repr(said.value) in decided else "", said.value, _who(said)) for said in conflict.values],
                indent="  ",
            )
            out.say(out.faint(f"    shown by {conflict.policy}: {conflict.reason}"))
        if found.more:
            rest = ", not all of them shown"
        else:
            rest = f", {len(found) - len(shown):,} more not shown" if len(shown) < len(found) else ""
        count = f"{'more than ' if found.more else ''}{out.plural(len(found), 'conflict')}" if found else "no conflicts"
        out.say(f"{count}{rest}")
        if found:
            out.say(
                f"try: rhizome why {out.quoted(options.file)} "
                f"{out.quoted(found[0].label)} {out.quoted(show(found[0].attribute))}" + _as_read(options)
            )
        if options.name is None and options.attribute is None and (named := _outermost_schema(reader)) is not None:
            file = out.quoted(options.file)
            out.note(f"what hyperedges say is compared by a schema: rhizome conflicts {file} --schema {named}")
    return 0


def _outermost_schema(reader: Reader) -> str | None:
    """The schema that leads to most of the others, as it is typed; None where there is none."""
    known = reader.schemas()
    return out.quoted(known[known.order[-1]].name) if known.order else None


def _count(found: Conflicts) -> str:
    """How many conflicts there are, as far as they were looked for."""
    number = out.plural(len(found), "conflict") if found else "no conflicts"
    return f"more than {number}" if found.more else number


def _who(said: Said) -> str:
    names = [f"{name} {show_ms(ms)}" for name, ms in zip(said.authors, said.times_ms, strict=True)]
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def why(options: Namespace) -> int:
    """Why the view shows a value."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        explanation = _why(_reading(reader, options), options, attribute_named(reader, options.attribute))
        if options.json:
            print_lines([explanation.as_dict()])
        else:
            for line in str(explanation).splitlines():
                out.say(out.safe(line))
    return 0


def history(options: Namespace) -> int:
    """Everything ever said about an entity."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        attribute = None if options.attribute is None else attribute_named(reader, options.attribute)
        found = reader.history(options.name, attribute)
        if options.json:
            print_lines(found.to_dicts(), options.limit)
            return 0
        out.say(out.strong(found.label if attribute is None else f"{found.label} · {show(attribute)}"))
        shown = found[: options.limit] if options.limit is not None else found
        rows = [
            {
                "claimed": show_ms(s.claim.time.ms),
                "author": s.author,
                "attribute": show(s.attribute),
                "value": s.claim.value,
                "now": s.fate,
                "arrived": f"epoch {s.epoch}, {s.origin}",
            }
            for s in shown
        ]
        names = ["claimed", "author", *(["attribute"] if attribute is None else []), "value", "now", "arrived"]
        if not found and reader.hyperedges(targets=[options.name], negated="mark", limit=1):
            file, name = out.quoted(options.file), out.quoted(options.name)
            out.note(f"nothing is said of it alone; hyperedges point at it: rhizome edges {file} {name} --negated mark")
            return 0
        out.say_table(names, [[row[name] for name in names] for row in rows], whole=("claimed", "now"))
        if len(found) > len(shown):
            out.say(f"… {len(found) - len(shown):,} more")
    return 0


def find(options: Namespace) -> int:
    """The entities that a text or conditions match."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        matches = [_condition(reader, text) for text in options.where]
        found = reader.select(options.text, matches, policy=options.policy)
        shown = found[: options.limit] if options.limit is not None else found
        if options.json:
            print_lines(_record_dict(record, list(record)) for record in shown)
            return 0
        rows = [[record.label, _summary_of(record)] for record in shown]
        out.say_table(["", ""], rows)
        out.say(
            f"{out.plural(len(found), 'entity', 'entities')}"
            + (f", {len(shown):,} shown" if len(shown) < len(found) else "")
        )
    return 0


def query(options: Namespace) -> int:
    """Run a program."""
    text = options.program
    if text.startswith("@"):
        text = text_of_file(text[1:])
    parameters = {name: value_of(value) for name, value in pairs(options.param, "--param").items()}
    budget, using = budget_of(options.budget), parts(options.using)
    with opened(options.file) as db:
        reader = at_moment(db, options)
        if options.explain:
            plan = reader.explain(text, parameters, relation=options.relation, using=using, budget=budget)
            if options.json:
                print_lines([{"plan": plan}])
            else:
                out.say("\n".join(map(out.safe, plan.split("\n"))))
            return 0
        result = reader.query(text, parameters, relation=options.relation, using=using, budget=budget)
        for notice in result.notices:
            out.note(f"note: {notice}")
        if options.json:
            print_lines(result.to_dicts(), options.limit)
            return 0
        shown = result[: options.limit] if options.limit is not None else result
        out.say_table(list(result.columns), shown)
        out.say(f"{out.plural(len(result), 'tuple')}" + (f", {len(shown):,} shown" if len(shown) < len(result) else ""))
    return 0


def schema(options: Namespace) -> int:
    """Every attribute in use."""
    with opened(options.file) as db:
        rows = [
            {"attribute": s.attribute, "facts": s.facts, "entities": s.entities, "kinds": dict(s.kinds)}
            for s in db.schema()
        ]
        if options.json:
            print_lines(rows)
        else:
            cells = [
                [
                    show(s.attribute),
                    ", ".join(kind if len(s.kinds) == 1 else f"{kind} ({count:,})" for kind, count in s.kinds),
                    s.facts,
                    s.entities,
                ]
                for s in db.schema()
            ]
            out.say_table(["attribute", "kind", "facts", "entities"], cells)
    return 0


def stats(options: Namespace) -> int:
    """How much there is, who said it, and what is held back."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        counts = reader.stats()
        held, groups = db.held(), db.pending()
        authors = sorted(reader.authors())
        if options.json:
            print_lines(
                [
                    {
                        **counts.as_dict(),
                        "names": authors,
                        "held_back": [
                            {"delta": h.id, "reason": h.reason, "due": h.due_ms, "origin": h.origin} for h in held
                        ],
                        "pending": [group.as_dict() for group in groups],
                    }
                ]
            )
            return 0
        shown = ("facts", "entities", "attributes", "deltas", "authors", "causes", "epoch")
        rows = [[name, getattr(counts, name)] for name in shown]
        out.say_table(["", ""], rows)
        out.say(f"authors: {', '.join(map(out.safe, authors)) or 'none'}")
        for group in groups[:GROUPS_SHOWN_MAX]:
            out.say(f"waits: {out.safe(str(group))}")
        if len(groups) > GROUPS_SHOWN_MAX:
            out.say(f"waits: {len(groups) - GROUPS_SHOWN_MAX:,} more groups")
        in_groups = {part.id for group in groups for part in group.here}
        for one in held:
            if one.id in in_groups:
                continue
            due = f" until {show_ms(one.due_ms)}" if one.due_ms is not None else ""
            out.say(f"held back{due}: delta …{one.id.short}, {one.reason} ({out.safe(one.origin)})")
        if counts.storage.format:
            _say_storage(counts)
    return 0


def _say_storage(counts: Stats) -> None:
    """Where the bytes of a file are."""
    kept = counts.storage
    parts = [
        f"{bytes_text(kept.log_bytes)} log",
        f"{bytes_text(kept.index_bytes)} index in {out.plural(kept.segments, 'segment')}{_in_memory(kept)}",
        *([f"{bytes_text(kept.attachment_bytes)} attachments"] if kept.attachment_bytes else []),
        *([f"{bytes_text(kept.wal_bytes)} write-ahead log"] if kept.wal_bytes else []),
        *([f"{bytes_text(kept.free_bytes)} not in use"] if kept.free_bytes else []),
        *([f"{counts.bytes_per_fact:,.0f} bytes per fact"] if counts.facts >= PER_FACT_FROM else []),
    ]
    out.say(f"storage: {', '.join(parts)} (format {kept.format})")


def _in_memory(kept: Storage) -> str:
    """How much of the index has no file yet: what is new is in memory until it is much."""
    if not kept.index_memory_bytes:
        return ""
    if kept.index_memory_bytes == kept.index_bytes:
        return " in memory"
    return f", {bytes_text(kept.index_memory_bytes)} of it in memory"


def summary(path: str, *, as_json: bool) -> int:
    """Five lines about a file, and what to do next."""
    with opened(path) as db:
        counts = db.stats()
        authors = sorted(db.authors())
        found = db.conflicts(limit=COUNTED_MAX)
        file = out.quoted(path)
        if as_json:
            print_lines([{**counts.as_dict(), "names": authors, "conflicts": len(found), "more_conflicts": found.more}])
            return 0
        newest = db.arrivals()[-1:] or None
        said = f"{out.plural(counts.facts, 'fact')} about {out.plural(counts.entities, 'entity', 'entities')}"
        out.say(f"{out.strong(path)}: {said}, {out.plural(counts.attributes, 'attribute')}")
        out.say(f"  said by {', '.join(map(out.safe, authors[:8])) or 'nobody yet'}{' …' if len(authors) > 8 else ''}")
        out.say(
            f"  epoch {counts.epoch}"
            + (f", last change {show_ms(newest[0].at_ms)}: {out.safe(newest[0].origin)}" if newest else "")
        )
        out.say(
            f"  {_count(found)}" + (f", first {out.safe(found[0].label)} · {show(found[0].attribute)}" if found else "")
        )
        out.say(f"  {out.plural(counts.held, 'delta')} held back" if counts.held else "  nothing held back")
        out.say("next:")
        if not counts.facts:
            out.say(f"  rhizome import {file} table.csv --as SOURCE --key COLUMN")
        elif found:
            first = found[0]
            out.say(f"  rhizome conflicts {file}")
            out.say(f"  rhizome why {file} {out.quoted(first.label)} {out.quoted(show(first.attribute))}")
        else:
            tells = "edges" if _says_hyperedges(db) else "find"
            out.say(f"  rhizome {tells} {file}{'' if tells == 'edges' else ' TEXT'}\n  rhizome schema {file}")
        if counts.facts and (named := _outermost_schema(db)) is not None:
            out.say(f"  rhizome where {file} {named}\n  rhizome conflicts {file} --schema {named}")
    return 0


def _says_hyperedges(db: Connection) -> bool:
    """Whether what was said first is a hyperedge, or the names of its things, which tells what a file is about."""
    return any(delta.edge is not None for delta in islice(db.deltas(lost=[]), 2))


CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|!=|==|=|<|>|~)\s*(.*?)\s*\Z", re.DOTALL)
TESTS = {"=": "eq", "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "~": "contains"}


def _condition(reader: Reader, text: str) -> Match:
    match = CONDITION.match(text)
    if not match:
        raise RequestError(
            "db.condition",
            f"{text!r} is not a condition",
            fix='"year < 1990", "director = Ridley Scott", "title ~ moon"',
        )
    name, operator, written = match.groups()
    attribute = attribute_named(reader, name)
    reader.check_attribute(attribute)
    if not written:
        raise RequestError("db.condition", f"{text!r} compares with nothing", fix=f'"{name} {operator} 1990"')
    bare = written[1:-1] if len(written) > 1 and written[0] == written[-1] == '"' else written
    value = bare if operator == "~" else value_like(reader, attribute, bare)
    return Match(attribute, TESTS[operator], value)


def _record_dict(record: Record, wanted: list[Attribute]) -> dict[str, object]:
    return {
        "entity": record.label,
        "id": record.entity.hex(),
        "policy": record.policy,
        "values": {column_of(a): record[a] for a in wanted},
        "contested": sorted(map(column_of, record.contested.intersection(wanted))),
    }


def _summary_of(record: Record) -> str:
    shown = (item for item in record.choices.items() if record.label not in map(str, item[1].values))
    return "; ".join(f"{show(attribute)}: {out.values(choice.values)}" for attribute, choice in shown)


def _first(record: Record) -> str:
    return min(map(show, record.contested))
