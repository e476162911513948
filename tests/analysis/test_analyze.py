from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from visualdl_embedding.analysis import Analysis, Config, Frame, State, analyse, analyze, plan_projections
from visualdl_embedding.core.neighbors import Neighbors, graph_rows
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics import METRICS
from visualdl_embedding.projection import align, motion

FAST = Config(methods=("pca", "tsne"), perplexity=5, n_neighbors=5)


def rows_of(n: int, *, prefix: str = "w", watch: tuple[str, ...] = ()) -> Rows:
    return Rows(np.arange(n), tuple(f"{prefix}{i}" for i in range(n)), watch=watch)


MAPS = Config(methods=("tsne", "umap"), n_neighbors=7)


def clusters(n: int = 60, d: int = 8, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = 4 * rng.normal(size=(4, d))
    return (centers[np.arange(n) % 4] + rng.normal(size=(n, d))).astype(np.float32)


def course(*frames: np.ndarray, config: Config = FAST, rows: Rows | None = None) -> list[Analysis]:
    state, done = State(), []
    for i, vectors in enumerate(frames):
        analysis, state = analyze(Snapshot("word", 10 * i, rows or rows_of(len(vectors)), vectors), state, config)
        done.append(analysis)
    return done


def same(a: Analysis, b: Analysis) -> bool:
    return a.scalars == b.scalars and all(
        np.array_equal(a.projections[key].coordinates, b.projections[key].coordinates, equal_nan=True)
        for key in a.projections
    )


def test_every_scalar_is_a_registered_metric() -> None:
    config = Config(methods=("pca", "tsne", "umap"), n_components=(2, 3), perplexity=5, n_neighbors=5)
    (_, last) = course(clusters(), clusters(seed=1), config=config, rows=rows_of(60, watch=("w3",)))
    assert {name.rsplit("/", 1)[-1] for name in last.scalars} <= set(METRICS)
    assert {"tsne", "tsne_3d", "umap", "umap_3d", "pca", "pca_3d"} == set(last.projections)
    for name, value in last.scalars.items():
        metric = METRICS[name.rsplit("/", 1)[-1]]
        assert metric.low is None or value >= metric.low - 1e-6, name
        assert metric.high is None or value <= metric.high + 1e-6, name


def test_the_same_course_gives_the_same_numbers() -> None:
    frames = (clusters(), clusters(seed=1), clusters(seed=2))
    assert all(same(a, b) for a, b in zip(course(*frames), course(*frames), strict=True))


def test_a_space_that_stood_still_shows_no_motion_above_the_noise_floor() -> None:
    first, second = course(clusters(), clusters())
    assert second.scalars["neighbor_overlap"] == 1
    assert second.scalars["displacement"] == pytest.approx(0, abs=1e-3)
    assert second.scalars["pca/motion"] == pytest.approx(0, abs=1e-5)
    assert second.scalars["tsne/motion"] <= 2 * first.scalars["tsne/noise_floor"] + 0.01


@pytest.mark.parametrize("share", [0, 10, 30])
def test_unchanged_rows_are_within_the_noise_floor(share: int) -> None:
    frames = [clusters(), clusters(seed=1), clusters(seed=1)]
    replaced = np.arange(len(frames[0])) % 100 < share
    frames[2][replaced] = np.roll(frames[1][replaced], 1, axis=0)
    *_, last = course(*frames, config=MAPS)
    for method in ("tsne", "umap"):
        floor = last.projections[method].noise_floor
        assert (floor is None) == last.projections[method].redrawn == bool(last.scalars[f"{method}/redrawn"])
        if share == 0:
            assert floor is not None
        if floor is not None:
            assert (last.row_metrics[f"{method}/motion"][~replaced] <= floor).mean() >= 0.95


def test_without_equal_bits_the_noise_floor_needs_enough_rows_that_moved_alike() -> None:
    rng = np.random.default_rng(0)
    for n, ringed in ((300, True), (30, False)):
        before = clusters(n)
        after = before.copy()
        replaced = np.arange(n) % 10 == 0
        after[replaced] = np.roll(before[replaced], 1, axis=0)
        after += (1e-3 * rng.normal(size=after.shape)).astype(np.float32)
        _, last = course(before, after, config=MAPS)
        for method in ("tsne", "umap"):
            floor = last.projections[method].noise_floor
            assert (floor is not None) == ringed, (n, method)
            assert last.projections[method].redrawn != ringed
            if floor is not None:
                assert (last.row_metrics[f"{method}/motion"][~replaced] <= floor).mean() >= 0.95


def test_the_mark_of_an_optimizer_that_was_stored_earlier_is_not_that_of_a_frame() -> None:
    projection = course(clusters(), config=MAPS)[0].projections["tsne"]
    earlier = {**projection.parameters, "redrawn": True}
    assert not replace(projection, parameters=earlier, noise_floor=0.1).redrawn
    assert replace(projection, parameters=earlier, noise_floor=None).redrawn


def test_another_table_is_redrawn_and_not_comparable() -> None:
    other = np.random.default_rng(5).normal(size=clusters().shape).astype(np.float32)
    _, second = course(clusters(), other, config=MAPS)
    for method in ("tsne", "umap"):
        assert second.projections[method].redrawn
        assert second.scalars[f"{method}/redrawn"] == 1
        assert f"{method}/noise_floor" not in second.scalars


def test_the_noise_floor_can_be_disabled() -> None:
    _, second = course(clusters(), clusters(), config=Config(noise_floor_every=0))
    assert second.projections["tsne"].noise_floor is None
    assert not second.projections["tsne"].redrawn
    assert "tsne/redrawn" not in second.scalars


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.1, 10))
def test_a_rotation_with_a_scaling_is_no_drift(seed: int, scale: float) -> None:
    vectors = clusters()
    turned = (scale * vectors @ ortho_group.rvs(8, random_state=seed)).astype(np.float32)
    _, second = course(vectors, turned, config=Config(methods=()))
    assert second.scalars["neighbor_overlap"] > 0.99
    assert second.scalars["displacement"] < 0.01


