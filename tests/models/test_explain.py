from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visualdl_embedding.figures import render_relations
from visualdl_embedding.models import ModelTable, explain, open_model

N, DIM = 200, 8


def make_table(folder: Path, *, seed: int = 0) -> tuple[ModelTable, np.ndarray]:
    vectors = np.random.default_rng(seed).normal(size=(N, DIM)).astype(np.float32)
    np.save(folder / "items.npy", vectors)
    return open_model(folder / "items.npy", vocabulary=[f"item {i}" for i in range(N)]).table(), vectors


def by_hand(vectors: np.ndarray, item: int, other: int, history: list[int]) -> tuple[int, float]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[other]
    rivals = [i for i in range(len(vectors)) if i not in (item, *history)]
    return 1 + int((cosines[rivals] > cosines[item]).sum()), float(cosines[item])


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, N - 1), min_size=2, max_size=6, unique=True), st.integers(0, 5))
def test_ranks_are_those_counted_by_hand(tmp_path_factory: pytest.TempPathFactory, rows: list[int], seed: int) -> None:
    table, vectors = make_table(tmp_path_factory.mktemp("items"), seed=seed)
    item, *history = rows
    found = explain(table, item, history)
    assert {relation.row for relation in found.relations} == set(history)
    for relation in found.relations:
        rank, cosine = by_hand(vectors, item, relation.row, history)
        assert relation.rank == rank
        assert relation.cosine == pytest.approx(cosine, abs=1e-5)
        assert relation.num_items == N - len(history)
    assert [r.rank for r in found.relations] == sorted(r.rank for r in found.relations)
    assert found.overall.cosine == pytest.approx(np.mean([r.cosine for r in found.relations]), abs=1e-5)


def test_what_is_usual_is_the_spread_of_all_other_items(tmp_path: Path) -> None:
    table, vectors = make_table(tmp_path)
    relation = explain(table, "item 0", ["item 1"]).relations[0]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit @ unit[1])[2:]
    expected = np.percentile(cosines, [5, 50, 95], method="inverted_cdf")
    np.testing.assert_allclose((relation.usual_p5, relation.usual, relation.usual_p95), expected, atol=0.001)
    assert relation.histogram.sum() == N - 2


def test_a_twin_is_named_as_the_reason_and_a_stranger_is_not(tmp_path: Path) -> None:
    table, vectors = make_table(tmp_path)
    vectors[7] = vectors[3] + 0.01
    vectors[9] = -vectors[3]
    np.save(tmp_path / "items.npy", vectors)
    table = open_model(tmp_path / "items.npy", vocabulary=[f"item {i}" for i in range(N)]).table()
    found = explain(table, "item 3", ["item 9", "item 7"])
    assert "near to “item 7” (nothing is nearer to it)" in found.sentence
    assert "接近「item 7」" in found.sentence_zh
    assert found.relations[-1].rank == found.relations[-1].num_items
    alone = explain(table, "item 3", ["item 9"])
    assert "not especially near" in alone.sentence
    assert "不算接近" in alone.sentence_zh
    assert json.loads(json.dumps(found.to_dict()))["relations"][0]["rank"] == 1


def test_rows_that_are_not_finite_are_no_rivals(tmp_path: Path) -> None:
    _, vectors = make_table(tmp_path)
    vectors[50:60] = np.nan
    np.save(tmp_path / "items.npy", vectors)
    table = open_model(tmp_path / "items.npy", vocabulary=[f"item {i}" for i in range(N)]).table()
    assert explain(table, 0, [1]).relations[0].num_items == N - 10 - 1


@pytest.mark.parametrize(
    ("item", "history", "said"),
    [
        ("item 0", [], "empty"),
        ("item 0", ["item 0"], "in the history itself"),
        ("item 0", ["itm 1"], "item 1"),
        ("item 5", ["item 1"], "zeros"),
    ],
)
def test_bad_questions(tmp_path: Path, item: str, history: list[str], said: str) -> None:
    _, vectors = make_table(tmp_path)
    vectors[5] = 0
    np.save(tmp_path / "items.npy", vectors)
    table = open_model(tmp_path / "items.npy", vocabulary=[f"item {i}" for i in range(N)]).table()
    with pytest.raises(ValueError, match=said):
        explain(table, item, history)


def test_the_picture_grows_with_the_history(tmp_path: Path) -> None:
    table, _ = make_table(tmp_path)
    heights = []
    for history in (["item 1"], ["item 1", "item 2", "item 3"]):
        found = explain(table, "item 0", history)
        png = render_relations(
            "高兴 $x$",
            [r.label for r in found.relations],
            cosines=[r.cosine for r in found.relations],
            histograms=[r.histogram for r in found.relations],
            notes=["1"] * len(history),
            title="",
        )
        heights.append(Image.open(io.BytesIO(png)).height)
    assert heights[0] < heights[1]
