"""Files and folders that are no models, of whatever kind; none is stored, each is made here."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from refusals import read_all, refused
from saved_models import VECTORS, WRITERS, write_checkpoint

from visualdl_embedding.files import UnreadableModelError, open_tables


@pytest.mark.parametrize("name", list(WRITERS))
def test_empty_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    refused(tmp_path / name, "empty|has 0 bytes|does not begin|not a complete .npz|its format is unknown")


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.startswith("glove")])
def test_files_cut_off_anywhere_in_their_values(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    for size in (len(data) // 2, len(data) - 40):
        (tmp_path / name).write_bytes(data[:size])
        refused(tmp_path / name, "cannot be read")


@pytest.mark.parametrize("content", [n for n in WRITERS if "." in n])
@pytest.mark.parametrize("ending", [".pdparams", ".safetensors", ".npy", ".npz", ".pdiparams"])
def test_mislabeled_files_are_detected(content: str, ending: str, tmp_path: Path) -> None:
    WRITERS[content](tmp_path / content)
    path = tmp_path / f"other{ending}"
    shutil.copy(tmp_path / content, path)
    if content.endswith(ending):
        (stored,) = read_all(path)
        assert (stored.table.num_rows, stored.table.dim) == VECTORS.shape
        return
    message = refused(path, "its content looks like a")
    true_ending = ".vec" if content.endswith((".vec", ".gz", ".bin", ".txt")) else Path(content).suffix
    assert f"Rename it to end in {true_ending}" in message


def test_a_gzipped_header_with_too_many_words(tmp_path: Path) -> None:
    (tmp_path / "m.vec").write_bytes(gzip.compress(b"50000001 1\n" + b"a 1\n" * 1000))
    refused(
        tmp_path / "m.vec", "its header gives 50,000,001 words, but at most 50,000,000 are read from a gzipped file"
    )


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "vocab.txt").write_text("a\t1\nb\t2\n")
    with pytest.raises(FileNotFoundError, match=r"no model in the folder.*Looked for: \*\.safetensors.*'notes.txt'"):
        open_tables(tmp_path)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model '.*gone'.*with this prefix that end in \.pdparams"):
        open_tables(tmp_path / "gone")


def test_a_folder_with_several_models(tmp_path: Path) -> None:
    for epoch in range(3):
        write_checkpoint(4)(tmp_path / f"{epoch}.pdparams")
    refused(tmp_path, r"several models: '0.pdparams', '1.pdparams', '2.pdparams'")
    write_checkpoint(4)(tmp_path / "final.pdparams")
    assert open_tables(tmp_path)[0].path.name == "final.pdparams"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\3\4rest", "PyTorch"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"GGUF\3\0\0\0", "GGUF"),
        (b"\x7fELF", "format is unknown"),
    ],
)
def test_files_of_other_programs(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    message = refused(tmp_path / "pytorch_model.bin", reason)
    assert "Supported are" in message


def test_a_file_that_becomes_shorter_while_it_is_open(tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        path = tmp_path / name
        write(path)
        (stored,) = open_tables(path)
        stored.read_rows([0])
        path.write_bytes(path.read_bytes()[:70])
        if name in ("m.pdparams", "m2.pdparams"):
            # So small a tensor is kept.
            continue
        with pytest.raises(UnreadableModelError):
            list(stored.blocks())
