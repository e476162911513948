"""What a drift computation leaves for the rules."""

from __future__ import annotations

from typing import Protocol

__all__ = ["DriftEvidence"]


class DriftEvidence(Protocol):
    """How one word moved with respect to one group; whatever has these attributes will do.

    Attributes
    ----------
    label, group
        The word, and the group it may have moved towards.
    p_value
        0 to 1, not yet corrected for other words or other steps.
    share_before, share_after
        0 to 1: share of the group among the word's neighbors; NaN where unknown.
    lean_before, lean_after
        How much more similar the word is to the group than to all others; NaN where unknown.
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
