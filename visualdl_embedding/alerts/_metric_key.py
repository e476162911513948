"""Validation of the metric of a rule."""

from __future__ import annotations

import re

from visualdl_embedding.alerts._rule import check_text
from visualdl_embedding.core.suggest import did_you_mean, nearest_labels
from visualdl_embedding.metrics import METRICS, get_metric
from visualdl_embedding.projection import METHODS

__all__ = ["CROWDING", "GROUP_PURITY", "PURITY", "check_metric"]

PURITY, GROUP_PURITY, CROWDING = "purity", "group_purity", "crowding"
"""Scalars read by specific rules: of one group, of all groups, of the space or a stratum."""

_LEVELS = ("watch", "group", "stratum")
_PROJECTION = re.compile(rf"(?:{'|'.join(METHODS)})(?:_[\w.+-]+)?")


def check_metric(key: str, metric: object) -> None:
    """Check that a scalar key is one that an analysis writes.

    Parameters
    ----------
    key
        Key of the rule, for the message.
    metric
        ``"mean_cosine"``, ``"tsne/trustworthiness"``, ``"group/positive/purity"``, ``"watch/加息/displacement"``, …

    Raises
    ------
    ValueError
        If the metric is unknown; the message suggests the nearest name.
    TypeError
        If it is not text.
    """
    check_text(key, metric, "a scalar key such as 'tsne/trustworthiness'")
    assert isinstance(metric, str)
    *levels, name = metric.split("/")
    if levels and levels[0] in _LEVELS:
        if len(levels) < 2 or not levels[1]:
            raise ValueError(f"{key} {metric!r} lacks a name: write '{levels[0]}/NAME/METRIC'.")
        levels = levels[2:]
        inside = True
    else:
        inside = False
    if len(levels) > 1 or (levels and not _PROJECTION.fullmatch(levels[0])):
        known = [*METHODS, *(f"{method}_3d" for method in METHODS), *_LEVELS]
        begin = "/".join(levels) if levels[0] in known else levels[0]
        raise ValueError(f"{key} {metric!r} begins with {begin!r}, which is unknown; {did_you_mean(begin, known)}")
    try:
        found = get_metric(name)
    except ValueError as error:
        near = nearest_labels(name, METRICS, limit=1)
        hint = f"did you mean {'/'.join([*metric.split('/')[:-1], near[0]])!r}?" if near else str(error)
        raise ValueError(f"{key} {metric!r} ends in an unknown metric; {hint}") from None
    if found.origin != "analysis":
        raise ValueError(f"{key} {metric!r} is not part of an analysis, only of a {found.origin}; rules cannot use it.")
    if not inside and not levels and found.scope == "projection":
        raise ValueError(
            f"{key} {metric!r} belongs to a projection: write 'pca/{name}', 'tsne/{name}' or 'umap/{name}'."
        )
    if not inside and levels and found.scope != "projection":
        raise ValueError(f"{key} {metric!r} belongs to the space, not to a projection: write {name!r}.")
    if not inside and found.scope == "part":
        raise ValueError(
            f"{key} {metric!r} belongs to a group or stratum: write 'group/NAME/{name}' or 'stratum/NAME/{name}'."
        )
    if not inside and found.scope == "row":
        raise ValueError(f"{key} {metric!r} belongs to single rows: write 'watch/LABEL/{name}' with a watched label.")
