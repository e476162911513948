"""Labels by row id in one block of bytes, and their index: 2,000,000 strings and a dict would take 330 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelIndex", "Labels"]

_ERRORS = "surrogatepass"
"""JSON may hold lone surrogates."""


class Labels(Sequence["str | None"]):
    """Labels by row id, decoded on access; None for an empty label.

    It is equal to a list or tuple of the same labels.

    Parameters
    ----------
    data
        UTF-8.
    starts, stops
        ``(n,)`` integers: position of each label in `data`.

    >>> Labels.of(["a", None, "高兴"])
    ('a', None, '高兴')
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: bytes, starts: NDArray[np.integer], stops: NDArray[np.integer]) -> None:
        self.data = data
        self.starts = starts
        self.stops = stops

    @classmethod
    def of(cls, labels: Iterable[str | None]) -> Labels:
        """Encode labels."""
        data = bytearray()
        # A list of bytes would take more memory than the labels.
        lengths = np.fromiter(_appended(data, labels), dtype=np.int64)
        stops = np.cumsum(lengths).astype(_position_dtype(len(data)))
        return cls(bytes(data), stops - lengths.astype(stops.dtype), stops)

    @classmethod
    def of_lines(cls, text: str) -> Labels:
        r"""Split a text into lines without their ends. White space is kept, because it may be a token.

        Only ``\n`` and ``\r\n`` end a line: `str.splitlines` also splits at ``\x0b``, ``\x0c``, ``\x1c`` and others,
        which are tokens in jieba's vocabulary. A newline at the end of the text does not start another line.
        """
        data = text.encode("utf-8", _ERRORS)
        octets = np.frombuffer(data, dtype=np.uint8)
        dtype = _position_dtype(len(data))
        ends = np.flatnonzero(octets == ord("\n")).astype(dtype)
        if data and not data.endswith(b"\n"):
            ends = np.append(ends, dtype.type(len(data)))
        starts = np.append(dtype.type(0), ends + dtype.type(1))[: len(ends)]
        filled = np.flatnonzero(ends > starts)
        returns = filled[octets[ends[filled] - 1] == ord("\r")]
        if len(returns) * 2 > len(ends):
            ends[returns] -= 1
        return cls(data, starts, ends)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self._decoded(range(len(self))[index]))
        return str(self.data[self.starts[index] : self.stops[index]], "utf-8", _ERRORS) or None

    def __iter__(self) -> Iterator[str | None]:
        return self._decoded(range(len(self)))

    def __reversed__(self) -> Iterator[str | None]:
        return self._decoded(range(len(self) - 1, -1, -1))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple | Labels):
            return NotImplemented
        return len(self) == len(other) and all(own == given for own, given in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return repr(tuple(self))

    @property
    def empty(self) -> NDArray[np.bool_]:
        """``(n,)``: whether an id has no label."""
        return np.asarray(self.starts == self.stops)

    def ends(self, ids: NDArray[np.integer]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the first and last bytes of labels that are not empty."""
        octets = np.frombuffer(self.data, dtype=np.uint8)
        return octets[self.starts[ids]], octets[self.stops[ids] - 1]

    def taken(self, ids: NDArray[np.integer], length: int) -> Labels:
        """Move label i to ``ids[i]`` of `length` ids; the others are empty."""
        starts, stops = np.zeros((2, length), dtype=self.starts.dtype)
        starts[ids], stops[ids] = self.starts, self.stops
        return Labels(self.data, starts, stops)

    def octets(self, order: range | None = None) -> Iterator[bytes]:
        """Iterate over the labels in UTF-8, by default all."""
        data = self.data
        for block in _blocks(range(len(self)) if order is None else order):
            # Python integers index bytes three times as fast as those of NumPy.
            starts, stops = (np.asarray(a)[block].tolist() for a in (self.starts, self.stops))
            for start, stop in zip(starts, stops, strict=True):
                yield data[start:stop]

    def _decoded(self, order: range) -> Iterator[str | None]:
        return (str(label, "utf-8", _ERRORS) or None for label in self.octets(order))


class LabelIndex(Mapping[str, int]):
    """Ids by label. As a mapping it has the lowest id of each label.

    The hashes of the labels are sorted; a label is found by binary search and compared. For 2,000,000 labels this takes
    24 MB, a dict 130 MB and their strings 150 MB.
    """

    def __init__(self, labels: Sequence[str | None]) -> None:
        self._labels = labels if isinstance(labels, Labels) else Labels.of(labels)
        hashes = np.fromiter(map(hash, self._labels.octets()), dtype=np.int64, count=len(self._labels))
        filled = np.flatnonzero(~self._labels.empty).astype(_position_dtype(len(hashes)))
        self._ids = filled[np.argsort(hashes[filled], kind="stable")]
        self._hashes = hashes[self._ids]

    def __reduce__(self) -> tuple[Any, ...]:
        # Hashes differ between processes.
        return (LabelIndex, (self._labels,))

    def ids(self, label: str) -> tuple[int, ...]:
        """Return all ids of a label, ascending."""
        octets = label.encode("utf-8", _ERRORS)
        wanted = hash(octets)
        first, stop = (int(self._hashes.searchsorted(wanted, side)) for side in ("left", "right"))
        labels = self._labels
        return tuple(
            row_id
            for row_id in self._ids[first:stop].tolist()
            if labels.data[labels.starts[row_id] : labels.stops[row_id]] == octets
        )

    def __getitem__(self, label: str) -> int:
        if found := self.ids(label):
            return found[0]
        raise KeyError(label)

    def __contains__(self, label: object) -> bool:
        return isinstance(label, str) and bool(self.ids(label))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(label for label in self._labels if label))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _appended(data: bytearray, labels: Iterable[str | None]) -> Iterator[int]:
    """Append labels to `data`, and return their lengths."""
    for label in labels:
        octets = label.encode("utf-8", _ERRORS) if label else b""
        data += octets
        yield len(octets)


def _position_dtype(length: int) -> np.dtype[Any]:
    return np.dtype(np.int32 if length < 2**31 else np.int64)


def _blocks(order: range, size: int = 65_536) -> Iterator[slice]:
    """Cut a range into slices of at most `size` items."""
    for start in range(0, len(order), size):
        part = order[start : start + size]
        # A descending range that ends at 0 has the stop -1, which a slice would count from the end.
        yield slice(part.start, part.stop if part.stop >= 0 else None, part.step)
