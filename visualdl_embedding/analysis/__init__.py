"""The analysis of a snapshot: neighbors, projections, alignment and metrics, in one pure function."""

from visualdl_embedding.analysis._analyze import analyze
from visualdl_embedding.analysis._diagnose import Diagnosis, diagnose, direction_scalars
from visualdl_embedding.analysis._types import Analysis, Config, Frame, Projection, State, projection_key

__all__ = [
    "Analysis",
    "Config",
    "Diagnosis",
    "Frame",
    "Projection",
    "State",
    "analyze",
    "diagnose",
    "direction_scalars",
    "projection_key",
]
