"""The verbs of hyperedges, as text and as data."""

import json

import pytest

from rhizomedb.cli import main

ONE = (
    '{"id":"d1","timestamp":1735689600000,"author":"ann","system":"laptop","pointers":'
    '[{"role":"film","target":{"id":"film:42","context":"runtime"}},{"role":"minutes","target":136}]}\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "said.jsonl").write_text(ONE)


@pytest.fixture
def run(capsys):
    def command(*words, exit=0):
        code = main(words)
        printed = capsys.readouterr()
        assert code == exit, printed
        return printed.out, printed.err

    return command


def test_import_edges_negate_and_export(run, tmp_path):
    out, err = run("import", "a.db", "said.jsonl", "--as", "catalogue")
    assert out == "1 JSON delta passed on by catalogue: 1 new, 0 known already (epoch 1)\n"
    assert err.endswith("note: the authors that they name are kept as claims: nobody has signed them\n")
    out, _ = run("edges", "a.db", "film:42")
    assert out.splitlines()[1:] == ["  film  → film:42 · runtime", "  minutes  136", "1 hyperedge"]
    assert out.startswith("d1  ")
    assert out.splitlines()[0].endswith("  ann (as catalogue claims)")
    out, _ = run("negate", "a.db", "d1", "the cut version", "--as", "ben")
    assert out.startswith("d1 taken back, by ")
    assert run("edges", "a.db", "film:42")[0] == "0 hyperedges\n"
    assert run("edges", "a.db", "film:42", "--negated", "mark")[0].splitlines()[0].endswith("claims)  taken back")
    assert run("edges", "a.db", "film:42", "--trusted", "catalogue")[0].endswith("1 hyperedge\n")
    run("export", "a.db", "again.jsonl", "--format", "json-deltas")
    first, second = (tmp_path / "again.jsonl").read_text().splitlines()
    assert json.loads(first) == json.loads(ONE)
    assert json.loads(second)["pointers"][1] == {"role": "reason", "target": "the cut version"}


def test_things_are_shown_by_what_they_are_called(run):
    run(
        "relate",
        "a.db",
        "actor=@Keanu Reeves:appearedIn",
        "movie=@The Matrix:cast",
        "characterName=Neo",
        "nothing=@0xabcdefff",
    )
    out, _ = run("edges", "a.db", "The Matrix")
    assert out.splitlines()[1:] == [
        "  actor  → Keanu Reeves · appearedIn",
        "  movie  → The Matrix · cast",
        "  characterName  Neo",
        "  nothing  → 0xabcdefff",
        "1 hyperedge",
    ]


def test_what_is_said_by_hyperedges_alone_is_told_of(run, tmp_path):
    titled = (
        ONE.replace("runtime", "title").replace('"minutes","target":136', '"title","target":"Heat"').replace("d1", "d2")
    )
    (tmp_path / "both.jsonl").write_text(ONE + titled)
    run("import", "a.db", "both.jsonl")
    assert "  rhizome edges a.db\n" in run("a.db")[0]
    assert (
        run("get", "a.db", "film:42")[1]
        == "nothing stands of it alone; hyperedges point at it: rhizome edges a.db film:42\n"
    )
    for words in (("history", "a.db", "Heat"), ("history", "a.db", "Heat", "runtime")):
        assert run(*words)[1].startswith("nothing is said of it alone; hyperedges point at it: rhizome edges a.db Heat")
    for verb in ("why", "get"):
        said = run(verb, "a.db", "Heat", "runtime", exit=1)[1]
        assert "no fact alone says anything about runtime of Heat, but hyperedges do" in said
    assert run("export", "a.db", "--format", "csv")[1].endswith(
        "note: 2 hyperedges are in no table; --format json-deltas writes them\n"
    )
    assert "in no table" not in run("export", "a.db", "--format", "json-deltas")[1]
    assert run("edges", "a.db", "Heat")[0].endswith("2 hyperedges\n")


def test_relate_names_things_and_values(run):
    run("relate", "a.db", "actor=@Keanu Reeves:appearedIn", "movie=@The Matrix:cast", "character=Neo", "year=1999")
    run("relate", "a.db", "actor=@Carrie-Anne Moss:appearedIn", "movie=@The Matrix:cast", "character=Trinity")
    out, _ = run("edges", "a.db", "The Matrix", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["pointers"][2]["target"] for row in rows] == ["Neo", "Trinity"]
    assert rows[0]["pointers"][3]["target"] == 1999
    assert len(run("edges", "a.db", "Keanu Reeves", "--json")[0].splitlines()) == 1
    assert run("edges", "a.db", "--context", "cast", "--limit", "1")[0].endswith("2 hyperedges, 1 more not shown\n")


WRONG = {
    "no role": (("relate", "a.db", "Neo"), "'Neo' is no ROLE=TARGET"),
    "no thing": (("relate", "a.db", "movie=@"), "names no thing"),
    "no such edge": (("negate", "a.db", "nothing"), "no hyperedge here has the id 'nothing'"),
    "nothing of that name": (("edges", "a.db", "film:43"), "nothing here is called 'film:43'"),
    "a bad line": (("import", "a.db", "bad.jsonl"), "bad.jsonl line 1"),
}


def test_the_log_and_a_table_tell_of_hyperedges(run):
    said = run("relate", "a.db", "actor=@Keanu Reeves", "movie=@The Matrix:cast", "character=Neo", "year=1999")[0]
    run("negate", "a.db", said.split()[1])
    back, spoken, named = (line.partition("  20")[2][16:] for line in run("log", "a.db")[0].splitlines())
    assert spoken == "actor → Keanu Reeves, movie → The Matrix · cast, character Neo and 1 more"
    assert (
        back.startswith("negates → ") and named == "Keanu Reeves · name = Keanu Reeves; The Matrix · name = The Matrix"
    )
    assert run("export", "a.db", "--format", "csv")[1] == (
        "note: 2 hyperedges are in no table; --format json-deltas writes them\n"
    )


def test_of_what_has_but_a_name_it_is_told_what_points_at_it(run):
    run("relate", "a.db", "movie=@Heat:year", "year=1995")
    assert run("get", "a.db", "Heat") == ("Heat\n  name  Heat\n", "hyperedges point at it: rhizome show a.db Heat\n")
    run("add", "a.db", "Heat", "runtime", "170")
    assert run("get", "a.db", "Heat")[1] == ""


def test_a_statement_is_not_called_by_the_title_that_it_says(run):
    said = run("relate", "a.db", "movie=@Heat:title", "title=Heat")[0].split()[1]
    run("negate", "a.db", said)
    assert f"  negates  → {said[:14]} · negated_by\n" in run("edges", "a.db")[0]


def test_why_nothing_is_found_is_said(run):
    run("import", "a.db", "said.jsonl")
    out, err = run(
        "edges", "a.db", "--context", "rumtime", "--id", "d9", "--system", "laptopp", "--claimed-author", "x"
    )
    assert out == "0 hyperedges\n"
    assert err == (
        "note: no hyperedge here has the context rumtime; did you mean runtime?\n"
        "note: no hyperedge here has the id d9\n"
        "note: no hyperedge here has the system laptopp; did you mean laptop?\n"
        "note: no hyperedge here has the claimed author x\n"
    )
    run("relate", "new.db", "movie=@Heat:title", "title=Heat")
    assert "  rhizome edges new.db\n" in run("new.db")[0]


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(run, tmp_path, words, message):
    run("import", "a.db", "said.jsonl")
    (tmp_path / "bad.jsonl").write_text(ONE.replace('"role":"film"', '"role":""'))
    _, err = run(*words, exit=2 if words[0] == "relate" else 1)
    assert message in err


def test_data_of_an_import(run, tmp_path):
    (tmp_path / "more.jsonl").write_text(ONE + ONE.replace("136", "138") + "{\n")
    out, _ = run("import", "a.db", "more.jsonl", "--skip-bad", "--json")
    row = json.loads(out)
    assert (row["new"], row["known"], [each["line"] for each in row["bad"]]) == (1, 0, [3, 2])
