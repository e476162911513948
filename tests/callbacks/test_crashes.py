"""Trainings that end badly: what they leave must open, and no process may stay behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from visualdl import LogReader

from visualdl_embedding import open_run
from visualdl_embedding.logs import log_files, repair

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

TRAINING = """
    import sys, time
    sys.path.insert(0, {here!r})
    import paddle
    from callback_training import LABELS, fit
    from visualdl_embedding.callbacks import EmbeddingCallback

    class Slow(paddle.callbacks.Callback):
        def on_train_batch_end(self, step, logs=None):
            print("batch", flush=True)
            time.sleep({pause})

    fit(
        paddle.callbacks.VisualDL({run!r}),
        EmbeddingCallback({run!r}, vocabulary=LABELS, every_n_steps=2, methods={methods!r}, perplexity=5, {more}),
        Slow(),
        epochs={epochs},
    )
    print("trained", flush=True)
"""


class Training:
    """A training script without a main guard, in a process of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        pause: float = 0.05,
        epochs: int = 1000,
        methods: tuple[str, ...] = ("pca",),
        more: str = "",
        run: Path | None = None,
    ) -> None:
        self.run = run or folder / "run"
        script = folder / "train.py"
        values = {"here": str(HERE), "run": str(self.run), "pause": pause, "epochs": epochs, "methods": methods}
        script.write_text(textwrap.dedent(TRAINING).format(**values, more=more), "utf-8")
        self.output = folder / "output.txt"
        with self.output.open("wb") as output:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                # A shell's background job, which a test run may be, has Ctrl-C switched off for all its children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def wait_for(self, condition: Callable[[], bool], *, timeout: float = 300) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, self.output.read_text("utf-8", "replace")
            assert time.monotonic() < deadline, self.output.read_text("utf-8", "replace")
            time.sleep(0.05)

    def wait_for_analyses(self, number: int) -> None:
        """Wait, and let the worker compute on a busy machine, where a process of its priority gets no time."""

        def done() -> bool:
            for worker in self.workers():
                raise_priority(worker)
            return self.analyzed() >= number

        self.wait_for(done)

    def analyzed(self) -> int:
        return len(list(self.run.glob("embeddings/word/analysis-*.safetensors")))

    def workers(self) -> list[psutil.Process]:
        return [p for p in psutil.Process(self.process.pid).children(recursive=True) if is_worker(p)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "visualdl_embedding.training.worker" in process.cmdline()
    except psutil.Error:  # it ended while we looked
        return False


def raise_priority(worker: psutil.Process) -> None:
    """Undo what a worker does at its start; nothing where the system does not allow it."""
    autogroup = Path(f"/proc/{worker.pid}/autogroup")
    with contextlib.suppress(OSError, psutil.Error):
        if worker.nice() == 19:
            worker.nice(0)
        if autogroup.read_text("ascii").split()[-1] == "19":
            autogroup.write_text("0", "ascii")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Training]]:
    trainings: list[Training] = []

    def begin(**arguments: object) -> Training:
        trainings.append(Training(tmp_path, **arguments))  # type: ignore[arg-type]
        return trainings[-1]

    yield begin
    for training in trainings:
        if training.process.poll() is None:
            training.process.kill()
        training.process.wait()


def assert_all_can_be_read(run_path: Path) -> None:
    """The store opens, and VisualDL's reader reads its log after the repair that a resume makes."""
    run = open_run(run_path)
    steps = run.steps("word", analyzed=True)
    assert steps
    for step in run.steps("word"):
        run.snapshot("word", step)
    for step in steps:
        run.projection("word", step, "pca")
    for path in log_files(run_path):
        repair(path)
        found = LogReader(file_path=str(path)).get_tags()
        assert "train/loss" in found["scalar"]
        assert "embedding/word/norm_mean" in found["scalar"]
    assert not list(run_path.rglob("*.tmp*"))


def gone(processes: list[psutil.Process], timeout: float = 60) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    return not alive


def test_an_unguarded_script_runs_once(start: Callable[..., Training]) -> None:
    training = start(pause=0, epochs=1)
    assert training.process.wait(300) == 0
    assert training.output.read_text("utf-8").count("trained") == 1
    assert_all_can_be_read(training.run)


