"""The pure part: spaces turned onto one another, two snapshots on one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.distance import Distance, normalize, usable_rows
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import align, draw_axes, neighbors_needed, project

__all__ = ["How", "Joint", "Progress", "align_maps", "project_jointly", "shared_rows", "turn_onto"]

Floats = NDArray[np.float32]
Progress = Callable[[float], None]
How = Literal["joint", "procrustes"]


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
    how: How = "joint"
    notes: tuple[str, ...] = ()


def shared_rows(a: Sequence[str], b: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair rows by label: positions in `a` and in `b`, in the order of `a`.

    >>> [found.tolist() for found in shared_rows(["高兴", "悲伤", "雨"], ["雨", "高兴"])]
    [[0, 2], [1, 0]]
    """
    where = {label: position for position, label in enumerate(b)}
    pairs = [(position, where[label]) for position, label in enumerate(a) if label in where]
    paired = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return paired[:, 0], paired[:, 1]


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
    in_a, in_b = _shared_usable(a, b, distance)
    if not len(in_a):
        raise ValueError("The two snapshots share no label with usable vectors, so neither can be laid on the other.")
    one, two = a.vectors[in_a], b.vectors[in_b]
    with np.errstate(invalid="ignore", over="ignore"):
        if distance == "euclidean":
            return align(two, one).apply(b.vectors)
        left, _, right = np.linalg.svd(normalize(two).astype(np.float64).T @ normalize(one).astype(np.float64))
        return np.asarray(b.vectors.astype(np.float64) @ (left @ right), dtype=np.float32)


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
    in_a, in_b = shared_rows(labels_a, labels_b)
    paired = np.isfinite(map_a[in_a]).all(axis=1) & np.isfinite(map_b[in_b]).all(axis=1)
    in_a, in_b = in_a[paired], in_b[paired]
    return align(map_b[in_b], map_a[in_a]).apply(map_b), len(in_a)


def project_jointly(
    a: Snapshot,
    b: Snapshot,
    *,
    config: Config,
    method: str,
    n_components: int = 2,
    start: Floats | None = None,
    on_progress: Progress | None = None,
) -> Joint:
    """Turn `b` onto `a`, and project all rows of both together.

    Parameters
    ----------
    a, b
        Of one width, with labels in common.
    config
        Distance and parameters of the projection.
    method
        ``"pca"``, ``"tsne"`` or ``"umap"``.
    n_components
        2 or 3.
    start
        ``(n_a, c)``: the map of `a` as it is known. The joint map starts from it (rows of `b` where `a` has the same
        label) and is registered to it, so that whoever knows the one finds his way in the other.
    on_progress
        Is told the share that is done, 0 to 1: by stages, not by seconds.

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
    neighbors = None
    if method != "pca":
        width = neighbors_needed(
            (method,), n_neighbors=config.n_neighbors, perplexity=config.perplexity, n_rows=len(vectors)
        )
        if width:
            neighbors = nearest_neighbors(
                vectors, width, distance=config.distance, random_state=config.random_state, n_jobs=config.n_jobs
            )
    tell(0.35)
    layout = project(
        vectors,
        method=method,
        n_components=n_components,
        init=_joint_start(a, b, start, usable=(usable_a, usable_b), random_state=config.random_state)
        if start is not None and method != "pca"
        else None,
        neighbors=neighbors,
        perplexity=config.perplexity,
        n_neighbors=config.n_neighbors,
        min_dist=config.min_dist,
        random_state=config.random_state,
        n_jobs=config.n_jobs,
    )
    tell(0.95)
    n_a = int(usable_a.sum())
    coordinates = layout.coordinates
    if start is not None:
        # PCA keeps its size: how far it spreads is a measurement, and no accident of a descent.
        known = align(coordinates[:n_a], start[usable_a], scaling=method != "pca")
        coordinates = known.apply(coordinates)
    in_a, _ = _shared_usable(a, b, config.distance)
    return Joint(
        a=spread(coordinates[:n_a], usable_a, len(usable_a)),
        b=spread(coordinates[n_a:], usable_b, len(usable_b)),
        axes=draw_axes(coordinates)[0],
        n_shared=len(in_a),
        notes=(*_notes(len(in_a), a.vectors.shape[1]), *layout.notes),
    )


def _shared_usable(a: Snapshot, b: Snapshot, distance: Distance) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    in_a, in_b = shared_rows(a.labels, b.labels)
    usable = a.usable(distance)[in_a] & b.usable(distance)[in_b]
    return in_a[usable], in_b[usable]


def _joint_start(
    a: Snapshot,
    b: Snapshot,
    start: Floats,
    *,
    usable: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    random_state: int,
) -> Floats:
    """Put every row of `b` where `a` has its label; NaN, which is a row to be placed, where `a` has it not."""
    twins = np.full((len(b.labels), start.shape[1]), np.nan, dtype=np.float32)
    in_a, in_b = shared_rows(a.labels, b.labels)
    # Forces between rows that coincide have no direction.
    scatter = 1e-3 * float(np.nanstd(start[usable[0]])) if usable[0].any() else 0.0
    noise = np.random.default_rng(random_state).normal(scale=scatter, size=(len(in_a), start.shape[1]))
    twins[in_b] = start[in_a] + noise
    return np.concatenate([start[usable[0]], twins[usable[1]]])


def _notes(n_shared: int, dim: int) -> tuple[str, ...]:
    if n_shared >= dim:
        return ()
    return (
        f"{n_shared} shared labels do not determine a rotation of {dim} dimensions: they lie on one another more "
        "closely than the runs agree.",
    )
