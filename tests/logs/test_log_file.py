from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from log_examples import PNG, make_frame, new_writer, read_log, scalar

from visualdl_embedding.logs import LogFile, log_files, scan, snapshot_records

HERE = Path(__file__).parent


def visualdl_callback(log_dir: Path) -> Any:
    """Has what `paddle.callbacks.VisualDL` has, and does what it does at the end of a training."""
    callback = SimpleNamespace(log_dir=str(log_dir))

    def on_train_end() -> None:
        callback.writer.close()
        del callback.writer

    callback.on_train_end = on_train_end
    return callback


def run(code: str, *args: object) -> str:
    path = f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
    command = [sys.executable, "-c", path + textwrap.dedent(code), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_visualdl_reads_our_file(tmp_path: Path) -> None:
    snapshot, analysis = make_frame()
    records = snapshot_records(snapshot, analysis, images={"tsne": PNG})
    with LogFile.open(tmp_path / "a" / "b") as log:
        assert all(log.append(record) for record in records)
        assert log.flush()
        assert log.path.stat().st_size > sum(map(len, records))
    assert log.error is None
    assert log.note is None
    found = read_log(log.path)
    assert len([tag for tag in found if tag != "meta_data_tag"]) == len(records)
    assert found["embedding/word/norm_mean"][0].value == 2.5


@pytest.mark.parametrize("writer_exists", [False, True])
def test_one_file_is_shared_with_the_callback(tmp_path: Path, writer_exists: bool) -> None:
    callback = visualdl_callback(tmp_path)
    if writer_exists:
        callback.writer = new_writer(tmp_path)
    log = LogFile.open(tmp_path, share=callback)
    callback.writer.add_scalar("train/loss", 0.5, 1)
    assert log.append(scalar("embedding/word/norm_mean", 2.5))
    log.close()
    callback.writer.add_scalar("train/loss", 0.4, 2)
    callback.on_train_end()
    (path,) = log_files(tmp_path)
    assert path == log.path
    found = read_log(path)
    assert [value.id for value in found["train/loss"]] == [1, 2]
    assert found["embedding/word/norm_mean"][0].value == 2.5


def test_records_after_the_callback_has_closed_go_to_the_same_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = visualdl_callback(tmp_path)
    log = LogFile.share(callback)
    callback.writer.add_scalar("train/loss", 0.5, 1)
    callback.on_train_end()
    for step in range(3):
        assert log.append(scalar("embedding/word/norm_mean", 1.0, step))
    assert log.flush()
    log.close()
    assert log.error is None
    assert len(log_files(tmp_path)) == 1
    found = read_log(log.path)
    assert len(found["train/loss"]) == 1
    assert len(found["embedding/word/norm_mean"]) == 3
    assert capsys.readouterr().out == ""


def test_a_callback_with_another_directory_is_left_alone_with_a_note(tmp_path: Path) -> None:
    callback = visualdl_callback(tmp_path / "theirs")
    log = LogFile.share(callback, tmp_path / "ours")
    assert not hasattr(callback, "writer")
    assert log.note is not None
    assert "theirs" in log.note
    assert "ours" in log.note
    log.close()
    assert log_files(tmp_path / "ours") == [log.path]
    assert log_files(tmp_path / "theirs") == []


def test_equal_directories_may_be_spelled_differently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    callback = visualdl_callback(Path("link/../runs/./a"))
    log = LogFile.share(callback, tmp_path / "link" / "a")
    assert log.note is None
    monkeypatch.chdir("/")
    log.append(scalar("a/b", 1.0))
    log.close()
    callback.on_train_end()
    assert log_files(tmp_path / "runs" / "a") == [log.path.resolve()]
    assert len(read_log(log.path)["a/b"]) == 1


def test_a_given_writer_is_used_and_not_closed(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    with LogFile.open(writer=writer) as log:
        log.append(scalar("a/b", 1.0))
    writer.add_scalar("train/loss", 0.5, 1)
    writer.close()
    assert {"a/b", "train/loss"} <= set(read_log(log.path))


def test_an_unwritable_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"visualdl\.LogWriter, not str"):
        LogFile.open(writer="runs/a")
    with pytest.raises(TypeError, match="log directory"):
        LogFile.open()
    closed = new_writer(tmp_path)
    closed.close()
    with pytest.raises(ValueError, match="writer is closed"):
        LogFile.open(writer=closed)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be written"):
        LogFile.open(tmp_path / "file")
    with pytest.raises(OSError, match="cannot be written"):
        LogFile.open(tmp_path / "file" / "below")


def test_an_incomplete_log_is_repaired_and_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LogFile.open(tmp_path) as log:
        log.append(scalar("a/b", 1.0, 1))
    with log.path.open("ab") as file:
        file.write((1000).to_bytes(8, "little") + b"half a record")
    with LogFile.open(tmp_path) as again:
        again.append(scalar("a/b", 2.0, 2))
    assert again.path == log.path
    assert [value.id for value in read_log(log.path)["a/b"]] == [1, 2]
    assert capsys.readouterr().out == ""


def test_a_second_file_is_noted_and_the_last_is_continued(tmp_path: Path) -> None:
    for second in "12":
        new_writer(tmp_path, file_name=f"vdlrecords.000000000{second}.log").close()
    with LogFile.open(tmp_path) as log:
        assert log.path.name == "vdlrecords.0000000002.log"
        assert log.note is not None
        assert "vdlrecords.0000000001.log" in log.note


def test_the_tally_continues_from_the_last_training(tmp_path: Path) -> None:
    snapshot, analysis = make_frame()
    records = snapshot_records(snapshot, analysis)
    with LogFile.open(tmp_path) as log:
        assert log.tally.of("word")["vectors"] == 0
        for record in records:
            log.append(record)
        once = log.tally.of("word")
    assert once["vectors"] > 0
    with LogFile.open(tmp_path) as log:
        assert log.tally.of("word") == once
    callback = visualdl_callback(tmp_path)
    log = LogFile.share(callback)
    assert log.tally.of("word") == once
    log.close()
    callback.on_train_end()


@pytest.mark.parametrize("broken", [b"", bytes(8), b"\xff\xff", b"\x0a\x00"])
def test_bytes_that_are_not_a_record_are_refused(tmp_path: Path, broken: bytes) -> None:
    with LogFile.open(tmp_path) as log, pytest.raises(ValueError, match="serialized VisualDL record"):
        log.append(broken)
    assert [entry.kind for entry in scan(log.path)] == ["meta_data"]


def test_half_a_record_is_refused(tmp_path: Path) -> None:
    snapshot, analysis = make_frame(500)
    record = snapshot_records(snapshot, analysis, scalars=False, projections=False)[0]
    with LogFile.open(tmp_path) as log, pytest.raises(ValueError, match="serialized VisualDL record"):
        log.append(record[: len(record) // 2])


def test_a_closed_file_rejects_records(tmp_path: Path) -> None:
    log = LogFile.open(tmp_path)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="is closed"):
        log.append(scalar("a/b", 1.0))


def test_two_threads_and_a_writer_that_is_closed_meanwhile_lose_nothing(tmp_path: Path) -> None:
    callback = visualdl_callback(tmp_path)
    log = LogFile.share(callback)
    snapshot, analysis = make_frame(500)
    record = snapshot_records(snapshot, analysis, scalars=False, projections=False)[0]
    taken = []

    def append() -> None:
        for _ in range(150):
            taken.append(log.append(record))

    thread = threading.Thread(target=append)
    thread.start()
    for step in range(500):
        callback.writer.add_scalar("train/loss", 1.0, step)
    callback.on_train_end()
    thread.join()
    log.close()
    assert taken == [True] * 150
    assert log.error is None
    found = read_log(log.path)
    assert len(found["train/loss"]) == 500
    assert len(found["word/vectors/step_000000100"]) == 150
    assert len(log_files(tmp_path)) == 1


def test_two_logs_of_one_directory_do_not_harm_one_another(tmp_path: Path) -> None:
    first, second = LogFile.open(tmp_path), LogFile.open(tmp_path)
    for step in range(200):
        first.append(scalar("a/first", 1.0, step))
        second.append(scalar("a/second", 1.0, step))
    first.close()
    second.close()
    assert first.error is None
    assert second.error is None
    found = read_log(first.path)
    assert len(found["a/first"]) == len(found["a/second"]) == 200


def test_a_removed_folder_is_reported(tmp_path: Path) -> None:
    log = LogFile.open(tmp_path / "run")
    log.flush()
    log.path.unlink()
    log.path.parent.rmdir()
    log.append(scalar("a/b", 1.0))
    log.flush()
    assert isinstance(log.error, FileNotFoundError)
    assert "was removed" in str(log.error)
    log.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_neither_damages_the_file_nor_stops_the_training(tmp_path: Path) -> None:
    out = run(
        """
        import resource, signal
        from log_examples import make_frame, scalar
        from visualdl_embedding.logs import LogFile, snapshot_records
        from types import SimpleNamespace

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        callback = SimpleNamespace(log_dir=sys.argv[1])
        log = LogFile.share(callback)
        callback.writer.add_scalar("train/loss", 0.5, 1)
        log.flush()
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size + 20_000, limit[1]))
        large = snapshot_records(*make_frame(2000, 8), scalars=False, projections=False)[0]
        log.append(large)
        log.flush()
        print(type(log.error).__name__, log.error.errno)
        for step in range(2, 400):
            callback.writer.add_scalar("train/loss", 0.5, step)
        callback.writer.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        callback.writer.add_scalar("train/loss", 0.5, 1000)
        log.append(scalar("a/b", 1.0))
        callback.writer.close()
        log.close()
        """,
        tmp_path,
    )
    import errno

    assert out.split()[-2:] == ["OSError", str(errno.EFBIG)]
    (path,) = log_files(tmp_path)
    found = read_log(path)
    steps = [value.id for value in found["train/loss"]]
    assert steps[:2] == [1, 2]
    assert steps[-1] == 1000
    assert "a/b" in found
    assert "word/vectors/step_000000100" not in found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_nothing(tmp_path: Path) -> None:
    out = run(
        """
        import os
        from log_examples import scalar
        from visualdl_embedding.logs import LogFile

        log = LogFile.open(sys.argv[1])
        log.append(scalar("a/parent", 1.0))
        log.flush()
        child = os.fork()
        if child == 0:
            print(log.append(scalar("a/child", 1.0)), log.flush(), log.close(), flush=True)
            sys.exit(0)
        os.waitpid(child, 0)
        log.close()
        """,
        tmp_path,
    )
    assert out.split() == ["False", "False", "None"]
    assert {"a/parent"} == set(read_log(log_files(tmp_path)[0])) - {"meta_data_tag"}


def test_an_exception_loses_nothing_that_was_logged(tmp_path: Path) -> None:
    out = run(
        """
        from types import SimpleNamespace
        from visualdl_embedding.logs import LogFile

        callback = SimpleNamespace(log_dir=sys.argv[1])
        log = LogFile.share(callback)
        try:
            for step in range(3000):
                callback.writer.add_scalar("train/loss", 1.0, step)
            raise SystemExit(0)
        finally:
            print("gone")
        """,
        tmp_path,
    )
    assert out.split() == ["gone"]
    assert len(read_log(log_files(tmp_path)[0])["train/loss"]) == 3000


def test_standard_output_is_open_after_silencing_visualdl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gc

    LogFile.open(tmp_path).close()
    gc.collect()
    print("still here")
    assert capsys.readouterr().out == "still here\n"
