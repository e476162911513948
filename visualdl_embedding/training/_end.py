"""What a recorder logs about its tables at the end, and about a snapshot that it drops."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence

from visualdl_embedding.training._settings import RecordedTable

__all__ = ["log_drop", "log_end", "log_gaps"]

logger = logging.getLogger("visualdl_embedding")

SLOW_WRITE_SECONDS = 1.0


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
    """Log the snapshots without an analysis; `waited` is a further reason."""
    for table in tables:
        if table.recorded > table.analyzed:
            logger.warning(
                "Table %s: %d of %d snapshots are stored without an analysis (%s%s); `visualdl-embedding analyze %s` "
                "analyzes them.",
                table.name,
                table.recorded - table.analyzed,
                table.recorded,
                ", ".join(f"{count} {what}" for what, count in table.skipped.items() if count),
                waited,
                table.log_dir,
            )


def log_end(tables: Sequence[RecordedTable]) -> None:
    """Log how many snapshots were dropped, and what the run holds and how to look at it."""
    if lost := [f"{len(table.dropped)} of table {table.name}" for table in tables if table.dropped]:
        logger.warning("Snapshots that were dropped and are not stored: %s.", ", ".join(lost))
    if recorded := sum(table.recorded for table in tables):
        logger.info(
            "%s: %d snapshots of %s recorded, %d analyzed. View them: visualdl-embedding serve --logdir %s",
            tables[0].log_dir,
            recorded,
            f"{len(tables)} tables" if len(tables) > 1 else f"table {tables[0].name}",
            sum(table.analyzed for table in tables),
            shlex.quote(tables[0].log_dir),
        )
