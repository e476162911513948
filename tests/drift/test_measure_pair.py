"""What changed between two snapshots, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from drift_examples import noisy, snapshot, space
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ortho_group

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import compare_snapshots, measure_pair
from visualdl_embedding.metrics import aligned_displacement


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31 - 1),
    d=st.integers(2, 8),
    scale=st.floats(0.01, 100),
    shift=st.floats(-5, 5),
    mirror=st.booleans(),
    distance=st.sampled_from(["cosine", "euclidean"]),
)
def test_turning_mirroring_shifting_and_scaling_is_no_drift(
    seed: int, d: int, scale: float, shift: float, mirror: bool, distance: str
) -> None:
    before = space(120, d, seed=seed)
    turn = ortho_group.rvs(d, random_state=seed)
    if mirror:
        turn[0] *= -1
    pair = measure_pair(snapshot(before), snapshot(scale * (before @ turn + shift)), distance=distance)  # type: ignore[arg-type]
    # Rows at nearly the same distance may change places by rounding.
    assert pair.neighbor_overlap.mean() > 0.99
    assert pair.change.max() < 1e-4
    assert pair.displacement is not None
    assert pair.relative_displacement is not None
    assert pair.displacement.max() < 1e-2
    assert pair.relative_displacement.max() < 1e-2
    assert pair.cka == pytest.approx(1, abs=1e-5)


def test_without_taking_the_shift_out_cosine_would_call_it_drift() -> None:
    before = space()
    moved = before + np.float32(2)
    graphs = nearest_neighbors(before), nearest_neighbors(moved)
    changed = np.mean([len(set(a) & set(b)) / 15 for a, b in zip(*(g.indices.tolist() for g in graphs), strict=True)])
    assert changed < 0.8
    pair = measure_pair(snapshot(before), snapshot(moved), neighbors=graphs)
    assert pair.neighbor_overlap.mean() > 0.99
    radius = np.sqrt(np.square(before - before.mean(axis=0)).sum(axis=1).mean())
    assert pair.shift == pytest.approx(2 * np.sqrt(8) / radius, rel=1e-3)


def test_the_pieces_are_those_of_the_metrics() -> None:
    before = space()
    after = noisy(before, 0.2, seed=1)
    pair = measure_pair(snapshot(before), snapshot(after), n_neighbors=7, distance="euclidean")
    graphs = [nearest_neighbors(vectors, 7, distance="euclidean").indices for vectors in (before, after)]
    overlap = [len(set(a) & set(b)) / 7 for a, b in zip(*(g.tolist() for g in graphs), strict=True)]
    np.testing.assert_allclose(pair.neighbor_overlap, overlap, atol=1e-6)
    np.testing.assert_array_equal(pair.displacement, aligned_displacement(before, after))


def test_change_is_one_minus_the_cosine_of_the_two_profiles() -> None:
    before = space()
    pair = measure_pair(snapshot(before), snapshot(noisy(before, 0.2, seed=1)))
    then, now = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in pair.vectors)
    for row in (0, 17, 299):
        union = sorted({*pair.neighbors[0].indices[row], *pair.neighbors[1].indices[row]})
        a, b = then[union] @ then[row], now[union] @ now[row]
        expected = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert pair.change[row] == pytest.approx(expected, abs=1e-6)


def test_a_cluster_that_moves_as_one_does_not_move_relative_to_its_neighbors() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=(400, 8)).astype(np.float32)
    before[:40] = rng.normal(size=(40, 8)) * 0.05 + np.eye(8)[0] * 6
    after = before.copy()
    after[:40, 0] -= 3.0
    after[40] = -before[40]
    pair = measure_pair(snapshot(before), snapshot(after), n_neighbors=10, distance="euclidean")
    assert pair.displacement is not None
    assert pair.relative_displacement is not None
    assert pair.displacement[:40].min() > 0.3
    assert pair.relative_displacement[:40].max() < 0.03
    assert pair.relative_displacement.argmax() == 40


def test_graphs_that_are_given_are_used_and_change_nothing() -> None:
    before = space()
    labels = [f"词{i}" for i in range(300)]
    order = np.random.default_rng(0).permutation(300)
    after = (before + 0.1 * space(seed=1) - 0.05)[order]
    one = snapshot(before, labels=labels)
    two = snapshot(after, labels=[labels[i] for i in order])
    graphs = nearest_neighbors(one.vectors, 20), nearest_neighbors(two.vectors, 20)
    given_them, without = (measure_pair(one, two, neighbors=found, n_neighbors=15) for found in (graphs, (None, None)))
    np.testing.assert_array_equal(given_them.neighbor_overlap, without.neighbor_overlap)
    np.testing.assert_array_equal(given_them.neighbors[0].indices, without.neighbors[0].indices)
    # That the graph of `before` was not made anew: a wrong one shows.
    wrong = nearest_neighbors(space(seed=5), 20)
    assert measure_pair(one, two, neighbors=(wrong, None)).neighbor_overlap.mean() < 0.2


def test_rows_pair_by_label_and_what_is_left_out_is_counted() -> None:
    before, after = space(50), space(50)
    before[3, 0], after[4, 1], after[5] = np.nan, np.inf, 0
    one = snapshot(before, labels=[f"a{i}" for i in range(50)])
    two = snapshot(after[::-1], labels=[f"a{i}" if i > 9 or i in (3, 4, 5) else f"b{i}" for i in range(49, -1, -1)])
    pair = measure_pair(one, two)
    assert pair.labels == tuple(f"a{i}" for i in range(49, 9, -1))
    assert dict(pair.pairing.left_out) == {"only before": 7, "only after": 7, "not finite": 2, "zero": 1}
    assert pair.neighbor_overlap.mean() == pytest.approx(1)


def test_different_widths_leave_overlap_and_cka() -> None:
    before = space(200, 6)
    after = np.hstack([before, 0.01 * space(200, 3, seed=2)])
    pair = measure_pair(snapshot(before), snapshot(after))
    assert pair.displacement is None
    assert pair.relative_displacement is None
    assert np.isnan(pair.shift)
    assert pair.cka > 0.99
    assert pair.neighbor_overlap.mean() > 0.9
    assert "displacement" not in pair.means


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_few_rows(n: int) -> None:
    pair = measure_pair(snapshot(space(n)), snapshot(space(n, seed=1)))
    assert len(pair) == n
    assert pair.n_neighbors == 1


def test_bad_input_is_reported() -> None:
    one = snapshot(space(5), labels=list("abcde"))
    with pytest.raises(ValueError, match="share no label: 'a', 'b', 'c', … before, '词0'"):
        measure_pair(one, snapshot(space(5)))
    with pytest.raises(ValueError, match="None of the 5 shared rows can be compared: 5 contain NaN or inf, 0 are zero"):
        measure_pair(one, snapshot(np.full((5, 8), np.nan), labels=list("abcde")))
    with pytest.raises(ValueError, match="has 4 rows, but the snapshot of step 0 has 5"):
        measure_pair(one, one, neighbors=(nearest_neighbors(space(4), 2), None))
    with pytest.raises(ValueError, match="n_neighbors must be at least 1"):
        measure_pair(one, one, n_neighbors=0)
    with pytest.raises(ValueError, match="distance must be one of cosine, euclidean, not 'manhattan'"):
        measure_pair(one, one, distance="manhattan")  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [1e4, -1e4])
@pytest.mark.parametrize("offset", [0, 3])
def test_one_long_row_does_not_move_a_space_by_cosine(factor: float, offset: float) -> None:
    before = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32) + np.float32(offset)
    after = before.copy()
    after[7] *= np.float32(factor)
    pair = measure_pair(snapshot(before), snapshot(after, step=1))
    assert np.delete(pair.neighbor_overlap, 7).mean() > 0.99
    assert np.median(pair.change) < 1e-4
    assert pair.cka > 0.9
    assert pair.displacement is not None
    assert pair.displacement.mean() < (0.01 if factor > 0 else 0.2)
    back = measure_pair(snapshot(after), snapshot(before, step=1))
    assert np.delete(back.neighbor_overlap, 7).mean() > 0.99


def test_a_long_row_is_noted_and_ordinary_lengths_are_kept() -> None:
    before = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    after = before.copy()
    after[7] *= np.float32(1e4)
    notes = compare_snapshots(snapshot(before), snapshot(after, step=1)).notes
    assert any(note.startswith("1 rows are over 10 times as long") for note in notes)
    pair = measure_pair(snapshot(before), snapshot(np.linspace(1, 9, 100)[:, None] * before, step=1))
    np.testing.assert_array_equal(pair.vectors[0], before)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(("dtype", "offset"), [(np.float16, 0), (np.float16, 100), (np.float32, 30_000)])
def test_rounding_is_a_note_and_no_change(distance: str, dtype: type, offset: float) -> None:
    exact = np.random.default_rng(0).normal(size=(400, 32)) + offset
    before, after = exact.astype(np.float32), (exact + 1e-9).astype(dtype).astype(np.float32)
    after += np.float32(0)
    drift = compare_snapshots(snapshot(before), snapshot(after, step=1), distance=distance)  # type: ignore[arg-type]
    assert drift.mean_neighbor_overlap > 0.999
    assert drift.mean_displacement == 0
    assert (drift.p_values == 1).all()
    if not np.array_equal(before, after):
        assert any("moved by less than" in note and np.dtype(dtype).name in note for note in drift.notes)


def test_untouched_copies_are_no_drift() -> None:
    before = space(400)
    before[:300] = before[0]
    order = np.random.default_rng(0).permutation(400)
    labels = [f"词{i}" for i in range(400)]
    one = snapshot(before, labels=labels)
    two = snapshot(before[order], labels=[labels[i] for i in order], step=1)
    assert measure_pair(one, two).neighbor_overlap.min() == 1


@pytest.mark.parametrize("side", ["before", "after"])
def test_fewer_than_half_of_the_shared_rows_are_no_comparison(side: str) -> None:
    rows = Rows(np.arange(10), tuple("abcdefghij"))
    sides = {name: np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32) for name in ("before", "after")}
    sides[side][:5, 0] = np.nan
    before, after = (Snapshot("word", step, rows, vectors) for step, vectors in enumerate(sides.values()))
    assert len(measure_pair(before, after).labels) == 5
    sides[side][5, 0] = np.inf
    before, after = (Snapshot("word", step, rows, vectors) for step, vectors in enumerate(sides.values()))
    with pytest.raises(ValueError, match="Only 4, fewer than half, of the 10 shared rows"):
        measure_pair(before, after)


@pytest.mark.parametrize("offset", [0, 30])
@pytest.mark.parametrize("long_side", ["before", "after", "both"])
def test_one_long_row_does_not_change_the_others_by_euclidean_distance(offset: float, long_side: str) -> None:
    before = space(500, 16) + np.float32(offset)
    after = noisy(before, 0.1, seed=1)
    columns = {"group": ["a", "b"] * 250}
    usual, moved = (
        compare_snapshots(
            snapshot(long_in(before, long_side in {"before", "both"} and is_long), columns=columns),
            snapshot(long_in(after, long_side in {"after", "both"} and is_long), columns=columns, step=1),
            distance="euclidean",
        )
        for is_long in (False, True)
    )
    near = nearest_neighbors(before, 15, distance="euclidean"), nearest_neighbors(after, 15, distance="euclidean")
    others = np.arange(500) != 7
    # Rows lose the long row as a neighbor, and get another one.
    unaffected = others & ~np.any([(graph.indices == 7).any(axis=1) for graph in near], axis=0)
    for name in ("displacement", "relative_displacement", "change", "neighbor_overlap", "p_values"):
        first, second = (getattr(drift, name)[unaffected] for drift in (usual, moved))
        np.testing.assert_allclose(second, first, atol=0.02, err_msg=name)
        first, second = (getattr(drift, name)[others] for drift in (usual, moved))
        np.testing.assert_allclose(np.median(second), np.median(first), rtol=0.02, err_msg=name)
    assert moved.change[others].max() < 2 * usual.change[others].max()
    assert moved.relative_displacement is not None
    assert usual.relative_displacement is not None
    assert moved.relative_displacement[others].max() < 1.1 * usual.relative_displacement[others].max()
    assert moved.cka == pytest.approx(usual.cka, abs=0.01)
    assert moved.mean_displacement == pytest.approx(usual.mean_displacement, rel=0.02)
    assert any(note.startswith("1 rows are over 10 times as far from the center") for note in moved.notes)


def long_in(vectors: NDArray[np.float32], is_long: bool) -> NDArray[np.float32]:
    changed = vectors.copy()
    changed[7] *= np.float32(10_000 if is_long else 1)
    return changed
