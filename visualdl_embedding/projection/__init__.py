"""Projections of snapshots, and their alignment across frames."""

from visualdl_embedding.projection._align import Alignment, align, motion
from visualdl_embedding.projection._axes import draw_axes
from visualdl_embedding.projection._noise import noise_floor
from visualdl_embedding.projection._pca import Basis, basis_is_stale, fit_basis, variance_kept
from visualdl_embedding.projection._project import METHODS, Layout, neighbors_needed, project

__all__ = [
    "METHODS",
    "Alignment",
    "Basis",
    "Layout",
    "align",
    "basis_is_stale",
    "draw_axes",
    "fit_basis",
    "motion",
    "neighbors_needed",
    "noise_floor",
    "project",
    "variance_kept",
]
