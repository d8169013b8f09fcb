"""The verbs of many views: `where`, `diff`, and `conflicts` of a schema."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from rhizomedb.cli import out
from rhizomedb.cli.read import TESTS
from rhizomedb.cli.session import at_moment, known_thing, opened, print_lines, value_of, whole_schemas
from rhizomedb.cli.show import note_unknown, policies_of
from rhizomedb.db.connection import Connection
from rhizomedb.db.graph.constraint import MARK
from rhizomedb.db.graph.disagreement import SaidBy, SaidValue, ViewConflicts, as_data, brief, show_shown, things_in
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.json_delta import HEX, entity_of
from rhizomedb.hyper.typed_field import Ref

CONDITION = re.compile(r"\s*([^=<>!~]*[^=<>!~\s])\s*(<=|>=|!=|==|=|<|>|~)(.*)\Z", re.DOTALL)

COUNTED_MAX = 1_000
"""Up to how many conflicts and differences are counted where not all are shown."""


def where(options: Namespace) -> int:
    """The things of a schema that meet constraints."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        general, special = policies_of(reader, options.policy)
        schemas = whole_schemas(db, options)
        note_unknown(reader, options.schema, special, schemas)
        found = reader.where(
            options.schema,
            _conditions(options.conditions),
            policy=general,
            policies=special,
            schemas=schemas,
            trusted=options.trusted,
            limit=None if options.limit is None else options.limit + 1,
        )
        shown = found if options.limit is None else found[: options.limit]
        if options.json:
            print_lines(as_data(each) for each in shown)
            return 0
        brief_ones = [
            {name: value if name == "id" else _with_things(brief(value)) for name, value in each.items()}
            for each in shown
        ]
        labels = reader.labels(
            set().union(*(things_in(each) for each in brief_ones), (entity_of(each["id"]) for each in shown))
        )
        rows = [[labels[entity_of(each["id"])], _summary(each, labels)] for each in brief_ones]
        out.say_table(["", ""], rows)
        more = len(found) > len(shown)
        out.say(f"{out.plural(len(shown), 'thing')}{', and there are more' if more else ''}")
    return 0


def _with_things(value: Any) -> Any:
    """The same with a thing where data has an id that is no readable text: it is called by its name."""
    match value:
        case list():
            return [_with_things(each) for each in value]
        case dict():
            return {name: _with_things(each) for name, each in value.items()}
        case str() if HEX.match(value):
            return Ref(value)
    return value


def _conditions(texts: Iterable[str]) -> dict[str, Any]:
    """Conditions as they are typed: `year__gt=1990` or "year > 1990", `director__name="Lana Wachowski"`, `year__in=1996,1999`."""
    found: dict[str, Any] = {}
    for text in texts:
        match = CONDITION.match(text)
        if not match:
            raise RequestError(
                "db.usage", f"{text!r:.60} is not NAME=VALUE", fix="rhizome where FILE Movie year__gt=1990"
            )
        said, sign, value = match.groups()
        name = said if TESTS[sign] == "eq" else f"{said}{MARK}{TESTS[sign]}"
        if name in found:
            raise RequestError("db.usage", f"{name!r:.60} is there twice", fix=f"{said}__in=1,2")
        is_list = name.endswith(f"{MARK}in")
        found[name] = [_value(each) for each in value.split(",")] if is_list else _value(value, is_text=sign == "~")
    return found


def _value(text: str, *, is_text: bool = False) -> object:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text if is_text else value_of(text)


def _summary(shown: Mapping[str, Any], labels: Mapping[Entity, str]) -> str:
    """What is shown of a thing but what it is called by, in a line."""
    label = labels[entity_of(shown["id"])]
    said = {name: value for name, value in shown.items() if name != "id" and value != label}
    return "; ".join(f"{name}: {show_shown(value, labels)}" for name, value in said.items())


def conflicts_of_views(options: Namespace, db: Connection, reader: Reader) -> int:
    """Every property of the things of a schema of which several values are said."""
    if options.vocabulary or options.believe:
        raise RequestError("db.usage", "--schema does not go with --vocabulary", fix="leave one of them out")
    if options.name is not None:
        known_thing(reader, options.name)
    most = None if options.limit is None else max(options.limit, COUNTED_MAX)
    found: ViewConflicts = reader.conflicts(
        options.name,
        options.attribute,
        schema=options.schema,
        schemas=whole_schemas(db, options),
        policy=options.policy,
        limit=most,
    )
    if options.json:
        print_lines(found.to_dicts(), options.limit)
        return 0
    shown = found[: options.limit] if options.limit is not None else found
    for conflict in shown:
        out.say(out.strong(f"{conflict.label} · {conflict.property}"))
        rows = [
            ("→" if _is_shown(each, conflict.shown) else "", show_shown(each.value, conflict.labels), _who(each.said))
            for each in conflict.values
        ]
        out.say_pairs(rows, indent="  ")
    _count(found, len(shown), "conflict")
    return 0


def diff(options: Namespace) -> int:
    """What is shown differently."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        if not (options.moments or options.epochs or options.authors or options.policies):
            raise RequestError(
                "db.usage", "nothing says what differs between the two sides", fix="--moments yesterday now"
            )
        if options.name is not None:
            known_thing(reader, options.name)
        most = None if options.limit is None else max(options.limit, COUNTED_MAX)
        found = reader.diff(
            options.name,
            schema=options.schema,
            schemas=whole_schemas(db, options),
            properties=options.property,
            moments=_pair(options.moments),
            epochs=_pair(options.epochs),
            authors=_pair(options.authors),
            policy=_pair(options.policies) or "latest",
            limit=most,
        )
        if options.json:
            print_lines(found.to_dicts(), options.limit)
            return 0
        shown = found[: options.limit] if options.limit is not None else found
        for each in shown:
            reached = f"  (from {' · '.join(each.path)})" if len(each.path) > 1 else ""
            out.say(f"{out.strong(f'{each.label} · {each.property}')}{out.safe(reached)}")
            rows = [
                ("-", show_shown(each.before, each.labels), _who(each.said_before)),
                ("+", show_shown(each.after, each.labels), _who(each.said_after)),
            ]
            out.say_pairs(rows, indent="  ")
            if each.taken_back:
                out.say(out.faint(f"    taken back by {_who(each.taken_back)}"))
        _count(found, len(shown), "difference")
    return 0


def _pair(given: list[Any] | None) -> tuple[Any, Any] | None:
    return None if given is None else (given[0], given[1])


def _is_shown(value: SaidValue, shown: Any) -> bool:
    among = shown if isinstance(shown, list) else [shown]
    return as_data(value.value) in [as_data(each) for each in among]


def _who(said: Iterable[SaidBy]) -> str:
    return ", ".join(map(str, said))


def _count(found: Any, shown: int, word: str) -> None:
    """How many there are, as far as they were looked for."""
    count = f"{'more than ' if found.more else ''}{out.plural(len(found), word)}" if found else f"no {word}s"
    rest = ", not all of them shown" if found.more else f", {len(found) - shown:,} more not shown"
    out.say(f"{count}{rest if found.more or shown < len(found) else ''}")
