"""VisualDL records of a frame, built and serialized outside the training process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.core import names
from visualdl_embedding.core.distance import Distance, scaled_back, unit_scale
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.text import one_line
from visualdl_embedding.logs._scan import record_class

__all__ = [
    "PAGE_DIMENSIONS",
    "PAGE_ROWS",
    "reduce_dimensions",
    "scalar_record",
    "snapshot_records",
    "snapshot_sizes",
    "text_record",
]

PAGE_DIMENSIONS = 200
"""Maximum width of vectors. VisualDL's page corrupts wider ones: 1,199 of 200,000 values became nonzero."""
PAGE_ROWS = 50_000
"""Maximum number of rows the page draws. It samples randomly without a seed; we select evenly and reproducibly."""
BUCKETS = 40
HISTOGRAMS = {"norm": "norms", "displacement": "displacements"}
ROW_COLUMNS = ("norm", "displacement", "neighbor_overlap")
"""Row metrics added as columns, for coloring on the page."""
PICTURE_BYTES = 200_000
"""Size of a map as PNG, from 110 kB at 500 rows to 235 kB at 10,000."""
LARGEST_SCALAR = float(np.finfo(np.float32).max)
SAMPLED_ROWS = 500
NUMBERS_BYTES = 36
"""Size per row: id, three coordinates, and message overhead."""

Floats = NDArray[np.float32]


def snapshot_records(
    snapshot: Snapshot,
    analysis: Analysis,
    *,
    images: Mapping[str, bytes] | None = None,
    scalars: bool = True,
    vectors: bool = True,
    projections: bool = True,
    walltime: int | None = None,
) -> list[bytes]:
    """Build VisualDL's records of a frame.

    Parameters
    ----------
    snapshot, analysis
        Frame to log.
    images
        PNG of each projection by its key; None for no images.
    scalars
        Include all finite scalars, and histograms of norms and displacements.
    vectors
        Include the vectors, centered and reduced to 200 dimensions, for the High Dimensional page. If they are reduced,
        the scalar ``vectors_variance_kept`` is the remaining share of their variance.
    projections
        Include the coordinates, for the same page.
    walltime
        Milliseconds since 1970; now if None.

    Returns
    -------
    Serialized records in the order to append them. The largest holds 50,000 rows of 200 float32, 40 MB.
    """
    table, step = snapshot.table, snapshot.step
    walltime = _milliseconds() if walltime is None else walltime

    def record(key: str, **content: Any) -> bytes:
        return _serialize(names.tag(table, key), step, walltime, **content)

    message = record_class()
    records = []
    if scalars:
        finite = {key: float(value) for key, value in analysis.scalars.items() if abs(value) <= LARGEST_SCALAR}
        records += [record(key, value=value) for key, value in finite.items()]
        for metric, name in HISTOGRAMS.items():
            values = analysis.row_metrics.get(metric, np.zeros(0, np.float32))
            values = values[np.isfinite(values)]
            if len(values):
                counts, edges = np.histogram(values.astype(np.float64), bins=BUCKETS)
                histogram = message.Histogram(hist=counts.tolist(), bin_edges=edges.tolist())
                records.append(record(name, histogram=histogram))
    for key, png in (images or {}).items():
        records.append(record(f"{key}/map", image=message.Image(encoded_image_string=png)))
    rows = _shown_rows(snapshot, analysis.neighbors.distance)
    # A tag without rows breaks the page for all tags.
    if len(rows) and (vectors or projections):
        header, cells = _metadata(snapshot, analysis, rows)
        points = {}
        if vectors and snapshot.vectors.shape[1]:
            points["vectors"], kept = reduce_dimensions(snapshot.vectors[rows])
            if snapshot.vectors.shape[1] > PAGE_DIMENSIONS:
                records.append(record("vectors_variance_kept", value=kept))
        if projections:
            shown = {key: projection.coordinates[rows] for key, projection in analysis.projections.items()}
            points |= {key: coordinates for key, coordinates in shown.items() if np.isfinite(coordinates).all()}
        for key, coordinates in points.items():
            # VisualDL's add_embeddings always writes step 0, so the tag contains the step.
            embeddings = _embeddings(coordinates, header, cells)
            records.append(_serialize(names.embeddings_tag(table, key, step), 0, walltime, embeddings=embeddings))
    return records


def scalar_record(tag: str, value: float, *, step: int) -> bytes | None:
    """Build a record of a scalar with a tag of the trainer, such as ``train/loss``; None if it is not finite."""
    return _serialize(tag, step, _milliseconds(), value=value) if abs(value) <= LARGEST_SCALAR else None


def text_record(table: str, name: str, text: str, *, step: int, walltime: int | None = None) -> bytes:
    """Build a text record, shown as ``embedding/<table>/<name>``; `walltime` is in ms since 1970, by default now."""
    content = record_class().Text(encoded_text_string=text.encode("utf-8", "replace").decode())
    return _serialize(names.tag(table, name), step, _milliseconds() if walltime is None else walltime, text=content)


