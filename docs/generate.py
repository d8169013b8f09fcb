"""Makes the pages of `docs/reference/` from the code: `make docs`.

Signatures and texts are taken from the objects themselves and laid out here, so that the pages do not depend on the
version of Python. A test holds them to be fresh.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import rhizomedb
from rhizomedb import crdt, hyper, logic
from rhizomedb.algebra import Derivation
from rhizomedb.cli.parser import DESCRIPTION, EXIT_CODES, VERBS, build
from rhizomedb.crdt.library import LIBRARY
from rhizomedb.db import explanation, reader, transaction
from rhizomedb.db.attachments import attachment, intake
from rhizomedb.db.attachments.filling import Filling
from rhizomedb.db.care import Limit
from rhizomedb.db.doctor import Ailment
from rhizomedb.db.graph.differing import ViewDiff, ViewDifference
from rhizomedb.db.graph.disagreement import SaidBy, SaidValue, ViewConflict, ViewConflicts
from rhizomedb.db.graph.relating import PassedOn, Related
from rhizomedb.db.graph.saving import Saved
from rhizomedb.db.graph.versions import LensesSaid, LostClaim, SaidIn, Versioned, Versioning
from rhizomedb.db.graph.vocabulary import SaidAs, Understanding, Understood
from rhizomedb.db.live.live_hyperviews import LiveHyperViews
from rhizomedb.db.live.live_view import View
from rhizomedb.db.live.outlet import Sink, ViewWatch
from rhizomedb.db.live.subscription import Counts, Subscription, Told, ToldView
from rhizomedb.db.live.view_change import Difference, ViewChange
from rhizomedb.db.live.watch import Arrived
from rhizomedb.db.log import Logged, Saying
from rhizomedb.db.pending import PendingDelta, PendingGroup
from rhizomedb.db.programs.checking import Checked
from rhizomedb.db.programs.stored_programs import Defined, Once, ProgramsSaid
from rhizomedb.db.reverting import Reversal, Undone
from rhizomedb.db.types.replicated import GrowOnlyCounter, GrowOnlySet, ReplicatedCounter, ReplicatedSet, TwoPhaseSet
from rhizomedb.db.types.replicated_list import ReplicatedList
from rhizomedb.db.types.replicated_map import ReplicatedMap
from rhizomedb.db.types.replicated_register import ReplicatedRegister
from rhizomedb.db.types.replicated_tree import ReplicatedTree
from rhizomedb.db.types.text import Batch, Text
from rhizomedb.db.types.text_watch import Splice, TextChange, TextWatch
from rhizomedb.db.what_if import WhatIf
from rhizomedb.errors import CODES, Span
from rhizomedb.hyper import generated, typed
from rhizomedb.hyper.instance import Missing, MissingRequired
from rhizomedb.hyper.lens import STEPS
from rhizomedb.hyper.program_edges import Conflict, StoredHyperViews, StoredProgram, StoredView
from rhizomedb.hyper.vocabulary import Classes, Vocabulary
from rhizomedb.logic import AGGREGATES, FUNCTIONS
from rhizomedb.logic.monotone import Monotonicity, Reason
from rhizomedb.remote import Pull, Push
from rhizomedb.store import Admission
from rhizomedb.store.backup import Backup
from rhizomedb.store.chunks import Stored
from rhizomedb.store.compact import Compaction
from rhizomedb.store.storage import Storage
from rhizomedb.store.store import AttributeSummary, Cut, Epoch, Finding, Held

REFERENCE = Path(__file__).parent / "reference"

MADE = "<!-- made by docs/generate.py (`make docs`); edit the code instead -->\n"

BUILDERS = (
    *("relation", "relations", "variable", "variables", "parameter", "constant", "functions", "call"),
    *("program", "declare", "optional", "count", "count_distinct", "sum_", "min_", "max_", "avg", "aggregate"),
)
"""The names of `rhizomedb.logic` with which programs are built, in the order in which they are explained."""

COMES_BACK = (
    *(explanation.Record, explanation.Conflicts, explanation.Conflict, explanation.Said, explanation.Explanation),
    *(explanation.Support, explanation.History, explanation.Statement, Derivation, transaction.Transaction),
    *(Logged, Saying, Checked, Monotonicity, Reason),
    *(View, ViewWatch, ViewChange, Difference, Sink),
    *(Subscription, Told, ToldView, Counts),
    *(StoredProgram, StoredView, StoredHyperViews, Defined, Once, ProgramsSaid, Conflict),
    *(
        hyper.Hyperedge,
        hyper.Pointer,
        hyper.Reference,
        Related,
        Reversal,
        Undone,
        PassedOn,
        hyper.HyperSchema,
        hyper.Nest,
        hyper.Condition,
    ),
    *(
        hyper.Property,
        hyper.Schemas,
        hyper.SchemasSaid,
        hyper.SchemaConflict,
        hyper.HyperView,
        hyper.Entry,
        hyper.Said,
        hyper.Depending,
        LiveHyperViews,
        Vocabulary,
        Classes,
        Understood,
        Understanding,
        SaidAs,
        Saved,
        ViewDiff,
        ViewDifference,
        ViewConflicts,
        ViewConflict,
        SaidValue,
        SaidBy,
        MissingRequired,
        Missing,
        hyper.Lens,
        *STEPS.values(),
        Versioned,
        Versioning,
        SaidIn,
        LostClaim,
        LensesSaid,
        WhatIf,
        PendingGroup,
        PendingDelta,
    ),
    *(ReplicatedSet, GrowOnlySet, TwoPhaseSet, ReplicatedCounter, GrowOnlyCounter, ReplicatedRegister),
    *(ReplicatedMap, ReplicatedList, ReplicatedTree),
    *(Text, Batch, TextWatch, TextChange, Splice),
    *(intake.Attached, attachment.Attachment, attachment.Place, Stored, Filling),
    *(Arrived, Ailment, Backup, Compaction, Limit, Storage),
    *(reader.Stats, Epoch, AttributeSummary, Held, Admission, Finding, Cut, Span, Push, Pull),
)
"""What the public methods give back, beside the public names themselves."""

GROUPS = {
    "facts": "Values, facts, CIDs and blocks",
    "delta": "Deltas",
    "backend": "Kernels",
    "keys": "Keys of authors",
    "store": "The database file",
    "logic": "Programs",
    "algebra": "Plans",
    "budget": "Budgets",
    "flow": "Dataflow",
    "hyper": "Hyperedges",
    "program": "Stored programs and views",
    "db": "Requests",
    "crdt": "Data types",
    "attachment": "Attachments",
    "exchange": "Files in and out",
    "remote": "Places to push to and pull from",
}
"""What the first word of an error code is about."""


def pages() -> dict[Path, str]:
    """Every page of the reference with its text."""
    made: dict[str, Callable[[], Iterable[str]]] = {
        "README.md": overview,
        "cli.md": command_line,
        "python.md": python,
        "builtins.md": builtins,
        "types.md": types,
        "errors.md": errors,
    }
    return {REFERENCE / name: "\n".join([MADE, *make()]).rstrip("\n") + "\n" for name, make in made.items()}


def overview() -> Iterator[str]:
    """The list of the other pages."""
    yield "# Reference\n"
    yield from table(
        ("page", ""),
        [
            ("[cli.md](cli.md)", f"the command `rhizome`: {len(VERBS)} verbs and their options"),
            ("[python.md](python.md)", "the package `rhizomedb`"),
            ("[builtins.md](builtins.md)", f"{len(FUNCTIONS)} functions and {len(AGGREGATES)} aggregates of PomoLogic"),
            ("[types.md](types.md)", f"the programs of {len(LIBRARY)} data types"),
            ("[errors.md](errors.md)", f"{len(CODES)} error codes"),
        ],
    )
    yield "\nThese pages are made from the code by `make docs`.\n"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table."""
    header = tuple(header)
    yield "| " + " | ".join(header) + " |"
    yield "| " + " | ".join("---" for _ in header) + " |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


