"""Joint maps: rotation of a space onto another, projection of two snapshots on one map, and a cache of results."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Config, ProjectionSpec, make_layout, neighbor_graph, split_key
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.atomic import replacing
from visualdl_embedding.core.distance import Distance, normalize, usable_rows
from visualdl_embedding.core.duplicates import representatives
from visualdl_embedding.core.pairing import pair_labels, pair_rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.stamps import content_stamp, file_stamp
from visualdl_embedding.projection import align, draw_axes
from visualdl_embedding.store import open_run

__all__ = [
    "Joint",
    "SnapshotReference",
    "align_maps",
    "cache_folder",
    "compare",
    "project_jointly",
    "read_cached",
    "turn_onto",
]

Floats = NDArray[np.float32]
Progress = Callable[[float], None]

CACHE_NAME = ".visualdl-embedding-cache"
CACHE_BYTES = 512 * 2**20
"""Limit for all joint maps of a log directory; beyond it the oldest are removed. 50,000 + 50,000 rows in two
dimensions take 0.8 MB."""
_FORMAT = 2


@dataclass(frozen=True)
class Joint:
    """Two snapshots on one map.

    Attributes
    ----------
    a, b
        ``(n_a, c)`` and ``(n_b, c)`` float32: all rows of either side, NaN where a row is not usable.
    axes
        ``(c, 2)`` float32: lower and upper end of the axes.
    n_shared
        Labels that both sides have, with usable vectors.
    how
        ``"joint"``: turned in the original space and projected together; ``"procrustes"``: each side's own map, the
        second laid onto the first.
    notes
        Sentences for the user.
    """

    a: Floats
    b: Floats
    axes: Floats
    n_shared: int
    how: Literal["joint", "procrustes"] = "joint"
    notes: tuple[str, ...] = ()


def turn_onto(a: Snapshot, b: Snapshot, *, distance: Distance = "cosine") -> Floats:
    """Turn the space of `b` onto that of `a`, by the rows that both have.

    Nothing that a projection of `b` alone reads is changed: with cosine the space is only turned (or mirrored) about
    the origin; with Euclidean it is also shifted and scaled as a whole.

    Returns
    -------
    ``(n_b, d)`` float32: the vectors of `b` as `a` would have them; not finite where they were not.

    Raises
    ------
    ValueError
        If the widths differ, or no label is shared.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"; Hamilton, Leskovec and Jurafsky
    2016, "Diachronic word embeddings reveal statistical laws of semantic change".
    """
    if a.vectors.shape[1] != b.vectors.shape[1]:
        raise ValueError(
            f"Only spaces of one width can be turned onto one another, not {a.vectors.shape[1]} and "
            f"{b.vectors.shape[1]} columns."
        )
    in_a, in_b = pair_rows(a, b, distance)
    if not len(in_a):
        raise ValueError("The two snapshots share no label with usable vectors, so neither can be laid on the other.")
    one, two = a.vectors[in_a], b.vectors[in_b]
    with np.errstate(invalid="ignore", over="ignore"):
        if distance == "euclidean":
            return align(two, one).apply(b.vectors)
        return align(normalize(two), normalize(one), scaling=False, about_origin=True).apply(b.vectors)


def align_maps(labels_a: Sequence[str], map_a: Floats, labels_b: Sequence[str], *, map_b: Floats) -> tuple[Floats, int]:
    """Lay one stored map onto another by the rows that both have.

    t-SNE and UMAP arrange clusters anew for every run, so that this aligns what can be aligned, and no more.

    Parameters
    ----------
    labels_a, labels_b
        n_a and n_b labels.
    map_a, map_b
        ``(n_a, c)`` and ``(n_b, c)``.

    Returns
    -------
    ``(n_b, c)`` float32, and the number of rows that paired.
    """
    in_a, in_b = pair_labels(labels_a, labels_b)
    one, two = map_a[in_a], map_b[in_b]
    n_paired = int((np.isfinite(one).all(axis=1) & np.isfinite(two).all(axis=1)).sum())
    return align(two, one).apply(map_b), n_paired


def project_jointly(
    a: Snapshot,
    b: Snapshot,
    *,
    config: Config,
    spec: ProjectionSpec,
    start: Floats | None = None,
    on_progress: Progress | None = None,
) -> Joint:
    """Turn `b` onto `a`, and project all rows of both together.

    Rows that coincide, on one side or on both, get one place.

    Parameters
    ----------
    a, b
        Of one width, with labels in common.
    config
        Distance, threads, and parameters that the spec leaves open.
    spec
        Which projection: `Config.spec` gives it by its key.
    start
        ``(n_a, c)``: the map of `a` as it is known. The joint map starts from it (rows of `b` where `a` has the same
        label) and is registered to it, so that the joint map is read as the known one.
    on_progress
        Called after each stage with the completed share, 0 to 1.

    Raises
    ------
    ValueError
        As `turn_onto`.
    """
    tell = on_progress or (lambda share: None)
    turned = turn_onto(a, b, distance=config.distance)
    tell(0.1)
    usable_a, usable_b = a.usable(config.distance), usable_rows(turned, config.distance)
    vectors = np.concatenate([a.vectors[usable_a], turned[usable_b]])
    is_map = spec.method != "pca"
    first = _first_rows(a.vectors[usable_a], b.vectors[usable_b], vectors, distance=config.distance)
    distinct = np.unique(first)
    # PCA keeps all rows, because their number is a weight.
    projected = distinct if is_map and len(distinct) > 1 else np.arange(len(vectors))
    graph = neighbor_graph(vectors[projected], config, [spec]) if is_map else None
    init = None
    if is_map and start is not None:
        # Rows of `b` start at the label's position in `a`, with noise, because forces between rows that coincide have
        # no direction. NaN marks rows to be placed.
        in_a, in_b = pair_labels(a.labels, b.labels)
        scatter = 1e-3 * float(np.nanstd(start[usable_a]))
        noise = np.random.default_rng(spec.random_state).normal(scale=scatter, size=(len(in_a), start.shape[1]))
        twins = np.full((len(b.labels), start.shape[1]), np.nan, dtype=np.float32)
        twins[in_b] = start[in_a] + noise
        init = np.concatenate([start[usable_a], twins[usable_b]])[projected]
    tell(0.35)
    layout = make_layout(vectors[projected], graph, spec, config=config, init=init)
    tell(0.95)
    n_a, dim = int(usable_a.sum()), a.vectors.shape[1]
    coordinates, notes = layout.coordinates, layout.notes
    place = np.searchsorted(projected, first)
    if start is not None:
        # PCA keeps its size, because its spread is a measurement.
        coordinates = align(coordinates[place[:n_a]], start[usable_a], scaling=is_map).apply(coordinates)
    coordinates = coordinates[place]
    n_shared = len(pair_rows(a, b, config.distance)[0])
    if n_shared < dim:
        note = (
            f"{n_shared} shared labels do not determine a rotation of {dim} dimensions: they lie on one another more "
            "closely than the runs agree."
        )
        notes = (note, *notes)
    return Joint(
        a=spread(coordinates[:n_a], usable_a, len(usable_a)),
        b=spread(coordinates[n_a:], usable_b, len(usable_b)),
        axes=draw_axes(coordinates)[0],
        n_shared=n_shared,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class SnapshotReference:
    """One of the two snapshots: the log directory of a run, a table, a step."""

    log_dir: str
    table: str
    step: int


def compare(
    a: SnapshotReference,
    b: SnapshotReference,
    *,
    projection: str = "tsne",
    cache: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
) -> Joint:
    """Compute the joint map of two stored snapshots, or read it from the cache.

    Parameters
    ----------
    a, b
        Snapshots; the configuration is that of `a`.
    projection
        ``"tsne"``, ``"umap_3d"``, …: key of a projection that `a` stores, or of a method.
    cache
        Folder for results (`cache_folder`); None for no cache.
    on_progress
        As in `project_jointly`.

    Raises
    ------
    FileNotFoundError, ValueError
        If a run, table, step or projection does not exist, or no label is shared.
    """
    if cache is not None and (found := read_cached(a, b, projection=projection, cache=cache)) is not None:
        return found
    path = None if cache is None else _path(a, b, projection, cache)
    joint = _compare(a, b, projection, on_progress or (lambda share: None))
    if path is not None:
        _write(path, joint)
    return joint


def read_cached(
    a: SnapshotReference, b: SnapshotReference, *, projection: str, cache: str | os.PathLike[str]
) -> Joint | None:
    """Find a map of the same files from the cache. Return None if there is none, or if it cannot be read."""
    try:
        path = _path(a, b, projection, cache)
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            found = Joint(file["a"], file["b"], file["axes"], about["n_shared"], about["how"], tuple(about["notes"]))
        # Keep a used file: the oldest are removed first.
        with contextlib.suppress(OSError):
            os.utime(path)
        return found
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def cache_folder(log_dir: str | os.PathLike[str]) -> Path:
    """Choose the folder of results: in the log directory, or in the user's cache if that is not writable."""
    beside = Path(log_dir) / CACHE_NAME
    # A link in its place may lead anywhere.
    if not beside.is_symlink() and os.access(beside if beside.exists() else log_dir, os.W_OK | os.X_OK):
        return beside
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(os.fsencode(Path(log_dir).resolve())).hexdigest()[:12]
    return home / "visualdl-embedding" / digest


