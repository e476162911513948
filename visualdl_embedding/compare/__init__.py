"""Two runs on one map: the space of one turned onto that of the other, then both projected jointly.

``__main__`` is the child process in which a server has that done.
"""

from visualdl_embedding.compare._joint import Joint, align_maps, project_jointly, shared_rows, turn_onto
from visualdl_embedding.compare._stored import CACHE_NAME, Side, cache_folder, compare, read_cached, split_key

__all__ = [
    "CACHE_NAME",
    "Joint",
    "Side",
    "align_maps",
    "cache_folder",
    "compare",
    "project_jointly",
    "read_cached",
    "shared_rows",
    "split_key",
    "turn_onto",
]
