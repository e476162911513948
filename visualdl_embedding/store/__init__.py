"""Run directory: written atomically during training, readable at any time."""

from visualdl_embedding.store._description import Description, installed_versions, read_description
from visualdl_embedding.store._files import fresh_directory
from visualdl_embedding.store._frames import TensorFile, read_header
from visualdl_embedding.store._metadata import parse_rows
from visualdl_embedding.store._restart import find_restart
from visualdl_embedding.store._run import Run, is_run, nearest_steps, open_run, read_projection
from visualdl_embedding.store._table_reader import TableReader, read_alerts
from visualdl_embedding.store._table_store import TableStore

__all__ = [
    "Description",
    "Run",
    "TableReader",
    "TableStore",
    "TensorFile",
    "find_restart",
    "fresh_directory",
    "installed_versions",
    "is_run",
    "nearest_steps",
    "open_run",
    "parse_rows",
    "read_alerts",
    "read_description",
    "read_header",
    "read_projection",
]
