"""Git histories: what is read, what a repository cannot make happen, and what is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.git import commits, refs, roots

Git = Callable[..., str]

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ben",
    "GIT_COMMITTER_EMAIL": "ben@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    run(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def run(folder: Path, *arguments: str, data: bytes | None = None, at: int = 1_700_000_000) -> str:
    dates = {"GIT_AUTHOR_DATE": f"{at} +0200", "GIT_COMMITTER_DATE": f"{at + 1} +0000"}
    environment = {**os.environ, **IDENTITY, **dates}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], input=data, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def commit(folder: Path, message: str | bytes, at: int = 1_700_000_000) -> str:
    data = message if isinstance(message, bytes) else message.encode()
    run(
        folder,
        "commit",
        "--quiet",
        "--allow-empty",
        "--allow-empty-message",
        "--cleanup=verbatim",
        "-F",
        "-",
        data=data,
        at=at,
    )
    return run(folder, "rev-parse", "HEAD")


def test_one_commit(repository: Path) -> None:
    sha = commit(repository, "Begin\nhere\n\nBecause.\n\nAnd so on.\n")
    [found] = commits(repository)
    assert found.sha == sha
    assert found.parents == ()
    assert (found.author_name, found.author_email) == ("Ada", "ada@example.org")
    assert (found.author_ms, found.committer_ms) == (1_700_000_000_000, 1_700_000_001_000)
    assert (found.subject, found.body) == ("Begin here", "Because.\n\nAnd so on.")


def test_parents_first(repository: Path) -> None:
    one = commit(repository, "one", at=1_700_000_300)
    run(repository, "checkout", "--quiet", "-b", "side")
    two = commit(repository, "two", at=1_700_000_100)  # clocks go backwards
    run(repository, "checkout", "--quiet", "main")
    three = commit(repository, "three", at=1_700_000_200)
    run(repository, "merge", "--quiet", "--no-ff", "-m", "four", "side")
    four = run(repository, "rev-parse", "HEAD")
    run(repository, "tag", "light", one)
    run(repository, "tag", "-a", "-m", "annotated", "heavy", two)
    run(repository, "tag", "a-tree", "HEAD^{tree}")
    history = list(commits(repository))
    assert {c.sha: c.parents for c in history} == {one: (), two: (one,), three: (one,), four: (three, two)}
    seen: set[str] = set()
    for found in history:
        assert seen.issuperset(found.parents)
        seen.add(found.sha)
    names = refs(repository)
    assert names.branches == {"main": four, "side": two}
    assert names.tags == {"light": one, "heavy": two}
    assert names.head == four
    assert roots(repository) == (one,)


def test_several_roots_and_a_detached_head(repository: Path) -> None:
    one = commit(repository, "one")
    run(repository, "checkout", "--quiet", "--orphan", "other")
    two = commit(repository, "two")
    run(repository, "checkout", "--quiet", "--detach")
    three = commit(repository, "three")
    assert {c.sha for c in commits(repository)} == {one, two, three}
    assert roots(repository) == tuple(sorted((one, two)))


def test_notes_and_stashes_are_not_history(repository: Path) -> None:
    one = commit(repository, "one")
    run(repository, "notes", "add", "-m", "remember", one)
    (repository / "file").write_text("x")
    run(repository, "add", "file")
    run(repository, "stash", "--quiet")
    assert [(c.sha, c.body) for c in commits(repository)] == [(one, "")]


def test_an_empty_repository(repository: Path) -> None:
    assert list(commits(repository)) == []
    assert refs(repository).head is None
    assert refs(repository).branches == {}
    assert roots(repository) == ()


def test_bare_and_shallow_and_inside(repository: Path, tmp_path: Path) -> None:
    one, two = commit(repository, "one"), commit(repository, "two")
    run(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare.git")
    assert [c.sha for c in commits(tmp_path / "bare.git")] == [one, two]
    run(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "shallow")
    [found] = commits(tmp_path / "shallow")
    assert found.sha == two  # the parent that was left out does no harm
    (repository / "folder").mkdir()
    assert [c.sha for c in commits(repository / "folder")] == [one, two]


def test_bytes_that_are_not_text(repository: Path) -> None:
    tree = run(repository, "write-tree")
    raw = (
        f"tree {tree}\nauthor J\udce9r\udcf4me <j@example.org> 1700000000 +0100\n"
        "committer Ben <ben@example.org> 1700000000 +0100\n\ncaf\udce9 \x1b[31m\n"
    ).encode("utf-8", "surrogateescape")
    sha = run(repository, "hash-object", "-t", "commit", "-w", "--stdin", data=raw)
    run(repository, "update-ref", "refs/heads/main", sha)
    [found] = commits(repository)
    assert found.author_name == "J�r�me"
    assert found.subject == "caf� \x1b[31m"


def test_a_commit_without_a_time_and_an_empty_message(repository: Path) -> None:
    tree = run(repository, "write-tree")
    raw = f"tree {tree}\nauthor Nobody\ncommitter Nobody\n\n".encode()
    sha = run(repository, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=raw)
    run(repository, "update-ref", "refs/heads/main", sha)
    [found] = commits(repository)
    assert (found.author_ms, found.committer_ms, found.subject, found.body) == (0, 0, "", "")


def test_replaced_commits_and_grafts_do_not_count(repository: Path) -> None:
    one, two = commit(repository, "one"), commit(repository, "two")
    run(repository, "replace", "--graft", two)
    assert {c.sha: c.parents for c in commits(repository)}[two] == (one,)


def test_what_a_repository_says_is_not_run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = commit(repository, "one")
    mark, script = tmp_path / "mark", tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\necho ran >> {mark}\n")
    script.chmod(0o755)
    for setting in (
        "core.fsmonitor",
        "core.pager",
        "pager.log",
        "core.editor",
        "core.sshCommand",
        "gpg.program",
        "gpg.ssh.program",
        "diff.external",
        "core.askPass",
        "core.gitProxy",
        "credential.helper",
    ):
        run(repository, "config", setting, str(script))
    run(repository, "config", "core.hooksPath", str(tmp_path))
    run(repository, "config", "alias.log", f"!{script}")
    run(repository, "config", "alias.rev-parse", f"!{script}")
    run(repository, "config", "log.showSignature", "true")
    run(repository, "config", "log.diffMerges", "on")
    run(repository, "config", "format.pretty", "oneline")
    run(repository, "config", "log.follow", "true")
    run(repository, "config", "color.ui", "always")
    run(repository, "config", "remote.origin.url", f"ext::{script}")
    run(repository, "config", "remote.origin.promisor", "true")
    run(repository, "config", "protocol.ext.allow", "always")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(script))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_PAGER", str(script))
    assert [(c.sha, c.subject) for c in commits(repository)] == [(one, "one")]
    assert refs(repository).branches == {"main": one}
    assert roots(repository) == (one,)
    assert not mark.exists()


def test_stopping_early_stops_git(repository: Path) -> None:
    for number in range(3):
        commit(repository, f"commit {number}")
    history = commits(repository)
    assert next(history).subject == "commit 0"
    history.close()  # type: ignore[attr-defined]


def test_refused(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = commit(repository, "one")
    commit(repository, "two")
    empty = tmp_path / "empty"
    empty.mkdir()
    file = tmp_path / "file"
    file.write_text("x")
    for path, code in [
        (tmp_path / "none", "exchange.not-found"),
        (empty, "exchange.git"),
        (file, "exchange.git"),
        ("-oProxy", "exchange.not-found"),
        ("a\0b", "exchange.not-found"),
    ]:
        for read in (commits, refs, roots):
            with pytest.raises(ExchangeError) as refused:
                list(read(path))  # type: ignore[call-overload]
            assert refused.value.code == code
    damaged = repository / ".git" / "objects" / one[:2] / one[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"rubbish")
    with pytest.raises(ExchangeError) as refused:
        list(commits(repository))
    assert refused.value.code == "exchange.git"
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(ExchangeError) as refused:
        list(commits(repository))
    assert "not installed" in refused.value.message
