"""The verb `show`: a thing by a schema, as a tree with who says what, or as data."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from rhizomedb.cli import out
from rhizomedb.cli.session import at_moment, opened, print_lines, whole_schemas
from rhizomedb.db.graph.hyperviews import find_schema
from rhizomedb.db.moment import show_ms
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.pointer import Hyperedge, Reference
from rhizomedb.hyper.resolution import Made, Said, by_role, plain, policy_of, property_key, resolve, told
from rhizomedb.hyper.schema import HyperSchema, Schemas

EVERYTHING: Final = HyperSchema("rhizome/everything", "everything")
"""What shows a thing where no schema is named: every context, and nothing nested."""

BY_AUTHOR: Final = ("trusted:", "claimed:")

Row = list[object]


def show(options: Namespace) -> int:
    """What a schema shows of a thing."""
    with opened(options.file) as db:
        reader = at_moment(db, options)
        schema = EVERYTHING if options.schema is None else options.schema
        if options.believe is not None and not options.vocabulary:
            raise RequestError("db.usage", "--believe goes with --vocabulary")
        read = reader.with_vocabulary(options.believe) if options.vocabulary else reader
        if options.vocabulary and options.negated != "exclude":
            raise RequestError("db.usage", "--negated does not go with --vocabulary", fix="leave one of them out")
        marking = {} if options.vocabulary else {"negated": options.negated}
        schemas = whole_schemas(db, options)
        view = read.hyperview(options.name, schema, schemas=schemas, trusted=options.trusted, **marking)
        if not view and not reader.is_known(view.entity):
            reader.get(options.name)  # the error that says what is near, or what is held of it otherwise
        if options.said and not options.json:
            raise RequestError("db.usage", "--said goes with --json", fix="rhizome show FILE NAME --said --json")
        general, special = policies_of(reader, options.policy)
        note_unknown(reader, schema, special, schemas)
        made: Made = {}
        shown = resolve(view, policy_of(general, reader.author_key), special, made=made)
        if options.json:
            print_lines([view.to_dict(reader.author_name) if options.said else shown])
            return 0
        labels = reader.labels(_things(view))
        title = out.strong(labels[view.entity])
        out.say(f"{title}  ({out.safe(view.schema.name)})" if options.schema is not None else title)
        rows = list(_Tree(reader, made, labels).rows(view, 0))
        if rows:
            most = len(rows) if options.limit is None else options.limit
            out.say_table(["", "", "", ""], rows[:most], indent="  ")
            if len(rows) > most:
                out.say(f"  … {len(rows) - most:,} more lines")
        else:
            file, name = out.quoted(options.file), out.quoted(options.name)
            out.note(f"no hyperedge points at it here; what is said of it otherwise: rhizome get {file} {name}")
    return 0


class _Tree:
    """The lines of a view: a property, a mark where that is what the policy shows, the value, and who says it."""

    def __init__(self, reader: Reader, made: Made, labels: Mapping[Entity, str]) -> None:
        self._authors = reader._authors()
        self._made = made
        self._labels = labels
        self._done: set[int] = set()

    def rows(self, view: HyperView, deep: int) -> Iterator[Row]:
        """The lines of a view that is so deep inside another one."""
        self._done.add(id(view))
        shown = self._made[id(view)]
        for property, entries in view.properties.items():
            chosen = shown.get(property_key(property))
            name, met = property, False
            for entry in entries:
                for value in told(view, property, entry):
                    is_shown = not entry.edge.is_negated and self._is_shown(value, entry.edge, chosen)
                    met = met or is_shown
                    if name == "" and isinstance(value, dict):
                        name = property  # else nobody sees where the next one begins
                    yield from self._value(name, "→" if is_shown else "", value, entry.edge, deep)
                    name = ""
            if not met and property_key(property) in shown:
                yield [_deep(deep, name), "=", _text(chosen), "as the policy makes it of all of them"]
        for property in view.missing():
            yield [_deep(deep, property), "", "nothing", "it is required"]

    def _value(self, name: str, mark: str, value: Any, edge: Hyperedge | None, deep: int) -> Iterator[Row]:
        who = "" if edge is None else self._who(edge)
        if isinstance(value, dict):
            yield [_deep(deep, name), mark, "", who]
            for role, targets in value.items():
                for target in targets:
                    yield from self._value(role, "", target, None, deep + 1)
        elif isinstance(value, HyperView):
            label = f"{self._labels[value.entity]} ({value.schema.name})"
            if id(value) not in self._made:
                yield [_deep(deep, name), mark, label, who]  # only what is taken back leads there
            elif id(value) in self._done and value:
                yield [_deep(deep, name), mark, f"{label}, as above", who]
            else:
                yield [_deep(deep, name), mark, label, who]
                yield from self.rows(value, deep + 1)
        else:
            text = self._labels[value.entity] if isinstance(value, Reference) else value
            yield [_deep(deep, name), mark, text, who]

    def _is_shown(self, value: Any, edge: Hyperedge, chosen: Any) -> bool:
        key = Said(by_role(value, partial(plain, resolved=lambda view: self._made[id(view)])), edge).key
        # A policy that shows several gives a list, and no value that is told is one.
        among = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
        return any(Said(each, edge).key == key for each in among)

    def _who(self, edge: Hyperedge) -> str:
        author = self._authors.name(edge.author)
        named = author if edge.claimed_author is None else f"{edge.claimed_author} (as {author} claims)"
        return f"{named} {show_ms(edge.time.ms)}{'  taken back' if edge.is_negated else ''}"


def _deep(deep: int, name: str) -> str:
    return "  " * deep + name if name else ""


def _text(value: Any) -> object:
    return ", ".join(map(str, map(_text, value))) if isinstance(value, list) else value


def _things(view: HyperView) -> set[Entity]:
    """Everything that the lines of a view name."""
    found: set[Entity] = set()
    waiting, seen = [view], {id(view)}
    while waiting:
        at = waiting.pop()
        found.add(at.entity)
        for entries in at.properties.values():
            for entry in entries:
                for _, target in entry.targets:
                    if isinstance(target, Reference):
                        found.add(target.entity)
                    elif isinstance(target, HyperView) and id(target) not in seen:
                        seen.add(id(target))
                        waiting.append(target)
    return found


def note_unknown(
    reader: Reader, schema: HyperSchema | str, policies: Collection[str], more: Iterable[HyperSchema] = ()
) -> None:
    """Note each policy of a property that no view can have, for it chooses nothing: most likely it is misspelt."""
    if not policies or isinstance(schema, HyperSchema):
        return
    schemas = Schemas([*reader.schemas().values(), *more])
    reached = schemas.reached(find_schema(schemas, schema))
    if any(each.selects is None for each in reached):
        return  # any property may show up
    known = {name for each in reached for name in each.selects or ()}
    known |= {f"{each.name}.{name}" for each in reached for name in each.selects or ()}
    for name in policies:
        if name not in known:
            near = nearest_names(name, known)
            meant = f"; did you mean {', '.join(map(out.safe, near))}?" if near else ""
            out.note(f"note: no property here is called {out.safe(name)}, and its policy chooses nothing{meant}")


def policies_of(reader: Reader, given: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The policy of all properties, and those of single ones: `latest`, `year=max`, `Person.name=trusted:ann`."""
    general, special = "latest", {}
    for text in given:
        name, equals, policy = text.partition("=")
        if not equals or text.startswith(BY_AUTHOR):
            general = text
        elif not name or not policy:
            raise RequestError("db.usage", f"--policy {text!r:.60} is not PROPERTY=POLICY", fix="--policy year=max")
        else:
            special[name] = policy_of(policy, reader.author_key)
    return general, special
