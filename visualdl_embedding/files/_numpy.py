"""Readers of ``.npy`` and ``.npz`` files. Objects are never unpickled; the header is parsed, not evaluated.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import Bytes, FileBytes, StreamBytes, check_range, read_exactly
from visualdl_embedding.files._matrix import FLOATS, MAX_RANK, DenseRows, Tensor

__all__ = ["read_npy", "read_npz"]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 64 * 1024
_DESCR = re.compile(r"'descr'\s*:\s*'([<>|=]?)([a-zA-Z])(\d{1,9})'")
_FORTRAN = re.compile(r"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(r"'shape'\s*:\s*\(\s*((?:\d{1,19}L?\s*,\s*){0,40}(?:\d{1,19}L?\s*)?)\)")
_TYPES = {"f2": "float16", "f4": "float32", "f8": "float64", "u2": "bfloat16"}
"""A uint16 matrix is read as bfloat16: ``weight.numpy()`` of a bfloat16 parameter returns uint16."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, OSError)


def read_npy(path: Path) -> list[Tensor]:
    """List the one array of a ``.npy``.

    Raises
    ------
    UnreadableModelError
        If it is damaged, or holds anything other than an array of numbers.
    """
    with open(path, "rb") as file:
        header, offset = _header(file, path)
    dtype, width, order, fortran, shape = _parse(header, path, path.name)
    size = math.prod(shape) * width
    if width:
        check_range(path, offset, size)
    return [_tensor(path.stem, (dtype, shape), path, FileBytes(path, offset, size), (order, fortran))]


def read_npz(path: Path) -> list[Tensor]:
    """List the arrays of a ``.npz``. Uncompressed arrays can be read row by row.

    Raises
    ------
    UnreadableModelError
        If it is damaged, or is not an archive of arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if not members:
                others = ", ".join(repr(info.filename) for info in archive.infolist()[:5]) or "nothing"
                hint = "; it is a PyTorch file" if "data.pkl" in others else ""
                raise UnreadableModelError(
                    path,
                    f"an archive of .npy arrays was expected, but it holds {others}{hint}",
                    advice="Save the table with numpy.savez, or the model as safetensors",
                )
            return [_member(archive, info, path) for info in members]
    # zipfile raises ValueError if a damaged directory points outside the file.
    except (*_BROKEN, ValueError) as error:
        if isinstance(error, UnreadableModelError | FileNotFoundError | PermissionError):
            raise
        raise UnreadableModelError(path, f"it is not a complete .npz archive ({error})") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Tensor:
    if info.flag_bits & 1:
        raise UnreadableModelError(path, "it is encrypted", advice="Decrypt it first")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableModelError(path, "its compression method is not one that NumPy uses")
    with archive.open(info) as stream:
        header, offset = _header(stream, path)
    dtype, width, order, fortran, shape = _parse(header, path, info.filename)
    size = math.prod(shape) * width
    if width and offset + size != info.file_size:
        raise UnreadableModelError(
            path, f"its array {info.filename!r} needs {offset + size:,} bytes, but has {info.file_size:,}"
        )
    source: Bytes
    if info.compress_type == zipfile.ZIP_STORED:
        source = FileBytes(path, _data_offset(path, info) + offset, size)
        check_range(path, source.offset, size)
    else:
        source = StreamBytes(path, partial(_open_member, path, info), offset, _BROKEN)
    return _tensor(info.filename.removesuffix(".npy"), (dtype, shape), path, source, (order, fortran))


def _open_member(path: Path, info: zipfile.ZipInfo) -> IO[bytes]:
    # The member keeps the archive file open.
    with zipfile.ZipFile(path) as archive:
        return archive.open(info)


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Offset of a stored member: after its local header, whose extra field may differ from the directory's."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        local = read_exactly(file, 30, path)
    name_size, extra_size = struct.unpack("<HH", local[26:30])
    return info.header_offset + 30 + int(name_size) + int(extra_size)


def _header(file: IO[bytes], path: Path) -> tuple[str, int]:
    """Read the header text and return it with the offset of the values."""
    start = file.read(8)
    if start[:6] != _MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise UnreadableModelError(path, "it does not begin with the .npy signature")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(read_exactly(file, width, path), "little")
    if length > _MAX_HEADER:
        raise UnreadableModelError(path, f"its header has {length:,} bytes, but at most {_MAX_HEADER:,} are allowed")
    return read_exactly(file, length, path).decode("latin-1"), 8 + width + length


def _parse(header: str, path: Path, name: str) -> tuple[str, int, str, bool, tuple[int, ...]]:
    fortran, shape = _FORTRAN.search(header), _SHAPE.search(header)
    if fortran is None or shape is None:
        raise UnreadableModelError(path, f"the header of {name!r} is not a .npy header")
    if (descr := _DESCR.search(header)) is None or descr[2] in "OV":
        raise UnreadableModelError(
            path,
            f"{name!r} holds Python objects or records, not numbers (objects are never unpickled)",
            advice="Save an array of float32 with numpy.save",
        )
    dims = tuple(int(dim) for dim in re.findall(r"\d+", shape[1]))
    if len(dims) > MAX_RANK or any(dim >= 2**63 for dim in dims):
        raise UnreadableModelError(path, f"{name!r} has an invalid shape")
    code = descr[2] + descr[3]
    width = int(descr[3]) * (4 if descr[2] == "U" else 1)
    return _TYPES.get(code, code), width, descr[1], fortran[1] == "True", dims


def _tensor(key: str, kind: tuple[str, tuple[int, ...]], path: Path, source: Bytes, layout: tuple[str, bool]) -> Tensor:
    (dtype, shape), (order, fortran) = kind, layout
    reader = None
    if len(shape) == 2 and dtype in FLOATS:
        reader = DenseRows(source, (shape[0], shape[1]), dtype, ">" if order == ">" else "<", fortran)
    return Tensor(key, shape, dtype, path, reader)
