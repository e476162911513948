"""Safetensors files of the store, open for reading."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.safetensors_format import LayoutError, TensorPlace, read_layout
from visualdl_embedding.store._format import DamagedFileError

__all__ = ["TensorFile"]

_MAP_FROM = 64 * 2**20
"""Bytes from which a tensor is memory-mapped. Below, reading (2 ms for 10,000 x 128) spares an open file per tensor:
a thousand mapped snapshots would meet the usual limit of 1,024."""


class TensorFile:
    """A safetensors file open for reading; a context manager.

    Everything is read from the one open file, so that a file replaced meanwhile does no harm.

    Attributes
    ----------
    path
        The file.
    metadata
        Free text by name.

    Raises
    ------
    DamagedFileError
        If it is no whole safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        try:
            self._read_layout()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def names(self) -> list[str]:
        """Names of the tensors, in the order of the file."""
        return list(self._places)

    def read(self, name: str) -> NDArray[Any]:
        """Read one tensor; a large one is mapped, copy-on-write.

        Raises
        ------
        DamagedFileError
            If it is not there.
        """
        place = self._place(name)
        dtype = _dtype(place)
        if place.stop - place.start >= _MAP_FROM:
            mapped = np.memmap(self._file, dtype=dtype, mode="c", offset=place.start, shape=place.shape)
            return mapped.view(np.ndarray)
        array = np.empty(place.shape, dtype=dtype)
        if array.size:
            self._file.seek(place.start)
            if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise DamagedFileError(self.path, "it ends too early")
        return array

    def read_number(self, name: str, position: int) -> float:
        """Read one number of a one-dimensional tensor and nothing else.

        Eight arrays of 1,000,000 rows are 32 MB, eight numbers are eight short reads.

        Raises
        ------
        DamagedFileError
            If the tensor is not there, or has no such position.
        """
        place = self._place(name)
        if len(place.shape) != 1 or not 0 <= position < place.shape[0]:
            raise DamagedFileError(self.path, f"the tensor {name!r} has no number for row {position}")
        dtype = _dtype(place)
        self._file.seek(place.start + position * dtype.itemsize)
        return float(np.frombuffer(self._file.read(dtype.itemsize), dtype)[0])

    def _place(self, name: str) -> TensorPlace:
        if name not in self._places:
            raise DamagedFileError(self.path, f"the tensor {name!r} is missing")
        return self._places[name]

    def _read_layout(self) -> None:
        try:
            layout = read_layout(self._file)
            layout.check_dense(os.fstat(self._file.fileno()).st_size)
        except LayoutError as error:
            raise DamagedFileError(self.path, str(error)) from error
        for name, place in layout.places.items():
            if not place.known or place.dtype in _NOT_NUMPY:
                raise DamagedFileError(self.path, f"its tensor {name!r} has the type {place.dtype!r}")
        if not isinstance(layout.metadata, dict):
            raise DamagedFileError(self.path, "its metadata are no mapping")
        self.metadata: dict[str, str] = layout.metadata
        self._places = layout.places


_NOT_NUMPY = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""The store never writes these."""


def _dtype(place: TensorPlace) -> np.dtype[Any]:
    return np.dtype(place.dtype).newbyteorder("<")
