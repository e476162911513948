from __future__ import annotations

import contextlib
import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

import visualdl_embedding.store._frames as module
from visualdl_embedding.core.safetensors_format import pack
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.store._files import write_atomically
from visualdl_embedding.store._frames import TensorFile

arrays = st.sampled_from(["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
tensor_sets = st.dictionaries(st.text(max_size=5).filter(lambda name: name != "__metadata__"), arrays, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("safetensors")


def as_bytes(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    return b"".join(bytes(part) for part in pack(tensors, metadata))


@given(tensors=tensor_sets)
def test_the_official_reader_reads_what_we_write(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    path = folder / "ours"
    path.write_bytes(as_bytes(tensors, {"a": "文"}))
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        read = found[name]
        assert (read.dtype, read.shape, read.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(tensors=tensor_sets)
def test_we_read_what_the_official_writer_writes(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    path = folder / "official"
    save_file(tensors, path, {"a": "文"})
    with TensorFile(path) as file:
        assert file.metadata == {"a": "文"}
        assert sorted(file.places) == sorted(tensors)
        for name, array in tensors.items():
            found = file.read(name)
            assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_contiguous_vectors_are_not_copied(tmp_path: Path) -> None:
    vectors = np.ones((10_000, 128), np.float32)
    tracemalloc.start()
    write_atomically(tmp_path / "a", pack({"vectors": vectors}, {}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < vectors.nbytes / 10


def test_views_and_foreign_byte_orders_are_stored_correctly(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = tmp_path / "a"
    path.write_bytes(as_bytes({"turned": values.T, "strided": values[:, ::2], "big": values.astype(">f4")}, {}))
    found = load_file(path)
    np.testing.assert_array_equal(found["turned"], values.T)
    np.testing.assert_array_equal(found["strided"], values[:, ::2])
    np.testing.assert_array_equal(found["big"], values)


def test_a_large_tensor_is_mapped_and_changing_it_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    values = np.arange(1000, dtype=np.float32)
    path.write_bytes(as_bytes({"v": values, "b": np.ones(3, bool)}, {}))
    monkeypatch.setattr(module, "_MAP_FROM", 4000)
    with TensorFile(path) as file:
        mapped, read = file.read("v"), file.read("b")
    assert not mapped.flags.owndata
    assert read.flags.owndata
    mapped += 1
    np.testing.assert_array_equal(load_file(path)["v"], values)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(TypeError, match="complex128, which cannot be stored"):
        as_bytes({"a": np.ones(2, complex)}, {})


def framed(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: object, shape: object, *offsets: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 5) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{x",
        struct.pack("<Q", 2) + b"\xff\xff",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        framed({"__metadata__": 3}),
        framed({"a": entry("F32", [2], 0, 8)}, bytes(7)),
        framed({"a": entry("F32", [2], 0, 8)}, bytes(9)),
        framed({"a": entry("F32", [3], 0, 8)}, bytes(8)),
        framed({"a": entry("F32", [-2], 8, 0)}, bytes(8)),
        framed({"a": entry("F32", [True, 2], 0, 8)}, bytes(8)),
        framed({"a": entry("F32", [1e18], 0, 8)}, bytes(8)),
        framed({"a": entry("X", [2], 0, 8)}, bytes(8)),
        framed({"a": entry("BF16", [4], 0, 8)}, bytes(8)),
        framed({"a": entry(["F32"], [2], 0, 8)}, bytes(8)),
        framed({"a": entry("F32", 2, 0, 8)}, bytes(8)),
        framed({"a": entry("F32", [2], 0)}, bytes(8)),
        framed({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
        framed({"a": None}),
        framed({name: entry("U8", [2], 0, 2) for name in "ab"}, bytes(2)),
        framed({"a": entry("U8", [2], 1, 3)}, bytes(3)),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "snapshot"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="snapshot is damaged"):
        TensorFile(path)


@given(data=st.data())
def test_any_damage_raises_a_clear_error(folder: Path, data: st.DataObject) -> None:
    whole = as_bytes({"v": np.arange(6, dtype=np.float32), "i": np.arange(2)}, {"k": "v"})
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "damaged"
    path.write_bytes(content)
    with contextlib.suppress(DamagedFileError), TensorFile(path) as file:
        for name in file.places:
            assert file.read(name).nbytes <= len(content)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(as_bytes({"v": np.ones(1)}, {}))
    with TensorFile(path) as file, pytest.raises(DamagedFileError, match="tensor 'w' is missing"):
        file.read("w")


def test_one_number_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(as_bytes({"v": np.arange(5, dtype=np.float32), "m": np.ones((2, 2))}, {}))
    with TensorFile(path) as file:
        assert [file.read_number("v", i) for i in range(5)] == [0, 1, 2, 3, 4]
        for name, position in (("v", 5), ("v", -1), ("m", 0)):
            with pytest.raises(DamagedFileError, match=f"tensor '{name}' has no number for row {position}"):
                file.read_number(name, position)
        with pytest.raises(DamagedFileError, match="tensor 'w' is missing"):
            file.read_number("w", 0)
