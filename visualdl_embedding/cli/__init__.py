"""Command line interface."""

from visualdl_embedding.cli._main import main
from visualdl_embedding.cli._report import visualize

__all__ = ["main", "visualize"]
