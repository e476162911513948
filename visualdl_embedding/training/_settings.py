"""Settings of a recorder, and its record of each table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visualdl_embedding.logs import DEFAULT_LOG_BYTES
from visualdl_embedding.runs import TableAnalyzer
from visualdl_embedding.store import TableStore

__all__ = ["Job", "RecordedTable", "RecorderSettings"]


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """Settings of a recorder.

    Attributes
    ----------
    background
        Analyze in a child process. If False, `Recorder.record` analyzes, and the training waits.
    max_slowdown
        Maximum cost of background analyses as a share of the training's time, 0 to 1, measured at every batch; beyond
        it they wait. None: neither measure nor wait.
    drain_timeout
        Seconds to wait at the end for running analyses; None for no limit.
    max_log_bytes
        Limit of VisualDL's log, which its server holds in memory: vectors, projections and images are logged less often
        to keep it. None for no limit.
    max_store_bytes
        Limit of the run's snapshots and analyses per table; beyond it they are thinned. None for no limit.
    """

    background: bool = True
    max_slowdown: float | None = None
    drain_timeout: float | None = 300.0
    max_log_bytes: int | None = DEFAULT_LOG_BYTES
    max_store_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_slowdown is not None and not 0 <= self.max_slowdown <= 1:
            raise ValueError(f"max_slowdown must be a share from 0 to 1, or None, not {self.max_slowdown!r}.")


@dataclass
class Job:
    """Requested analysis: table, step, kinds of records to log, and number of failed attempts."""

    table: str
    step: int
    log: dict[str, bool]
    tries: int = 0

    def message(self, log_dir: Path) -> dict[str, Any]:
        """Job in the form that the analysis process reads."""
        return {"kind": "analyze", "log_dir": str(log_dir), "table": self.table, "step": self.step, "log": self.log}


@dataclass
class RecordedTable:
    """State of a recorded table; `analyzer` is None if a child process analyzes."""

    store: TableStore
    analyzer: TableAnalyzer | None = None
    pending: Job | None = None
    recorded: int = 0
    analyzed: int = 0
    skipped: int = 0
    noted: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.store.description.table.name

    @property
    def log_dir(self) -> Path:
        return self.store.folder.parent.parent
