"""Metrics of a single space, part of every analysis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics._neighborhood import hubness
from visualdl_embedding.metrics._spectrum import effective_rank, isoscore, spectrum
from visualdl_embedding.metrics._vectors import mean_cosine, norms

__all__ = ["space_scalars"]


def space_scalars(vectors: NDArray[np.float32], neighbors: Neighbors) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Compute the metrics of a space.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Neighbor graph of the vectors.

    Returns
    -------
    Norms (mean, 5th and 95th percentile), mean cosine, effective rank, IsoScore and hubness, by name; and the norm of
    each row, ``(n,)`` float32.
    """
    lengths = norms(vectors)
    p5, p95 = np.percentile(lengths.astype(np.float64), [5, 95])
    directions = spectrum(vectors)
    scalars = {
        "norm_mean": float(lengths.mean(dtype=np.float64)),
        "norm_p5": float(p5),
        "norm_p95": float(p95),
        "mean_cosine": mean_cosine(vectors),
        "effective_rank": effective_rank(directions),
        "isoscore": isoscore(directions),
        "hubness": hubness(neighbors),
    }
    return scalars, lengths
