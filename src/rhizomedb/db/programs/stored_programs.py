"""Programs and views that a database has: which are defined at a moment, which definition counts, what each imports.

A definition is data like any other: said by somebody, corrected, taken back, passed on. So what came from elsewhere is checked
when it is used, and what is wrong with it concerns those alone who use it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.crdt.library import DataType, known_types
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import RANK, Asked, at_one_moment, set_of
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.programs.checking import Checked, check_with
from rhizomedb.db.programs.compiled import parsed
from rhizomedb.db.programs.composing import Part, composed_of, named_error, parts_of
from rhizomedb.db.programs.programming import Known, Opened
from rhizomedb.db.programs.query import answer_relation, parsed_of
from rhizomedb.db.transaction import Part as Saying
from rhizomedb.db.transaction import Transaction, group_of
from rhizomedb.errors import ProgramError, RequestError, nearest_names
from rhizomedb.facts.entity import ENTITY_BYTES
from rhizomedb.facts.value import Value, check_value
from rhizomedb.hyper import program_edges
from rhizomedb.hyper.pointer import NEGATED_BY, NEGATES, Hyperedge, Pointer, Reference, facts_of
from rhizomedb.hyper.program_edges import Conflict, Definition, StoredHyperViews, StoredProgram, StoredView, check_name
from rhizomedb.hyper.resolution import POLICIES, Said, policy_of
from rhizomedb.logic import Program, check_parameters
from rhizomedb.logic.parameters import values_of
from rhizomedb.logic.syntax import Import

if TYPE_CHECKING:
    from rhizomedb.db.programs.programming import ProgramsWriter

PARTS_MAX: Final = 128
"""How many stored programs one program may import, directly and through others."""

BYTES_MAX: Final = 1 << 20
"""How long their texts may be together."""

LOOKED_AT_BYTES_MAX: Final = 1 << 17
"""How much text is read and checked to say which others a new definition breaks: anybody may store programs that import it."""

WORDS: Final = ("latest", "first", "vote", "all", "trusted:A,B", "claimed:A,B")
"""The policies by which one of several definitions counts; by `all` the rules of all count together."""

Policy: TypeAlias = str | Callable[[Sequence[Any]], Any]

D = TypeVar("D", bound=Definition)


@dataclass(frozen=True, slots=True)
class ProgramsSaid(Generic[D]):
    """What is said of programs, or of views: those that count by their names, conflicts, and what is no definition and why."""

    defined: Mapping[str, D]
    conflicts: tuple[Conflict, ...] = ()
    refused: tuple[tuple[Hyperedge, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Defined(Transaction):
    """What defining or dropping a program did: a transaction, and the names of others that import it and do not work now.

    Where others store very much text, it `breaks` maybe more than it names.
    """

    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Once:
    """One definition of a program in its history, and whether it stands: it was not taken back."""

    program: StoredProgram
    author: str
    stands: bool


# -- what is defined --------------------------------------------------------------------------------------------------


class Definitions:
    """The definitions of programs at the moment of a reader: each read when it is asked for, and once."""

    def __init__(self, reader: Asked, policy: Policy = "latest") -> None:
        self._reader = at_one_moment(reader)
        self._policy = policy
        self._choose = chooser(reader, policy)
        self._source = edge_source(reader._store, self._reader.cut)
        self._known: dict[str, list[StoredProgram]] = {}

    @property
    def names(self) -> Iterable[str]:
        """All names that are defined."""
        return program_edges.programs_of(standing(self._reader, program_edges.PROGRAM, None))[0]

    def of(self, name: str) -> list[StoredProgram]:
        """The standing definitions of a name, oldest first."""
        if not program_edges.is_name(name):
            return []
        if name not in self._known:
            read = self._source.read(self._source.at_targets([program_edges.entity_of_program(name)]))
            edges = sorted(_standing(self._reader, read, None), key=RANK)
            self._known[name] = program_edges.programs_of(edges)[0].get(name, [])
        return self._known[name]

    def chosen(self, name: str) -> StoredProgram | None:
        """The definition that counts; by the policy `all`, the latest."""
        found = self.of(name)
        return self._choose(found) if found else None

    def part(self, name: str) -> DataType | None:
        """A program as what can be imported; by the policy `all`, the rules of every definition that stands."""
        found = self.chosen(name)
        if found is None:
            return None
        text = found.text if self._policy != "all" else self._all(name)
        return DataType(name, found.about or "", text, found.answer or _last(name, text))

    def _all(self, name: str) -> str:
        texts = list(dict.fromkeys(each.text for each in self.of(name)))
        if len(texts) == 1:
            return texts[0]
        whole = _parsed(name, texts[0])
        for text in texts[1:]:
            whole += _parsed(name, text)
        return str(whole)

    def closure(self, program: Program, using: Iterable[Part] = ()) -> tuple[DataType, ...]:
        """All stored programs that a program imports, directly and through others; none of what is a data type."""
        found: dict[str, DataType] = {}
        size = 0
        waiting: list[tuple[str, Import | None, str | None]] = [
            (each.name, each, program.source) for each in program.imports
        ]
        for used in parts_of(using):
            if isinstance(used, str):
                waiting.append((used, None, None))
            elif isinstance(used, Program):
                waiting += [(each.name, each, used.source) for each in used.imports]
        while waiting:
            name, asked, source = waiting.pop()
            if name in found or name in known_types():
                continue
            part = self.part(name)
            if part is None:
                raise ProgramError(
                    "logic.unknown-import",
                    f"there is no data type or stored program {name!r:.60} to import",
                    where=None if asked is None else asked.span,
                    nearest=nearest_names(name, [*self.names, *known_types()]),
                    fix="a name that `rhizome program FILE list` or `rhizome crdt` shows",
                    source=source,
                )
            found[name] = part
            size += len(part.program)
            if len(found) > PARTS_MAX or size > BYTES_MAX:
                raise ProgramError(
                    "logic.text-size",
                    f"the program imports more than {PARTS_MAX} stored programs, or {BYTES_MAX >> 20} MiB of them",
                    fix="import what is used",
                )
            waiting += [(each.name, each, part.program) for each in _parsed(name, part.program).imports]
        return tuple(found[name] for name in sorted(found))


def standing(reader: Asked, role: str, trusted: Iterable[str] | None) -> list[Hyperedge]:
    """The definitions that were not taken back, oldest first."""
    now = at_one_moment(reader)
    return _standing(now, every(now, role), trusted)


def _standing(reader: Asked, edges: Iterable[Hyperedge], trusted: Iterable[str] | None) -> list[Hyperedge]:
    edges = list(edges)
    authors = set_of(trusted, reader.author_key)
    away = negated_among(reader._store, reader.cut, authors, {edge.edge for edge in edges})
    return [edge for edge in edges if edge.edge not in away]


def every(reader: Asked, role: str) -> list[Hyperedge]:
    """The same with those that were."""
    source = edge_source(reader._store, reader.cut)
    return sorted(source.read(source.with_roles([role])), key=RANK)


class Versioned(Protocol):
    """Something that a hyperedge says, in a version that is the same where the same is said."""

    @property
    def edge(self) -> Hyperedge:
        """Who says it, and when."""
        ...

    @property
    def version(self) -> str | int:
        """What makes two the same."""
        ...


V = TypeVar("V", bound=Versioned)


def chooser(reader: Asked, policy: Policy) -> Callable[[list[V]], V]:
    """What chooses among several definitions that stand."""
    if callable(policy):
        given = policy

        def by_function(found: list[V]) -> V:
            chosen = given(found)
            if not any(chosen is each for each in found):
                raise RequestError(
                    "db.unknown-policy",
                    f"the policy gave {chosen!r:.60}, none of the definitions",
                    fix=" or ".join(WORDS),
                )
            return chosen  # type: ignore[no-any-return]  # it is one of them

        return by_function
    name = str(policy).partition(":")[0]
    if name not in {word.partition(":")[0] for word in WORDS}:
        raise RequestError(
            "db.unknown-policy",
            f"there is no policy {policy!r:.60} for definitions",
            nearest=nearest_names(name, [*WORDS, *POLICIES]),
            fix=f"one of {', '.join(WORDS)}",
        )
    choose = policy_of("latest" if policy == "all" else policy, reader.author_key)

    def by_name(found: list[V]) -> V:
        version = choose([Said(each.version, each.edge) for each in found])
        return next(each for each in reversed(found) if each.version == version)

    return by_name


def said(reader: Asked, policy: Policy, trusted: Iterable[str] | None) -> ProgramsSaid[StoredProgram]:
    """What is said of programs."""
    found, refused = program_edges.programs_of(standing(reader, program_edges.PROGRAM, trusted))
    return _said(reader, policy, found, refused)


def views_said(
    reader: Asked, policy: Policy, trusted: Iterable[str] | None
) -> ProgramsSaid[StoredView | StoredHyperViews]:
    """What is said of views."""
    found, refused = program_edges.views_of(standing(reader, program_edges.VIEW, trusted))
    return _said(reader, policy, found, refused)


def _said(
    reader: Asked, policy: Policy, found: Mapping[str, list[D]], refused: Iterable[tuple[Hyperedge, str]]
) -> ProgramsSaid[D]:
    choose = chooser(reader, policy)
    chosen = {name: choose(some) for name, some in sorted(found.items())}
    conflicts = tuple(
        Conflict(name, tuple(found[name]), each)
        for name, each in chosen.items()
        if len({other.version for other in found[name]}) > 1
    )
    return ProgramsSaid(chosen, conflicts, tuple(refused))


def unknown(name: object, known: Iterable[str], what: str) -> RequestError:
    """That nothing of this name is defined."""
    return RequestError(
        "program.unknown",
        f"no {what} {name!r:.60} is defined here",
        nearest=nearest_names(str(name), known),
        fix="rhizome program FILE list shows what is defined",
    )


def history(reader: Asked, name: str, author_name: Callable[[bytes], str]) -> list[Once]:
    """Every definition of a name, newest first."""
    now = at_one_moment(reader)
    edges = every(now, program_edges.PROGRAM)
    stands = {edge.delta for edge in _standing(now, edges, None)}
    found, _ = program_edges.programs_of(edges)
    if not isinstance(name, str) or name not in found:
        raise unknown(name, found, "program")
    return [Once(each, author_name(each.edge.author), each.edge.delta in stands) for each in reversed(found[name])]


def of_version(reader: Asked, name: str, version: str) -> StoredProgram:
    """The definition of a name that has a version, whether it stands or not; the beginning of the version is enough."""
    found, _ = program_edges.programs_of(every(reader, program_edges.PROGRAM))
    if not isinstance(name, str) or name not in found:
        raise unknown(name, found, "program")
    versions = {each.version: each for each in found[name]}
    meant = [each for each in versions if isinstance(version, str) and version and each.startswith(version)]
    if len(meant) != 1:
        raise RequestError(
            "program.version",
            f"{'no' if not meant else 'more than one'} definition of {name!r} has the version {version!r:.60}",
            nearest=[each[:10] for each in versions],
            fix=f'db.program_history("{name}") lists them',
        )
    return versions[meant[0]]


def checked_program(reader: Asked, name: str, policy: Policy) -> Checked:
    """What is wrong with a stored program, with all that it imports."""
    definitions = Definitions(reader, policy)
    if not definitions.of(name):
        raise unknown(name, definitions.names, "program")
    return _checked(definitions, name)


def _checked(definitions: Definitions, name: str) -> Checked:
    try:
        part = definitions.part(name)
        assert part is not None, "it is defined"
        program = _parsed(name, part.program)
        known = definitions.closure(program)
        found = check_with(program, (), None, known)
        if found:
            answer_relation(composed_of(program, (), None, known)[0], part.answer or None)
    except ProgramError as error:
        return Checked(error.errors, {})
    except RequestError as error:
        return Checked((ProgramError("logic.unknown-relation", error.message, nearest=error.nearest),), {})
    return found


def needed(reader: Asked, program: Program, using: Iterable[Part]) -> tuple[DataType, ...]:
    """The stored programs that a program over a database imports. Nothing is read where it imports none."""
    types = known_types()
    parts = parts_of(using)
    imported = [*program.imports, *(each for part in parts if isinstance(part, Program) for each in part.imports)]
    named = [*(each.name for each in imported), *(part for part in parts if isinstance(part, str))]
    if all(name in types for name in named):
        return ()
    return Definitions(reader).closure(program, parts)


def opened(reader: Asked, name: str, using: Iterable[Part]) -> Opened:
    """What the name of a view or a program means."""
    if parts_of(using):
        raise RequestError(
            "db.usage", f"{name!r} is a stored program, which imports what it uses itself", fix="no `using`"
        )
    views, definitions = views_said(reader, "latest", None).defined, Definitions(reader)
    view = views.get(name)
    if isinstance(view, StoredHyperViews):
        raise RequestError(
            "program.name", f"{name!r} are HyperViews of things, not of a program", fix=f'db.materialise("{name}")'
        )
    program = name if view is None else view.program
    part = definitions.part(program)
    if part is None:
        raise unknown(program, [*views, *definitions.names], "program")
    answer = part.answer if view is None or view.answer is None else view.answer
    known = definitions.closure(_parsed(program, part.program))
    return Opened(part.program, answer or None, {} if view is None else view.parameters, Known(known))


# -- defining ---------------------------------------------------------------------------------------------------------


def define_program(
    db: ProgramsWriter, name: str, program: str | Program, answer: str | None, about: str | None, author: str | None
) -> Defined:
    """See `ProgramsWriter.define_program`."""
    check_name(name, "program")
    if name in known_types():
        raise RequestError(
            "program.name", f"{name!r} is the name of a data type, which `import` would mean", fix=f'"my-{name}"'
        )
    _check_text("answer", answer)
    _check_text("about", about)
    whole = parsed_of(program)
    text = program if isinstance(program, str) else whole.source or str(whole)
    if isinstance(program, Program) and parsed(text) != program:
        text = str(program)  # it was made from a text, and is not what that says
    db._release_if_due()

    def say() -> Defined:
        definitions = _With(db, DataType(name, about or "", text, answer or ""))
        known = definitions.closure(whole)
        check_with(whole, (), None, known).raise_if_wrong()
        # What is answered with may be of an imported program; a program without rules answers as the last of these.
        answer_relation(composed_of(whole, (), None, known)[0], answer)
        pointers = program_edges.pointers_of_program(name, text, answer, about)
        done = _redefine(db, program_edges.PROGRAM, definitions.of(name), pointers, author, f"program {name}")
        return Defined(done.epoch, done.deltas, done.facts, _broken(definitions, name))

    done: Defined = db._write(say)
    return done


class _With(Definitions):
    """The definitions of a database, and one that is about to be said."""

    def __init__(self, reader: Asked, new: DataType) -> None:
        super().__init__(reader)
        self._new = new

    def part(self, name: str) -> DataType | None:
        return self._new if name == self._new.name else super().part(name)


def _broken(definitions: Definitions, name: str) -> tuple[str, ...]:
    """The stored programs that import one and do not work, as far as `LOOKED_AT_BYTES_MAX` reaches."""
    left = LOOKED_AT_BYTES_MAX
    imports: dict[str, set[str]] = {}
    for each in definitions.names:
        try:
            part = definitions.part(each)
            if part is None or "import" not in part.program:
                continue
            left -= len(part.program)
            if left < 0:
                break
            imports[each] = {one.name for one in _parsed(each, part.program).imports}
        except ProgramError:
            continue
    found: list[str] = []
    for each in sorted(_leading_to(imports, name) - {name}):
        try:
            part = definitions.part(each)
            known = () if part is None else definitions.closure(_parsed(each, part.program))
        except ProgramError:
            found.append(each)
            continue
        left -= sum(len(one.program) for one in (*known, *([] if part is None else [part])))
        if left < 0:
            break
        if not _is_sound(definitions, each):
            found.append(each)
    return tuple(found)


def _leading_to(imports: Mapping[str, set[str]], name: str) -> set[str]:
    """The programs that import one, directly or through others."""
    by: dict[str, list[str]] = {}
    for each, names in imports.items():
        for one in names:
            by.setdefault(one, []).append(each)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for each in by.get(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def _is_sound(definitions: Definitions, name: str) -> bool:
    return bool(_checked(definitions, name))


def define_view(
    db: ProgramsWriter,
    name: str,
    program: str,
    answer: str | None,
    parameters: Mapping[str, object],
    about: str | None,
    author: str | None,
) -> Transaction:
    """See `ProgramsWriter.define_view`."""
    check_name(name, "view")
    check_name(program, "program")
    _check_text("relation", answer)
    _check_text("about", about)
    values: dict[str, Value] = {key: check_value(value) for key, value in values_of(parameters).items()}
    db._release_if_due()

    def say() -> Transaction:
        definitions = Definitions(db)
        part = definitions.part(program)
        if part is None:
            raise unknown(program, definitions.names, "program")
        whole = composed_of(
            _parsed(program, part.program), (), None, definitions.closure(_parsed(program, part.program))
        )[0]
        answer_relation(whole, answer)
        wrong = [each for each in check_parameters(whole, values) if each.code == "logic.parameter-unknown"]
        if wrong:  # those that are missing may be given when it is opened
            raise wrong[0]
        found, _ = program_edges.views_of(standing(db, program_edges.VIEW, None))
        pointers = program_edges.pointers_of_view(name, program, answer, values, about)
        return _redefine(db, program_edges.VIEW, found.get(name, []), pointers, author, f"view {name}")

    done: Transaction = db._write(say)
    return done


def define_hyperviews(
    db: ProgramsWriter,
    name: str,
    schema: str,
    things: Sequence[bytes],
    trusted: frozenset[bytes] | None,
    about: str | None,
    author: str | None,
) -> Transaction:
    """Say what some HyperViews are, unless that is what stands."""
    check_name(name, "view")
    _check_text("about", about)
    pointers = program_edges.pointers_of_hyperviews(name, schema, things, trusted, about)
    db._release_if_due()

    def say() -> Transaction:
        found, _ = program_edges.views_of(standing(db, program_edges.VIEW, None))
        return _redefine(db, program_edges.VIEW, found.get(name, []), pointers, author, f"view {name}")

    done: Transaction = db._write(say)
    return done


def drop(db: ProgramsWriter, name: str, what: str, author: str | None) -> Defined:
    """See `ProgramsWriter.drop_program`."""
    role, read = (
        (program_edges.PROGRAM, program_edges.programs_of)
        if what == "program"
        else (program_edges.VIEW, program_edges.views_of)
    )
    db._release_if_due()

    def say() -> Defined:
        found: Mapping[str, Sequence[Definition]] = read(standing(db, role, None))[0]
        if not isinstance(name, str) or name not in found:
            raise unknown(name, found, what)
        before = _broken(Definitions(db), name)
        done = _say(db, [_negation(each.edge) for each in found[name]], author, f"{what} {name}")
        after = _broken(Definitions(db), name) if what == "program" else ()
        return Defined(done.epoch, done.deltas, done.facts, tuple(each for each in after if each not in before))

    done: Defined = db._write(say)
    return done


def _redefine(
    db: ProgramsWriter,
    role: str,
    before: Sequence[Definition],
    pointers: tuple[Pointer, ...],
    author: str | None,
    origin: str,
) -> Transaction:
    """Say a definition, and take back those that it replaces; nothing where it is the one that stands."""
    key = tuple(pointer.key for pointer in pointers)
    same = [each for each in before if tuple(pointer.key for pointer in each.edge.pointers) == key]
    edges = [_negation(each.edge) for each in before if each not in same]
    return _say(db, [*edges, *([] if same else [pointers])], author, origin)


def _negation(edge: Hyperedge) -> tuple[Pointer, ...]:
    return (Pointer(NEGATES, Reference(edge.edge, NEGATED_BY)),)


def _say(db: ProgramsWriter, edges: Iterable[tuple[Pointer, ...]], author: str | None, origin: str) -> Transaction:
    ids = [(secrets.token_bytes(ENTITY_BYTES), pointers) for pointers in edges]
    parts = [Saying(facts_of(edge, pointers), "seen", edge) for edge, pointers in ids]
    return db._say(parts, db._key(author), author, origin, group_of(parts))


def _parsed(name: str, text: str) -> Program:
    try:
        return parsed(text)
    except ProgramError as error:
        raise named_error(error, name) from None


def _last(name: str, text: str) -> str:
    """What a program answers with where nothing else is said: the relation of its last rule."""
    return _parsed(name, text).answer or ""


def _check_text(what: str, text: object) -> None:
    if text is not None and (type(text) is not str or not text):
        raise RequestError("db.usage", f"`{what}` is a text, not {text!r:.60}", fix=f'{what}="…"')
