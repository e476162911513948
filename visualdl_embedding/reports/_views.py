"""Views: one projection for every method, number of components, parameter value and seed, all of one neighbor graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Projection, projection_key
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics import Quality, projection_quality
from visualdl_embedding.projection import (
    METHODS,
    Basis,
    Layout,
    align,
    draw_axes,
    fit_basis,
    noise_floor,
    project,
    variance_kept,
)

__all__ = ["Plan", "View", "as_tuple", "make_views", "plan_views"]

Floats = NDArray[np.float32]
NO_PICTURE = frozenset({"rearranged", "rescaled", "basis_step", "basis_version", "method", "warm"})
"""Parameters of a projection that say nothing about a single picture."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A view that is to be made.

    Attributes
    ----------
    key
        Its name everywhere: ``"tsne"``, ``"umap_3d"``, ``"tsne_perplexity5"``, ``"tsne_seed43"``.
    method, n_components, random_state
        What `project` takes.
    parameters
        The value of the method's own parameter: ``{"perplexity": 30.0}``.
    like
        Key of the view that it is turned and shifted to; its own for the first of its kind.
    repeat
        0 for the first seed, 1 for the second, …
    """

    key: str
    method: str
    n_components: int
    random_state: int
    parameters: Mapping[str, float]
    like: str
    repeat: int


@dataclass(frozen=True)
class View:
    """A projection with what is known of its faithfulness.

    Attributes
    ----------
    plan
        What was asked for.
    projection
        Coordinates of all n rows, NaN for those that are not finite.
    quality
        Trustworthiness and continuity; its row values are of all n rows.
    scalars
        Further numbers: ``"kl_divergence"``, ``"explained_variance"``, ``"noise_floor"``.
    """

    plan: Plan
    projection: Projection
    quality: Quality
    scalars: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name: that of its picture, and of its columns in the table of coordinates."""
        return self.plan.key

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters worth reading beside the picture, the seed last."""
        shown = {k: v for k, v in self.projection.parameters.items() if k not in NO_PICTURE and k != "random_state"}
        return shown if self.plan.method == "pca" else shown | {"random_state": self.plan.random_state}

    @property
    def numbers(self) -> dict[str, float]:
        """Finite metrics of the view by name."""
        found = {
            "trustworthiness": self.quality.trustworthiness,
            "continuity": self.quality.continuity,
            **self.scalars,
        }
        return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def plan_views(
    methods: str | Iterable[str],
    *,
    n_components: int | Iterable[int],
    perplexity: float | Iterable[float],
    n_neighbors: int | Iterable[int],
    repeats: int,
    random_state: int,
) -> tuple[Plan, ...]:
    """List the views of a report in the order in which they are shown.

    Raises
    ------
    ValueError
        An unknown method, no method at all, or a value out of range.

    >>> plans = plan_views(
    ...     ["pca", "tsne"], n_components=[2], perplexity=[5, 30], n_neighbors=[15], repeats=2, random_state=42
    ... )
    >>> [plan.key for plan in plans]
    ['pca', 'tsne_perplexity5', 'tsne_perplexity5_seed43', 'tsne_perplexity30', 'tsne_perplexity30_seed43']
    """
    chosen = _distinct("methods", methods, METHODS)
    dimensions = _distinct("n_components", n_components, (2, 3))
    sizes: dict[str, list[float]] = {
        "perplexity": [float(value) for value in _above("perplexity", perplexity, 1.0)],
        "n_neighbors": [int(value) for value in _above("n_neighbors", n_neighbors, 1)],
    }
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"repeats counts the seeds from 1, not {repeats!r}.")
    plans = []
    for components in dimensions:
        for method in chosen:
            base = projection_key(method, components)
            if method == "pca":
                plans.append(Plan(base, method, components, random_state, {}, base, 0))
                continue
            name = "perplexity" if method == "tsne" else "n_neighbors"
            first = None
            for value in sizes[name]:
                varied = f"{base}_{name}{value:g}" if len(sizes[name]) > 1 else base
                first = first or varied
                for repeat in range(repeats):
                    seed = random_state + repeat
                    key = f"{varied}_seed{seed}" if repeat else varied
                    plans.append(Plan(key, method, components, seed, {name: value}, first, repeat))
    return tuple(plans)


def make_views(
    vectors: Floats,
    neighbors: Neighbors,
    plans: Sequence[Plan],
    *,
    positions: NDArray[np.intp],
    n: int,
    n_neighbors: int,
    random_state: int,
    n_jobs: int,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[tuple[View, ...], Basis | None, tuple[str, ...]]:
    """Project the rows once per plan, and measure all projections in one pass.

    Parameters
    ----------
    vectors
        ``(m, d)`` float32: the finite rows.
    neighbors
        Their graph, wide enough for every plan.
    plans
        From `plan_views`.
    positions
        ``(m,)``: where these rows stand among all.
    n
        Number of all rows.
    n_neighbors
        Size of a neighborhood of the metrics.
    random_state
        Seed of the sample that the metrics take of very many rows.
    n_jobs
        Threads.
    on_progress
        Called with the number of views done.

    Returns
    -------
    The views, PCA's basis or None, and sentences for the user.
    """
    layouts: dict[str, Layout] = {}
    scalars: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    basis = None
    if any(plan.method == "pca" for plan in plans):
        basis = fit_basis(vectors, n_components=max(plan.n_components for plan in plans))
    for done, plan in enumerate(plans, 1):
        found, numbers = _layout(vectors, neighbors, plan, basis=basis, n_jobs=n_jobs)
        if plan.like != plan.key:
            turned = align(found.coordinates, layouts[plan.like].coordinates).apply(found.coordinates)
            found = replace(found, coordinates=turned.astype(np.float32))
        layouts[plan.key], scalars[plan.key] = found, numbers
        notes.extend(f"{plan.key}: {note}" for note in found.notes if not plan.repeat)
        if on_progress:
            on_progress(done)
    quality = projection_quality(
        vectors,
        {key: found.coordinates for key, found in layouts.items()},
        neighbors,
        n_neighbors=n_neighbors,
        distance=neighbors.distance,
        random_state=random_state,
    )
    views = []
    for plan in plans:
        found, measured = layouts[plan.key], quality[plan.key]
        projection = Projection(
            method=plan.method,
            coordinates=spread(found.coordinates, positions, n),
            parameters=found.parameters,
            axes=draw_axes(found.coordinates, margin=0.06)[0],
            noise_floor=scalars[plan.key].get("noise_floor"),
        )
        measured = replace(
            measured,
            row_trustworthiness=spread(measured.row_trustworthiness, positions, n),
            row_continuity=spread(measured.row_continuity, positions, n),
        )
        views.append(View(plan, projection, measured, scalars[plan.key]))
    return tuple(views), basis, tuple(notes)


def _layout(
    vectors: Floats, neighbors: Neighbors, plan: Plan, *, basis: Basis | None, n_jobs: int
) -> tuple[Layout, dict[str, float]]:
    settings: dict[str, Any] = dict(plan.parameters)
    found = project(
        vectors,
        method=plan.method,
        n_components=plan.n_components,
        neighbors=neighbors,
        basis=basis if plan.method == "pca" else None,
        random_state=plan.random_state,
        n_jobs=n_jobs,
        **settings,
    )
    numbers: dict[str, float] = {}
    if plan.method == "pca" and basis is not None:
        numbers["explained_variance"] = variance_kept(basis, vectors, plan.n_components)
    if found.kl_divergence is not None:
        numbers["kl_divergence"] = found.kl_divergence
    # One fit more, warm and so a tenth of the cost: once per kind of map.
    if plan.method != "pca" and plan.repeat == 0 and "iterations" in found.parameters:
        numbers["noise_floor"] = noise_floor(
            vectors, found, neighbors=neighbors, random_state=plan.random_state, n_jobs=n_jobs, **settings
        )
    return found, numbers


def _distinct(name: str, values: Any, known: Sequence[Any]) -> tuple[Any, ...]:
    chosen = as_tuple(name, values)
    for value in chosen:
        if value not in known:
            raise ValueError(f"Unknown in {name}: {value!r}; known are {', '.join(map(str, known))}.")
    return chosen


def _above(name: str, values: Any, least: float) -> tuple[Any, ...]:
    chosen = as_tuple(name, values)
    for value in chosen:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise TypeError(f"{name} takes numbers, not {value!r}.")
        if not least <= value < np.inf:
            raise ValueError(f"{name} must be at least {least:g}, not {value!r}.")
    return chosen


def as_tuple(name: str, values: Any) -> tuple[Any, ...]:
    """One value or several, each once."""
    if isinstance(values, str | int | float | np.number):
        values = (values,)
    if not isinstance(values, Iterable):
        raise TypeError(f"{name} takes one value or a list of values, not {values!r}.")
    distinct = tuple(dict.fromkeys(values))
    if not distinct:
        raise ValueError(f"{name} is empty; give at least one value.")
    return distinct
