"""What changed between two runs or saved models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift, compare_snapshots
from visualdl_embedding.models import RunTable
from visualdl_embedding.runs._opened import OpenedTables, PathLike
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["compare_sides", "drift_between"]


def drift_between(
    before: PathLike,
    after: PathLike,
    *,
    table: str | None = None,
    step_before: int | None = None,
    step_after: int | None = None,
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
    metadata: MetadataLike | Sequence[MetadataLike] | None = None,
    rows: RowsLike = 500,
    watch: Sequence[str] = (),
    null: Sequence[tuple[PathLike, PathLike]] = (),
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    alpha: float = 0.05,
    random_state: int = 42,
    n_jobs: int = 1,
) -> Drift:
    """Compare two runs or saved models; rows pair by label.

    Parameters
    ----------
    before, after
        The log directory of a run, whose newest snapshot is taken, or a path to a saved model.
    table
        Which table, by name; needed only where there are several.
    step_before, step_after
        Of a run: another snapshot than the newest. A run may be compared with itself.
    vocabulary, metadata, rows
        Of saved models, as `visualdl_embedding.reports.report` takes them. Where one side is a run, its rows are taken.
    watch
        Labels that are asked about; those that a run watches are, too.
    null
        Pairs between which nothing changed, as paths: trainings with different seeds, earlier weeks.
    n_neighbors, distance, alpha, random_state, n_jobs
        As `compare_snapshots` takes them.

    Raises
    ------
    FileNotFoundError, ValueError
        An unreadable side, no such table or step, or no label that both have.
    """
    models = OpenedTables(vocabulary, metadata, random_state)
    asked = ((before, step_before), (after, step_after))
    opened = [models.table(path, table, step=step) for path, step in asked]
    stored = [side.snapshot() if isinstance(side, RunTable) else None for side in opened]
    run = stored[0] or stored[1]

    def read(path: PathLike) -> Snapshot:
        if run is not None:
            return models.read_known(path, table, run.labels)
        return models.read(path, table, rows=rows, watch=watch)

    first, second = stored[0] or read(before), stored[1] or read(after)
    return compare_sides(
        first,
        second,
        watch=watch,
        null=models.read_pairs(null, table, second.labels),
        n_neighbors=n_neighbors,
        distance=distance,
        alpha=alpha,
        random_state=random_state,
        n_jobs=n_jobs,
    )


def compare_sides(first: Snapshot, second: Snapshot, *, watch: Sequence[str], **options: Any) -> Drift:
    """Compare two snapshots; what the later one watches is asked about, too.

    Parameters
    ----------
    first, second
        Groups are those of the later one, or where it has none of the earlier one.
    watch
        Labels that are asked about.
    options
        Of `compare_snapshots`.
    """
    grouped = [side for side in (second, first) if "group" in side.rows.columns]
    groups = dict(zip(grouped[0].labels, grouped[0].rows.columns["group"], strict=True)) if grouped else None
    asked = [*watch, *(label for label in second.rows.watch if label not in watch)]
    return compare_snapshots(first, second, groups=groups, watch=asked, **options)
