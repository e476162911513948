"""The corpus of bad files; none is stored, each is made here."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import resource
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import paddle
import pytest
from saved_models import VECTORS, WRITERS, raw_tensor, safetensors, save_inference, write_checkpoint

from visualdl_embedding.sources import StoredTable, UnreadableModelError, open_tables


def read_all(path: Path) -> list[StoredTable]:
    tables = open_tables(path)
    for stored in tables:
        list(stored.blocks())
        stored.read_labels()
    return tables


def refused(path: Path, reason: str) -> str:
    with pytest.raises(UnreadableModelError, match=reason) as error:
        read_all(path)
    message = str(error.value)
    assert path.name in message or path.parent.name in message
    assert message.partition("\n")[0].endswith(".")
    return message


@pytest.mark.parametrize("name", list(WRITERS))
def test_empty_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    refused(tmp_path / name, "empty|has 0 bytes|does not begin|no whole .npz|of no known kind")


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.startswith("glove")])
def test_files_cut_off_anywhere_in_their_values(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    for size in (len(data) // 2, len(data) - 40):
        (tmp_path / name).write_bytes(data[:size])
        refused(tmp_path / name, "cannot be read")


@pytest.mark.parametrize("content", [n for n in WRITERS if "." in n])
@pytest.mark.parametrize("ending", [".pdparams", ".safetensors", ".npy", ".npz", ".pdiparams"])
def test_mislabelled_files_are_told_apart(content: str, ending: str, tmp_path: Path) -> None:
    WRITERS[content](tmp_path / content)
    path = tmp_path / f"other{ending}"
    shutil.copy(tmp_path / content, path)
    if content.endswith(ending):
        read_all(path)
        return
    message = refused(path, "by its content it is rather of another kind")
    true_ending = ".vec" if content.endswith((".vec", ".gz", ".bin", ".txt")) else Path(content).suffix
    assert f"rename it to end in {true_ending}" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0" * 7, "it has 7 bytes"),
        (struct.pack("<Q", 2**60) + b"{}", "header would have 1,152,921,504,606,846,976 bytes"),
        (struct.pack(">Q", 2) + b"{}", "big-endian"),
        (safetensors(b"[1]"), "no object of names"),
        (safetensors(b"[" * 100_000), "no safetensors header"),
        (safetensors(b'{"a": 1, "a": 2}'), "stands there twice"),
        (safetensors(b"\xff\xfe{}"), "no safetensors header"),
        (safetensors({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}), "cut off"),
        (safetensors({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 16]}}, b"\0" * 16), "does not fit"),
        (safetensors({"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"dtype": "F32", "shape": [2.0, 2], "data_offsets": [0, 16]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}}, b"\0" * 16), "not fit"),
        (safetensors({"a": {"dtype": "F32", "shape": [1] * 1000, "data_offsets": [0, 4]}}, b"\0" * 16), "natural"),
        (safetensors({"a": {"shape": [2, 2], "data_offsets": [0, 16]}}, b"\0" * 16), "no safetensors header"),
        (safetensors({"a": {"dtype": "F32", "shape": [4, 1], "data_offsets": [16, 0]}}, b"\0" * 16), "does not fit"),
        (safetensors({"a": {"dtype": "NEW", "shape": [4, 1], "data_offsets": [0, 16]}}, b"\0" * 16), "none of its 1"),
    ],
)
def test_bad_safetensors(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    refused(tmp_path / "m.safetensors", reason)


@pytest.mark.parametrize(
    ("weight_map", "reason"),
    [
        ({"a": "../../x.safetensors"}, "not inside the model's folder"),
        ({"a": "sub/../../x.safetensors"}, "not inside the model's folder"),
        ({"a": "/etc/passwd"}, "not inside the model's folder"),
        ({"a": "..\\x.safetensors"}, "not inside the model's folder"),
        ({"a": "C:\\x.safetensors"}, "not inside the model's folder"),
        ({"a": "x\0.safetensors"}, "not inside the model's folder"),
        ({"a": ""}, "not inside the model's folder"),
        ({"a": "gone.safetensors"}, "is not there"),
        ({"missing": "x.safetensors"}, "'missing', are in no file"),
        ({"a": 3}, "by what is no text"),
        ({}, "no 'weight_map'"),
        ([], "no 'weight_map'"),
    ],
)
def test_bad_indexes(weight_map: object, reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        paddle.save({"a": paddle.to_tensor(VECTORS)}, str(place / "x.safetensors"), safetensors=True)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    refused(folder / "model.safetensors.index.json", reason)


def test_an_index_that_is_no_json(tmp_path: Path) -> None:
    for content in (b"", b"[" * 100_000, b"[]", b"\xff"):
        (tmp_path / "model.safetensors.index.json").write_bytes(content)
        refused(tmp_path / "model.safetensors.index.json", "no JSON")


def npy(header: bytes, data: bytes = b"", *, version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", b"\0" * 15), "cut off"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999)}", b"\0" * 15), "cut off"),
        (npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}"), "Python objects"),
        (npy(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}"), "Python objects"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2)}"), "no header"),
        (npy(b"__import__('os').system('true')"), "no header"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", version=b"\x09\0"), "does not begin"),
        (b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{", "header would have 2,147,483,648 bytes"),
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


def test_archives_that_are_no_arrays(tmp_path: Path) -> None:
    for name, reason in (("x.txt", "holds 'x.txt'"), ("archive/data.pkl", "a file of PyTorch")):
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
    import tracemalloc

    tracemalloc.start()
    (stored,) = open_tables(tmp_path / "m.npz")
    assert sum(len(block) for _, block in stored.blocks()) == 2**20
    assert stored.read_rows([2**20 - 1]).sum() == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (raw_tensor(VECTORS)[:-1], "cut off"),
        (raw_tensor(VECTORS) + b"\0", "too early|cut off"),
        (raw_tensor(VECTORS)[:16] + struct.pack(">i", 6) + raw_tensor(VECTORS)[20:], "big-endian|no known kind"),
        (b"\0" * 16 + struct.pack("<i", 6) + b"\x08\x05\x10\xff\xff\x7f", "cut off"),
        (b"\0" * 16 + struct.pack("<i", 4) + b"\x08\x63\x10\x02" + b"\0" * 8, "unknown number 99"),
        (b"\0" * 16 + struct.pack("<i", 4) + b"\x08\x05\x12\x7f" + b"\0" * 8, "beyond its message"),
        (b"\0" * 16 + struct.pack("<i", 13) + b"\x08\x05\x10" + b"\xff" * 9 + b"\x01" + b"\0" * 8, "its shape is"),
        (b"\0" * 4 + struct.pack("<Q", 2**60) + b"\0" * 30, "levels of detail"),
        (b"\0" * 4 + struct.pack("<QQ", 1, 2**60) + b"\0" * 30, "cut off"),
        (b"\1" + b"\0" * 40, "version reads 1"),
    ],
)
def test_bad_paddle_tensors(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.pdiparams").write_bytes(content)
    refused(tmp_path / "m.pdiparams", reason)


def test_parts_of_two_inference_models(tmp_path: Path) -> None:
    save_inference(tmp_path)
    good = (tmp_path / "m.json").read_bytes()
    (tmp_path / "m.json").write_bytes(good.replace(b"[50,8]", b"[51,8]"))
    refused(tmp_path / "m", r"shape \(50, 8\), the program 'm.json' says \(51, 8\)")
    (tmp_path / "m.pdiparams").write_bytes(raw_tensor(VECTORS))
    refused(tmp_path / "m", "holds 1 tensors, but the program 'm.json' has 9 parameters|has 8 parameters")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"base_code": {"magic": "pir"}, "program": {"regions": 3}}',
        b"{" * 100_000,
        b"\x0a\xff",
        b"x",
    ],
)
@pytest.mark.parametrize("ending", [".json", ".pdmodel"])
def test_bad_programs(content: bytes, ending: str, tmp_path: Path) -> None:
    (tmp_path / "m.pdiparams").write_bytes(raw_tensor(VECTORS))
    (tmp_path / f"m{ending}").write_bytes(content)
    with pytest.raises(UnreadableModelError, match=r"program of Paddle|PIR program"):
        open_tables(tmp_path / "m")


def test_a_program_without_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "m.pdmodel").write_bytes(b"\x0a\0")
    refused(tmp_path / "m.pdmodel", r"no .pdiparams lies beside it. Put 'm.pdiparams' beside it")


class Payload:
    """What a hostile file has in the place of a tensor."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return eval, (f"open({str(self.path)!r}, 'w').close()",)


