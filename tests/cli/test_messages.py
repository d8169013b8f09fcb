"""Messages that once sent people the wrong way."""

from __future__ import annotations

from pathlib import Path

import pytest

import rhizomedb
from rhizomedb.cli import main
from rhizomedb.errors import RequestError


def test_a_number_of_deltas_is_not_one_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_HELD_DELTAS_MAX", "1e3")
    with pytest.raises(RequestError, match="'1e3' is not a number of deltas") as refused:
        rhizomedb.open(":memory:")
    assert refused.value.fix == "RHIZOME_HELD_DELTAS_MAX=10000"


@pytest.mark.parametrize("target", ["loop", "nothing"])
def test_a_link_that_leads_nowhere_is_not_what_was_meant(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to(target)
    for command in (["get", "loop", "x"], ["import", "new.db", "loop"]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "symbolic link" in said and "did you mean" not in said
