"""Diagnosis of a snapshot: groups, frequency strata, crowding, and directions of watched words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._result import State
from visualdl_embedding.analysis._rows import Measured, UsableRows
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction, compare_snapshots, watched_directions
from visualdl_embedding.metrics import Crowding, crowding, never_trained
from visualdl_embedding.metrics.groups import MAX_GROUPS, GroupStudy, group_scalars, study_groups
from visualdl_embedding.metrics.strata import StrataStudy, frequency_strata, stratum_scalars, study_strata

__all__ = ["Diagnosis", "diagnose", "diagnose_frame", "direction_scalars"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis of a snapshot, as scalars and as the results from which they are derived.

    Attributes
    ----------
    scalars
        Finite values, keyed by `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(v,)`` float32 each, of the usable rows: ``"group_purity"``, and ``"crowding"``, the density around a row
        relative to a uniform distribution (`Crowding.fullness`).
    groups, strata
        Results by group and by frequency stratum; None if the rows have no groups, or no frequencies.
    crowding
        Crowding of all usable rows.
    directions
        Directions of the watched words since the previous snapshot; empty without groups, watched words or a previous
        snapshot.
    notes
        Sentences for the user.
    """

    scalars: Mapping[str, float]
    row_metrics: Mapping[str, Floats]
    groups: GroupStudy | None
    strata: StrataStudy | None
    crowding: Crowding
    directions: tuple[Direction, ...] = ()
    notes: tuple[str, ...] = field(default=())


def diagnose(
    snapshot: Snapshot,
    neighbors: Neighbors,
    *,
    before: tuple[Snapshot, Neighbors | None] | None = None,
    overlap: Floats | None = None,
    update: Floats | None = None,
    null: Sequence[tuple[Snapshot, Snapshot]] = (),
    random_state: int = 42,
) -> Diagnosis:
    """Diagnose a snapshot.

    Parameters
    ----------
    snapshot
        Snapshot with the optional columns ``"group"`` and ``"frequency"``.
    neighbors
        Graph of the v usable rows.
    before
        Previous snapshot and its graph. The graph may be None: directions do not use it.
    overlap, update
        ``(n,)``: share of neighbors kept, and size of the update since the previous snapshot; NaN where unknown.
    null
        Pairs of snapshots without a change, as in `compare_snapshots`.
    random_state
        Seed of all random operations.
    """
    positions = np.flatnonzero(snapshot.usable(neighbors.distance))
    vectors = np.ascontiguousarray(snapshot.vectors[positions])
    rows = snapshot.rows
    crowded = crowding(vectors, neighbors, random_state=random_state)
    scalars = {"crowding": crowded.excess}
    row_metrics = {"crowding": crowded.fullness()}
    study: GroupStudy | None = None
    notes: list[str] = []
    groups = [rows.columns["group"][i] for i in positions] if "group" in rows.columns else []
    if len(set(filter(None, groups))) > MAX_GROUPS:
        notes.append(
            f"The column 'group' has over {MAX_GROUPS:,} values, so it looks like a name of each row; groups are not "
            "measured."
        )
    elif any(groups):
        labels = [rows.labels[i] for i in positions]
        study = study_groups(vectors, neighbors, groups, labels=labels, random_state=random_state)
        scalars |= group_scalars(study)
        row_metrics["group_purity"] = study.row_purity
        notes += study.notes
    by_stratum = None
    frequency = rows.frequencies()[positions]
    if np.nansum(frequency) > 0:
        known = np.where(np.isfinite(frequency), frequency_strata(frequency), "")
        by_stratum = study_strata(
            vectors,
            neighbors,
            known,
            frequency=frequency,
            overlap=None if overlap is None else overlap[positions],
            update=None if update is None else update[positions],
            crowding=crowded,
            random_state=random_state,
        )
        scalars |= stratum_scalars(by_stratum)
    directions: tuple[Direction, ...] = ()
    if before is not None and study is not None:
        directions = _directions(before[0], snapshot, neighbors, null=null)
        scalars |= direction_scalars(directions)
    if "lookups" in snapshot.row_values:
        scalars["never_trained_rows"] = float(np.nansum(never_trained(snapshot.row_values["lookups"][positions])))
    return Diagnosis(
        scalars={name: value for name, value in scalars.items() if np.isfinite(value)},
        row_metrics=row_metrics,
        groups=study,
        strata=by_stratum,
        crowding=crowded,
        directions=directions,
        notes=tuple(notes),
    )


def diagnose_frame(
    snapshot: Snapshot, rows: UsableRows, graph: Neighbors, *, config: Config, state: State, changed: Measured
) -> tuple[Measured, tuple[Direction, ...]]:
    """Diagnose the frame after `state`; return the measurements and the directions of the watched words."""
    previous, values = state.previous, snapshot.row_values
    update = values["lookups"] * values["gradient_mean"] if "gradient_mean" in values else None
    found = diagnose(
        snapshot,
        graph,
        before=(previous.snapshot, previous.analysis.neighbors) if previous else None,
        overlap=changed.row_metrics.get("neighbor_overlap"),
        update=changed.row_metrics.get("displacement") if update is None else update,
        null=state.null,
        random_state=config.random_state,
    )
    row_metrics = {name: rows.spread(of_usable) for name, of_usable in found.row_metrics.items()}
    return Measured(found.scalars, row_metrics | dict(values), found.notes), found.directions


def direction_scalars(directions: Iterable[Direction]) -> dict[str, float]:
    """Return the share of each group around each watched word, ``watch/<label>/group/<group>/share``, 0 to 1."""
    return {
        scalar_key("share", watch=direction.label, group=direction.group): direction.share_after
        for direction in directions
        if np.isfinite(direction.share_after)
    }


def _directions(
    before: Snapshot, after: Snapshot, graph: Neighbors, *, null: Sequence[tuple[Snapshot, Snapshot]]
) -> tuple[Direction, ...]:
    watch = [label for label in after.rows.watch if label in set(before.labels)]
    if not watch:
        return ()
    if not null:
        return watched_directions(before, after, watch, n_neighbors=graph.n_neighbors, distance=graph.distance)
    found = compare_snapshots(
        before, after, watch=watch, null=null, n_neighbors=graph.n_neighbors, distance=graph.distance
    )
    return found.directions
