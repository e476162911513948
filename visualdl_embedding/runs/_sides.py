"""What is held against what: the newest snapshot of a run, or rows of a saved model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.models import Material, open_source, read_snapshot
from visualdl_embedding.store import Run, open_run

__all__ = ["Models", "PathLike", "Side", "choose_table", "is_run", "newest_of_run", "side_of_run"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Side:
    """The newest snapshot of a table, with the scalars of its run, or its own.

    Attributes
    ----------
    snapshot
        The newest that is analyzed.
    scalars
        By step.
    evidence
        By step: where watched words went.
    notes
        Sentences for the user.
    """

    snapshot: Snapshot
    scalars: Mapping[int, Mapping[str, float]]
    evidence: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def newest(self) -> Mapping[str, float]:
        """Scalars of the snapshot."""
        return self.scalars[max(self.scalars)]


@dataclass(frozen=True)
class Models:
    """Saved models, each opened once: its words are read once, and its table is counted once.

    Attributes
    ----------
    vocabulary, metadata, random_state
        As `visualdl_embedding.reports.report` takes them, for all of them.
    opened
        By path and table.
    """

    vocabulary: Any
    metadata: Any
    random_state: int
    opened: dict[tuple[str, str | None], Material] = field(default_factory=dict)

    def open(self, path: PathLike, table: str | None) -> Material:
        """Open a model, where it is not open."""
        key = (os.fspath(path), table)
        if key not in self.opened:
            self.opened[key] = open_source(path, table=table, vocabulary=self.vocabulary, metadata=self.metadata)
        return self.opened[key]

    def read(
        self, path: PathLike, table: str | None, *, rows: Any, watch: Sequence[str] = ()
    ) -> tuple[Snapshot, tuple[str, ...]]:
        """Read rows of a model; returns them, and sentences for the user."""
        return read_snapshot(self.open(path, table), rows=rows, watch=watch, random_state=self.random_state)

    def known(self, path: PathLike, table: str | None, labels: Sequence[str]) -> list[str]:
        """Choose the labels that a model has as well.

        Raises
        ------
        ValueError
            If there is none.
        """
        words, _ = self.open(path, table).words
        known = [label for label in labels if len(words.find(label)) == 1 or words.compose(label)]
        if not known:
            some = ", ".join(map(repr, labels[:3]))
            raise ValueError(
                f"{words.source} of {os.fspath(path)} has none of the {len(labels):,} labels of the other side "
                f"({some}, …); give the vocabulary that belongs to the model."
            )
        return known

    def read_known(self, path: PathLike, table: str | None, labels: Sequence[str]) -> Snapshot:
        """Read those of the labels that a model has."""
        return self.read(path, table, rows=self.known(path, table, labels))[0]

    def read_pairs(
        self, pairs: Sequence[tuple[PathLike, PathLike]], table: str | None, labels: Sequence[str]
    ) -> list[tuple[Snapshot, Snapshot]] | None:
        """Read the rows with these labels of both sides of pairs; what stands in several is read once.

        Returns
        -------
        None where there are no pairs.
        """
        snapshots: dict[str, Snapshot] = {}
        for path in (path for pair in pairs for path in pair):
            if (name := os.fspath(path)) in snapshots:
                continue
            if is_run(path):
                snapshots[name] = newest_of_run(path, table)
            else:
                # Of a copy: what is opened for a pair alone is closed again, for 40 vocabularies are many.
                snapshots[name] = replace(self, opened=dict(self.opened)).read_known(path, table, labels)
        return [(snapshots[os.fspath(a)], snapshots[os.fspath(b)]) for a, b in pairs] or None


def is_run(path: PathLike) -> bool:
    """Whether a path is the log directory of a run, and not a saved model."""
    return any((Path(path) / "embeddings").glob("*/table.json"))


def choose_table(run: Run, table: str | None) -> str:
    """Choose a run's table: the one of this name, else its only one."""
    tables = run.tables()
    if table in tables:
        return str(table)
    if len(tables) == 1:
        return tables[0]
    raise ValueError(f"{run.path} has the tables {', '.join(map(repr, tables))}; choose one by its name.")


def newest_of_run(path: PathLike, table: str | None, *, step: int | None = None) -> Snapshot:
    """Read the newest snapshot of a run's table, or that of a step."""
    run = open_run(path)
    name = choose_table(run, table)
    return run.snapshot(name, run.steps(name)[-1] if step is None else step)


def side_of_run(run: Run, name: str) -> Side:
    """Read the newest analyzed snapshot of a run's table, and the numbers of all before it."""
    reader = run.reader(name)
    steps = reader.steps(analyzed=True)
    if not steps:
        raise ValueError(
            f"{run.path} holds no analyzed snapshot of {name!r}; run `visualdl-embedding analyze {run.path}` first."
        )
    numbers = {step: reader.read_numbers(step) for step in steps}
    return Side(
        reader.read_snapshot(steps[-1]),
        {step: scalars for step, (scalars, _) in numbers.items()},
        {step: directions for step, (_, directions) in numbers.items()},
    )
