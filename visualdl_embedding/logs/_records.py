"""VisualDL's records, built and serialized where the time of training is not spent."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.core import names
from visualdl_embedding.core.distance import Distance, scaled_back, unit_scale
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs._library import record_class

__all__ = [
    "PAGE_DIMENSIONS",
    "PAGE_ROWS",
    "reduce_dimensions",
    "snapshot_records",
    "snapshot_sizes",
    "text_record",
]

PAGE_DIMENSIONS = 200
"""VisualDL's page corrupts what is wider: of 200,000 floats 1,199 were not zero."""
PAGE_ROWS = 50_000
"""Its page draws no more, and samples them unseeded; we choose them evenly, so that frames agree."""
BUCKETS = 40
HISTOGRAMS = {"norm": "norms", "displacement": "displacements"}
ROW_COLUMNS = ("norm", "displacement", "neighbor_overlap")
"""Per-row metrics that go along as columns, by which the page can color."""
PICTURE_BYTES = 200_000
"""What a map takes as PNG, from 110 kB at 500 rows to 235 kB at 10,000."""
LARGEST_SCALAR = float(np.finfo(np.float32).max)
SAMPLED_ROWS = 500
NUMBERS_BYTES = 36
"""Of a row: its id, three numbers, and what frames the messages."""

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
    """Build what VisualDL shows of a frame.

    Parameters
    ----------
    snapshot, analysis
        The frame.
    images
        PNG of each projection, by its key; none if None.
    scalars
        All finite scalars, and histograms of norms and displacements.
    vectors
        The vectors, centered and at most 200 wide, for the High Dimensional page. Where they are wider, the scalar
        ``vectors_variance_kept`` says what share of their variance is left.
    projections
        The coordinates, for the same page.
    walltime
        Milliseconds since 1970; now if None.

    Returns
    -------
    Serialized records, in the order in which to append them. The largest holds 50,000 rows of 200 float32, 40 MB.
    """
    record = _Builder(snapshot.table, snapshot.step, round(time.time() * 1000) if walltime is None else walltime)
    records = []
    if scalars:
        records += [record.scalar(key, value) for key, value in analysis.scalars.items() if _is_float32(value)]
        for metric, name in HISTOGRAMS.items():
            values = analysis.row_metrics.get(metric, np.zeros(0, np.float32))
            values = values[np.isfinite(values)]
            if len(values):
                records.append(record.histogram(name, values))
    records += [record.image(f"{key}/map", png) for key, png in (images or {}).items()]
    rows = _shown_rows(snapshot, analysis.neighbors.distance)
    # One tag without rows would break the page for all others.
    if len(rows) and (vectors or projections):
        header, cells = _metadata(snapshot, analysis, rows)
        if vectors and snapshot.vectors.shape[1]:
            shown, kept = reduce_dimensions(snapshot.vectors[rows])
            if snapshot.vectors.shape[1] > PAGE_DIMENSIONS:
                records.append(record.scalar("vectors_variance_kept", kept))
            records.append(record.embeddings("vectors", shown, header, cells))
        if projections:
            records += [
                record.embeddings(key, projection.coordinates[rows], header, cells)
                for key, projection in analysis.projections.items()
                if np.isfinite(projection.coordinates[rows]).all()
            ]
    return records


def text_record(table: str, name: str, text: str, *, step: int, walltime: int | None = None) -> bytes:
    """Build a text, shown under ``embedding/<table>/<name>``; `walltime` in milliseconds since 1970, now if None."""
    record = _Builder(table, step, round(time.time() * 1000) if walltime is None else walltime)
    return record.text(name, text)


