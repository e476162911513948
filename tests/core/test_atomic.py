from __future__ import annotations

import os
from pathlib import Path

import pytest

from visualdl_embedding.core.atomic import move_synced, replacing


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path, prefix=".mine") as file:
        file.write(b"new")
        (temporary,) = tmp_path.glob(".mine.*.tmp")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert not temporary.exists()


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines((b"new", "text"))  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_file_and_folder_are_synced_around_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")), (tmp_path / "b").exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    move_synced(tmp_path / "a", tmp_path / "b")
    assert synced == [("a", False), (tmp_path.name, True)]
