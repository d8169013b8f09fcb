"""The grammar of the command line: every verb, its arguments, and the same words as in Python.

This file is read by `rhizome --help`, the reference page and the tests that hold the documentation to it; what a
verb does is imported only when it runs.
"""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from rhizomedb._version import __version__
from rhizomedb.errors import RequestError, nearest_names

DESCRIPTION: Final = """\
RhizomeDB keeps what every source said, and shows what you believe, why, who
disagrees, and what you believed last Tuesday.

  rhizome demo                              two film catalogues that disagree
  rhizome import films.db imdb.csv --as imdb --key title
  rhizome conflicts films.db
  rhizome films.db                          a summary, and what to do next
"""

WAIT_S: Final = 600
"""How long a verb that writes waits for another writer: an import of ten million facts is one write, of some minutes."""

EXIT_CODES: Final = {
    0: "done",
    1: "an error, said in one sentence with a stable code",
    2: "the command line cannot be understood",
    3: "verify or doctor found damage, export could not save every delta, or push or pull met a broken bundle or pack, or a limit",
    130: "interrupted; the file is as it was before, or holds the whole write",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are errors of ours, with the nearest verbs and options."""

    verbs: Mapping[str, Parser] = {}

    def understand(self, arguments: Sequence[str]) -> Namespace:
        """The options of a whole command line. Options and arguments of a verb may come in any order."""
        verb = self.verbs.get(arguments[0]) if arguments else None
        if verb is None:
            parser, (options, extra) = self, self.parse_known_args(arguments)
        else:
            parser, (options, extra) = verb, verb.parse_known_intermixed_args(arguments[1:])
            options.verb = arguments[0]
        if extra:
            parser.refuse_extra(extra[0].partition("=")[0])
        return options

    def refuse_extra(self, word: str) -> NoReturn:
        """Complain of a word that has no place here."""
        known = [option for action in self._actions for option in action.option_strings]
        what = f"there is no option {word}" if word.startswith("-") else f"{word!r} is one argument too many"
        raise self._refused(what, nearest_names(word, known))

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and leaving."""
        message = message.removeprefix("argument ")
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            once = ", ".join(each.partition("/")[0] for each in missing.split(", "))  # an option by its first name
            raise self._refused(f"{self.prog} also needs {once}")
        raise self._refused(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not one of an option's choices: `argparse` calls this for every value."""
        if action.choices is not None and value not in action.choices:
            choices = list(map(str, action.choices))
            if action.dest == "verb":
                raise self._refused(f"there is no verb {value!r}", nearest_names(value, choices))
            option = action.option_strings[0] if action.option_strings else self.prog  # where it is an argument
            near = nearest_names(value, choices)
            raise self._refused(
                f"{option} cannot be {value!r}", near, f"{option} {', '.join(choices[:-1])} or {choices[-1]}"
            )

    def _refused(self, message: str, nearest: Sequence[str] = (), fix: str | None = None) -> RequestError:
        return RequestError("db.usage", message, nearest=nearest, fix=fix or f"{self.prog} --help")


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def epoch_or_cursor(text: str) -> int | str:
    """The number of an epoch, or a cursor."""
    return count(text) if text.lstrip("-+").isdecimal() or not text else text


def seconds(text: str) -> float:
    """A time to wait: 0 or more seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def author(text: str) -> str:
    """A name that is given: not one of blanks alone, as a variable of the shell that is not set gives."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no name")
    return text


Add = Callable[..., Any]


def _file(add: Add) -> None:
    add("file", metavar="FILE", help="the database file")


def _name(add: Add) -> None:
    add("name", metavar="NAME", help="an entity: its title, name or key, or the beginning of its id")


def _attribute(add: Add) -> None:
    add("attribute", metavar="ATTRIBUTE", nargs="?", help="one attribute of it")


def _reading(add: Add) -> None:
    add("--vocabulary", action="store_true", help="with what is said to mean the same as one: rhizome vocabulary FILE")
    add("--as-version", metavar="VERSION", help="as this version of a schema, by the lenses that lead to it")
    add("--believe", metavar="AUTHOR", action="append", help="with either: only what this author says of that (repeat)")


def _moment(add: Add) -> None:
    add("--as-of", metavar="TIME", help='only what was claimed up to then: "2 hours ago", 2026-11-01T12:00')
    add("--since", metavar="TIME", help="only what was claimed after then")
    add("--epoch", metavar="N", type=count, help="only what this copy knew at the end of epoch N")
    add("--by", metavar="AUTHOR", action="append", help="only what this author says (repeat for several)")


def _policy(add: Add) -> None:
    add("--policy", metavar="POLICY", default="latest", help="latest, first, trusted:A,B, all, max, min, vote")


def _together(add: Add) -> None:
    add(
        "--together",
        metavar="A,B",
        action="append",
        default=[],
        help="attributes that belong together: they come from one delta, or are not shown",
    )


def _limit(add: Add) -> None:
    add("--limit", metavar="N", type=count, help="at most N lines")


def _using(add: Add) -> None:
    add("--using", metavar="TYPE", action="append", default=[], help="also the rules of a data type, or of @FILE")


def _budget(add: Add) -> None:
    add("--budget", metavar="LIMIT=N", action="append", default=[], help="facts=, rounds=, time= seconds, memory= MiB")


def _author(add: Add) -> None:
    add(
        "--as",
        dest="author",
        type=author,
        metavar="AUTHOR",
        help="who says it; a key is made on first use (default: your login name)",
    )
    _wait(add)


def _patience(add: Add) -> None:
    add(
        "--wait",
        metavar="SECONDS",
        type=seconds,
        default=WAIT_S,
        help=f"for another process that writes (default: {WAIT_S})",
    )


def _wait(add: Add) -> None:
    _patience(add)
    add(
        "--durability",
        choices=["full", "normal", "memory"],
        help="full: what was written survives the loss of power (the default); normal, memory: faster, and it may not",
    )


def _import(add: Add) -> None:
    _file(add)
    add(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="a CSV, TSV, JSON, JSON lines or CAR file (also .gz), or - for standard input",
    )
    add("--git", metavar="DIR", help="import the commit history of a git repository instead")
    add("--as", dest="author", type=author, metavar="SOURCE", help="the name of the source (default: the file's name)")
    add(
        "--key",
        metavar="COLUMNS",
        help="column, or columns with commas, that name the entity; else each row is a new one",
    )
    add(
        "--type",
        metavar="COLUMN=TYPE",
        action="append",
        default=[],
        help="int, float, bool, text, bytes, cid; else inferred per column",
    )
    add("--rename", metavar="OLD=NEW", action="append", default=[], help="call a column by another name")
    add("--only", metavar="COLUMNS", help="these columns only")
    add("--drop", metavar="COLUMNS", help="all columns but these")
    add(
        "--format",
        choices=["csv", "tsv", "json", "jsonl", "car", "json-deltas"],
        help="the kind of file (default: from its name and beginning)",
    )
    add("--delimiter", metavar="CHAR", help="between the fields of a CSV file (default: found out)")
    add("--no-quotes", action="store_true", help='read " as any other character, as some TSV files mean it')
    add("--strip", action="store_true", help="take blanks off the ends of cells")
    add("--skip-bad", action="store_true", help="import the good rows and list the bad ones")
    add("--dry-run", action="store_true", help="read, check and report; write nothing")
    add("--memory", metavar="SIZE", help="how much memory it may take: 128M, 1G (default: up to about 512M)")
    _wait(add)


def _find(add: Add) -> None:
    _file(add)
    add("text", metavar="TEXT", nargs="?", help="a text that any attribute contains")
    add(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help='"year < 1990", "director = Ridley Scott", "title ~ moon"',
    )
    _policy(add)
    _moment(add)
    _limit(add)


def _get(add: Add) -> None:
    _file(add)
    _name(add)
    _attribute(add)
    _policy(add)
    _together(add)
    _reading(add)
    _moment(add)


def _conflicts(add: Add) -> None:
    _file(add)
    add("name", metavar="NAME", nargs="?", help="only those of one entity")
    add("--attribute", metavar="ATTRIBUTE", help="only those of one attribute")
    _schema(add, "what hyperedges say of the things of a schema, by its id or name")
    _policy(add)
    add("--vocabulary", action="store_true", help="with what is said to mean the same as one: rhizome vocabulary FILE")
    add("--believe", metavar="AUTHOR", action="append", help="with that: only what this author says of it (repeat)")
    _moment(add)
    _limit(add)


def _why(add: Add) -> None:
    _file(add)
    _name(add)
    add("attribute", metavar="ATTRIBUTE", help="the attribute")
    _policy(add)
    _reading(add)
    _moment(add)


def _history(add: Add) -> None:
    _file(add)
    _name(add)
    _attribute(add)
    _moment(add)
    _limit(add)


def _log(add: Add) -> None:
    _file(add)
    add("name", metavar="NAME", nargs="?", help="only what says something of one entity")
    add("--graph", action="store_true", help="draw which of them had seen which")
    _moment(add)
    add("-n", "--limit", metavar="N", type=count, help="at most N deltas")


def _query(add: Add) -> None:
    _file(add)
    add("program", metavar="PROGRAM", help="PomoLogic, or @FILE to read it from a file")
    add("--relation", metavar="NAME", help="the relation to show (default: of the last rule)")
    add("--param", metavar="NAME=VALUE", action="append", default=[], help="the value of $NAME in the program")
    _using(add)
    add("--explain", action="store_true", help="show the plan with estimated and real counts")
    _moment(add)
    _budget(add)
    _limit(add)


PROGRAM_VERBS: Final = ("list", "define", "view", "show", "run", "check", "history", "drop")


def _program(add: Add) -> None:
    _file(add)
    add(
        "what",
        metavar="|".join(PROGRAM_VERBS),
        nargs="?",
        choices=PROGRAM_VERBS,
        default="list",
        help="what to do; view: give a program values for its parameters, to be opened by `watch`",
    )
    add("name", metavar="NAME", nargs="?", help="the name of the program")
    add(
        "program",
        metavar="PROGRAM",
        nargs="?",
        help="with define: PomoLogic, or @FILE; with view: the name of the program",
    )
    add("--relation", metavar="NAME", help="the relation that it answers with (default: of the last rule)")
    add("--about", metavar="TEXT", help="with define and view: what it is about")
    add("--param", metavar="NAME=VALUE", action="append", default=[], help="with run and view: the value of $NAME")
    add("--version", metavar="VERSION", help="with show and run: an older definition, as `history` shows it")
    add(
        "--policy",
        metavar="POLICY",
        default="latest",
        help="which counts of several definitions: latest, first, vote, trusted:A,B, claimed:A,B, all",
    )
    _moment(add)
    _budget(add)
    _limit(add)
    _author(add)


def _edges(add: Add) -> None:
    _file(add)
    add("target", metavar="THING", nargs="?", help="only those that point at a thing: its id or name")
    add(
        "--context",
        metavar="CONTEXT",
        action="append",
        help="only those that show up under a context (repeat for several)",
    )
    add("--id", metavar="ID", action="append", help="only that of an id")
    add(
        "--claimed-author",
        metavar="NAME",
        action="append",
        help="only those that name this author; nobody has verified it",
    )
    add("--system", metavar="SYSTEM", action="append", help="only those said on a system")
    add(
        "--negated",
        choices=["exclude", "mark", "only"],
        default="exclude",
        help="what was taken back (default: exclude)",
    )
    add("--trusted", metavar="AUTHOR", action="append", help="only who said a thing, or this author, can take it back")
    _moment(add)
    _limit(add)


def _relate(add: Add) -> None:
    _file(add)
    add(
        "pointers",
        metavar="ROLE=TARGET",
        nargs="+",
        help='characterName=Neo, or a thing and its context: "movie=@The Matrix:cast". After the last colon comes the '
        'context; a name with a colon and no context ends with one: "movie=@film:42:"',
    )
    _author(add)


def _define(add: Add) -> None:
    _file(add)
    add("source", metavar="SCHEMA", help='a JSON file of a schema or a list of them, or the JSON itself: {"id": …}')
    _author(add)


def _schemas(add: Add) -> None:
    _file(add)
    add("name", metavar="NAME", nargs="?", help="one schema, by its id or name: what it shows and who says so")
    add("--program", action="store_true", help="with NAME: the PomoLogic program of its views")
    _moment(add)


def _alias(add: Add) -> None:
    _file(add)
    add("names", metavar="ATTRIBUTE", nargs="+", help="attributes that mean the same; the first is the one to show")
    _author(add)


def _same(add: Add) -> None:
    _file(add)
    add("things", metavar="THING", nargs="+", help="things that are one, by id or name; the first is the one to show")
    _author(add)


def _lens(add: Add) -> None:
    _file(add)
    add("old", metavar="OLD", help="a version of a schema: any text, such as task/1")
    add("new", metavar="NEW", help="the version that it becomes")
    add("steps", metavar="STEP", nargs="+", help='JSON such as \'{"rename": ["title", "name"]}\', or @FILE')
    _author(add)


def _vocabulary(add: Add) -> None:
    _file(add)
    add("--believe", metavar="AUTHOR", action="append", help="only what this author says (repeat for several)")
    _moment(add)


def _policies(add: Add) -> None:
    add(
        "--policy",
        metavar="POLICY",
        action="append",
        default=[],
        help="latest (the default), first, all, vote, average, max, min, trusted:A,B, claimed:A,B; of one property: year=max (repeat for several)",
    )


def _trusted(add: Add) -> None:
    add("--trusted", metavar="AUTHOR", action="append", help="only who said a thing, or this author, can take it back")


def _schema(add: Add, help: str, required: bool = False) -> None:
    # `--as` is who says it in every verb that writes; here, where nobody says anything, it goes on meaning the schema.
    add("--schema", "--as", dest="schema", metavar="SCHEMA", required=required, help=help)


def _show(add: Add) -> None:
    _file(add)
    _name(add)
    _schema(add, "the id or name of a schema (default: all that points at it)")
    _policies(add)
    add("--said", action="store_true", help="with --json: the hyperedges themselves, instead of what is chosen of them")
    _trusted(add)
    add("--negated", choices=["exclude", "mark"], default="exclude", help="what was taken back (default: exclude)")
    add("--vocabulary", action="store_true", help="with what is said to mean the same as one: rhizome vocabulary FILE")
    add("--believe", metavar="AUTHOR", action="append", help="with that: only what this author says of it (repeat)")
    _moment(add)
    _limit(add)


def _views_where(add: Add) -> None:
    _file(add)
    add("schema", metavar="SCHEMA", help="the id or name of a schema")
    add(
        "conditions",
        metavar="CONDITION",
        nargs="*",
        default=[],
        help='"year > 1990", director__name="Lana Wachowski", "title ~ moon", or after two underscores eq, ne, lt, le, gt, ge, in, contains, startswith: year__in=1996,1999',
    )
    _policies(add)
    _trusted(add)
    _moment(add)
    _limit(add)


def _diff(add: Add) -> None:
    _file(add)
    add("name", metavar="NAME", nargs="?", help="one thing (default: all things of the schema)")
    _schema(add, "the id or name of a schema", required=True)
    add("--moments", metavar="TIME", nargs=2, help="before and after: yesterday now")
    add("--epochs", metavar="N", type=count, nargs=2, help="before and after, as this copy learned it")
    add("--authors", metavar="AUTHOR", nargs=2, help="what the one says, and the other")
    add("--policies", metavar="POLICY", nargs=2, help="what the one shows, and the other: latest trusted:ann")
    add("--property", metavar="PROPERTY", action="append", help="only this property (repeat for several)")
    _moment(add)
    _limit(add)


def _negate(add: Add) -> None:
    _file(add)
    add("id", metavar="ID", help="the id of a hyperedge, as `rhizome edges` shows it")
    add("reason", metavar="REASON", nargs="?", help="why")
    _author(add)


def _add(add: Add) -> None:
    _file(add)
    _name(add)
    add("attribute", metavar="ATTRIBUTE", help="the attribute")
    add("value", metavar="VALUE", help="136, 2.5, true or text")
    add("--type", choices=["int", "float", "bool", "text"], help="the kind of the value (default: as it looks)")
    add("--new", action="store_true", help="a new entity is meant, although a known one has a similar name")
    _author(add)


def _attach(add: Add) -> None:
    _file(add)
    _name(add)
    add("attribute", metavar="ATTRIBUTE", help="the attribute whose value the attachment is")
    add("path", metavar="PATH", help="the file to attach, or - for standard input")
    add("--new", action="store_true", help="a new entity is meant, although a known one has a similar name")
    _author(add)


def _fetch(add: Add) -> None:
    _file(add)
    _name(add)
    add("attribute", metavar="ATTRIBUTE", help="the attribute whose value the attachment is")
    add("-o", "--output", metavar="PATH", default="-", help="the file to write (default: -, standard output)")
    add("--force", action="store_true", help="write over a file that is there")
    _policy(add)
    _moment(add)


def _attachments(add: Add) -> None:
    _file(add)
    add("--collect", action="store_true", help="instead, remove chunks that nothing ever named, as after an interrupt")
    add("--dry-run", action="store_true", help="with --collect: say how many; remove nothing")
    _moment(add)
    _limit(add)
    _wait(add)


def _retract(add: Add) -> None:
    _file(add)
    _name(add)
    _attribute(add)
    add("value", metavar="VALUE", nargs="?", help="only this value")
    add("--type", choices=["int", "float", "bool", "text"], help="the kind of the value (default: as it looks)")
    add("--own", action="store_true", help="only what this author said")
    _author(add)


def _revert(add: Add) -> None:
    _file(add)
    add("--last", action="store_true", help="the last thing that this author said (undo; twice is none)")
    add("--by", metavar="AUTHOR", action="append", help="what this author said; several are possible")
    add("--origin", metavar="TEXT", help="what this brought: an import or a run, as `rhizome history` shows it")
    add("--since", metavar="TIME", help="what was claimed at this time or later")
    add("--until", metavar="TIME", help="what was claimed at this time or before")
    add(
        "--epoch",
        metavar="N",
        type=int,
        action="append",
        help="what this copy learned in this epoch; several are possible",
    )
    add("--dry-run", action="store_true", help="say what would be taken back; write nothing")
    _limit(add)
    _author(add)


def _export(add: Add) -> None:
    _file(add)
    add("target", metavar="TARGET", nargs="?", default="-", help="the file to write, or - for standard output")
    add(
        "--format",
        choices=["csv", "json", "jsonl", "car", "json-deltas"],
        help="csv and json: the view; jsonl and car: every signed delta, without loss; json-deltas: every hyperedge",
    )
    add("--force", action="store_true", help="write over a file that is there")
    add("--salvage", action="store_true", help="save every sound delta of a file that is damaged, as jsonl")
    _policy(add)
    _together(add)
    _moment(add)


def _only_file(add: Add) -> None:
    _file(add)


def _stats(add: Add) -> None:
    _file(add)
    _moment(add)


def _verify(add: Add) -> None:
    _file(add)
    add("--rebuild-index", action="store_true", help="also make the indexes anew from the log")


def _watch(add: Add) -> None:
    _file(add)
    add("program", metavar="PROGRAM", nargs="?", help="PomoLogic, or @FILE: what comes into its answer and what goes")
    add("--relation", metavar="NAME", help="with a program: the relation to watch (default: of the last rule)")
    add("--param", metavar="NAME=VALUE", action="append", default=[], help="the value of $NAME in the program")
    _using(add)
    add("--by", metavar="AUTHOR", action="append", default=[], help="with a program: only what this author said")
    _budget(add)
    add(
        "--since",
        metavar="EPOCH|CURSOR",
        type=epoch_or_cursor,
        help="begin after this epoch, or where a cursor says (default: with the next that comes)",
    )
    add("--cursors", action="store_true", help="also show after each epoch the cursor from which --since goes on")
    add("--changes", action="store_true", help="also list the entities and attributes that each is about")
    add("--timeout", metavar="SECONDS", type=seconds, help="end when nothing came for so long (default: never)")
    _limit(add)


def _doctor(add: Add) -> None:
    _file(add)
    add("--fix", action="store_true", help="mend what can be mended without losing anything")
    add("--rebuild-index", action="store_true", help="make the index anew from the log")
    add("--quick", action="store_true", help="do not check every hash and signature")
    _patience(add)


def _backup(add: Add) -> None:
    _file(add)
    add("target", metavar="TARGET", help="the file to make, or an earlier backup of this database to add to")
    _patience(add)


def _restore(add: Add) -> None:
    add("backup", metavar="BACKUP", help="a file that `rhizome backup` made")
    _file(add)
    add("--force", action="store_true", help="replace a file that is there, if the backup has all that it holds")
    add("--discard", action="store_true", help="with --force: replace it whatever it holds, and say how much is lost")
    add("--wait", metavar="SECONDS", type=seconds, help="for another process that has the file open (default: 10)")


def _compact(add: Add) -> None:
    _file(add)
    _patience(add)


def _url(add: Add) -> None:
    add(
        "url", metavar="URL", help="a folder, s3://BUCKET/PREFIX, gs://…, az://…; credentials come from the environment"
    )


def _push(add: Add) -> None:
    _file(add)
    _url(add)
    add(
        "--check",
        action="store_true",
        help="verify every bundle and pack there, and push anew what broken ones should hold",
    )
    _no_attachments(add)


def _no_attachments(add: Add) -> None:
    add("--no-attachments", action="store_false", dest="attachments", help="leave out the content of attachments")


def _pull(add: Add) -> None:
    _file(add)
    _url(add)
    _no_attachments(add)
    _wait(add)


def _check(add: Add) -> None:
    add("program", metavar="PROGRAM", help="a file that holds a PomoLogic program, or the program itself")
    _using(add)


def _crdt(add: Add) -> None:
    add("what", metavar="list|show", nargs="?", choices=["list", "show"], default="list", help="all of them, or one")
    add("name", metavar="NAME", nargs="?", help="with show: the data type whose program is printed")


def _demo(add: Add) -> None:
    add("folder", metavar="FOLDER", nargs="?", help="where to put the example files (default: a temporary folder)")


VERBS: Final[dict[str, tuple[str, Callable[[Add], None], str]]] = {
    "demo": ("two film catalogues that disagree, from import to why", _demo, "rhizomedb.cli.demo:demo"),
    "import": (
        "take in a table, a history or an export, as what one source says",
        _import,
        "rhizomedb.cli.write:import_",
    ),
    "conflicts": (
        "what is said in more than one way, and what the view shows",
        _conflicts,
        "rhizomedb.cli.read:conflicts",
    ),
    "get": ("what the view shows of an entity", _get, "rhizomedb.cli.read:get"),
    "why": ("why the view shows a value: authors, times, derivation", _why, "rhizomedb.cli.read:why"),
    "history": ("everything ever said about an entity", _history, "rhizomedb.cli.read:history"),
    "log": ("every delta, newest first; --graph draws what had seen what", _log, "rhizomedb.cli.log:log"),
    "find": ("the entities that a text or conditions match", _find, "rhizomedb.cli.read:find"),
    "query": ("run a PomoLogic program", _query, "rhizomedb.cli.read:query"),
    "program": (
        "programs that the database has: define them, run them by name",
        _program,
        "rhizomedb.cli.program:program",
    ),
    "check": ("what is wrong with a program, and what of it may be shown early", _check, "rhizomedb.cli.check:check"),
    "crdt": ("the replicated data types, and the program of each", _crdt, "rhizomedb.cli.crdt:crdt"),
    "edges": ("statements that tie several things together", _edges, "rhizomedb.cli.edges:edges"),
    "relate": ("say such a statement: things and values, each in a role", _relate, "rhizomedb.cli.edges:relate"),
    "negate": ("take such a statement back, or take that back", _negate, "rhizomedb.cli.edges:negate"),
    "define": ("say schemas: which statements make up the view of a thing", _define, "rhizomedb.cli.schemas:define"),
    "schemas": ("every such schema, who says what of it, and its program", _schemas, "rhizomedb.cli.schemas:schemas"),
    "show": ("a thing by a schema, as a tree with who says what", _show, "rhizomedb.cli.show:show"),
    "alias": ("say that attributes mean the same", _alias, "rhizomedb.cli.wording:alias"),
    "same": ("say that things are one", _same, "rhizomedb.cli.wording:same"),
    "lens": ("say how a version of a schema becomes another", _lens, "rhizomedb.cli.wording:lens"),
    "vocabulary": ("what means the same, by whose word, and lenses", _vocabulary, "rhizomedb.cli.wording:vocabulary"),
    "where": ("the things of a schema that meet constraints", _views_where, "rhizomedb.cli.views:where"),
    "diff": (
        "what another moment, author or policy shows otherwise",
        _diff,
        "rhizomedb.cli.views:diff",
    ),
    "add": ("say something; it replaces what the view showed", _add, "rhizomedb.cli.write:add"),
    "retract": ("take back what stands; history keeps it", _retract, "rhizomedb.cli.write:retract"),
    "revert": (
        "take back all that an author, an import or a stretch of time said",
        _revert,
        "rhizomedb.cli.revert:revert",
    ),
    "attach": ("keep a file as the value of an attribute", _attach, "rhizomedb.cli.attach:attach"),
    "fetch": ("write the file that is attached", _fetch, "rhizomedb.cli.attach:fetch"),
    "attachments": (
        "every file that is attached, and what of it is missing",
        _attachments,
        "rhizomedb.cli.attach:attachments",
    ),
    "schema": ("every attribute in use", _only_file, "rhizomedb.cli.read:schema"),
    "stats": ("how much there is, who said it, what is held back", _stats, "rhizomedb.cli.read:stats"),
    "export": ("write the view (csv, json) or every delta (jsonl, car)", _export, "rhizomedb.cli.write:export"),
    "push": ("write to a folder or bucket the deltas and attachments it lacks", _push, "rhizomedb.cli.remote:push"),
    "pull": ("take in from a folder or bucket the new deltas and attachments", _pull, "rhizomedb.cli.remote:pull"),
    "watch": (
        "each epoch as it comes, or what it changes in an answer",
        _watch,
        "rhizomedb.cli.watch:watch",
    ),
    "backup": ("make a backup, or add to it what is new", _backup, "rhizomedb.cli.care:backup"),
    "restore": ("make a database of a backup, every signature checked", _restore, "rhizomedb.cli.care:restore"),
    "doctor": ("what is wrong with a file and around it, and mend it", _doctor, "rhizomedb.cli.care:doctor"),
    "compact": ("make a file and its index as small as they can be", _compact, "rhizomedb.cli.care:compact"),
    "limits": ("every limit, and how much of it is used", _only_file, "rhizomedb.cli.care:limits"),
    "verify": ("re-check every hash, signature, cause and page of the index", _verify, "rhizomedb.cli.write:verify"),
}
"""Every verb: what it does in a few words, its arguments, and the function that does it."""


def build() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="rhizome",
        usage="rhizome VERB ...  |  rhizome FILE",
        description=DESCRIPTION,
        epilog="\n".join(
            [
                "verbs:",
                *(f"  {name:<11}  {summary}" for name, (summary, _, _) in VERBS.items()),
                "",
                "rhizome VERB --help says what each of them takes.",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rhizome {__version__}")
    verbs = parser.add_subparsers(
        dest="verb", prog="rhizome", metavar="VERB", help=argparse.SUPPRESS, parser_class=Parser
    )
    for name, (summary, arguments, _) in VERBS.items():
        verb = verbs.add_parser(name, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False)
        arguments(verb.add_argument)
        verb.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.verbs = verbs.choices
    return parser
