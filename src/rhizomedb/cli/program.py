"""The verb program: programs that the database has, defined, listed, shown, checked and run by their names."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, Final

from rhizomedb.cli import out
from rhizomedb.cli.session import at_moment, budget_of, opened, pairs, print_lines, text_of_file, value_of
from rhizomedb.db.moment import show_ms
from rhizomedb.db.programs.stored_programs import Defined, of_version, unknown
from rhizomedb.db.reader import Reader
from rhizomedb.errors import RequestError
from rhizomedb.hyper.json_delta import id_of
from rhizomedb.hyper.program_edges import StoredHyperViews, StoredProgram, StoredView

VERSION_SHOWN: Final = 10
"""How many digits of a version are shown: enough to name it by."""

_TAKES: Final = {
    "list": (),
    "define": ("NAME", "PROGRAM"),
    "view": ("NAME", "PROGRAM"),
    "show": ("NAME",),
    "history": ("NAME",),
    "check": ("NAME",),
    "run": ("NAME",),
    "drop": ("NAME",),
}
"""What each of them has to be given."""


def program(options: Namespace) -> int:
    """What is asked of stored programs."""
    given = [each for each in (options.name, options.program) if each is not None]
    wanted = _TAKES[options.what]
    if len(given) != len(wanted):
        takes = " and ".join(wanted) or "no name"
        raise RequestError(
            "db.usage",
            f"{options.what} takes {takes}, and {len(given)} were given",
            fix=f"rhizome program FILE {' '.join((options.what, *wanted))}",
        )
    return _VERBS[options.what](options)


def _list(options: Namespace) -> int:
    with opened(options.file) as db:
        reader = at_moment(db, options)
        said, views = reader.programs_said(policy=options.policy), reader.views_said(policy=options.policy)
        several = {each.name: len(each.said) for each in (*said.conflicts, *views.conflicts)}
        if options.json:
            print_lines(_as_dict(reader, each) for each in said.defined.values())
            print_lines(map(_view_as_dict, views.defined.values()))
            return 0
        rows = [
            [each.name, each.version[:VERSION_SHOWN], reader.author_name(each.edge.author), show_ms(each.time.ms),
             _noted(each.about, several.get(each.name))]
            for each in said.defined.values()
        ]  # fmt: skip
        rows += [
            [each.name, _of(each), reader.author_name(each.edge.author), show_ms(each.time.ms),
             _noted(each.about, several.get(each.name))]
            for each in views.defined.values()
        ]  # fmt: skip
        if rows:
            out.say_table(["", "", "", "", ""], rows)
        out.say(
            out.plural(len(said.defined), "program")
            + (f", {out.plural(len(views.defined), 'view')}" if views.defined else "")
        )
        for edge, reason in said.refused + views.refused:
            out.note(
                f"note: a definition by {out.safe(reader.author_name(edge.author))} is left out: {out.safe(reason)}"
            )
    return 0


def _view_as_dict(view: StoredView | StoredHyperViews) -> dict[str, Any]:
    if isinstance(view, StoredHyperViews):
        return {"view": view.name, "schema": view.schema, "things": list(map(id_of, view.things)), "about": view.about}
    values = dict(view.parameters)
    return {
        "view": view.name,
        "program": view.program,
        "answer": view.answer,
        "parameters": values,
        "about": view.about,
    }


def _of(view: StoredView | StoredHyperViews) -> str:
    if isinstance(view, StoredHyperViews):
        return f"{out.plural(len(view.things), 'HyperView')} by {view.schema}"
    return f"view of {view.program}"


def _noted(about: str | None, several: int | None) -> str:
    words = [about] if about else []
    return "; ".join([*words, *([f"{several} definitions stand"] if several else [])])


def _define(options: Namespace) -> int:
    text = options.program
    if text.startswith("@"):
        text = text_of_file(text[1:])
    with opened(
        options.file, create=True, author=options.author, wait=options.wait, durability=options.durability
    ) as db:
        done = db.define_program(options.name, text, answer=options.relation, about=options.about)
        if options.json:
            print_lines([{"epoch": done.epoch, "deltas": list(done.deltas), "breaks": list(done.breaks)}])
            return 0
        name = out.safe(options.name)
        out.say(f"defined: {name}   (epoch {done.epoch})" if done else f"{name} was defined just so already")
        _warn(done.breaks)
    return 0


def _warn(breaks: tuple[str, ...]) -> None:
    for each in breaks:
        out.note(f"note: {out.safe(each)} imports it and does not work now")


def _view(options: Namespace) -> int:
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        parameters = {name: value_of(value) for name, value in pairs(options.param, "--param").items()}
        done = db.define_view(
            options.name, options.program, relation=options.relation, parameters=parameters, about=options.about
        )
        return _said(options, done.epoch, f"defined: {out.safe(options.name)}, a view of {out.safe(options.program)}")


def _drop(options: Namespace) -> int:
    with opened(options.file, author=options.author, wait=options.wait, durability=options.durability) as db:
        is_view = options.name not in db.programs() and options.name in db.views_said().defined
        done = (db.drop_view if is_view else db.drop_program)(options.name)
        _said(options, done.epoch, f"taken back: {out.safe(options.name)}")
        if not options.json and isinstance(done, Defined):
            _warn(done.breaks)
    return 0


def _said(options: Namespace, epoch: int | None, words: str) -> int:
    if options.json:
        print_lines([{"epoch": epoch}])
    else:
        out.say(f"{words}   (epoch {epoch})" if epoch else f"{words}, as it was already")
    return 0


def _show(options: Namespace) -> int:
    with opened(options.file) as db:
        reader = at_moment(db, options)
        found = _found(reader, options)
        if options.json:
            print_lines([_as_dict(reader, found)])
            return 0
        author = out.safe(reader.author_name(found.edge.author))
        about = f": {out.safe(found.about)}" if found.about else ""
        out.say(f"// {out.safe(found.name)}{about}")
        out.say(f"// version {found.version[:VERSION_SHOWN]}, by {author}, {show_ms(found.time.ms)}")
        if found.answer:
            out.say(f"// answers with {out.safe(found.answer)}")
        out.say("\n".join(map(out.safe, found.text.rstrip().split("\n"))))
    return 0


def _found(reader: Reader, options: Namespace) -> StoredProgram:
    if options.version is not None:
        return of_version(reader, options.name, options.version)
    found = reader.programs(policy=options.policy)
    if options.name not in found:
        raise _unless_view(reader, options.name, unknown(options.name, found, "program"))
    return found[options.name]


def _unless_view(reader: Reader, name: str, error: RequestError) -> RequestError:
    """The error for what is no program, which says so where it is a view."""
    view = reader.views_said().defined.get(name)
    if view is None:
        return error
    how = f"rhizome watch FILE {shlex.quote(name)} --since 0" if isinstance(view, StoredView) else None
    fix = how or f"db.materialise({name!r}) in Python"
    return RequestError(error.code, f"{name!r:.60} is no program but a {_of(view).removeprefix('1 ')}", fix=fix)


def _history(options: Namespace) -> int:
    with opened(options.file) as db:
        reader = at_moment(db, options)
        found = reader.program_history(options.name)
        if options.json:
            print_lines({**_as_dict(reader, each.program), "stands": each.stands} for each in found)
            return 0
        rows = [
            [each.program.version[:VERSION_SHOWN], show_ms(each.program.time.ms), each.author,
             "" if each.stands else "taken back"]
            for each in found
        ]  # fmt: skip
        out.say_table(["", "", "", ""], rows)
    return 0


def _check(options: Namespace) -> int:
    with opened(options.file) as db:
        found = at_moment(db, options).check_program(options.name, policy=options.policy)
        found.raise_if_wrong()
        if options.json:
            print_lines(found.rows())
        else:
            out.say(f"{out.safe(options.name)} works: {', '.join(map(out.safe, found.relations))}")
    return 0


def _run(options: Namespace) -> int:
    parameters = {name: value_of(value) for name, value in pairs(options.param, "--param").items()}
    with opened(options.file) as db:
        reader = at_moment(db, options)
        try:
            result = reader.run(
                options.name,
                parameters,
                relation=options.relation,
                policy=options.policy,
                version=options.version,
                budget=budget_of(options.budget),
            )
        except RequestError as error:
            raise _unless_view(reader, options.name, error) if error.code == "program.unknown" else error from None
        for notice in result.notices:
            out.note(f"note: {notice}")
        if options.json:
            print_lines(result.to_dicts(), options.limit)
            return 0
        shown = result[: options.limit] if options.limit is not None else result
        out.say_table(list(result.columns), shown)
        out.say(f"{out.plural(len(result), 'tuple')}" + (f", {len(shown):,} shown" if len(shown) < len(result) else ""))
    return 0


def _as_dict(reader: Reader, found: StoredProgram) -> dict[str, Any]:
    return {
        "program": found.name,
        "version": found.version,
        "author": reader.author_name(found.edge.author),
        "time": show_ms(found.time.ms, zone=True),
        "answer": found.answer,
        "about": found.about,
        "text": found.text,
    }


_VERBS: Final[Mapping[str, Callable[[Namespace], int]]] = {
    "list": _list,
    "define": _define,
    "view": _view,
    "show": _show,
    "history": _history,
    "check": _check,
    "run": _run,
    "drop": _drop,
}
