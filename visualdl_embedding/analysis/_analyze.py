"""Pure function that analyzes a snapshot, shared by live runs, replays, checkpoints and reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._diagnose import diagnose
from visualdl_embedding.analysis._pairs import measure_pairs, pair_with, too_few_shared
from visualdl_embedding.analysis._project import choose_basis, make_projections
from visualdl_embedding.analysis._result import Analysis, Frame, Measured, State, made_from, merge
from visualdl_embedding.analysis._space import (
    measure_quality,
    measure_space,
    measure_watched,
    neighbor_graph,
    select_usable,
)
from visualdl_embedding.core.progress import Progress, timed
from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["analyze"]


def analyze(
    snapshot: Snapshot,
    state: State | None = None,
    config: Config | None = None,
    *,
    on_progress: Progress | None = None,
) -> tuple[Analysis, State]:
    """Compute neighbors, projections, alignment and metrics of a snapshot.

    Parameters
    ----------
    snapshot
        Watched rows at one step. Rows that are not finite are excluded and counted. The cosine distance also excludes
        rows without a direction. If fewer than half of the rows with a direction are left, the result has only counts
        and a note, and the state is unchanged. A change is measured if at least half of the earlier frame's rows that
        are still watched are usable; otherwise it is absent, with a note.
    state
        State returned by the previous call; None for the first analysis of a run.
    config
        Parameters of the analysis; the defaults of `Config` if None.
    on_progress
        Called as ``on_progress(part, done, total)`` for the parts ``"neighbors"`` and ``"projections"``.

    Returns
    -------
    The analysis, and the state to pass to the next call.
    """
    state, config = state or State(), config or Config()
    tell = on_progress or (lambda part, done, total: None)
    previous = state.previous
    seconds: dict[str, float] = {}
    rows, counted = select_usable(snapshot, config)
    with timed(seconds, "neighbors"):
        tell("neighbors", 0, 1)
        wide = neighbor_graph(rows.vectors, config)
        graph = wide.first(config.n_neighbors)
        distinct = rows.distinct
        wide_distinct = wide if len(distinct) == len(rows.first) else neighbor_graph(rows.vectors[distinct], config)
        tell("neighbors", 1, 1)
    analysis = Analysis(
        table=snapshot.table,
        step=snapshot.step,
        previous_step=previous.analysis.step if previous else None,
        first_step=state.first.analysis.step if state.first else snapshot.step,
        frame=state.frame,
        neighbors=graph,
        projections={},
        scalars=counted.scalars,
        row_metrics={},
        basis=previous.analysis.basis if previous else None,
        notes=counted.notes,
        made_from=made_from(snapshot, previous.analysis.made_from if previous else None, config),
    )
    if not snapshot.is_measurable(config.distance):
        # Keep the state: the next frame continues from the last one with enough rows.
        return analysis, state
    with timed(seconds, "metrics"):
        space = measure_space(rows, graph)
    with timed(seconds, "drift"):
        pair, first_pair = pair_with(previous, snapshot, config), pair_with(state.first, snapshot, config)
        changed = measure_pairs(rows.n, wide, config, previous=pair, first=first_pair)
    with timed(seconds, "basis"):
        basis, basis_notes = choose_basis(rows.drawn, config, step=snapshot.step, previous=previous)
    total = len(config.specs)
    tell("projections", 0, total)
    projections, projected, by_projection = make_projections(
        snapshot,
        rows,
        wide_distinct,
        config=config,
        state=state,
        pair=pair,
        displacement=changed.row_metrics.get("displacement"),
        basis=basis,
        on_progress=lambda done: tell("projections", done, total),
    )
    with timed(seconds, "quality"):
        quality = measure_quality(rows, wide, projections, config=config)
    with timed(seconds, "diagnosis"):
        diagnosed, directions = diagnose(snapshot, rows, graph, config=config, state=state, changed=changed)
    notes = Measured(notes=(*basis_notes, *too_few_shared(state, snapshot, config)))
    measured = merge(counted, space, notes, changed, projected, quality, diagnosed)
    watched = measure_watched(snapshot.rows, measured.row_metrics, projections)
    analysis = replace(
        analysis,
        projections=projections,
        scalars={name: value for name, value in {**measured.scalars, **watched}.items() if np.isfinite(value)},
        row_metrics=measured.row_metrics,
        basis=basis,
        directions=directions,
        notes=measured.notes,
        seconds={**seconds, **by_projection},
    )
    return analysis, state.followed_by(Frame(snapshot, analysis), config)
