"""Rows used by the detectors, and their shared statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.neighbors import Neighbors, graph_rows, nearest_neighbors, normalize
from visualdl_embedding.core.rows import COMPOSED
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import Direction
from visualdl_embedding.findings._text import rounded

__all__ = ["Comparison", "Space"]

_RELATED = 0.01
"""Maximum p-value of a difference between rows that is reported."""
_MIN_COMPARED = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of some rows with all others: medians, and the rank test of Mann and Whitney.

    Attributes
    ----------
    median, median_rest
        Medians of the rows, and of all others.
    p_value
        Two-sided.
    is_lower
        Whether the rows have lower ranks.
    """

    median: float
    median_rest: float
    p_value: float
    is_lower: bool

    @property
    def differs(self) -> bool:
        """Whether the difference is significant."""
        return self.p_value <= _RELATED


def _without(graph: Neighbors, keep: NDArray[np.bool_], vectors: NDArray[np.float32], random_state: int) -> Neighbors:
    """Remove rows from a graph; `vectors` are those of the remaining rows.

    If at least half of each list remains, lists are truncated; otherwise the graph is computed again.
    """
    kept = graph.indices[keep]
    gone = ~keep[kept]
    width = graph.n_neighbors - int(gone.sum(axis=1).max(initial=0))
    if not len(vectors):
        return Neighbors(np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32), graph.distance)
    if 2 * width < graph.n_neighbors:
        return nearest_neighbors(vectors, graph.n_neighbors, distance=graph.distance, random_state=random_state)
    stay = np.argsort(gone, axis=1, kind="stable")[:, :width]
    renumbered = (np.cumsum(keep) - 1).astype(np.int32)
    indices = renumbered[np.take_along_axis(kept, stay, axis=1)]
    distances = np.take_along_axis(graph.distances[keep], stay, axis=1)
    return Neighbors(indices, distances, graph.distance, graph.exact)


