"""Projections of a snapshot, each aligned to its previous frame or to its reference projection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._pairs import FramePair
from visualdl_embedding.analysis._result import Frame, Measured, Projection, State, UsableRows, merge
from visualdl_embedding.analysis._specs import ProjectionSpec
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.pairing import pair_labels
from visualdl_embedding.core.progress import timed
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import (
    Basis,
    Layout,
    align,
    basis_is_stale,
    draw_axes,
    fit_basis,
    motion,
    noise_floor,
    project,
    variance_kept,
)

__all__ = ["choose_basis", "make_layout", "make_projections"]

Floats = NDArray[np.float32]


def choose_basis(
    vectors: Floats, config: Config, *, step: int, previous: Frame | None
) -> tuple[Basis | None, tuple[str, ...]]:
    """Return the PCA basis of the previous frame, or fit a new one if that is missing or stale.

    Returns
    -------
    The basis and notes. Without PCA in the configuration, the basis of the previous frame, which may be None.
    """
    basis = previous.analysis.basis if previous else None
    components = [spec.n_components for spec in config.specs if spec.method == "pca"]
    if not components:
        return basis, ()
    width = max(spec.n_components for spec in config.specs)
    if basis is None:
        return fit_basis(vectors, n_components=width, version=1, step=step), ()
    if basis.mean.shape[0] == vectors.shape[1] and not basis_is_stale(basis, vectors):
        return basis, ()
    version = basis.version + 1
    note = f"PCA: the basis was fitted anew (version {version}); motion is not measured across versions."
    return fit_basis(vectors, n_components=width, version=version, step=step), (note,)


def make_layout(
    vectors: Floats,
    graph: Neighbors | None,
    spec: ProjectionSpec,
    *,
    config: Config,
    init: Floats | None = None,
    basis: Basis | None = None,
) -> Layout:
    """Project rows according to a spec, without alignment; PCA needs no graph."""
    return project(
        vectors,
        method=spec.method,
        n_components=spec.n_components,
        init=init,
        neighbors=graph,
        distance=config.distance,
        random_state=spec.random_state,
        n_jobs=config.n_jobs,
        basis=basis,
        **config.parameters_of(spec),
    )


def make_projections(
    snapshot: Snapshot,
    rows: UsableRows,
    graph: Neighbors,
    *,
    config: Config,
    state: State,
    pair: FramePair | None,
    basis: Basis | None,
    on_progress: Callable[[int], None],
) -> tuple[dict[str, Projection], Measured, dict[str, float]]:
    """Make every projection of the configuration, and measure its motion and noise floor.

    Rows that coincide are projected as one, so that they get one place. `graph` is that of the distinct rows, with
    enough neighbors for every projection; `pair` holds the rows shared with the previous frame; `on_progress` is called
    with the number of completed projections.

    Returns
    -------
    The projections by key, their measurements, and the time in seconds by key.
    """
    previous = state.previous
    before = previous.analysis.projections if previous else {}
    shared = None
    if previous is not None and previous.snapshot.vectors.shape[1] == snapshot.vectors.shape[1]:
        shared = pair_labels(snapshot.labels, previous.snapshot.labels)
    made: dict[str, Projection] = {}
    parts: list[Measured] = []
    seconds: dict[str, float] = {}
    distinct = rows.distinct
    all_distinct = len(distinct) == len(rows.vectors)
    vectors = rows.vectors if all_distinct else rows.vectors[distinct]
    for done, spec in enumerate(config.specs, 1):
        with timed(seconds, spec.key):
            last, init, places = before.get(spec.key), None, None
            if last is not None and shared is not None and spec.method != "pca":
                then = last.coordinates if last.places is None else last.places
                places = spread(then[shared[1]], shared[0], rows.n)
                init = places[rows.positions] if np.isfinite(places[rows.positions]).any() else None
            start = None if init is None else init[distinct]
            if start is not None and not np.isfinite(start).any():
                start = None
            layout = make_layout(vectors, graph, spec, config=config, init=start, basis=basis)
            parameters, floor = dict(layout.parameters), last.noise_floor if last else None
            if spec.method == "pca":
                floor = 0.0
            elif _measures_floor(spec, config, state.frame):
                floor = noise_floor(vectors, layout, neighbors=graph, n_jobs=config.n_jobs)
                parameters["noise_floor_step"] = snapshot.step
            if last and "noise_floor_step" in last.parameters:
                parameters.setdefault("noise_floor_step", last.parameters["noise_floor_step"])
            if not all_distinct:
                place = np.searchsorted(distinct, rows.first)
                layout = replace(layout, coordinates=layout.coordinates[place])
            target = made[spec.like].coordinates[rows.positions] if spec.like and init is None else init
            if target is not None:
                layout = replace(layout, coordinates=align(layout.coordinates, target).apply(layout.coordinates))
            comparable = last
            if last and spec.method == "pca" and last.parameters.get("basis_version") != parameters["basis_version"]:
                comparable = None
            if places is not None:
                places[rows.positions] = layout.coordinates
            axes, redrawn = draw_axes(layout.coordinates, comparable.axes if comparable else None)
            made[spec.key] = Projection(
                method=spec.method,
                coordinates=rows.spread(layout.coordinates),
                parameters=parameters,
                axes=axes,
                axes_version=last.axes_version + int(redrawn or comparable is None) if last else 1,
                noise_floor=floor,
                places=places if len(rows.positions) < rows.n else None,
            )
            parts.append(_measure(spec, layout, rows, comparable, pair, floor))
            if spec.method == "pca" and basis is not None:
                kept = variance_kept(basis, rows.vectors, spec.n_components)
                parts.append(Measured({f"{spec.key}/explained_variance": kept}))
        on_progress(done)
    return made, merge(*parts), seconds


def _measures_floor(spec: ProjectionSpec, config: Config, frame: int) -> bool:
    # The first frame is often a random table, whose floor differs from a trained one, so the second is measured too.
    every = config.noise_floor_every
    return not spec.repeat and every > 0 and (frame == 1 or frame % every == 0)


def _measure(
    spec: ProjectionSpec,
    layout: Layout,
    rows: UsableRows,
    last: Projection | None,
    pair: FramePair | None,
    floor: float | None,
) -> Measured:
    """Measure a layout, and its motion since the last one if the two are comparable."""
    key = spec.key
    scalars = {} if floor is None else {f"{key}/noise_floor": floor}
    if layout.kl_divergence is not None:
        scalars[f"{key}/kl_divergence"] = layout.kl_divergence
    row_metrics = {}
    if last is not None and pair is not None:
        moved = motion(last.coordinates[pair.then_positions], layout.coordinates[pair.now_rows])
        row_metrics[f"{key}/motion"] = spread(moved, pair.positions, rows.n)
        scalars[f"{key}/motion"] = float(np.sqrt(np.mean(moved.astype(np.float64) ** 2)))
    # Repeats have the same notes as the first seed.
    return Measured(scalars, row_metrics, () if spec.repeat else tuple(f"{key}: {note}" for note in layout.notes))
