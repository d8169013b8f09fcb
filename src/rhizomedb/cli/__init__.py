"""The command `rhizome`: the same verbs and words as the Python package."""

from __future__ import annotations

import os
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from rhizomedb._interrupt import EXIT_CODE, at_work
from rhizomedb.cli.parser import VERBS, build
from rhizomedb.cli.streams import OutputRefused, settled
from rhizomedb.errors import Error


def main(argv: Sequence[str] | None = None, *, at_end: Callable[[], None] = lambda: None) -> int:
    """Run one command; returns the exit code (`parser.EXIT_CODES`). `at_end` is called when all is done and said."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    with settled(as_json=as_json):
        try:
            code = _run(arguments)
            sys.stdout.flush()
            at_end()
            return code
        except Error as error:
            with suppress(Error, OSError):  # what went wrong first is told
                sys.stdout.flush()
            _complain(error, as_json=as_json)
            return 2 if error.code == "db.usage" else 1
        except KeyboardInterrupt:
            at_end()
            print("interrupted; the file is as it was before, or holds the whole write", file=sys.stderr)
            return EXIT_CODE
        except BrokenPipeError:  # whoever read our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _run(arguments: list[str]) -> int:
    import importlib

    if arguments and _is_file_alone(arguments):
        from rhizomedb.cli.read import summary

        at_work()
        return summary(next(a for a in arguments if a != "--json"), as_json="--json" in arguments)
    parser = build()
    try:
        options = parser.understand(arguments)
    except SystemExit:  # after --help and --version
        sys.stdout.flush()
        raise
    if options.verb is None:
        parser.print_help()
        return 0
    module, _, function = VERBS[options.verb][2].partition(":")
    perform: Callable[[Namespace], int] = getattr(importlib.import_module(module), function)
    at_work()
    try:
        code = perform(options)
        sys.stdout.flush()
    except Error as error:
        _place(error, options)
        raise
    return code


_OF_A_MOMENT: Final = (
    "db.unknown-entity",
    "db.unknown-attribute",
    "hyper.unknown-edge",
    "hyper.unknown-schema",
    "hyper.unknown-version",
    "program.unknown",
)
"""What may be there at another moment, or by what others say."""

_TYPED: Final[dict[str, dict[str, str]]] = {
    "hyper.unknown-schema": {"": "rhizome schemas FILE lists them"},
    "hyper.unknown-version": {"": "rhizome vocabulary FILE lists them"},
    "hyper.vocabulary": {"": "rhizome alias FILE title name", "same": "rhizome same FILE film:42 tt0133093"},
    "hyper.lens": {"": """rhizome lens FILE task/1 task/2 '{"rename": ["title", "name"]}'"""},
}
"""What to type where an error shows what to call in Python: by its code and the verb."""


def _place(error: Error, options: Namespace) -> None:
    """Say at which moment something is not there, and with which file what would have been right can be typed."""
    narrowed = [
        f"{words} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, words in (("as_of", "as of"), ("since", "since"), ("epoch", "at epoch"), ("by", "by"))
        if (value := getattr(options, name, None)) is not None
    ]
    if isinstance(error, OutputRefused) and (written := _written(options)) is not None:
        error.message += f"; what was written to {written} stays"
    if options.verb == "restore" and error.code in ("store.not-found", "store.not-a-database"):
        if error.code == "store.not-a-database":
            error.message = f"{options.backup} is no backup"
        error.fix = "name a file that was made with: rhizome backup films.db backup.db"
    if error.where is None and error.code in _OF_A_MOMENT:
        error.where = ", ".join(narrowed) or None
    if error.code in _TYPED and (error.fix or "").startswith("db."):
        error.fix = _TYPED[error.code].get(options.verb, _TYPED[error.code][""])
    if error.fix and error.fix.startswith("rhizome "):
        words = {word: getattr(options, word.lower(), None) or word for word in ("FILE", "NAME", "URL")}
        error.fix = re.sub(r"\b(FILE|NAME|URL)\b", lambda match: shlex.quote(words[match[1]]), error.fix)


WRITTEN = {
    "import": "file",
    "add": "file",
    "relate": "file",
    "negate": "file",
    "define": "file",
    "program": "file",
    "alias": "file",
    "same": "file",
    "lens": "file",
    "retract": "file",
    "revert": "file",
    "attach": "file",
    "attachments": "file",
    "pull": "file",
    "compact": "file",
    "restore": "file",
    "doctor": "file",
    "verify": "file",
    "backup": "target",
    "export": "target",
    "push": "url",
    "fetch": "output",
    "demo": "folder",
}
"""The argument that names what a verb writes to."""

WRITTEN_IF = {"attachments": "collect", "doctor": "fix", "verify": "rebuild_index"}
"""The option without which a verb writes nothing."""


def _written(options: Namespace) -> str | None:
    """What the command may have written to."""
    named: str | None = getattr(options, WRITTEN.get(options.verb, ""), None)
    if named == "-" or getattr(options, "dry_run", False):
        return None
    condition = WRITTEN_IF.get(options.verb)
    return named if condition is None or getattr(options, condition) else None


def _is_file_alone(arguments: list[str]) -> bool:
    """`rhizome films.db`: a path, not a verb and not an option."""
    names = [argument for argument in arguments if argument != "--json"]
    if len(names) != 1 or names[0].startswith("-") or names[0] in VERBS:
        return False
    return os.path.exists(names[0]) or "." in names[0] or os.sep in names[0]


def _complain(error: Error, *, as_json: bool) -> None:
    if as_json:
        import json

        many = getattr(error, "errors", (error,))
        for one in many:
            print(json.dumps(one.as_dict()), file=sys.stderr)
        return
    from rhizomedb.cli.terminal import safe_lines

    print(safe_lines(str(error)), file=sys.stderr)
