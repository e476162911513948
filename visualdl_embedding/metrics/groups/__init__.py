"""Metrics of groups: separation of labeled groups in the space, and rows on the wrong side.

Pure functions of vectors, their neighbor graph and a group name for each row.
"""

from visualdl_embedding.metrics.groups._cohesion import Cohesion
from visualdl_embedding.metrics.groups._encode import MAX_GROUPS, NO_GROUP, Scores, encode_groups
from visualdl_embedding.metrics.groups._misplaced import Misplaced, OtherNeighbor, wrong_side
from visualdl_embedding.metrics.groups._study import GroupStudy, group_scalars, study_groups

__all__ = [
    "MAX_GROUPS",
    "NO_GROUP",
    "Cohesion",
    "GroupStudy",
    "Misplaced",
    "OtherNeighbor",
    "Scores",
    "encode_groups",
    "group_scalars",
    "study_groups",
    "wrong_side",
]
