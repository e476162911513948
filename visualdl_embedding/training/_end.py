"""What a recorder logs about its tables: at the beginning, at the end, and about a snapshot that it drops."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence

from visualdl_embedding.training._settings import EARLIER, REPLACED, UNFINISHED, RecordedTable

__all__ = ["log_drop", "log_end", "log_gaps", "log_large_frames"]

logger = logging.getLogger("visualdl_embedding")

SLOW_WRITE_SECONDS = 1.0
LARGE_FRAME_ROWS = 5_000
SECONDS_PER_ROW, SECONDS_PER_ROW_WITHOUT_MAPS = 5.5e-4, 2e-4
"""Processor time of warm frames of 5,000 to 20,000 rows with d = 128; see docs/benchmarks.md."""


def log_large_frames(table: RecordedTable) -> None:
    """Log an estimate of what each frame of a table with many rows will take."""
    description = table.store.description
    num_rows, dim = len(table.store.read_rows()), description.table.dim
    if num_rows < LARGE_FRAME_ROWS:
        return
    maps = {"tsne", "umap"} & {spec.method for spec in description.config.specs}
    seconds = num_rows * (SECONDS_PER_ROW if maps else SECONDS_PER_ROW_WITHOUT_MAPS)
    logger.info(
        "Table %s: a frame of %s rows will take about %.0f s of processor time (estimate) and %.0f MB for the vectors "
        "on disk, the first frame more. Fewer rows take less, for example rows=500.",
        table.name,
        f"{num_rows:,}",
        seconds,
        num_rows * dim * 4 / 1e6,
    )


def log_drop(table: RecordedTable, step: int, *, slowest_write: float) -> None:
    """Log a dropped snapshot. The disk is named only if a write took long, `slowest_write` seconds."""
    slow = f" The disk of {table.log_dir} is slow: one took {slowest_write:.1f} s." * (
        slowest_write >= SLOW_WRITE_SECONDS
    )
    logger.warning(
        "Step %d of table %s was dropped so that training continues: earlier snapshots still wait to be written.%s "
        "Take fewer snapshots (every_n_steps), or watch fewer rows.",
        step,
        table.name,
        slow,
    )


def log_gaps(tables: Sequence[RecordedTable], *, waited: str = "") -> None:
    """Log the snapshots without an analysis; `waited` is a further reason.

    A training that is faster than its analyses is ordinary, and no warning.
    """
    for table in tables:
        if table.recorded > table.analyzed:
            ordinary = all(what in (REPLACED, EARLIER) for what, count in table.skipped.items() if count)
            logger.log(
                logging.INFO if ordinary else logging.WARNING,
                "Table %s: %d of %d snapshots are stored without an analysis (%s%s); `visualdl-embedding analyze %s` "
                "analyzes them.",
                table.name,
                table.recorded - table.analyzed,
                table.recorded,
                ", ".join(f"{count} {what}" for what, count in table.skipped.items() if count),
                waited if table.skipped[REPLACED] or table.skipped[UNFINISHED] else "",
                shlex.quote(table.log_dir),
            )


def log_end(tables: Sequence[RecordedTable]) -> None:
    """Log how many snapshots were dropped, and what the run holds and how to look at it."""
    if lost := [f"{len(table.dropped)} of table {table.name}" for table in tables if table.dropped]:
        logger.warning("Snapshots that were dropped and are not stored: %s.", ", ".join(lost))
    if recorded := sum(table.recorded for table in tables):
        logger.info(
            "%s: %d snapshot%s of %s recorded, %d analyzed. View them: visualdl-embedding serve --logdir %s",
            tables[0].log_dir,
            recorded,
            "s" if recorded > 1 else "",
            f"{len(tables)} tables" if len(tables) > 1 else f"table {tables[0].name}",
            sum(table.analyzed for table in tables),
            shlex.quote(tables[0].log_dir),
        )
