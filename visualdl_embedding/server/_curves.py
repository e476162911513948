"""Scalars of other writers in the VisualDL log of a run, such as ``train/loss``."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visualdl_embedding.core.stamps import FileStamp, file_stamp
from visualdl_embedding.logs import is_ours, log_files, record_class, scan
from visualdl_embedding.server._files import Mark, mark

__all__ = ["Curves"]

MAX_POINTS = 1000
_KEPT_POINTS = 20_000
"""Points of a tag in memory; of more, every second one is dropped."""
_SMALL_BYTES = 16_384
"""A scalar takes about 60 bytes. Larger records are images and tables, which are skipped unread."""


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
        elif not math.isfinite(value):
            self.values[-1] = value
        self.seen += 1
        if len(self.steps) > _KEPT_POINTS:
            self.steps, self.values, self.stride = *_every(2, self.steps, self.values), 2 * self.stride


@dataclass
class _File:
    offset: int = 0
    mark: Mark | None = None
    series: dict[str, _Series] = field(default_factory=dict)


class Curves:
    """Curves of one run. Reads only what was added to its log files since the last call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stamp: tuple[tuple[str, FileStamp], ...] = ()
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()

    def refresh(self) -> Curves:
        """Read new records."""
        with self._lock:
            # Links may lead out of the log directories.
            paths = [path for path in log_files(self.folder) if not path.is_symlink()]
            stamps = tuple((path.name, stamp) for path in paths if (stamp := file_stamp(path)) is not None)
            if stamps != self.stamp:
                self._files = {path: _read_on(path, self._files.get(path, _File())) for path in paths}
                self.stamp = stamps
        return self

    def tags(self) -> list[str]:
        """Return the tags in the order of their first records."""
        with self._lock:
            return list(dict.fromkeys(tag for file in self._files.values() for tag in file.series))

    def answer(self) -> dict[str, Any]:
        """Return steps and values of each tag, at most `MAX_POINTS`."""
        with self._lock:
            points: dict[str, dict[int, float]] = {}
            for file in self._files.values():
                for tag, series in file.series.items():
                    # A resumed training repeats steps: the last value counts.
                    points.setdefault(tag, {}).update(zip(series.steps, series.values, strict=True))
        return {"curves": {tag: _thinned(sorted(found.items())) for tag, found in points.items()}}


def _thinned(points: list[tuple[int, float]]) -> dict[str, list[Any]]:
    every = max(1, math.ceil(len(points) / MAX_POINTS))
    # Backwards, so that the newest point is kept.
    steps, values = _every(every, [step for step, _ in points[::-1]], [value for _, value in points[::-1]])
    return {"steps": steps[::-1], "values": values[::-1]}


def _every(number: int, steps: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Keep the first of each `number` points; its value is not finite if one of theirs is not."""
    broken = (i for i, value in enumerate(values) if not math.isfinite(value))
    kept = values[::number]
    for i in broken:
        kept[i // number] = values[i]
    return steps[::number], kept


def _read_on(path: Path, file: _File) -> _File:
    found = mark(path, file.mark)
    if found is None:
        # Replaced, as by `relog`, or shortened.
        file, found = _File(), mark(path)
    if found is None:
        return file
    file.mark = found
    for entry in scan(path, start=file.offset, max_bytes=_SMALL_BYTES):
        file.offset = entry.end
        if entry.kind == "value" and not is_ours(entry.tag):
            value = record_class().FromString(entry.data).values[0]
            file.series.setdefault(entry.tag, _Series()).add(int(value.id), float(value.value))
    return file
