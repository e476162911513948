"""What rules look at: the scalars of one table by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from visualdl_embedding.alerts._evidence import DriftEvidence

__all__ = ["History", "HistoryView", "finite"]


@dataclass(frozen=True)
class History:
    """Scalars of one table, in the order of its steps.

    Attributes
    ----------
    table
        Name of the table.
    steps
        Ascending. The run's first step should stay among them, since a collapse is measured against it.
    scalars
        One mapping for each step, by `visualdl_embedding.core.names.scalar_key`.
    evidence
        By step, what a drift computation found; only `DriftTowards` reads it.
    """

    table: str
    steps: tuple[int, ...]
    scalars: tuple[Mapping[str, float], ...]
    evidence: Mapping[int, Sequence[DriftEvidence]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.scalars):
            raise ValueError(
                f"A history needs one mapping of scalars per step: {len(self.scalars)} for {len(self.steps)}."
            )
        if any(a >= b for a, b in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("The steps of a history must ascend, each standing there once; sort them first.")

    @classmethod
    def of(
        cls,
        table: str,
        by_step: Mapping[int, Mapping[str, float]],
        *,
        evidence: Mapping[int, Sequence[DriftEvidence]] | None = None,
    ) -> History:
        """Build a history from scalars by step, in any order.

        >>> History.of("word", {200: {"isoscore": 0.3}, 100: {"isoscore": 0.5}}).steps
        (100, 200)
        """
        steps = tuple(sorted(by_step))
        return cls(table, steps, tuple(by_step[step] for step in steps), evidence or {})

    @classmethod
    def from_curves(
        cls,
        table: str,
        curves: Mapping[str, Mapping[int, float]],
        *,
        evidence: Mapping[int, Sequence[DriftEvidence]] | None = None,
    ) -> History:
        """Build a history from what ``run.scalars(table)`` returns: by key, then by step.

        >>> History.from_curves("word", {"isoscore": {100: 0.5}, "hubness": {100: 1.0, 200: 2.0}}).scalars[1]
        {'hubness': 2.0}
        """
        by_step: dict[int, dict[str, float]] = {}
        for key, curve in curves.items():
            for step, value in curve.items():
                by_step.setdefault(step, {})[key] = value
        return cls.of(table, by_step, evidence=evidence)

    def __len__(self) -> int:
        return len(self.steps)


def finite(scalars: Mapping[str, float], key: str) -> float | None:
    """Read a scalar; None where it is missing or no finite number."""
    value = scalars.get(key)
    return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class HistoryView:
    """A history up to the snapshot that is judged.

    Attributes
    ----------
    history
        All of it.
    index
        Position of the snapshot that is judged; a rule looks at nothing later.
    baseline
        Scalars to compare with instead of earlier snapshots; None where there are none.
    look
        How many snapshots this rule has judged, this one included; None where it is judged once (CI).
    timeless
        Whether the snapshot is a model on its own, whose step is not known.
    """

    history: History
    index: int
    baseline: Mapping[str, float] | None = None
    look: int | None = None
    timeless: bool = False

    @property
    def at(self) -> tuple[str, str]:
        """Which snapshot is judged, as words for a sentence in English and in Chinese."""
        return ("in this snapshot", "此快照中") if self.timeless else (f"at step {self.step}", f"第 {self.step} 步")

    @property
    def step(self) -> int:
        """Of the snapshot that is judged."""
        return self.history.steps[self.index]

    @property
    def scalars(self) -> Mapping[str, float]:
        """Of the snapshot that is judged."""
        return self.history.scalars[self.index]

    @property
    def evidence(self) -> Sequence[DriftEvidence]:
        """Of the snapshot that is judged."""
        return self.history.evidence.get(self.step, ())

    def value(self, key: str) -> float | None:
        """Scalar of the snapshot that is judged; None where unknown."""
        return finite(self.scalars, key)

    def earlier(self, key: str, within: int) -> list[tuple[int, float]]:
        """Step and value at those of the last `within` snapshots before this one where it is known."""
        first = max(0, self.index - within)
        found = ((self.history.steps[i], finite(self.history.scalars[i], key)) for i in range(first, self.index))
        return [(step, value) for step, value in found if value is not None]

    def first(self, key: str) -> tuple[int, float] | None:
        """Step and value of the earliest snapshot that has one, this one included."""
        for step, scalars in zip(self.history.steps[: self.index + 1], self.history.scalars, strict=False):
            value = finite(scalars, key)
            if value is not None:
                return step, value
        return None

    def has_had(self, key: str) -> bool:
        """Whether the scalar is known at this snapshot or was at an earlier one."""
        return self.first(key) is not None