def snapshot_sizes(snapshot: Snapshot, config: Config) -> dict[str, int]:
    """Estimate the size in bytes of a frame's records before they are computed.

    Returns
    -------
    Bytes of ``"vectors"``, ``"projections"`` and ``"images"``, the kinds that a `LogBudget` limits. The error of the
    first two is at most a quarter; the size of images depends on their compression.
    """
    rows = _shown_rows(snapshot, config.distance)
    columns = [snapshot.labels, *snapshot.rows.columns.values()]
    some = rows[:: max(1, len(rows) // SAMPLED_ROWS)].tolist()
    texts = sum(len(column[row].encode("utf-8", "replace")) + 2 for column in columns for row in some)
    metadata = len(rows) * (texts // max(1, len(some)) + NUMBERS_BYTES)
    width = min(snapshot.vectors.shape[1], PAGE_DIMENSIONS)
    components = [spec.n_components for spec in config.specs]
    return {
        "vectors": metadata + 4 * len(rows) * width,
        "projections": len(components) * metadata + 4 * len(rows) * sum(components),
        "images": len(components) * PICTURE_BYTES,
    }


def reduce_dimensions(vectors: Floats) -> tuple[Floats, float]:
    """Center vectors and reduce those wider than `PAGE_DIMENSIONS` to their principal components.

    VisualDL's PCA does not center.

    Parameters
    ----------
    vectors
        ``(n, d)``, all finite, n at least 1.

    Returns
    -------
    ``(n, d)`` float32, or ``(n, min(n, 200))`` if d is larger; and the share of the variance kept, 0 to 1.
    The axes depend on the snapshot.
    """
    scale = np.float32(unit_scale(vectors))
    points = vectors / scale
    centered = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    if vectors.shape[1] <= PAGE_DIMENSIONS:
        return scaled_back(centered, scale), 1.0
    total = float(np.square(centered, dtype=np.float64).sum())
    if total == 0:
        return scaled_back(centered[:, :PAGE_DIMENSIONS], scale), 1.0
    from sklearn.decomposition import PCA

    width = min(PAGE_DIMENSIONS, len(vectors))
    shown = PCA(width, random_state=0).fit_transform(centered)
    kept = float(np.square(shown, dtype=np.float64).sum()) / total
    return scaled_back(shown, scale), min(1.0, kept)


def _shown_rows(snapshot: Snapshot, distance: Distance) -> NDArray[np.intp]:
    """Choose usable rows up to the page's limit: the watched rows, and the others evenly."""
    usable = np.flatnonzero(snapshot.usable(distance))
    if len(usable) <= PAGE_ROWS:
        return usable
    watch = set(snapshot.rows.watch)
    watched = np.array([row for row in usable if snapshot.labels[row] in watch], dtype=np.intp)
    others = np.setdiff1d(usable, watched)
    picked = others[np.linspace(0, len(others) - 1, PAGE_ROWS - len(watched)).round().astype(np.intp)]
    return np.union1d(watched, picked)


def _metadata(snapshot: Snapshot, analysis: Analysis, rows: NDArray[np.intp]) -> tuple[list[str], list[list[str]]]:
    """Header and one list of cells per row; the page requires at least two columns."""
    columns = {"label": [snapshot.labels[row] for row in rows]}
    known = snapshot.rows.columns
    for name in sorted(known, key=lambda name: name != "group"):
        columns.setdefault(name, [known[name][row] for row in rows])
    columns.setdefault("id", [str(row_id) if row_id >= 0 else "composed" for row_id in snapshot.ids[rows].tolist()])
    for name in ROW_COLUMNS:
        values = analysis.row_metrics.get(name)
        # The page treats a column as numeric only if all its cells are numbers.
        if values is not None and np.isfinite(values[rows]).all():
            columns.setdefault(name, [f"{value:.4g}" for value in values[rows].tolist()])
    cells = [[one_line(cell) for cell in column] for column in columns.values()]
    return [one_line(name) for name in columns], [list(row) for row in zip(*cells, strict=True)]


def _embeddings(vectors: Floats, header: Sequence[str], cells: Sequence[Sequence[str]]) -> Any:
    message = record_class().Embeddings(label_meta=header)
    # A packed field: tag, length, 4 bytes per float. Passing bytes takes 0.2 s for 50,000 x 200, lists of floats 1.8 s.
    flat, stride = np.ascontiguousarray(vectors, dtype="<f4").tobytes(), 4 * vectors.shape[1]
    head = record_class().Embedding(vectors=[0.0] * vectors.shape[1]).SerializeToString()[:-stride]
    for row, cell in enumerate(cells):
        item = message.embeddings.add(label=cell)
        item.MergeFromString(head + flat[row * stride : (row + 1) * stride])
    return message


def _serialize(tag: str, step: int, walltime: int, **content: Any) -> bytes:
    """Serialize a record with one value, whose kind is the name of the content."""
    value = record_class().Value(id=step, tag=tag, timestamp=walltime, **content)
    data: bytes = record_class()(values=[value]).SerializeToString()
    return data


def _milliseconds() -> int:
    return round(time.time() * 1000)
