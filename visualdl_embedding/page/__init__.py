"""Data of the page: responses of the server API, and a self-contained HTML file."""

from visualdl_embedding.page._answers import frame_info, metric_infos, rows_answer, scalar_series, table_info
from visualdl_embedding.page._file import embedded_json, html_file, missing_page
from visualdl_embedding.page._inlined import Moment, inline_run, inlined, neighbor_table

__all__ = [
    "Moment",
    "embedded_json",
    "frame_info",
    "html_file",
    "inline_run",
    "inlined",
    "metric_infos",
    "missing_page",
    "neighbor_table",
    "rows_answer",
    "scalar_series",
    "table_info",
]
