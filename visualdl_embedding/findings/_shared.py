"""What the detectors share: the rows and their comparison, and the purity of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.duplicates import representatives
from visualdl_embedding.core.neighbors import Neighbors, graph_rows, nearest_neighbors
from visualdl_embedding.core.rows import COMPOSED
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import Advice, Cause
from visualdl_embedding.findings._finding import Finding, Severity, name_some, rounded
from visualdl_embedding.metrics.agreement import Agreement, MapCluster

__all__ = ["NO_CLASS", "SHUFFLES", "Space", "class_purity"]

QUANTITIES = {
    "lookups": Text("lookups in training", "训练中的查表次数"),
    "gradient_mean": Text("mean gradient of a lookup", "每次查表的平均梯度"),
    "neighbor_overlap": Text("share of neighbors kept since the last snapshot", "自上一快照以来保留的近邻比例"),
    "frequency": Text("frequency", "词频"),
    "lookups_per_use": Text("lookups for each occurrence, negatives among them", "每次出现对应的查表次数（含负例）"),
}
"""Values per row that causes refer to."""
_MATCHED = Text("(compared with rows of similar frequency)", "（与词频相近的行比较）")
_RANGES = 10
_RELATED = 0.01
"""Maximum p-value of a difference between rows that is reported."""
_MIN_COMPARED = 3
_SHOWN = 20

NO_CLASS = -1
SHUFFLES = 199
"""Number of shuffles: the smallest p-value is 0.005; they take 0.1 s for 10,000 rows."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Values (`what`) of some rows compared with those of all others by the rank test of Mann and Whitney.

    `numbers` has the medians and the two-sided p-value; `trend` is ``""`` if the difference is not significant.
    """

    what: Text
    medians: str
    numbers: dict[str, float]
    trend: Literal["", "lower", "higher"]

    def frequency(self) -> Text:
        """Describe compared frequencies."""
        if not self.trend:
            return Text(
                f"Their frequency does not differ significantly from that of the other rows (medians {self.medians}).",
                f"它们的词频与其余行没有显著差别（中位数 {self.medians}）。",
            )
        rarer, rarer_zh = ("rarer", "更低频") if self.trend == "lower" else ("more frequent", "更高频")
        return Text(
            f"They are {rarer} than the other rows (median frequency {self.medians}).",
            f"它们比其余行{rarer_zh}（词频中位数 {self.medians}）。",
        )


@dataclass(frozen=True)
class Space:
    """Arguments of `find`, and the m rows of the snapshot with a direction, for any distance."""

    snapshot: Snapshot
    analysis: Analysis
    counters: Mapping[str, float]
    agreement: Agreement | None
    clusters: Sequence[MapCluster]
    group_column: str
    frequency_column: str
    random_state: int

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def analyzed(self) -> NDArray[np.intp]:
        """``(v,)``: positions of the rows of the analysis among all; agreement and clusters of maps use these."""
        return graph_rows(self.analysis.neighbors, self.snapshot)

    @cached_property
    def positions(self) -> NDArray[np.intp]:
        """``(m,)``: positions of the rows among all."""
        return self.analyzed[self.snapshot.directed[self.analyzed]]

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """``(m, d)`` float32."""
        return np.ascontiguousarray(self.snapshot.vectors[self.positions], dtype=np.float32)

    @cached_property
    def neighbors(self) -> Neighbors:
        """Neighbor graph of the m rows.

        If some rows of the analysis have no direction, lists are truncated where at least half of each list remains;
        otherwise the graph is computed again.
        """
        graph = self.analysis.neighbors
        if len(self) == len(self.analyzed):
            return graph
        keep = self.snapshot.directed[self.analyzed]
        kept = graph.indices[keep]
        gone = ~keep[kept]
        width = graph.n_neighbors - int(gone.sum(axis=1).max())
        if 2 * width < graph.n_neighbors:
            state = self.random_state
            return nearest_neighbors(self.vectors, graph.n_neighbors, distance=graph.distance, random_state=state)
        stay = np.argsort(gone, axis=1, kind="stable")[:, :width]
        renumbered = (np.cumsum(keep) - 1).astype(np.int32)
        indices = renumbered[np.take_along_axis(kept, stay, axis=1)]
        distances = np.take_along_axis(graph.distances[keep], stay, axis=1)
        return Neighbors(indices, distances, graph.distance, graph.exact)

    @cached_property
    def first(self) -> NDArray[np.intp]:
        """``(m,)``: the row that each one coincides with, see `core.duplicates.representatives`."""
        return representatives(self.vectors, self.neighbors.distance)

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """``(m,)`` bool: rows that coincide with no other one; duplicates are reported once, by `find_duplicates`."""
        return np.asarray(np.bincount(self.first, minlength=len(self))[self.first] == 1)

    @cached_property
    def distinct(self) -> tuple[NDArray[np.intp], Neighbors]:
        """One row of each group that coincides: ``(u,)`` positions among the m rows, and their neighbor graph."""
        rows, graph = np.unique(self.first), self.neighbors
        if len(rows) < len(self):
            vectors, state = self.vectors[rows], self.random_state
            graph = nearest_neighbors(vectors, graph.n_neighbors, distance=graph.distance, random_state=state)
        return rows, graph

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The m labels."""
        return tuple(self.snapshot.labels[i] for i in self.positions)

    def names(self, rows: Sequence[int] | NDArray[np.intp], limit: int = 5) -> Text:
        """List the labels of the first few rows and count the others."""
        return name_some([self.labels[i] for i in rows], limit)

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """``(m,)`` Euclidean norms."""
        return metrics.norms(self.vectors).astype(np.float64)

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """``(m, k)`` Euclidean distances to the neighbors; of unit vectors for cosine, which is half the square."""
        distances = self.neighbors.distances.astype(np.float64)
        return np.sqrt(2 * np.maximum(distances, 0)) if self.neighbors.distance == "cosine" else distances

    @cached_property
    def composed(self) -> NDArray[np.bool_]:
        """``(m,)`` bool: rows that are means of several table rows."""
        return np.asarray(self.snapshot.ids[self.positions] == COMPOSED)

    def scalar(self, name: str) -> float:
        """Return a scalar of the analysis; NaN if it is missing, or includes rows without a direction."""
        return self.analysis.scalars.get(name, np.nan) if len(self.analyzed) == len(self) else np.nan

    @cached_property
    def values(self) -> dict[str, NDArray[np.float64]]:
        """Known values per row, ``(m,)``, NaN for unknown: of training, of the analysis, and ``"frequency"``.

        ``"lookups_per_use"`` is the number of lookups per occurrence of a row.
        """
        frequency = self.snapshot.rows.frequencies(self.frequency_column)
        given: dict[str, NDArray[np.floating]] = {
            **self.analysis.row_metrics,
            **self.snapshot.row_values,
            "frequency": frequency,
        }
        values = {name: v[self.positions].astype(np.float64) for name, v in given.items() if len(v) == len(frequency)}
        values = {name: v for name, v in values.items() if np.isfinite(v).any()}
        frequency = values.get("frequency", np.zeros(0))
        if "lookups" in values and (frequency > 0).any():
            # Add one occurrence to all rows, so that rows that are only looked up as negatives count too.
            values["lookups_per_use"] = values["lookups"] / (frequency + frequency[frequency > 0].min())
        return values

    def _compare(self, keys: Sequence[str], rows: NDArray[np.intp], *, matched: bool = False) -> _Comparison | None:
        """Compare the first known values of some rows with those of all others; None if fewer than three are known."""
        from scipy.stats import mannwhitneyu

        name = next((key for key in keys if key in self.values), None)
        if name is None:
            return None
        values = self.values[name]
        ranked = self._within_frequency(values) if matched else values
        chosen, known = np.isin(np.arange(len(self)), rows), np.isfinite(ranked)
        here, rest = ranked[chosen & known], ranked[~chosen & known]
        if min(len(here), len(rest)) < _MIN_COMPARED:
            return None
        test = mannwhitneyu(here, rest, method="asymptotic")
        # The test returns NaN if all values are equal.
        p_value = 1.0 if np.isnan(test.pvalue) else float(test.pvalue)
        is_lower = test.statistic < len(here) * len(rest) / 2
        median, median_rest = float(np.nanmedian(values[chosen])), float(np.nanmedian(values[~chosen]))
        return _Comparison(
            QUANTITIES[name] + _MATCHED if ranked is not values else QUANTITIES[name],
            f"{rounded(median)} / {rounded(median_rest)}",
            {f"median_{name}": median, f"median_{name}_rest": median_rest, f"{name}_p_value": p_value},
            "" if p_value > _RELATED else "lower" if is_lower else "higher",
        )

    def _within_frequency(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ranks of values, 0 to 1, among rows of similar frequency: one of ten ranges of equal size.

        If neither frequencies nor lookups are known, the values themselves are returned.
        """
        from scipy.stats import rankdata

        frequency = self.values.get("frequency", self.values.get("lookups"))
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

    def _weigh(self, rows: NDArray[np.intp], causes: Sequence[Text]) -> tuple[list[Text], dict[str, float]]:
        """Add measurements of the run to causes; supported ones become the first, unsupported ones the last."""
        weighed: list[tuple[int, Text]] = []
        numbers: dict[str, float] = {}
        for cause in causes:
            if not isinstance(cause, Cause) or not (
                found := self._compare(cause.lower or cause.higher, rows, matched=cause.matched)
            ):
                weighed.append((1, cause))
                continue
            numbers |= found.numbers
            supported = found.trend == ("lower" if cause.lower else "higher")
            support, support_zh = ("support", "支持") if supported else ("do not support", "不支持")
            verdict = Text(
                f"The measurements {support} this: {found.what.en}, medians here and elsewhere {found.medians}.",
                f"数据{support_zh}这一点：{found.what.zh}，此处与其余行的中位数为 {found.medians}。",
            )
            weighed.append((0 if supported else 2, cause + verdict))
        return [text for _, text in sorted(weighed, key=lambda item: item[0])], numbers

    def finding(
        self,
        kind: str,
        severity: Severity,
        title: Text,
        evidence: Text,
        advice: Advice,
        *,
        rows: NDArray[np.intp] | None = None,
        positions: NDArray[np.intp] | None = None,
        numbers: Mapping[str, float],
        details: Sequence[str] = (),
        by_frequency: bool = False,
    ) -> Finding:
        """Create a finding about rows of the space, or about other `positions` in the snapshot.

        Its causes are ordered by the measurements of the run; `by_frequency` adds a comparison of frequencies.
        """
        rows = np.zeros(0, dtype=np.intp) if rows is None else rows
        positions = self.positions[rows] if positions is None else positions
        numbers = dict(numbers)
        if by_frequency and (found := self._compare(("frequency",), rows)):
            numbers |= found.numbers
            evidence += found.frequency()
        causes, weighed = self._weigh(rows, advice.causes)
        numbers |= weighed
        return Finding(
            kind,
            severity,
            title=title.en,
            title_zh=title.zh,
            evidence=evidence.en,
            evidence_zh=evidence.zh,
            causes=tuple(cause.en for cause in causes),
            causes_zh=tuple(cause.zh for cause in causes),
            next_check=advice.check,
            next_check_zh=advice.check_zh,
            labels=tuple(self.snapshot.labels[i] for i in positions[:_SHOWN]),
            row_indices=tuple(positions.tolist()),
            numbers={name: float(value) for name, value in numbers.items() if not np.isnan(value)},
            details=tuple(details[:_SHOWN]),
            remedies=tuple(remedy.en for remedy in advice.remedies),
            remedies_zh=tuple(remedy.zh for remedy in advice.remedies),
        )


@dataclass(frozen=True)
class ClassPurity:
    """Share of a row's neighbors in its own class: by row ``(n,)``, and means by class ``(c,)`` and over all rows.

    Rows of the shuffled means belong to `SHUFFLES` shuffles of the classes. Values are NaN without neighbors that have
    a class.
    """

    rows: NDArray[np.float64]
    observed: NDArray[np.float64]
    shuffled: NDArray[np.float64]
    overall: float
    overall_shuffled: NDArray[np.float64]


def class_purity(
    indices: NDArray[np.int32], codes: NDArray[np.int32], n_classes: int, *, random_state: int = 42
) -> ClassPurity:
    """Compute the purity of ``(n, k)`` neighbors for classes, 0 to ``n_classes - 1`` or `NO_CLASS` for each row."""
    rng = np.random.default_rng(random_state)
    members = np.flatnonzero(codes != NO_CLASS)
    # Use one byte instead of four for the n × k neighbors: memory bandwidth limits the shuffles.
    small = codes.astype(np.int8) if n_classes < 128 else codes
    graph = indices[members].astype(np.intp)
    counted = (small[graph] != NO_CLASS).sum(axis=1)
    usable = counted > 0
    graph, members_used, counted = graph[usable], members[usable], counted[usable]
    weight = 1 / counted

    def measure(labels: NDArray[np.int8] | NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        own = labels[members_used]
        same = (labels[graph] == own[:, None]).sum(axis=1)
        share = same * weight
        size, total = np.bincount(own, minlength=n_classes), np.bincount(own, share, n_classes)
        by_class = np.divide(total, size, out=np.full(n_classes, np.nan), where=size > 0)
        return same, by_class, float(share.mean()) if len(share) else np.nan

    same, observed, overall = measure(small)
    by_row = np.full(len(codes), np.nan)
    by_row[members_used] = same / counted
    shuffled, overall_shuffled = np.empty((SHUFFLES, n_classes)), np.empty(SHUFFLES)
    dealt = small.copy()
    for i in range(SHUFFLES):
        dealt[members] = rng.permutation(small[members])
        _, shuffled[i], overall_shuffled[i] = measure(dealt)
    return ClassPurity(by_row, observed, shuffled, overall, overall_shuffled)
