"""Rows that are unusable, missing, new, or come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from analysis_examples import FAST, clusters, course, rows_of

from visualdl_embedding.analysis import Analysis, Config, Frame, State, analyze
from visualdl_embedding.core.neighbors import Neighbors, graph_rows
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import motion


def test_rows_that_are_not_finite_are_left_out_and_come_back() -> None:
    broken = clusters()
    broken[5, 2] = np.nan
    broken[9] = np.inf
    _, second, third = course(clusters(), broken, clusters())
    assert second.scalars["nonfinite_rows"] == 2
    assert second.scalars["num_rows"] == 58
    assert np.isnan(second.projections["tsne"].coordinates[[5, 9]]).all()
    assert np.isfinite(np.delete(second.projections["tsne"].coordinates, [5, 9], axis=0)).all()
    assert np.isnan(second.row_metrics["norm"][5])
    assert "2 of 60 rows contain NaN or inf" in " ".join(second.notes)
    assert third.scalars["nonfinite_rows"] == 0
    assert np.isfinite(third.projections["tsne"].coordinates).all()
    assert third.scalars["neighbor_overlap"] == 1


def without(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The vectors, with NaN in some rows."""
    broken = vectors.copy()
    broken[rows] = np.nan
    return broken


@pytest.mark.parametrize("usable", [1, 3, 29])
def test_a_frame_with_fewer_than_half_of_its_rows_has_counts_only(usable: int) -> None:
    first, broken, third = course(clusters(), without(clusters(), np.arange(usable, 60)), clusters())
    assert broken.scalars == {"num_rows": usable, "nonfinite_rows": 60 - usable, "zero_rows": 0}
    assert (broken.projections, broken.row_metrics, broken.directions) == ({}, {}, ())
    assert f"{usable} of 60 rows are usable, fewer than half, so this step has no maps" in broken.notes[-1]
    (_, control) = course(clusters(), clusters())
    assert third.previous_step == first.step
    assert third.scalars == control.scalars
    for key, projection in third.projections.items():
        assert np.array_equal(projection.coordinates, control.projections[key].coordinates)


def test_a_frame_with_half_of_its_rows_is_measured() -> None:
    _, half = course(clusters(), without(clusters(), np.arange(30, 60)))
    assert half.scalars["neighbor_overlap"] == 1
    assert not any("fewer than half" in note.lower() for note in half.notes)


def test_zero_rows_are_not_expected() -> None:
    vectors = clusters()
    vectors[20:] = 0
    (found,) = course(vectors)
    assert found.scalars["zero_rows"] == 40
    assert "tsne/trustworthiness" in found.scalars


def test_a_change_needs_half_of_the_earlier_rows() -> None:
    zero = clusters()
    zero[20:] = 0
    _, second, third = course(clusters(), zero, zero)
    for name in ("neighbor_overlap", "displacement", "cka", "tsne/motion"):
        assert name not in second.scalars
    assert [note for note in second.notes if "Fewer than half" in note] == [
        "Fewer than half of the rows shared with step 0 are usable at both steps, so the change is not measured."
    ]
    assert third.scalars["neighbor_overlap"] == 1
    assert "neighbor_overlap_first" not in third.scalars


def test_directions_need_half_of_the_earlier_rows() -> None:
    rows = replace(rows_of(60, watch=("w1",)), columns={"group": ("a", "b") * 30})
    one, two = without(clusters(), np.arange(2, 30)), without(clusters(), np.arange(32, 60))
    _, found = course(one, two, rows=rows)
    assert found.directions == ()
    assert "neighbor_overlap" not in found.scalars


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_rows_that_come_back_continue_from_their_own_last_place(method: str) -> None:
    config = replace(FAST, methods=(method,))
    away = np.flatnonzero(np.arange(60) % 4 == 0)  # a whole cluster
    vectors = [clusters() + np.float32(0.01 * t) * clusters(seed=1) for t in range(4)]
    seen = course(vectors[0], *(without(v, away) for v in vectors[1:3]), vectors[3], config=config)
    control = course(*vectors, config=config)
    before, broken, after = (seen[i].projections[method] for i in (0, 2, 3))
    assert np.isnan(broken.coordinates[away]).all()
    np.testing.assert_array_equal(broken.places[away], before.coordinates[away])
    assert after.places is None

    def jump(frames: list[Analysis]) -> float:
        moved = motion(frames[0].projections[method].coordinates, frames[3].projections[method].coordinates)
        return float(np.sqrt(np.mean(np.square(moved[away]))))

    assert jump(seen) < max(2 * jump(control), 0.1)


def sparse(seed: int = 0, length: float = 0.0) -> np.ndarray:
    """A 500 x 300 table, 50 rows of which have no direction."""
    vectors = clusters(500, 300, seed=0) + np.float32(0.3) * clusters(500, 300, seed=seed + 1)
    vectors[::10] *= np.float32(length)
    return vectors


