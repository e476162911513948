"""Projections of snapshots, and their alignment across frames."""

from visualdl_embedding.projection._align import Alignment, align, draw_axes, motion, motion_bound
from visualdl_embedding.projection._pca import Basis, basis_is_stale, fit_basis, variance_kept
from visualdl_embedding.projection._project import METHODS, Layout, neighbors_needed, noise_floor, project

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
    "motion_bound",
    "neighbors_needed",
    "noise_floor",
    "project",
    "variance_kept",
]
