"""Drift: changes between two snapshots, their significance, and their direction.

Rows are paired, so each word's position among its neighbors is compared, not two clouds of points: a rotation,
reflection, shift or scaling of the whole space is not drift. `compare_snapshots` is the entry point; p-values are
ranks among other rows, with a fitted tail, or among pairs of snapshots without a change.
"""

from visualdl_embedding.drift._cka import cka
from visualdl_embedding.drift._compare import compare_snapshots
from visualdl_embedding.drift._correct import correct, spend_alpha
from visualdl_embedding.drift._direction import Direction
from visualdl_embedding.drift._drift import Drift, GroupDrift, WordDrift
from visualdl_embedding.drift._measure import Pair, measure_pair
from visualdl_embedding.drift._ranks import ROWS_FOR_TAIL, Ranked, rank_rows, smallest_p_value, strata_of
from visualdl_embedding.drift._towards import watched_directions

__all__ = [
    "ROWS_FOR_TAIL",
    "Direction",
    "Drift",
    "GroupDrift",
    "Pair",
    "Ranked",
    "WordDrift",
    "cka",
    "compare_snapshots",
    "correct",
    "measure_pair",
    "rank_rows",
    "smallest_p_value",
    "spend_alpha",
    "strata_of",
    "watched_directions",
]
