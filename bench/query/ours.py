"""Our part of `query`."""

from __future__ import annotations

import rhizomedb
from bench.child import Watch
from bench.data import GRAPHS, film_id, some_films
from bench.query.questions import CLOSURE, QUESTIONS, digest
from rhizomedb.budget import UNLIMITED


def ask(watch: Watch, name: str, path: str, rows: int) -> str:
    """Ask a question of a database file; returns a hash of the answer."""
    question = QUESTIONS[name]
    numbers = some_films(rows, question.asked)
    parameters = [{"entity": rhizomedb.entity(id=film_id(number))} for number in numbers] or [{}]
    with rhizomedb.open(path) as db:
        db.query(question.program, parameters[0], budget=UNLIMITED)
        answers = []
        for each in parameters:
            with watch("ask"):
                result = db.query(question.program, each, budget=UNLIMITED)
            answers += result
    return digest(answers)


def closure(watch: Watch, graph: str, edges: int) -> str:
    """The closure of a graph by plain evaluation."""
    relations = {"edge": GRAPHS[graph](edges)}
    rhizomedb.evaluate(CLOSURE, relations, budget=UNLIMITED)
    with watch("ask"):
        result = rhizomedb.evaluate(CLOSURE, relations, budget=UNLIMITED)["path"]
    return digest(result)
