"""The verbs of HyperSchemas: define them from a file, and list them with what is not agreed on or not understood."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rhizomedb.cli import out
from rhizomedb.cli.session import at_moment, opened, print_lines, text_of_file
from rhizomedb.db.graph.hyperedges import show_id
from rhizomedb.db.graph.hyperviews import find_schema
from rhizomedb.db.moment import show_ms
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError
from rhizomedb.hyper import schema_json
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.schema import HyperSchema, Nest, Property, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, SchemaConflict

VERSION_SHOWN: Final = 10
"""How many digits of a version are shown."""


def define(options: Namespace) -> int:
    """Define the schemas of a file."""
    text = options.source if options.source.lstrip()[:1] in ("{", "[") else text_of_file(options.source)
    given = schema_json.read(_parsed(text, options.source))
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        known = db.schemas()
        named = {each.id: each for each in schema_json.by_name(given, known)}
        together = Schemas([*(each for each in known.values() if each.id not in named), *named.values()])
        # Each after those that it leads to: then no ring is seen on the way that the whole does not have.
        done = [(named[id], db.define(named[id])) for id in together.order if id in named]
        if options.json:
            print_lines(
                {
                    "id": each.id,
                    "version": each.version,
                    "epoch": said.epoch,
                    "deltas": list(said.deltas),
                    "not_defined": sorted(_unknown(each, together)),
                }
                for each, said in done
            )
            return 0
        if not done:
            out.note("note: there is no schema in it, and nothing was said")
        for each, said in done:
            what = f"defined (epoch {said.epoch})" if said else "is so already"
            out.say(f"{out.safe(each.name)} ({out.safe(each.id)}) {what}")
        for each in named.values():
            for id in sorted(_unknown(each, together)):
                out.note(f"note: {each.name} leads to {id}, which is not defined here yet")
    return 0


def schemas(options: Namespace) -> int:
    """The schemas that are said, or one of them."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        said = reader.schemas_said()
        known = said.schemas
        if options.name is not None:
            return _one(options, reader, known[find_schema(known, options.name)], said.conflicts)
        if options.program:
            raise RequestError("db.usage", "--program is of one schema", fix="rhizome schemas FILE NAME --program")
        if options.json:
            print_lines(_as_dict(each, said.conflicts) for each in known.values())
            print_lines(
                {"not_understood": id_of(edge.edge), "by": reader.author_name(edge.author), "reason": reason}
                for edge, reason in said.refused
            )
            return 0
        rows = [
            [
                each.name,
                each.id,
                "everything" if each.selects is None else out.plural(len(each.selects), "property", "properties"),
                ", ".join(f"{role} → {_called(known, nest)}" for role, nest in sorted(each.nests.items())),
            ]
            for each in known.values()
        ]
        if rows:
            out.say_table(["name", "id", "shows", "leads to"], rows)
        for conflict in said.conflicts:
            _say_conflict(reader, conflict, known)
        for edge, reason in said.refused:
            out.say(f"not understood: {show_id(edge.edge)}, {_who(reader, edge)}: {out.safe(reason)}")
        out.say(out.plural(len(rows), "schema") if rows else "no schemas")
        if not rows:
            out.note(f"try: rhizome define {out.quoted(options.file)} movie.json")
    return 0


def _unknown(schema: HyperSchema, known: Schemas) -> set[str]:
    return {nest.schema for nest in schema.nests.values() if nest.schema not in known}


def _one(options: Namespace, reader: Reader, schema: HyperSchema, conflicts: Iterable[SchemaConflict]) -> int:
    if options.program:
        program = reader.hyperview_program(schema.id)
        if options.json:
            print_lines([{"program": program}])
        else:
            for line in program.rstrip("\n").split("\n"):
                out.say(out.safe(line))
        return 0
    mine = [each for each in conflicts if each.schema == schema.id]
    if options.json:
        print_lines([_as_dict(schema, mine)])
        return 0
    known = reader.schemas()
    out.say(f"{out.strong(schema.name)}  ({out.safe(schema.id)}, version {schema.version[:VERSION_SHOWN]}…)")
    rows = [["shows", "every property" if schema.selects is None else ", ".join(sorted(schema.selects)) or "nothing"]]
    rows += [
        ["leads by" if not place else "", f"{role} → {_called(known, nest)}{_when(nest)}"]
        for place, (role, nest) in enumerate(sorted(schema.nests.items()))
    ]
    rows += [
        ["expects" if not place else "", f"{name}: {_expected(each)}"]
        for place, (name, each) in enumerate(sorted(schema.properties.items()))
    ]
    rows += [["said by" if not place else "", who] for place, who in enumerate(dict.fromkeys(_sayers(reader, schema)))]
    out.say_table(["", ""], rows, indent="  ")
    for conflict in mine:
        _say_conflict(reader, conflict, known)
    return 0


def _say_conflict(reader: Reader, conflict: SchemaConflict, known: Schemas) -> None:
    name = known[conflict.schema].name if conflict.schema in known else conflict.schema
    out.say(out.strong(f"{name} · {conflict.part}"))
    out.say_pairs(
        [("→" if edge == conflict.counts else "", _says(edge), _who(reader, edge)) for edge in conflict.said],
        indent="  ",
    )
    out.say(out.faint("    the latest counts"))


def _says(edge: Hyperedge) -> str:
    """What a hyperedge says of a schema: all but which schema that is."""
    parts = [
        f"{pointer.role} {show_id(target.entity) if isinstance(target, Reference) else out.value_text(target)}"
        for pointer in edge.pointers
        for target in [pointer.target]
        if pointer.role != SCHEMA
    ]
    return ", ".join(parts)


def _sayers(reader: Reader, schema: HyperSchema) -> Iterable[str]:
    for edge in reader.hyperedges(targets=[schema.id]):
        if edge.targets(SCHEMA):
            yield reader.author_name(edge.author)


def _who(reader: Reader, edge: Hyperedge) -> str:
    return f"{out.safe(reader.author_name(edge.author))} {show_ms(edge.time.ms)}"


def _called(known: Mapping[str, HyperSchema], nest: Nest) -> str:
    return known[nest.schema].name if nest.schema in known else f"{nest.schema} (not defined here)"


def _when(nest: Nest) -> str:
    conditions = [f"{each.role} {each.comparison} {out.value_text(each.value)}" for each in nest.when]
    return f" where {' and '.join(conditions)}" if conditions else ""


def _expected(each: Property) -> str:
    role = None if each.role is None else f"in the role {each.role}"
    words = (each.kind, role, "required" if each.required else None, "many" if each.many else None)
    return ", ".join(word for word in words if word) or "anything"


def _as_dict(schema: HyperSchema, conflicts: Iterable[SchemaConflict]) -> dict[str, Any]:
    parts = [each.part for each in conflicts if each.schema == schema.id]
    return {"schema": schema_json.written(schema), "version": schema.version, "conflicts": parts}


def _parsed(text: str, name: str) -> Any:
    """The JSON of a text, nothing in it lost: no name twice in an object, no number that is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [key for key, _ in pairs]
            raise ValueError(f"{next(key for key in names if names.count(key) > 1)!r:.60} stands twice in one object")
        return found

    def no_number(text: str) -> Any:
        raise ValueError(f"{text} is no number that a schema can hold")

    where = None if name is text else name
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}" if where is None else f"{where} line {error.lineno}"
        message = f"this is no JSON: {error.msg}"
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, ValueError) else "it nests too deep"
    raise RequestError(
        "hyper.schema", message, where=where, fix='{"id": "movie", "name": "Movie", "nests": {"director": "person"}}'
    )
