"""The nearest words of a table, and of sums of words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances

import visualdl_embedding.core.table as table_module
from visualdl_embedding.models import ModelTable, open_model


def make_space(n: int = 200, d: int = 16, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32), [f"词{i}" for i in range(n)]


def ask(vectors: np.ndarray, labels: Sequence[str | None]) -> ModelTable:
    return open_model(vectors, vocabulary=labels).table()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_nearest_are_those_of_scikit_learn(distance: str) -> None:
    vectors, labels = make_space()
    away = 1 - cosine_similarity(vectors) if distance == "cosine" else euclidean_distances(vectors)
    np.fill_diagonal(away, np.inf)
    for row in (0, 77):
        expected = np.argsort(away[row])[:20]
        found = ask(vectors, labels).closest(f"词{row}", distance=distance)  # type: ignore[arg-type]
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
    vectors, labels = make_space(60, 8, seed)
    whole = ask(vectors, labels).closest("词5", k=k)
    assert len(whole) == min(k, 59)
    order = np.random.default_rng(seed).permutation(60)
    turned = (vectors @ ortho_group.rvs(8, random_state=seed)).astype(np.float32)[order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "_BLOCK_BYTES", block * 8 * 4)
        parts = ask(turned, [labels[i] for i in order]).closest("词5", k=k)
    assert [match.label for match in parts] == [match.label for match in whole]


def test_equal_distances_come_in_the_order_of_rows_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = np.ones((50, 4), np.float32), [str(i) for i in range(50)]
    for block in (1, 7, 64):
        monkeypatch.setattr(table_module, "_BLOCK_BYTES", block * 8 * 4)
        assert [match.row for match in ask(vectors, labels).closest("3", k=5)] == [0, 1, 2, 4, 5]


def test_rows_without_label_or_finite_values_and_excluded_ones_are_no_answer() -> None:
    vectors, labels = make_space(10, 4)
    vectors[2] = np.nan
    vectors[3, 1] = np.inf
    labels[4] = None  # type: ignore[call-overload]
    found = ask(vectors, labels).closest("词0", k=100, exclude=["词7"])
    assert {match.row for match in found} == {1, 5, 6, 8, 9}
    with pytest.raises(ValueError, match="NaN or inf"):
        ask(vectors, labels).closest("词2")


def test_a_zero_row_has_no_neighbors_by_cosine() -> None:
    vectors, labels = make_space(10, 4)
    vectors[2] = 0
    with pytest.raises(ValueError, match="zero, so it has no direction"):
        ask(vectors, labels).closest("词2")
    assert {match.cosine for match in ask(vectors, labels).closest("词2", distance="euclidean")} == {0.0}
    assert "词2" not in {match.label for match in ask(vectors, labels).closest("词1", k=9)}


def test_one_and_two_rows() -> None:
    assert ask(np.ones((1, 1)), ["一"]).closest("一") == ()
    assert [match.label for match in ask(np.ones((2, 1)), ["一", "二"]).closest("一")] == ["二"]


def test_a_memory_mapped_table_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = make_space(500, 8)
    np.save(tmp_path / "table.npy", vectors)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    monkeypatch.setattr(table_module, "_BLOCK_BYTES", 64 * 8 * 4)
    assert ask(mapped, labels).closest("词9") == ask(vectors, labels).closest("词9")


def test_an_ambiguous_label_is_refused_only_when_asked_for() -> None:
    vectors, _ = make_space(4, 4)
    labels = ["a", "b", "b", "c"]
    assert len(ask(vectors, labels).closest("a")) == 3
    with pytest.raises(ValueError, match="Choose one as 'b \\(1\\)'"):
        ask(vectors, labels).closest("b")


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
    found = ask(vectors, list(words)).solve_analogy(["国王", "女"], ["男"], k=5)
    assert found[0].label == "女王"
    assert len(found) == 5
    assert not {"国王", "男", "女"} & {match.label for match in found}


def test_a_vector_is_asked_for_as_its_word_is() -> None:
    vectors, labels = make_space(20, 4)
    opened = ask(vectors, labels)
    assert opened.closest(vectors[3], exclude=["词3"]) == opened.closest("词3")
    assert opened.closest(vectors[3])[0].label == "词3"
    with pytest.raises(ValueError, match=r"a vector \(4,\); \(3,\) was given"):
        opened.closest(np.zeros(3))