def test_kill_9_of_the_training_leaves_no_process_and_a_run_that_resumes(
    start: Callable[..., Training], tmp_path: Path
) -> None:
    training = start()
    training.wait_for_analyses(2)
    workers = training.workers()
    assert len(workers) == 1
    training.process.kill()
    training.process.wait()
    assert gone(workers)
    steps = open_run(training.run).steps("word")
    # The script has no checkpoint: its network begins anew, so the step is given.
    again = start(pause=0, epochs=1, more=f"resume=True, initial_step={max(steps)}")
    assert again.process.wait(300) == 0, again.output.read_text("utf-8")
    assert_all_can_be_read(training.run)
    assert open_run(training.run).steps("word")[: len(steps)] == steps
    assert max(open_run(training.run).steps("word")) == max(steps) + 8


@pytest.mark.slow
def test_kill_9_while_the_worker_is_deep_in_an_analysis(start: Callable[..., Training]) -> None:
    training = start(methods=("umap",), epochs=1000, pause=1.0)
    training.wait_for(lambda: bool(training.workers()))
    workers = training.workers()

    def computed() -> bool:
        raise_priority(workers[0])
        return bool(workers[0].cpu_times().user > 1.5)

    training.wait_for(computed)
    training.process.kill()
    training.process.wait()
    assert gone(workers)


@pytest.mark.slow
def test_the_worker_gives_way_to_the_training(start: Callable[..., Training]) -> None:
    training = start(pause=1.0)
    training.wait_for(lambda: training.analyzed() >= 1, timeout=500)
    (worker,) = training.workers()
    assert worker.nice() == 19
    autogroup = Path(f"/proc/{worker.pid}/autogroup")
    if autogroup.exists():
        assert autogroup.read_text().split()[-1] == "19"


@pytest.mark.slow
def test_a_killed_worker_is_started_again(start: Callable[..., Training]) -> None:
    training = start(epochs=60)
    training.wait_for_analyses(1)
    (worker,) = training.workers()
    worker.kill()
    before = training.analyzed()
    training.wait_for_analyses(before + 1)
    assert training.process.wait(300) == 0
    output = training.output.read_text("utf-8")
    assert "analysis process died" in output
    assert output.count("trained") == 1
    assert_all_can_be_read(training.run)
    assert max(open_run(training.run).steps("word", analyzed=True)) == 480


@pytest.mark.slow
def test_a_worker_that_always_dies_ends_the_analyzes_not_the_training(
    start: Callable[..., Training], tmp_path: Path
) -> None:
    training = start(epochs=6, pause=0.4)
    deaths = 0
    while deaths < 4:
        training.wait_for(lambda: bool(training.workers()))
        for worker in training.workers():
            worker.kill()
            assert gone([worker])
            deaths += 1
    assert training.process.wait(300) == 0
    output = training.output.read_text("utf-8")
    assert "Analysis is switched off" in output
    assert "trained" in output
    assert open_run(training.run).steps("word") == list(range(0, 49, 2))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_terminate(start: Callable[..., Training], number: int) -> None:
    training = start()
    training.wait_for_analyses(2)
    workers = training.workers()
    training.process.send_signal(number)
    training.process.wait(60)
    assert training.process.returncode != 0
    assert gone(workers)
    assert_all_can_be_read(training.run)


@pytest.mark.slow
def test_a_full_disk_ends_the_recording_not_the_training(start: Callable[..., Training], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    try:
        training = start(run=disk / "run", epochs=20, pause=0.05)
        assert training.process.wait(300) == 0, training.output.read_text("utf-8")
        output = training.output.read_text("utf-8")
        assert output.count("batch") == 160
        assert output.count("no longer recorded") == 1
        assert "No space left" in output
        assert "Traceback" not in output
        (disk / "room").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert_all_can_be_read(training.run)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_notebook(tmp_path: Path) -> None:
    import nbclient
    import nbformat

    cell = textwrap.dedent(f"""
        import sys
        sys.path[:0] = [{str(HERE)!r}, {str(ROOT)!r}]
        from callback_training import LABELS, fit
        from visualdl_embedding.callbacks import EmbeddingCallback
        fit(EmbeddingCallback("run", vocabulary=LABELS, methods=("pca",)), epochs=1)
    """)
    read = 'from visualdl_embedding import open_run\nprint(open_run("run").steps("word", analyzed=True))'
    again = 'print(open_run("run-2").steps("word", analyzed=True))'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (cell, read, cell, again)])
    nbclient.NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "[0, 8]" in notebook.cells[1].outputs[0].text
    assert "[0, 8]" in notebook.cells[3].outputs[0].text
