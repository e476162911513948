"""Pictures of projections for VisualDL's IMAGES page and for reports."""

from visualdl_embedding.figures._explanation import render_relations
from visualdl_embedding.figures._fonts import cjk_font, missing_font_note
from visualdl_embedding.figures._groups import Group, Groups, color_groups
from visualdl_embedding.figures._map import METHOD_NAMES, render_map
from visualdl_embedding.figures._numbers import Scale, color_numbers, viridis

__all__ = [
    "METHOD_NAMES",
    "Group",
    "Groups",
    "Scale",
    "cjk_font",
    "color_groups",
    "color_numbers",
    "missing_font_note",
    "render_map",
    "render_relations",
    "viridis",
]
