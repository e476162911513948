"""Anything that holds embedding tables: live networks, saved models, arrays and stored runs."""

from visualdl_embedding.models._explain import Explanation, Relation, explain
from visualdl_embedding.models._source import Gathered, Material, gather, open_source, read_snapshot
from visualdl_embedding.models._space import Readable, Space, open_space, words_of
from visualdl_embedding.models._watch_rows import choose_vocabulary, watch_rows

__all__ = [
    "Explanation",
    "Gathered",
    "Material",
    "Readable",
    "Relation",
    "Space",
    "choose_vocabulary",
    "explain",
    "gather",
    "open_source",
    "open_space",
    "read_snapshot",
    "watch_rows",
    "words_of",
]
