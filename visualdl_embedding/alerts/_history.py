"""Scalars of one table by step, the input of rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from visualdl_embedding.drift import Direction

__all__ = ["History", "HistoryView", "finite"]


@dataclass(frozen=True)
class History:
    """Scalars of one table in the order of its steps.

    Attributes
    ----------
    table
        Name of the table.
    steps
        Ascending. Keep the run's first step, because a collapse is measured against it.
    scalars
        One mapping per step, by `visualdl_embedding.core.names.scalar_key`.
    evidence
        Drift results by step, for `DriftTowards`.
    """

    table: str
    steps: tuple[int, ...]
    scalars: tuple[Mapping[str, float], ...]
    evidence: Mapping[int, Sequence[Direction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.scalars):
            raise ValueError(
                f"scalars must have one mapping per step: {len(self.scalars)} mappings for {len(self.steps)} steps."
            )
        if any(a >= b for a, b in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("steps must be ascending without duplicates; sort them first.")

    @classmethod
    def of(
        cls,
        table: str,
        by_step: Mapping[int, Mapping[str, float]],
        *,
        evidence: Mapping[int, Sequence[Direction]] | None = None,
    ) -> History:
        """Create a history from scalars by step, in any order.

        >>> History.of("word", {200: {"isoscore": 0.3}, 100: {"isoscore": 0.5}}).steps
        (100, 200)
        """
        steps = tuple(sorted(by_step))
        return cls(table, steps, tuple(by_step[step] for step in steps), evidence or {})

    def __len__(self) -> int:
        return len(self.steps)


def finite(scalars: Mapping[str, float], key: str) -> float | None:
    """Read a scalar; None if it is missing or not finite."""
    value = scalars.get(key)
    return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class HistoryView:
    """History up to the evaluated snapshot.

    Attributes
    ----------
    history
        The whole history.
    index
        Position of the evaluated snapshot; rules ignore later ones.
    baseline
        Scalars to compare with instead of earlier snapshots, or None.
    look
        Number of snapshots evaluated by this rule, including this one; None for a single evaluation (CI).
    timeless
        Whether the snapshot is a model without a known step.
    """

    history: History
    index: int
    baseline: Mapping[str, float] | None = None
    look: int | None = None
    timeless: bool = False

    @property
    def at(self) -> tuple[str, str]:
        """Phrase for the evaluated snapshot, in English and in Chinese."""
        return ("in this snapshot", "此快照中") if self.timeless else (f"at step {self.step}", f"第 {self.step} 步")

    @property
    def step(self) -> int:
        """Step of the evaluated snapshot."""
        return self.history.steps[self.index]

    @property
    def scalars(self) -> Mapping[str, float]:
        """Scalars of the evaluated snapshot."""
        return self.history.scalars[self.index]

    @property
    def evidence(self) -> Sequence[Direction]:
        """Drift results of the evaluated snapshot."""
        return self.history.evidence.get(self.step, ())

    def value(self, key: str) -> float | None:
        """Scalar of the evaluated snapshot; None if unknown."""
        return finite(self.scalars, key)

    def known(self, key: str, start: int, end: int) -> Iterator[tuple[int, float]]:
        """Yield steps and known values of the snapshots from position `start` up to, without, `end`."""
        for index in range(max(0, start), end):
            value = finite(self.history.scalars[index], key)
            if value is not None:
                yield self.history.steps[index], value

    def first(self, key: str) -> tuple[int, float] | None:
        """Step and value of the first snapshot with a known value, up to this one."""
        return next(self.known(key, 0, self.index + 1), None)
