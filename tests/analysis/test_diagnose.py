"""The diagnosis of a snapshot is that of the parts it is made of, and of the right rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding.analysis import Analysis, Config, State, analyze
from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.drift import compare_snapshots
from visualdl_embedding.metrics import METRICS, crowding
from visualdl_embedding.metrics.groups import MAX_GROUPS, study_groups
from visualdl_embedding.metrics.strata import frequency_strata, stratum_scalars, study_strata
from visualdl_embedding.store import TableStore

N, DIM = 240, 8
GROUPS = ("joy", "sorrow", "")


def vectors(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    center = np.eye(DIM)[0] * 2
    side = np.array([1, -1, 0])[np.arange(N) % 3][:, None]
    return (rng.normal(size=(N, DIM)) + side * center).astype(np.float32)


def snapshot(table: np.ndarray, *, step: int = 0, watch: tuple[str, ...] = (), **columns: list[str]) -> Snapshot:
    rows = Rows(
        np.arange(N), tuple(f"w{i}" for i in range(N)), columns={k: tuple(v) for k, v in columns.items()}, watch=watch
    )
    return Snapshot("word", step, rows, table)


def graph_of(taken: Snapshot) -> Neighbors:
    return nearest_neighbors(taken.vectors[taken.valid], 15)


def diagnose(taken: Snapshot, before: Snapshot | None = None) -> Analysis:
    """Analysis of a snapshot without maps, after another one or alone."""
    config = Config(methods=())
    state = State() if before is None else analyze(before, config=config)[1]
    return analyze(taken, state, config)[0]


GROUP = [GROUPS[i % 3] for i in range(N)]
FREQUENCY = [str(1000 // (i + 1)) for i in range(N)]


def test_the_numbers_are_those_of_the_parts() -> None:
    taken = snapshot(vectors(), group=GROUP, frequency=FREQUENCY)
    graph = graph_of(taken)
    found = diagnose(taken)
    study = study_groups(taken.vectors, graph, GROUP)
    assert found.scalars["group_purity"] == study.purity.overall
    assert found.scalars["group/joy/cohesion"] == study.cohesion.observed[study.index("joy")]
    assert found.scalars["crowding"] == crowding(taken.vectors, graph).excess
    strata = study_strata(
        taken.vectors, graph, frequency_strata(np.array(FREQUENCY, float)), frequency=np.array(FREQUENCY, float)
    )
    for name, value in stratum_scalars(strata).items():
        assert found.scalars.get(name, np.nan) == pytest.approx(value, nan_ok=True)
    np.testing.assert_array_equal(found.row_metrics["group_purity"], study.row_purity)


def test_every_scalar_is_registered_under_its_last_name() -> None:
    before = snapshot(vectors(0), group=GROUP, frequency=FREQUENCY, watch=("w0", "w1"))
    after = snapshot(vectors(1), step=1, group=GROUP, frequency=FREQUENCY, watch=("w0", "w1"))
    found = diagnose(after, before)
    assert {name.rsplit("/", 1)[-1] for name in found.scalars} <= set(METRICS)
    assert {(d.label, d.group) for d in found.directions} == {(w, g) for w in ("w0", "w1") for g in ("joy", "sorrow")}
    assert found.scalars["watch/w0/group/joy/share"] == found.directions[0].share_after


def test_rows_that_are_not_finite_take_their_columns_with_them() -> None:
    broken = vectors()
    broken[::5] = np.nan
    taken = snapshot(broken, group=GROUP, frequency=FREQUENCY)
    graph = graph_of(taken)
    kept = [group for i, group in enumerate(GROUP) if i % 5]
    expected = study_groups(taken.vectors[taken.valid], graph, kept)
    found = diagnose(taken)
    assert found.scalars["group_purity"] == expected.purity.overall
    assert not np.isfinite(found.row_metrics["group_purity"][~taken.valid]).any()


def test_without_columns_only_the_space_is_diagnosed() -> None:
    taken = snapshot(vectors())
    found = diagnose(taken)
    assert "crowding" in found.scalars
    assert not any(name.startswith(("group", "stratum", "watch")) for name in (*found.scalars, *found.row_metrics))


def test_a_column_of_names_is_no_grouping() -> None:
    n = MAX_GROUPS + 5
    rng = np.random.default_rng(0)
    rows = Rows(np.arange(n), tuple(f"w{i}" for i in range(n)), columns={"group": tuple(f"g{i}" for i in range(n))})
    taken = Snapshot("item", 0, rows, rng.normal(size=(n, 4)).astype(np.float32))
    found = diagnose(taken)
    assert not any(name.startswith("group") for name in found.scalars)
    assert "so groups are not measured. Check that it holds groups" in found.notes[0]


def test_the_analysis_of_a_frame_holds_its_diagnosis() -> None:
    config = Config(methods=())
    lookups = np.arange(N, dtype=np.float32) % 4
    values = {"lookups": lookups, "gradient_mean": np.ones(N, np.float32)}
    first = snapshot(vectors(0), group=GROUP, frequency=FREQUENCY, watch=("w0",))
    later = vectors(0)
    later[100:] += np.float32(0.1)
    second = snapshot(later, step=1, group=GROUP, frequency=FREQUENCY, watch=("w0",))
    second = Snapshot("word", 1, second.rows, later, row_values=values)
    _, state = analyze(first, config=config)
    analysis, _ = analyze(second, state, config)
    assert analysis.scalars["unchanged_rows"] == 100
    assert analysis.scalars["never_trained_rows"] == (lookups[:100] == 0).sum()
    assert analysis.scalars["cka"] > 0.9
    np.testing.assert_array_equal(analysis.row_metrics["lookups"], lookups)
    assert len(analysis.directions) == 2


def weeks(n: int, *, moved: bool) -> list[Snapshot]:
    """Snapshots of a settled space, each a little noisy; in the last, one unsteady word may have changed sides."""
    rng = np.random.default_rng(7)
    base = vectors()
    made = []
    for week in range(n):
        table = base + 0.1 * rng.normal(size=base.shape).astype(np.float32)
        if moved and week == n - 1:
            table[0] -= 4 * np.eye(DIM, dtype=np.float32)[0]
        made.append(snapshot(table.astype(np.float32), step=week, group=GROUP, watch=("w0",)))
    return made


def test_earlier_weeks_are_what_a_watched_word_is_held_against() -> None:
    config = Config(methods=(), null_pairs=2)
    state, last = State(), None
    taken = weeks(8, moved=True)
    for week in taken:
        last, state = analyze(week, state, config)
    assert last is not None
    # Before the last week stand 0 to 6; its own pair is 6 and 7, so the null pairs are 4 and 5, 2 and 3.
    assert [s.step for s in state.earlier] == [3, 4, 5, 6]
    expected = compare_snapshots(
        taken[6], taken[7], watch=["w0"], null=[(taken[4], taken[5]), (taken[2], taken[3])]
    ).directions
    assert last.directions == expected
    sorrow = next(d for d in last.directions if d.group == "sorrow")
    assert sorrow.significant
    assert sorrow.share_after > sorrow.share_before


def test_without_null_pairs_no_snapshot_is_kept() -> None:
    state = State()
    for week in weeks(4, moved=False):
        _, state = analyze(week, state, Config(methods=()))
    assert state.earlier == ()


def test_a_run_goes_on_with_its_earlier_weeks(tmp_path: Path) -> None:
    config = Config(methods=("pca",), null_pairs=2)
    taken = weeks(6, moved=False)
    store = TableStore.open_for_writing(tmp_path, Table("word", N, DIM), taken[0].rows, config=config)
    state = State()
    for week in taken:
        store.write_snapshot(week)
        analysis, state = analyze(week, state, config)
        store.write_analysis(analysis)
    found = TableStore.open(tmp_path, "word").load_state()
    assert [s.step for s in found.earlier] == [s.step for s in state.earlier] == [1, 2, 3, 4]