# The command line


def command_line() -> Iterator[str]:
    """The page of the command line."""
    yield "# Command line\n"
    yield f"```text\n{DESCRIPTION.rstrip()}\n```\n"
    yield "Every verb takes `--json` (one JSON object per line) and `--help`. `rhizome FILE` alone gives a summary.\n"
    yield from table(("verb", ""), ((f"[{name}](#{name})", summary) for name, (summary, _, _) in VERBS.items()))
    yield "\n## Exit codes\n"
    yield from table(("code", ""), ((f"`{code}`", meaning) for code, meaning in EXIT_CODES.items()))
    yield ""
    choices = next(a.choices for a in build()._actions if isinstance(a, argparse._SubParsersAction))
    for name, verb in choices.items():
        actions = [action for action in verb._actions if action.dest not in ("help", "json")]
        places = [action for action in actions if not action.option_strings]
        usage = " ".join(f"[{a.metavar}]" if a.nargs == "?" else str(a.metavar) for a in places)
        yield f"## {name}\n"
        yield f"{verb.description}\n"
        yield f"```text\nrhizome {name} {usage}{' [options]' if len(actions) > len(places) else ''}\n```\n"
        yield from table(("argument", ""), ((spelled(action), action.help or "") for action in actions))
        yield ""


def spelled(action: argparse.Action) -> str:
    """An argument or option as it is typed."""
    value = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else str(action.metavar or "")
    if not action.option_strings:
        return f"`{value}`"
    return f"`{', '.join(action.option_strings)}{' ' + value if action.nargs != 0 else ''}`"


