"""The verb revert, as text and as data."""

import json

import pytest

from rhizomedb.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text("title,runtime\nThe Matrix,136\n")
    (tmp_path / "bad.csv").write_text("title,runtime\nThe Matrix,631\n")


@pytest.fixture
def run(capsys):
    def command(*words, exit=0):
        code = main(words)
        printed = capsys.readouterr()
        assert code == exit, printed
        return printed.out, printed.err

    return command


@pytest.fixture
def films(run):
    for name in ("good.csv", "bad.csv"):
        run("import", "a.db", name, "--key", "title")


@pytest.mark.parametrize(
    "how", [("--by", "bad"), ("--origin", "import of bad.csv"), ("--epoch", "2"), ("--last", "--as", "bad")]
)
def test_what_is_meant_is_taken_back_and_given_back(run, films, how):
    assert run("get", "a.db", "The Matrix", "runtime")[0] == "631\n"
    planned = run("revert", "a.db", *how, "--dry-run")[0].splitlines()
    assert planned == [
        "2 statements would be taken back by bad",
        "  withdrawn: The Matrix · title = The Matrix  (bad)",
        "  withdrawn: The Matrix · runtime = 631  (bad)",
    ]
    out, err = run("revert", "a.db", *how)
    assert out == "2 statements taken back by bad (epoch 3)\n"
    assert err == "note: nothing is erased, and this takes it back: rhizome revert a.db --last --as bad\n"
    assert run("get", "a.db", "The Matrix", "runtime")[0] == "136\n"
    run("revert", "a.db", "--last", "--as", "bad")
    assert run("get", "a.db", "The Matrix", "runtime")[0] == "631\n"


def test_what_is_left_is_said_with_the_reason(run, films):
    run("add", "a.db", "The Matrix", "runtime", "137", "--as", "carol")
    out, _ = run("revert", "a.db", "--by", "bad")
    assert out.splitlines() == [
        "1 statement taken back by bad (epoch 4)",
        "  left: The Matrix · runtime = 631  (bad): what was said since stays as it was said",
    ]
    assert run("get", "a.db", "The Matrix", "runtime")[0] == "137\n"


def test_as_data(run, films):
    (said,) = map(json.loads, run("revert", "a.db", "--by", "bad", "--dry-run", "--json")[0].splitlines())
    assert (said["epoch"], said["author"], said["dry_run"], len(said["of"])) == (None, "bad", True, 1)
    assert [(each["what"], each["becomes"]) for each in said["statements"]] == [("value", "withdrawn")] * 2
    (said,) = map(json.loads, run("revert", "a.db", "--by", "bad", "--json")[0].splitlines())
    assert said["epoch"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing says what to revert"),
        (("--last", "--by", "bad"), "--last means one transaction, and --by others"),
        (("--origin", "import of bda.csv"), "did you mean: import of bad.csv"),
        (("--origin", "bad.csv"), "did you mean: import of bad.csv?"),
        (("--last", "--as", "stranger"), "stranger has said nothing here"),
        (("--by", "bda"), "did you mean: bad?"),
        (("--epoch", "9"), "nothing that is visible here was said so"),
    ],
)
def test_what_cannot_be_meant_is_said(run, films, words, message):
    is_usage = not words or "--last means" in message
    assert message in run("revert", "a.db", *words, exit=2 if is_usage else 1)[1]
