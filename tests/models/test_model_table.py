from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding.core.query import Match, nearest_rows
from visualdl_embedding.models import ModelTable, open_model

LABELS = ["[PAD]", "高", "兴", "高兴", "悲", "伤", "a", "a", *(f"词{i}" for i in range(40))]


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(len(LABELS), 6)).astype(np.float32)


@pytest.fixture
def opened(tmp_path: Path, vectors: np.ndarray) -> ModelTable:
    np.save(tmp_path / "table.npy", vectors)
    return open_model(tmp_path / "table.npy", vocabulary=LABELS).table()


def test_answers_are_those_of_the_pure_function(opened: ModelTable, vectors: np.ndarray) -> None:
    shown = [f"{label} ({i})" if label == "a" else label for i, label in enumerate(LABELS)]
    skipped = np.isin(np.arange(len(LABELS)), [0, 3])
    found = nearest_rows([(0, vectors)], vectors[3], k=9, skipped=skipped)
    assert opened.closest("高兴", k=9) == tuple(Match(shown[row], row, cosine, away) for row, cosine, away in found)
    assert opened.closest("高兴", k=9, exclude=[3]) == opened.closest("高兴", k=9)


def test_nan_rows_and_the_words_themselves_are_no_answer(tmp_path: Path, vectors: np.ndarray) -> None:
    vectors[10] = np.nan
    np.save(tmp_path / "table.npy", vectors)
    opened = open_model(tmp_path / "table.npy", vocabulary=LABELS).table()
    found = {match.row for match in opened.closest("高兴", k=1000, exclude=["词0"])}
    assert found == set(range(1, len(LABELS))) - {3, 8, 10}
    assert np.isnan(opened.positions(opened.axis(["高"], ["兴"]))[[0, 10]]).all()


def test_a_line_has_its_ends_at_0_and_1(opened: ModelTable) -> None:
    places = opened.positions(opened.axis(["高"], ["悲"], distance="euclidean"))
    assert places[1] == pytest.approx(0, abs=1e-5)
    assert places[4] == pytest.approx(1, abs=1e-5)


def test_an_absent_word_is_composed(opened: ModelTable, vectors: np.ndarray) -> None:
    np.testing.assert_allclose(opened.vectors(["悲伤"])[0], vectors[[4, 5]].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(("word", "said"), [("a", "a (6)"), ("词99", "词9"), (99, "rows 0 to 47")])
def test_what_is_no_single_row_is_an_error(opened: ModelTable, word: str | int, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        opened.closest(word)


def test_an_ambiguous_word_by_its_id(opened: ModelTable) -> None:
    assert opened.closest("a (7)", k=3) == opened.closest(7, k=3)
