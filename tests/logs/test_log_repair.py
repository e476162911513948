from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_examples import PNG, make_frame, new_writer, read_log, scalar

from visualdl_embedding.logs import (
    Tally,
    is_ours,
    log_files,
    repair,
    rewrite,
    scan,
    snapshot_records,
)
from visualdl_embedding.logs._repair import hidden_files_note


def framed(*records: bytes) -> bytes:
    return b"".join(struct.pack("<Q", len(data)) + data for data in records)


def real_log(folder: Path, name: str = "vdlrecords.0000000001.log", *, tag: str = "train/loss", n: int = 5) -> Path:
    writer = new_writer(folder, file_name=name)
    for step in range(n):
        writer.add_scalar(tag, 1.0 / (step + 1), step)
    writer.close()
    return folder / name


def test_a_good_file_is_unchanged(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    before = path.read_bytes()
    assert repair(path) == 0
    assert path.read_bytes() == before
    assert [entry.kind for entry in scan(path)] == ["meta_data"] + ["value"] * 5
    assert [entry.tag for entry in scan(path)][1:] == ["train/loss"] * 5


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_truncated_file_is_cut_to_complete_records(tmp_path: Path, data: st.DataObject) -> None:
    records = [scalar(f"train/{i}", float(i)) for i in range(4)]
    ends = [len(framed(*records[:k])) for k in range(5)]
    cut = data.draw(st.integers(0, ends[-1]))
    path = tmp_path / "vdlrecords.1.log"
    path.write_bytes(framed(*records)[:cut])
    expected = max(end for end in ends if end <= cut)
    assert repair(path) == cut - expected
    assert path.stat().st_size == expected
    assert list(read_log(path)) == [f"train/{i}" for i in range(ends.index(expected))]


@pytest.mark.parametrize(
    "garbage",
    [
        bytes(4096),
        struct.pack("<Q", 2**63) + b"x" * 50,
        struct.pack("<Q", 10**9) + b"x" * 50,
        struct.pack("<Q", 20) + b"\xff" * 20,
        struct.pack("<Q", 2) + b"\x0a\x00",
        b"\x07",
    ],
    ids=["zeros", "absurd length", "length beyond the file", "no message", "a message that says nothing", "one byte"],
)
def test_garbage_at_the_end_is_cut_off(tmp_path: Path, garbage: bytes) -> None:
    path = real_log(tmp_path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(garbage)
    assert repair(path) == len(garbage)
    assert path.stat().st_size == size
    assert len(read_log(path)["train/loss"]) == 5


def test_an_empty_file_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "vdlrecords.1.log"
    path.touch()
    assert repair(path) == 0
    assert list(scan(path)) == []


def test_the_last_file_by_name_is_the_one_that_visualdl_reads(tmp_path: Path) -> None:
    from log_examples import LogReader

    for second in ("0000000003", "0000000001", "0000000002"):
        real_log(tmp_path, f"vdlrecords.{second}.log")
    (tmp_path / "notes.txt").touch()
    files = log_files(tmp_path)
    assert [path.name[11:21] for path in files] == ["0000000001", "0000000002", "0000000003"]
    assert LogReader(str(tmp_path)).logs()[str(tmp_path)] == files[-1].name
    note = hidden_files_note(tmp_path)
    assert note is not None
    assert files[0].name in note
    assert "relog" in note


def test_one_file_hides_nothing(tmp_path: Path) -> None:
    assert hidden_files_note(tmp_path / "none") is None
    real_log(tmp_path)
    assert hidden_files_note(tmp_path) is None


def test_rewrite_replaces_ours_and_keeps_the_rest(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    snapshot, analysis = make_frame()
    records = snapshot_records(snapshot, analysis, images={"tsne": PNG})
    with path.open("ab") as file:
        file.write(framed(scalar("embedding/word/norm_mean", 99.0), scalar("eval/acc", 0.5)))
    assert rewrite(path, lambda tag: not is_ours(tag), iter(records)) == path
    found = read_log(path)
    assert [value.value for value in found["embedding/word/norm_mean"]] == [2.5]
    assert len(found["train/loss"]) == 5
    assert len(found["eval/acc"]) == 1
    assert len(found["word/vectors/step_000000100"]) == 1
    assert next(scan(path)).kind == "meta_data"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_rewrite_merges_files_of_one_directory(tmp_path: Path) -> None:
    first = real_log(tmp_path, "vdlrecords.0000000001.log", tag="train/loss")
    second = real_log(tmp_path, "vdlrecords.0000000002.log", tag="train/acc")
    contents = first.read_bytes()
    target = rewrite(log_files(tmp_path), lambda tag: True)
    assert target == second
    assert log_files(tmp_path) == [second]
    assert (tmp_path / "merged.0000000001.log").read_bytes() == contents
    found = read_log(second)
    assert len(found["train/loss"]) == len(found["train/acc"]) == 5
    assert [entry.kind for entry in scan(second)].count("meta_data") == 1


def test_rewrite_keeps_display_names(tmp_path: Path) -> None:
    path = tmp_path / "vdlrecords.1.log"
    for name in ("", "a name"):
        new_writer(tmp_path, file_name=path.name, display_name=name).close()
    rewrite(path, lambda tag: True)
    assert [e.kind for e in scan(path)] == ["meta_data", "meta_data"]


def test_a_rewrite_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = real_log(tmp_path)
    before = path.read_bytes()
    for broken in (b"", b"no record"):
        with pytest.raises(ValueError, match="serialized VisualDL records"):
            rewrite(path, lambda tag: True, [scalar("a/b", 1.0), broken])

    def interrupted():  # type: ignore[no-untyped-def]
        yield scalar("a/b", 1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(path, lambda tag: True, interrupted())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(ValueError, match="at least one"):
        rewrite([], lambda tag: True)


@pytest.mark.parametrize(
    ("tag", "ours"),
    [
        ("embedding/word/norm_mean", True),
        ("watch 加息/word/norm", True),
        ("word/vectors/step_000000100", True),
        ("other/vectors/step_000000100", False),
        ("train/loss", False),
        ("embedding/loss", False),
        ("word/vectors/step_1", False),
    ],
)
def test_our_tags_are_recognized(tag: str, ours: bool) -> None:
    assert is_ours(tag, ["word"]) is ours


def test_a_tally_counts_what_a_budget_bounds(tmp_path: Path) -> None:
    snapshot, analysis = make_frame(table="a/b")
    records = snapshot_records(snapshot, analysis, images={"tsne": PNG})
    path = real_log(tmp_path)
    rewrite(path, lambda tag: True, [*records, scalar("other/thing", 1.0)])
    tally = Tally()
    repair(path, tally=tally)
    again = Tally()
    for record in records:
        again.add_record(record)
    assert tally.of("a/b") == again.of("a/b")
    assert tally.of("a/b")["vectors"] > 20 * 8 * 4
    assert tally.of("a/b")["projections"] > 2 * 20 * 2 * 4
    assert len(PNG) < tally.of("a/b")["images"] < len(PNG) + 100
    assert tally.of("elsewhere") == {"vectors": 0, "projections": 0, "images": 0}
