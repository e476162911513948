"""Plain loops and static programs: steps, losses, schedules, endings."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import LABELS, Bag, D, Sentences, V
from visualdl import LogReader, LogWriter

from visualdl_embedding import EmbeddingMonitor, open_model, open_run
from visualdl_embedding.alerts import Above
from visualdl_embedding.logs import log_files

ROOT = Path(__file__).resolve().parents[2]
QUICK: dict[str, Any] = {"vocabulary": LABELS, "methods": (), "background": False}


class Loop:
    """Network, optimizer and 8 batches."""

    def __init__(self) -> None:
        paddle.seed(0)
        self.network = Bag()
        self.optimizer = paddle.optimizer.Adam(0.01, parameters=self.network.parameters())
        self.batches = paddle.io.DataLoader(Sentences(), batch_size=8)

    def train(self, batch: Any) -> paddle.Tensor:
        ids, classes = batch
        loss = paddle.nn.functional.cross_entropy(self.network(ids), classes)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return loss


def losses(log_dir: Path) -> dict[int, float]:
    (path,) = log_files(log_dir)
    return {record.id: record.value for record in LogReader(file_path=str(path)).get_data("scalar", "train/loss")}


def test_a_loop_counts_its_batches_and_logs_its_loss_in_one_file(tmp_path: Path) -> None:
    loop, expected = Loop(), []
    with EmbeddingMonitor(loop.network, tmp_path, every_n_steps=3, **QUICK) as monitor:
        for batch in loop.batches:
            loss = loop.train(batch)
            expected.append(float(loss))
            monitor.step(loss=loss if len(expected) % 2 else float(loss))
    run = open_run(tmp_path)
    assert run.steps("word") == [0, 3, 6, 8]
    assert losses(tmp_path) == pytest.approx(dict(enumerate(expected, 1)), rel=1e-6)
    assert run.snapshot("word", 8).row_values["lookups"].sum() == 64 * 6
    assert np.array_equal(run.snapshot("word", 8).vectors, loop.network.word.weight.numpy())


def test_a_loss_that_is_not_finite_is_left_out_and_recording_goes_on(tmp_path: Path) -> None:
    loop = Loop()
    with EmbeddingMonitor(loop.network, tmp_path, **QUICK) as monitor:
        for loss in (1.0, float("nan"), paddle.to_tensor(float("inf")), 2.0):
            monitor.step(loss=loss)
    assert losses(tmp_path) == {1: 1.0, 4: 2.0}
    assert open_run(tmp_path).steps("word") == [0, 1, 2, 3, 4]


def test_an_iterable_counts_batches_and_epochs(tmp_path: Path) -> None:
    loop = Loop()
    with EmbeddingMonitor(loop.network, tmp_path, every_n_epochs=2, **QUICK) as monitor:
        for _ in range(3):
            for batch in monitor.iterate(loop.batches):
                loop.train(batch)
    assert open_run(tmp_path).steps("word") == [0, 16, 24]


def test_a_batch_counts_once_with_step_and_after_break(tmp_path: Path) -> None:
    loop = Loop()
    with EmbeddingMonitor(loop.network, tmp_path, every_n_steps=1000, **QUICK) as monitor:
        for number, batch in enumerate(monitor.iterate(loop.batches)):
            loss = loop.train(batch)
            if number % 2:
                monitor.step(loss=loss)
            if number == 4:
                break
        assert monitor.session_ is not None
        assert monitor.session_.step == 4
    assert open_run(tmp_path).steps("word") == [0, 5]
    assert list(losses(tmp_path)) == [2, 4]


def test_epochs_of_a_loop_are_said_by_the_loop(tmp_path: Path) -> None:
    loop = Loop()
    with EmbeddingMonitor(loop.network, tmp_path, every_n_epochs=1, **QUICK) as monitor:
        for _ in range(2):
            for _ in range(3):
                monitor.step()
            monitor.end_epoch()
        monitor.step()
    assert open_run(tmp_path).steps("word") == [0, 3, 6, 7]


@pytest.mark.parametrize("iterates", [True, False])
def test_an_alert_stops_the_loop_after_its_batch(tmp_path: Path, iterates: bool) -> None:
    loop, trained = Loop(), 0
    rule = Above("norm_mean", 0.0, name="always", severity="critical")
    with EmbeddingMonitor(loop.network, tmp_path, every_n_steps=1, alerts=rule, stop_on="critical", **QUICK) as monitor:
        for batch in monitor.iterate(loop.batches) if iterates else loop.batches:
            loop.train(batch)
            trained += 1
            if not iterates:
                monitor.step()
                if monitor.should_stop:
                    break
        assert monitor.should_stop
    assert open_run(tmp_path).steps("word") == list(range(trained + 1))
    assert trained == 1  # the alert of step 0 is delivered after the first batch


def test_a_batch_outside_the_block_is_an_error(tmp_path: Path) -> None:
    monitor = EmbeddingMonitor(Bag(), tmp_path, **QUICK)
    with pytest.raises(RuntimeError, match=r"step was called outside the with block of the monitor"):
        monitor.step(loss=1.0)
    with monitor:
        monitor.step(loss=1.0)
    with pytest.raises(RuntimeError, match="outside the with block"):
        monitor.step(loss=1.0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_block_soon_and_keeps_what_is_stored(
    tmp_path: Path, error: type[BaseException]
) -> None:
    loop = Loop()
    options = {**QUICK, "background": True, "methods": ("pca", "umap")}
    monitor = EmbeddingMonitor(loop.network, tmp_path, every_n_steps=2, **options)

    def train() -> None:
        with monitor:
            for number, batch in enumerate(monitor.iterate(loop.batches)):
                loop.train(batch)
                if number == 4:
                    raise error("out of data")

    began = time.monotonic()
    with pytest.raises(error, match="out of data"):
        train()
    assert time.monotonic() - began < 30
    assert monitor.session_ is None
    assert open_run(tmp_path).steps("word") == [0, 2, 4]


def test_an_exception_is_not_hidden_by_an_error_of_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def train() -> None:
        with EmbeddingMonitor(Bag(), tmp_path, on_error="raise", **QUICK) as monitor:
            assert monitor.session_ is not None
            monitor.session_._recorder.error = OSError("no space left")
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        train()
    assert "could not be closed (OSError: no space left)" in caplog.text


def test_a_writer_of_the_user_gives_the_directory_and_stays_open(tmp_path: Path) -> None:
    loop, writer = Loop(), LogWriter(str(tmp_path))
    with EmbeddingMonitor(loop.network, writer=writer, **QUICK) as monitor:
        monitor.step(loss=0.5)
    writer.add_scalar("mine", 1.0, 3)
    writer.close()
    assert losses(tmp_path) == {1: 0.5}
    (path,) = log_files(tmp_path)
    assert "mine" in LogReader(file_path=str(path)).get_tags()["scalar"]
    with pytest.raises(ValueError, match="No log_dir was given, and there is no writer"), EmbeddingMonitor(Bag()):
        pass


def test_two_monitors_of_one_program_record_side_by_side(tmp_path: Path) -> None:
    one, two = Loop(), Loop()
    with EmbeddingMonitor(one.network, tmp_path / "a", **QUICK) as first:
        with EmbeddingMonitor(two.network, tmp_path / "b", **QUICK) as second:
            for batch in one.batches:
                first.step(loss=one.train(batch))
                second.step(loss=two.train(batch))
        first.step()
    assert max(open_run(tmp_path / "a").steps("word")) == 9
    assert max(open_run(tmp_path / "b").steps("word")) == 8


@pytest.mark.filterwarnings("ignore:The program will return to single-card operation")
def test_tables_of_data_parallel_networks_have_the_names_of_one_process(tmp_path: Path) -> None:
    loop = Loop()
    with EmbeddingMonitor(loop.network, tmp_path, **QUICK) as monitor:
        monitor.step()
    with EmbeddingMonitor(paddle.DataParallel(loop.network), tmp_path, resume=True, **QUICK) as monitor:
        monitor.step()
    assert open_run(tmp_path).tables() == ["word"]
    assert open_run(tmp_path).steps("word") == [0, 1, 2]


def test_a_second_block_of_the_same_monitor_continues(tmp_path: Path) -> None:
    loop = Loop()
    monitor = EmbeddingMonitor(loop.network, tmp_path, every_n_steps=4, **QUICK)
    for _ in range(2):
        with monitor:
            for batch in monitor.iterate(loop.batches):
                monitor.step(loss=loop.train(batch))
    assert open_run(tmp_path).steps("word") == [0, 4, 8, 12, 16]
    assert list(losses(tmp_path)) == list(range(1, 17))


@pytest.fixture
def program() -> Iterator[tuple[Any, Any, Any]]:
    """Static program that trains a table, its loss, and the name of the table's variable."""
    paddle.enable_static()
    try:
        main, startup = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(main, startup), paddle.static.scope_guard(paddle.static.Scope()):
            ids = paddle.static.data("ids", [None, 6], "int64")
            layer = paddle.nn.Embedding(V, D)
            loss = (layer(ids) ** 2).mean()
            paddle.optimizer.SGD(0.5).minimize(loss)
            paddle.static.Executor().run(startup)
            yield main, loss, layer.weight.name
    finally:
        paddle.disable_static()


