"""Head, torso and tail: strata of rows by frequency, and their metrics."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import validate_vectors
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics import Crowding, effective_rank, norms

__all__ = ["STRATA", "StrataStudy", "Stratum", "frequency_strata", "stratum_scalars", "study_strata"]

STRATA = ("head", "torso", "tail")
HEAD_MASS, TORSO_MASS = 0.5, 0.9
MIN_RANK_ROWS = 20
"""Minimum number of rows for an effective rank, because all strata are compared with the same number of rows."""
MAX_RANK_ROWS = 1000
"""Maximum number of rows for the effective rank; more rows do not improve the comparison. 5 ms at 128 columns."""


def frequency_strata(frequency: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.str_]:
    """Split rows into head, torso and tail of their frequencies.

    In order of frequency, the head is the rows that make up the first half of all occurrences, the torso those up to
    90%, the tail the rest including rows that never occur. Ties are ordered by position.

    Parameters
    ----------
    frequency
        ``(n,)``: counts or shares, 0 or more; NaN (unknown) counts as 0.

    Returns
    -------
    ``(n,)``: ``"head"``, ``"torso"`` or ``"tail"``.

    Raises
    ------
    ValueError
        If a frequency is negative or infinite, or all are 0.

    >>> frequency_strata(np.array([5, 100, 40, 60, 0])).tolist()
    ['tail', 'head', 'torso', 'head', 'tail']
    """
    known = np.asarray(frequency, dtype=np.float64)
    if known.ndim != 1 or np.isinf(known).any() or (known < 0).any():
        raise ValueError("frequency must be (n,) counts or shares without negative or infinite values.")
    known = np.nan_to_num(known)
    order = np.argsort(-known, kind="stable")
    mass = known[order].cumsum()
    if not len(mass) or mass[-1] <= 0:
        raise ValueError("Head, torso and tail require frequencies above 0, but all known frequencies are 0.")
    # Use the mass before each row, so that the most frequent row is always in the head.
    before = np.concatenate([[0.0], mass[:-1]]) / mass[-1]
    names = np.empty(len(known), dtype="<U5")
    names[order] = np.array(STRATA)[(before >= HEAD_MASS).astype(int) + (before >= TORSO_MASS)]
    return names


@dataclass(frozen=True)
class Stratum:
    """Metrics of one stratum; NaN if unknown.

    Attributes
    ----------
    name
        ``"head"``, ``"torso"`` or ``"tail"``.
    num_rows
        Number of rows.
    effective_rank
        Effective number of directions, of a sample of `StrataStudy.rows_compared` rows.
    neighbor_distance
        Mean distance of its rows to their neighbors in any stratum.
    neighbor_overlap
        Mean share of neighbors that a row keeps, 0 to 1.
    update_share
        Share of the stratum in the sum of all updates, 0 to 1.
    update_per_row
        Share of updates divided by share of rows: 1 if its rows are updated as much as others.
    norm_mean
        Mean norm of its vectors.
    crowding
        Unevenness of its rows in the space of all rows, 0 to 1 (`Crowding.excess`).
    """

    name: str
    num_rows: int
    effective_rank: float
    neighbor_distance: float
    neighbor_overlap: float
    update_share: float
    update_per_row: float
    norm_mean: float
    crowding: float


@dataclass(frozen=True)
class StrataStudy:
    """Metrics of head, torso and tail.

    Attributes
    ----------
    strata
        Strata that have rows, in this order.
    rows_compared
        Number of rows per stratum for the effective ranks; 0 if no stratum has enough.
    norm_frequency_correlation
        Spearman's rank correlation of norm and frequency, -1 to 1; NaN without frequencies.
    """

    strata: tuple[Stratum, ...]
    rows_compared: int
    norm_frequency_correlation: float

    def __getitem__(self, name: str) -> Stratum:
        for stratum in self.strata:
            if stratum.name == name:
                return stratum
        names = ", ".join(s.name for s in self.strata) or "none"
        raise KeyError(f"Stratum {name!r} has no rows; the strata with rows are: {names}.")


def study_strata(
    vectors: NDArray[np.float32],
    neighbors: Neighbors,
    strata: NDArray[np.str_],
    *,
    frequency: NDArray[np.floating] | NDArray[np.integer] | None = None,
    overlap: NDArray[np.floating] | None = None,
    update: NDArray[np.floating] | None = None,
    crowding: Crowding | None = None,
    random_state: int = 42,
) -> StrataStudy:
    """Compute and compare the metrics of the strata of a snapshot.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Neighbor graph of the vectors.
    strata
        ``(n,)``: stratum of each row (`frequency_strata`), ``""`` for rows to ignore.
    frequency
        ``(n,)``: frequency of each row, NaN if unknown.
    overlap
        ``(n,)``: share of neighbors that each row keeps (`neighbor_overlap`), NaN if unknown.
    update
        ``(n,)``, 0 or more: motion of each row, as displacement or as sum of gradient norms; NaN if unknown.
    crowding
        Crowding of the same vectors.
    random_state
        Seed of the samples for effective ranks.

    Raises
    ------
    ValueError
        If arrays do not match, a stratum is unknown, or an update is negative.

    Notes
    -----
    The effective rank of n rows is below n, so it is comparable only between equal numbers of rows: those of the
    smallest stratum with at least 20 rows, at most 1000.
    """
    validate_vectors(vectors)
    n = len(vectors)
    names = np.asarray(strata)
    arrays = {"neighbors": neighbors.indices, "strata": names, "frequency": frequency, "overlap": overlap}
    for what, array in (arrays | {"update": update, "crowding": crowding.part if crowding else None}).items():
        if array is not None and len(array) != n:
            raise ValueError(f"{what} must have {n} rows like the vectors, not {len(array)}.")
    if unknown := sorted(set(names.tolist()) - {*STRATA, ""}):
        raise ValueError(f"strata must be {', '.join(STRATA)}, or '' for none, not {', '.join(unknown)}.")
    if update is not None and (np.asarray(update) < 0).any():
        raise ValueError("update must not be negative.")
    members = {name: np.flatnonzero(names == name) for name in STRATA}
    members = {name: rows for name, rows in members.items() if len(rows)}
    sizes = [len(rows) for rows in members.values() if len(rows) >= MIN_RANK_ROWS]
    compared = min([*sizes, MAX_RANK_ROWS]) if sizes else 0
    rng = np.random.default_rng(random_state)
    lengths = norms(vectors)
    # The graph of a single row has no columns.
    near = neighbors.distances.mean(axis=1, dtype=np.float64) if neighbors.n_neighbors else np.full(n, np.nan)
    total_rows = sum(len(rows) for rows in members.values())
    moved = np.nan_to_num(np.asarray(update, dtype=np.float64)) if update is not None else np.zeros(n)
    total = float(moved[names != ""].sum())

    def of(name: str, rows: NDArray[np.intp]) -> Stratum:
        share = float(moved[rows].sum()) / total if total > 0 else float("nan")
        rank = float("nan")
        if compared and len(rows) >= compared:
            rank = effective_rank(vectors[np.sort(rng.choice(rows, compared, replace=False))])
        return Stratum(
            name,
            len(rows),
            effective_rank=rank,
            neighbor_distance=_mean(near[rows]),
            neighbor_overlap=_mean(np.asarray(overlap)[rows]) if overlap is not None else float("nan"),
            update_share=share,
            update_per_row=share * total_rows / len(rows),
            norm_mean=float(lengths[rows].mean(dtype=np.float64)),
            crowding=crowding.among(names == name).excess if crowding else float("nan"),
        )

    return StrataStudy(
        tuple(of(name, rows) for name, rows in members.items()),
        compared,
        _rank_correlation(lengths, np.asarray(frequency, dtype=np.float64)) if frequency is not None else float("nan"),
    )


def stratum_scalars(study: StrataStudy) -> dict[str, float]:
    """Name the metrics of a study as scalars ``stratum/<name>/<metric>``; unknown values are omitted."""
    values = {"norm_frequency_correlation": study.norm_frequency_correlation}
    metrics = [field.name for field in fields(Stratum) if field.name != "name"]
    for stratum in study.strata:
        values |= {f"stratum/{stratum.name}/{metric}": float(getattr(stratum, metric)) for metric in metrics}
    return {key: value for key, value in values.items() if np.isfinite(value)}


def _mean(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _rank_correlation(lengths: NDArray[np.float32], frequency: NDArray[np.float64]) -> float:
    """Spearman's correlation over rows with known frequency; NaN if one of the two is constant."""
    from scipy.stats import spearmanr

    known = np.isfinite(frequency)
    pair = lengths[known], frequency[known]
    if known.sum() < 2 or any((values == values[0]).all() for values in pair):
        return float("nan")
    return float(spearmanr(*pair).statistic)
