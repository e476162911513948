"""Holding the worker back where it slows the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import LogFile
from visualdl_embedding.store import TableStore
from visualdl_embedding.training import Recorder, RecorderSettings
from visualdl_embedding.training._governor import Governor, Slowdown

SPIN = "while True: pass"


class Switch:
    """A process as far as a governor turns it on and off."""

    def __init__(self) -> None:
        self.on = True

    def send_signal(self, number: int) -> None:
        self.on = number == signal.SIGCONT


def trained(
    governor: Governor, batch: float, ratio: Callable[[float], float], *, seconds: float, seed: int = 0
) -> tuple[float, float]:
    """Train on a clock of our own: the slowdown, and the share of the time in which the worker ran."""
    random = np.random.default_rng(seed)
    switch = Switch()
    governor.attach(switch)  # type: ignore[arg-type]
    governor.set_busy(True)
    now = alone = ran = 0.0
    governor.beat(now)
    while now < seconds:
        length = batch * random.lognormal(0.0, 0.2)
        took = length * ratio(now) if switch.on else length
        alone += length
        ran += took * switch.on
        now += took
        governor.beat(now)
    return now / alone, ran / now


@pytest.mark.parametrize("batch", [0.004, 0.05, 1.0])
@pytest.mark.parametrize("ratio", [1.1, 1.4, 2.0])
def test_a_training_is_slowed_by_no_more_than_the_share(batch: float, ratio: float) -> None:
    slowdown, ran = trained(Governor(0.03), batch, lambda _: ratio, seconds=max(60.0, 3000 * batch))
    # What is known of the training is known to some percent.
    assert slowdown < 1.045
    # Nor is the worker starved: it gets most of what the share allows.
    allowed = 0.03 / (1 - 1 / ratio)
    assert ran > 0.5 * allowed


@pytest.mark.parametrize("batch", [0.004, 0.5])
def test_a_worker_that_slows_nothing_runs_nearly_all_the_time(batch: float) -> None:
    slowdown, ran = trained(Governor(0.03), batch, lambda _: 1.0, seconds=4000 * batch)
    assert slowdown == pytest.approx(1.0)
    assert ran > 0.85


def test_it_notices_that_the_machine_got_busy_and_that_it_is_quiet_again() -> None:
    governor = Governor(0.03)
    trained(governor, 0.01, lambda now: 1.0, seconds=20)
    slowdown, _ = trained(governor, 0.01, lambda now: 1.5, seconds=60)
    assert slowdown < 1.08, "Some seconds pass until it has noticed; the credit of a minute goes first."
    _, ran = trained(governor, 0.01, lambda now: 1.0, seconds=60)
    assert ran > 0.5


def test_a_long_evaluation_is_not_charged_to_the_worker() -> None:
    governor = Governor(0.03)
    trained(governor, 0.01, lambda _: 1.4, seconds=30)
    # It may run when the evaluation begins; ten minutes pass, and then training goes on.
    switch = Switch()
    governor.attach(switch)  # type: ignore[arg-type]
    now = 1000.0
    governor.beat(now)
    while not switch.on:
        now += 0.01
        governor.beat(now)
    now += 600
    governor.beat(now)
    waited = 0
    for _ in range(600):
        now += 0.014 if switch.on else 0.01
        waited += not switch.on
        governor.beat(now)
    assert waited < 590, "It runs again within seconds."


def test_slow_batches_are_measured_although_they_are_long_silences() -> None:
    governor = Governor(0.03)
    switch = Switch()
    governor.attach(switch)  # type: ignore[arg-type]
    governor.set_busy(True)
    now = 0.0
    ran = 0
    governor.beat(now)
    for _ in range(200):
        for second in range(1, 5):
            governor.relax(now + second)
        now += 5.0 * (1.5 if switch.on else 1.0)
        ran += switch.on
        governor.beat(now)
    assert 16 <= ran < 60, "Held where it costs, and only as far as it does."


def test_an_analysis_now_and_then_runs_at_full_speed() -> None:
    governor = Governor(0.03)
    trained(governor, 0.01, lambda _: 1.3, seconds=30)
    governor.set_busy(False)
    now = 1000.0
    for _ in range(6000):
        now += 0.01
        governor.beat(now)
    switch = Switch()
    governor.attach(switch)  # type: ignore[arg-type]
    governor.set_busy(True)
    ran = 0
    for _ in range(200):
        now += 0.013 if switch.on else 0.01
        ran += switch.on
        governor.beat(now)
    assert ran > 190, "Two seconds of work in a minute of training cost less than the share."


def test_the_slowdown_is_unknown_until_both_are_measured_and_outliers_do_not_matter() -> None:
    measured = Slowdown()
    for _ in range(20):
        measured.add(0.010, running=False)
    assert measured.ratio is None
    for i in range(21):
        measured.add(5.0 if i % 7 == 0 else 0.012, running=True)
    assert measured.ratio == pytest.approx(1.2)


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SPIN]) as running:
        try:
            yield running
        finally:
            running.kill()


def state(running: subprocess.Popen[bytes], wanted: set[str]) -> str:
    """State of a process, once it is one of those wanted."""
    seen = ""
    for _ in range(200):
        seen = psutil.Process(running.pid).status()
        if seen in wanted:
            break
        time.sleep(0.01)
    return seen


AWAKE = {psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING}


def test_a_real_process_is_stopped_and_goes_on_when_nothing_is_heard_and_at_the_end() -> None:
    with process() as running:
        governor = Governor(0.03)
        governor.attach(running)
        governor.set_busy(True)
        governor.beat(0.0)
        assert state(running, {psutil.STATUS_STOPPED}) == psutil.STATUS_STOPPED
        governor.relax(1.0)
        assert state(running, {psutil.STATUS_STOPPED}) == psutil.STATUS_STOPPED
        governor.relax(2.5)
        assert state(running, AWAKE) in AWAKE
        governor.beat(3.0)
        governor.beat(3.1)
        assert state(running, {psutil.STATUS_STOPPED}) == psutil.STATUS_STOPPED
        governor.set_busy(False)
        assert state(running, AWAKE) in AWAKE
        governor.set_busy(True)
        governor.beat(3.2)
        governor.release()
        assert state(running, AWAKE) in AWAKE
        governor.beat(3.3)
        assert state(running, AWAKE) in AWAKE


def test_a_process_that_has_ended_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        monkeypatch.setattr(os, "kill", lambda *signal_to: sent.append(signal_to))
        governor = Governor(0.03)
        governor.attach(ended)
        governor.set_busy(True)
        for now in (0.0, 0.1, 0.2):
            governor.beat(now)
        governor.release()
    assert sent == [], "Its number may be another process's by now."


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="The kernel's signal at a parent's death is Linux's.")
def test_a_stopped_worker_ends_when_the_training_is_killed() -> None:
    code = """
