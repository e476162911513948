"""Events of a recorder's thread, with a limit on the bytes of the snapshots among them."""

from __future__ import annotations

import queue
import threading
from typing import Any

from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["Events"]

MAX_WAITING_BYTES = 64_000_000
"""Vectors in memory that wait for the disk: 12 snapshots of 10,000 x 128."""


class Events:
    """Queue of events. A snapshot is an event ``("snapshot", snapshot, final)``; others are not limited.

    One snapshot of each table is admitted whatever its size, and so are final ones, which no later snapshot replaces.
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()
        self._room = threading.Condition()
        self._bytes: dict[tuple[str, int], int] = {}

    def put(self, *event: Any) -> None:
        """Add an event."""
        self._queue.put(event)

    def offer(self, snapshot: Snapshot, *, final: bool, timeout: float) -> bool:
        """Add a snapshot; return whether there was room within `timeout` seconds."""
        size = snapshot.vectors.nbytes

        def has_room() -> bool:
            of_table = any(table == snapshot.table for table, _ in self._bytes)
            return final or not of_table or sum(self._bytes.values()) + size <= MAX_WAITING_BYTES

        with self._room:
            if not self._room.wait_for(has_room, timeout):
                return False
            self._bytes[snapshot.table, snapshot.step] = size
        self.put("snapshot", snapshot, final)
        return True

    def release(self, snapshot: Snapshot) -> None:
        """Make room after a snapshot was written."""
        with self._room:
            self._bytes.pop((snapshot.table, snapshot.step), None)
            self._room.notify_all()

    def get(self, timeout: float | None = None) -> Any:
        """Return the next event; raise `queue.Empty` after `timeout` seconds."""
        return self._queue.get(timeout=timeout)

    def is_empty(self) -> bool:
        """Whether no event waits."""
        return self._queue.empty()

    @property
    def unwritten(self) -> list[tuple[str, int]]:
        """Tables and steps of the snapshots that are not written yet."""
        with self._room:
            return list(self._bytes)
