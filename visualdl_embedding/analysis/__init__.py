"""Analysis of a snapshot: neighbors, projections, alignment and metrics, in one pure function."""

from visualdl_embedding.analysis._analyze import analyze
from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._project import make_layout, refit_note
from visualdl_embedding.analysis._result import Analysis, Frame, Projection, State, made_from
from visualdl_embedding.analysis._space import neighbor_graph
from visualdl_embedding.analysis._specs import ProjectionSpec, as_tuple, plan_projections, projection_key, split_key

analyse = analyze
"""Alias of `analyze`, the name up to version 0.1."""

__all__ = [
    "Analysis",
    "Config",
    "Frame",
    "Projection",
    "ProjectionSpec",
    "State",
    "analyse",
    "analyze",
    "as_tuple",
    "made_from",
    "make_layout",
    "neighbor_graph",
    "plan_projections",
    "projection_key",
    "refit_note",
    "split_key",
]
