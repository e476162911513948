"""Hostile and damaged checkpoints, which are pickles."""

from __future__ import annotations

import pickle
import resource
import struct
from pathlib import Path

import numpy as np
import paddle
import pytest
from refusals import Payload, refused
from saved_models import VECTORS

from visualdl_embedding.files import open_tables


class Named(Payload):
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        import os

        return os.mkdir, (str(self.path),)


class Bare:
    """An object of a class, as careless checkpoints have them."""


@pytest.mark.parametrize("protocol", range(6))
def test_a_payload_is_refused_by_name_and_never_runs(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "m.pdparams"
    for payload, name in (
        (Payload(tmp_path / "ran"), "eval"),
        (Named(tmp_path / "ran"), "posix.mkdir"),
        (Bare(), "copyreg|copy_reg|test_bad_pickles.Bare"),
    ):
        path.write_bytes(pickle.dumps({"word_emb": payload}, protocol=protocol))
        message = refused(path, rf"it asks for \S*({name})\S*, which is not part of a tensor")
        assert "No code was run" in message
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
        (b"\x80\x04.", "malformed pickle"),
        (b"\x80\x04R.", "malformed pickle"),
        (b"\x80\x04Na.", "malformed pickle"),
        (b"\x80\x04NNs.", "malformed pickle"),
        (b"\x80\x04h\x05.", "malformed pickle"),
        (b"\x80\x04u.", "malformed pickle"),
        (b"\x80\x04\x85.", "malformed pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".", "cut off"),
        (b"\x80\x04B" + struct.pack("<I", 2**31) + b".", "cut off"),
        (b"\x80\x02T" + struct.pack("<i", -5) + b".", "cut off"),
        (b"\x80\x04\x8b" + struct.pack("<i", 2**30) + b".", "integer of"),
        (b"\x80\x04\x8c\x02\xff\xff.", "malformed pickle"),
        (b"\x80\x04" + b"N0" * 1_100_000 + b".", "2,000,000 opcodes"),
        (b"\x80\x04" + b"(" * 100_000 + b"t" * 100_000 + b".", "none of its 0 tensors"),
        (b"\x80\x04K\x01.", "none of its 0 tensors"),
        (b"\x80\x04}.", "none of its 0 tensors"),
        # A list that holds itself, and a tuple of tuples that would take 2**60 steps to walk, to hash or to print.
        (b"\x80\x04]\x94h\0a.", "none of its 0 tensors"),
        (b"\x80\x04)" + b"2\x86" * 60 + b".", "none of its 0 tensors"),
        (b"\x80\x04})" + b"2\x86" * 60 + b"Ns.", "none of its 0 tensors"),
        (b"\x80\x04c_codecs\nencode\nX\x01\0\0\0a)" + b"2\x86" * 60 + b"\x86R.", "malformed pickle"),
    ],
)
def test_bad_pickles(code: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.pdparams").write_bytes(code)
    refused(tmp_path / "m.pdparams", reason)


@pytest.mark.parametrize(
    ("shape", "reason"), [((9, 9), "needs 324 bytes"), ((2**60, 2**60), "needs"), ((-1, -6), "invalid shape")]
)
def test_a_pickled_array_with_a_false_shape(shape: tuple[int, int], reason: str, tmp_path: Path) -> None:
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
    refused(tmp_path / "m.pdparams", r"do not match its shape \(2, 3\)")


@pytest.mark.parametrize("protocol", [2, 4])
def test_slices_listed_more_than_once(protocol: int, tmp_path: Path) -> None:
    values = np.zeros(1000, np.float32)
    for content, slices in (
        ({"w@@.0": values}, ["w@@.0"] * 100_000),
        ({"w@@.0": values, "w@@.1": values}, ["w@@.0", "w@@.1"]),
    ):
        info = {"w": {"OriginShape": (1000 * len(slices), 1), "slices": slices}}
        (tmp_path / "m.pdparams").write_bytes(pickle.dumps({**content, "UnpackBigParamInfor@@": info}, protocol))
        refused(tmp_path / "m.pdparams", "slices of its tensor 'w' need more bytes than the file holds")
    # Each slice once, but of many tensors.
    info = {f"w{i}": {"OriginShape": (1000, 1), "slices": ["w@@.0"]} for i in range(9)}
    (tmp_path / "m.pdparams").write_bytes(
        pickle.dumps({"w@@.0": values, "UnpackBigParamInfor@@": info}, protocol=protocol)
    )
    refused(tmp_path / "m.pdparams", "slices of its tensor 'w[1-8]' need more bytes than the file holds")


def test_more_slices_than_open_files_allowed(tmp_path: Path) -> None:
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
