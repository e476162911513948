"""Write access to one table's folder in a run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.core.atomic import remove_stale
from visualdl_embedding.core.jsonable import dumps_exact
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.store import _frames
from visualdl_embedding.store._description import Description, describe, write_description
from visualdl_embedding.store._files import append_line, check_writable, fresh_directory, write_atomically
from visualdl_embedding.store._metadata import format_rows
from visualdl_embedding.store._resume import difference, move_aside, obstacle
from visualdl_embedding.store._table_reader import KINDS, TableReader, list_steps, table_folder

__all__ = ["TableStore", "choose_to_drop"]


class TableStore(TableReader):
    """Write access to the folder of one table.

    Every file has one writer: the worker process writes the analyses, the training process all other files. Any number
    of processes may read at any time. If a write fails, it raises OSError with the system's reason, and the old file
    is intact.
    """

    @classmethod
    def open_for_writing(
        cls,
        log_dir: str | os.PathLike[str],
        table: Table,
        rows: Rows,
        *,
        config: Config,
        resume: bool = False,
        initial_step: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> TableStore:
        """Create the folder of a table, or continue a stored one.

        A resumed training continues after the last stored step, or after `initial_step` if it restarts from an earlier
        checkpoint. Steps after that are superseded: their files are moved into ``superseded-N``.

        Parameters
        ----------
        log_dir
            Directory of the run; created if missing.
        table, rows
            Watched table and rows.
        config
            Settings of the analysis.
        resume
            Continue the stored data if table, rows and settings match. If nothing is stored, create it.
        initial_step
            Number of batches done at the restart; None for the last stored step.
        extra
            Additional plain values for ``table.json``.

        Raises
        ------
        FileExistsError
            If snapshots are stored and `resume` is False.
        ValueError
            If the stored data differ; the message describes the difference.
        OSError
            If the directory cannot be written.
        """
        folder = table_folder(log_dir, table.name)
        stored_steps = cls.check_opening(log_dir, table, rows, config=config, resume=resume)
        if not stored_steps:
            folder.mkdir(parents=True, exist_ok=True)
            remove_stale(folder)
            store = cls(folder, describe(table, rows, config=config, extra=extra))
            store._supersede(-1)
            write_atomically(folder / "metadata.tsv", [format_rows(rows).encode()])
            description = store.description
        else:
            store = cls.open(log_dir, table.name)
            stored = store.description
            remove_stale(folder)
            store._supersede(max(store.steps()) if initial_step is None else initial_step)
            resumed_after = (*stored.resumed_after, max(store.steps(), default=0))
            extras = {**stored.extra, **(extra or {})}
            # `watch` may have changed: the version does not include it, and scalars may begin at any step.
            description = replace(stored, config=config, resumed_after=resumed_after, extra=extras).with_rows(rows)
        store._describe(description)
        store._rows[rows.version] = rows
        return store

    @classmethod
    def check_opening(
        cls, log_dir: str | os.PathLike[str], table: Table, rows: Rows, *, config: Config, resume: bool = False
    ) -> set[int]:
        """Check that `open_for_writing` can create or continue a table, with its errors; nothing is written.

        Returns the stored steps. With several tables, check all before opening one.
        """
        folder = table_folder(log_dir, table.name)
        check_writable(folder)
        steps = list_steps(folder, "snapshot")
        new_directory = f"use a new directory, such as {fresh_directory(Path(log_dir))}."
        if steps and not resume:
            raise FileExistsError(
                f"{log_dir} already holds snapshots of the table {table.name!r}. To continue that training, pass "
                f"resume=True; to replace it, overwrite=True; for a new training {new_directory}"
            )
        if steps:
            store = cls.open(log_dir, table.name)
            if found := difference(store.description, store.read_rows(), table=table, rows=rows, config=config):
                raise ValueError(
                    f"Cannot resume the table {table.name!r} in {log_dir}: {found}. Pass the arguments of the first "
                    f"training, or {new_directory}"
                )
        return steps

    def check_joins(self, table: Table, rows: Rows, *, step: int) -> None:
        """Check that a snapshot of another checkpoint can follow the stored ones; nothing is written.

        Raises
        ------
        ValueError
            If the step is not after the stored ones, the width differs, or no label is in the newest stored rows.
        """
        log_dir, last = self.folder.parent.parent, max(self.steps(), default=-1)
        joining = f"of table {table.name!r} cannot join {log_dir}"
        if step <= last:
            raise ValueError(
                f"Step {step} {joining}, which is at step {last}: frames are recorded in order. Give a step from "
                f"{last + 1} on."
            )
        if found := obstacle(self.description, self.read_rows(), table=table, rows=rows):
            raise ValueError(
                f"A snapshot {joining}: {found}, so the frames could not be compared. Check that it is the same table "
                "with its own vocabulary, or record it in a new run."
            )

    def missing_watched(self, rows: Rows) -> tuple[str, ...]:
        """List the labels that were watched at any stored step and are not among newer rows."""
        known = set(rows.labels)
        return tuple(label for label in self._watched if label not in known)

    @property
    def _watched(self) -> list[str]:
        selections = self.description.selections.values()
        return list(dict.fromkeys(label for selection in selections for label in selection.watch))

    def describe_further(self, extra: Mapping[str, Any]) -> None:
        """Add plain values to ``table.json``, or replace them."""
        self._describe(replace(self.description, extra={**self.description.extra, **extra}))

    def add_rows(self, rows: Rows) -> Rows:
        """Store newer rows, for example of a rebuilt vocabulary; older snapshots keep their rows.

        A label that was watched once is watched from then on. The version of rows does not include `Rows.watch`: a
        repeated analysis of older snapshots with the same rows computes the values of newly watched labels as well.

        Returns
        -------
        The rows with all their watched labels.
        """
        known = set(rows.labels)
        earlier = [label for label in self._watched if label in known]
        rows = replace(rows, watch=tuple(dict.fromkeys([*earlier, *rows.watch])))
        if rows.version == self.description.rows_version:
            if rows.watch != self.description.watch:
                self._describe(self.description.with_rows(rows))
                self._rows[rows.version] = rows
            return rows
        current = self.read_rows()
        write_atomically(self._metadata_path(current.version), [format_rows(current).encode()])
        write_atomically(self.folder / "metadata.tsv", [format_rows(rows).encode()])
        self._describe(self.description.with_rows(rows))
        self._rows[rows.version] = rows
        return rows

    def write_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot. If an equal snapshot is stored, it is left unchanged.

        Raises
        ------
        FileExistsError
            If a different snapshot is stored at this step.
        ValueError
            If the snapshot belongs to another table, or has rows that are not in the store.
        """
        if snapshot.table != self.description.table.name:
            raise ValueError(f"A snapshot of {snapshot.table!r} does not belong to {self.description.table.name!r}.")
        if snapshot.rows.version not in self.description.selections:
            raise ValueError(
                f"The rows of the snapshot (version {snapshot.rows.version}) are not those of the store "
                f"({self.description.rows_version}); call add_rows with them first."
            )
        path = self.path("snapshot", snapshot.step)
        if path.exists():
            # A damaged snapshot is replaced.
            with suppress(DamagedFileError):
                stored = self.read_snapshot(snapshot.step)
                same = np.array_equal(stored.vectors, snapshot.vectors, equal_nan=True)
                if same and stored.rows.version == snapshot.rows.version:
                    return
                raise FileExistsError(
                    f"{path} holds a different snapshot of step {snapshot.step} and is not overwritten. Resume with "
                    "initial_step, or use a new directory."
                )
        _frames.write_snapshot(path, snapshot)

    def write_analysis(self, analysis: Analysis) -> None:
        """Store an analysis, replacing one of the same step."""
        _frames.write_analysis(self.path("analysis", analysis.step), analysis)

    def append_alert(self, alert: Mapping[str, Any]) -> None:
        """Add an alert. It should have a ``"step"``: thinning keeps steps with alerts."""
        append_line(self.folder / "alerts.jsonl", dumps_exact(alert))

    def replace_alerts(self, step: int, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Replace the alerts of a step in one write, in the order of the steps; those of other steps are kept."""
        stored, new = self.alerts(), list(alerts)
        before = [alert for alert in stored if _step_of(alert) < step]
        after = [alert for alert in stored if _step_of(alert) > step]
        if new or len(before) + len(after) < len(stored):
            _write_alerts(self.folder, [*before, *new, *after])

    def thin(self, budget: int, *, protected: Collection[int] = ()) -> list[int]:
        """Remove snapshots and their analyses until the rest fits a budget.

        The first and the last snapshot, the first and the last analyzed one, steps with alerts and the protected steps
        are kept; the others are spaced geometrically (`choose_to_drop`).

        Parameters
        ----------
        budget
            Maximum size in bytes of this table's snapshots and analyses.
        protected
            Additional steps to keep, such as those not yet analyzed.

        Returns
        -------
        Removed steps, ascending.
        """
        steps = self.steps()
        sizes = [sum(_size(self.path(kind, step)) for kind in KINDS) for step in steps]
        if sum(sizes) <= budget:
            return []
        analyzed = self.steps(analyzed=True)
        keep = {*protected, *map(_step_of, self.alerts()), *analyzed[:1], *analyzed[-1:]}
        dropped = choose_to_drop(steps, sizes, budget=budget, protected=keep)
        for step in dropped:
            # Remove the analysis first: snapshots may lack an analysis; analyses require their snapshot.
            for kind in KINDS:
                self.path(kind, step).unlink(missing_ok=True)
        return dropped

    def _describe(self, description: Description) -> None:
        write_description(self.folder / "table.json", description)
        self.description = description

    def _supersede(self, initial_step: int) -> None:
        # Move analyses without a snapshot too: a later snapshot of the same step must not be paired with them.
        beyond = {
            step: [path for kind in KINDS if (path := self.path(kind, step)).exists()]
            for step in set().union(*(list_steps(self.folder, kind) for kind in KINDS))
            if step > initial_step
        }
        if not beyond:
            return
        aside = move_aside(beyond, self.folder)
        alerts = self.alerts()
        gone = [alert for alert in alerts if _step_of(alert) > initial_step]
        if gone:
            _write_alerts(aside, gone)
            _write_alerts(self.folder, [alert for alert in alerts if alert not in gone])


def _write_alerts(folder: Path, alerts: Iterable[Mapping[str, Any]]) -> None:
    write_atomically(folder / "alerts.jsonl", [f"{dumps_exact(alert)}\n".encode() for alert in alerts])


def _step_of(alert: Mapping[str, Any]) -> int:
    """Step of an alert; -1 if it has none."""
    return step if isinstance(step := alert.get("step"), int) else -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def choose_to_drop(
    steps: Sequence[int], sizes: Sequence[int], *, budget: int, protected: Collection[int] = ()
) -> list[int]:
    """Choose snapshots to drop until the others fit a budget.

    The first, the last and the protected snapshots are kept. Repeatedly, the snapshot whose two neighbors are closest
    on a logarithmic scale of steps is dropped. The rest is spaced geometrically: dense at the beginning of a training,
    where vectors move fast, and sparse later. Dropping step by step gives the same result as dropping once at the end,
    because the choice depends on gaps and not on counts.

    Parameters
    ----------
    steps
        Steps of the stored snapshots, ascending.
    sizes
        Size of each snapshot in bytes.
    budget
        Maximum total size in bytes. It is exceeded only if the first, last and protected snapshots exceed it.
    protected
        Steps that are never dropped.

    Returns
    -------
    Steps to drop, ascending.

    Raises
    ------
    ValueError
        If the steps are not ascending, or the sizes do not match them.
    """
    if len(steps) != len(sizes):
        raise ValueError(f"steps and sizes must have the same length, but have {len(steps)} and {len(sizes)}.")
    kept = np.asarray(steps, dtype=np.int64)
    if (np.diff(kept) <= 0).any():
        raise ValueError("steps must be ascending.")
    total = sum(sizes)
    if total <= budget or len(kept) < 3:
        return []
    size_of = dict(zip(steps, sizes, strict=True))
    # In units of the smallest gap, so that step 0 is as far from the first snapshot as that one from its double.
    unit = np.diff(kept).min()
    places = np.log1p((kept - kept[0]) / unit)
    free = ~np.isin(kept, list(protected))
    free[[0, -1]] = False
    dropped = []
    while total > budget and free.any():
        gaps = np.full(len(kept), np.inf)
        gaps[1:-1] = places[2:] - places[:-2]
        gaps[~free] = np.inf
        i = int(gaps.argmin())
        step = int(kept[i])
        dropped.append(step)
        total -= size_of[step]
        kept, places, free = (np.delete(array, i) for array in (kept, places, free))
    return sorted(dropped)