def _compare(a: SnapshotReference, b: SnapshotReference, projection: str, tell: Progress) -> Joint:
    run_a, run_b = open_run(a.log_dir), open_run(b.log_dir)
    config = run_a.table(a.table).config
    spec = config.spec(projection)
    one, two = run_a.snapshot(a.table, a.step), run_b.snapshot(b.table, b.step)
    tell(0.02)
    if one.vectors.shape[1] == two.vectors.shape[1]:
        start = None
        with contextlib.suppress(ValueError):  # not analyzed, or not by this method: the joint map is drawn afresh
            start = run_a.projection(a.table, a.step, projection).coordinates
        return project_jointly(one, two, config=config, spec=spec, start=start, on_progress=tell)
    map_a = run_a.projection(a.table, a.step, projection).coordinates
    map_b = run_b.projection(b.table, b.step, projection).coordinates
    laid, n_shared = align_maps(one.labels, map_a, two.labels, map_b=map_b)
    if not n_shared:
        raise ValueError("The two snapshots share no label, so neither map can be laid on the other.")
    note = (
        f"The tables have {one.vectors.shape[1]} and {two.vectors.shape[1]} columns: spaces of different width have no "
        "joint map, so the second map is laid onto the first."
    )
    axes, _ = draw_axes(np.concatenate([map_a, laid]))
    return Joint(map_a, laid, axes, n_shared, "procrustes", (note,))


