"""Many questions at once, and the same question week after week, without more false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORRECTIONS", "Correction", "correct", "spend_alpha"]

Correction = Literal["holm", "fdr"]
CORRECTIONS: tuple[Correction, ...] = ("holm", "fdr")


def correct(p_values: Sequence[float] | NDArray[np.floating], method: Correction = "holm") -> NDArray[np.float64]:
    """Correct p-values for how many there are.

    Parameters
    ----------
    p_values
        ``(m,)``, 0 to 1; NaN (nothing was tested) stays NaN and is not counted.
    method
        ``"holm"``: the chance of any false alarm at all stays below the level, however the tests depend on each other.
        ``"fdr"`` (Benjamini and Hochberg): the expected share of false ones among the alarms does; more alarms, for
        lists that somebody looks through.

    Returns
    -------
    ``(m,)`` float64, 0 to 1, never below the p-value: compare them with the level.

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
        raise ValueError(f"Unknown correction {method!r}; known are {', '.join(CORRECTIONS)}.")
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"p_values must be one row of numbers, not an array of shape {values.shape}.")
    known = ~np.isnan(values)
    tested = values[known]
    if ((tested < 0) | (tested > 1)).any():
        raise ValueError("p-values lie between 0 and 1; some of those given do not.")
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
    """Level at which to test the next snapshot of a run that is looked at again and again.

    Parameters
    ----------
    alpha
        Chance of a false alarm in the whole series, above 0 and below 1.
    step_index
        How many comparisons were looked at before this one, from 0.
    horizon
        Every look gets the same share, and any `horizon` of them, such as the 52 of a year, err together with a chance
        of at most `alpha`. None: the shares fall as 1 / (i + 1)(i + 2), and all there will ever be add up to `alpha`.

    Returns
    -------
    A share of `alpha`. Without a horizon it gets small: 1/2 of `alpha` at first, 1/132 at the eleventh look. A rank
    among m others cannot fall below 1 / (m + 1), so state a horizon, or bring null pairs.

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
        raise ValueError(f"alpha is a chance between 0 and 1, not {alpha}.")
    if step_index < 0:
        raise ValueError(f"step_index counts comparisons from 0; {step_index} was given.")
    if horizon is None:
        return alpha / ((step_index + 1) * (step_index + 2))
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, not {horizon}.")
    return alpha / horizon
