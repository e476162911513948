from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from visualdl import LogReader, LogWriter

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import LogFile, log_files
from visualdl_embedding.runs import analyze_run, relog_run
from visualdl_embedding.store import TableStore
from visualdl_embedding.training import Recorder, RecorderSettings

N, D = 40, 6
ROWS = Rows(np.arange(N), tuple(f"w{i}" for i in range(N)), columns={"group": tuple("ab" * (N // 2))}, watch=("w1",))
CONFIG = Config(methods=("pca", "tsne"), perplexity=5, n_neighbors=5)


def vectors_at(step: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    start, drift = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    return (start + 0.02 * step * drift).astype(np.float32)


def record(log_dir: Path, *steps: int, pause: float = 0.0, **settings: Any) -> Recorder:
    store = TableStore.open_for_writing(log_dir, Table("word", N, D), ROWS, config=CONFIG)
    recorder = Recorder(LogFile.open(log_dir), config=CONFIG, settings=RecorderSettings(**settings))
    recorder.add_table(store)
    for step in steps:
        recorder.record(Snapshot("word", step, ROWS, vectors_at(step)), final=step == steps[-1])
        time.sleep(pause)
    recorder.close()
    return recorder


def tags(log_dir: Path) -> dict[str, list[str]]:
    (path,) = log_files(log_dir)
    return {kind: sorted(found) for kind, found in LogReader(file_path=str(path)).get_tags().items()}


def same_scalars(a: Path, b: Path) -> bool:
    return open_run(a).scalars("word") == open_run(b).scalars("word")


def test_in_the_background_the_newest_snapshot_wins_and_every_one_is_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = tuple(range(0, 100, 10))
    with caplog.at_level(logging.INFO, "visualdl_embedding"):
        record(tmp_path, *steps)
    run = open_run(tmp_path)
    assert run.steps("word") == list(steps)
    analyzed = run.steps("word", analyzed=True)
    assert analyzed[0] == 0
    assert analyzed[-1] == 90
    assert len(analyzed) < 10
    n = 10 - len(analyzed)
    why = f"{n} replaced by a newer one before its turn"
    assert f"{n} of 10 snapshots are stored without an analysis ({why})" in caplog.text
    # A training that is faster than its analyses is ordinary.
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_what_a_dying_process_lost_is_not_called_a_fast_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0

    class DiesThreeTimes:
        def __init__(self, deliver: Callable[..., None], *, on_stoppable: Any, **_: Any) -> None:
            self.deliver = deliver
            # Analyses also waited, which is not what happened to the lost one.
            on_stoppable.__self__.has_waited = True

        def send(self, job: dict[str, Any]) -> None:
            nonlocal deaths
            if job["kind"] == "analyze" and deaths < 3:
                deaths += 1
                self.deliver("death", -9, "")
            elif job["kind"] == "analyze":
                about = {"table": job["table"], "step": job["step"]}
                self.deliver("answer", {**about, "kind": "analyzed", "notes": [], "alerts": []}, [])

        def close(self, **_: Any) -> None: ...

    monkeypatch.setattr("visualdl_embedding.training._recorder.WorkerClient", DiesThreeTimes)
    with caplog.at_level(logging.WARNING, "visualdl_embedding"):
        record(tmp_path, 0, 10, 20, pause=0.2, max_slowdown=0.5)
    assert "The analysis process died (signal 9 (SIGKILL)) and is started again." in caplog.text
    assert "1 of 3 snapshots are stored without an analysis (1 lost with the analysis process)" in caplog.text
    assert "faster" not in caplog.text


def test_gaps_are_filled_with_the_numbers_that_training_would_have_given(tmp_path: Path) -> None:
    steps = (0, 10, 20, 30)
    record(tmp_path / "at once", *steps)
    record(tmp_path / "in time", *steps, background=False)
    assert open_run(tmp_path / "at once").steps("word", analyzed=True) != list(steps)
    (replayed,) = analyze_run(tmp_path / "at once")
    assert replayed.steps
    assert open_run(tmp_path / "at once").steps("word", analyzed=True) == list(steps)
    assert same_scalars(tmp_path / "at once", tmp_path / "in time")
    (again,) = analyze_run(tmp_path / "at once")
    assert again == replayed.__class__("word", (), 4)


def test_a_forced_replay_gives_the_same_numbers(tmp_path: Path) -> None:
    record(tmp_path, 0, 10, 20, background=False)
    before = open_run(tmp_path).scalars("word")
    (replayed,) = analyze_run(tmp_path, force=True)
    assert replayed.steps == (0, 10, 20)
    assert open_run(tmp_path).scalars("word") == before


def test_a_log_built_anew_keeps_what_is_not_ours(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path))
    for step in range(1, 31):
        writer.add_scalar("train/loss", 1 / step, step)
    writer.close()
    record(tmp_path, 0, 10, 20, 30, background=False)
    before = tags(tmp_path)
    (path,) = log_files(tmp_path)
    losses = [r.value for r in LogReader(file_path=str(path)).get_data("scalar", "train/loss")]
    path.write_bytes(b"")
    record_of_loss = LogWriter(str(tmp_path), file_name=path.name)
    for step in range(1, 31):
        record_of_loss.add_scalar("train/loss", 1 / step, step)
    record_of_loss.close()
    (relogged,) = relog_run(tmp_path)
    assert relogged.steps == (0, 10, 20, 30)
    assert tags(tmp_path) == before
    assert [r.value for r in LogReader(file_path=str(path)).get_data("scalar", "train/loss")] == losses
    relog_run(tmp_path)
    assert tags(tmp_path) == before
    overlap = LogReader(file_path=str(path)).get_data("scalar", "embedding/word/neighbor_overlap")
    assert [r.id for r in overlap] == [10, 20, 30]


def test_a_run_without_any_log_gets_one(tmp_path: Path) -> None:
    record(tmp_path, 0, 10, background=False)
    (path,) = log_files(tmp_path)
    path.unlink()
    relog_run(tmp_path)
    assert "embedding/word/norm_mean" in tags(tmp_path)["scalar"]


def test_the_log_keeps_to_its_bytes_and_holds_the_first_and_the_last_frame(tmp_path: Path) -> None:
    record(tmp_path, *range(0, 300, 10), background=False, max_log_bytes=8_000_000)
    (path,) = log_files(tmp_path)
    assert path.stat().st_size < 8_400_000
    found = tags(tmp_path)
    images = LogReader(file_path=str(path)).get_data("image", "embedding/word/tsne/map")
    assert {images[0].id, images[-1].id} == {0, 290}
    assert len(images) < 30
    assert {"word/vectors/step_000000000", "word/vectors/step_000000290"} <= set(found["embeddings"])
    norms = LogReader(file_path=str(path)).get_data("scalar", "embedding/word/norm_mean")
    assert [r.id for r in norms] == list(range(0, 300, 10))


@pytest.mark.slow
def test_the_store_keeps_to_its_bytes_and_what_is_left_can_be_replayed(tmp_path: Path) -> None:
    record(tmp_path, *range(0, 300, 10), background=False, max_store_bytes=150_000)
    run = open_run(tmp_path)
    files = list((tmp_path / "embeddings" / "word").glob("*.safetensors"))
    assert sum(p.stat().st_size for p in files) <= 150_000 + 20_000
    steps = run.steps("word")
    assert steps[0] == 0
    assert steps[-1] == 290
    assert 4 < len(steps) < 30
    assert analyze_run(tmp_path)[0].kept == len(steps)


def record_with_blocked_disk(log_dir: Path, monkeypatch: pytest.MonkeyPatch, *, finals: int = 1) -> list[bool]:
    """Record 8 snapshots, of which none is written until all are recorded; return which were accepted."""
    write = TableStore.write_snapshot
    everything_recorded = threading.Event()

    def blocked(store: TableStore, snapshot: Snapshot) -> None:
        assert everything_recorded.wait(60)
        write(store, snapshot)

    monkeypatch.setattr(TableStore, "write_snapshot", blocked)
    monkeypatch.setattr("visualdl_embedding.training._recorder.HAND_OVER_SECONDS", 0.05)
    store = TableStore.open_for_writing(log_dir, Table("word", N, D), ROWS, config=CONFIG)
    recorder = Recorder(LogFile.open(log_dir), config=CONFIG)
    recorder.add_table(store)
    accepted = [
        recorder.record(Snapshot("word", step, ROWS, vectors_at(step)), final=step >= 8 - finals) for step in range(8)
    ]
    everything_recorded.set()
    recorder.close()
    return accepted


@pytest.mark.parametrize("slow", [False, True])
def test_a_disk_that_is_behind_drops_snapshots_but_never_final_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    monkeypatch.setattr("visualdl_embedding.training._events.MAX_WAITING_BYTES", 3 * N * D * 4)
    monkeypatch.setattr("visualdl_embedding.training._end.SLOW_WRITE_SECONDS", 0.0 if slow else 60.0)
    with caplog.at_level(logging.WARNING, "visualdl_embedding"):
        accepted = record_with_blocked_disk(tmp_path, monkeypatch, finals=3)
    assert accepted == [True, True, True, False, False, True, True, True]
    assert open_run(tmp_path).steps("word") == [0, 1, 2, 5, 6, 7]
    assert caplog.text.count("was dropped so that training continues") == 1
    assert ("is slow" in caplog.text) == slow
    assert "Snapshots that were dropped and are not stored: 2 of table word." in caplog.messages


def test_what_waits_for_the_disk_is_limited_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(record_with_blocked_disk(tmp_path / "small", monkeypatch))
    monkeypatch.undo()
    monkeypatch.setattr("visualdl_embedding.training._events.MAX_WAITING_BYTES", 1)
    # One snapshot of a table is admitted whatever its size.
    assert record_with_blocked_disk(tmp_path / "large", monkeypatch, finals=0) == [True] + 7 * [False]


def test_the_first_snapshot_of_every_table_is_analyzed(tmp_path: Path) -> None:
    recorder = Recorder(LogFile.open(tmp_path), config=CONFIG)
    for name in "abc":
        recorder.add_table(TableStore.open_for_writing(tmp_path, Table(name, N, D), ROWS, config=CONFIG))
    for step in range(0, 50, 10):
        for name in "abc":
            recorder.record(Snapshot(name, step, ROWS, vectors_at(step)))
    recorder.close()
    for name in "abc":
        analyzed = open_run(tmp_path).steps(name, analyzed=True)
        assert {0, 40} <= set(analyzed)


def test_the_log_says_for_what_it_waits_and_where_the_run_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visualdl_embedding.training._client.PATIENCE_SECONDS", 0.0)
    run = tmp_path / "a run"
    with caplog.at_level(logging.INFO, "visualdl_embedding"):
        record(run, 0, 10)
    lines = [message for message in caplog.messages if message.startswith(("Waiting", str(run)))]
    assert len(lines) == 2
    assert re.fullmatch(r"Waiting up to 300 s for [1-4] embedding frames?; Ctrl-C skips them\.", lines[0])
    assert lines[1] == (
        f"{run}: 2 snapshots of table word recorded, 2 analyzed. View them: visualdl-embedding serve --logdir '{run}'"
    )


def test_what_a_frame_of_many_rows_takes_is_said_beforehand(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for n, expected in (
        (20_000, "a frame of 20,000 rows will take about 11 s of processor time (estimate)"),
        (500, ""),
    ):
        store = TableStore.open_for_writing(
            tmp_path / str(n), Table("t", n, 2), Rows(np.arange(n), tuple(map(str, range(n)))), config=Config()
        )
        recorder = Recorder(LogFile.open(tmp_path), config=Config())
        with caplog.at_level(logging.INFO, "visualdl_embedding"):
            caplog.clear()
            recorder.add_table(store)
        assert (expected in caplog.text) if expected else not caplog.messages
        recorder.close()


@pytest.mark.parametrize("background", [False, True])
def test_a_basis_that_is_fitted_again_is_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, background: bool
) -> None:
    config, rng = Config(methods=("pca",), n_neighbors=5), np.random.default_rng(1)
    recorder = Recorder(LogFile.open(tmp_path), config=config, settings=RecorderSettings(background=background))
    recorder.add_table(TableStore.open_for_writing(tmp_path, Table("word", N, D), ROWS, config=config))
    with caplog.at_level(logging.INFO, "visualdl_embedding"):
        for step, axis in enumerate((0, 5)):
            vectors = rng.normal(size=(N, D)).astype(np.float32)
            vectors[:, axis] *= 100
            recorder.record(Snapshot("word", step, ROWS, vectors))
        recorder.close()
    (note,) = [found for found in caplog.records if "fitted anew" in found.getMessage()]
    assert note.levelno == logging.INFO


def test_no_waiting_at_the_end_if_so_wished(tmp_path: Path) -> None:
    record(tmp_path, 0, drain_timeout=0)
    assert open_run(tmp_path).steps("word") == [0]
    assert open_run(tmp_path).steps("word", analyzed=True) == []


def test_a_second_recorder_in_the_same_run_ends_the_first(tmp_path: Path) -> None:
    store = TableStore.open_for_writing(tmp_path, Table("word", N, D), ROWS, config=CONFIG)
    first = Recorder(LogFile.open(tmp_path), config=CONFIG)
    first.add_table(store)
    first.record(Snapshot("word", 0, ROWS, vectors_at(0)))
    while not open_run_or_none(tmp_path):
        time.sleep(0.01)
    second = Recorder(LogFile.open(tmp_path), config=CONFIG, settings=RecorderSettings(background=False))
    second.add_table(TableStore.open_for_writing(tmp_path, Table("word", N, D), ROWS, config=CONFIG, resume=True))
    second.record(Snapshot("word", 10, ROWS, vectors_at(10)))
    first.record(Snapshot("word", 5, ROWS, vectors_at(5)))
    second.close()
    assert open_run(tmp_path).steps("word") == [0, 10]


def open_run_or_none(path: Path) -> list[int]:
    return open_run(path).steps("word")


def test_an_unknown_table_of_a_run_is_refused(tmp_path: Path) -> None:
    record(tmp_path, 0, background=False)
    with pytest.raises((ValueError, FileNotFoundError), match="nouns"):
        analyze_run(tmp_path, tables=["nouns"])


def test_an_error_in_closing_the_log_is_kept_by_the_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no space left")

    log = LogFile.open(tmp_path)
    recorder = Recorder(log, config=CONFIG, settings=RecorderSettings(background=False))
    with monkeypatch.context() as patched:
        patched.setattr(log, "close", fail)
        recorder.close()
    log.close()
    assert str(recorder.error) == "no space left"
