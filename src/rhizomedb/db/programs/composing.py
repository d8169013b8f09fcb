"""Programs made of programs: data types by name, and rules of your own, beside the rules that use them.

`import "add-wins-set".` in a text, or `using=["add-wins-set"]` beside it, adds the rules of a data type. A name means a
type of the library or one that was registered; nothing is read from disk. A relation has one definition: where two parts
say differently what one is, that is an error, and never a relation that is both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.crdt.library import LIBRARY, DataType, known_types
from rhizomedb.crdt.register import with_stands
from rhizomedb.db.programs.compiled import parsed
from rhizomedb.errors import ProgramError, ProgramErrors, RequestError, Span, nearest_names
from rhizomedb.logic import Program
from rhizomedb.logic import check as errors_of
from rhizomedb.logic.syntax import Declaration, Rule, show_name

if TYPE_CHECKING:
    from collections.abc import Callable

Part: TypeAlias = str | DataType | Program
"""What a program can use: a data type by its name or itself, or rules."""

OWN: Final = "the program"


@dataclass(slots=True)
class _Composed:
    """Parts under way: each with its name, and what each relation is and in which part."""

    stored: Mapping[str, tuple[str, ...]] | None
    rules: dict[Rule, None] = field(default_factory=dict)
    declarations: dict[Declaration, None] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, frozenset[object]] = field(default_factory=dict)
    met: dict[str, Program] = field(default_factory=dict)
    answer: str | None = None
    known: Mapping[str, DataType] = field(default_factory=dict)  # programs of a database, which may import each other
    rings: set[str] = field(default_factory=set)

    def add_named(self, name: str, where: Span | None, source: str | None, path: tuple[str, ...]) -> None:
        """Add a data type, or a program of the database, by its name."""
        found = known_types().get(name) or self.known.get(name)
        if found is None:
            raise ProgramError(
                "logic.unknown-import",
                f"there is no data type {name!r} to import",
                where=where,
                nearest=nearest_names(name, known_types()),
                fix="a name that `rhizome crdt` lists, or one given to rhizomedb.crdt.register_type",
                source=source,
            )
        self.add_type(found, where, source, path)

    def add_type(self, found: DataType, where: Span | None, source: str | None, path: tuple[str, ...]) -> None:
        """Add a data type, after what it imports itself."""
        if found.name in path and found is self.known.get(found.name):
            self.rings.update(path[path.index(found.name) :])  # they are rules together, and checked together
            return
        if found.name in path:
            way = " -> ".join([*path[path.index(found.name) :], found.name])
            raise ProgramError(
                "logic.import-cycle",
                f"a data type imports itself: {way}",
                where=where,
                fix="leave one import out",
                source=source,
            )
        try:
            self.add(parsed(found.program), found.name, (*path, found.name), where, source)
            if found.name in self.rings and not self.rings.intersection(path):
                self._check_ring()
        except ProgramError as error:
            if found is self.known.get(found.name):
                raise named_error(error, found.name) from None
            raise
        self.answer = found.answer

    def add(self, program: Program, name: str, path: tuple[str, ...], where: Span | None, source: str | None) -> None:
        """Add a program, after what it imports. `where` is where it was asked for, in which text."""
        if self.met.get(name) == program:
            return
        for each in program.imports:
            self.add_named(each.name, each.span, program.source, path)
        whole = replace(program, imports=())
        if name != OWN and name not in LIBRARY and name not in self.rings:
            self._check(whole)
        defined = _definitions(whole)
        for relation, definition in defined.items():
            if self.definitions.get(relation, definition) != definition:
                raise self._clash(relation, whole, name, where, source)
        for relation in defined:
            self.origins.setdefault(relation, name)
        self.definitions.update(defined)
        self.rules.update(dict.fromkeys(whole.rules))
        self.declarations.update(dict.fromkeys(whole.declarations))
        self.met[name] = program

    def program(self, source: str | None) -> Program:
        """All that was added."""
        return Program(tuple(self.rules), tuple(self.declarations), source)

    def _check(self, program: Program) -> None:
        """What is wrong with a part is said of its own text: what was added before it is known to be right."""
        if self.stored is None or not program.rules:
            return
        whole = with_stands(self.program(None) + program)
        errors = errors_of(replace(whole, source=program.source), self.stored)
        if errors:
            raise errors[0] if len(errors) == 1 else ProgramErrors(errors)

    def _check_ring(self) -> None:
        """What is wrong with programs that import each other is said of all together, without a place in one of them."""
        errors = errors_of(with_stands(self.program(None)), self.stored) if self.stored is not None else []
        if errors:
            some = [
                ProgramError(
                    each.code,
                    f"{each.message}, where {', '.join(sorted(self.rings))} import each other",
                    nearest=each.nearest,
                    fix=each.fix,
                )
                for each in errors
            ]
            raise some[0] if len(some) == 1 else ProgramErrors(some)

    def _clash(
        self, relation: str, program: Program, name: str, where: Span | None, source: str | None
    ) -> ProgramError:
        first = self.origins[relation]
        if name == OWN:
            rules = [rule for rule in program.rules if rule.head.relation == relation]
            declared = [each for each in program.declarations if each.relation == relation]
            where, source = (rules[0].head.span if rules else declared[0].span), program.source
            fix = f"a name of its own, such as `{show_name(f'my_{relation}')}`"
        else:
            fix = f"leave `{first}` or `{name}` out"
        return ProgramError(
            "logic.import-clash",
            f"`{relation}` is defined by `{first}`, and otherwise by {name if name == OWN else f'`{name}`'}",
            where=where,
            fix=fix,
            source=source,
        )


def named_error(error: ProgramError, name: str) -> ProgramError:
    """An error of a program that the database has, saying of which; once."""
    for each in error.errors:
        if "stored program" not in each.message:
            each.message = f"{each.message}, in the stored program `{name}`"
    error.message = error.errors[0].message
    return error


def _definitions(program: Program) -> dict[str, frozenset[object]]:
    """What a program says each of its relations is: its rules and declaration."""
    found: dict[str, set[object]] = {}
    for rule in program.rules:
        found.setdefault(rule.head.relation, set()).add(rule)
    for declaration in program.declarations:
        found.setdefault(declaration.relation, set()).add(declaration)
    return {relation: frozenset(parts) for relation, parts in found.items()}


def composed(
    program: Program, using: Iterable[Part] = (), stored: Mapping[str, tuple[str, ...]] | None = None
) -> Program:
    """A program with the rules of all that it imports and uses; a program that does neither as it is.

    One that has no rules of its own answers with the answer of the data type that comes last.
    """
    return composed_of(program, using, stored)[0]


def composed_of(
    program: Program,
    using: Iterable[Part] = (),
    stored: Mapping[str, tuple[str, ...]] | None = None,
    known: Iterable[DataType] = (),
) -> tuple[Program, Mapping[str, str]]:
    """The same, and for each relation that it did not define itself the name of the part that did.

    `known` are programs of the database, which are imported by their names as data types are, and may import each other.
    """
    parts = parts_of(using)
    if not parts and not program.imports:
        return program, {}
    found = _Composed(stored, known={each.name: each for each in known})
    for number, part in enumerate(parts, start=1):
        match part:
            case str():
                found.add_named(part, None, None, ())
            case DataType():
                found.add_type(part, None, None, ())
            case Program():
                found.add(part, f"part {number}", (), None, None)
    found.add(program, OWN, (), None, None)
    whole = found.program(program.source)
    if not program.rules and found.answer is not None:
        last = [rule for rule in whole.rules if rule.head.relation == found.answer]
        whole = replace(whole, rules=(*(rule for rule in whole.rules if rule not in last), *last))
    return whole, {relation: name for relation, name in found.origins.items() if name != OWN}


def parts_of(using: Iterable[Part]) -> tuple[Part, ...]:
    """What a program uses, unless it is something else."""
    single = isinstance(using, str | DataType | Program)
    parts = () if single or not isinstance(using, Iterable) else tuple(using)
    if (
        single
        or not isinstance(using, Iterable)
        or not all(isinstance(part, str | DataType | Program) for part in parts)
    ):
        raise RequestError(
            "db.usage",
            "`using` is a list of names of data types, data types and programs",
            fix='using=["add-wins-set", rhizomedb.parse(rules)]',
        )
    return parts


@lru_cache(maxsize=64)
def composer(
    using: tuple[Part, ...], stored: tuple[tuple[str, tuple[str, ...]], ...], known: tuple[DataType, ...] = ()
) -> Callable[[Program], Program]:
    """What adds to a program all that it imports and uses: the same function for the same parts, so that plans are remembered."""
    return lambda program: composed_of(program, using, dict(stored), known)[0]


@lru_cache(maxsize=64)
def completer(compose: Callable[[Program], Program]) -> Callable[[Program], Program]:
    """The same with `stands`, where it is read."""
    return lambda program: with_stands(compose(program))
