"""How a recorder behaves, and what it keeps of each table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visualdl_embedding.analysis import State
from visualdl_embedding.logs import DEFAULT_LOG_BYTES
from visualdl_embedding.runs import AlertMonitor
from visualdl_embedding.store import TableStore

__all__ = ["Job", "RecordedTable", "RecorderSettings"]


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """How a recorder behaves.

    Attributes
    ----------
    background
        Analyze in a child process; False analyses in `Recorder.record`, and the training waits.
    max_slowdown
        Share of the training's time, 0 to 1, that analyses in the background may cost, measured at every batch; beyond
        it they wait. None measures nothing and lets them run.
    drain_timeout
        Seconds to wait at the end for analyses under way; None waits as long as it takes.
    max_log_bytes
        Bound of VisualDL's log, whose server holds all of it in memory: vectors, projections and images go in at a
        spacing that respects it. None for no bound.
    max_store_bytes
        Bound of the run's snapshots and analyses, per table; beyond it they are thinned. None for no bound.
    """

    background: bool = True
    max_slowdown: float | None = None
    drain_timeout: float | None = 300.0
    max_log_bytes: int | None = DEFAULT_LOG_BYTES
    max_store_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_slowdown is not None and not 0 <= self.max_slowdown <= 1:
            raise ValueError(f"max_slowdown is a share from 0 to 1, or None, not {self.max_slowdown!r}.")


@dataclass
class Job:
    """An analysis that is asked for: of which table and step, what of it is logged, and how often it was tried."""

    table: str
    step: int
    log: dict[str, bool]
    tries: int = 0

    def message(self, log_dir: Path) -> dict[str, Any]:
        """Job as the analysis process reads it."""
        about = {"table": self.table, "step": self.step, "log": self.log}
        return {"kind": "analyze", "log_dir": str(log_dir), **about}


@dataclass
class RecordedTable:
    """What the recorder keeps of a table."""

    store: TableStore
    state: State = field(default_factory=State)
    monitor: AlertMonitor | None = None
    pending: Job | None = None
    recorded: int = 0
    analyzed: int = 0
    skipped: int = 0
    said: set[str] = field(default_factory=set)

    @property
    def log_dir(self) -> Path:
        return self.store.folder.parent.parent

    def missing_text(self, why: str) -> str:
        """Sentence for snapshots without an analysis, and how to make up for them."""
        return (
            f"Table {self.store.description.table.name}: {self.recorded - self.analyzed} of {self.recorded} snapshots "
            f"are stored without an analysis, because {why}; `visualdl-embedding analyze {self.log_dir}` analyses them."
        )
