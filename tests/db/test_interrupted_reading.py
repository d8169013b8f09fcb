"""What Ctrl-C leaves behind in what outlives a question: the ids of cells, tables that are kept, and standing views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.live.stored import NumberStored, PlainStored
from rhizomedb.db.programs import reading
from rhizomedb.flow.dictionary import Interned
from rhizomedb.flow.engine import Engine
from rhizomedb.store.numbering import Numbering

TEXTS = 'known(t: V) :- fact(attribute: "t", value: V). shown(t: T) :- known(t: V), T := V + "!" + V.'


def say(db: Connection, *texts: str) -> None:
    db.transact([(text.encode() * 16, "t", text) for text in texts])


def shown(view: Any) -> list[str]:
    return sorted(text for (text,) in view)


def interrupt(*args: object) -> Any:
    raise KeyboardInterrupt


def test_after_an_interrupted_step_nothing_is_read_by_the_ids_of_before(db: Connection) -> None:
    """What came was numbered by the dictionary of the engine that was cut off, and taken in by the one begun anew."""
    view = db.view(TEXTS, relation="shown")
    for text in "abc":
        say(db, text)
    view.rewind(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            view.refresh()
    say(db, "d")
    assert shown(view.relation()) == ["a!a", "b!b", "c!c", "d!d"] == shown(db.query(TEXTS))
    say(db, "e")
    assert shown(view.relation()) == shown(db.query(TEXTS))


@pytest.mark.parametrize("kind", [NumberStored, PlainStored])
def test_a_change_that_is_cut_off_while_it_is_read(db: Connection, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have left the dictionary anywhere, so the view begins anew."""
    view = db.view(TEXTS, relation="shown")
    if not isinstance(view._upkeep._stored, kind):  # type: ignore[union-attr]  # it is open
        pytest.skip("the other kind of store")
    began = view._upkeep._stored  # type: ignore[union-attr]  # it is open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "changes", interrupt)
        with pytest.raises(KeyboardInterrupt):
            say(db, "a")
    assert shown(view.relation()) == ["a!a"]
    assert view._upkeep._stored is not began  # type: ignore[union-attr]  # it is open


def test_a_table_that_is_kept_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption while it was read left it without rows, and every later question was answered from it."""
    with connect(tmp_path / "texts.db", author="me") as db:
        say(db, *"abc")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading.NumberReading, "read", interrupt)
            with pytest.raises(KeyboardInterrupt):
                db.query(TEXTS)
        assert shown(db.query(TEXTS)) == ["a!a", "b!b", "c!c"]


class Cut(dict[Any, Any]):
    """Is interrupted as soon as it has learned something."""

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)
        raise KeyboardInterrupt


def test_no_id_stands_for_two_cells() -> None:
    dictionary = Interned()
    for cells in (["a", "b", "cut"], ["c", "d", "e", "cut"]):
        dictionary._ids = Cut(dictionary._ids)
        with pytest.raises(KeyboardInterrupt):
            dictionary.ids(["cut"])
        dictionary._ids = dict(dictionary._ids)
        assert dictionary.cells(dictionary.ids(cells)) == cells
        dictionary.sweep([])  # then ids are used again


def test_images_are_all_known_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(tmp_path / "links.db", author="me") as db:
        say(db, "a")
        fact = next(iter(db.query("c(c: C) :- C := fact()."))).c
        db.transact([(b"link" * 4, "to", fact)])
        numbering: Numbering = db._store.numbering()  # type: ignore[attr-defined]  # a store in a file has one
        right = list(numbering._links())
        assert right

        def links(self: Numbering) -> Iterator[Any]:
            yield from right[:0]
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Numbering, "_links", links)
            with pytest.raises(KeyboardInterrupt):
                _ = numbering.images
        whole: Numbering = db._store.numbering()  # type: ignore[attr-defined]  # a store in a file has one
        assert numbering.images == whole.images and numbering._words == whole._words


def test_long_texts_that_were_computed_are_not_held_from_question_to_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells were counted, whatever their length: a million of 200,000 characters each might have been held."""
    for limit in ("BYTES_MAX", "OWN_BYTES_CARRIED_MAX"):
        monkeypatch.setattr(reading, limit, 1000)
    with connect(tmp_path / "texts.db", author="me") as db:
        say(db, "a" * 300)
        db.query(TEXTS)
        first = db._store.kept  # type: ignore[attr-defined]  # a store in a file has it
        db.query(TEXTS.replace("!", "?"))
        assert db._store.kept is first, "so few bytes are held"  # type: ignore[attr-defined]  # a store in a file has it
        db.query(TEXTS.replace("!", "."))
        assert db._store.kept is not first  # type: ignore[attr-defined]  # a store in a file has it


def test_long_texts_that_went_are_forgotten_by_their_length(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """65,536 cells were held before anybody looked, were they of 10 or of 200,000 characters."""
    monkeypatch.setattr("rhizomedb.db.live.upkeep.SWEPT_BYTES_MIN", 5_000)
    program = TEXTS.replace("fact(", "stands(").replace('V + "!" + V', "concat(V, V, V, V)")
    view = db.view(program, relation="shown")
    for number in range(40):
        db.transact([("it", "t", f"{number:0500}")])
        db.retract("it", "t")
    say(db, "last")
    assert shown(view.relation()) == ["last" * 4]
    dictionary = view._upkeep._stored.dictionary  # type: ignore[union-attr]  # it is open
    assert dictionary.own_bytes < 60_000, "40 of 2,000 characters were computed, of 40 that are said for good"
    held = getattr(dictionary, "_own", None) or dictionary._ids  # type: ignore[attr-defined]  # one of the two
    assert dictionary.own_bytes == sum(len(cell) for cell in held if isinstance(cell, str | bytes))
