"""All detectors, in one call."""

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
    """Look for what is wrong or strange in a snapshot.

    A finding is a measurement that chance does not explain, with what usually causes it; it proves no cause. On
    spaces in which there is nothing to find (Gaussian ones of any shape, shuffled groups) fewer than one in twenty
    gets a finding of a given kind. Collapsed spaces and hubs are described, not tested: a Gaussian space with a steep
    spectrum is narrow indeed (8.5% of 1,104 simulated spaces), and the Euclidean distance makes hubs.

    Parameters
    ----------
    snapshot
        The watched rows; those that are not finite or have no direction are reported, and left out of all else.
    analysis
        What `analyze` made of it; its neighbor graph, its distance, its numbers per row and stratum, and the directions
        of watched words are used. What it does not have (an earlier snapshot, the training's history) is not looked at.
    counters
        Numbers about the whole table: ``"nonfinite_rows"``, ``"zero_rows"``, ``"duplicate_rows"``, ``"num_rows"``;
        those of the snapshot if None.
    agreement, clusters
        Of the maps, by `visualdl_embedding.metrics.agreement`; positions are those of the rows of the analysis.
    group, frequency
        Names of the columns of `Snapshot.rows` to use as such; one that is not there is not used.
    random_state
        Seed of random controls and shufflings.

    Returns
    -------
    Findings, the most urgent first.

    Raises
    ------
    ValueError
        Where the analysis, the agreement or the clusters are not of this snapshot.
    """
    space = Space.of(snapshot, analysis, frequency=frequency, random_state=random_state)
    counted = snapshot.counters if counters is None else counters
    if agreement is not None and len(agreement.row) != len(space.analyzed):
        raise ValueError(
            f"The agreement is of {len(agreement.row)} rows, the analysis of the snapshot has {len(space.analyzed)}."
        )
    if any(len(cluster.rows) and int(cluster.rows[-1]) >= len(space.analyzed) for cluster in clusters):
        raise ValueError(f"A cluster holds rows beyond the {len(space.analyzed)} of the analysis.")
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
