"""Bounded cache of answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from cachetools import LRUCache, cached

__all__ = ["Cache"]

Value = TypeVar("Value")


class Cache:
    """Cache of the most recently used values, bounded in bytes. Thread-safe; concurrent calls compute a value once.

    Parameters
    ----------
    max_bytes
        Bound of all values together. A larger value is computed for every request.
    """

    def __init__(self, max_bytes: int) -> None:
        self._values: LRUCache[Hashable, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])

        @cached(self._values, key=lambda key, make, size: key, condition=threading.Condition())
        def entry(key: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> tuple[Any, int]:
            value = make()
            return value, size(value)

        self._entry = entry

    @property
    def num_bytes(self) -> int:
        """Bytes of all cached values."""
        return int(self._values.currsize)

    def get(self, key: Hashable, make: Callable[[], Value], *, size: Callable[[Any], int] = len) -> Value:
        """Return a cached value, or compute it.

        Parameters
        ----------
        key
            Everything that the value depends on, including the stamps of the files that it is read from. A value never
            changes: a changed file gives another key.
        make
            Computes the value. Exceptions are passed on, and nothing is cached.
        size
            Returns the bytes of a value.
        """
        return cast(Value, self._entry(key, make, size)[0])
