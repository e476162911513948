"""Readers of saved models. Networks in memory are read by `visualdl_embedding.models.live`."""

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._locate import find_vocabulary
from visualdl_embedding.files._open import open_tables
from visualdl_embedding.files._stored import StoredTable, choose_table, first_tables, table_counters

__all__ = [
    "StoredTable",
    "UnreadableModelError",
    "choose_table",
    "find_vocabulary",
    "first_tables",
    "open_tables",
    "table_counters",
]
