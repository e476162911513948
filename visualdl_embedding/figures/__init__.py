"""Pictures of projections, made for VisualDL's IMAGES page and for reports."""

from visualdl_embedding.figures._fonts import cjk_font, missing_font_note
from visualdl_embedding.figures._map import render_map

__all__ = ["cjk_font", "missing_font_note", "render_map"]
