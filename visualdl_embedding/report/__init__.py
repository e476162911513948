"""A saved model's embedding table as pictures, numbers and findings."""

from visualdl_embedding.report._make import report
from visualdl_embedding.report._report import Report
from visualdl_embedding.report._source import read_snapshot
from visualdl_embedding.report._tables import plain
from visualdl_embedding.report._text import visible_text
from visualdl_embedding.report._views import Plan, View
from visualdl_embedding.report._write import check_folder

__all__ = ["Plan", "Report", "View", "check_folder", "plain", "read_snapshot", "report", "visible_text"]
