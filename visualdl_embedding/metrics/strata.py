"""Head, torso and tail: rows by how often they occur, and how each stratum fares."""

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
"""A stratum of fewer rows has no effective rank, for it would leave the others as few to be compared with."""
MAX_RANK_ROWS = 1000
"""As many tell the ranks of strata apart as well as more, and cost 5 ms at 128 columns."""


def frequency_strata(frequency: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.str_]:
    """Sort rows into head, torso and tail of their frequencies.

    Ordered by frequency, the head are the rows that make up the first half of all occurrences, the torso those up to
    90%, the tail the rest with the rows that never occur. Among rows of one frequency the first come first.

    Parameters
    ----------
    frequency
        ``(n,)``: counts or shares, 0 or more; NaN (not known) counts as 0.

    Returns
    -------
    ``(n,)``: ``"head"``, ``"torso"`` or ``"tail"``.

    Raises
    ------
    ValueError
        For a negative or infinite frequency, and where all are 0.

    >>> frequency_strata(np.array([5, 100, 40, 60, 0])).tolist()
    ['tail', 'head', 'torso', 'head', 'tail']
    """
    known = np.asarray(frequency, dtype=np.float64)
    if known.ndim != 1 or np.isinf(known).any() or (known < 0).any():
        raise ValueError(
            "frequency is (n,) counts or shares; a negative or infinite value, or another shape, was given."
        )
    known = np.nan_to_num(known)
    order = np.argsort(-known, kind="stable")
    mass = known[order].cumsum()
    if not len(mass) or mass[-1] <= 0:
        raise ValueError("Head, torso and tail need frequencies above 0; all that are known are 0.")
    # The mass before a row decides, so that the most frequent one always is in the head.
    before = np.concatenate([[0.0], mass[:-1]]) / mass[-1]
    names = np.empty(len(known), dtype="<U5")
    names[order] = np.array(STRATA)[(before >= HEAD_MASS).astype(int) + (before >= TORSO_MASS)]
    return names


@dataclass(frozen=True)
class Stratum:
    """Numbers of one stratum; NaN where not known.

    Attributes
    ----------
    name
        ``"head"``, ``"torso"`` or ``"tail"``.
    num_rows
        Rows in it.
    effective_rank
        Number of directions that it uses, of a sample of `StrataStudy.rows_compared` rows.
    neighbor_distance
        Mean distance of its rows to their neighbors, of whatever stratum those are.
    neighbor_overlap
        Mean share of its neighbors that a row kept, 0 to 1.
    update_share
        Its share of the sum of all rows' updates, 0 to 1.
    update_per_row
        That share over its share of the rows: 1 where its rows are moved as much as others.
    norm_mean
        Mean length of its vectors.
    crowding
        How unevenly its rows fill the space of all rows, 0 to 1 (`Crowding.excess`).
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
    """Head, torso and tail side by side.

    Attributes
    ----------
    strata
        Those that have rows, in this order.
    rows_compared
        Rows of each that the effective ranks were computed of; 0 where no stratum has enough.
    norm_frequency_correlation
        Spearman's rank correlation of length and frequency, -1 to 1; NaN without frequencies.
    """

    strata: tuple[Stratum, ...]
    rows_compared: int
    norm_frequency_correlation: float

    def __getitem__(self, name: str) -> Stratum:
        for stratum in self.strata:
            if stratum.name == name:
                return stratum
        names = ", ".join(s.name for s in self.strata) or "none"
        raise KeyError(f"There are no rows in stratum {name!r}; there are rows in: {names}.")


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
    """Compare the strata of a snapshot.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Their graph.
    strata
        ``(n,)``: stratum of each row (`frequency_strata`), ``""`` for a row that is left out.
    frequency
        ``(n,)``: how often each row occurs, NaN where not known.
    overlap
        ``(n,)``: share of its neighbors that each row kept (`neighbor_overlap`), NaN where not known.
    update
        ``(n,)``, 0 or more: how much each row was moved, by displacement or by the sum of its gradients' lengths; NaN
        where not known.
    crowding
        Of the same vectors.
    random_state
        Seed of the samples that effective ranks are computed of.

    Raises
    ------
    ValueError
        For arrays that do not match, an unknown stratum, and a negative update.

    Notes
    -----
    n rows have an effective rank below n, and fewer rows a lower one: a sample of the same number of rows from each
    stratum makes them comparable. Their number is that of the smallest stratum with at least 20 rows, at most 1000.
    """
    validate_vectors(vectors)
    n = len(vectors)
    names = np.asarray(strata)
    arrays = {"neighbors": neighbors.indices, "strata": names, "frequency": frequency, "overlap": overlap}
    for what, array in (arrays | {"update": update, "crowding": crowding.part if crowding else None}).items():
        if array is not None and len(array) != n:
            raise ValueError(f"{what} has {len(array)} rows, the vectors have {n}; they must match.")
    if unknown := sorted(set(names.tolist()) - {*STRATA, ""}):
        raise ValueError(f"Unknown strata: {', '.join(unknown)}; known are {', '.join(STRATA)}, and '' for none.")
    if update is not None and (np.asarray(update) < 0).any():
        raise ValueError("update is how much each row was moved, 0 or more; a negative value was given.")
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
        if len(rows) >= max(compared, 1) and compared:
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
    """Name the numbers of a study as scalars: ``stratum/<name>/<metric>``; what is not known is left out."""
    values = {"norm_frequency_correlation": study.norm_frequency_correlation}
    metrics = [field.name for field in fields(Stratum) if field.name != "name"]
    for stratum in study.strata:
        values |= {f"stratum/{stratum.name}/{metric}": float(getattr(stratum, metric)) for metric in metrics}
    return {key: value for key, value in values.items() if np.isfinite(value)}


def _mean(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _rank_correlation(lengths: NDArray[np.float32], frequency: NDArray[np.float64]) -> float:
    """Spearman's correlation of the rows whose frequency is known; NaN where one of the two does not vary."""
    from scipy.stats import spearmanr

    known = np.isfinite(frequency)
    pair = lengths[known], frequency[known]
    if known.sum() < 2 or any((values == values[0]).all() for values in pair):
        return float("nan")
    return float(spearmanr(*pair).statistic)
