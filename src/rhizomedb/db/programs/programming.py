"""The programs and views that a database has: asked for and run by every reader, defined by who writes.

What is asked here is answered in `stored_programs`, which is loaded by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from rhizomedb.db.graph.hypergraph import Hypergraph
from rhizomedb.db.programs.composing import composer, parts_of
from rhizomedb.store.store import COLUMNS

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.db.graph.hyperedges import Thing
    from rhizomedb.db.graph.hyperviews import Wanted
    from rhizomedb.db.live.live_hyperviews import LiveHyperViews
    from rhizomedb.db.programs.checking import Checked
    from rhizomedb.db.programs.composing import Part
    from rhizomedb.db.programs.result import Result
    from rhizomedb.db.programs.stored_programs import Defined, Once, Policy, ProgramsSaid
    from rhizomedb.db.transaction import Transaction
    from rhizomedb.facts.signature import Key
    from rhizomedb.hyper.program_edges import StoredHyperViews, StoredProgram, StoredView
    from rhizomedb.logic import Aggregate, Program

_STORED: Final = tuple(
    (name, tuple(column for column in columns if column != "$cid")) for name, columns in COLUMNS.items()
)


class Programming(Hypergraph):
    """The questions about stored programs and views; every reader has them."""

    def programs(self, *, policy: Policy = "latest", trusted: Iterable[str] | None = None) -> dict[str, StoredProgram]:
        """The programs that are defined here at this moment, by their names.

        Where several definitions of one stand, a policy says which counts: `latest`, `first`, `vote`, `trusted:A,B`,
        `claimed:A,B`, or a function from them, oldest first, to one of them. `trusted` as for `hyperedges`.
        """
        return dict(self.programs_said(policy=policy, trusted=trusted).defined)

    def programs_said(
        self, *, policy: Policy = "latest", trusted: Iterable[str] | None = None
    ) -> ProgramsSaid[StoredProgram]:
        """The same, with the names that are defined in several ways, and what is no definition and why."""
        from rhizomedb.db.programs.stored_programs import said

        return said(self, policy, trusted)

    def program_history(self, name: str) -> list[Once]:
        """Every definition of a program that was ever said, newest first, and which of them stand."""
        from rhizomedb.db.programs.stored_programs import history

        return history(self, name, self.author_name)

    def check_program(self, name: str, *, policy: Policy = "latest") -> Checked:
        """What is wrong with a stored program and all that it imports, as it stands here."""
        from rhizomedb.db.programs.stored_programs import checked_program

        return checked_program(self, name, policy)

    def run(
        self,
        name: str,
        parameters: Mapping[str, object] | None = None,
        *,
        relation: str | None = None,
        policy: Policy = "latest",
        version: str | None = None,
        aggregates: Mapping[str, Aggregate] | None = None,
        budget: Budget | None = None,
        **more_parameters: object,
    ) -> Result:
        """What a stored program derives, by its name: its answer, or the tuples of another `relation`.

            db.run("long films", least=120)

        The program, and those that it imports, are as they are defined at the moment that is asked; `policy` chooses where
        several definitions stand, and by `"all"` the rules of all of them count together. A `version`, or its beginning, is
        an older or another definition of this program. What is wrong with a program is said to who runs it.
        """
        from rhizomedb.db.programs.stored_programs import Definitions, _parsed, of_version, unknown
        from rhizomedb.logic.parameters import merged

        definitions = Definitions(self, policy)
        if version is not None:
            found = of_version(self, name, version)
            text, answer = found.text, found.answer
        else:
            part = definitions.part(name)
            if part is None:
                raise unknown(name, definitions.names, "program")
            text, answer = part.program, part.answer or None
        known = definitions.closure(_parsed(name, text))
        result: Result = cast(Any, self).query(
            text,
            merged(parameters, more_parameters),
            relation=relation or answer,
            using=Known(known),
            aggregates=aggregates,
            budget=budget,
        )
        return result

    def views_said(
        self, *, policy: Policy = "latest", trusted: Iterable[str] | None = None
    ) -> ProgramsSaid[StoredView | StoredHyperViews]:
        """The views that are defined here at this moment, with those that are defined in several ways."""
        from rhizomedb.db.programs.stored_programs import views_said

        return views_said(self, policy, trusted)

    def opened(self, program: str | Program, using: Iterable[Part]) -> Opened | None:
        """What a name means that is given where a program can be: a view, or a program; None for a program itself."""
        from rhizomedb.hyper.program_edges import is_name

        if not is_name(program):
            return None
        from rhizomedb.db.programs.stored_programs import opened

        return opened(self, cast(str, program), using)

    def composing(self, program: str | Program, using: Iterable[Part]) -> Callable[[Program], Program]:
        """What adds to a program all that it imports and uses, stored programs as they are defined now among it."""
        from rhizomedb.db.programs.query import parsed_of

        if isinstance(using, Known):
            return composer((), _STORED, using.programs)
        parts = parts_of(using)
        whole = parsed_of(program)
        if not parts and not whole.imports:
            return composer((), _STORED)
        from rhizomedb.db.programs.stored_programs import needed

        return composer(parts, _STORED, needed(self, whole, parts))


class Known(tuple):  # type: ignore[type-arg]  # it is an empty list of parts
    """No parts, and the stored programs that were looked up already."""

    programs: tuple[Any, ...]

    def __new__(cls, programs: tuple[Any, ...]) -> Known:
        """Of these programs."""
        made = super().__new__(cls)
        made.programs = programs
        return made


class Opened(NamedTuple):
    """What is opened by a name: the text of a program, what is read of it, values of its parameters, what it imports."""

    text: str
    answer: str | None
    parameters: Mapping[str, Any]
    using: Known


class ProgramsWriter(Programming):
    """What a connection defines."""

    _key: Callable[[str | None], Key]
    _say: Callable[..., Transaction]
    _write: Callable[[Callable[[], Any]], Any]
    _release_if_due: Callable[[], None]

    def define_program(
        self,
        name: str,
        program: str | Program,
        *,
        answer: str | None = None,
        about: str | None = None,
        author: str | None = None,
    ) -> Defined:
        """Say a program, as a hyperedge, to be run by its name and imported by others: `import "name".`

            db.define_program("long films", rules, about="films longer than $least minutes")

        It is checked first, with all that it imports: what is wrong is raised as by `query`, and nothing is said.
        `answer` is the relation that it answers with, if not that of its last rule. What was defined by that name is
        replaced; the same again says nothing. `breaks` of what comes back names programs that import this one and do not
        work with it any more.
        """
        from rhizomedb.db.programs.stored_programs import define_program

        return define_program(self, name, program, answer, about, author)

    def drop_program(self, name: str, *, author: str | None = None) -> Defined:
        """Take back the definitions of a program. History keeps them; `breaks` names those that import it."""
        from rhizomedb.db.programs.stored_programs import drop

        return drop(self, name, "program", author)

    def define_view(
        self,
        name: str,
        program: str,
        *,
        relation: str | None = None,
        parameters: Mapping[str, object] | None = None,
        about: str | None = None,
        author: str | None = None,
    ) -> Transaction:
        """Say that a view is a stored program with values for its parameters; `db.view(name)` opens it.

        `relation` is what is read, if not the program's answer. Parameters without a value are given when it is opened.
        """
        from rhizomedb.db.programs.stored_programs import define_view

        given = {} if parameters is None else parameters
        return define_view(self, name, program, relation, given, about, author)

    def drop_view(self, name: str, *, author: str | None = None) -> Transaction:
        """Take back the definitions of a view. History keeps them."""
        from rhizomedb.db.programs.stored_programs import drop

        return drop(self, name, "view", author)

    def materialise(
        self,
        name: str,
        things: Iterable[Thing] | None = None,
        schema: Wanted | None = None,
        *,
        trusted: Iterable[str] | None = None,
        about: str | None = None,
        author: str | None = None,
    ) -> LiveHyperViews:
        """HyperViews that are kept up to date under a name: said once, and opened by it from then on.

            db.materialise("front page", ["movie_matrix", "movie_alien"], "Movie")
            db.materialise("front page")["movie_matrix"]            in another process, next week

        What they are is data of the database, like any other definition, so other copies can open them as well. To open them
        reads nothing of what they show: each is read when it is asked for, and costs what it shows.
        """
        from rhizomedb.db.live.materialised import materialise

        return materialise(self, name, things, schema, trusted, about, author)
