"""Nearest rows, sums of words, positions on a line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

import visualdl_embedding.core.query as query_module
from visualdl_embedding.core.query import axis_between, closest, combine, locate, position_on_axis, solve_analogy


def space(n: int = 200, d: int = 16, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32), [f"词{i}" for i in range(n)]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_nearest_are_those_of_scikit_learn(distance: str) -> None:
    vectors, labels = space()
    away = 1 - cosine_similarity(vectors) if distance == "cosine" else euclidean_distances(vectors)
    np.fill_diagonal(away, np.inf)
    for row in (0, 77):
        expected = np.argsort(away[row])[:20]
        found = closest(vectors, labels, f"词{row}", distance=distance)  # type: ignore[arg-type]
        assert [match.row for match in found] == expected.tolist()
        assert [match.label for match in found] == [labels[i] for i in expected]
        np.testing.assert_allclose([match.distance for match in found], away[row][expected], atol=1e-5)
        np.testing.assert_allclose(
            [match.cosine for match in found],
            cosine_similarity(vectors[row : row + 1], vectors[expected])[0],
            atol=1e-5,
        )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), block=st.integers(1, 70), k=st.integers(1, 70))
def test_blocks_rotation_and_order_change_no_answer(seed: int, block: int, k: int) -> None:
    vectors, labels = space(60, 8, seed)
    whole = closest(vectors, labels, "词5", k=k)
    assert len(whole) == min(k, 59)
    order = np.random.default_rng(seed).permutation(60)
    turned = (vectors @ ortho_group.rvs(8, random_state=seed)).astype(np.float32)[order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query_module, "_BLOCK", block)
        parts = closest(turned, [labels[i] for i in order], "词5", k=k)
    assert [match.label for match in parts] == [match.label for match in whole]


def test_equal_distances_come_in_the_order_of_rows_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = np.ones((50, 4), np.float32), [str(i) for i in range(50)]
    for block in (1, 7, 64):
        monkeypatch.setattr(query_module, "_BLOCK", block)
        assert [match.row for match in closest(vectors, labels, "3", k=5)] == [0, 1, 2, 4, 5]


def test_rows_without_label_or_finite_values_and_excluded_ones_are_no_answer() -> None:
    vectors, labels = space(10, 4)
    vectors[2] = np.nan
    vectors[3, 1] = np.inf
    labels[4] = None  # type: ignore[call-overload]
    found = closest(vectors, labels, "词0", k=100, exclude=["词7"])
    assert {match.row for match in found} == {1, 5, 6, 8, 9}
    with pytest.raises(ValueError, match="NaN or inf"):
        closest(vectors, labels, "词2")


@pytest.mark.parametrize("length", [0.0, 1e-30])
def test_a_row_without_a_direction_has_no_neighbors_by_cosine_and_is_nobodys(length: float) -> None:
    vectors, labels = space(10, 4)
    vectors[2] *= length
    assert len(closest(vectors, labels, "词1")) == 8
    assert "词2" not in [match.label for match in closest(vectors, labels, "词1")]
    with pytest.raises(ValueError, match="no direction"):
        closest(vectors, labels, "词2")
    assert {match.cosine for match in closest(vectors, labels, "词2", distance="euclidean")} == {0.0}
    with pytest.raises(ValueError, match="'词2' is zero"):
        combine(vectors, labels, plus=["词1", "词2"])
    with pytest.raises(ValueError, match="holds a zero vector"):
        axis_between(vectors[2], vectors[3])
    places = position_on_axis(vectors, axis_between(vectors[0], vectors[3]))
    assert np.flatnonzero(np.isnan(places)).tolist() == [2]


def test_one_and_two_rows() -> None:
    assert closest(np.ones((1, 1)), ["一"], "一") == ()
    assert [match.label for match in closest(np.ones((2, 1)), ["一", "二"], "一")] == ["二"]


def test_a_memory_mapped_table_is_read_in_blocks(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    vectors, labels = space(500, 8)
    np.save(tmp_path / "table.npy", vectors)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    monkeypatch.setattr(query_module, "_BLOCK", 64)
    assert closest(mapped, labels, "词9") == closest(vectors, labels, "词9")


def test_an_unknown_label_names_the_nearest() -> None:
    vectors, labels = space(3, 4)
    with pytest.raises(ValueError, match=r"No row has the label 'hapy' \(nearest: 'happy'"):
        closest(vectors, ["happy", "sad", "高兴"], "hapy")
    with pytest.raises(ValueError, match="nearest: '高兴'"):
        locate(["happy", "sad", "高兴"], ["高行"])
    with pytest.raises(ValueError, match="nothing like it"):
        locate(labels, ["zzzzz"])


def test_an_ambiguous_label_is_refused_only_when_asked_for() -> None:
    vectors, _ = space(4, 4)
    labels = ["a", "b", "b", "c"]
    assert len(closest(vectors, labels, "a")) == 3
    with pytest.raises(ValueError, match="2 rows have the label 'b'"):
        closest(vectors, labels, "b")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v, w: closest(v, w, "词1", k=0), "k must be at least 1"),
        (lambda v, w: closest(v, w, "词1", distance="manhattan"), "Unknown distance"),
        (lambda v, w: closest(v, w[:-1], "词1"), "one for each"),
        (lambda v, w: closest(v, w, np.zeros(3)), "label or a vector"),
        (lambda v, w: closest(v[0], w, "词1"), r"\(n, d\)"),
        (lambda v, w: combine(v, w, plus=[]), "at least one"),
        (lambda v, w: combine(v, w, plus=["词1"], minus=["词1"]), "cancel"),
        (lambda v, w: axis_between(v[0], v[0]), "same place"),
        (lambda v, w: axis_between(v[0], v[1, :3]), "one width"),
        (lambda v, w: axis_between(v[0] * np.nan, v[1]), "finite"),
        (lambda v, w: position_on_axis(v[:, :3], axis_between(v[0], v[1])), "as the axis is"),
    ],
)
def test_wrong_arguments_are_explained(call, message: str) -> None:  # type: ignore[no-untyped-def]
    vectors, labels = space(10, 4)
    with pytest.raises(ValueError, match=message):
        call(vectors, labels)
    with pytest.raises(TypeError, match="as a list"):
        locate(labels, "词1")  # type: ignore[arg-type]


def test_an_analogy_that_holds_is_solved_without_its_own_words() -> None:
    rng = np.random.default_rng(0)
    royal, male, female = rng.normal(size=(3, 50))
    words = {
        "男": male,
        "女": female,
        "国王": royal + male,
        "女王": royal + female,
        **{f"词{i}": rng.normal(size=50) for i in range(200)},
    }
    vectors = np.array(list(words.values()), dtype=np.float32) * rng.uniform(0.1, 10, size=(len(words), 1))
    found = solve_analogy(vectors, list(words), plus=["国王", "女"], minus=["男"], k=5)
    assert found[0].label == "女王"
    assert len(found) == 5
    assert not {"国王", "男", "女"} & {match.label for match in found}


def test_a_combination_is_the_sum_of_unit_vectors() -> None:
    vectors, labels = space(5, 6)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = units[0] + units[1] - units[2]
    got = combine(vectors, labels, plus=["词0", "词1"], minus=["词2"])
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-6)
    assert got.dtype == np.float32


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31 - 1),
    d=st.integers(2, 20),
    m=st.integers(1, 5),
    distance=st.sampled_from(["cosine", "euclidean"]),
)
def test_the_ends_of_an_axis_are_at_0_and_1_and_a_rotation_moves_nobody(
    seed: int, d: int, m: int, distance: str
) -> None:
    vectors, _ = space(30, d, seed)
    axis = axis_between(vectors[:m], vectors[m : 2 * m], distance=distance)  # type: ignore[arg-type]
    places = position_on_axis(vectors, axis)
    # Ends that are near to one another leave few digits for the rest.
    digits = 1e-4 * (1 + float(np.abs(places).max()))
    assert places[:m].mean() == pytest.approx(0, abs=digits)
    assert places[m : 2 * m].mean() == pytest.approx(1, abs=digits)
    turned = (vectors @ ortho_group.rvs(d, random_state=seed)).astype(np.float32)
    again = position_on_axis(turned, axis_between(turned[:m], turned[m : 2 * m], distance=distance))  # type: ignore[arg-type]
    np.testing.assert_allclose(again, places, atol=10 * digits)


def test_a_position_is_that_of_the_foot_on_the_line() -> None:
    axis = axis_between(np.array([0.0, 1.0]), np.array([2.0, 1.0]), distance="euclidean")
    places = position_on_axis(np.array([[1.0, 9.0], [4.0, -3.0], [np.nan, 0.0]]), axis)
    np.testing.assert_allclose(places, [0.5, 2.0, np.nan])
