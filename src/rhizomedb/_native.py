"""The one seam to the kernels in Rust: whether they run, or the plain Python functions that they are twins of.

The kernels are a package of their own, `rhizomedb-native`, and optional: whatever they do, a Python function of the same
name does as well, only slower. Which of the two runs is decided once, when the first of them is needed; the
environment variable `RHIZOMEDB_BACKEND` (`python` or `rust`) overrides what is found. In how many threads they may work
for one caller, `RHIZOMEDB_THREADS` says; what they give does not depend on it.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType
from typing import Final, Literal, TypeVar

from rhizomedb.errors import RequestError

VERSION: Final = "0.4.0"
"""The version of the kernels that this version of the package goes with (`native/Cargo.toml`)."""

VARIABLE: Final = "RHIZOMEDB_BACKEND"

THREADS_VARIABLE: Final = "RHIZOMEDB_THREADS"

THREADS_DEFAULT: Final = 2
"""How many threads the kernels use where nothing is said and as many cores are there: more were not measured."""

THREADS_MAX: Final = 256

_PACKAGE: Final = "rhizomedb_native"
_MEND: Final = f"make native, or {VARIABLE}=python"

Twin = TypeVar("Twin")


def backend() -> Literal["rust", "python"]:
    """Which kernels run here: those in Rust, or their plain Python twins."""
    return "python" if _chosen() is None else "rust"


def kernel(twin: Twin) -> Twin:
    """The function or class in Rust that has the name of a Python one; or the Python one itself, where that runs."""
    package = _chosen()
    if package is None:
        return twin
    name: str = twin.__name__  # type: ignore[attr-defined]  # functions and classes have names
    found: Twin | None = getattr(package, name, None)
    if found is not None:
        return found
    # Kernels of the right version that lack one were built from an older working tree.
    if os.environ.get(VARIABLE) == "rust":
        raise _unusable(f"the kernels in Rust have no {name!r}")
    return twin


@cache
def threads() -> int:
    """In how many threads the kernels may work for one caller."""
    asked = os.environ.get(THREADS_VARIABLE, "")
    if not asked:
        return min(THREADS_DEFAULT, _cores())
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 9 and 1 <= int(asked) <= THREADS_MAX):
        raise RequestError(
            "backend.threads",
            f"{THREADS_VARIABLE} is {asked!r:.40}, which is no number of threads",
            fix=f"{THREADS_VARIABLE}=1, or up to {THREADS_MAX}",
        )
    return int(asked)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _chosen() -> ModuleType | None:
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "python", "rust"):
        raise RequestError(
            "backend.unknown",
            f"{VARIABLE} is {asked!r:.40}, which names no backend",
            fix=f"{VARIABLE}=python or {VARIABLE}=rust",
        )
    if asked == "python":
        return None
    try:
        package = importlib.import_module(_PACKAGE)
    except ImportError as error:
        fault = f"the kernels in Rust cannot be loaded: {error}"
    else:
        found = getattr(package, "VERSION", "unknown")
        if found == VERSION:
            return package
        fault = f"the kernels in Rust are of version {found}, not {VERSION}"
    if asked == "rust":
        raise _unusable(fault)
    return None  # they are optional: whoever did not ask for them by name goes on without


def _unusable(fault: str) -> RequestError:
    return RequestError("backend.missing", fault, fix=_MEND)