class Named(Payload):
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        import os

        return os.mkdir, (str(self.path),)


class Bare:
    """An object of a class, as careless checkpoints have them."""


@pytest.mark.parametrize("protocol", range(6))
def test_a_payload_is_refused_by_its_name_and_never_runs(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "m.pdparams"
    for payload, name in (
        (Payload(tmp_path / "ran"), "eval"),
        (Named(tmp_path / "ran"), "posix.mkdir"),
        (Bare(), "copyreg|copy_reg|test_bad_models.Bare"),
    ):
        path.write_bytes(pickle.dumps({"word_emb": payload}, protocol=protocol))
        message = refused(path, rf"it asks for \S*({name})\S*, which is no part of a tensor")
        assert "Nothing of it was run" in message
        assert not (tmp_path / "ran").exists()
    # What is refused here is what paddle.load runs.
    path.write_bytes(pickle.dumps({"word_emb": Payload(tmp_path / "ran")}, protocol=protocol))
    paddle.load(str(path))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031+1\x85R.", "builtins.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x03abc}\x86R.", "builtins.eval"),
        (b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93)R.", "numpy.ndarray"),
        (b"\x80\x04\x8c\x08builtins\x8c\x05tuple\x93)\x81.", "builtins.tuple"),
        (b"\x80\x02\x82\x01.", "extension registry"),
        (b"\x80\x02X\x01\0\0\0aQ.", "outside the file"),
        (b"\x80\x05\x97.", "outside the file"),
        (b"\x80\x04\x8c\x03o\ns\x8c\x02\x1b[\x93.", r"o\\ns.\\x1b\["),
        (b"\x80\x09N.", "protocol 9"),
        (b"\x80\x04\xff.", "0xff"),
        (b"\x80\x04.", "no well-formed pickle"),
        (b"\x80\x04R.", "no well-formed pickle"),
        (b"\x80\x04Na.", "no well-formed pickle"),
        (b"\x80\x04NNs.", "no well-formed pickle"),
        (b"\x80\x04h\x05.", "no well-formed pickle"),
        (b"\x80\x04u.", "no well-formed pickle"),
        (b"\x80\x04\x85.", "no well-formed pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".", "cut off"),
        (b"\x80\x04B" + struct.pack("<I", 2**31) + b".", "cut off"),
        (b"\x80\x02T" + struct.pack("<i", -5) + b".", "cut off"),
        (b"\x80\x04\x8b" + struct.pack("<i", 2**30) + b".", "whole number of"),
        (b"\x80\x04\x8c\x02\xff\xff.", "no well-formed pickle"),
        (b"\x80\x04" + b"N0" * 1_100_000 + b".", "2,000,000 instructions"),
        (b"\x80\x04" + b"(" * 100_000 + b"t" * 100_000 + b".", "none of its 0 tensors"),
        (b"\x80\x04K\x01.", "none of its 0 tensors"),
        (b"\x80\x04}.", "none of its 0 tensors"),
        # A list that holds itself, and a tuple of tuples that would take 2**60 steps to walk, to hash or to print.
        (b"\x80\x04]\x94h\0a.", "none of its 0 tensors"),
        (b"\x80\x04)" + b"2\x86" * 60 + b".", "none of its 0 tensors"),
        (b"\x80\x04})" + b"2\x86" * 60 + b"Ns.", "none of its 0 tensors"),
        (b"\x80\x04c_codecs\nencode\nX\x01\0\0\0a)" + b"2\x86" * 60 + b"\x86R.", "no well-formed pickle"),
    ],
)
def test_bad_pickles(code: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.pdparams").write_bytes(code)
    refused(tmp_path / "m.pdparams", reason)


@pytest.mark.parametrize(
    ("shape", "reason"), [((9, 9), "needs 324 bytes"), ((2**60, 2**60), "needs"), ((-1, -6), "shape that is none")]
)
def test_a_pickled_array_that_lies_about_its_shape(shape: tuple[int, int], reason: str, tmp_path: Path) -> None:
    function, arguments, state = VECTORS.__reduce__()

    class Lying:
        def __reduce__(self) -> tuple[object, ...]:
            return function, arguments, (state[0], shape, *state[2:])

    (tmp_path / "m.pdparams").write_bytes(pickle.dumps({"word_emb": Lying()}, protocol=4))
    refused(tmp_path / "m.pdparams", reason)


def test_slices_that_are_missing(tmp_path: Path) -> None:
    info = {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}}
    content = {"w@@.0": np.zeros(3, np.float32), "UnpackBigParamInfor@@": info}
    (tmp_path / "m.pdparams").write_bytes(pickle.dumps(content, protocol=2))
    refused(tmp_path / "m.pdparams", "slices of its tensor 'w' are missing")
    content["w@@.1"] = np.zeros(4, np.float32)
    (tmp_path / "m.pdparams").write_bytes(pickle.dumps(content, protocol=2))
    refused(tmp_path / "m.pdparams", r"do not make its shape \(2, 3\)")


