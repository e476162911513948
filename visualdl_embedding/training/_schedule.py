"""Schedule of snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps and epochs at which a snapshot is due, in addition to step 0 and the last step.

    Attributes
    ----------
    every_n_steps
        Number of batches; ``"geometric"`` for 1, 2, 3, 4, 5, 6, 8, 10, … (each at least 20% after the previous one,
        because most changes happen early); None for epochs only.
    every_n_epochs
        Number of epochs, used if `every_n_steps` is None; None for never.
    """

    every_n_steps: int | Literal["geometric"] | None = None
    every_n_epochs: int | None = 1

    def __post_init__(self) -> None:
        steps, epochs = self.every_n_steps, self.every_n_epochs
        if steps not in (None, "geometric") and not _is_positive(steps):
            raise ValueError(f'every_n_steps takes a positive number of batches or "geometric", not {steps!r}.')
        if epochs is not None and not _is_positive(epochs):
            raise ValueError(f"every_n_epochs takes a positive number of epochs or None, not {epochs!r}.")

    def due_at_step(self, step: int, last: int) -> bool:
        """Whether a snapshot is due after batch `step` (from 1), with the previous one at step `last`."""
        if self.every_n_steps is None:
            return False
        if self.every_n_steps == "geometric":
            return step >= max(last + 1, int(last * 1.2))
        return step % self.every_n_steps == 0

    def due_at_epoch(self, epoch: int) -> bool:
        """Whether a snapshot is due at the end of the `epoch`-th epoch (from 1)."""
        return self.every_n_steps is None and self.every_n_epochs is not None and epoch % self.every_n_epochs == 0


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
