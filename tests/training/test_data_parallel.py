"""Trainings on two data-parallel ranks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from data_parallel import MOST_EPOCHS
from launching import HERE, launch, results

from visualdl_embedding import Run, open_run
from visualdl_embedding.training.history import TrainingHistory

sys.path.insert(0, str(HERE.parent / "callbacks"))
from callback_training import Bag, Sentences

STEPS = 8
"""Batches of each rank in two epochs of 64 sentences."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks")
    launch(HERE / "data_parallel.py", path, folder=path)
    return path


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    return results(folder)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return open_run(folder / "a")


@pytest.fixture(scope="module")
def alone() -> tuple[np.ndarray, TrainingHistory]:
    """The same training in one process: both ranks' batches one after the other, then a step of their mean gradient."""
    paddle.seed(0)
    network, sentences = Bag(), Sentences()
    optimizer = paddle.optimizer.Adam(0.01, parameters=network.parameters())
    history = TrainingHistory(network.word, np.arange(20))
    for _ in range(2):
        for begin in range(0, len(sentences), 16):
            for half in (begin, begin + 8):
                logits = network(paddle.to_tensor(sentences.ids[half : half + 8]))
                classes = paddle.to_tensor(sentences.classes[half : half + 8, None].astype("int64"))
                paddle.nn.functional.cross_entropy(logits, classes).backward()
            with paddle.no_grad():
                for parameter in network.parameters():
                    parameter.grad.scale_(0.5)
            optimizer.step()
            optimizer.clear_grad()
    return network.word.weight.numpy(), history


def test_counts_are_those_of_one_process(run: Run, alone: tuple[np.ndarray, TrainingHistory]) -> None:
    snapshot, counts = run.snapshot("word", STEPS), alone[1].take()
    assert snapshot.counters["forwards"] == counts.forwards == 2 * STEPS
    np.testing.assert_array_equal(snapshot.row_values["lookups"], counts.lookups)
    np.testing.assert_allclose(snapshot.row_values["gradient_mean"], counts.gradient_mean, rtol=1e-3)


def test_vectors_are_those_of_one_process(
    run: Run, ranks: list[dict[str, Any]], alone: tuple[np.ndarray, TrainingHistory]
) -> None:
    np.testing.assert_allclose(run.snapshot("word", STEPS).vectors, alone[0][:20], atol=1e-4)
    for rank in ranks:
        np.testing.assert_allclose(rank["weight"], alone[0], atol=1e-4)


def test_only_rank_0_reads_the_vocabulary_and_writes(run: Run) -> None:
    assert run.steps("word") == [0, 2, 4, 6, 8]
    assert run.snapshot("word", 0).labels[0] == "词0"


def test_all_ranks_refuse_what_rank_0_refuses(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["used"][0] == "FileExistsError"
        assert "resume=True" in rank["used"][1]
        assert rank["foreground"] == ["ValueError", ranks[0]["foreground"][1]]
        assert "background=False" in rank["foreground"][1]


def test_all_ranks_refuse_what_another_rank_refuses(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert "No paddle.nn.Embedding was found in Bare" in rank["one without tables"][1]


def test_all_ranks_stop_after_the_same_batch(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["stopped"] is not None
    assert ranks[0]["stopped"] == ranks[1]["stopped"]
    assert ranks[0]["trained"] == ranks[1]["trained"] < MOST_EPOCHS * 4


def test_training_continues_when_rank_0_cannot_write_until_a_late_alert_stops_both(
    ranks: list[dict[str, Any]],
) -> None:
    assert [rank["trained without a folder"] for rank in ranks] == [17, 17]


@pytest.mark.slow
def test_the_end_may_take_longer_than_a_collective(tmp_path: Path) -> None:
    launch(HERE / "slow_end.py", tmp_path, "slow", folder=tmp_path)
    seconds = [rank["seconds"] for rank in results(tmp_path)]
    assert min(seconds) > 31, "the training ended before gloo's 30 s were over"
    assert max(seconds) < 100
    assert open_run(tmp_path / "run").steps("word") == [0, 4]


@pytest.mark.slow
def test_rank_0_records_alone_if_the_others_lack_the_callback(tmp_path: Path) -> None:
    launch(HERE / "slow_end.py", tmp_path, "only rank 0", folder=tmp_path)
    run = open_run(tmp_path / "run")
    assert run.steps("word") == [0, 4]
    assert run.snapshot("word", 4).counters["forwards"] == 4
    assert "Rank 0 records alone" in (tmp_path / "launch" / "workerlog.0").read_text()


@pytest.mark.slow
def test_the_example_counts_the_lookups_of_both_processes(tmp_path: Path) -> None:
    launch(HERE.parents[1] / "examples" / "launch_two_processes.py", tmp_path / "run", folder=tmp_path)
    run = open_run(tmp_path / "run")
    assert run.steps("word") == [0, 20, 40, 60]
    last = run.snapshot("word", 60)
    assert last.row_values["lookups"].sum() == 3 * 2000 * 6
    assert last.counters["forwards"] == 2 * 60