@pytest.mark.parametrize("protocol", [2, 4])
def test_slices_that_count_more_than_once(protocol: int, tmp_path: Path) -> None:
    values = np.zeros(1000, np.float32)
    for content, slices in (
        ({"w@@.0": values}, ["w@@.0"] * 100_000),
        ({"w@@.0": values, "w@@.1": values}, ["w@@.0", "w@@.1"]),
    ):
        info = {"w": {"OriginShape": (1000 * len(slices), 1), "slices": slices}}
        (tmp_path / "m.pdparams").write_bytes(pickle.dumps({**content, "UnpackBigParamInfor@@": info}, protocol))
        refused(tmp_path / "m.pdparams", "slices of its tensor 'w' are more than the file holds")
    # Each slice once, but of many tensors.
    info = {f"w{i}": {"OriginShape": (1000, 1), "slices": ["w@@.0"]} for i in range(9)}
    (tmp_path / "m.pdparams").write_bytes(
        pickle.dumps({"w@@.0": values, "UnpackBigParamInfor@@": info}, protocol=protocol)
    )
    refused(tmp_path / "m.pdparams", "slices of its tensor 'w[1-8]' are more than the file holds")


def test_more_slices_than_files_that_can_be_open(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((600, 80)).astype(np.float32)
    parts = {f"w@@.{i}": row for i, row in enumerate(values)}
    info = {"w": {"OriginShape": values.shape, "slices": list(parts)}}
    (tmp_path / "m.pdparams").write_bytes(pickle.dumps({**parts, "UnpackBigParamInfor@@": info}, protocol=4))
    (stored,) = open_tables(tmp_path / "m.pdparams")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        assert np.array_equal(np.concatenate([block for _, block in stored.blocks()]), values)
        assert np.array_equal(stored.read_rows([599, 3]), values[[599, 3]])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_gzipped_header_that_promises_more_than_memory_holds(tmp_path: Path) -> None:
    (tmp_path / "m.vec").write_bytes(gzip.compress(b"50000001 1\n" + b"a 1\n" * 1000))
    refused(tmp_path / "m.vec", "its header says 50,000,001 words; of a gzipped file at most 50,000,000 are read")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "vocab.txt").write_text("a\t1\nb\t2\n")
    with pytest.raises(FileNotFoundError, match=r"no model in the folder.*Looked for: \*\.safetensors.*'notes.txt'"):
        open_tables(tmp_path)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model '.*gone'.*begin so and end in \.pdparams"):
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
        (b"\x7fELF", "no known kind"),
    ],
)
def test_files_of_other_programs(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    message = refused(tmp_path / "pytorch_model.bin", reason)
    assert "Known are" in message


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