def test_a_static_program_is_recorded_over_its_scope(tmp_path: Path, program: tuple[Any, Any, Any]) -> None:
    main, loss, name = program
    scope, executor = paddle.static.global_scope(), paddle.static.Executor()
    tables = {"word": name}
    with EmbeddingMonitor(scope, tmp_path, tables=tables, every_n_steps=2, **QUICK) as monitor:
        for ids in monitor.iterate(Sentences().ids.reshape(8, 8, 6)):
            (value,) = executor.run(main, feed={"ids": ids}, fetch_list=[loss])
            monitor.step(loss=value)
    assert not paddle.in_dynamic_mode()
    run = open_run(tmp_path)
    assert run.steps("word") == [0, 2, 4, 6, 8]
    assert np.array_equal(run.snapshot("word", 8).vectors, np.array(scope.find_var(name).get_tensor()))
    assert not np.array_equal(run.snapshot("word", 8).vectors, run.snapshot("word", 6).vectors)
    assert list(losses(tmp_path)) == list(range(1, 9))


def test_a_scope_needs_the_names_of_its_variables(program: tuple[Any, Any, Any]) -> None:
    scope = paddle.static.global_scope()
    with pytest.raises(ValueError, match=r"does not tell which of its variables are tables. Name them"):
        open_model(scope)
    with pytest.raises(ValueError, match=r"holds no value of 'wrod' for the table 'wrod'"):
        open_model(scope, table="wrod")
    model = open_model(scope, table=[program[2]], vocabulary=LABELS)
    assert (model.source, str(model.table().table)) == ("scope", f"{program[2]} (60 × 8, float32)")
    assert len(model.table().closest("词1", k=3)) == 3


def test_the_example_of_a_loop_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "plain_loop.py"), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "steps: [0, 10, 20, 30, 40]" in done.stdout
    assert len(losses(tmp_path / "run")) == 40
