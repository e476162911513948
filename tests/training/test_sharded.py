"""Trainings with tables that are spread over two or four ranks, against the same table in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from launching import HERE, launch, results
from sharded import STEPS, Bag, D, N, V, table, train

from visualdl_embedding import open_run
from visualdl_embedding.training.history import HistoryCounts, TrainingHistory

ASKED = [0, 59, 29, 30, 31, 2]


def launched(folder: Path, size: int) -> tuple[Path, list[dict[str, Any]]]:
    launch(HERE / "sharded.py", folder, ranks=size, folder=folder)
    return folder, results(folder, ranks=size)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    return launched(tmp_path_factory.mktemp("two"), 2)


def alone(*, extra: int = 0) -> tuple[np.ndarray, HistoryCounts]:
    """Watched vectors and their counts at the end of the same training in one process."""
    network = Bag(paddle.nn.Embedding(V + extra, D))
    network.word.weight.set_value(np.concatenate([table(), table()[:extra]]))
    history = TrainingHistory(network.word, np.arange(N))
    train(network)
    return network.word.weight.numpy()[:N], history.take()


def test_gathered_rows_are_those_of_the_whole_table(two: tuple[Path, list[dict[str, Any]]]) -> None:
    for rank in two[1]:
        for name in ("gathered", "shard", "replicate"):
            np.testing.assert_array_equal(np.float32(rank[name]), table()[ASKED], name)
        assert rank["blocks"] == V


def test_a_recorded_training_is_that_of_one_process(two: tuple[Path, list[dict[str, Any]]]) -> None:
    found, (vectors, counts) = open_run(two[0] / "run").snapshot("word", STEPS), alone()
    np.testing.assert_allclose(found.vectors, vectors, atol=1e-5)
    assert found.counters["forwards"] == counts.forwards, "tensor-parallel ranks see the same ids"
    np.testing.assert_array_equal(found.row_values["lookups"], counts.lookups)
    np.testing.assert_allclose(found.row_values["gradient_mean"], counts.gradient_mean, rtol=1e-3)


def test_a_recorded_auto_parallel_training_is_that_of_one_process(two: tuple[Path, list[dict[str, Any]]]) -> None:
    found = open_run(two[0] / "mesh").snapshot("word", STEPS)
    np.testing.assert_allclose(found.vectors, alone(extra=1)[0], atol=1e-5)
    assert not found.row_values, "its lookups are not counted"


def test_other_placements_are_refused_on_every_rank(two: tuple[Path, list[dict[str, Any]]]) -> None:
    for rank in two[1]:
        assert "Shard(dim=1)" in rank["columns"]
        assert rank["training of columns"] == rank["columns"]


def test_an_error_on_one_rank_is_an_error_on_all(two: tuple[Path, list[dict[str, Any]]]) -> None:
    assert "not initialized" in two[1][1]["unreadable"]
    assert two[1][0]["unreadable"] == "Table 'embedding' could not be read on another rank."


@pytest.mark.slow
def test_four_ranks(tmp_path: Path) -> None:
    folder, ranks = launched(tmp_path, 4)
    for rank in ranks:
        for name in ("shard", "replicate", "grid"):
            np.testing.assert_array_equal(np.float32(rank[name]), table()[ASKED], name)
    found = open_run(folder / "mesh").snapshot("word", STEPS)
    np.testing.assert_allclose(found.vectors, alone(extra=1)[0], atol=1e-5)
