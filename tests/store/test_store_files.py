from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from visualdl_embedding.core.atomic import remove_stale
from visualdl_embedding.store._files import (
    append_line,
    check_writable,
    fresh_directory,
    write_atomically,
)


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let the system refuse to make any file longer than `limit` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder unwritable; root, who may write everywhere, becomes nobody for the while."""
    folder.chmod(0o555)
    above = [parent for parent in folder.parents if parent.stat().st_uid == os.geteuid() and parent != Path("/")]
    modes = [(parent, parent.stat().st_mode) for parent in above] if os.geteuid() == 0 else []
    for parent, mode in modes:
        parent.chmod(mode | 0o111)
    if modes:
        os.seteuid(65534)
    try:
        yield
    finally:
        if modes:
            os.seteuid(0)
        for parent, mode in modes:
            parent.chmod(mode)
        folder.chmod(0o755)


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old and long")
    write_atomically(path, [b"ne", memoryview(b"w")])
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with full_disk(4096), pytest.raises(OSError, match=r"earlier files are intact.*/a"):
        write_atomically(path, [bytes(3000), bytes(3000)])
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_while_the_parts_are_made_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", parts())
    assert os.listdir(tmp_path) == []


def test_no_permission_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with locked(tmp_path), pytest.raises(PermissionError, match="earlier files are intact"):
        write_atomically(tmp_path / "a", [b"x"])
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([i]) * 300_000 for i in range(40)]
    write_atomically(path, [contents[0]])
    seen: list[bytes] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        write_atomically(path, [content[:100_000], content[100_000:]])
    stop.set()
    reader.join()
    assert seen
    assert all(content in contents for content in seen)


def test_temporary_files_are_removed_only_if_their_writer_ended(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from visualdl_embedding.store._files import write_atomically\n"
        "def parts():\n    yield b'half'\n    print('half', flush=True)\n    time.sleep(60)\n    yield b'rest'\n"
        "write_atomically(Path(sys.argv[1]) / 'a', parts())"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        (temporary,) = tmp_path.iterdir()
        assert remove_stale(tmp_path) == []
        # A writer that is stopped, or waits for a slow disk.
        os.utime(temporary, (time.time() - 7200,) * 2)
        assert remove_stale(tmp_path) == []
    finally:
        writer.kill()
        writer.communicate()
    assert remove_stale(tmp_path) == [temporary]
    assert os.listdir(tmp_path) == []


def test_a_temporary_file_with_our_process_id_is_removed_unless_in_use(tmp_path: Path) -> None:
    (tmp_path / "keep.tmp").touch()  # not ours, and young
    old = tmp_path / "b.otherhost-1-1.tmp"
    old.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    removed: list[Path] = []

    def parts() -> Iterator[bytes]:
        (temporary,) = tmp_path.glob("a.*.tmp")
        # What an earlier process of the same number left.
        head, number = temporary.name.removesuffix(".tmp").rsplit("-", 1)
        (tmp_path / f"{head}-{int(number) + 1000}.tmp").touch()
        removed.extend(remove_stale(tmp_path))
        yield b"whole"

    write_atomically(tmp_path / "a", parts())
    assert len(removed) == 2
    assert sorted(os.listdir(tmp_path)) == ["a", "keep.tmp"]


def test_append_closes_an_incomplete_line_first(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append_line(path, '{"a": 1}')
    with open(path, "ab") as file:
        file.write(b'{"torn')
    append_line(path, '{"b": "\ud800"}')
    assert path.read_bytes().split(b"\n") == [b'{"a": 1}', b'{"torn', b'{"b": "\\ud800"}', b""]


def test_append_to_a_full_disk_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append_line(path, "a" * 50)
    with full_disk(80), pytest.raises(OSError, match="intact"):
        append_line(path, "b" * 50)
    assert path.read_bytes() == b"a" * 50 + b"\n"


def test_check_writable_creates_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "runs" / "a")
    assert os.listdir(tmp_path) == []


def test_check_writable_names_the_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is not a directory"):
        check_writable(tmp_path / "file" / "runs")
    folder = tmp_path / "locked"
    folder.mkdir()
    with locked(folder), pytest.raises(PermissionError, match="Choose another log directory"):
        check_writable(folder / "runs")


@pytest.mark.parametrize(
    ("given", "there", "offered"),
    [
        ("a", [], "a-2"),
        ("a", ["a-2", "a-3"], "a-4"),
        ("a-2", ["a-2"], "a-3"),
        ("weekly-2024", ["weekly-2024"], "weekly-2024-2"),
        ("day-07", [], "day-07-2"),
    ],
)
def test_a_new_directory_is_suggested(tmp_path: Path, given: str, there: list[str], offered: str) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    assert fresh_directory(tmp_path / given) == tmp_path / offered
