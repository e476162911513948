"""Settings of a recorder, schedule of snapshots, and state of each recorded table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from visualdl_embedding.logs import DEFAULT_LOG_BYTES
from visualdl_embedding.runs import TableAnalyzer
from visualdl_embedding.store import TableStore

__all__ = ["EARLIER", "REPLACED", "UNFINISHED", "RecordedTable", "RecorderSettings", "Schedule"]

REPLACED, UNFINISHED = "replaced by a newer one before its turn", "unfinished at the end"
EARLIER = "from before this training"
"""Why snapshots have no analysis; the first two had to wait."""


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """Settings of a recorder: the options of `visualdl_embedding.EmbeddingCallback` with these names."""

    background: bool = True
    max_slowdown: float | None = None
    drain_timeout: float | None = 300.0
    max_log_bytes: int | None = DEFAULT_LOG_BYTES
    max_store_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_slowdown is not None and not 0 <= self.max_slowdown <= 1:
            raise ValueError(f"max_slowdown must be a share from 0 to 1, or None, not {self.max_slowdown!r}.")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps and epochs at which a snapshot is due, in addition to step 0 and the last step.

    Epochs count if `every_n_steps` is None. ``"geometric"`` steps are 1, 2, 3, …, 10, 12, 14, 16, 19, … The intervals
    are about a fifth of the step, because most changes happen early.
    """

    every_n_steps: int | Literal["geometric"] | None = None
    every_n_epochs: int | None = 1

    def __post_init__(self) -> None:
        steps, epochs = self.every_n_steps, self.every_n_epochs
        if steps not in (None, "geometric") and not _is_positive(steps):
            raise ValueError(f'every_n_steps takes a positive number of batches or "geometric", not {steps!r}.')
        if epochs is not None and not _is_positive(epochs):
            raise ValueError(f"every_n_epochs takes a positive number of epochs or None, not {epochs!r}.")

    def due_at_step(self, step: int, last: int) -> bool:
        """Whether a snapshot is due after batch `step` (from 1), with the previous one at step `last`.

        A trainer may jump over steps, so a multiple of `every_n_steps` counts as soon as it is passed.
        """
        if self.every_n_steps is None:
            return False
        if self.every_n_steps == "geometric":
            return step >= max(last + 1, int(last * 1.2))
        return step // self.every_n_steps > last // self.every_n_steps

    def due_at_epoch(self, epoch: int) -> bool:
        """Whether a snapshot is due at the end of the `epoch`-th epoch (from 1)."""
        return self.every_n_steps is None and self.every_n_epochs is not None and epoch % self.every_n_epochs == 0


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@dataclass
class RecordedTable:
    """State of a recorded table.

    `analyzer` is None if a child process analyzes, `pending` holds its next jobs, `dropped` the steps that were
    not stored, and `skipped` counts the snapshots without an analysis by what was observed.
    """

    store: TableStore
    analyzer: TableAnalyzer | None = None
    pending: list[dict[str, Any]] = field(default_factory=list)
    recorded: int = 0
    analyzed: int = 0
    noted: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    dropped: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.store.description.table.name

    @property
    def log_dir(self) -> str:
        return str(self.store.folder.parent.parent)

    def add_job(self, job: dict[str, Any]) -> None:
        """Add a job. It replaces a pending one, except that of the run's first snapshot, which later ones refer to."""
        if self.pending and not self.pending[-1]["first"]:
            self.pending.pop()
            self.skipped[REPLACED] += 1
        self.pending.append(job)
