"""Size limit of the log for a number of frames that may be unknown, and the bytes used of it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

from visualdl_embedding.analysis import Config
from visualdl_embedding.core import names
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs._records import snapshot_sizes
from visualdl_embedding.logs._scan import Entry, parse_entry

__all__ = ["DEFAULT_LOG_BYTES", "SHARES", "LogBudget", "Tally", "is_ours"]

DEFAULT_LOG_BYTES = 200_000_000
SHARES: Mapping[str, float] = MappingProxyType({"vectors": 0.45, "projections": 0.3, "images": 0.2})
"""Shares of the bytes; the rest is for scalars and histograms, which are always logged (about 70 bytes each)."""
MANY_FRAMES = 100_000
"""Number of frames assumed if it is unknown. After these, only the last frame is added."""
_STEP = re.compile(r"step_\d{9,}")


class LogBudget:
    """Selects the frames whose vectors, projections and images are logged.

    Of each kind's share of the bytes, frame k (from 0) may use up to ``log(1 + 10 k) / log(1 + 10 frames)``: a third
    by frame 10, half by frame 100. All early frames, with the largest changes, are logged; later ones are spaced
    geometrically. Room for one frame is reserved for the last.

    The object is stateless: a `Tally` counts the bytes in the log, so a resumed run continues with the same limits.
    Frames not yet written are not counted; they may exceed the limit by their size.

    Parameters
    ----------
    max_bytes
        Limit for all kinds together; None for no limit.
    frames
        Expected number of frames, if known. The frames are then spaced as closely as the limit allows.
    """

    def __init__(self, max_bytes: int | None = DEFAULT_LOG_BYTES, *, frames: int | None = None) -> None:
        if max_bytes is not None and max_bytes < 0:
            raise ValueError(f"max_bytes must be at least 0, or None for no limit, not {max_bytes}.")
        if frames is not None and frames < 1:
            raise ValueError(f"frames must be at least 1, not {frames}.")
        self.max_bytes = max_bytes
        self.frames = frames

    def choose(
        self,
        snapshot: Snapshot,
        config: Config,
        *,
        frame: int,
        spent: Mapping[str, int],
        tables: int = 1,
        final: bool = False,
    ) -> dict[str, bool]:
        """Choose the records of a frame to log in addition to scalars and histograms.

        Parameters
        ----------
        snapshot, config
            Snapshot and settings, from which the sizes are estimated.
        frame
            Number of earlier frames of the table: 0 for the first.
        spent
            Bytes of the table in the log by kind, from `Tally.of`.
        tables
            Number of tables that share the log.
        final
            Whether it is the last frame of the training.

        Returns
        -------
        Kinds of records: ``"vectors"``, ``"projections"``, ``"images"``.
        """
        sizes = snapshot_sizes(snapshot, config)
        return {
            kind: self.wants(frame, nbytes, kind=kind, spent=spent.get(kind, 0), tables=tables, final=final)
            for kind, nbytes in sizes.items()
        }

    def wants(
        self, frame: int, nbytes: int, *, kind: str = "vectors", spent: int = 0, tables: int = 1, final: bool = False
    ) -> bool:
        """Whether to log `nbytes` of a kind for a frame; the parameters are those of `choose`.

        The first and the last frame are logged if both fit.
        """
        if kind not in SHARES:
            raise ValueError(f"kind must be one of {', '.join(SHARES)}, not {kind!r}.")
        if self.max_bytes is None:
            return True
        share = SHARES[kind] * self.max_bytes / tables
        if final:
            # Log the last frame even if unwritten frames have used the reserve.
            return 2 * nbytes <= share or spent + nbytes <= share
        if spent + 2 * nbytes > share:
            return False
        return frame == 0 or spent + nbytes <= (share - nbytes) * self._reached(frame)

    def _reached(self, frame: int) -> float:
        """Share of the limit that the log may use up to a frame, 0 to 1."""
        return min(1.0, math.log1p(10 * frame) / math.log1p(10 * (self.frames or MANY_FRAMES)))


def is_ours(tag: str, tables: Collection[str] | None = None) -> bool:
    """Whether this library writes a tag, for any table or for one of `tables`.

    >>> is_ours("embedding/word/tsne/map"), is_ours("word/tsne/step_000000100"), is_ours("train/loss")
    (True, True, False)
    """
    table = _table_level(tag)
    return table is not None and (tables is None or table in {names.escape(name) for name in tables})


def _table_level(tag: str) -> str | None:
    levels = tag.split("/")
    if len(levels) >= 3 and (levels[0] == "embedding" or (levels[0].split(" ")[0] in names.PARTS and " " in levels[0])):
        return levels[1]
    if len(levels) == 3 and _STEP.fullmatch(levels[2]):
        return levels[0]
    return None


class Tally:
    """Counter of the bytes of our records by table and kind."""

    def __init__(self) -> None:
        self._bytes: Counter[tuple[str, str]] = Counter()

    def add(self, entry: Entry) -> None:
        """Count a record if a `LogBudget` limits its kind."""
        table = _table_level(entry.tag)
        if table is not None and entry.kind in ("image", "embeddings"):
            vectors = "vectors" if entry.tag.split("/")[1] == "vectors" else "projections"
            self._bytes[table, "images" if entry.kind == "image" else vectors] += len(entry.data)

    def add_record(self, record: bytes) -> None:
        """Count a serialized record."""
        if entry := parse_entry(record):
            self.add(entry)

    def of(self, table: str) -> dict[str, int]:
        """Bytes of a table's ``"vectors"``, ``"projections"`` and ``"images"``."""
        level = names.escape(table)
        return {kind: self._bytes[level, kind] for kind in SHARES}
