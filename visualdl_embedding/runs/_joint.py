"""The pure part: spaces turned onto one another, two snapshots on one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Config, ProjectionSpec, make_layout, neighbor_graph
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.distance import Distance, normalize, usable_rows
from visualdl_embedding.core.pairing import pair_labels, pair_rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import align, draw_axes

__all__ = ["How", "Joint", "Progress", "align_maps", "project_jointly", "turn_onto"]

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
        Called with the share that is done, 0 to 1: by stages, not by seconds.

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
    graph = neighbor_graph(vectors, config, [spec]) if is_map else None
    init = None
    if is_map and start is not None:
        init = _joint_start(a, b, start, usable=(usable_a, usable_b), random_state=spec.random_state)
    tell(0.35)
    layout = make_layout(vectors, graph, spec, config=config, init=init)
    tell(0.95)
    n_a = int(usable_a.sum())
    coordinates = layout.coordinates
    if start is not None:
        # PCA keeps its size: how far it spreads is a measurement, and no accident of a descent.
        coordinates = align(coordinates[:n_a], start[usable_a], scaling=is_map).apply(coordinates)
    n_shared = len(pair_rows(a, b, config.distance)[0])
    return Joint(
        a=spread(coordinates[:n_a], usable_a, len(usable_a)),
        b=spread(coordinates[n_a:], usable_b, len(usable_b)),
        axes=draw_axes(coordinates)[0],
        n_shared=n_shared,
        notes=(*_notes(n_shared, a.vectors.shape[1]), *layout.notes),
    )


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
    in_a, in_b = pair_labels(a.labels, b.labels)
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
