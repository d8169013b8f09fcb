"""RhizomeDB keeps what every source said, and shows what you believe, why, who disagrees, and what you believed last Tuesday.

    import rhizomedb

    db = rhizomedb.open("films.db")
    db.transact([("The Matrix", "runtime", 136)], author="imdb", scope="own")
    db.transact([("The Matrix", "runtime", 138)], author="wikipedia", scope="own")
    print(db.conflicts())

Nothing below is imported before it is used, so that `import rhizomedb` stays quick.
"""

from __future__ import annotations

from rhizomedb._version import __version__ as __version__

TYPE_CHECKING = False  # as in `typing`, which the command need not wait for before it can be interrupted
if TYPE_CHECKING:
    from typing import Any

    from rhizomedb._native import backend as backend
    from rhizomedb.budget import Budget as Budget
    from rhizomedb.crdt.together import Together as Together
    from rhizomedb.db.care import restore as restore
    from rhizomedb.db.connection import Connection as Connection
    from rhizomedb.db.connection import connect as open  # noqa: F401
    from rhizomedb.db.database import Database as Database
    from rhizomedb.db.graph.differing import diff as diff
    from rhizomedb.db.identity import entity as entity
    from rhizomedb.db.identity import new_entity as new_entity
    from rhizomedb.db.programs.checking import check as check
    from rhizomedb.db.programs.query import evaluate as evaluate
    from rhizomedb.db.programs.result import Result as Result
    from rhizomedb.db.programs.steps import Step as Step
    from rhizomedb.db.programs.steps import steps as steps
    from rhizomedb.errors import BudgetExceeded as BudgetExceeded
    from rhizomedb.errors import Error as Error
    from rhizomedb.errors import ProgramError as ProgramError
    from rhizomedb.facts.cid import Cid as Cid
    from rhizomedb.facts.delta import Delta as Delta
    from rhizomedb.facts.fact import Fact as Fact
    from rhizomedb.logic.builtins import user_aggregate as user_aggregate
    from rhizomedb.logic.parse import parse as parse
    from rhizomedb.logic.syntax import Program as Program
    from rhizomedb.remote.pulling import pull as pull
    from rhizomedb.remote.pushing import push as push

_HOMES = {
    "Budget": "rhizomedb.budget",
    "BudgetExceeded": "rhizomedb.errors",
    "Cid": "rhizomedb.facts.cid",
    "Connection": "rhizomedb.db.connection",
    "Database": "rhizomedb.db.database",
    "Delta": "rhizomedb.facts.delta",
    "Error": "rhizomedb.errors",
    "Fact": "rhizomedb.facts.fact",
    "Program": "rhizomedb.logic.syntax",
    "ProgramError": "rhizomedb.errors",
    "Result": "rhizomedb.db.programs.result",
    "backend": "rhizomedb._native",
    "check": "rhizomedb.db.programs.checking",
    "diff": "rhizomedb.db.graph.differing",
    "entity": "rhizomedb.db.identity",
    "evaluate": "rhizomedb.db.programs.query",
    "new_entity": "rhizomedb.db.identity",
    "open": "rhizomedb.db.connection:connect",
    "parse": "rhizomedb.logic.parse",
    "pull": "rhizomedb.remote.pulling",
    "push": "rhizomedb.remote.pushing",
    "restore": "rhizomedb.db.care",
    "Together": "rhizomedb.crdt.together",
    "Step": "rhizomedb.db.programs.steps",
    "steps": "rhizomedb.db.programs.steps",
    "user_aggregate": "rhizomedb.logic.builtins",
}
"""Where each public name lives."""

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604  # the keys are strings


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rhizomedb' has no attribute {name!r}")
    import importlib

    module, _, attribute = home.partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
