"""JSON deltas of the RhizomeDB reference in and out: its film fixture, and files that are none."""

import gzip
import json
from pathlib import Path

import pytest

from rhizomedb.db.connection import connect
from rhizomedb.errors import Error
from rhizomedb.exchange.importer import looks_like_json_deltas
from rhizomedb.exchange.json_deltas import import_json_deltas, json_deltas
from rhizomedb.exchange.source import Source

FILMS = Path(__file__).parent.parent / "data" / "films" / "movies.deltas.jsonl.gz"

ONE = '{"id":"d","timestamp":5,"author":"a","system":"s","pointers":[{"role":"r","target":{"id":"o","context":"c"}}]}'
OTHER = ONE.replace('"c"', '"other"')


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    with connect(tmp_path_factory.mktemp("films") / "films.db") as db:
        report = import_json_deltas(db, Source(FILMS), author="catalogue", origin="import")
        assert (report.lines, len(report.done.deltas), report.bad_count) == (1379, 1379, 0)
        yield db


def taken(tmp_path, *lines, **options):
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(lines))
    db = connect(":memory:")
    return db, import_json_deltas(db, Source(path), author="catalogue", origin="import", **options)


COUNTS = {
    "movie_matrix": ({"targets": ["movie_matrix"]}, 14),
    "person_reeves_keanu": ({"targets": ["person_reeves_keanu"]}, 12),
    "person_jackson_peter": ({"targets": ["person_jackson_peter"]}, 16),
    "three films": ({"targets": ["movie_star_wars_iv", "movie_star_wars_v", "movie_star_wars_vi"]}, 42),
    "of a context": ({"targets": ["movie_matrix"], "contexts": ["movie"]}, 7),
    "trilogy_matrix": ({"targets": ["trilogy_matrix"]}, 4),
    "names": ({"contexts": ["name"]}, 176),
    "birth years": ({"contexts": ["birthYear"]}, 166),
    "writers": ({"contexts": ["writer"]}, 87),
    "actors": ({"contexts": ["actor"]}, 238),
    "films of roles and trilogies": ({"contexts": ["movie"]}, 267),
    "by nobody else": ({"claimed_authors": ["seed"]}, 1379),
    "on one system": ({"systems": ["movie-db"]}, 1379),
}


@pytest.mark.parametrize(("conditions", "count"), COUNTS.values(), ids=COUNTS)
def test_the_films_have_the_published_counts(films, conditions, count):
    assert len(films.hyperedges(**conditions)) == count


def test_what_was_imported_is_written_as_it_was(films):
    with gzip.open(FILMS, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert [json.loads(line) for line in json_deltas(films)] == lines


def test_importing_again_adds_nothing(films):
    report = import_json_deltas(films, Source(FILMS), author="somebody else", origin="import")
    assert (report.done.deltas, report.done.known, report.done.epoch) == ((), 1379, None)


def test_who_passes_them_on_has_said_them_and_nobody_else(films):
    assert list(films.authors()) == ["catalogue"]
    with pytest.raises(Error, match="nobody called 'seed'"):
        films.hyperedges(authors=["seed"])


HEADS = {
    "a delta": (ONE, True),
    "spread": (ONE.replace(":", " : "), True),
    "a table": ('{"id": 1, "title": "x"}', False),
    "exported deltas": ('[{"/":{"bytes":"x"}},{}]', False),
    "a table with most of the keys": ('{"id":1,"timestamp":2,"author":3,"system":4}', False),
}


@pytest.mark.parametrize(("text", "is_one"), HEADS.values(), ids=HEADS)
def test_the_first_line_tells(tmp_path, text, is_one):
    path = tmp_path / "some.jsonl"
    path.write_text(text)
    assert looks_like_json_deltas(Source(path).head) is is_one


BAD = {
    "no JSON": ("{", "exchange.json", "the line is not JSON"),
    "deep": ("[" * 100_000, "exchange.json", "nested too deep"),
    "no delta": ("{}", "hyper.json", "id is missing"),
    "taken": (OTHER, "hyper.taken", "another statement has this id"),
}


@pytest.mark.parametrize(("line", "code", "message"), BAD.values(), ids=BAD)
def test_a_bad_line_stops_the_import_or_is_left_out(tmp_path, line, code, message):
    with pytest.raises(Error, match=message) as refused:
        taken(tmp_path, ONE, "", line)
    assert (refused.value.code, refused.value.where) == (code, f"{tmp_path / 'some.jsonl'} line 3")
    db, report = taken(tmp_path, ONE, "", line, ONE, skip_bad=True)
    assert [(each.line, each.code) for each in report.bad] == [(3, code)]
    assert (len(report.done.deltas), report.done.known, len(db.hyperedges())) == (1, 1, 1)


def test_nothing_of_an_import_that_stops_is_kept(tmp_path):
    path, db = tmp_path / "some.jsonl", connect(":memory:")
    path.write_text(f"{ONE}\n{OTHER}")
    with pytest.raises(Error):
        import_json_deltas(db, Source(path), author="catalogue", origin="import")
    assert (db.hyperedges(), db.stats().epoch) == ([], 0)


def test_a_statement_of_the_future_waits_for_its_time(tmp_path):
    db, report = taken(tmp_path, ONE.replace('"timestamp":5', '"timestamp":200000000000000'))
    assert (len(report.done.deltas), db.hyperedges(), len(db.held())) == (1, [], 1)