@dataclass(frozen=True)
class Space:
    """The m rows of a snapshot with a direction, for any distance.

    Attributes
    ----------
    snapshot
        All rows.
    analyzed
        ``(v,)``: positions of the rows of the analysis among all; agreement and clusters of maps use these.
    positions
        ``(m,)``: positions of the rows among all.
    vectors
        ``(m, d)`` float32.
    neighbors
        Neighbor graph, in these positions.
    scalars, row_metrics, directions
        Parts of the analysis.
    frequency_column
        Name of the column with the frequency of each row.
    random_state
        Seed of controls and shuffles.
    """

    snapshot: Snapshot
    analyzed: NDArray[np.intp]
    positions: NDArray[np.intp]
    vectors: NDArray[np.float32]
    neighbors: Neighbors
    scalars: Mapping[str, float]
    row_metrics: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    directions: tuple[Direction, ...] = ()
    frequency_column: str = "frequency"
    random_state: int = 42

    @classmethod
    def of(cls, snapshot: Snapshot, analysis: Analysis, *, frequency: str, random_state: int) -> Space:
        """Create the space of the rows with a direction; raise ValueError if the analysis is of another snapshot."""
        if (analysis.table, analysis.step) != (snapshot.table, snapshot.step):
            raise ValueError(
                f"The analysis has table {analysis.table!r}, step {analysis.step}, but the snapshot has table "
                f"{snapshot.table!r}, step {snapshot.step}. Pass the analysis of this "
                "snapshot from analyze()."
            )
        analyzed = graph_rows(analysis.neighbors, snapshot)
        vectors = np.ascontiguousarray(snapshot.vectors[analyzed], dtype=np.float32)
        keep = snapshot.directed[analyzed]
        graph = analysis.neighbors
        if not keep.all():
            vectors = np.ascontiguousarray(vectors[keep])
            graph = _without(graph, keep, vectors, random_state)
        positions = analyzed[keep]
        return cls(
            snapshot,
            analyzed,
            positions,
            vectors,
            graph,
            analysis.scalars,
            analysis.row_metrics,
            analysis.directions,
            frequency,
            random_state,
        )

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The m labels."""
        return tuple(self.snapshot.labels[i] for i in self.positions)

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """``(m,)`` Euclidean norms."""
        return metrics.norms(self.vectors).astype(np.float64) if len(self) else np.zeros(0)

    @cached_property
    def units(self) -> NDArray[np.float32]:
        """``(m, d)`` unit vectors."""
        return normalize(self.vectors)

    @property
    def points(self) -> NDArray[np.float32]:
        """``(m, d)``: points whose Euclidean distance corresponds to the graph's distance."""
        return self.units if self.neighbors.distance == "cosine" else self.vectors

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """``(m, k)`` Euclidean distances of `points` to the neighbors: a cosine distance is half their square."""
        distances = self.neighbors.distances.astype(np.float64)
        return np.sqrt(2 * np.maximum(distances, 0)) if self.neighbors.distance == "cosine" else distances

    @cached_property
    def composed(self) -> NDArray[np.bool_]:
        """``(m,)`` bool: rows that are means of several table rows."""
        return np.asarray(self.snapshot.ids[self.positions] == COMPOSED)

    def scalar(self, name: str) -> float:
        """Return a scalar of the analysis; NaN if it is missing, or includes rows without a direction."""
        return self.scalars.get(name, np.nan) if len(self.analyzed) == len(self) else np.nan

    @cached_property
    def frequencies(self) -> NDArray[np.float64] | None:
        """``(m,)``, NaN for unknown; None if all are unknown."""
        values = self.snapshot.rows.frequencies(self.frequency_column)[self.positions]
        return values if np.isfinite(values).any() else None

    def values(self, name: str) -> NDArray[np.float64] | None:
        """Return values per row, ``(m,)``, NaN for unknown: of training, of the analysis, or ``"frequency"``.

        ``"lookups_per_use"`` is the number of lookups per occurrence of a row. None if the run does not have the
        values.
        """
        if name == "frequency":
            return self.frequencies
        if name == "lookups_per_use":
            return self._lookups_per_use()
        known = self.snapshot.row_values.get(name, self.row_metrics.get(name))
        if known is None or len(known) != len(self.snapshot.rows):
            return None
        values = known[self.positions].astype(np.float64)
        return values if np.isfinite(values).any() else None

    def _lookups_per_use(self) -> NDArray[np.float64] | None:
        lookups, frequency = self.values("lookups"), self.frequencies
        if lookups is None or frequency is None or not (frequency > 0).any():
            return None
        # Add one occurrence to all rows, so that rows that are only looked up as negatives count too.
        least = float(frequency[frequency > 0].min())
        ratio: NDArray[np.float64] = lookups / (frequency + least)
        return ratio

    def compare(self, values: NDArray[np.float64], rows: NDArray[np.intp]) -> Comparison | None:
        """Compare the values of some rows with those of all others; None if fewer than three are known."""
        from scipy.stats import mannwhitneyu

        chosen = np.zeros(len(self), dtype=bool)
        chosen[rows] = True
        known = np.isfinite(values)
        here, rest = values[chosen & known], values[~chosen & known]
        if min(len(here), len(rest)) < _MIN_COMPARED:
            return None
        test = mannwhitneyu(here, rest, method="asymptotic")
        p_value = float(test.pvalue)
        # The test returns NaN if all values are equal.
        p_value = 1.0 if np.isnan(p_value) else p_value
        is_lower = bool(test.statistic < len(here) * len(rest) / 2)
        return Comparison(float(np.median(here)), float(np.median(rest)), p_value, is_lower)

    def compare_frequency(self, rows: NDArray[np.intp]) -> tuple[Text, dict[str, float]]:
        """Describe the frequency of some rows compared with that of the others; empty if unknown."""
        found = self.compare(self.frequencies, rows) if self.frequencies is not None else None
        if found is None:
            return Text("", ""), {}
        numbers = {
            "median_frequency": found.median,
            "median_frequency_rest": found.median_rest,
            "frequency_p_value": found.p_value,
        }
        medians = f"{rounded(found.median)} / {rounded(found.median_rest)}"
        if not found.differs:
            return Text(
                f"Their frequency does not differ significantly from that of the other rows (medians {medians}).",
                f"它们的词频与其余行没有显著差别（中位数 {medians}）。",
            ), numbers
        rarer, rarer_zh = ("rarer", "更低频") if found.is_lower else ("more frequent", "更高频")
        return Text(
            f"They are {rarer} than the other rows (median frequency {medians}).",
            f"它们比其余行{rarer_zh}（词频中位数 {medians}）。",
        ), numbers
