"""Filter applied to snapshots and analyses before they are written."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Privacy", "publish"]

Item = TypeVar("Item")


class Privacy(Protocol):
    """Callable that returns the publishable version of a `Snapshot` or an `Analysis`."""

    def __call__(self, item: Item, /) -> Item:
        """Return the publishable version of the item."""
        ...


def publish(item: Item, privacy: Privacy | None = None) -> Item:
    """Return the part of a snapshot or an analysis that may be written to disk, pipe or log; by default all of it."""
    return item if privacy is None else privacy(item)
