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
from visualdl_embedding.metrics import unchanged
from visualdl_embedding.projection import (
    Basis,
    Layout,
    align,
    basis_is_stale,
    draw_axes,
    fit_basis,
    motion,
    motion_bound,
    noise_floor,
    project,
    variance_kept,
)

__all__ = ["choose_basis", "make_layout", "make_projections", "refit_note"]

Floats = NDArray[np.float32]

_FEWEST_STILL = 20
"""Minimum number of rows from which a noise floor is estimated."""
_LARGEST_FLOOR = 1.0
"""Noise floor, in standard deviations of the layout, above which motion is not comparable."""


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
    fitted = fit_basis(vectors, n_components=width, version=version, step=step)
    return fitted, (refit_note(fitted),)


def refit_note(basis: Basis | None) -> str:
    """Return the note of a frame whose PCA basis was fitted again; ``""`` without a basis."""
    if basis is None:
        return ""
    return f"PCA: the basis was fitted anew (version {basis.version}); motion is not measured across versions."


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
    displacement: Floats | None,
    basis: Basis | None,
    on_progress: Callable[[int], None],
) -> tuple[dict[str, Projection], Measured, dict[str, float]]:
    """Make every projection of the configuration, and measure its motion and noise floor.

    Rows that coincide are projected as one, so that they get one place. `graph` is that of the distinct rows, with
    enough neighbors for every projection; `pair` holds the rows shared with the previous frame, and `displacement`
    ``(n,)`` how far each row moved in the original space; `on_progress` is called with the number of completed
    projections.

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
    still = None if pair is None or displacement is None else _still_rows(pair, displacement)
    distinct = rows.distinct
    all_distinct = len(distinct) == len(rows.vectors)
    vectors = rows.drawn if all_distinct else rows.drawn[distinct]
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
            parameters = dict(layout.parameters)
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
            moved = None
            if comparable is not None and pair is not None:
                moved = motion(comparable.coordinates[pair.then_positions], layout.coordinates[pair.now_rows])
            floor, measured = None, config.noise_floor_every > 0 and not spec.repeat
            arranged = bool(parameters.get("redrawn"))
            if measured and spec.method != "pca" and (last is None or state.frame % config.noise_floor_every == 0):
                drawn = replace(layout, coordinates=layout.coordinates[distinct])
                parameters["null_motion"] = noise_floor(vectors, drawn, neighbors=graph, n_jobs=config.n_jobs)
            if spec.method == "pca":
                floor = 0.0 if last is None or moved is not None else None
            elif measured and last is None:
                floor = _within(parameters["null_motion"])
            elif measured and moved is not None and last is not None:
                null = None if arranged else last.parameters.get("null_motion")
                floor = _floor(moved, still, null)
                # Without any bound, such as between the frames of null steps, the floor is unknown.
                measured = arranged or still is not None or null is not None
            parameters["redrawn"] = measured and last is not None and floor is None
            axes, new_axes = draw_axes(layout.coordinates, comparable.axes if comparable else None)
            made[spec.key] = Projection(
                method=spec.method,
                coordinates=rows.spread(layout.coordinates),
                parameters=parameters,
                axes=axes,
                axes_version=last.axes_version + int(new_axes or comparable is None) if last else 1,
                noise_floor=floor,
                places=places if len(rows.positions) < rows.n else None,
            )
            parts.append(_measure(spec, layout, rows, pair, moved, floor))
            if measured and last is not None and spec.method != "pca":
                parts.append(Measured({f"{spec.key}/redrawn": float(parameters["redrawn"])}))
            if spec.method == "pca" and basis is not None:
                kept = variance_kept(basis, rows.drawn, spec.n_components)
                parts.append(Measured({f"{spec.key}/explained_variance": kept}))
        on_progress(done)
    return made, merge(*parts), seconds


def _still_rows(pair: FramePair, displacement: Floats) -> NDArray[np.intp] | None:
    """Return shared rows that did not move: those with equal bits, or else the tenth that moved least.

    Rows with equal bits must be a tenth of all, and at least 20. None if fewer than 20 rows are shared.
    """
    n = len(pair.positions)
    few = max(_FEWEST_STILL, n // 10)
    same = np.flatnonzero(unchanged(pair.then, pair.now))
    if len(same) >= few:
        return same
    return np.argsort(displacement[pair.positions], kind="stable")[:few] if n >= few else None


def _floor(moved: Floats, still: NDArray[np.intp] | None, null: float | None) -> float | None:
    """Return the larger of two bounds on the motion of unchanged rows: of the rows that are still, and of a null step.

    `null` is the bound of the null step, the previous frame repeated; None if it was not measured, or if this frame was
    arranged anew. The result is None if both are unknown or one exceeds 1.
    """
    bounds = [motion_bound(moved[still])] if still is not None else []
    bounds += [null] if null is not None else []
    return _within(max(bounds)) if bounds else None


def _within(bound: float) -> float | None:
    """Return a bound if it is small enough to be a ring."""
    return bound if bound <= _LARGEST_FLOOR else None


def _measure(
    spec: ProjectionSpec,
    layout: Layout,
    rows: UsableRows,
    pair: FramePair | None,
    moved: Floats | None,
    floor: float | None,
) -> Measured:
    """Measure a layout; `moved` is the motion of the shared rows since the last one, if the two are comparable."""
    key = spec.key
    scalars = {} if floor is None else {f"{key}/noise_floor": floor}
    if layout.kl_divergence is not None:
        scalars[f"{key}/kl_divergence"] = layout.kl_divergence
    row_metrics = {}
    if moved is not None and pair is not None:
        row_metrics[f"{key}/motion"] = spread(moved, pair.positions, rows.n)
        scalars[f"{key}/motion"] = float(np.sqrt(np.mean(moved.astype(np.float64) ** 2)))
    # Repeats have the same notes as the first seed.
    return Measured(scalars, row_metrics, () if spec.repeat else tuple(f"{key}: {note}" for note in layout.notes))
