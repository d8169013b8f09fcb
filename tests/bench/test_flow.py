"""The benchmark of programs at its small size: every engine that is here gives the same answers."""

from __future__ import annotations

import stat
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.child import Watch
from bench.flow import checksum, compiled, edits, graphs, inputs, section, trials, updates
from bench.flow.engine import AGAIN, EVALUATE, LOAD
from bench.flow.measure import Measured
from bench.flow.must import Found, geometric_mean, must_be, ratios
from bench.flow.peers import DUCKDB, ENGINES, OURS, SOUFFLE, Inside
from bench.flow.trials import FILE, FRESH, POINT, SMALL_TRIALS, Trial, Tried
from bench.flow.updates import BUILD, DELETE, INSERT
from bench.flow.workloads import FULL, RECURSIVE, SMALL, WORKLOADS
from bench.process import PROCESS, Run, Time
from hypothesis import given
from hypothesis import strategies as st

# What each engine says --------------------------------------------------------------------------------------------

INSIDE = [
    pytest.param(name, engine, workload, id=f"{name}-{workload}")
    for name, (engine, programs) in ENGINES.items()
    for workload, each in WORKLOADS.items()
    if isinstance(engine, Inside) and each.program in programs and name != DUCKDB
]


@pytest.mark.parametrize(("name", "engine", "workload"), INSIDE)
def test_the_engines_agree_with_duckdb(name: str, engine: Inside, workload: str) -> None:
    if reason := engine.missing():
        pytest.skip(f"{name}: {reason}")
    asked = WORKLOADS[workload]
    relations = asked.relations(SMALL)
    peer = import_module("bench.flow.duckdb").load(relations)
    program = asked.program.removesuffix(" as written")  # the same answers, which DuckDB finds by fewer tuples
    counts = peer.run(program, asked.answers)
    assert all(counts)
    options = [engine.variant] if engine.variant else []
    loaded = import_module(f"bench.flow.{engine.module}").load(relations, *options)
    assert loaded.run(asked.program, asked.answers) == counts
    assert loaded.checksums(asked.answers) == peer.checksums(asked.answers)


@pytest.mark.parametrize(
    "workload", [each for each in WORKLOADS if WORKLOADS[each].program in ENGINES["SWI-Prolog"][1]]
)
def test_prolog_agrees_with_duckdb(tmp_path: Path, workload: str) -> None:
    engine, _ = ENGINES["SWI-Prolog"]
    if reason := engine.missing():
        pytest.skip(reason)
    asked = WORKLOADS[workload]
    inputs.write(asked.relations(SMALL), tmp_path / "inputs")
    run = engine.evaluation(asked, tmp_path / "inputs", tmp_path / "engine")(True)
    peer = import_module("bench.flow.duckdb").load(asked.relations(SMALL))
    assert run.answer == [peer.run(asked.program, asked.answers), peer.checksums(asked.answers)]


@pytest.mark.parametrize("trial", SMALL_TRIALS, ids=lambda trial: trial.name)
def test_a_view_holds_what_evaluating_again_gives(tmp_path: Path, trial: Trial) -> None:
    watch = Watch()
    updates.prepare(watch, trial.view, list(trial.arguments), str(tmp_path / "inputs"))
    options = {"view": trial.view, "inputs": str(tmp_path / "inputs"), "batch": trial.batch, "batches": trial.batches}
    assert updates.ours(watch, **options) == updates.duckdb(watch, **options)  # type: ignore[arg-type]
    assert len(watch.times[INSERT]) == len(watch.times[DELETE]) == trial.batches


def test_a_small_run_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "WORKLOADS", {name: WORKLOADS[name] for name in ("chain", "tri")})
    monkeypatch.setattr(trials, "SMALL_TRIALS", SMALL_TRIALS[:1])
    monkeypatch.setenv("RHIZOME_HOME", str(tmp_path / "home"))
    text = section.run(tmp_path, quick=True).text("")
    assert "| chain | 19,900 | ours |" in text
    assert "| tri | 1 | DuckDB |" in text
    assert f"| {FRESH} | 10,000 | ours |" in text


# Inputs -----------------------------------------------------------------------------------------------------------

SIZES = {
    "r1m": {"edge": 10_000},
    "r10m": {"edge": 12_000},
    "chain": {"edge": 2_999},
    "grid": {"edge": 2 * 70 * 69},
    "dag": {"edge": 29_980},
    "sg_tree": {"parent": 2_046},
    "sg_rand": {"parent": 2_500},
    "andersen": {"address_of": 39_655, "assign": 39_424, "load": 9_993, "store": 9_982},
    "cc": {"edge": 300_000},
    "tri": {"edge": 249_002},
    "eav": {"fact": 1_000_000},
}


@pytest.mark.parametrize("workload", SIZES)
def test_inputs_have_their_size_and_no_row_twice(workload: str) -> None:
    relations = WORKLOADS[workload].relations(FULL)
    assert {name: len(columns[0]) for name, (_, columns) in relations.items()} == SIZES[workload]
    for _, columns in relations.values():
        rows = np.sort(sum(column.astype(np.uint64) << np.uint64(21 * place) for place, column in enumerate(columns)))
        assert (rows[1:] != rows[:-1]).all()


def test_an_input_is_read_as_it_was_written(tmp_path: Path) -> None:
    relations = graphs.orders(100)
    inputs.write(relations, tmp_path / "inputs")
    again = inputs.read(tmp_path / "inputs")
    assert list(again) == list(relations)
    for name, (names, columns) in relations.items():
        assert again[name][0] == names
        assert np.array_equal(np.stack(again[name][1]), np.stack(columns))


