"""Snapshots and analyses as safetensors files, with a JSON header for values that are not arrays.

All functions that read raise `DamagedFileError` if the file is invalid, and `NewerFormatError` if it is newer than this
library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Projection
from visualdl_embedding.core.jsonable import dumps_exact, known_fields, loads_exact
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.safetensors_format import LayoutError, TensorPlace, pack, read_layout
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.projection import Basis
from visualdl_embedding.store._files import FORMAT_VERSION, check_format, reading, write_atomically

__all__ = [
    "TensorFile",
    "read_analysis",
    "read_basis",
    "read_header",
    "read_projection",
    "read_snapshot",
    "write_analysis",
    "write_snapshot",
]

_KEY = "visualdl_embedding"
"""Safetensors metadata key of the JSON header; the format only allows text."""


_PLAIN = ("table", "step", "previous_step", "first_step", "frame", "notes")
"""Fields of an analysis in its header; the same for a projection and for a basis below."""
_OF_PROJECTION = ("method", "parameters", "axes_version", "noise_floor")
_OF_BASIS = ("version", "step")
_ARRAYS_OF_BASIS = ("mean", "components", "explained_variance_ratio")


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot without copying its vectors."""
    header = {
        "kind": "snapshot",
        "format_version": FORMAT_VERSION,
        "table": snapshot.table,
        "step": snapshot.step,
        "rows_version": snapshot.rows.version,
        "counters": snapshot.counters,
        "row_values": list(snapshot.row_values),
    }
    row_values = {f"row_values/{name}": values for name, values in snapshot.row_values.items()}
    tensors: dict[str, NDArray[Any]] = {"ids": snapshot.ids, "vectors": snapshot.vectors, **row_values}
    write_atomically(path, pack(tensors, {_KEY: dumps_exact(header)}))


def read_snapshot(path: Path, rows_of: Callable[[str], Rows]) -> Snapshot:
    """Read a snapshot; `rows_of` returns the rows of a version."""
    with _opened(path, "snapshot") as (file, header):
        rows = rows_of(header["rows_version"])
        if not np.array_equal(file.read("ids"), rows.ids):
            raise DamagedFileError(path, "its ids do not match its rows")
        return Snapshot(
            table=header["table"],
            step=header["step"],
            rows=rows,
            vectors=file.read("vectors").astype(np.float32, copy=False),
            counters={name: float(value) for name, value in header["counters"].items()},
            row_values={name: file.read(f"row_values/{name}") for name in header.get("row_values", ())},
        )


def write_analysis(path: Path, analysis: Analysis) -> None:
    """Write an analysis.

    Raises
    ------
    TypeError
        If a parameter of a projection is not a plain value.
    """
    basis, neighbors = analysis.basis, analysis.neighbors
    header = {
        "kind": "analysis",
        "format_version": FORMAT_VERSION,
        **_fields(analysis, _PLAIN),
        "scalars": analysis.scalars,
        "neighbors": {"distance": neighbors.distance, "exact": neighbors.exact},
        "projections": {key: _fields(projection, _OF_PROJECTION) for key, projection in analysis.projections.items()},
        "row_metrics": list(analysis.row_metrics),
        "basis": None if basis is None else _fields(basis, _OF_BASIS),
        "directions": [asdict(direction) for direction in analysis.directions],
        "seconds": analysis.seconds,
        "made_from": analysis.made_from,
    }
    tensors: dict[str, NDArray[Any]] = {
        "neighbors/indices": neighbors.indices,
        "neighbors/distances": neighbors.distances,
    }
    for key, projection in analysis.projections.items():
        tensors[f"projections/{key}/coordinates"] = projection.coordinates
        tensors[f"projections/{key}/axes"] = projection.axes
        if projection.places is not None:
            tensors[f"projections/{key}/places"] = projection.places
    tensors |= {f"row_metrics/{name}": values for name, values in analysis.row_metrics.items()}
    if basis is not None:
        tensors |= {f"basis/{name}": getattr(basis, name) for name in _ARRAYS_OF_BASIS}
    write_atomically(path, pack(tensors, {_KEY: dumps_exact(header)}))


def read_analysis(path: Path) -> Analysis:
    """Read an analysis.

    Tuples among the parameters of a projection are read back as lists; everything else is unchanged.
    """
    with _opened(path, "analysis") as (file, header):
        plain = {name: header[name] for name in _PLAIN} | {"notes": tuple(header["notes"])}
        return Analysis(
            **plain,
            neighbors=Neighbors(
                file.read("neighbors/indices"),
                file.read("neighbors/distances"),
                header["neighbors"]["distance"],
                header["neighbors"]["exact"],
            ),
            projections={key: _projection(file, key, header) for key in header["projections"]},
            scalars=_floats(header["scalars"]),
            row_metrics={name: file.read(f"row_metrics/{name}") for name in header["row_metrics"]},
            basis=_basis(file, header),
            directions=_directions(header),
            seconds=_floats(header["seconds"]),
            made_from=header.get("made_from", {}),
        )


def read_header(path: Path) -> Mapping[str, Any]:
    """Read the header of an analysis without its arrays; only the beginning of the file is read."""
    with _opened(path, "analysis") as (_, header):
        read = {name: _floats(header[name]) for name in ("scalars", "seconds")}
        return {"made_from": {}, **header, **read, "directions": _directions(header)}


def read_projection(path: Path, key: str) -> Projection:
    """Read one projection of an analysis.

    Raises
    ------
    ValueError
        If the analysis has no such projection; the message lists the stored projections.
    """
    with _opened(path, "analysis") as (file, header):
        if key in header["projections"]:
            return _projection(file, key, header)
    known = ", ".join(header["projections"]) or "none"
    raise ValueError(f"There is no projection {key!r} in {path.name}; stored there: {known}.")


def read_basis(path: Path) -> Basis | None:
    """Read the PCA basis that an analysis used, or None."""
    with _opened(path, "analysis") as (file, header):
        return _basis(file, header)


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[TensorFile, Any]]:
    """Open a file of a kind and parse its header."""
    with reading(path), TensorFile(path) as file:
        if _KEY not in file.metadata:
            raise DamagedFileError(path, "it was not written by visualdl-embedding")
        header = loads_exact(file.metadata[_KEY])
        check_format(header.get("format_version"), path)
        if header["kind"] != kind:
            raise DamagedFileError(path, f"it holds {header['kind']!r}, but {kind!r} was expected")
        yield file, header


def _fields(source: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _directions(header: Mapping[str, Any]) -> tuple[Direction, ...]:
    return tuple(Direction(**known_fields(Direction, direction)) for direction in header.get("directions", ()))


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _projection(file: TensorFile, key: str, header: Mapping[str, Any]) -> Projection:
    stored = header["projections"][key]
    return Projection(
        coordinates=file.read(f"projections/{key}/coordinates"),
        axes=file.read(f"projections/{key}/axes"),
        places=file.read(name) if (name := f"projections/{key}/places") in file.places else None,
        **{name: stored[name] for name in _OF_PROJECTION},
    )


def _basis(file: TensorFile, header: Mapping[str, Any]) -> Basis | None:
    if (stored := header["basis"]) is None:
        return None
    arrays: dict[str, Any] = {name: file.read(f"basis/{name}") for name in _ARRAYS_OF_BASIS}
    return Basis(**arrays, **{name: stored[name] for name in _OF_BASIS})


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
