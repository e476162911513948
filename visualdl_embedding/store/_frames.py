"""A snapshot and an analysis as one safetensors file each; JSON beside the tensors holds what is no array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Projection
from visualdl_embedding.core.jsonable import dumps_exact, loads_exact
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.safetensors_format import pack
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.projection import Basis
from visualdl_embedding.store._files import write_atomically
from visualdl_embedding.store._format import FORMAT_VERSION, DamagedFileError, NewerFormatError, check_format
from visualdl_embedding.store._safetensors import TensorFile

__all__ = [
    "read_analysis",
    "read_basis",
    "read_header",
    "read_projection",
    "read_snapshot",
    "write_analysis",
    "write_snapshot",
]

_KEY = "visualdl_embedding"
"""Of the safetensors metadata: the JSON stands there as one text, for the format admits text only."""


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot; its vectors are not copied.

    Raises
    ------
    OSError
        With the cause of the system; nothing was written then.
    """
    header = {
        "kind": "snapshot",
        "format_version": FORMAT_VERSION,
        "table": snapshot.table,
        "step": snapshot.step,
        "rows_version": snapshot.rows.version,
        "counters": snapshot.counters,
        "row_values": list(snapshot.row_values),
    }
    tensors: dict[str, NDArray[Any]] = {"ids": snapshot.ids, "vectors": snapshot.vectors}
    for name, values in snapshot.row_values.items():
        tensors[f"row_values/{name}"] = values
    write_atomically(path, pack(tensors, {_KEY: dumps_exact(header)}))


def read_snapshot(path: Path, rows_of: Callable[[str], Rows]) -> Snapshot:
    """Read a snapshot.

    Parameters
    ----------
    path
        Its file.
    rows_of
        Gives the rows of a version.

    Raises
    ------
    DamagedFileError, NewerFormatError
        If the file is not what it should be.
    """
    with _reading(path), TensorFile(path) as file:
        header = _header(file, "snapshot")
        rows = rows_of(header["rows_version"])
        if not np.array_equal(file.read("ids"), rows.ids):
            raise DamagedFileError(path, "its ids are not those of its rows")
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
    OSError
        With the cause of the system; nothing was written then.
    TypeError
        If a parameter of a projection is no plain value.
    """
    basis = analysis.basis
    header = {
        "kind": "analysis",
        "format_version": FORMAT_VERSION,
        "table": analysis.table,
        "step": analysis.step,
        "previous_step": analysis.previous_step,
        "first_step": analysis.first_step,
        "frame": analysis.frame,
        "scalars": analysis.scalars,
        "neighbors": {"distance": analysis.neighbors.distance, "exact": analysis.neighbors.exact},
        "projections": {
            key: {
                "method": projection.method,
                "parameters": projection.parameters,
                "axes_version": projection.axes_version,
                "noise_floor": projection.noise_floor,
            }
            for key, projection in analysis.projections.items()
        },
        "row_metrics": list(analysis.row_metrics),
        "basis": None if basis is None else {"version": basis.version, "step": basis.step},
        "directions": [asdict(direction) for direction in analysis.directions],
        "notes": analysis.notes,
        "seconds": analysis.seconds,
    }
    tensors: dict[str, NDArray[Any]] = {
        "neighbors/indices": analysis.neighbors.indices,
        "neighbors/distances": analysis.neighbors.distances,
    }
    for key, projection in analysis.projections.items():
        tensors[f"projections/{key}/coordinates"] = projection.coordinates
        tensors[f"projections/{key}/axes"] = projection.axes
    for name, values in analysis.row_metrics.items():
        tensors[f"row_metrics/{name}"] = values
    if basis is not None:
        tensors["basis/mean"] = basis.mean
        tensors["basis/components"] = basis.components
        tensors["basis/explained_variance_ratio"] = basis.explained_variance_ratio
    write_atomically(path, pack(tensors, {_KEY: dumps_exact(header)}))


def read_analysis(path: Path) -> Analysis:
    """Read an analysis.

    Tuples among the parameters of a projection come back as lists; all else is as it was written.

    Raises
    ------
    DamagedFileError, NewerFormatError
        If the file is not what it should be.
    """
    with _reading(path), TensorFile(path) as file:
        header = _header(file, "analysis")
        return Analysis(
            table=header["table"],
            step=header["step"],
            previous_step=header["previous_step"],
            first_step=header["first_step"],
            frame=header["frame"],
            neighbors=Neighbors(
                file.read("neighbors/indices"),
                file.read("neighbors/distances"),
                header["neighbors"]["distance"],
                header["neighbors"]["exact"],
            ),
            projections={key: _projection(file, key, value) for key, value in header["projections"].items()},
            scalars=_floats(header["scalars"]),
            row_metrics={name: file.read(f"row_metrics/{name}") for name in header["row_metrics"]},
            basis=_basis(file, header),
            directions=_directions(header),
            notes=tuple(header["notes"]),
            seconds=_floats(header["seconds"]),
        )


def read_header(path: Path) -> Mapping[str, Any]:
    """Read what an analysis holds beside its arrays; only the beginning of the file is touched.

    Raises
    ------
    DamagedFileError, NewerFormatError
        If the file is not what it should be.
    """
    with _reading(path), TensorFile(path) as file:
        header = _header(file, "analysis")
        read = {name: _floats(header[name]) for name in ("scalars", "seconds")}
        return {**header, **read, "directions": _directions(header)}


def read_projection(path: Path, key: str) -> Projection:
    """Read one projection of an analysis.

    Raises
    ------
    ValueError
        If the analysis has no such projection; the message lists those that it has.
    """
    with _reading(path), TensorFile(path) as file:
        found = _header(file, "analysis")["projections"]
        if key in found:
            return _projection(file, key, found[key])
    known = ", ".join(found) or "none"
    raise ValueError(f"There is no projection {key!r} in {path.name}; stored there: {known}.")


def read_basis(path: Path) -> Basis | None:
    """Read the basis of PCA that an analysis used; None where it used none."""
    with _reading(path), TensorFile(path) as file:
        return _basis(file, _header(file, "analysis"))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a malformed header makes Python say into one error that names the file."""
    try:
        yield
    except (DamagedFileError, NewerFormatError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(path, f"its content cannot be read ({type(error).__name__}: {error})") from error


def _header(file: TensorFile, kind: str) -> Any:
    if _KEY not in file.metadata:
        raise DamagedFileError(file.path, "visualdl-embedding did not write it")
    header = loads_exact(file.metadata[_KEY])
    check_format(header.get("format_version"), file.path)
    if header["kind"] != kind:
        raise DamagedFileError(file.path, f"it holds {header['kind']!r} where {kind!r} should be")
    return header


def _directions(header: Mapping[str, Any]) -> tuple[Direction, ...]:
    return tuple(Direction(**direction) for direction in header.get("directions", ()))


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _projection(file: TensorFile, key: str, header: Mapping[str, Any]) -> Projection:
    return Projection(
        method=header["method"],
        coordinates=file.read(f"projections/{key}/coordinates"),
        parameters=header["parameters"],
        axes=file.read(f"projections/{key}/axes"),
        axes_version=header["axes_version"],
        noise_floor=header["noise_floor"],
    )


def _basis(file: TensorFile, header: Mapping[str, Any]) -> Basis | None:
    if header["basis"] is None:
        return None
    return Basis(
        mean=file.read("basis/mean"),
        components=file.read("basis/components"),
        explained_variance_ratio=file.read("basis/explained_variance_ratio"),
        version=header["basis"]["version"],
        step=header["basis"]["step"],
    )
