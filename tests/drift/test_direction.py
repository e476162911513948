"""Towards which group a word moved."""

from __future__ import annotations

import numpy as np
import pytest
from drift_examples import space

from visualdl_embedding.drift import Direction
from visualdl_embedding.drift._direction import leans, share_of_groups


def test_lean_is_the_difference_of_mean_cosines() -> None:
    vectors = space(60, 5)
    codes = np.random.default_rng(0).integers(-1, 3, 60).astype(np.int32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    found = leans(vectors, codes, 3)
    for row in range(60):
        others = np.arange(60) != row
        for group in range(3):
            inside = cosines[row, others & (codes == group)].mean()
            outside = cosines[row, others & (codes != group) & (codes >= 0)].mean()
            assert found[row, group] == pytest.approx(inside - outside, abs=1e-6)


def test_lean_needs_somebody_on_both_sides() -> None:
    codes = np.array([0, 0, 1, -1], dtype=np.int32)
    found = leans(space(4, 3), codes, 2)
    # The only member of group 1 is left out of its own lean.
    assert np.isnan(found).tolist() == [[False, False], [False, False], [True, True], [False, False]]


def test_a_zero_row_leans_nowhere() -> None:
    vectors = space(10, 3)
    vectors[0] = 0
    assert leans(vectors, np.array([-1] + [0, 1, 1] * 3, dtype=np.int32), 2)[0].tolist() == [0, 0]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_shares_are_of_the_nearest_rows_with_a_group(distance: str) -> None:
    angle = np.radians([0, 1, 2, 3, 40, 50])
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    codes = np.array([0, -1, 1, 0, 1, 1], dtype=np.int32)
    share = share_of_groups(vectors, codes, 0, n_groups=2, n_neighbors=3, distance=distance)  # type: ignore[arg-type]
    np.testing.assert_allclose(share, [1 / 3, 2 / 3])
    nobody = share_of_groups(vectors, np.full(6, -1, np.int32), 0, n_groups=2, n_neighbors=3, distance="cosine")
    assert np.isnan(nobody).all()


def test_sentences_say_whether_it_is_certain() -> None:
    sure = Direction("加息", "negative", 0.1, 0.6, -0.1, 0.2, 0.001, 0.002, True)
    assert (
        sure.sentence()
        == "加息 moved towards negative: its share of negative neighbors went from 0.10 to 0.60, p = 0.002"
    )
    unsure = Direction("加息", "negative", 0.1, 0.2, -0.1, 0.0, 0.2, 0.4, False)
    assert unsure.sentence().startswith("加息 did not clearly move towards negative")
    assert unsure.sentence().endswith("p = 0.40")
    assert "没有明显移向" in unsure.sentence_zh()
