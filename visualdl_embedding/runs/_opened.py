"""Tables of runs and saved models that are compared, each opened once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.models import ModelTable, RunTable, open_model
from visualdl_embedding.store import is_run
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["OpenedTables", "PathLike"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class OpenedTables:
    """Tables by path, each opened once: its words are read once, and its rows are counted once.

    Attributes
    ----------
    vocabulary, metadata
        Of all saved models, as `visualdl_embedding.models.open_model` takes them; runs have their own.
    random_state
        Of the choice of rows.
    opened
        By path, name of the table, and step.
    """

    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None
    metadata: MetadataLike | Sequence[MetadataLike] | None
    random_state: int
    opened: dict[tuple[str, str | None, int | None], ModelTable] = field(default_factory=dict)

    def table(self, path: PathLike, table: str | None, *, step: int | None = None) -> ModelTable:
        """Open a table of a run or a saved model; the only table of a run whatever it is called."""
        key = (os.fspath(path), table, step)
        if key not in self.opened:
            if is_run(path):
                model = open_model(path, step=step)
                self.opened[key] = model.table(table if len(model.tables) > 1 else None)
            else:
                model = open_model(path, table=table, step=step, vocabulary=self.vocabulary, metadata=self.metadata)
                self.opened[key] = model.table()
        return self.opened[key]

    def read(self, path: PathLike, table: str | None, *, rows: RowsLike, watch: Sequence[str] = ()) -> Snapshot:
        """Read rows of a saved model."""
        return self.table(path, table).snapshot(rows=rows, watch=watch, random_state=self.random_state)

    def known(self, path: PathLike, table: str | None, labels: Sequence[str]) -> list[str]:
        """Choose the labels that a saved model has as well.

        Raises
        ------
        ValueError
            If there is none.
        """
        opened = self.table(path, table)
        known = opened.known(labels)
        if not known:
            some = ", ".join(map(repr, labels[:3]))
            raise ValueError(
                f"{opened.vocabulary.source} of {os.fspath(path)} has none of the {len(labels):,} labels of the other "
                f"side ({some}, …); give the vocabulary that belongs to the model."
            )
        return known

    def read_known(self, path: PathLike, table: str | None, labels: Sequence[str]) -> Snapshot:
        """Read those of the labels that a saved model has."""
        return self.read(path, table, rows=self.known(path, table, labels))

    def read_pairs(
        self, pairs: Sequence[tuple[PathLike, PathLike]], table: str | None, labels: Sequence[str]
    ) -> list[tuple[Snapshot, Snapshot]] | None:
        """Read the rows with these labels of both models of pairs, and all rows of runs; each path is read once.

        Returns
        -------
        None where there are no pairs.
        """
        snapshots: dict[str, Snapshot] = {}
        for path in (path for pair in pairs for path in pair):
            if (name := os.fspath(path)) in snapshots:
                continue
            # Of a copy: what is opened for a pair alone is closed again, for 40 vocabularies are many.
            once = replace(self, opened=dict(self.opened))
            opened = once.table(path, table)
            snapshots[name] = (
                opened.snapshot() if isinstance(opened, RunTable) else once.read_known(path, table, labels)
            )
        return [(snapshots[os.fspath(a)], snapshots[os.fspath(b)]) for a, b in pairs] or None
