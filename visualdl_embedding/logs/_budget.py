"""What of a frame the log can afford, though nobody knows how many frames will come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs._records import snapshot_sizes

__all__ = ["DEFAULT_LOG_BYTES", "SHARES", "LogBudget"]

DEFAULT_LOG_BYTES = 200_000_000
SHARES: Mapping[str, float] = MappingProxyType({"vectors": 0.45, "projections": 0.3, "images": 0.2})
"""Of the bytes; the rest is for scalars and histograms, which are always logged (about 70 bytes each)."""
MANY_FRAMES = 100_000
"""The bytes last so far where the number of frames is not known; beyond it only the last frame is added."""


class LogBudget:
    """Decides which frames' vectors, projections and images go into a log.

    Of each kind's share of the bytes, frame k (from 0) may use up to ``log(1 + 10 k) / log(1 + 10 frames)``: a third
    by frame 10, half by frame 100. So early frames, in which most happens, are all logged; later ones stand further
    and further apart, by about the same ratio each time. Room for one frame is held back for the last.

    It remembers nothing: what the log holds already is told by a `Tally`, so a resumed run goes on as it was. Frames
    under way are not in the log yet; with one of them the log may exceed its bytes by as much.

    Parameters
    ----------
    max_bytes
        Of all kinds together; None for no bound.
    frames
        How many there will be, if known: the spacing is then the closest that the bytes allow.
    """

    def __init__(self, max_bytes: int | None = DEFAULT_LOG_BYTES, *, frames: int | None = None) -> None:
        if max_bytes is not None and max_bytes < 0:
            raise ValueError(f"max_bytes counts bytes from 0, or is None for no bound; {max_bytes} was given.")
        if frames is not None and frames < 1:
            raise ValueError(f"frames counts from 1, not {frames}.")
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
        """Choose what of a frame is logged besides scalars and histograms.

        Parameters
        ----------
        snapshot, config
            Of which the sizes are estimated.
        frame
            Number of the table's frames before this one: the first is 0.
        spent
            Bytes of the table in the log by kind: `Tally.of`.
        tables
            How many share the log.
        final
            Whether it is the last frame of the training.

        Returns
        -------
        By kind: ``"vectors"``, ``"projections"``, ``"images"``.
        """
        sizes = snapshot_sizes(snapshot, config)
        return {
            kind: self.wants(frame, nbytes, kind=kind, spent=spent.get(kind, 0), tables=tables, final=final)
            for kind, nbytes in sizes.items()
        }

    def wants(
        self, frame: int, nbytes: int, *, kind: str = "vectors", spent: int = 0, tables: int = 1, final: bool = False
    ) -> bool:
        """Whether `nbytes` of a kind are to be logged for a frame; the parameters are those of `choose`.

        The first and the last frame are wanted wherever two fit.
        """
        if kind not in SHARES:
            raise ValueError(f"Unknown kind {kind!r} of records; known are {', '.join(SHARES)}.")
        if self.max_bytes is None:
            return True
        share = SHARES[kind] * self.max_bytes / tables
        if final:
            # Where frames under way have used up what was held back, the last one is worth the excess.
            return 2 * nbytes <= share or spent + nbytes <= share
        if spent + 2 * nbytes > share:
            return False
        return frame == 0 or spent + nbytes <= (share - nbytes) * self._reached(frame)

    def _reached(self, frame: int) -> float:
        """Share of the bytes that a frame may bring the log to, 0 to 1."""
        return min(1.0, math.log1p(10 * frame) / math.log1p(10 * (self.frames or MANY_FRAMES)))
