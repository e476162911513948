"""Answers that were made before, within a bound of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

__all__ = ["Cache"]

Value = TypeVar("Value")


class Cache:
    """The values used last, up to so many bytes. Any number of threads may ask; each value is made once.

    Parameters
    ----------
    max_bytes
        Bound of all values together; one that is larger than that is made for every request.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of all values that are kept."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Value], *, size: Callable[[Value], int] | None = None) -> Value:
        """Find a value, or make it.

        Parameters
        ----------
        key
            Holds all that the value depends on, the stamps of the files it is read from included: a value is never
            changed, it falls into disuse.
        make
            Makes it; an exception is passed on, and nothing is kept.
        size
            Bytes of a value; `len` if None.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast(Value, self._values[key][0])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return cast(Value, self._values[key][0])
            try:
                value = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            self._keep(key, value, len(value) if size is None else size(value))  # type: ignore[arg-type]
            return value

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        if size > self.max_bytes:
            return
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = (value, size)
            self._bytes += size - before
            while self._bytes > self.max_bytes:
                _, (_, gone) = self._values.popitem(last=False)
                self._bytes -= gone
