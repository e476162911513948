"""What the page is given: answers of the server's API, and one file that holds the page with its data."""

from visualdl_embedding.page._answers import (
    frame_info,
    metric_infos,
    rows_answer,
    scalar_series,
    table_info,
)

__all__ = ["frame_info", "metric_infos", "rows_answer", "scalar_series", "table_info"]
