from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from analysis_examples import FAST, MAPS, clusters, course, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from visualdl_embedding.analysis import Analysis, Config, analyse, analyze, plan_projections
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics import METRICS
from visualdl_embedding.projection import align


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
        assert f"{method}/motion" not in {*second.scalars, *second.row_metrics}


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


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_rows_that_differ_by_rounding_only_have_one_place(distance: Literal["cosine", "euclidean"]) -> None:
    rng = np.random.default_rng(0)
    frames = [(clusters(1) * (1 + 3e-8 * rng.normal(size=(60, 8)))).astype(np.float32) for _ in range(2)]
    assert len(np.unique(frames[0], axis=0)) > 30
    config = Config(
        methods=("pca", "tsne", "umap"), n_components=(2, 3), perplexity=5, n_neighbors=5, distance=distance
    )
    found = course(*frames, config=config)
    equal = course(*(np.repeat(frame[:1], 60, axis=0) for frame in frames), config=config)
    for analysis, expected in zip(found, equal, strict=True):
        for projection in analysis.projections.values():
            assert len(np.unique(projection.coordinates, axis=0)) == 1
        assert analysis.row_metrics["duplicates"].tolist() == [59] * 60
        names = ("effective_rank", "hubness", "pca/trustworthiness", "tsne/trustworthiness", "tsne/continuity")
        for name in names:
            assert analysis.scalars[name] == pytest.approx(expected.scalars[name], abs=1e-6), name
    assert found[1].scalars["displacement"] == 0


def test_a_first_frame_with_few_digits_hides_no_change() -> None:
    """A table of float32 may begin with values of a coarser dtype, such as a converted model."""
    first = (clusters(200, 16).view(np.uint32) & 0xFFFF0000).view(np.float32)
    second = first.copy()
    second[:20] *= 1 + np.float32(1e-3) * np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    (_, last) = course(first, second, config=Config(methods=()))
    assert (last.row_metrics["displacement"][:20] > 0).all()
    _, back = course(second, first, config=Config(methods=()))
    assert (back.row_metrics["displacement"][:20] > 0).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_one_long_row_does_not_move_the_others(distance: Literal["cosine", "euclidean"]) -> None:
    (first, second) = np.repeat(np.random.default_rng(0).normal(size=(1, 200, 16)), 2, axis=0).astype(np.float32)
    second[3] *= 1e4
    (_, last) = course(first, second, config=Config(methods=("pca",), distance=distance))
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
