"""Projections of a snapshot, each aligned to its previous frame or to the projection that it is like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._pairs import FramePair
from visualdl_embedding.analysis._result import Frame, Projection
from visualdl_embedding.analysis._rows import Measured, UsableRows, merge
from visualdl_embedding.analysis._specs import ProjectionSpec
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.progress import timed
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

__all__ = ["Context", "Projections", "choose_basis", "make_layout", "make_projections"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Context:
    """What projections depend on beside the rows and their graph.

    Attributes
    ----------
    config
        Which projections, and how.
    step
        Of the snapshot.
    frame
        Number of the table's analyses before this one.
    previous
        The frame before; None for the first.
    pair
        The rows shared with it; None where there are none.
    basis
        Of PCA; None without PCA.
    """

    config: Config
    step: int = 0
    frame: int = 0
    previous: Frame | None = None
    pair: FramePair | None = None
    basis: Basis | None = None

    def before(self, key: str) -> Projection | None:
        """Return the same projection of the frame before."""
        return self.previous.analysis.projections.get(key) if self.previous else None


@dataclass(frozen=True)
class Projections:
    """The projections by key, what was measured of them, and the seconds that each took."""

    by_key: Mapping[str, Projection] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    seconds: Mapping[str, float] = field(default_factory=dict)


def choose_basis(
    vectors: Floats, config: Config, *, step: int, previous: Frame | None
) -> tuple[Basis | None, tuple[str, ...]]:
    """Keep the PCA basis of the previous frame, or fit a new one where it no longer serves.

    Returns
    -------
    The basis, None where neither PCA is asked for nor the previous frame has one; and notes.
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
    """Project rows as a spec asks, aligned to nothing; PCA needs no graph."""
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
    rows: UsableRows, graph: Neighbors, context: Context, *, on_progress: Callable[[int], None] | None = None
) -> Projections:
    """Make every projection of the configuration, and measure its motion and noise floor.

    Parameters
    ----------
    rows, graph
        The usable rows and their graph, wide enough for every projection.
    context
        The configuration and the frame before.
    on_progress
        Called with the number of projections that are made.
    """
    made: dict[str, Projection] = {}
    measured = Measured()
    seconds: dict[str, float] = {}
    for done, spec in enumerate(context.config.specs, 1):
        with timed(seconds, spec.key):
            if spec.method == "pca":
                made[spec.key], found = _make_pca(rows, spec, context)
            else:
                like = made[spec.like].coordinates[rows.positions] if spec.like else None
                made[spec.key], found = _make_map(rows, graph, spec, context, like=like)
        measured = merge(measured, found)
        if on_progress is not None:
            on_progress(done)
    return Projections(made, measured, seconds)


def _make_pca(rows: UsableRows, spec: ProjectionSpec, context: Context) -> tuple[Projection, Measured]:
    basis = context.basis
    assert basis is not None
    layout = make_layout(rows.vectors, None, spec, config=context.config, basis=basis)
    before = context.before(spec.key)
    same_basis = before is not None and before.parameters.get("basis_version") == basis.version
    projection, moved = _finish(
        rows, spec, context, layout=layout, before=before if same_basis else None, noise_floor=0.0
    )
    kept = {f"{spec.key}/explained_variance": variance_kept(basis, rows.vectors, spec.n_components)}
    return projection, merge(Measured(kept), moved)


def _make_map(
    rows: UsableRows, graph: Neighbors, spec: ProjectionSpec, context: Context, *, like: Floats | None
) -> tuple[Projection, Measured]:
    config, before = context.config, context.before(spec.key)
    init = None
    if before is not None and context.pair is not None:
        init = spread(before.coordinates[context.pair.then_positions], context.pair.now_rows, len(rows.vectors))
    layout = make_layout(rows.vectors, graph, spec, config=config, init=init)
    parameters = dict(layout.parameters)
    floor = before.noise_floor if before else None
    if before and "noise_floor_step" in before.parameters:
        parameters["noise_floor_step"] = before.parameters["noise_floor_step"]
    # The first map is often of a random table, whose floor does not hold for a trained one: hence the second, too.
    every = 0 if spec.repeat else config.noise_floor_every
    if every and (context.frame == 1 or context.frame % every == 0):
        floor = noise_floor(
            rows.vectors,
            layout,
            neighbors=graph,
            random_state=spec.random_state,
            n_jobs=config.n_jobs,
            **config.parameters_of(spec),
        )
        parameters["noise_floor_step"] = context.step
    scalars = {} if layout.kl_divergence is None else {f"{spec.key}/kl_divergence": layout.kl_divergence}
    # Repeats repeat the notes of the first seed as well.
    notes = () if spec.repeat else tuple(f"{spec.key}: {note}" for note in layout.notes)
    coordinates = layout.coordinates
    target = like if init is None else init
    if target is not None:
        coordinates = align(coordinates, target).apply(coordinates)
    aligned = Layout(coordinates, parameters)
    projection, moved = _finish(rows, spec, context, layout=aligned, before=before, noise_floor=floor)
    return projection, merge(Measured(scalars, notes=notes), moved)


def _finish(
    rows: UsableRows,
    spec: ProjectionSpec,
    context: Context,
    *,
    layout: Layout,
    before: Projection | None,
    noise_floor: float | None,
) -> tuple[Projection, Measured]:
    """Draw axes, and measure the motion since `before`: None where this frame does not compare with it."""
    key, coordinates, pair = spec.key, layout.coordinates, context.pair
    scalars: dict[str, float] = {}
    row_metrics: dict[str, Floats] = {}
    axes, redrawn = draw_axes(coordinates, before.axes if before else None)
    last = context.before(key)
    version = last.axes_version + int(redrawn or before is None) if last else 1
    if noise_floor is not None:
        scalars[f"{key}/noise_floor"] = noise_floor
    if before is not None and pair is not None:
        moved = motion(before.coordinates[pair.then_positions], coordinates[pair.now_rows])
        row_metrics[f"{key}/motion"] = spread(moved, pair.positions, rows.n)
        scalars[f"{key}/motion"] = float(np.sqrt(np.mean(moved.astype(np.float64) ** 2)))
    projection = Projection(
        method=spec.method,
        coordinates=rows.spread(coordinates),
        parameters=layout.parameters,
        axes=axes,
        axes_version=version,
        noise_floor=noise_floor,
    )
    return projection, Measured(scalars, row_metrics)
