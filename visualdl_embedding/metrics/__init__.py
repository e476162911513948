"""Metrics: pure functions of arrays, and a registry of their meanings.

Every function takes float32 arrays and returns a float or one float32 per row. None allocates n × n values.
"""

from visualdl_embedding.metrics._change import aligned_displacement, never_trained, unchanged
from visualdl_embedding.metrics._crowding import Crowding, crowding
from visualdl_embedding.metrics._neighborhood import (
    Quality,
    continuity,
    projection_quality,
    trustworthiness,
)
from visualdl_embedding.metrics._overlap import hubness, neighbor_counts, neighbor_overlap
from visualdl_embedding.metrics._registry import METRICS, Metric, get_metric
from visualdl_embedding.metrics._space import effective_rank, isoscore, mean_cosine, norms, space_scalars, spectrum

__all__ = [
    "METRICS",
    "Crowding",
    "Metric",
    "Quality",
    "aligned_displacement",
    "continuity",
    "crowding",
    "effective_rank",
    "get_metric",
    "hubness",
    "isoscore",
    "mean_cosine",
    "neighbor_counts",
    "neighbor_overlap",
    "never_trained",
    "norms",
    "projection_quality",
    "space_scalars",
    "spectrum",
    "trustworthiness",
    "unchanged",
]
