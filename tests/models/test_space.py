from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding.core.query import closest
from visualdl_embedding.models import Space, open_space

LABELS = ["[PAD]", "高", "兴", "高兴", "悲", "伤", "a", "a", *(f"词{i}" for i in range(40))]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(len(LABELS), 6)).astype(np.float32)


@pytest.fixture
def space(tmp_path: Path, vectors: np.ndarray) -> Space:
    np.save(tmp_path / "table.npy", vectors)
    return open_space(tmp_path / "table.npy", vocabulary=LABELS)


def test_answers_are_those_of_the_pure_function(space: Space, vectors: np.ndarray) -> None:
    shown = [f"{label} ({i})" if label == "a" else label for i, label in enumerate(LABELS)]
    expected = closest(vectors, [None, *shown[1:]], "高兴", k=9)
    assert space.closest("高兴", k=9) == expected


def test_nan_rows_and_the_words_themselves_are_no_answer(tmp_path: Path, vectors: np.ndarray) -> None:
    vectors[10] = np.nan
    np.save(tmp_path / "table.npy", vectors)
    space = open_space(tmp_path / "table.npy", vocabulary=LABELS)
    found = {match.row for match in space.closest("高兴", k=1000, exclude=["词0"])}
    assert found == set(range(1, len(LABELS))) - {3, 8, 10}
    assert np.isnan(space.positions(space.axis(["高"], ["兴"]))[[0, 10]]).all()


def test_a_line_has_its_ends_at_0_and_1(space: Space) -> None:
    places = space.positions(space.axis(["高"], ["悲"], distance="euclidean"))
    assert places[1] == pytest.approx(0, abs=1e-5)
    assert places[4] == pytest.approx(1, abs=1e-5)


def test_an_absent_word_is_composed(space: Space, vectors: np.ndarray) -> None:
    np.testing.assert_allclose(space.vectors(["悲伤"])[0], vectors[[4, 5]].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(("word", "said"), [("a", "a (6)"), ("词99", "词9"), (99, "rows 0 to 47")])
def test_what_is_no_single_row_is_an_error(space: Space, word: str | int, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        space.closest(word)


def test_an_ambiguous_word_by_its_id(space: Space) -> None:
    assert space.closest("a (7)", k=3) == space.closest(7, k=3)
