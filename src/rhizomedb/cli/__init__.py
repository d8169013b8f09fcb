"""The command `rhizome`: the same verbs and words as the Python package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rhizomedb.cli.parser import VERBS, build
from rhizomedb.errors import Error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (`parser.EXIT_CODES`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
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
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help()
        return 0
    module, _, function = VERBS[options.verb][2].partition(":")
    code: int = getattr(importlib.import_module(module), function)(options)
    return code


def _is_file_alone(arguments: list[str]) -> bool:
    """`rhizome films.db`: a path, not a verb and not an option."""
    names = [argument for argument in arguments if argument != "--json"]
    if len(names) != 1 or names[0].startswith("-") or names[0] in VERBS:
        return False
    return os.path.exists(names[0]) or "." in names[0] or os.sep in names[0]


def _complain(error: Error, *, as_json: bool) -> None:
    sys.stdout.flush()
    if as_json:
        import json

        many = getattr(error, "errors", (error,))
        for one in many:
            print(json.dumps({"error": one.as_dict()}, ensure_ascii=False), file=sys.stderr)
        return
    from rhizomedb.cli.terminal import safe_lines

    print(safe_lines(str(error)), file=sys.stderr)