def test_the_one_row_that_moved_is_named_by_its_displacement() -> None:
    moved = clusters()
    moved[7] = moved[8] + 0.1
    _, second = course(clusters(), moved)
    assert int(np.nanargmax(second.row_metrics["displacement"])) == 7
    assert second.row_metrics["neighbor_overlap"][7] < second.scalars["neighbor_overlap"]


def test_cka_of_unrelated_spaces_is_zero() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 500, 128)).astype(np.float32)
    (_, last) = course(*frames, config=Config(methods=("pca",)))
    assert last.scalars["cka"] == pytest.approx(0, abs=0.01)


def test_rows_that_coincide_have_one_place_and_keep_their_neighbors() -> None:
    frames = [clusters(80, seed=seed) for seed in (0, 1)]
    for frame in frames:
        frame[50:] = frames[0][50]
    config = Config(methods=("pca", "tsne", "umap"), perplexity=5, n_neighbors=5)
    (_, last) = course(*frames, config=config)
    for projection in last.projections.values():
        assert len(np.unique(projection.coordinates[50:], axis=0)) == 1
        assert len(np.unique(projection.coordinates, axis=0)) == 51
    assert last.row_metrics["neighbor_overlap"][50:].min() == 1
    assert last.row_metrics["duplicates"].tolist() == [0] * 50 + [29] * 30
    assert "duplicates" not in course(clusters())[0].row_metrics


def test_one_long_row_does_not_move_the_others_by_cosine() -> None:
    (first, second) = np.repeat(np.random.default_rng(0).normal(size=(1, 200, 16)), 2, axis=0).astype(np.float32)
    second[3] *= 1e4
    (_, last) = course(first, second, config=Config(methods=("pca",)))
    assert last.scalars["displacement"] < 0.01
    assert last.scalars["cka"] > 0.99


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_single_column_has_no_metrics_of_directions(distance: Literal["cosine", "euclidean"]) -> None:
    (only,) = course(clusters(60, 1), config=replace(FAST, distance=distance))
    assert not {"mean_cosine", "effective_rank", "isoscore"} & set(only.scalars)
    assert "norm_mean" in only.scalars
    assert any("one column" in note for note in only.notes)


def test_watched_rows_without_neighbors_are_named() -> None:
    vectors = clusters()
    vectors[3], vectors[4, 0] = 0, np.nan
    (only,) = course(vectors, rows=rows_of(60, watch=("w3", "w4", "w5")))
    assert "The vector of 'w3' is zero, so it has no direction and no neighbors by cosine." in only.notes
    assert "The vector of 'w4' contains NaN or inf, so it has no neighbors." in only.notes
    assert {key.split("/")[1] for key in only.scalars if key.startswith("watch/")} == {"w5"}


def test_watched_labels_have_curves_of_their_own() -> None:
    _, second = course(clusters(), clusters(seed=1), rows=rows_of(60, watch=("w3", "w4")))
    assert second.scalars["watch/w3/norm"] == pytest.approx(np.linalg.norm(clusters(seed=1)[3]), rel=1e-5)
    assert second.scalars["watch/w3/tsne/x"] == pytest.approx(second.projections["tsne"].coordinates[3, 0])
    assert {"watch/w4/displacement", "watch/w4/neighbor_overlap", "watch/w4/pca/y"} <= set(second.scalars)


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
        "50 of 500 rows are zero, so they have no direction; cosine distance leaves them out."
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


