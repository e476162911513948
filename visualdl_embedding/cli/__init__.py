"""The command line: ``visualdl-embedding``."""

from visualdl_embedding.cli._main import main

__all__ = ["main"]
