"""Entry point of all detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings._broken import find_duplicates, find_nonfinite, find_zero_rows
from visualdl_embedding.findings._clumps import find_clumps
from visualdl_embedding.findings._collapse import find_collapse, find_hubs
from visualdl_embedding.findings._drift import find_moved_rows, find_moves_towards_groups
from visualdl_embedding.findings._exposure import find_crowding, find_never_looked_up, find_tail
from visualdl_embedding.findings._finding import SEVERITIES, Finding
from visualdl_embedding.findings._maps import find_doubtful_clusters, find_loose_maps
from visualdl_embedding.findings._mixed import find_mixed_groups
from visualdl_embedding.findings._outliers import find_outliers, find_unusual_lengths
from visualdl_embedding.findings._scripts import find_scripts
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._untrained import find_untrained
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

    A finding is a measurement that chance does not explain, with its usual causes; it does not prove a cause. In spaces
    without anomalies (Gaussian of any shape, shuffled groups) each kind of finding occurs in fewer than one in twenty.
    Collapsed spaces and hubs are described, not tested: a Gaussian space with a steep spectrum is narrow (8.5% of 1,104
    simulated spaces), and the Euclidean distance leads to hubs.

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
    space = Space.of(snapshot, analysis, frequency=frequency, random_state=random_state)
    counted = snapshot.counters if counters is None else counters
    if agreement is not None and len(agreement.row) != len(space.analyzed):
        raise ValueError(
            f"agreement has {len(agreement.row)} rows, but the analysis has {len(space.analyzed)}; pass that of this "
            "snapshot."
        )
    if any(len(cluster.rows) and int(cluster.rows[-1]) >= len(space.analyzed) for cluster in clusters):
        raise ValueError(
            f"clusters have rows beyond the {len(space.analyzed)} of the analysis; pass those of this snapshot."
        )
    found = [*find_nonfinite(space, counted), *find_zero_rows(space, counted)]
    if len(space):
        detectors: list[Callable[[], list[Finding]]] = [
            lambda: find_collapse(space),
            lambda: find_untrained(space),
            lambda: find_duplicates(space, counted),
            lambda: find_clumps(space),
            lambda: find_outliers(space),
            lambda: find_unusual_lengths(space),
            lambda: find_hubs(space),
            lambda: find_mixed_groups(space, group),
            lambda: find_scripts(space),
            lambda: find_never_looked_up(space),
            lambda: find_tail(space) or find_crowding(space),
            lambda: find_moves_towards_groups(space),
            lambda: find_moved_rows(space),
            lambda: find_doubtful_clusters(space, clusters),
            lambda: find_loose_maps(agreement) if agreement is not None else [],
        ]
        for detect in detectors:
            found += detect()
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