# Errors and built-ins


def errors() -> Iterator[str]:
    """The page of error codes."""
    yield "# Errors\n"
    yield "Everything that a caller, a file or a program text gets wrong is a `rhizomedb.Error` with a stable `code`, a"
    yield "`message`, where it is (`where`), names that are near (`nearest`) and something to type that would have been"
    yield "right (`fix`). `as_dict()` gives these as data; on the command line, `--json` prints them as one object on"
    yield "the error stream. A program with several mistakes reports all of them: `error.errors`.\n"
    for prefix in dict.fromkeys(code.partition(".")[0] for code in CODES):
        yield f"## {GROUPS[prefix]}\n"
        rows = ((f"`{code}`", meaning) for code, meaning in CODES.items() if code.startswith(prefix + "."))
        yield from table(("code", "meaning"), rows)
        yield ""


def builtins() -> Iterator[str]:
    """The page of functions and aggregates."""
    yield "# Built-ins\n"
    yield "Every function is pure and total: where it has no result, the body that asked fails. An argument in brackets"
    yield "may be left out; `…` means that the last may be repeated. Kinds never mix silently, but for an int beside a"
    yield "float in arithmetic. The operators `+ - * /`, `and`, `or` and `not` are functions too.\n"
    yield "## Functions\n"
    rows = ((f"`{function}`", function.doc) for function in FUNCTIONS.values())
    yield from table(("function", "what it gives"), rows)
    yield "\n## Aggregates\n"
    yield "`N := function X : atom` runs over the tuples that match the atom. Written in Python:"
    yield "[`rhizomedb.user_aggregate`](python.md#user_aggregate).\n"
    rows = (
        (
            f"`{aggregate.name}`",
            "any" if aggregate.parameters is None else str(aggregate.parameters),
            "none" if aggregate.empty is None else f"`{aggregate.empty}`",
            aggregate.result,
            aggregate.doc,
        )
        for aggregate in AGGREGATES.values()
    )
    yield from table(("aggregate", "parameters", "over nothing", "kind", "what it gives"), rows)
    yield "\n## Comparisons\n"
    yield "`==`, `!=`, `<`, `<=`, `>`, `>=`. Between values of different kinds only `!=` holds: `1 < 1.5` does not.\n"


def types() -> Iterator[str]:
    """The page of data types, each with its program."""
    yield "# Data types\n"
    yield "What each is for, and how to write to it: [data types](../concepts/data-types.md). A program imports one by its"
    yield "name, and `rhizome crdt show NAME` prints it.\n"
    links = (f"[`{name}`](#{name})" for name in LIBRARY)
    rows = ((link, found.summary, f"`{found.answer}`") for link, found in zip(links, LIBRARY.values(), strict=True))
    yield from table(("name", "", "its answer"), rows)
    for name, found in LIBRARY.items():
        yield f"\n## {name}\n"
        yield f"```text\n{found.program.rstrip()}\n```"


# Python


def python() -> Iterator[str]:
    """The page of the Python package."""
    names = [name for name in rhizomedb.__all__ if not name.startswith("__")]
    objects = {name: getattr(rhizomedb, name) for name in names}
    functions = {name: found for name, found in objects.items() if not inspect.isclass(found)}
    rest = {name: found for name, found in objects.items() if inspect.isclass(found)}
    connection, database = rest.pop("Connection"), rest.pop("Database")
    shared = [name for name in public(database) if getattr(connection, name, None) is getattr(database, name, None)]
    yield "# Python\n"
    yield "`import rhizomedb` gives these names, and `rhizomedb.__version__`.\n"
    yield ", ".join(f"[`{name}`](#{name.lower()})" for name in names) + "\n"
    yield "Below: [questions](#questions), [what comes back](#what-comes-back), [data types](#data-types), [typed classes](#typed-classes), [builders](#builders).\n"
    yield "## Functions\n"
    for name, found in functions.items():
        yield from entry(name, found, "###")
    yield "## Connections and moments\n"
    for name, found in (("Connection", connection), ("Database", database)):
        yield from entry(name, found, "###")
        for method in public(found):
            if method not in shared:
                yield from entry(f"{name}.{method}", inspect.getattr_static(found, method), "####")
    yield "## Questions\n"
    yield "A `Connection` answers at the newest epoch, a `Database` at its moment.\n"
    for method in shared:
        yield from entry(method, inspect.getattr_static(database, method), "###")
    yield "## Values and results\n"
    for name, found in rest.items():
        yield from described(name, found)
    yield "## What comes back\n"
    for found in COMES_BACK:
        yield from described(found.__name__, found)
    yield "## Data types\n"
    yield "`from rhizomedb.crdt import …`; see [data types](../concepts/data-types.md).\n"
    yield from entry("data_type", crdt.data_type, "###")
    yield from entry("register_type", crdt.register_type, "###")
    yield from described("DataType", crdt.DataType)
    yield "## Typed classes\n"
    yield "`from rhizomedb.hyper.typed import …`; see [typed schemas](../concepts/typed-schemas.md).\n"
    for name in ("schema_of", "schemas_of"):
        yield from entry(name, getattr(typed, name), "###")
    yield from entry("class_of (of a schema)", generated.class_of, "###")
    yield from described("Field", typed.Field)
    yield from described("Ref", typed.Ref)
    yield "## Builders\n"
    yield "`from rhizomedb.logic import …`; see [query from Python](../how-to/query-from-python.md).\n"
    for name in BUILDERS:
        yield from entry(name, getattr(logic, name), "###")


