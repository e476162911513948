"""Corrections for many p-values and many looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.drift import correct, spend_alpha

P_VALUES = st.lists(st.floats(0, 1), max_size=30)


def holm_by_hand(p_values: list[float]) -> list[float]:
    """By the definition: a p-value is rejected while all smaller ones are, each at alpha / (those left)."""
    m, raised = len(p_values), [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        highest = max(highest, (m - rank) * p_values[i])
        raised[i] = min(1.0, highest)
    return raised


@given(P_VALUES)
def test_holm_is_the_step_down_procedure(p_values: list[float]) -> None:
    np.testing.assert_allclose(correct(p_values), holm_by_hand(p_values))


@given(P_VALUES, st.sampled_from(["holm", "fdr"]))
def test_nan_is_not_counted(p_values: list[float], method: str) -> None:
    with_gaps = [np.nan, *p_values, np.nan]
    found = correct(with_gaps, method)  # type: ignore[arg-type]
    assert np.isnan(found[[0, -1]]).all()
    np.testing.assert_array_equal(found[1:-1], correct(p_values, method))  # type: ignore[arg-type]


def test_spending_never_exceeds_the_whole() -> None:
    spent = np.cumsum([spend_alpha(0.05, i) for i in range(1000)])
    assert (np.diff(spent) > 0).all()
    assert spent[-1] < 0.05
    assert spent[-1] == pytest.approx(0.05, rel=0.01)
    assert sum(spend_alpha(0.05, i, horizon=52) for i in range(52)) == pytest.approx(0.05)


def test_bad_arguments_are_reported() -> None:
    with pytest.raises(ValueError, match="method must be one of holm, fdr, not 'bonferroni'"):
        correct([0.1], "bonferroni")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        correct([1.2])
    with pytest.raises(ValueError, match="one-dimensional"):
        correct(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"not 1\.5"):
        spend_alpha(1.5, 0)
    with pytest.raises(ValueError, match="at least 0, not -1"):
        spend_alpha(0.05, -1)
    with pytest.raises(ValueError, match="horizon"):
        spend_alpha(0.05, 0, horizon=0)
