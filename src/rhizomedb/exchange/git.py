"""Git histories: the commits of any repository, parents before children, as git itself prints them.

Git is run as a program, never through a shell, and told not to do anything but read: no pager, no hooks, no monitor,
no signature check, no fetching of what a partial clone left out, no replacement of commits. What a repository's own
configuration could make it run is switched off, so a repository from a stranger can be read. It must still belong to
the reader or be listed in their `safe.directory`, as for any git command.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import IO, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.source import not_found

_FIELDS: Final = ("%H", "%P", "%an", "%ae", "%at", "%ct", "%s", "%b")
_READ: Final = 64 << 10
COMMIT_BYTES_MAX: Final = 16 << 20
"""The longest commit message that is read."""

_SETTINGS: Final = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "gpg.program": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.mailmap": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",
}
_ENVIRONMENT: Final = {
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

_SELECTION: Final = ("--exclude=refs/notes/*", "--exclude=refs/stash", "--all")
"""Everything that a branch, a tag, a remote's branch or HEAD leads to; not the notes and stashes kept beside."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. Times are milliseconds since 1970; bytes that are not UTF-8 are replaced by U+FFFD.

    `subject` is the message's first paragraph on one line, `body` is the rest, without blank lines at its end.
    """

    sha: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    author_ms: int
    committer_ms: int
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Refs:
    """The names in a repository and the commits they stand for; `head` is the commit checked out, if any."""

    branches: dict[str, str] = field(default_factory=dict)
    remotes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    head: str | None = None


def commits(path: str | os.PathLike[str]) -> Iterator[Commit]:
    """The commits of a repository, parents before children; none for an empty one.

    A parent that a shallow clone does not have is named by its child all the same. The path may be a working tree, a
    folder inside one, or a bare repository.
    """
    check_repository(path)
    arguments = ("log", "-z", "--reverse", "--topo-order", "--no-patch", "--no-color", *_SELECTION)
    layout = "%x00".join(_FIELDS)
    with _git(path, *arguments, f"--format=tformat:{layout}", "--") as output:
        fields: list[str] = []
        for token in _tokens(output, path):
            fields.append(token)
            if len(fields) == len(_FIELDS):
                yield _commit(fields)
                fields = []
        if fields:
            raise _cannot_read(path, "its history ends inside a commit")


def refs(path: str | os.PathLike[str]) -> Refs:
    """The branches, remote branches and tags of a repository: short names, and the commits they stand for."""
    check_repository(path)
    found = Refs(head=next(iter(_lines(path, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False)), None))
    folders = {"refs/heads/": found.branches, "refs/remotes/": found.remotes, "refs/tags/": found.tags}
    # an annotated tag is an object of its own: `*` looks through it to the commit
    layout = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"
    for line in _lines(path, "for-each-ref", f"--format={layout}", *folders):
        kind, sha, inner_kind, inner_sha, name = line.split(" ", 4)
        if "commit" in (kind, inner_kind):
            folder = next(folder for folder in folders if name.startswith(folder))
            folders[folder][name.removeprefix(folder)] = sha if kind == "commit" else inner_sha
    return found


def roots(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The commits without parents, in the order of their names; in a shallow clone also those where it was cut off."""
    check_repository(path)
    return tuple(sorted(_lines(path, "rev-list", "--max-parents=0", *_SELECTION, "--")))


def check_repository(path: str | os.PathLike[str]) -> None:
    """Refuse a path that is not there, or in which git does not see a repository."""
    if "\0" in os.fspath(path) or not os.path.exists(path):
        raise not_found(os.fspath(path), "folder")
    if not os.path.isdir(path):
        raise ExchangeError("exchange.git", f"{os.fspath(path)} is a file, not a git repository", fix="name its folder")
    _lines(path, "rev-parse", "--git-dir")


def _commit(fields: list[str]) -> Commit:
    sha, parents, name, email, author_time, committer_time, subject, body = fields
    return Commit(
        sha, tuple(parents.split()), name, email, _ms(author_time), _ms(committer_time), subject, body.rstrip("\n")
    )


def _ms(seconds: str) -> int:
    """Git's seconds as milliseconds; 0 where a broken commit has no time."""
    return int(seconds) * 1000 if len(seconds) < 16 and seconds.removeprefix("-").isdecimal() else 0


def _tokens(output: IO[bytes], path: str | os.PathLike[str]) -> Iterator[str]:
    """What stands before each NUL."""
    rest = b""
    while data := output.read(_READ):
        *whole, rest = (rest + data).split(b"\0")
        if len(rest) > COMMIT_BYTES_MAX:
            raise _cannot_read(path, f"a commit message is longer than {COMMIT_BYTES_MAX >> 20} MiB")
        for token in whole:
            yield token.decode("utf-8", errors="replace")
    if rest:
        raise _cannot_read(path, "its history ends inside a commit")


def _lines(path: str | os.PathLike[str], *arguments: str, check: bool = True) -> list[str]:
    with _git(path, *arguments, check=check) as output:
        return output.read().decode("utf-8", errors="replace").splitlines()


@contextmanager
def _git(path: str | os.PathLike[str], *arguments: str, check: bool = True) -> Iterator[IO[bytes]]:
    """Run git in a folder and give its output; stop it when the reader stops, complain if it failed."""
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = ["git", "--no-pager", *settings, "-C", os.path.abspath(path), *arguments]
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, env=_environment()
            )
        except FileNotFoundError:
            raise ExchangeError(
                "exchange.git", "git is not installed", fix="install git, or put it on the PATH"
            ) from None
        except OSError as error:
            raise ExchangeError(
                "exchange.git", f"git cannot be run: {error.strerror or error}", fix="git --version"
            ) from None
        assert process.stdout is not None, "the output was asked for"
        finished = False
        try:
            yield process.stdout
            finished = True
        finally:
            if not finished:
                process.kill()
            process.stdout.close()
            process.wait()
        if check and process.returncode:
            complaints.seek(0)
            raise _failure(path, complaints.read(_READ).decode("utf-8", errors="replace"))


def _environment() -> dict[str, str]:
    """This process's environment without anything that steers git, and with what keeps it to reading."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT


def _failure(path: str | os.PathLike[str], complaint: str) -> ExchangeError:
    if "dubious ownership" in complaint:
        return ExchangeError(
            "exchange.git",
            f"{os.fspath(path)} belongs to another user, so git does not read it",
            fix=f"git config --global --add safe.directory {os.path.abspath(path)}",
        )
    if "not a git repository" in complaint:
        return ExchangeError(
            "exchange.git", f"{os.fspath(path)} is not a git repository", fix="name a folder that `git log` works in"
        )
    first = next((line for line in complaint.splitlines() if line.strip()), "it failed without a word")
    return _cannot_read(path, f"git says: {first.removeprefix('fatal: ')[:200]}")


def _cannot_read(path: str | os.PathLike[str], reason: str) -> ExchangeError:
    return ExchangeError(
        "exchange.git", f"{os.fspath(path)} cannot be read: {reason}", fix=f"git -C {os.fspath(path)} fsck"
    )
