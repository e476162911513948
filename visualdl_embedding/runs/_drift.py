"""Comparison of two runs or saved models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift, compare_snapshots
from visualdl_embedding.models import ModelTable, RunTable, open_model
from visualdl_embedding.store import is_run
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["OpenedTables", "PathLike", "compare_sides", "drift_between"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class OpenedTables:
    """Tables by path, each opened and counted once.

    Attributes
    ----------
    vocabulary, metadata
        Arguments of `visualdl_embedding.models.open_model` for all saved models; runs have their own.
    random_state
        Seed of the choice of rows.
    opened
        Opened tables by path, table name, and step.
    """

    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None
    metadata: MetadataLike | Sequence[MetadataLike] | None
    random_state: int
    opened: dict[tuple[str, str | None, int | None], ModelTable] = field(default_factory=dict)

    def table(self, path: PathLike, table: str | None, *, step: int | None = None) -> ModelTable:
        """Open a table of a run or a saved model. If a run has one table, its name is not compared."""
        key = (os.fspath(path), table, step)
        if key not in self.opened:
            stored = is_run(path)
            opening: Any = {} if stored else {"table": table, "vocabulary": self.vocabulary, "metadata": self.metadata}
            model = open_model(path, step=step, **opening)
            self.opened[key] = model.table(table if stored and len(model.tables) > 1 else None)
        return self.opened[key]

    def read(self, path: PathLike, table: str | None, *, rows: RowsLike, watch: Sequence[str] = ()) -> Snapshot:
        """Read rows of a saved model."""
        return self.table(path, table).snapshot(rows=rows, watch=watch, random_state=self.random_state)

    def watched(
        self, path: PathLike, table: str | None, labels: Sequence[str], *, beside: PathLike | None
    ) -> list[str]:
        """Choose the labels to watch on a side, without those that only the other side has.

        Labels that no side has are kept: choosing the rows raises an error that suggests similar ones.
        """
        if beside is None or not labels:
            return list(labels)
        own, other = (self.table(side, table) for side in (path, beside))
        return [label for label in labels if own.has(label) or not other.has(label)]

    def known(self, path: PathLike, table: str | None, labels: Sequence[str]) -> list[str]:
        """Choose the labels that a saved model has; ValueError if it has none."""
        opened = self.table(path, table)
        known = opened.known(labels)
        if not known:
            some = ", ".join(map(repr, labels[:3]))
            raise ValueError(
                f"{opened.vocabulary.source} of {os.fspath(path)} has none of the {len(labels):,} labels of the other "
                f"side ({some}, …); give the vocabulary that belongs to the model."
            )
        return known

    def read_pairs(
        self, pairs: Sequence[tuple[PathLike, PathLike]], table: str | None, labels: Sequence[str]
    ) -> list[tuple[Snapshot, Snapshot]] | None:
        """Read the rows with these labels of pairs of saved models, and all rows of runs; None if there are no pairs.

        Each path is read once.
        """
        snapshots: dict[str, Snapshot] = {}
        for path in dict.fromkeys(os.fspath(path) for pair in pairs for path in pair):
            # Use a copy, so that tables opened only for a pair are released: 40 vocabularies take much memory.
            once = replace(self, opened=dict(self.opened))
            opened = once.table(path, table)
            known = None if isinstance(opened, RunTable) else once.known(path, table, labels)
            snapshots[path] = opened.snapshot(rows=known, random_state=self.random_state)
        return [(snapshots[os.fspath(a)], snapshots[os.fspath(b)]) for a, b in pairs] or None


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
    """Compare two runs or saved models; rows are paired by label.

    Parameters
    ----------
    before, after
        Log directory of a run, or path of a saved model.
    table
        Name of the table; required only if there are several.
    step_before, step_after
        Step of a run; None for its newest snapshot. A run can be compared with itself.
    vocabulary, metadata, rows
        As in `visualdl_embedding.reports.report`, for saved models. If one side is a run, its rows are used.
    watch
        Labels to report on, in addition to those that a run watches. A label that only one side has is noted.
    null
        Pairs of paths without a change: trainings with different seeds, earlier weeks.
    n_neighbors, distance, alpha, random_state, n_jobs
        As in `compare_snapshots`.

    Raises
    ------
    FileNotFoundError, ValueError
        If a side is unreadable, a table or step does not exist, or no label is in both.
    """
    models = OpenedTables(vocabulary, metadata, random_state)
    opened = [models.table(path, table, step=step) for path, step in ((before, step_before), (after, step_after))]
    stored = [side.snapshot() if isinstance(side, RunTable) else None for side in opened]
    run = stored[0] or stored[1]

    def read(path: PathLike, beside: PathLike) -> Snapshot:
        if run is not None:
            return models.read(path, table, rows=models.known(path, table, run.labels))
        return models.read(path, table, rows=rows, watch=models.watched(path, table, watch, beside=beside))

    first, second = stored[0] or read(before, after), stored[1] or read(after, before)
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
    """Compare two snapshots with the groups of the second (else of the first), and the words that it watches.

    `watch` has additional labels to report on; `options` are those of `compare_snapshots`.
    """
    grouped = [side for side in (second, first) if "group" in side.rows.columns]
    groups = dict(zip(grouped[0].labels, grouped[0].rows.columns["group"], strict=True)) if grouped else None
    asked = [*watch, *(label for label in second.rows.watch if label not in watch)]
    return compare_snapshots(first, second, groups=groups, watch=asked, **options)