import os, signal, time
from visualdl_embedding.training._client import WorkerClient
def stop(process):
    os.kill(process.pid, signal.SIGSTOP)
    print(process.pid, flush=True)
worker = WorkerClient(print, on_stoppable=stop)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as training:
        assert training.stdout is not None
        worker = psutil.Process(int(training.stdout.readline()))
        training.kill()
        training.wait()
    gone, alive = psutil.wait_procs([worker], timeout=20)
    for left in alive:
        os.kill(left.pid, signal.SIGKILL)
    assert gone


def record(log_dir: Path, settings: RecorderSettings) -> Recorder:
    """Recorder with one snapshot on its way to an analysis."""
    rows = Rows(np.arange(40), tuple(f"w{i}" for i in range(40)))
    config = Config(methods=("pca",), n_neighbors=5)
    store = TableStore.open_for_writing(log_dir, Table("word", 40, 6), rows, config=config)
    recorder = Recorder(LogFile.open(log_dir), config=config, settings=settings)
    recorder.add_table(store)
    vectors = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    recorder.record(Snapshot("word", 0, rows, vectors))
    return recorder


def test_by_default_nothing_is_measured_and_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("beat", "relax", "set_busy", "attach", "release"):
        monkeypatch.delattr(Governor, method)
    recorder = record(tmp_path, RecorderSettings())
    assert recorder._worker is not None
    # On a busy machine a process of the lowest priority gets no time; this lets it run as at the end of a training.
    recorder._worker.send({"kind": "hurry"})
    seen = set()
    deadline = time.monotonic() + 300
    while recorder.waiting or not open_run(tmp_path).steps("word", analyzed=True):
        assert time.monotonic() < deadline
        recorder.after_batch(recorder.trained_step + 1)
        seen.add(psutil.Process(recorder._worker.process.pid).status())
        time.sleep(0.01)
    recorder.close()
    assert psutil.STATUS_STOPPED not in seen
    assert open_run(tmp_path).steps("word", analyzed=True) == [0]


def test_a_recorder_holds_its_worker_while_batches_end_and_frees_it_at_the_end(tmp_path: Path) -> None:
    recorder = record(tmp_path, RecorderSettings(max_slowdown=0.001))
    assert recorder._governor is not None
    deadline = time.monotonic() + 20
    while recorder._governor._process is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert recorder._worker is not None
    worker = psutil.Process(recorder._worker.process.pid)
    for step in range(1, 4):
        recorder.after_batch(step)
    assert recorder.trained_step == 3
    # It has told that it may be stopped, and is loading its libraries now.
    assert recorder.waiting
    assert state(recorder._worker.process, {psutil.STATUS_STOPPED}) == psutil.STATUS_STOPPED
    recorder.close()
    assert not worker.is_running()
    assert open_run(tmp_path).steps("word", analyzed=True) == [0]
