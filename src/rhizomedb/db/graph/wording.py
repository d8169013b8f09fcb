"""Saying what means the same, and how versions of a schema differ, and reading so; for every reader and for who writes.

What is asked here is answered in `vocabulary` and `versions`, which are loaded by whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rhizomedb.db.graph.hyperedges import Thing
    from rhizomedb.db.graph.hypergraph import HypergraphWriter
    from rhizomedb.db.graph.relating import Related
    from rhizomedb.db.graph.versions import LensesSaid, Versioned
    from rhizomedb.db.graph.vocabulary import Understood
    from rhizomedb.db.reader import Reader
    from rhizomedb.hyper.lens import Step
    from rhizomedb.hyper.vocabulary import Vocabulary


class Wording:
    """The questions about what means the same; every reader has them."""

    def vocabulary(self, trusted: Iterable[str] | None = None) -> Vocabulary:
        """What is said to mean the same, as classes; with `trusted`, what these authors say alone.

        db.vocabulary().attributes.all("title")         ("title", "name", "dc:title")
        db.vocabulary().things.why(one, other)          the hyperedges that say they are one
        """
        from rhizomedb.db.graph.vocabulary import vocabulary

        return vocabulary(self, trusted)

    def with_vocabulary(self, trusted: Iterable[str] | None = None) -> Understood:
        """This moment, read with what is said to mean the same; with `trusted`, by these authors alone.

            db.with_vocabulary(trusted=["ann"]).get("tt0133093")

        Nothing is written, and whoever reads without it sees no difference.
        """
        from rhizomedb.db.graph.vocabulary import understood

        return understood(cast("Reader", self), trusted)

    def lenses(self, trusted: Iterable[str] | None = None) -> LensesSaid:
        """The lenses between versions that are said here, by everybody or by the `trusted`; the latest of each two versions."""
        from rhizomedb.db.graph.versions import lenses_said

        return lenses_said(self, trusted)

    def as_version(self, version: str, trusted: Iterable[str] | None = None) -> Versioned:
        """This moment, read as one version of a schema: what is said in others comes through the lenses between them.

            db.as_version("task/1").get("Buy milk")

        With `trusted`, only lenses of these authors count.
        """
        from rhizomedb.db.graph.versions import versioned

        return versioned(cast("Reader", self), version, trusted)


class WordingWriter(Wording):
    """What a connection says to mean the same."""

    def alias(self, *names: str, author: str | None = None) -> Related:
        """Say that attributes mean the same; who reads so is shown the first name. `negate` takes it back."""
        from rhizomedb.db.graph.vocabulary import alias

        return alias(cast("HypergraphWriter", self), names, author)

    def same(self, *things: Thing, author: str | None = None) -> Related:
        """Say that things are one; who reads so is shown the first. `negate` takes it back."""
        from rhizomedb.db.graph.vocabulary import same

        return same(cast("HypergraphWriter", self), things, author)

    def lens(self, old: str, new: str, *steps: Step, author: str | None = None) -> Related:
        """Say how one version of a schema becomes another, step by step; each step also goes back. `negate` takes it back.

        db.lens("task/1", "task/2", Rename("title", "name"), Wrap("assignee", "assignees"))
        """
        from rhizomedb.db.graph.versions import lens

        return lens(cast("HypergraphWriter", self), old, new, steps, author)
