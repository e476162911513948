"""Registry of metrics, read from ``catalog.json``; the page takes its names of metrics from the same file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from visualdl_embedding.core.suggest import did_you_mean

__all__ = ["METRICS", "Metric", "Origin", "Scope", "get_metric"]

Scope = Literal["snapshot", "pair", "projection", "part", "row"]
Origin = Literal["analysis", "log", "report"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Record of a metric, sufficient for display and evaluation.

    Attributes
    ----------
    name
        Last part of the metric's scalar keys.
    scope
        Subject of a value: ``"snapshot"``, a ``"pair"`` of snapshots, a ``"projection"``, a ``"part"`` of the rows (a
        group or a stratum), or a ``"row"``.
    low, high
        Limits of the range; None for an open end.
    higher_is_better
        None if neither direction is better.
    per_row
        Whether single rows have values, which are recorded for watched labels.
    origin
        What contains the values: stored analyses, only VisualDL's ``"log"``, or only a ``"report"``.
    title, title_zh
        Short name on the page, in English and in Chinese.
    description, description_zh
        One line in English and in Chinese.
    reference
        Paper or page with the definition; ``""`` if the description is sufficient.
    """

    name: str
    scope: Scope
    low: float | None
    high: float | None
    higher_is_better: bool | None
    per_row: bool
    origin: Origin
    title: str
    title_zh: str
    description: str
    description_zh: str
    reference: str


_CATALOG = json.loads((files("visualdl_embedding.metrics") / "catalog.json").read_text("utf-8"))
METRICS: Mapping[str, Metric] = MappingProxyType({name: Metric(name, **record) for name, record in _CATALOG.items()})
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
