"""Scalars that others wrote into VisualDL's file beside a run: ``train/loss`` and the like."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from visualdl_embedding.logs import is_ours, log_files
from visualdl_embedding.server._listing import Stamp, stamp_of
from visualdl_embedding.server._replaced import Mark, is_same, mark_of

__all__ = ["Curves"]

MAX_POINTS = 1000
_KEPT_POINTS = 20_000
"""Of one tag, in memory; past that every second one goes."""
_SMALL_BYTES = 16_384
"""A scalar takes about 60 bytes. Longer records are pictures and tables: they are passed over unread."""


@dataclass
class _Series:
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    stride: int = 1
    seen: int = 0

    def add(self, step: int, value: float) -> None:
        if self.seen % self.stride == 0:
            self.steps.append(step)
            self.values.append(value)
        self.seen += 1
        if len(self.steps) > _KEPT_POINTS:
            self.steps, self.values, self.stride = self.steps[::2], self.values[::2], 2 * self.stride

    def ascending(self) -> _Series:
        """Put points in the order of their steps: a training that was resumed goes over some of them again."""
        points = dict(zip(self.steps, self.values, strict=True))
        return _Series(sorted(points), [points[step] for step in sorted(points)])

    def answer(self) -> dict[str, list[Any]]:
        every = max(1, math.ceil(len(self.steps) / MAX_POINTS))
        # Counted from the end: the newest point is the one that is asked about.
        first = (len(self.steps) - 1) % every
        return {"steps": self.steps[first::every], "values": self.values[first::every]}


@dataclass
class _File:
    offset: int = 0
    mark: Mark | None = None
    series: dict[str, _Series] = field(default_factory=dict)


class Curves:
    """What one run's files hold, read on from where the last reading ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stamp: tuple[tuple[str, Stamp], ...] = ()
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()

    def refresh(self) -> Curves:
        """Read what is new."""
        with self._lock:
            # A link in the directory may lead anywhere.
            paths = [path for path in log_files(self.folder) if not path.is_symlink()]
            stamps = tuple((path.name, stamp) for path in paths if (stamp := stamp_of(path)) is not None)
            if stamps == self.stamp:
                return self
            self._files = {path: self._files.get(path, _File()) for path in paths}
            for path, file in self._files.items():
                _read_on(path, file)
            self.stamp = stamps
        return self

    def tags(self) -> list[str]:
        """List tags in the order in which they were first written."""
        with self._lock:
            return list(dict.fromkeys(tag for file in self._files.values() for tag in file.series))

    def answer(self) -> dict[str, Any]:
        """Give steps and values of each tag, at most `MAX_POINTS`."""
        with self._lock:
            joined: dict[str, _Series] = {}
            for file in self._files.values():
                for tag, series in file.series.items():
                    one = joined.setdefault(tag, _Series())
                    one.steps += series.steps
                    one.values += series.values
            return {"curves": {tag: series.ascending().answer() for tag, series in joined.items()}}


def _read_on(path: Path, file: _File) -> None:
    from visualdl_embedding.logs import record_class

    record = record_class()
    try:
        opened = open(path, "rb")  # noqa: SIM115
    except OSError:
        return
    with opened:
        if file.mark is not None and not is_same(opened, file.mark):
            # Replaced (`relog`) or cut back: what was read is another file's.
            file.offset, file.series = 0, {}
        file.mark = mark_of(opened)
        _, size, _ = file.mark.stamp
        for data, end in _small_records(opened, file.offset, size):
            file.offset = end
            if data is not None:
                _take(record, data, file.series)


def _small_records(opened: IO[bytes], offset: int, size: int) -> Iterator[tuple[bytes | None, int]]:
    """Yield whole records, None for a large one, with where each ends; half a record is left for the next time."""
    while offset + 8 <= size:
        opened.seek(offset)
        length = int.from_bytes(opened.read(8), "little")
        end = offset + 8 + length
        if not length or end > size:
            return
        yield (opened.read(length) if length <= _SMALL_BYTES else None), end
        offset = end


def _take(record: Any, data: bytes, series: dict[str, _Series]) -> None:
    from google.protobuf.message import DecodeError

    try:
        values = record.FromString(data).values
    except DecodeError:
        return
    for value in values:
        if value.WhichOneof("one_value") == "value":
            tag = value.tag.replace("%", "/")
            if not is_ours(tag):
                series.setdefault(tag, _Series()).add(int(value.id), float(value.value))
