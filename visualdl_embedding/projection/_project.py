"""Common interface of all projection methods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance, Neighbors, nearest_neighbors, normalize
from visualdl_embedding.projection._align import align, motion, motion_bound
from visualdl_embedding.projection._optimizer import Graph
from visualdl_embedding.projection._pca import Basis, fit_basis
from visualdl_embedding.projection._tsne import affinities, fit_tsne
from visualdl_embedding.projection._umap import fit_umap, fuzzy_graph

__all__ = ["METHODS", "Layout", "neighbors_needed", "noise_floor", "project"]

METHODS = ("pca", "tsne", "umap")

_FEWEST_ROWS = 4
"""Minimum number of rows for t-SNE and UMAP; fewer rows are shown by their principal components."""


@dataclass(frozen=True)
class Layout:
    """Result of one method.

    Attributes
    ----------
    coordinates
        ``(n, n_components)`` float32, finite; not aligned to another layout.
    parameters
        All parameters used, as plain values for JSON.
    kl_divergence
        Divergence of t-SNE in nats; None for other methods.
    notes
        Messages for the user about lowered parameters or fallbacks.
    edges
        Weighted edges of the rows that attract each other; None for PCA, and for t-SNE in 3-D.
    """

    coordinates: NDArray[np.float32]
    parameters: dict[str, Any]
    kl_divergence: float | None = None
    notes: tuple[str, ...] = ()
    edges: Graph | None = field(default=None, repr=False, compare=False)


def neighbors_needed(methods: Iterable[str], *, n_neighbors: int, perplexity: float, n_rows: int) -> int:
    """Width of the neighbor graph that all methods and metrics require.

    >>> neighbors_needed(("pca", "umap"), n_neighbors=15, perplexity=30.0, n_rows=1000)
    15
    >>> neighbors_needed(("pca", "tsne"), n_neighbors=15, perplexity=30.0, n_rows=1000)
    90
    """
    width = max(n_neighbors, ceil(3 * perplexity)) if "tsne" in set(methods) else n_neighbors
    return max(0, min(width, n_rows - 1))


def _validate(vectors: NDArray[np.float32], method: str, n_components: int, init: NDArray[Any] | None) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}.")
    if n_components not in (2, 3):
        raise ValueError(f"n_components must be 2 or 3, not {n_components!r}.")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"vectors must be a non-empty (n, d) array, not of shape {vectors.shape}.")
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise ValueError(f"{bad} of {len(vectors)} rows contain NaN or inf; remove them before projecting.")
    if init is not None and init.shape != (len(vectors), n_components):
        raise ValueError(f"init must have shape ({len(vectors)}, {n_components}), not {init.shape}.")


def project(
    vectors: NDArray[np.float32],
    *,
    method: str = "pca",
    n_components: int = 2,
    init: NDArray[np.floating[Any]] | None = None,
    neighbors: Neighbors | None = None,
    distance: Distance = "cosine",
    perplexity: float = 30.0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    max_iter: int | None = None,
    random_state: int = 42,
    n_jobs: int = 1,
    basis: Basis | None = None,
    edges: Graph | None = None,
) -> Layout:
    """Project vectors to 2 or 3 dimensions.

    With one thread, the same arguments give bit-identical coordinates on one machine.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, finite.
    method
        ``"pca"``, ``"tsne"`` or ``"umap"``.
    n_components
        2 or 3.
    init
        ``(n, n_components)``: coordinates of the previous frame, from which t-SNE and UMAP continue with as few
        iterations as possible; NaN for new rows. None for a new layout.
    neighbors
        Neighbor graph of these rows, at least `neighbors_needed` wide; None to compute it.
    distance
        Distance for the neighbor graph computed here.
    perplexity
        Perplexity of t-SNE; lowered, with a note, if there are too few rows or neighbors.
    n_neighbors
        Neighbors of UMAP, without the row itself. umap-learn counts the row too, so its number is one larger.
    min_dist
        Minimum distance of UMAP.
    max_iter
        Number of iterations of t-SNE, or of epochs of UMAP, at least 1; None for the default, with which
        a warm t-SNE in 2-D stops at convergence.
    random_state
        Seed.
    n_jobs
        Number of threads; UMAP always uses one.
    basis
        Frozen basis of PCA; None to fit one.
    edges
        `Layout.edges` of an earlier projection of the same rows with the same parameters; None to compute them.

    Returns
    -------
    The layout, not aligned; use `align` for that.

    References
    ----------
    van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; Poličar, Stražar and Zupan 2024, "openTSNE: A
    modular Python library for t-SNE dimensionality reduction and embedding"; McInnes, Healy and Melville 2018, "UMAP".
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    _validate(vectors, method, n_components, init)
    if max_iter is not None and max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, not {max_iter}.")
    n = len(vectors)
    if method == "pca":
        return _principal(vectors, n_components, basis)
    if neighbors is not None and len(neighbors.indices) != n:
        raise ValueError(f"neighbors must be a graph of {n} rows like the vectors, not of {len(neighbors.indices)}.")
    if n < _FEWEST_ROWS or (vectors == vectors[0]).all():
        why = f"{n} rows are too few" if n < _FEWEST_ROWS else "all rows are equal"
        plain = _principal(vectors, n_components, None)
        note = f"No {method} layout: {why}; the principal components are shown."
        return Layout(plain.coordinates, {**plain.parameters, "method": method}, notes=(note,))
    if neighbors is None:
        width = neighbors_needed((method,), n_neighbors=n_neighbors, perplexity=perplexity, n_rows=n)
        neighbors = nearest_neighbors(vectors, width, distance=distance, random_state=random_state, n_jobs=n_jobs)
    width = neighbors.n_neighbors
    warm = init is not None and bool(np.isfinite(init).all(axis=1).any())
    if warm and init is not None:
        start = _place_new_rows(init, neighbors, random_state)
    else:
        start = _principal_start(vectors, n_components, neighbors.distance, random_state)
    common = {"method": method, "distance": neighbors.distance, "warm": warm, "random_state": random_state}
    if method == "umap":
        edges = edges or fuzzy_graph(neighbors, n_neighbors)
        coordinates, made_by = fit_umap(
            neighbors,
            start,
            edges=edges,
            warm=warm,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            max_iter=max_iter,
            random_state=random_state,
        )
        notes = _lowered("n_neighbors", n_neighbors, width, n)
        return Layout(coordinates, {**common, **made_by}, notes=notes, edges=edges)
    possible = max(1.0, width / 3)
    lowered = min(perplexity, possible)
    if n_components == 2 and edges is None:
        edges = affinities(neighbors.first(ceil(3 * lowered)), lowered)
    coordinates, made_by, kl = fit_tsne(
        neighbors,
        start,
        edges=edges,
        warm=warm,
        perplexity=lowered,
        max_iter=max_iter,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    return Layout(coordinates, {**common, **made_by}, kl, _lowered("perplexity", perplexity, possible, n), edges)


def _lowered(name: str, asked: float, possible: float, n_rows: int) -> tuple[str, ...]:
    why = f"larger values require a wider neighbor graph ({n_rows} rows)"
    note = f"{name} lowered from {asked:g} to {possible:.3g}: {why}."
    return (note,) if asked > possible else ()


def _principal(vectors: NDArray[np.float32], n_components: int, basis: Basis | None) -> Layout:
    if basis is None:
        basis = fit_basis(vectors, n_components=n_components)
    return Layout(
        basis.transform(vectors, n_components),
        {"method": "pca", "basis_version": basis.version, "basis_step": basis.step},
    )


def _principal_start(
    vectors: NDArray[np.float32], n_components: int, distance: str, random_state: int
) -> NDArray[np.float64]:
    """Arrange rows by their principal components, with a standard deviation of 1 along the first.

    Coinciding rows are separated by a millionth of that, because forces between them would have no direction.

    References
    ----------
    Kobak and Linderman 2021, "Initialization is critical for preserving global data structure in both t-SNE and UMAP".
    """
    points = normalize(vectors) if distance == "cosine" else vectors
    start = fit_basis(points, n_components=n_components).transform(points, n_components).astype(np.float64)
    size = start[:, 0].std()
    start /= size if size > 0 else 1.0
    noise: NDArray[np.float64] = np.random.default_rng(random_state).normal(scale=1e-6, size=start.shape)
    return start + noise


def _place_new_rows(init: NDArray[np.floating[Any]], neighbors: Neighbors, random_state: int) -> NDArray[np.float64]:
    """Place new rows, which are NaN in `init`, at the mean of their neighbors' positions.

    A row without placed neighbors is placed by their neighbors, or else in the middle. A small scatter separates rows
    with the same neighbors.
    """
    places = np.array(init, dtype=np.float64)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(places).all(axis=1))
    if known.all():
        return places
    rng = np.random.default_rng(random_state)
    spread = places[known].std(axis=0).mean() if known.any() else 1.0
    scatter = 1e-3 * (spread if spread > 0 else 1.0)
    nearest = neighbors.indices[:, :15]
    # Two rounds reach neighbors of neighbors; rows further out have no meaningful position.
    for _ in range(2):
        seen = known[nearest]
        new = np.flatnonzero(~known & seen.any(axis=1))
        share = seen[new] / seen[new].sum(axis=1, keepdims=True)
        around = np.where(seen[new][:, :, None], places[nearest[new]], 0.0)
        places[new] = np.einsum("nk,nkc->nc", share, around) + rng.normal(scale=scatter, size=(len(new), init.shape[1]))
        known[new] = True
    lost = ~known
    middle = places[known].mean(axis=0) if known.any() else np.zeros(init.shape[1])
    places[lost] = middle + rng.normal(scale=max(spread, scatter), size=(int(lost.sum()), init.shape[1]))
    return places


def noise_floor(vectors: NDArray[np.float32], layout: Layout, *, neighbors: Neighbors, n_jobs: int = 1) -> float:
    """Repeat the frame, warm, with the same parameters and seed, and measure how far rows move though none changed.

    This is the step that the next frame would take if it were identical.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32 vectors of the layout.
    layout
        Result of `project`, aligned like the frame that it is drawn as.
    neighbors
        Neighbor graph of the layout.
    n_jobs
        Number of threads.

    Returns
    -------
    Motion that 97.5% of the rows do not exceed, in standard deviations of the layout; 0 for PCA, which is a fixed
    linear map.
    """
    used, before = layout.parameters, layout.coordinates
    if used["method"] == "pca":
        return 0.0
    again = project(
        vectors,
        method=used["method"],
        n_components=before.shape[1],
        init=before,
        neighbors=neighbors,
        random_state=used.get("random_state", 0),
        n_jobs=n_jobs,
        edges=layout.edges,
        **{name: used[name] for name in ("perplexity", "n_neighbors", "min_dist") if name in used},
    )
    return motion_bound(motion(before, align(again.coordinates, before).apply(again.coordinates)))
