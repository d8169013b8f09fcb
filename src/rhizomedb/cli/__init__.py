"""The command `rhizome`: the same verbs and words as the Python package."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence

from rhizomedb.cli.parser import VERBS, build
from rhizomedb.errors import Error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (`parser.EXIT_CODES`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _settle_streams(as_json="--json" in arguments)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except Error as error:
        _complain(error, as_json="--json" in arguments)
        return 2 if error.code == "db.usage" else 1
    except KeyboardInterrupt:
        print("interrupted; nothing of this command's writing was kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    import importlib

    if arguments and _is_file_alone(arguments):
        from rhizomedb.cli.read import summary

        return summary(next(a for a in arguments if a != "--json"), as_json="--json" in arguments)
    parser = build()
    options = parser.understand(arguments)
    if options.verb is None:
        parser.print_help()
        return 0
    module, _, function = VERBS[options.verb][2].partition(":")
    try:
        code: int = getattr(importlib.import_module(module), function)(options)
    except Error as error:
        _place(error, options)
        raise
    return code


def _place(error: Error, options: Namespace) -> None:
    """Say at which moment something is not there, and with which file what would have been right can be typed."""
    narrowed = [
        f"{words} {', '.join(value) if isinstance(value, list) else value}"
        for name, words in (("as_of", "as of"), ("since", "since"), ("epoch", "at epoch"), ("by", "by"))
        if (value := getattr(options, name, None)) is not None
    ]
    if error.where is None and error.code in ("db.unknown-entity", "db.unknown-attribute"):
        error.where = ", ".join(narrowed) or None
    if error.fix and error.fix.startswith("rhizome "):
        words = {word: getattr(options, word.lower(), None) or word for word in ("FILE", "NAME", "URL")}
        error.fix = re.sub(r"\b(FILE|NAME|URL)\b", lambda match: shlex.quote(words[match[1]]), error.fix)


def _is_file_alone(arguments: list[str]) -> bool:
    """`rhizome films.db`: a path, not a verb and not an option."""
    names = [argument for argument in arguments if argument != "--json"]
    if len(names) != 1 or names[0].startswith("-") or names[0] in VERBS:
        return False
    return os.path.exists(names[0]) or "." in names[0] or os.sep in names[0]


def _settle_streams(*, as_json: bool) -> None:
    """Whatever the terminal's encoding, nothing that is printed may fail: what it lacks comes as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")


def _complain(error: Error, *, as_json: bool) -> None:
    sys.stdout.flush()
    if as_json:
        import json

        many = getattr(error, "errors", (error,))
        for one in many:
            print(json.dumps(one.as_dict()), file=sys.stderr)
        return
    from rhizomedb.cli.terminal import safe_lines

    print(safe_lines(str(error)), file=sys.stderr)
