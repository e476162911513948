"""Entry point of all detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import _crowding, _groups, _outliers, _rows, _structure, _training, _untrained
from visualdl_embedding.findings._finding import SEVERITIES, Finding
from visualdl_embedding.findings._shared import Space
from visualdl_embedding.metrics.agreement import Agreement, MapCluster

__all__ = ["find"]


def find(
    snapshot: Snapshot,
    analysis: Analysis,
    *,
    counters: Mapping[str, float] | None = None,
    agreement: Agreement | None = None,
    clusters: Sequence[MapCluster] = (),
    group: str = "group",
    frequency: str = "frequency",
    random_state: int = 42,
) -> tuple[Finding, ...]:
    """Find defects and anomalies in a snapshot.

    A finding is a measurement that chance does not explain, with its usual causes; it does not prove a cause. By
    cosine and by Euclidean distance, each kind of finding above ``"info"`` occurs in at most 2% of tables without
    defects: Gaussians with equal and unequal axes, topics, word vectors, and a trained classifier
    (``benchmarks/clean_tables.py``). If many rows are tested, the false discovery rate is controlled; norms, crowding
    and hubs are compared with a Gaussian of the same covariance.

    True statements are not counted there: groups that are unrelated to the space are not visible, and a Gaussian with
    equal axes looks untrained. Collapsed spaces are described, not tested: a Gaussian space with a steep spectrum is
    narrow (8.5% of 1,104 simulated spaces).

    Parameters
    ----------
    snapshot
        Watched rows; rows that are not finite or have no direction are reported and otherwise ignored.
    analysis
        Result of `analyze` for the snapshot: its neighbor graph, distance, values per row and stratum, and directions
        of watched words are used. Missing parts (an earlier snapshot, the training's history) are skipped.
    counters
        Statistics of the whole table: ``"nonfinite_rows"``, ``"zero_rows"``, ``"duplicate_rows"``, ``"num_rows"``; by
        default those of the snapshot.
    agreement, clusters
        Results of `visualdl_embedding.metrics.agreement` for the maps; positions are those of the rows of the analysis.
    group, frequency
        Names of the columns of `Snapshot.rows` to use; missing columns are skipped.
    random_state
        Seed of random controls and shuffles.

    Returns
    -------
    Findings, most urgent first.

    Raises
    ------
    ValueError
        If the analysis, the agreement or the clusters belong to another snapshot.
    """
    if (analysis.table, analysis.step) != (snapshot.table, snapshot.step):
        raise ValueError(
            f"The analysis has table {analysis.table!r}, step {analysis.step}, but the snapshot has table "
            f"{snapshot.table!r}, step {snapshot.step}. Pass the analysis of this snapshot from analyze()."
        )
    counters = snapshot.counters if counters is None else counters
    space = Space(snapshot, analysis, counters, agreement, clusters, group, frequency, random_state)
    n = len(space.analyzed)
    if agreement is not None and len(agreement.row) != n:
        raise ValueError(
            f"agreement has {len(agreement.row)} rows, but the analysis has {n}; pass that of this snapshot."
        )
    if any(len(cluster.rows) and int(cluster.rows[-1]) >= n for cluster in clusters):
        raise ValueError(f"clusters have rows beyond the {n} of the analysis; pass those of this snapshot.")
    detectors = (
        _rows.find_nonfinite,
        _rows.find_zero_rows,
        _structure.find_collapse,
        _untrained.find_untrained,
        _rows.find_duplicates,
        _rows.find_clumps,
        _outliers.find_outliers,
        _outliers.find_unusual_lengths,
        _structure.find_hubs,
        _groups.find_mixed_groups,
        _groups.find_scripts,
        _training.find_never_looked_up,
        _crowding.find_crowding,
        _training.find_moves_towards_groups,
        _training.find_moved_rows,
        _structure.find_doubtful_clusters,
        _structure.find_loose_maps,
    )
    # With too few rows for a metric, only broken rows are reported.
    measurable = len(space) > 0 and snapshot.is_measurable(analysis.neighbors.distance)
    found = [finding for detect in (detectors if measurable else detectors[:2]) for finding in detect(space)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
