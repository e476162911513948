"""The registry is complete and says of each metric what a picture or an alert needs."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest

from visualdl_embedding import metrics
from visualdl_embedding.metrics import METRICS, Metric, get_metric
from visualdl_embedding.metrics._registry import Origin, Scope

OTHER_NAMES = {"norms": "norm", "aligned_displacement": "displacement", "never_trained": "never_trained_rows"}
TOOLS = {"get_metric", "neighbor_counts", "projection_quality", "space_scalars", "spectrum"}


def test_a_record_has_the_name_that_it_is_found_by() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())


def test_every_exported_function_is_a_metric_of_the_registry() -> None:
    functions = {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}
    assert functions > TOOLS
    assert {OTHER_NAMES.get(name, name) for name in functions - TOOLS} <= set(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_record_is_complete(metric: Metric) -> None:
    assert metric.scope in get_args(Scope)
    assert metric.origin in get_args(Origin)
    assert metric.title
    assert metric.title_zh
    assert metric.description.isascii()
    assert "\n" not in metric.description
    assert metric.description.endswith(".")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in metric.description_zh)
    assert metric.low is None or metric.high is None or metric.low < metric.high
    assert metric.per_row or metric.scope != "row"


def test_what_reads_neighbors_or_a_spectrum_cites_its_paper() -> None:
    cited = {name for name, metric in METRICS.items() if metric.reference}
    assert {"trustworthiness", "continuity", "hubness", "effective_rank", "isoscore", "mean_cosine"} <= cited


def test_a_scalar_key_finds_its_metric() -> None:
    assert get_metric("isoscore") is METRICS["isoscore"]
    assert get_metric("tsne/trustworthiness") is METRICS["trustworthiness"]
    assert get_metric("watch/加息/norm") is METRICS["norm"]


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(ValueError, match="Unknown metric 'trustworthyness'; did you mean 'trustworthiness'"):
        get_metric("trustworthyness")
    with pytest.raises(ValueError, match=r"Unknown metric '甲'; known are 'trustworthiness', 'continuity', "):
        get_metric("甲")


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        METRICS["mine"] = METRICS["x"]  # type: ignore[index]
