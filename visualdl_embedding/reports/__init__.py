"""Reports on the embedding table of a saved model: pictures, metrics and findings."""

from visualdl_embedding.reports._make import report
from visualdl_embedding.reports._report import Report, View
from visualdl_embedding.reports._write import check_folder

__all__ = ["Report", "View", "check_folder", "report"]
