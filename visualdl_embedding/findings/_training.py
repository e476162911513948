"""Likely causes, ordered by the measurements of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import rounded

__all__ = ["Cause", "weigh"]

QUANTITIES = {
    "lookups": Text("lookups in training", "训练中的查表次数"),
    "gradient_mean": Text("mean gradient of a lookup", "每次查表的平均梯度"),
    "neighbor_overlap": Text("share of neighbors kept since the last snapshot", "自上一快照以来保留的近邻比例"),
    "displacement": Text("distance moved since the last snapshot", "自上一快照以来移动的距离"),
    "frequency": Text("frequency", "词频"),
    "lookups_per_use": Text("lookups for each occurrence, negatives among them", "每次出现对应的查表次数（含负例）"),
}
"""Values per row that causes refer to."""
_MATCHED = Text("(compared with rows of similar frequency)", "（与词频相近的行比较）")
_RANGES = 10


@dataclass(frozen=True, slots=True)
class Cause:
    """Likely cause, and the value in which it would show.

    Attributes
    ----------
    text
        Description.
    shows_in
        Keys of `QUANTITIES`; the first that the run has is used.
    as_value
        Whether the cause predicts a higher or lower value in the rows concerned.
    matched
        Whether to compare with rows of similar frequency, because gradients depend on frequency.
    """

    text: Text
    shows_in: tuple[str, ...] = ()
    as_value: Literal["higher", "lower"] = "higher"
    matched: bool = False


def weigh(space: Space, rows: NDArray[np.intp], causes: Sequence[Cause]) -> tuple[list[Text], dict[str, float]]:
    """Order causes by the measurements of the run.

    Parameters
    ----------
    space
        Space whose training statistics, row metrics and frequencies are used.
    rows
        Positions in the space: rows concerned, compared with all others by Mann and Whitney's rank test.
    causes
        Causes in the usual order.

    Returns
    -------
    Causes, supported ones first and unsupported ones last, each with the measurements; and these by name.
    """
    weighed: list[tuple[int, Text]] = []
    numbers: dict[str, float] = {}
    for cause in causes:
        name = next((name for name in cause.shows_in if space.values(name) is not None), None)
        values = space.values(name) if name else None
        compared = _within_frequency(space, values) if values is not None and cause.matched else values
        found = space.compare(compared, rows) if compared is not None else None
        if name is None or values is None or found is None:
            weighed.append((1, cause.text))
            continue
        here = np.isin(np.arange(len(values)), rows)
        low, high = float(np.nanmedian(values[here])), float(np.nanmedian(values[~here]))
        numbers |= {
            f"median_{name}": low,
            f"median_{name}_rest": high,
            f"{name}_p_value": found.p_value,
        }
        speaks = found.differs and found.is_lower == (cause.as_value == "lower")
        what = QUANTITIES[name] + _MATCHED if compared is not values else QUANTITIES[name]
        medians = f"{rounded(low)} / {rounded(high)}"
        verdict = (
            Text(
                f"The measurements support this: {what.en}, medians here and elsewhere {medians}.",
                f"数据支持这一点：{what.zh}，此处与其余行的中位数为 {medians}。",
            )
            if speaks
            else Text(
                f"The measurements do not support this: {what.en}, medians here and elsewhere {medians}.",
                f"数据不支持这一点：{what.zh}，此处与其余行的中位数为 {medians}。",
            )
        )
        weighed.append((0 if speaks else 2, cause.text + verdict))
    return [text for _, text in sorted(weighed, key=lambda item: item[0])], numbers


def _within_frequency(space: Space, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of values, 0 to 1, among rows of similar frequency: one of ten ranges of equal size.

    If neither frequencies nor lookups are known, the values themselves are returned.
    """
    from scipy.stats import rankdata

    frequency = space.values("frequency")
    frequency = space.values("lookups") if frequency is None else frequency
    if frequency is None:
        return values
    ranks = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(frequency))
    # Keep rows of equal frequency together.
    place = rankdata(frequency[known], method="min") - 1
    ranges = (_RANGES * place / max(len(known), 1)).astype(int)
    for i in np.unique(ranges):
        rows = known[ranges == i]
        ranks[rows] = (rankdata(values[rows]) - 0.5) / len(rows)
    return ranks
