"""Trainings repeated in one process, as in a notebook: directories, and what an ended training leaves."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import paddle
import psutil
import pytest
from callback_training import LABELS, Bag, fit, make_model
from visualdl import LogReader

from visualdl_embedding import EmbeddingCallback, EmbeddingMonitor, open_run
from visualdl_embedding.alerts import Above
from visualdl_embedding.logs import log_files

HERE = Path(__file__).resolve().parent
QUICK: dict[str, Any] = {"vocabulary": LABELS, "methods": (), "background": False}


class Dies(paddle.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self.error = error

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        if step == 2:
            raise self.error("out of memory")


def die(*callbacks: Any, error: type[BaseException] = RuntimeError, **options: Any) -> None:
    with pytest.raises(error, match="out of memory"):
        fit(*callbacks, Dies(error), **options)


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "visualdl_embedding.training.worker" in child.cmdline()]


def recorders() -> int:
    return sum(thread.name == "embedding-recorder" for thread in threading.enumerate())


def loss_steps(log_dir: Path) -> list[int]:
    (path,) = log_files(log_dir)
    return [record.id for record in LogReader(file_path=str(path)).get_data("scalar", "train/loss")]


def test_a_cell_that_runs_again_records_in_a_numbered_directory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        theirs = paddle.callbacks.VisualDL(str(tmp_path / "run"))
        ours = EmbeddingCallback(tmp_path / "run", **QUICK)
        fit(theirs, ours, epochs=1)
    assert ours.run_dir_ == tmp_path / "run-3"
    for name in ("run", "run-2", "run-3"):
        assert open_run(tmp_path / name).steps("word") == [0, 8]
        assert loss_steps(tmp_path / name) == list(range(1, 9))
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2
    assert "this one is recorded in " in lines[0]
    assert all(word in lines[0] for word in ("run-2", "resume=True", "overwrite=True"))


def test_a_monitor_that_runs_again_records_in_a_numbered_directory(tmp_path: Path) -> None:
    for _ in range(2):
        with EmbeddingMonitor(Bag(), tmp_path / "run", **QUICK) as monitor:
            monitor.step(loss=1.0)
    assert monitor.run_dir_ == tmp_path / "run-2"
    assert open_run(tmp_path / "run-2").steps("word") == [0, 1]
    assert loss_steps(tmp_path / "run-2") == [1]


def test_overwrite_moves_the_earlier_run_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "model.pdparams").write_bytes(b"a checkpoint of the user")
    for epochs in (2, 1):
        theirs = paddle.callbacks.VisualDL(str(tmp_path))
        fit(theirs, EmbeddingCallback(tmp_path, overwrite=True, **QUICK), epochs=epochs)
    assert open_run(tmp_path).steps("word") == [0, 8]
    assert loss_steps(tmp_path) == list(range(1, 9))
    assert len(list((tmp_path / "superseded-1" / "tables" / "word").glob("snapshot-*"))) == 3
    assert not log_files(tmp_path / "superseded-1")
    assert (tmp_path / "model.pdparams").exists()
    assert [record.message for record in caplog.records] == [
        f"The earlier run was moved to {tmp_path / 'superseded-1'}, because of overwrite=True."
    ]


def test_overwrite_and_resume_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Give one of the two"):
        EmbeddingCallback(tmp_path, resume=True, overwrite=True)


def test_the_same_callback_continues_with_the_same_network_only(tmp_path: Path) -> None:
    callback, theirs = EmbeddingCallback(tmp_path / "run", **QUICK), paddle.callbacks.VisualDL(str(tmp_path / "run"))
    model = fit(callback, theirs, epochs=1)
    fit(callback, theirs, model=model, epochs=1)
    run = open_run(tmp_path / "run")
    assert run.steps("word") == [0, 8, 16]
    assert loss_steps(tmp_path / "run") == list(range(1, 17))
    assert run.snapshot("word", 16).row_values["lookups"].sum() == 2 * 64 * 6
    other = fit(callback, epochs=1)
    assert callback.run_dir_ == tmp_path / "run-2"
    fit(callback, model=other, epochs=1)
    assert open_run(tmp_path / "run-2").steps("word") == [0, 8, 16]


@pytest.mark.parametrize("given", [True, False])
def test_the_same_callback_continues_in_the_numbered_directory(tmp_path: Path, given: bool) -> None:
    run, again = tmp_path / "run", tmp_path / "run-2"
    fit(EmbeddingCallback(run, **QUICK), epochs=1)
    callback, theirs = EmbeddingCallback(run if given else None, **QUICK), paddle.callbacks.VisualDL(str(run))
    model = fit(callback, theirs, epochs=1)
    fit(callback, theirs, model=model, epochs=1)
    assert callback.run_dir_ == again
    assert open_run(again).steps("word") == [0, 8, 16]
    assert loss_steps(again) == list(range(1, 17))


def test_the_same_callback_continues_after_an_exception(tmp_path: Path) -> None:
    model, callback = make_model(), EmbeddingCallback(tmp_path, every_n_steps=2, **QUICK)
    die(callback, model=model)
    fit(callback, model=model, epochs=1)
    assert open_run(tmp_path).steps("word") == [0, 2, 3, 4, 6, 8, 10, 11]  # it died after batch 3


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_training_that_died_is_closed_when_another_begins(tmp_path: Path, error: type[BaseException]) -> None:
    options = {**QUICK, "background": True}
    dead = EmbeddingCallback(tmp_path / "a", **options)  # kept, as a notebook keeps its variables
    die(dead, error=error)
    assert (len(workers()), recorders()) == (1, 1)
    with EmbeddingMonitor(Bag(), tmp_path / "b", **QUICK):
        assert (len(workers()), recorders()) == (0, 0)
    assert open_run(tmp_path / "a").steps("word") == [0]
    die(EmbeddingCallback(tmp_path / "c", **options), error=error)
    gc.collect()  # now the callback is gone, and its recorder is not
    assert (len(workers()), recorders()) == (1, 1)
    fit(EmbeddingCallback(tmp_path / "d", **QUICK), epochs=1)
    assert (len(workers()), recorders()) == (0, 0)


def test_two_callbacks_of_one_training_do_not_close_each_other(tmp_path: Path) -> None:
    ours = [EmbeddingCallback(tmp_path / name, **QUICK) for name in "ab"]
    fit(*ours, epochs=1)
    for name in "ab":
        assert open_run(tmp_path / name).steps("word") == [0, 8]


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_callbacks_of_one_training_need_two_directories(tmp_path: Path, overwrite: bool) -> None:
    ours = [EmbeddingCallback(tmp_path, overwrite=overwrite, **QUICK) for _ in range(2)]
    with pytest.raises(FileExistsError, match=r"is in use: another callback or monitor .* records word there"):
        fit(*ours, epochs=1)
    towers = make_model(paddle.nn.Sequential(paddle.nn.Embedding(60, 8), paddle.nn.Flatten(), paddle.nn.Linear(48, 3)))
    both = [
        EmbeddingCallback(tmp_path / "b", tables=name, **{**QUICK, "vocabulary": None}) for name in ("0", "2.weight")
    ]
    fit(*both, model=towers, epochs=1)
    assert open_run(tmp_path / "b").tables() == ["0", "2.weight"]


def test_trainings_within_and_beside_a_training_do_not_close_it(tmp_path: Path) -> None:
    class Searches(paddle.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            if step == 1:
                fit(EmbeddingCallback(tmp_path / "inner", **QUICK), epochs=1)
                beside = threading.Thread(target=self.begin_another)
                beside.start()
                beside.join()

        def begin_another(self) -> None:
            with EmbeddingMonitor(Bag(), tmp_path / "beside", **QUICK) as monitor:
                monitor.step()

    fit(EmbeddingCallback(tmp_path / "outer", every_n_steps=1, **QUICK), Searches(), epochs=1)
    assert open_run(tmp_path / "outer").steps("word") == list(range(9))
    assert open_run(tmp_path / "inner").steps("word") == [0, 8]
    assert open_run(tmp_path / "beside").steps("word") == [0, 1]


def test_a_second_fit_of_the_same_model_closes_the_first_that_died(tmp_path: Path) -> None:
    model = make_model()
    dead = EmbeddingCallback(tmp_path / "a", **QUICK)
    die(dead, model=model)
    (hooks,) = [layer._forward_post_hooks for layer in [model.network.word]]
    assert len(hooks) == 1
    fit(EmbeddingCallback(tmp_path / "b", **QUICK), model=model, epochs=1)
    assert not hooks
    assert dead.session_ is not None
    assert open_run(tmp_path / "b").snapshot("word", 8).row_values["lookups"].sum() == 64 * 6


def test_a_training_that_died_leaves_neither_hooks_nor_table_when_its_callback_is_freed(tmp_path: Path) -> None:
    model, functional = make_model(), paddle.nn.functional.embedding
    table, hooks = weakref.ref(model.network.word.weight), model.network.word._forward_post_hooks
    die(EmbeddingCallback(tmp_path, **QUICK), model=model)
    gc.collect()
    assert not hooks
    assert paddle.nn.functional.embedding is functional
    del model
    gc.collect()
    assert table() is None


def test_the_table_of_a_training_that_died_is_freed_when_another_begins(tmp_path: Path) -> None:
    model = make_model()
    table, kept = weakref.ref(model.network.word.weight), EmbeddingCallback(tmp_path / "a", **QUICK)
    die(kept, model=model)
    kept.model = None
    del model
    gc.collect()
    fit(EmbeddingCallback(tmp_path / "b", **QUICK), epochs=1)
    assert table() is None


MEMORY = """
    import os, sys
    sys.path.insert(0, {here!r})
    import paddle, psutil
    from test_reruns import Dies
    from callback_training import GROUPS
    from visualdl_embedding import EmbeddingCallback

    ROWS, DIM = 400_000, 64  # 102 MB

    class Wide(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.word = paddle.nn.Embedding(ROWS, DIM, sparse=True)
            self.head = paddle.nn.Linear(DIM, GROUPS)

        def forward(self, ids):
            return self.head(self.word(ids).mean(axis=1))

    class Data(paddle.io.Dataset):
        def __getitem__(self, i):
            return paddle.arange(6), paddle.to_tensor([i % GROUPS])

        def __len__(self):
            return 32

    def once(number):
        model = paddle.Model(Wide())
        model.prepare(paddle.optimizer.SGD(0.1, parameters=model.parameters()), paddle.nn.CrossEntropyLoss())
        callback = EmbeddingCallback(f"run-{{number}}", methods=())
        try:
            model.fit(Data(), batch_size=8, verbose=0, callbacks=[callback, Dies()])
        except RuntimeError as error:
            sys.last_value = error  # as a notebook does, with all variables of the frames

    used = []
    for number in range(5):
        once(number)
        used.append(psutil.Process().memory_info().rss)
    children = psutil.Process().children(recursive=True)
    print(len(children), *((after - used[0]) // 1_000_000 for after in used))
"""


@pytest.mark.slow
def test_trainings_that_died_leave_one_table_and_one_process(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(MEMORY).format(here=str(HERE)), "utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    children, *grown = map(int, done.stdout.split())
    assert children == 1  # of the last training
    assert max(grown) < 130, grown  # the traceback that a notebook keeps holds the last training
    assert grown[-1] - grown[1] < 20, grown


EXIT = """
    import sys
    sys.path.insert(0, {here!r})
    import time
    from callback_training import LABELS, Bag
    from visualdl_embedding import EmbeddingMonitor

    open_ones = []
    for name in "abc":
        monitor = EmbeddingMonitor(Bag(), name, vocabulary=LABELS, methods=("umap",))
        monitor.__enter__()
        for _ in range(30):
            monitor.step()
        open_ones.append(monitor)
    print(time.time(), flush=True)
"""


@pytest.mark.soak
def test_all_open_trainings_share_one_time_limit_at_exit(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(EXIT).format(here=str(HERE)), "utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    took = time.time() - float(done.stdout)
    assert done.returncode == 0, done.stderr
    assert took < 12, took  # three limits of 5 s would take 15
    for name in "abc":
        assert max(open_run(tmp_path / name).steps("word")) == 26  # the last that was due


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_stop_on_ends_the_training_after_the_batch_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, severity: Any
) -> None:
    rules = [Above("norm_mean", 0.0, name=name, severity=severity) for name in ("one", "two")]
    callback = EmbeddingCallback(tmp_path, every_n_steps=3, alerts=rules, stop_on="warning", **QUICK)
    evaluated: list[int] = []

    class Evaluates(paddle.callbacks.Callback):  # type: ignore[misc]
        def on_eval_batch_end(self, step: int, logs: Any = None) -> None:
            evaluated.append(step)

    model = make_model()
    with caplog.at_level(logging.WARNING, "visualdl_embedding"):
        fit(callback, Evaluates(), model=model, epochs=5, eval_data=fit_data())
    assert open_run(tmp_path).steps("word") == [0, 1]  # the alerts of step 0 arrive after batch 1
    assert evaluated == list(range(8))  # the evaluation after the epoch is whole
    assert sum("Training stops" in record.message for record in caplog.records) == 1
    # The next training of this model is not cut short.
    fit(model=model, epochs=2)
    assert not model.stop_training


def fit_data() -> Any:
    from callback_training import Sentences

    return paddle.io.DataLoader(Sentences(), batch_size=8)


def test_a_stop_keeps_the_limit_that_fit_was_given(tmp_path: Path) -> None:
    rule = Above("norm_mean", 1e9, name="never", severity="critical")
    fit(EmbeddingCallback(tmp_path, alerts=rule, stop_on="critical", **QUICK), epochs=2, num_iters=11)
    assert max(open_run(tmp_path).steps("word")) == 11
