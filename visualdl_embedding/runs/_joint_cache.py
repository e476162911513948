"""Stored snapshots on one map, kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import split_key
from visualdl_embedding.core.stamps import content_stamp, file_stamp
from visualdl_embedding.projection import draw_axes
from visualdl_embedding.runs._joint import Joint, Progress, align_maps, project_jointly
from visualdl_embedding.store import open_run

__all__ = ["CACHE_NAME", "SnapshotReference", "cache_folder", "compare", "read_cached"]

CACHE_NAME = ".visualdl-embedding-cache"
CACHE_BYTES = 512 * 2**20
"""Of all joint maps of a log directory; 50,000 + 50,000 rows in two dimensions take 0.8 MB. The oldest go first."""
_FORMAT = 1


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
    """Bring two stored snapshots onto one map, or find the map where it was made before.

    Parameters
    ----------
    a, b
        The snapshots; the configuration is that of `a`.
    projection
        ``"tsne"``, ``"umap_3d"``, …: the key of a projection that `a` stores, or of a method.
    cache
        A folder for results (`cache_folder`); None keeps none.
    on_progress
        Is told the share that is done.

    Raises
    ------
    FileNotFoundError, ValueError
        If a run, table, step or projection is not there (the message says what is), or no label is shared.
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
    """Find a map that was made before of the very same files; None where there is none, or it cannot be read."""
    try:
        path = _path(a, b, projection, cache)
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            found = Joint(file["a"], file["b"], file["axes"], about["n_shared"], about["how"], tuple(about["notes"]))
        # What is used stays: the oldest goes first.
        with contextlib.suppress(OSError):
            os.utime(path)
        return found
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def cache_folder(log_dir: str | os.PathLike[str]) -> Path:
    """Choose where results are kept: in the log directory, or in the user's cache where that cannot be written."""
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
        return project_jointly(one, two, config=config, spec=spec, start=_stored_map(a, projection), on_progress=tell)
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


def _stored_map(side: SnapshotReference, projection: str) -> NDArray[np.float32] | None:
    try:
        return open_run(side.log_dir).projection(side.table, side.step, projection).coordinates
    except ValueError:  # not analyzed, or not by this method: the joint map is drawn afresh
        return None


def _path(a: SnapshotReference, b: SnapshotReference, projection: str, cache: str | os.PathLike[str]) -> Path:
    """Name a result after all that it depends on: the state of the files, and the version of this library."""
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
    handle, temporary = tempfile.mkstemp(prefix=".joint-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, a=joint.a, b=joint.b, axes=joint.axes, about=np.array(about))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _thin(path.parent)


def _thin(folder: Path) -> None:
    files = sorted(((s, p) for p in folder.glob("joint-*.npz") if (s := file_stamp(p))), reverse=True)
    total = 0
    for (_, size, _), path in files:
        total += size
        if total > CACHE_BYTES:
            path.unlink(missing_ok=True)
