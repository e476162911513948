"""Bad tensors and programs of Paddle's inference models."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from refusals import refused
from saved_models import VECTORS, raw_tensor, save_inference

from visualdl_embedding.files import UnreadableModelError, open_tables


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (raw_tensor(VECTORS)[:-1], "cut off"),
        (raw_tensor(VECTORS) + b"\0", "bytes early|cut off"),
        (raw_tensor(VECTORS)[:16] + struct.pack(">i", 6) + raw_tensor(VECTORS)[20:], "big-endian|format is unknown"),
        (b"\0" * 16 + struct.pack("<i", 6) + b"\x08\x05\x10\xff\xff\x7f", "cut off"),
        (b"\0" * 16 + struct.pack("<i", 4) + b"\x08\x63\x10\x02" + b"\0" * 8, "type number 99 is unknown"),
        (b"\0" * 16 + struct.pack("<i", 4) + b"\x08\x05\x12\x7f" + b"\0" * 8, "its description is damaged"),
        (
            b"\0" * 16 + struct.pack("<i", 13) + b"\x08\x05\x10" + b"\xff" * 9 + b"\x01" + b"\0" * 8,
            "its shape .* is invalid",
        ),
        (b"\0" * 4 + struct.pack("<Q", 2**60) + b"\0" * 30, "levels of detail"),
        (b"\0" * 4 + struct.pack("<QQ", 1, 2**60) + b"\0" * 30, "cut off"),
        (b"\1" + b"\0" * 40, "version is 1, not 0"),
    ],
)
def test_bad_paddle_tensors(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.pdiparams").write_bytes(content)
    refused(tmp_path / "m.pdiparams", reason)


def test_parts_of_two_inference_models(tmp_path: Path) -> None:
    save_inference(tmp_path)
    good = (tmp_path / "m.json").read_bytes()
    (tmp_path / "m.json").write_bytes(good.replace(b"[50,8]", b"[51,8]"))
    refused(tmp_path / "m", r"shape \(50, 8\), but the program 'm.json' expects \(51, 8\)")
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
    with pytest.raises(UnreadableModelError, match=r"Paddle program"):
        open_tables(tmp_path / "m")


def test_a_program_without_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "m.pdmodel").write_bytes(b"\x0a\0")
    refused(tmp_path / "m.pdmodel", r"no .pdiparams file next to it. Put 'm.pdiparams' next to it")
