"""Readers of ``.npy`` and ``.npz`` files. Objects are never unpickled; the header is parsed, not evaluated.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import Bytes, Read, read_exactly, stored_bytes
from visualdl_embedding.files._matrix import MAX_RANK, NUMPY_CODES, Tensor, tensor

__all__ = ["read_npy", "read_npz"]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 64 * 1024
_DESCR = re.compile(r"'descr'\s*:\s*'([<>|=]?)([a-zA-Z])(\d{1,9})'")
_FORTRAN = re.compile(r"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(r"'shape'\s*:\s*\(\s*((?:\d{1,19}L?\s*,\s*){0,40}(?:\d{1,19}L?\s*)?)\)")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, OSError)


def read_npy(path: Path) -> list[Tensor]:
    """List the one array of a ``.npy``."""
    with open(path, "rb") as file:
        offset, size, describe = _header(file, path, path.name)
    return [describe(path.stem, source=stored_bytes(path, offset, size))]


def read_npz(path: Path) -> list[Tensor]:
    """List the arrays of a ``.npz``. Uncompressed arrays can be read row by row."""
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
        offset, size, describe = _header(stream, path, info.filename)
    if offset + size != info.file_size:
        raise UnreadableModelError(
            path, f"its array {info.filename!r} needs {offset + size:,} bytes, but has {info.file_size:,}"
        )
    source: Bytes = partial(_compressed_bytes, path, info, offset)
    if info.compress_type == zipfile.ZIP_STORED:
        source = stored_bytes(path, _data_offset(path, info) + offset, size)
    return describe(info.filename.removesuffix(".npy"), source=source)


@contextmanager
def _compressed_bytes(path: Path, info: zipfile.ZipInfo, offset: int) -> Iterator[Read]:
    """Open a compressed member. It only reads forward; reading backward restarts the decompressor."""

    def read(start: int, stop: int) -> bytes:
        with _reported(path):
            stream.seek(offset + start)
            return read_exactly(stream, stop - start, path)

    # The member keeps the archive file open.
    with _reported(path), zipfile.ZipFile(path) as archive:
        stream = archive.open(info)
    with stream:
        yield read


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise UnreadableModelError(path, f"its compressed data is damaged ({error})") from error


def _data_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Offset of a stored member: after its local header, whose extra field may differ from the directory's."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        local = read_exactly(file, 30, path)
    name_size, extra_size = struct.unpack("<HH", local[26:30])
    return info.header_offset + 30 + int(name_size) + int(extra_size)


def _header(file: IO[bytes], path: Path, name: str) -> tuple[int, int, Callable[..., Tensor]]:
    """Read the header of an array; return offset and size of its values, and `tensor` with all but key and source."""
    start = file.read(8)
    if start[:6] != _MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise UnreadableModelError(path, "it does not begin with the .npy signature")
    n_bytes = 2 if start[6] == 1 else 4
    length = int.from_bytes(read_exactly(file, n_bytes, path), "little")
    if length > _MAX_HEADER:
        raise UnreadableModelError(path, f"its header has {length:,} bytes, but at most {_MAX_HEADER:,} are allowed")
    header = read_exactly(file, length, path).decode("latin-1")
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
    order, kind, width = descr.groups()
    size = math.prod(dims) * int(width) * (4 if kind == "U" else 1)
    dtype = NUMPY_CODES.get(kind + width, kind + width)
    describe = partial(tensor, shape=dims, dtype=dtype, path=path, byte_order=order, fortran=fortran[1] == "True")
    return 8 + n_bytes + length, size, describe
