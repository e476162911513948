"""Registry of metrics: range, direction, description in two languages, and reference."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.metrics._diagnosis_records import DIAGNOSIS_RECORDS
from visualdl_embedding.metrics._metric import Metric, Scope
from visualdl_embedding.metrics._space_records import SPACE_RECORDS

__all__ = ["METRICS", "Metric", "Scope", "get_metric"]

METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (*SPACE_RECORDS, *DIAGNOSIS_RECORDS)}
)
"""All metrics by name."""


def get_metric(name: str) -> Metric:
    """Look up a metric by its name, or by a scalar key that ends in the name.

    Raises
    ------
    ValueError
        If there is no such metric; the message lists similar ones, or all.

    Examples
    --------
    >>> get_metric("tsne/trustworthiness").higher_is_better
    True
    """
    found = METRICS.get(name.rpartition("/")[2])
    if found is None:
        raise ValueError(f"Unknown metric {name!r}; {did_you_mean(name.rpartition('/')[2], METRICS, limit=3)}")
    return found
