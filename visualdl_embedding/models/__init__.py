"""Live networks, saved models, arrays and stored runs as one `Model`: tables, rows, snapshots, neighbors, axes."""

from visualdl_embedding.models._explain import Explanation, Relation, explain
from visualdl_embedding.models._model import Model, open_model
from visualdl_embedding.models._run_table import RunTable
from visualdl_embedding.models._shards import is_vocab_parallel
from visualdl_embedding.models._table import ModelTable, Progress

__all__ = [
    "Explanation",
    "Model",
    "ModelTable",
    "Progress",
    "Relation",
    "RunTable",
    "explain",
    "is_vocab_parallel",
    "open_model",
]
