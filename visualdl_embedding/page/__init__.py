"""Data of the page: responses of the server API, and a self-contained HTML file."""

from visualdl_embedding.page._answers import (
    frame_info,
    metric_infos,
    rows_answer,
    rows_without_neighbors,
    scalar_series,
    table_info,
)
from visualdl_embedding.page._file import embedded_json, html_file, missing_page

__all__ = [
    "embedded_json",
    "frame_info",
    "html_file",
    "metric_infos",
    "missing_page",
    "rows_answer",
    "rows_without_neighbors",
    "scalar_series",
    "table_info",
]
