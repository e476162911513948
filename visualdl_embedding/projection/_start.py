"""Initial layouts: from the previous frame, or from the principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors, normalize
from visualdl_embedding.projection._pca import fit_basis

__all__ = ["place_new_rows", "principal_start"]


def principal_start(
    vectors: NDArray[np.float32], n_components: int, *, distance: str, random_state: int
) -> NDArray[np.float64]:
    """Arrange rows by their principal components, with a standard deviation of 1 along the first.

    Coinciding rows are separated by a millionth of that, because forces between them would have no direction.

    Returns
    -------
    ``(n, n_components)`` float64.

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


def place_new_rows(init: NDArray[np.floating[Any]], neighbors: Neighbors, *, random_state: int) -> NDArray[np.float64]:
    """Place rows that are new in a frame at the mean of their neighbors' positions.

    Parameters
    ----------
    init
        ``(n, c)``, NaN for new rows.
    neighbors
        Graph of the current frame.
    random_state
        Seed of the small scatter that separates rows with the same neighbors.

    Returns
    -------
    ``(n, c)`` float64, finite. A row without placed neighbors is placed by their neighbors, or else in the middle.
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