def described(name: str, found: type) -> Iterator[str]:
    """A class with its fields, methods and properties."""
    yield from entry(name, found, "###")
    if dataclasses.is_dataclass(found):
        fields = (f"`{field.name}: {field.type}`" for field in dataclasses.fields(found) if field.name[0] != "_")
        yield "Fields: " + ", ".join(fields) + ".\n"
    methods = [method for method in public(found) if documented(inspect.getattr_static(found, method))]
    rows = (
        (f"`{heading(method, member)}`", first_line(member))
        for method in methods
        for member in [inspect.getattr_static(found, method)]
    )
    if methods:
        yield from table(("", ""), rows)
        yield ""


def public(found: type) -> list[str]:
    """The names of a class that are ours and for everybody: its own as they are written, then those that it has from others."""
    ours = [base for base in found.__mro__ if base.__module__.startswith("rhizomedb")]
    names = dict.fromkeys(name for base in ours for name in vars(base) if not name.startswith("_"))
    return [name for name in names if isinstance(unwrapped(inspect.getattr_static(found, name)), Callable)]  # type: ignore[arg-type]


def unwrapped(member: Any) -> Any:
    """The function within a property, class method or static method."""
    return member.fget if isinstance(member, property) else getattr(member, "__func__", member)


def documented(member: Any) -> bool:
    """Whether it has a text of its own."""
    return bool(unwrapped(member).__doc__)


def first_line(member: Any) -> str:
    """The first line of a docstring."""
    return inspect.cleandoc(unwrapped(member).__doc__).split("\n")[0]


def entry(name: str, found: Any, level: str) -> Iterator[str]:
    """A heading, the signature and the docstring."""
    yield f"{level} {name}\n"
    if callable(unwrapped(found)) and not (inspect.isclass(found) and issubclass(found, Exception)):
        yield f"```text\n{heading(name, found)}\n```\n"
    yield prose(inspect.getdoc(found if inspect.isclass(found) else unwrapped(found)) or "")


def heading(name: str, member: Any) -> str:
    """A name with its parameters, on several lines where one is too long."""
    if isinstance(member, property):
        return f"{name}: {annotation(member.fget.__annotations__.get('return', ''))}"
    function = unwrapped(member)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return f"{name}(…)"
    parts: list[str] = []
    starred = False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls") and not parts:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        parts.append(shown(parameter))
    result = "" if inspect.isclass(function) else annotation(signature.return_annotation)
    arrow = f" -> {result}" if result else ""
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def shown(parameter: inspect.Parameter) -> str:
    """One parameter as it is written."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = annotation(parameter.annotation)
    text = f"{stars}{parameter.name}" + (f": {kind}" if kind else "")
    if parameter.default is parameter.empty:
        return text
    default = parameter.default
    made_anew = isinstance(default, type(dataclasses.MISSING))  # what a field makes for each object
    value = "…" if made_anew else default.__name__ if inspect.isfunction(default) else repr(default)
    return f"{text} = {value}" if kind else f"{text}={value}"


def annotation(found: Any) -> str:
    """An annotation as it is written in the code."""
    if found in (inspect.Signature.empty, "", None):
        return "None" if found is None else ""
    found = getattr(found, "__forward_arg__", found)  # how a named tuple keeps what is written
    return found if isinstance(found, str) else getattr(found, "__name__", str(found))


def prose(text: str) -> str:
    """A docstring as Markdown: what is indented or begins with `>>>` becomes a block."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith(("    ", ">>> ")):
            blocks.append(f"```text\n{textwrap.dedent(paragraph)}\n```")
        else:
            blocks.append(paragraph)
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Write the pages that are not as they would be made."""
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        fresh = path.exists() and path.read_text("utf-8") == text
        if not fresh:
            path.write_text(text, "utf-8")
        print(f"{path.relative_to(REFERENCE.parent.parent)}: {'as it was' if fresh else 'written'}")


if __name__ == "__main__":
    main()