def snapshot_sizes(snapshot: Snapshot, config: Config) -> dict[str, int]:
    """Estimate, before anything is computed, how many bytes a frame's records take.

    Returns
    -------
    Bytes of ``"vectors"``, ``"projections"`` and ``"images"``, the kinds among which a `LogBudget` divides its bytes.
    Of the first two within a quarter of the truth; pictures compress as they like.
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


def reduce_dimensions(vectors: Floats, n_components: int = PAGE_DIMENSIONS) -> tuple[Floats, float]:
    """Center vectors and, where they are wider than `n_components`, turn them into their principal components.

    VisualDL's own PCA does not center, so we do.

    Parameters
    ----------
    vectors
        ``(n, d)``, all finite, n at least 1.
    n_components
        At least 1.

    Returns
    -------
    ``(n, d)`` float32, or ``(n, min(n, n_components))`` where d is larger; and the share of the variance that it
    keeps, 0 to 1. Distances between rows are kept as far as the variance is; axes are those of this very snapshot.
    """
    scale = np.float32(unit_scale(vectors))
    points = vectors / scale
    centered = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    if vectors.shape[1] <= n_components:
        return scaled_back(centered, scale), 1.0
    total = float(np.square(centered, dtype=np.float64).sum())
    if total == 0:
        return scaled_back(centered[:, :n_components], scale), 1.0
    from sklearn.decomposition import PCA

    width = min(n_components, len(vectors))
    shown = PCA(width, random_state=0).fit_transform(centered)
    kept = float(np.square(shown, dtype=np.float64).sum()) / total
    return scaled_back(shown, scale), min(1.0, kept)


def _shown_rows(snapshot: Snapshot, distance: Distance) -> NDArray[np.intp]:
    """Choose at most as many usable rows as the page draws: the watched ones and the others evenly."""
    usable = np.flatnonzero(snapshot.usable(distance))
    if len(usable) <= PAGE_ROWS:
        return usable
    watch = set(snapshot.rows.watch)
    watched = np.array([row for row in usable if snapshot.labels[row] in watch], dtype=np.intp)
    others = np.setdiff1d(usable, watched)
    picked = others[np.linspace(0, len(others) - 1, PAGE_ROWS - len(watched)).round().astype(np.intp)]
    return np.union1d(watched, picked)


def _metadata(snapshot: Snapshot, analysis: Analysis, rows: NDArray[np.intp]) -> tuple[list[str], list[list[str]]]:
    """Header and one list of cells per row; the page wants two columns or more."""
    columns = {"label": [snapshot.labels[row] for row in rows]}
    known = snapshot.rows.columns
    for name in sorted(known, key=lambda name: name != "group"):
        columns.setdefault(name, [known[name][row] for row in rows])
    columns.setdefault("id", [str(row_id) if row_id >= 0 else "composed" for row_id in snapshot.ids[rows].tolist()])
    for name in ROW_COLUMNS:
        values = analysis.row_metrics.get(name)
        # The page takes a column for numbers only if every cell is one.
        if values is not None and np.isfinite(values[rows]).all():
            columns.setdefault(name, [f"{value:.4g}" for value in values[rows].tolist()])
    cells = [[_one_line(cell) for cell in column] for column in columns.values()]
    return [_one_line(name) for name in columns], [list(row) for row in zip(*cells, strict=True)]


def _one_line(text: str) -> str:
    """Control characters become spaces, for the page reads lines of cells; half surrogates cannot be written."""
    if text.isprintable():
        return text
    categories = ((character, unicodedata.category(character)) for character in text)
    return "".join(
        " " if category in ("Cc", "Zl", "Zp") else "\ufffd" if category == "Cs" else character
        for character, category in categories
    )


def _is_float32(value: float) -> bool:
    return bool(abs(value) <= LARGEST_SCALAR)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Builder:
    """Builds records of one table at one step."""

    def __init__(self, table: str, step: int, walltime: int) -> None:
        self._table = table
        self._step = step
        self._walltime = walltime

    def scalar(self, key: str, value: float) -> bytes:
        return self._one(names.tag(self._table, key), value=float(value))

    def histogram(self, name: str, values: Floats) -> bytes:
        counts, edges = np.histogram(values.astype(np.float64), bins=BUCKETS)
        message = record_class().Histogram(hist=counts.tolist(), bin_edges=edges.tolist())
        return self._one(names.tag(self._table, name), histogram=message)

    def image(self, name: str, png: bytes) -> bytes:
        return self._one(names.tag(self._table, name), image=record_class().Image(encoded_image_string=png))

    def text(self, name: str, text: str) -> bytes:
        written = text.encode("utf-8", "replace").decode()
        return self._one(names.tag(self._table, name), text=record_class().Text(encoded_text_string=written))

    def embeddings(self, kind: str, vectors: Floats, header: Sequence[str], cells: Sequence[Sequence[str]]) -> bytes:
        message = record_class().Embeddings(label_meta=header)
        # Field 2, packed: 4 bytes a float. Handing the bytes over takes 0.2 s where lists of floats took 1.8 s for
        # 50,000 x 200.
        flat, stride = np.ascontiguousarray(vectors, dtype="<f4").tobytes(), 4 * vectors.shape[1]
        head = b"\x12" + _varint(stride)
        for row, cell in enumerate(cells):
            item = message.embeddings.add(label=cell)
            item.MergeFromString(head + flat[row * stride : (row + 1) * stride])
        # VisualDL's own add_embeddings writes step 0, too: the step is in the tag.
        return self._one(names.embeddings_tag(self._table, kind, self._step), id=0, embeddings=message)

    def _one(self, tag: str, **content: Any) -> bytes:
        record = record_class()
        value = {"id": self._step, "tag": tag, "timestamp": self._walltime, **content}
        data: bytes = record(values=[record.Value(**value)]).SerializeToString()
        return data
