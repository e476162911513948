"""A saved model's embedding table as pictures, numbers and findings."""

from visualdl_embedding.report._make import report
from visualdl_embedding.report._report import Report
from visualdl_embedding.report._source import Material, open_source, read_snapshot
from visualdl_embedding.report._text import visible_text
from visualdl_embedding.report._views import Plan, View
from visualdl_embedding.report._write import check_folder

__all__ = [
    "Material",
    "Plan",
    "Report",
    "View",
    "check_folder",
    "open_source",
    "read_snapshot",
    "report",
    "visible_text",
]
