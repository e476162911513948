"""Drift results used by rules."""

from __future__ import annotations

from typing import Protocol

__all__ = ["DriftEvidence"]


class DriftEvidence(Protocol):
    """Motion of one word relative to one group; a protocol.

    Attributes
    ----------
    label, group
        Word, and target group.
    p_value
        0 to 1, not corrected for other words or steps.
    share_before, share_after
        Share of the group among the word's neighbors, 0 to 1; NaN if unknown.
    lean_before, lean_after
        Mean similarity of the word to the group minus that to all others; NaN if unknown.
    """

    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def p_value(self) -> float: ...
    @property
    def share_before(self) -> float: ...
    @property
    def share_after(self) -> float: ...
    @property
    def lean_before(self) -> float: ...
    @property
    def lean_after(self) -> float: ...
