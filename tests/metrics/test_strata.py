"""Head, torso and tail against what was made, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import spearmanr

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics import effective_rank, norms
from visualdl_embedding.metrics._crowding import crowding
from visualdl_embedding.metrics.strata import STRATA, frequency_strata, stratum_scalars, study_strata

D = 16


def make_space(sizes: tuple[int, int, int] = (60, 150, 400)) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """A head in 16 directions, a torso in 4, a tail packed around one point; lengths 3, 2, 1."""
    rng = np.random.default_rng(0)
    head = rng.normal(size=(sizes[0], D))
    torso = np.hstack([rng.normal(size=(sizes[1], 4)), 0.01 * rng.normal(size=(sizes[1], D - 4))])
    tail = rng.normal(size=D) + 0.05 * rng.normal(size=(sizes[2], D))
    parts = [
        length * part / np.linalg.norm(part, axis=1)[:, None]
        for length, part in zip((3, 2, 1), (head, torso, tail), strict=True)
    ]
    return np.vstack(parts).astype(np.float32), np.repeat(STRATA, sizes)


def test_strata_of_a_zipfian_vocabulary() -> None:
    frequency = np.round(1e6 / np.arange(1, 2001))
    names = frequency_strata(frequency[::-1])[::-1]
    share = np.concatenate([[0], np.cumsum(frequency)[:-1]]) / frequency.sum()
    assert names.tolist() == ["head" if s < 0.5 else "torso" if s < 0.9 else "tail" for s in share]
    assert set(names) == set(STRATA)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e9)).filter(lambda f: f.sum() > 0))
def test_strata_hold_their_share_and_are_in_order(frequency: NDArray[np.float64]) -> None:
    names = frequency_strata(frequency)
    assert names[frequency.argmax()] == "head"
    rank = np.array([STRATA.index(name) for name in names])
    order = np.argsort(-frequency, kind="stable")
    assert (np.diff(rank[order]) >= 0).all()
    assert frequency[rank == 0].sum() >= 0.5 * frequency.sum() * (1 - 1e-9)
    assert frequency[rank <= 1].sum() >= 0.9 * frequency.sum() * (1 - 1e-9)


def test_unknown_frequencies_are_of_the_tail() -> None:
    assert frequency_strata(np.array([np.nan, 1.0])).tolist() == ["tail", "head"]


@pytest.mark.parametrize(
    ("frequency", "message"),
    [
        ([0, 0], "all known frequencies are 0"),
        ([], "above 0"),
        ([-1, 2], "negative"),
        ([np.inf], "infinite"),
        ([[1]], r"must be \(n,\) counts"),
    ],
)
def test_wrong_frequencies(frequency: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frequency_strata(np.array(frequency))


def test_strata_differ_as_they_were_made() -> None:
    vectors, names = make_space()
    graph = nearest_neighbors(vectors, 10)
    study = study_strata(vectors, graph, names, crowding=crowding(vectors, graph))
    head, torso, tail = study.strata
    assert [s.name for s in study.strata] == list(STRATA)
    assert [s.num_rows for s in study.strata] == [60, 150, 400]
    assert study.rows_compared == 60
    assert head.effective_rank > 12
    assert torso.effective_rank < 7
    assert [s.norm_mean for s in study.strata] == pytest.approx([3, 2, 1])
    assert head.neighbor_distance > torso.neighbor_distance > tail.neighbor_distance
    assert tail.neighbor_distance == pytest.approx(graph.distances[210:].mean(), rel=1e-5)
    assert tail.crowding > 0.8
    assert tail.crowding > head.crowding
    assert study["tail"] is tail
    with pytest.raises(KeyError, match="'middle'"):
        study["middle"]


def test_effective_ranks_are_of_as_many_rows() -> None:
    """One distribution in all strata: by all their rows the ranks differ, by as many they do not."""
    vectors = np.random.default_rng(0).normal(size=(1000, 100)).astype(np.float32)
    names = np.repeat(STRATA, (25, 175, 800))
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names)
    ranks = [s.effective_rank for s in study.strata]
    assert study.rows_compared == 25
    assert np.ptp(ranks) < 0.5
    assert ranks[0] == pytest.approx(effective_rank(vectors[:25]))
    assert effective_rank(vectors[200:]) > 3 * max(ranks)


def test_a_tiny_stratum_does_not_lower_the_others() -> None:
    vectors, names = make_space((5, 150, 400))
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names)
    assert np.isnan(study["head"].effective_rank)
    assert study.rows_compared == 150
    assert study["head"].norm_mean == pytest.approx(3)


def test_updates_are_shared_out() -> None:
    vectors, names = make_space()
    update = np.concatenate([np.full(60, 10.0), np.full(150, 2.0), np.full(399, 0.25), [np.nan]])
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names, update=update)
    total = 600 + 300 + 399 / 4
    assert [s.update_share for s in study.strata] == pytest.approx([600 / total, 300 / total, 399 / 4 / total])
    assert study["head"].update_per_row == pytest.approx(600 / total * 610 / 60)
    still = study_strata(vectors, nearest_neighbors(vectors, 5), names, update=np.zeros(610))
    assert np.isnan(still["head"].update_share)


def test_overlap_is_the_mean_of_what_is_known() -> None:
    vectors, names = make_space()
    overlap = np.linspace(0, 1, 610).astype(np.float32)
    overlap[0] = np.nan
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names, overlap=overlap)
    assert study["head"].neighbor_overlap == pytest.approx(overlap[1:60].mean(), rel=1e-6)
    assert np.isnan(study["head"].update_share)


def test_norm_frequency_correlation_is_spearmans() -> None:
    vectors, names = make_space()
    rng = np.random.default_rng(1)
    frequency = np.round(norms(vectors) * rng.uniform(0.5, 2, 610), 1).astype(np.float64)
    frequency[:7] = np.nan
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names, frequency=frequency)
    expected = spearmanr(norms(vectors)[7:], frequency[7:]).statistic
    assert study.norm_frequency_correlation == pytest.approx(expected, abs=1e-9)
    assert 0.3 < expected < 0.95
    flat = study_strata(vectors, nearest_neighbors(vectors, 5), names, frequency=np.ones(610))
    assert np.isnan(flat.norm_frequency_correlation)


def test_scalars_are_named_by_stratum_and_hold_what_is_known() -> None:
    vectors, names = make_space()
    names[names == "torso"] = ""
    study = study_strata(vectors, nearest_neighbors(vectors, 5), names, frequency=np.arange(610))
    scalars = stratum_scalars(study)
    assert set(scalars) == {"norm_frequency_correlation"} | {
        f"stratum/{name}/{metric}"
        for name in ("head", "tail")
        for metric in ("num_rows", "effective_rank", "neighbor_distance", "norm_mean")
    }
    assert scalars["stratum/tail/num_rows"] == 400
    assert all(np.isfinite(value) for value in scalars.values())


def test_rows_without_a_stratum_give_an_empty_study() -> None:
    vectors, _ = make_space()
    study = study_strata(vectors, nearest_neighbors(vectors, 5), np.full(610, ""))
    assert study.strata == ()
    assert stratum_scalars(study) == {}


def test_a_single_row() -> None:
    vectors = np.ones((1, 4), np.float32)
    study = study_strata(vectors, nearest_neighbors(vectors, 5), np.array(["head"]), frequency=np.array([3]))
    assert study["head"].norm_mean == 2
    assert np.isnan(study["head"].neighbor_distance)


def test_wrong_arguments() -> None:
    vectors, names = make_space()
    graph = nearest_neighbors(vectors, 5)
    with pytest.raises(ValueError, match="overlap must have 610 rows like the vectors, not 3"):
        study_strata(vectors, graph, names, overlap=np.zeros(3))
    with pytest.raises(ValueError, match="must be head, torso, tail, or '' for none, not middle"):
        study_strata(vectors, graph, np.full(610, "middle"))
    with pytest.raises(ValueError, match="negative"):
        study_strata(vectors, graph, names, update=np.full(610, -1.0))
