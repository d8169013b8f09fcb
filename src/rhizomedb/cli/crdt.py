"""The verb that shows the data types."""

from __future__ import annotations

from argparse import Namespace

from rhizomedb.cli import out
from rhizomedb.cli.session import print_lines
from rhizomedb.crdt.library import LIBRARY, data_type
from rhizomedb.errors import RequestError


def crdt(options: Namespace) -> int:
    """The data types in one line each, or the program of one."""
    if options.what == "list":
        if options.name is not None:
            raise RequestError(
                "db.usage",
                f"list takes no name, and {options.name!r} was given",
                fix=f"rhizome crdt show {options.name}",
            )
        if options.json:
            print_lines(
                {"name": each.name, "summary": each.summary, "answer": each.answer} for each in LIBRARY.values()
            )
        else:
            out.say_table(["", ""], [[each.name, each.summary] for each in LIBRARY.values()])
            out.say("\ntry: rhizome crdt show add-wins-set")
        return 0
    if options.name is None:
        raise RequestError("db.usage", "show needs the name of a data type", fix=f"one of {', '.join(LIBRARY)}")
    found = data_type(options.name)
    if options.json:
        print_lines([{"name": found.name, "summary": found.summary, "answer": found.answer, "program": found.program}])
    else:
        out.say(f"// {found.name}: {found.summary}; the answer is `{found.answer}`\n\n{found.program.rstrip()}")
    return 0
