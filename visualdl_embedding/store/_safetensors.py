"""Reader of the store's safetensors files."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.safetensors_format import LayoutError, TensorPlace, read_layout
from visualdl_embedding.errors import DamagedFileError

__all__ = ["TensorFile"]

_MAP_FROM = 64 * 2**20
"""Minimum size in bytes of memory-mapped tensors. Smaller tensors are read (2 ms for 10,000 x 128), because each map
keeps a file open: a thousand mapped snapshots would reach the usual limit of 1,024 open files."""
_NOT_NUMPY = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Types that the store never writes."""


class TensorFile(AbstractContextManager["TensorFile"]):
    """Safetensors file open for reading; a context manager.

    All reads use the same open file, so replacing the file on disk is safe. Opening and reading raise
    `DamagedFileError` if it is not a complete safetensors file, or has no such tensor or position.

    Attributes
    ----------
    metadata, places
        Text values and places of the tensors, by name and in file order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        try:
            self._read_layout()
        except BaseException:
            self._file.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, name: str) -> NDArray[Any]:
        """Read one tensor, which must exist. Large tensors are memory-mapped, copy-on-write."""
        place, dtype = self._place(name)
        if place.stop - place.start >= _MAP_FROM:
            mapped = np.memmap(self._file, dtype=dtype, mode="c", offset=place.start, shape=place.shape)
            return mapped.view(np.ndarray)
        array = np.empty(place.shape, dtype=dtype)
        if array.size:
            self._file.seek(place.start)
            if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise DamagedFileError(self.path, "it is cut off")
        return array

    def read_number(self, name: str, position: int) -> float:
        """Read one number of a one-dimensional tensor without reading the rest.

        Eight arrays of 1,000,000 rows are 32 MB; eight numbers are eight short reads.
        """
        place, dtype = self._place(name)
        if len(place.shape) != 1 or not 0 <= position < place.shape[0]:
            raise DamagedFileError(self.path, f"the tensor {name!r} has no number for row {position}")
        self._file.seek(place.start + position * dtype.itemsize)
        return float(np.frombuffer(self._file.read(dtype.itemsize), dtype)[0])

    def _place(self, name: str) -> tuple[TensorPlace, np.dtype[Any]]:
        if name not in self.places:
            raise DamagedFileError(self.path, f"the tensor {name!r} is missing")
        place = self.places[name]
        return place, np.dtype(place.dtype).newbyteorder("<")

    def _read_layout(self) -> None:
        try:
            layout = read_layout(self._file)
            layout.check_dense(os.fstat(self._file.fileno()).st_size)
        except LayoutError as error:
            raise DamagedFileError(self.path, str(error)) from error
        for name, place in layout.places.items():
            if not place.known or place.dtype in _NOT_NUMPY:
                raise DamagedFileError(self.path, f"its tensor {name!r} has the unknown type {place.dtype!r}")
        if not isinstance(layout.metadata, dict):
            raise DamagedFileError(self.path, "its metadata are not a mapping")
        self.metadata: dict[str, str] = layout.metadata
        self.places = layout.places
