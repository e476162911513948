"""Diagnosis of a snapshot: groups, frequency strata, crowding, and directions of watched words."""

from __future__ import annotations

import numpy as np

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._result import Measured, State, UsableRows
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.pairing import are_comparable
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction, compare_snapshots, watched_directions
from visualdl_embedding.metrics import crowding, never_trained
from visualdl_embedding.metrics.groups import MAX_GROUPS, group_scalars, study_groups
from visualdl_embedding.metrics.strata import frequency_strata, stratum_scalars, study_strata

__all__ = ["diagnose"]


def diagnose(
    snapshot: Snapshot, usable: UsableRows, graph: Neighbors, *, config: Config, state: State, changed: Measured
) -> tuple[Measured, tuple[Direction, ...]]:
    """Diagnose the frame after `state`.

    Groups and strata are measured if the snapshot has the columns ``"group"`` and ``"frequency"``. `changed` is the
    result of `measure_pairs`.

    Returns
    -------
    The measurements, and the directions of the watched words since the previous frame; these are empty without groups,
    watched words or a previous frame.
    """
    rows, positions, vectors, seed = snapshot.rows, usable.positions, usable.vectors, config.random_state
    values = dict(snapshot.row_values)
    crowded = crowding(vectors, graph, random_state=seed)
    scalars = {"crowding": crowded.excess}
    row_metrics = {"crowding": usable.spread(crowded.fullness())}
    notes: list[str] = []
    directions: tuple[Direction, ...] = ()
    groups = [rows.columns["group"][i] for i in positions] if "group" in rows.columns else []
    if len(set(filter(None, groups))) > MAX_GROUPS:
        notes.append(
            f"The column 'group' has over {MAX_GROUPS:,} values, so groups are not measured. Check that it holds "
            "groups, not a name of each row."
        )
    elif any(groups):
        labels = [rows.labels[i] for i in positions]
        study = study_groups(vectors, graph, groups, labels=labels, random_state=seed, scalars_only=True)
        scalars |= group_scalars(study)
        row_metrics["group_purity"] = usable.spread(study.row_purity)
        notes += study.notes
        directions = _directions(snapshot, graph, state)
    frequency = rows.frequencies()[positions]
    if np.nansum(frequency) > 0:
        overlap, update = (changed.row_metrics.get(name) for name in ("neighbor_overlap", "displacement"))
        if "gradient_mean" in values:
            update = values["lookups"] * values["gradient_mean"]
        strata = study_strata(
            vectors,
            graph,
            np.where(np.isfinite(frequency), frequency_strata(frequency), ""),
            frequency=frequency,
            overlap=None if overlap is None else overlap[positions],
            update=None if update is None else update[positions],
            crowding=crowded,
            random_state=seed,
        )
        scalars |= stratum_scalars(strata)
    for direction in directions:
        key = scalar_key("share", watch=direction.label, group=direction.group)
        scalars[key] = direction.share_after
    if "lookups" in values and "unchanged" in changed.row_metrics:
        forwards = snapshot.counters.get("forwards")
        untrained = never_trained(values["lookups"], changed.row_metrics["unchanged"], forwards=forwards)[positions]
        if np.isfinite(untrained).any():
            scalars["never_trained_rows"] = float(np.nansum(untrained))
    return Measured(scalars, row_metrics | values, tuple(notes)), directions


def _directions(after: Snapshot, graph: Neighbors, state: State) -> tuple[Direction, ...]:
    if state.previous is None:
        return ()
    before, k, distance = state.previous.snapshot, graph.n_neighbors, graph.distance
    watch = [label for label in after.rows.watch if label in set(before.labels)]
    if not watch or not are_comparable(before, after, distance):
        return ()
    null = [pair for pair in state.null if are_comparable(*pair, distance)]
    if not null:
        return watched_directions(before, after, watch, n_neighbors=k, distance=distance)
    return compare_snapshots(before, after, watch=watch, null=null, n_neighbors=k, distance=distance).directions