def test_a_history_that_is_not_at_hand_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(edits.FOLDER, raising=False)
    assert "does not name" in str(edits.missing())
    monkeypatch.setenv(edits.FOLDER, str(tmp_path))
    assert "insert.txt.gz" in str(edits.missing())


def test_a_history_is_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(edits.FOLDER, str(tmp_path))
    (tmp_path / "text-crdt").mkdir()
    for name, rows in (("insert", [(1, 2, 0, 0), (2, 3, 1, 2)]), ("remove", [(1, 2)])):
        np.savetxt(tmp_path / "text-crdt" / f"{name}.txt.gz", rows, fmt="%d")
    assert edits.missing() is None
    history = edits.history()
    assert [column.tolist() for column in history["inserted"][1]] == [[6, 11], [1, 2], [0, 6]]
    assert [column.tolist() for column in history["removed"][1]] == [[6]]


# Checksums --------------------------------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), min_size=1, max_size=30, unique=True)


@given(ROWS, st.randoms())
def test_a_checksum_does_not_depend_on_the_order(rows: list[tuple[int, ...]], chance: Any) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert checksum.of_rows(shuffled) == checksum.of_rows(rows)


@given(ROWS)
def test_a_checksum_is_what_its_definition_says(rows: list[tuple[int, ...]]) -> None:
    total = 0
    for row in rows:
        weighted = 1 + sum(weight * (number + 1) for weight, number in zip(checksum.WEIGHTS, row, strict=False))
        total += pow(weighted, 3, checksum.PRIME) % checksum.SMALLER_PRIME
    assert checksum.of_rows(rows) == total


def test_a_checksum_tells_which_parts_belong_together() -> None:
    assert checksum.of_rows([(1, 2), (3, 4)]) != checksum.of_rows([(1, 4), (3, 2)])
    assert checksum.of_rows([(1, 2)]) != checksum.of_rows([(2, 1)])


# Compiled engines -------------------------------------------------------------------------------------------------

COMPILER = """#!{python}
import pathlib, sys
source, binary = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
said = source.read_text()
assert "path(a, c) :- path(a, b), edge(b, c)." in said
rows = (pathlib.Path(sys.argv[sys.argv.index("-F") + 1]) / "edge.csv").read_text().splitlines()
wanted = "printf '0,1\\\\n0,2\\\\n1,2\\\\n' > " + str(source.parent / "path.csv") if ".output path" in said else "echo 'path\\t3'"
binary.write_text("#!/bin/sh\\n" + (wanted if rows == ["0,1", "1,2"] else "exit 1") + "\\n")
binary.chmod(0o755)
"""


@pytest.mark.parametrize("compiler", [compiled.SOUFFLE, compiled.FLOWLOG], ids=lambda each: each.program)
def test_a_compiled_engine_is_handed_its_program_and_its_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: compiled.Compiler
) -> None:
    """Neither compiler is in the registries, so one stands in that knows the answer to one question."""
    path = tmp_path / "bin" / compiler.program
    path.parent.mkdir()
    path.write_text(COMPILER.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    inputs.write(graphs.chain(3), tmp_path / "inputs")
    engine, _ = ENGINES[compiler.name]
    assert engine.missing() is None
    evaluation = engine.evaluation(WORKLOADS["chain"], tmp_path / "inputs", tmp_path / "engine")
    assert evaluation(False).answer == [[3]]
    assert evaluation(True).answer == [[3], [checksum.of_rows([(0, 1), (0, 2), (1, 2)])]]


# What must hold ---------------------------------------------------------------------------------------------------


def runs(seconds: float, peak_bytes: int = 100_000_000) -> list[Run]:
    laps = [Time(seconds, seconds)]
    times = dict.fromkeys((LOAD, EVALUATE, AGAIN, PROCESS, BUILD, INSERT, DELETE, "first", "warm"), laps)
    return [Run(times, [[1]], peak_bytes)]


def found(ours: float, peer: float, peak_bytes: int = 100_000_000) -> Found:
    def both() -> dict[str, list[Run]]:
        return {OURS: runs(ours, peak_bytes), DUCKDB: runs(peer), SOUFFLE: runs(peer)}

    tried = {trial.name: Tried(trial.name, 1, both()) for trial in SMALL_TRIALS}
    questions = {name: Tried(name, 1, both()) for name in (POINT, FILE, FRESH)}
    return Found({name: Measured(each, 1, both()) for name, each in WORKLOADS.items()}, tried, questions)


def test_everything_is_met_by_what_is_fast_enough() -> None:
    lines = must_be(found(40e-6, 1.0))
    assert [line.text for line in lines if not line.met] == []
    assert "not reached" not in "".join(line.figures for line in lines)


def test_nothing_but_growth_is_met_by_what_is_slow() -> None:
    lines = must_be(found(10.0, 1.0, 1_000_000_000))
    met = [line.text for line in lines if line.met]
    assert all("tolerated" in text for text in met)
    assert len(met) == 5


def test_a_figure_that_was_not_measured_is_missed() -> None:
    nothing = found(40e-6, 1.0)
    for each in (nothing.workloads, nothing.views, nothing.questions):
        for measured in each.values():
            del measured.runs[OURS]  # type: ignore[attr-defined]
    assert [line.text for line in must_be(nothing) if line.met] == []


def test_one_workload_left_out_is_no_geometric_mean_over_the_rest() -> None:
    most = found(40e-6, 1.0)
    del most.workloads["andersen"].runs[OURS]  # type: ignore[attr-defined]
    first = must_be(most)[0]
    assert not first.met
    assert "without andersen" in first.figures


def test_ratios_are_ours_to_the_peer() -> None:
    chosen = ratios(found(2.0, 1.0).workloads, DUCKDB, EVALUATE)
    assert chosen == {workload.name: 2.0 for workload in RECURSIVE}
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
