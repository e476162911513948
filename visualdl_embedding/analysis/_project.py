"""Projections of a snapshot, each aligned to its previous frame or to its reference projection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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

__all__ = ["choose_basis", "make_layout", "make_projections"]

Floats = NDArray[np.float32]

_FEWEST_STILL = 20
"""Minimum number of rows with equal bits from which a noise floor is measured."""
_FEWEST_SIMILAR = 40
"""Minimum number of rows that moved little: of fewer, none bounds another with a probability of 97.5%."""
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
    still = None if pair is None or displacement is None else _still_rows(pair, displacement)
    inputs = _Inputs(rows, graph, config, state.frame, pair, still, basis)
    made: dict[str, Projection] = {}
    parts: list[Measured] = []
    seconds: dict[str, float] = {}
    for done, spec in enumerate(config.specs, 1):
        with timed(seconds, spec.key):
            last, places = before.get(spec.key), None
            if last is not None and shared is not None and spec.method != "pca":
                then = last.coordinates if last.places is None else last.places
                places = spread(then[shared[1]], shared[0], rows.n)
            layout = _draw(spec, inputs, places, like=made.get(spec.like))
            made[spec.key], measured = _complete(spec, inputs, layout, last=last, places=places)
            parts.append(measured)
        on_progress(done)
    return made, merge(*parts), seconds


@dataclass(frozen=True)
class _Inputs:
    """Inputs of all projections of a frame, as in `make_projections`.

    Attributes
    ----------
    still
        Positions among the shared rows of those that did not move; None if unknown.
    """

    rows: UsableRows
    graph: Neighbors
    config: Config
    frame: int
    pair: FramePair | None
    still: NDArray[np.intp] | None
    basis: Basis | None

    @cached_property
    def vectors(self) -> Floats:
        """Vectors of the distinct rows."""
        distinct, vectors = self.rows.distinct, self.rows.drawn
        return vectors if len(distinct) == len(vectors) else vectors[distinct]


def _draw(spec: ProjectionSpec, inputs: _Inputs, places: Floats | None, *, like: Projection | None) -> Layout:
    """Project the distinct rows, from their last places if known, and return all usable rows, aligned.

    `places` are the last places of all rows, NaN for new rows. Without them, the layout is aligned to `like`.
    """
    rows = inputs.rows
    init = None if places is None or not np.isfinite(places[rows.positions]).any() else places[rows.positions]
    start = None if init is None else init[rows.distinct]
    if start is not None and not np.isfinite(start).any():
        start = None
    layout = make_layout(inputs.vectors, inputs.graph, spec, config=inputs.config, init=start, basis=inputs.basis)
    if len(rows.distinct) < len(rows.vectors):
        place = np.searchsorted(rows.distinct, rows.first)
        layout = replace(layout, coordinates=layout.coordinates[place])
    target = like.coordinates[rows.positions] if like is not None and init is None else init
    if target is None:
        return layout
    return replace(layout, coordinates=align(layout.coordinates, target).apply(layout.coordinates))


def _complete(
    spec: ProjectionSpec, inputs: _Inputs, layout: Layout, *, last: Projection | None, places: Floats | None
) -> tuple[Projection, Measured]:
    """Measure the motion and the noise floor of a layout, and choose its axes."""
    rows, pair, every = inputs.rows, inputs.pair, inputs.config.noise_floor_every
    parameters = dict(layout.parameters)
    comparable = last
    if last and spec.method == "pca" and last.parameters.get("basis_version") != parameters["basis_version"]:
        comparable = None
    moved = None
    if comparable is not None and pair is not None:
        moved = motion(comparable.coordinates[pair.then_positions], layout.coordinates[pair.now_rows])
    measured = every > 0 and not spec.repeat and spec.method != "pca"
    if measured and (last is None or inputs.frame % every == 0):
        drawn = replace(layout, coordinates=layout.coordinates[rows.distinct])
        n_jobs = inputs.config.n_jobs
        parameters["null_motion"] = noise_floor(inputs.vectors, drawn, neighbors=inputs.graph, n_jobs=n_jobs)
    floor, redrawn = None, False
    if spec.method == "pca":
        floor = 0.0 if last is None or moved is not None else None
        redrawn = floor is None
    elif measured:
        floor, redrawn = _bound(parameters, moved, inputs.still, last=last)
    parameters["redrawn"] = redrawn
    if redrawn:
        moved = None
    axes, new_axes = draw_axes(layout.coordinates, comparable.axes if comparable else None)
    if places is not None:
        places[rows.positions] = layout.coordinates
    projection = Projection(
        method=spec.method,
        coordinates=rows.spread(layout.coordinates),
        parameters=parameters,
        axes=axes,
        axes_version=last.axes_version + int(new_axes or comparable is None) if last else 1,
        noise_floor=floor,
        places=places if len(rows.positions) < rows.n else None,
    )
    scalars: dict[str, float] = {}
    if measured and last is not None and (redrawn or floor is not None):
        scalars[f"{spec.key}/redrawn"] = float(redrawn)
    if spec.method == "pca" and inputs.basis is not None:
        kept = variance_kept(inputs.basis, rows.drawn, spec.n_components)
        scalars[f"{spec.key}/explained_variance"] = kept
    return projection, merge(_measure(spec, layout, rows, pair, moved, floor), Measured(scalars))


def _bound(
    parameters: Mapping[str, Any], moved: Floats | None, still: NDArray[np.intp] | None, *, last: Projection | None
) -> tuple[float | None, bool]:
    """Return the noise floor of a layout with these parameters, and whether its motion is not comparable.

    The floor is None if it is unknown or exceeds 1. Between the frames of null steps it can be unknown without the
    layout being redrawn.
    """
    if last is None:
        return _within(parameters["null_motion"]), False
    arranged = bool(parameters.get("rearranged"))
    null = None if arranged else last.parameters.get("null_motion")
    if moved is not None and still is None and null is None and not arranged:
        return None, False
    floor = None if moved is None else _floor(moved, still, null)
    return floor, floor is None


def _still_rows(pair: FramePair, displacement: Floats) -> NDArray[np.intp] | None:
    """Return shared rows that did not move: those with equal bits, or else those that moved about as little as a tenth.

    Rows with equal bits must be a tenth of all, and at least 20. Otherwise, these are the rows that moved at most three
    times as far as the tenth that moved least, which must be at least 40. None if there are too few.
    """
    same = np.flatnonzero(unchanged(pair.then, pair.now))
    if len(same) >= max(_FEWEST_STILL, len(pair.positions) // 10):
        return same
    # The tenth itself is too small a sample: among 300 rows, it held 95% of the unchanged ones in 23 of 31 frames.
    shown = displacement[pair.positions]
    still = np.flatnonzero(shown <= 3 * np.quantile(shown, 0.1)) if len(shown) else same
    return still if len(still) >= _FEWEST_SIMILAR else None


def _floor(moved: Floats, still: NDArray[np.intp] | None, null: float | None) -> float | None:
    """Return the larger of two bounds on the motion of unchanged rows: of the rows that are still, and of a null step.

    `null` is the bound of the null step, the previous frame repeated; None if it was not measured, or if this frame was
    arranged anew. The result is None if the motion of still rows is unknown, or if a bound exceeds 1.
    """
    if still is None:
        return None
    bound = motion_bound(moved[still])
    return _within(bound if null is None else max(bound, null))


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