def test_pca_keeps_its_basis_until_it_shows_too_little() -> None:
    rng = np.random.default_rng(0)
    at_random = (0.01 * rng.normal(size=(60, 8))).astype(np.float32)
    first, second, third = course(at_random, clusters(), clusters() + 0.01 * at_random)
    assert [a.basis.version for a in (first, second, third) if a.basis] == [1, 2, 2]
    assert "pca/motion" not in second.scalars
    assert third.scalars["pca/motion"] < 0.1
    assert any("fitted anew" in note for note in second.notes)
    for every in (0, 1):
        marked = course(at_random, clusters(), clusters(), config=replace(FAST, noise_floor_every=every))
        assert [a.projections["pca"].redrawn for a in marked] == [False, True, False]
        assert [a.projections["pca"].noise_floor for a in marked] == [0, None, 0]
    assert second.projections["pca"].axes_version == 2
    assert third.projections["pca"].axes_version == 2


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_few_rows_and_few_columns(n: int, d: int) -> None:
    for config in (Config(), Config(distance="euclidean", n_components=(3,))):
        first, second = course(clusters(n, d), clusters(n, d, seed=1), config=config)
        for analysis in (first, second):
            assert all(np.isfinite(p.coordinates).all() for p in analysis.projections.values())
            assert len(analysis.projections) == 3


@pytest.mark.parametrize(("value", "distance"), [(0.0, "euclidean"), (1.5, "cosine"), (1.5, "euclidean")])
def test_all_rows_equal(value: float, distance: Literal["cosine", "euclidean"]) -> None:
    frames = [np.full((40, 8), value, np.float32)] * 2
    _, second = course(*frames, config=Config(distance=distance))
    assert second.scalars["effective_rank"] == pytest.approx(0, abs=1)
    assert all(np.isfinite(p.coordinates).all() for p in second.projections.values())


def test_a_lowered_perplexity_is_said() -> None:
    (analysis,) = course(clusters(20), config=Config(methods=("tsne",), perplexity=30))
    assert any("erplexity lowered from 30" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ("tsn",)}, "'tsn'; known are pca, tsne, umap"),
        ({"distance": "manhattan"}, "'manhattan'; known are cosine, euclidean"),
        ({"n_components": (4,)}, "2, 3 or both"),
        ({"perplexity": 0}, "perplexity must be positive"),
        ({"n_neighbors": 0}, "at least 1"),
    ],
)
def test_a_wrong_configuration_says_what_is_known(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**arguments)


def test_a_configuration_survives_json() -> None:
    import json

    config = Config(n_components=(2, 3), perplexity=12.5)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_earlier_name_is_the_same_function() -> None:
    assert analyse is analyze


def test_several_parameters_and_seeds_keep_their_frames_apart() -> None:
    specs = plan_projections(("pca", "tsne"), perplexity=(4, 12), repeats=2)
    first, second = course(clusters(), clusters(), config=Config(projections=specs, n_neighbors=5))
    assert list(second.projections) == [spec.key for spec in specs]
    for spec in specs[1:]:
        found = second.projections[spec.key]
        assert found.parameters["perplexity"] == spec.parameters["perplexity"]
        assert found.parameters["random_state"] == spec.random_state
        assert found.parameters["warm"]
        assert second.scalars[f"{spec.key}/motion"] < 0.5
        assert (found.noise_floor is None) == bool(spec.repeat)
    assert "noise_floor" not in second.numbers("tsne_perplexity4_seed43")
    assert second.numbers("pca").keys() >= {"explained_variance", "trustworthiness", "motion"}
    # Aligned to the first of their kind: no rotation brings them closer.
    like, other = (first.projections[key].coordinates for key in ("tsne_perplexity4", "tsne_perplexity4_seed43"))
    assert np.allclose(align(other, like).rotation, np.eye(2), atol=1e-3)


def test_progress_counts_the_projections() -> None:
    heard: list[tuple[str, int, int]] = []
    snapshot = Snapshot("word", 0, rows_of(60), clusters())
    analyze(snapshot, config=FAST, on_progress=lambda *part: heard.append(part))
    assert heard == [
        ("neighbors", 0, 1),
        ("neighbors", 1, 1),
        ("projections", 0, 2),
        ("projections", 1, 2),
        ("projections", 2, 2),
    ]


def test_every_stage_has_its_time() -> None:
    (analysis,) = course(clusters())
    expected = {"neighbors", "metrics", "drift", "basis", "pca", "tsne", "quality", "diagnosis"}
    assert set(analysis.seconds) == expected