def _first_rows(a: Floats, b: Floats, vectors: Floats, *, distance: Distance) -> NDArray[np.intp]:
    """Return the first row of each group of rows that coincide, for the rows of `a` and then those of `b`.

    Within a side, rows coincide as stored, as on the side's own map: the turned `b` has no dtype of its own. `vectors`
    are all rows in the space of `a`, in which those of different sides coincide.
    """
    first = np.concatenate([representatives(a, distance), len(a) + representatives(b, distance)])
    distinct = np.unique(first)
    joined = distinct[representatives(vectors[distinct], distance)]
    return np.asarray(joined[np.searchsorted(distinct, first)])


def _path(a: SnapshotReference, b: SnapshotReference, projection: str, cache: str | os.PathLike[str]) -> Path:
    """Name a result by everything that it depends on: the state of the files, and the version of this library."""
    parts: list[Any] = [_FORMAT, projection]
    for side in (a, b):
        reader = open_run(side.log_dir).reader(side.table)
        files = [reader.folder / "table.json", reader.path("snapshot", side.step), reader.path("analysis", side.step)]
        if split_key(projection)[0] == "pca":  # is shown with the newest readable basis
            files += [reader.path("analysis", step) for step in reader.steps(analyzed=True)]
        parts.append((str(reader.folder.resolve()), side.step, list(map(file_stamp, files))))
    return Path(cache) / f"joint-{content_stamp(parts)}.npz"


def _write(path: Path, joint: Joint) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"n_shared": joint.n_shared, "how": joint.how, "notes": joint.notes})
    with replacing(path) as file:
        np.savez(file, a=joint.a, b=joint.b, axes=joint.axes, about=np.array(about))
    files = [(stamp, p) for p in path.parent.glob("joint-*.npz") if (stamp := file_stamp(p))]
    total = 0
    for (_, size, _), stored in sorted(files, reverse=True):
        total += size
        if total > CACHE_BYTES:
            stored.unlink(missing_ok=True)
