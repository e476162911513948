"""Bad safetensors, indexes of them, and files of NumPy."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import paddle
import pytest
from refusals import Payload, refused
from safetensors.paddle import save_file
from saved_models import VECTORS, safetensors

from visualdl_embedding.files import open_tables


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0" * 7, "it has 7 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", "header has 1,152,921,504,606,846,976 bytes"),
        (struct.pack(">Q", 2) + b"{}", "big-endian"),
        (safetensors(b"[1]"), "not an object of names"),
        (safetensors(b"[" * 100_000), "not a safetensors header"),
        (safetensors(b'{"a": 1, "a": 2}'), "occurs twice"),
        (safetensors(b"\xff\xfe{}"), "not a safetensors header"),
        (safetensors({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}), "cut off"),
        (safetensors({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 16]}}, b"\0" * 16), "not match"),
        (safetensors({"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"dtype": "F32", "shape": [2.0, 2], "data_offsets": [0, 16]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}}, b"\0" * 16), "not match"),
        (safetensors({"a": {"dtype": "F32", "shape": [1] * 1000, "data_offsets": [0, 4]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"shape": [2, 2], "data_offsets": [0, 16]}}, b"\0" * 16), "not a safetensors header"),
        (safetensors({"a": {"dtype": "F32", "shape": [4, 1], "data_offsets": [16, 0]}}, b"\0" * 16), "not match"),
        (safetensors({"a": {"dtype": "NEW", "shape": [4, 1], "data_offsets": [0, 16]}}, b"\0" * 16), "none of its 1"),
    ],
)
def test_bad_safetensors(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    refused(tmp_path / "m.safetensors", reason)


@pytest.mark.parametrize(
    ("weight_map", "reason"),
    [
        ({"a": "../../x.safetensors"}, "outside the model's folder"),
        ({"a": "sub/../../x.safetensors"}, "outside the model's folder"),
        ({"a": "/etc/passwd"}, "outside the model's folder"),
        ({"a": "..\\x.safetensors"}, "outside the model's folder"),
        ({"a": "C:\\x.safetensors"}, "outside the model's folder"),
        ({"a": "x\0.safetensors"}, "outside the model's folder"),
        ({"a": ""}, "outside the model's folder"),
        ({"a": "gone.safetensors"}, "which does not exist"),
        ({"missing": "x.safetensors"}, "'missing', are in none of its files"),
        ({"a": 3}, "a file name that is not a string"),
        ({}, "no 'weight_map'"),
        ([], "no 'weight_map'"),
    ],
)
def test_bad_indexes(weight_map: object, reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        save_file({"a": paddle.to_tensor(VECTORS)}, str(place / "x.safetensors"))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    refused(folder / "model.safetensors.index.json", reason)


def test_an_index_that_is_not_json(tmp_path: Path) -> None:
    for content in (b"", b"[" * 100_000, b"[]", b"\xff"):
        (tmp_path / "model.safetensors.index.json").write_bytes(content)
        refused(tmp_path / "model.safetensors.index.json", "it is not (a|valid) JSON")


def npy(header: bytes, data: bytes = b"", *, version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", b"\0" * 15), "cut off"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999)}", b"\0" * 15), "cut off"),
        (npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}"), "Python objects"),
        (npy(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}"), "Python objects"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2)}"), "not a .npy header"),
        (npy(b"__import__('os').system('true')"), "not a .npy header"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", version=b"\x09\0"), "does not begin"),
        (b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{", "header has 2,147,483,648 bytes"),
        (npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 2)}", b"\0" * 32), "none of its 1 tensors"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", b"\0" * 16), "none of its 1 tensors"),
    ],
)
def test_bad_npy(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.npy").write_bytes(content)
    refused(tmp_path / "m.npy", reason)


def test_objects_in_an_npz_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", word_emb=np.array([[Payload(tmp_path / "ran")]], dtype=object))
    refused(tmp_path / "m.npz", "Python objects")
    assert not (tmp_path / "ran").exists()


def test_archives_without_arrays(tmp_path: Path) -> None:
    for name, reason in (("x.txt", "holds 'x.txt'"), ("archive/data.pkl", "a PyTorch file")):
        with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
            archive.writestr(name, "x")
        refused(tmp_path / "m.npz", reason)


def test_a_zip_bomb_does_not_fill_the_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**20, 64)})
    with (
        zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("m.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(64):
            member.write(b"\0" * 2**22)
    tracemalloc.start()
    (stored,) = open_tables(tmp_path / "m.npz")
    assert sum(len(block) for _, block in stored.blocks()) == 2**20
    assert stored.read_rows([2**20 - 1]).sum() == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26
