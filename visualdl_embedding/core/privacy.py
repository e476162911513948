"""The one seam that everything passes before it leaves memory."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Privacy", "publish"]

Item = TypeVar("Item")


class Privacy(Protocol):
    """Something that takes a `Snapshot` or an `Analysis` and returns the version of it that may be written."""

    def __call__(self, item: Item, /) -> Item:
        """Return what of the item may be written."""
        ...


def publish(item: Item, privacy: Privacy | None = None) -> Item:
    """Return what of a snapshot or an analysis may be written to a disk, a pipe or a log; all of it by default."""
    return item if privacy is None else privacy(item)
