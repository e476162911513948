"""Corrections for multiple tests and for repeated tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORRECTIONS", "Correction", "correct", "spend_alpha"]

Correction = Literal["holm", "fdr"]
CORRECTIONS: tuple[Correction, ...] = ("holm", "fdr")


def correct(p_values: Sequence[float] | NDArray[np.floating], method: Correction = "holm") -> NDArray[np.float64]:
    """Correct p-values for multiple tests.

    Parameters
    ----------
    p_values
        ``(m,)``, 0 to 1; NaN (not tested) stays NaN and is not counted.
    method
        ``"holm"``: limits the probability of any false alarm, for any dependence between the tests. ``"fdr"``
        (Benjamini and Hochberg): limits the expected share of false alarms among all alarms; it yields more alarms, for
        lists that are reviewed.

    Returns
    -------
    ``(m,)`` float64, 0 to 1, at least the p-value: compare them with the level.

    References
    ----------
    Holm 1979, "A simple sequentially rejective multiple test procedure"; Benjamini and Hochberg 1995, "Controlling the
    false discovery rate".

    Examples
    --------
    >>> correct([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    >>> correct([0.01, 0.04, 0.03], "fdr").tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    if method not in CORRECTIONS:
        raise ValueError(f"method must be one of {', '.join(CORRECTIONS)}, not {method!r}.")
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"p_values must be one-dimensional, not of shape {values.shape}.")
    known = ~np.isnan(values)
    tested = values[known]
    if ((tested < 0) | (tested > 1)).any():
        raise ValueError("p_values must be between 0 and 1, but some are not.")
    corrected = np.full(len(values), np.nan)
    if len(tested):
        corrected[known] = _holm(tested) if method == "holm" else false_discovery_control(tested)
    return corrected


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(p_values, kind="stable")
    raised = np.empty(len(p_values))
    raised[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    return np.minimum(raised, 1.0)


def spend_alpha(alpha: float, step_index: int, *, horizon: int | None = None) -> float:
    """Level of the next test in a series of repeated tests of a run.

    Parameters
    ----------
    alpha
        Probability of a false alarm in the whole series, above 0 and below 1.
    step_index
        Number of earlier comparisons, from 0.
    horizon
        Number of tests, such as the 52 weeks of a year: each gets the same share, so that any `horizon` of them have a
        total probability of at most `alpha`. None: the shares decrease as 1 / (i + 1)(i + 2), with a total of `alpha`.

    Returns
    -------
    A share of `alpha`. Without a horizon it gets small: 1/2 of `alpha` at first, 1/132 at the eleventh test. A rank
    among m others is at least 1 / (m + 1), so set a horizon, or use null pairs.

    References
    ----------
    DeMets and Lan 1994, "Interim analysis: the alpha spending function approach".

    Examples
    --------
    >>> spend_alpha(0.05, 0), round(sum(spend_alpha(0.05, i) for i in range(10_000)), 4)
    (0.025, 0.05)
    >>> spend_alpha(0.05, 3, horizon=10)
    0.005
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}.")
    if step_index < 0:
        raise ValueError(f"step_index must be at least 0, not {step_index}.")
    if horizon is None:
        return alpha / ((step_index + 1) * (step_index + 2))
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, not {horizon}.")
    return alpha / horizon
