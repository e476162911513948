"""Pictures of projections for VisualDL's IMAGES page and for reports."""

from visualdl_embedding.figures._colors import color_groups
from visualdl_embedding.figures._explanation import render_relations
from visualdl_embedding.figures._fonts import cjk_font, missing_font_note
from visualdl_embedding.figures._map import projection_name, render_map

__all__ = ["cjk_font", "color_groups", "missing_font_note", "projection_name", "render_map", "render_relations"]
