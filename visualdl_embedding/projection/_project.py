"""Common interface of all projection methods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance, Neighbors, nearest_neighbors
from visualdl_embedding.projection._pca import Basis, fit_basis
from visualdl_embedding.projection._start import place_new_rows, principal_start
from visualdl_embedding.projection._tsne import fit_tsne
from visualdl_embedding.projection._umap import fit_umap

__all__ = ["METHODS", "Layout", "neighbors_needed", "project"]

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
    """

    coordinates: NDArray[np.float32]
    parameters: dict[str, Any]
    kl_divergence: float | None = None
    notes: tuple[str, ...] = ()


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
) -> Layout:
    """Project vectors to 2 or 3 dimensions.

    With one thread, the same arguments give bit-identical coordinates.

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
        Iterations of t-SNE, epochs of UMAP; None to stop at convergence.
    random_state
        Seed.
    n_jobs
        Number of threads; UMAP always uses one.
    basis
        Frozen basis of PCA; None to fit one.

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
        start = place_new_rows(init, neighbors, random_state=random_state)
    else:
        start = principal_start(vectors, n_components, distance=neighbors.distance, random_state=random_state)
    common = {"method": method, "distance": neighbors.distance, "warm": warm, "random_state": random_state}
    if method == "umap":
        coordinates, made_by = fit_umap(
            neighbors,
            start,
            warm=warm,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            max_iter=max_iter,
            random_state=random_state,
        )
        return Layout(coordinates, {**common, **made_by}, notes=_lowered("n_neighbors", n_neighbors, width, n))
    given = max(1.0, width / 3)
    lowered = min(perplexity, given)
    coordinates, made_by, kl = fit_tsne(
        neighbors,
        start,
        warm=warm,
        perplexity=lowered,
        max_iter=max_iter,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    return Layout(coordinates, {**common, **made_by}, kl, _lowered("perplexity", perplexity, given, n))


def _lowered(name: str, asked: float, possible: float, n_rows: int) -> tuple[str, ...]:
    if asked <= possible:
        return ()
    return (
        f"{name} lowered from {asked:g} to {possible:.3g}: larger values require a wider neighbor graph ({n_rows} "
        "rows).",
    )


def _principal(vectors: NDArray[np.float32], n_components: int, basis: Basis | None) -> Layout:
    if basis is None:
        basis = fit_basis(vectors, n_components=n_components)
    return Layout(
        basis.transform(vectors, n_components),
        {"method": "pca", "basis_version": basis.version, "basis_step": basis.step},
    )
