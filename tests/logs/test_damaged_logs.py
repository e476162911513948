"""Logs of VisualDL's writer with one record damaged: all others are kept, as VisualDL's reader sees."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_examples import LogReader, make_frame, new_writer, read_log

from visualdl_embedding.logs import LogFile, log_files, repair, rewrite, scan, snapshot_records

N = 40
Fix = Callable[[Path], object]


def resume(path: Path) -> None:
    LogFile.open(path.parent).close()


def relog(path: Path) -> None:
    rewrite(log_files(path.parent), lambda tag: True)


both_ways = pytest.mark.parametrize("fix", [resume, relog])


def real_log(folder: Path, *, empty_tag_at: int | None = None) -> Path:
    """40 points of ``train/loss``, and a large record among them."""
    writer = new_writer(folder, file_name="vdlrecords.0000000001.log")
    for step in range(N):
        writer.add_scalar("train/loss", 1.0 / (step + 1), step)
        if step == empty_tag_at:
            writer.add_scalar("", 7.0, step)
        if step == 10:
            writer.add_histogram("weights", list(range(1000)), step, buckets=100)
    writer.close()
    return folder / "vdlrecords.0000000001.log"


def start_of(path: Path, number: int) -> int:
    """Offset of a record."""
    return [0, *(entry.end for entry in scan(path))][number]


def flip(path: Path, offset: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def losses(path: Path) -> list[int]:
    return [value.id for value in read_log(path)["train/loss"]]


@both_ways
@pytest.mark.parametrize("place", ["length", "high byte of the length", "longer by 512", "payload", "tag"])
def test_a_flipped_bit_loses_one_record(tmp_path: Path, fix: Fix, place: str, caplog: pytest.LogCaptureFixture) -> None:
    path = real_log(tmp_path)
    start = start_of(path, 5)  # the heading comes first: this is step 4
    offset, bit = {
        "length": (start, 1),
        "high byte of the length": (start + 6, 4),
        "longer by 512": (start + 1, 1),
        "payload": (start + 8, 2),
        "tag": (start + 14, 7),
    }[place]
    flip(path, offset, bit)
    damaged = path.read_bytes()
    with caplog.at_level(logging.WARNING, logger="visualdl_embedding"):
        fix(path)
    assert losses(path) == [step for step in range(N) if step != 4]
    assert len(read_log(path)["weights"]) == 1
    copy = tmp_path / "damaged.0000000001.log"
    assert copy.read_bytes() == damaged
    assert LogReader(str(tmp_path)).logs() == {str(tmp_path): path.name}
    (line,) = [record.getMessage() for record in caplog.records]
    assert "1 unreadable record (36 bytes)" in line
    assert copy.name in line


@both_ways
def test_an_empty_tag_is_not_damage(tmp_path: Path, fix: Fix) -> None:
    path = real_log(tmp_path, empty_tag_at=3)
    fix(path)
    assert losses(path) == list(range(N))
    assert [value.value for value in read_log(path)[""]] == [7.0]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@both_ways
def test_adjacent_damaged_records_count_as_two(tmp_path: Path, fix: Fix, caplog: pytest.LogCaptureFixture) -> None:
    path = real_log(tmp_path)
    for number in (20, 21):
        flip(path, start_of(real_log(tmp_path / "whole"), number) + 14, 7)
    fix(path)
    assert len(losses(path)) == N - 2
    assert "2 unreadable records (72 bytes)" in caplog.text


@both_ways
def test_an_incomplete_last_record_is_removed_without_a_copy(
    tmp_path: Path, fix: Fix, caplog: pytest.LogCaptureFixture
) -> None:
    path = real_log(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)
    fix(path)
    assert losses(path) == list(range(N - 1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert "33 bytes of a record that was cut off at the end" in caplog.text


@both_ways
@pytest.mark.parametrize("missing", [1, 3, 20, 30])
def test_records_after_an_incomplete_one_are_kept(tmp_path: Path, fix: Fix, missing: int) -> None:
    path = real_log(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - missing)
    writer = new_writer(tmp_path, file_name=path.name)
    writer.add_scalar("train/loss", 0.5, 99)
    writer.close()
    fix(path)
    assert losses(path) == [*range(N - 1), 99]


@both_ways
def test_garbage_is_removed_and_kept_as_a_copy(tmp_path: Path, fix: Fix) -> None:
    path = tmp_path / "vdlrecords.0000000001.log"
    garbage = bytes(range(256)) * 400
    path.write_bytes(garbage)
    fix(path)
    assert not any(entry.kind != "meta_data" for entry in scan(path))
    assert (tmp_path / "damaged.0000000001.log").read_bytes() == garbage


def test_a_second_repair_keeps_another_copy(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    for _ in range(2):
        flip(path, start_of(path, 7) + 14, 7)
        repair(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "damaged.0000000001.log",
        "damaged.0000000001.log.2",
        path.name,
    ]
    assert len(losses(path)) == N - 2


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = real_log(tmp_path)
    flip(path, start_of(path, 7) + 14, 7)
    damaged = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    repair(path)
    assert (tmp_path / "damaged.0000000001.log").read_bytes() == damaged


def test_the_next_record_is_found_across_the_chunks_that_are_searched(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    before = path.read_bytes()
    for size in range(2**20 - 20, 2**20 + 8):
        path.write_bytes(b"\xff" * size + before)
        assert sum(1 for _ in scan(path)) == N + 2


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_loses_at_most_one_record(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "vdlrecords.whole"
    if not whole.exists():
        snapshot, analysis = make_frame(50, 16)
        with LogFile.open(tmp_path / "log") as log:
            for record in snapshot_records(snapshot, analysis):
                log.append(record)
        whole.write_bytes(log.path.read_bytes())
    entries = [entry.data for entry in scan(whole)]
    path = tmp_path / "vdlrecords.flipped"
    path.write_bytes(whole.read_bytes())
    flip(path, data.draw(st.integers(0, whole.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    repair(path)
    found = [entry.data for entry in scan(path)]
    assert len(entries) - 1 <= len(found) <= len(entries)
    assert len(set(entries) - set(found)) <= 1
    read_log(path)


def test_a_crash_between_the_renames_of_a_relog_duplicates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second, tag in ((1, "train/loss"), (2, "train/acc")):
        writer = new_writer(tmp_path, file_name=f"vdlrecords.000000000{second}.log")
        for step in range(N):
            writer.add_scalar(tag, 0.5, step)
        writer.close()
    real, calls = os.replace, []

    def crash_at_the_second(*args: Path) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            rewrite(log_files(tmp_path), lambda tag: True)
    assert len(log_files(tmp_path)) == 2
    target = rewrite(log_files(tmp_path), lambda tag: True)
    assert log_files(tmp_path) == [target]
    found = read_log(target)
    for tag in ("train/loss", "train/acc"):
        assert [value.id for value in found[tag]] == list(range(N))


def test_a_scan_continues_behind_a_record_and_skips_large_ones(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    entries = list(scan(path))
    assert list(scan(path, start=entries[20].end)) == entries[21:]
    assert list(scan(path, start=entries[-1].end)) == []
    small = [entry for entry in entries if len(entry.data) <= 200]
    assert len(small) == len(entries) - 1
    assert list(scan(path, max_bytes=200)) == small
    flip(path, entries[30].end + 4)  # an impossible length
    assert list(scan(path, start=entries[20].end, max_bytes=200)) == entries[21:31] + entries[32:]