@pytest.mark.parametrize("length", [0.0, 1e-30])
def test_rows_without_a_direction_are_nobodys_neighbors_and_change_no_number(length: float) -> None:
    full = np.flatnonzero(np.arange(500) % 10)
    frames = [sparse(seed, length) for seed in range(3)]
    rows = Rows(full, tuple(f"w{i}" for i in full))
    *_, found = course(*frames)
    *_, expected = course(*(vectors[full] for vectors in frames), rows=rows)
    assert found.scalars["zero_rows"] == 50
    assert {**found.scalars, "zero_rows": 0.0} == expected.scalars
    assert np.array_equal(found.neighbors.indices, expected.neighbors.indices)
    assert np.isnan(found.projections["tsne"].coordinates[::10]).all()
    assert np.isnan(found.row_metrics["neighbor_overlap"][::10]).all()
    assert 0 < found.scalars["neighbor_overlap"] < 1
    assert [note for note in found.notes if "zero" in note] == [
        "50 of 500 rows are zero or shorter than 1.1e-19, so they have no direction; cosine distance leaves them out."
    ]


def test_euclidean_distance_keeps_zero_rows() -> None:
    (found,) = course(sparse(), config=replace(FAST, distance="euclidean"))
    assert (found.scalars["num_rows"], found.scalars["zero_rows"]) == (500, 0)
    assert np.isfinite(found.projections["tsne"].coordinates).all()
    assert not any("zero" in note for note in found.notes)


def test_zero_rows_that_training_reaches_come_in() -> None:
    first, second, third = course(sparse(), clusters(500, 300), clusters(500, 300))
    assert [analysis.scalars["zero_rows"] for analysis in (first, second, third)] == [50, 0, 0]
    assert np.isfinite(second.projections["tsne"].coordinates).all()
    assert np.isnan(second.row_metrics["displacement"][0])
    assert third.scalars["neighbor_overlap"] == 1


def test_a_graph_that_was_stored_with_zero_rows_is_replaced() -> None:
    config = Config(methods=())
    shot = Snapshot("word", 0, rows_of(500), sparse())
    fresh, state = analyze(shot, None, config)
    n = len(shot.rows)
    graph = Neighbors(np.tile(np.arange(0, 100, 10, dtype=np.int32), (n, 1)), np.zeros((n, 10), np.float32), "cosine")
    stored = State(*[Frame(shot, replace(fresh, neighbors=graph))] * 2)
    again = Snapshot("word", 10, rows_of(500), sparse())
    assert analyze(again, stored, config)[0].scalars["neighbor_overlap"] == 1
    assert analyze(again, state, config)[0].scalars["neighbor_overlap"] == 1
    assert np.array_equal(graph_rows(graph, shot), np.arange(500))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("size", [1e20, 1e37])
def test_squares_that_overflow_do_not_end_the_analysis(distance: Literal["cosine", "euclidean"], size: float) -> None:
    frames = [clusters(), clusters(seed=1)]
    for vectors in frames:
        vectors[:3] *= np.float32(size) / np.abs(vectors[:3]).max()
    config = Config(distance=distance, perplexity=5, n_neighbors=5)
    _, found = course(*frames, config=config)
    assert found.scalars["num_rows"] == 60
    assert all(np.isfinite(p.coordinates).all() for p in found.projections.values())
    assert found.scalars["tsne/trustworthiness"] > 0.8


def test_no_row_is_finite() -> None:
    broken = np.full((60, 8), np.nan, np.float32)
    _, second, third = course(clusters(), broken, clusters())
    assert second.scalars["nonfinite_rows"] == 60
    assert second.projections == {}
    assert np.isfinite(third.projections["tsne"].coordinates).all()
    assert third.basis is not None
    assert third.previous_step == 0
    assert third.scalars["neighbor_overlap"] == 1


def test_rows_pair_by_label_when_the_vocabulary_changes() -> None:
    vectors = clusters(80)
    state = State()
    _, state = analyze(Snapshot("word", 0, rows_of(60), vectors[:60]), state, FAST)
    other = Rows(np.arange(20, 80), tuple(f"w{i}" for i in range(20, 80)))
    second, _ = analyze(Snapshot("word", 10, other, vectors[20:]), state, FAST)
    assert second.scalars["neighbor_overlap"] == 1
    assert second.scalars["displacement"] == pytest.approx(0, abs=1e-3)
    assert np.isnan(second.row_metrics["displacement"][40:]).all()
    assert np.isfinite(second.row_metrics["displacement"][:40]).all()
    assert np.isfinite(second.projections["tsne"].coordinates).all()


def test_a_vocabulary_without_a_common_word_starts_afresh() -> None:
    _, state = analyze(Snapshot("word", 0, rows_of(60), clusters()), State(), FAST)
    second, _ = analyze(Snapshot("word", 10, rows_of(60, prefix="v"), clusters()), state, FAST)
    assert "neighbor_overlap" not in second.scalars
    assert "tsne/motion" not in second.scalars
    assert np.isfinite(second.projections["tsne"].coordinates).all()
