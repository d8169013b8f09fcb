"""Which kernels run: what is found, what the environment says, and what is said when that cannot be."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import rhizomedb
from rhizomedb import _native
from rhizomedb.errors import RequestError


def double(number):
    """A plain Python function that has a twin."""
    return 2 * number


@pytest.fixture
def choose(monkeypatch):
    """Choose anew, with a value of the environment variable and what is there to import."""

    def chosen(asked, package):
        _native._chosen.cache_clear()
        monkeypatch.delenv(_native.VARIABLE, raising=False)
        if asked is not None:
            monkeypatch.setenv(_native.VARIABLE, asked)
        monkeypatch.setitem(sys.modules, "rhizomedb_native", package)

    yield chosen
    monkeypatch.undo()
    _native._chosen.cache_clear()


def package(version=_native.VERSION, **kernels):
    made = ModuleType("rhizomedb_native")
    made.__dict__.update(VERSION=version, **kernels)
    return made


def fast(number):
    return number + number


GOOD = package(double=fast)


@pytest.mark.parametrize(
    ("asked", "found", "backend", "kernel"),
    [
        (None, GOOD, "rust", fast),
        ("", GOOD, "rust", fast),
        ("rust", GOOD, "rust", fast),
        ("python", GOOD, "python", double),
        (None, None, "python", double),
        ("python", None, "python", double),
        (None, package("0.0.1", double=fast), "python", double),
        (None, ModuleType("rhizomedb_native"), "python", double),
        (None, package(), "rust", double),
    ],
)
def test_chosen(choose, asked, found, backend, kernel):
    choose(asked, found)
    assert rhizomedb.backend() == backend
    assert _native.kernel(double) is kernel


@pytest.mark.parametrize(
    ("asked", "found", "code", "words"),
    [
        ("rust", None, "backend.missing", "cannot be loaded"),
        ("rust", package("0.0.1"), "backend.missing", f"of version 0.0.1, not {_native.VERSION}"),
        ("rust", package(), "backend.missing", "have no 'double'"),
        ("fortran", GOOD, "backend.unknown", "'fortran'"),
        ("fortran", None, "backend.unknown", "'fortran'"),
    ],
)
def test_refused(choose, asked, found, code, words):
    choose(asked, found)
    with pytest.raises(RequestError) as error:
        _native.kernel(double)
    assert error.value.code == code
    assert words in error.value.message
    assert "RHIZOMEDB_BACKEND=python" in error.value.fix


@pytest.fixture
def say(monkeypatch):
    """Say how many threads there may be, on a machine of so many cores."""

    def said(asked, cores):
        _native.threads.cache_clear()
        monkeypatch.setattr(_native, "_cores", lambda: cores)
        monkeypatch.delenv(_native.THREADS_VARIABLE, raising=False)
        if asked is not None:
            monkeypatch.setenv(_native.THREADS_VARIABLE, asked)

    yield said
    monkeypatch.undo()
    _native.threads.cache_clear()


@pytest.mark.parametrize(
    ("asked", "cores", "threads"),
    [(None, 1, 1), (None, 2, 2), (None, 64, 2), ("", 2, 2), ("1", 8, 1), ("2", 1, 2), ("8", 2, 8), ("256", 2, 256)],
)
def test_threads(say, asked, cores, threads):
    say(asked, cores)
    assert _native.threads() == threads
    say("3", cores)
    assert _native.threads() == 3


def test_it_is_read_once(say, monkeypatch):
    say("4", 2)
    assert _native.threads() == 4
    monkeypatch.setenv(_native.THREADS_VARIABLE, "5")
    assert _native.threads() == 4


@pytest.mark.parametrize(
    "asked", ["0", "-1", "257", "two", "1.5", " 2", "²", "9" * 5000, "000000001999", "000000001" + "9" * 5000]
)
def test_no_number_of_threads(say, asked):
    say(asked, 2)
    with pytest.raises(RequestError) as error:
        _native.threads()
    assert error.value.code == "backend.threads"
    assert "RHIZOMEDB_THREADS=1" in error.value.fix


def test_the_version_is_that_of_the_crate():
    manifest = Path(__file__).parents[2] / "native/Cargo.toml"
    if not manifest.exists():
        pytest.skip("the crate is not part of this copy of the sources")
    assert re.search(r'^version = "(.+)"$', manifest.read_text(), re.MULTILINE)[1] == _native.VERSION
