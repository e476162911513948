"""State of files by names and stamps: unchanged, grown, or replaced."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from visualdl_embedding.core.stamps import FileStamp, content_stamp, file_stamp

__all__ = ["Listing", "Mark", "list_folder", "mark"]

_TAIL_BYTES = 256
_STEP = re.compile(r"(snapshot|analysis)-(\d{9,})\.safetensors")
_OTHERS = ("table.json", "metadata.tsv", "alerts.jsonl")
_LISTED_NS = 10_000_000_000
_SETTLED_NS = 2_000_000_000
"""Age of a change from which on the folder's time is reliable: file systems have a resolution of up to 2 s."""


class Mark(NamedTuple):
    """Stamp and last bytes of a file that only grows.

    The system reuses inode numbers, so a file that is replaced twice may have its first number again, but it has other
    bytes at this position.
    """

    stamp: FileStamp
    tail: bytes


def mark(path: str | os.PathLike[str], before: Mark | None = None) -> Mark | None:
    """Mark a local file; None if there is none, or if it is not the file of `before`, unchanged or grown."""
    if before is not None and before.stamp == file_stamp(path):
        return before
    try:
        with open(path, "rb") as file:
            stamp = file_stamp(file.fileno())
            assert stamp is not None, "The file is open."

            def tail(end: int) -> bytes:
                start = max(0, end - _TAIL_BYTES)
                file.seek(start)
                return file.read(end - start)

            if before is not None:
                _, size, number = before.stamp
                if stamp[2] != number or stamp[1] < size or tail(size) != before.tail:
                    return None
            return Mark(stamp, tail(stamp[1]))
    except OSError:
        return None


@dataclass(frozen=True)
class Listing:
    """Content of a table's folder, without reading any file.

    Stamps of snapshots and their analyses are by step, ascending; those of ``table.json``, ``metadata.tsv`` and
    ``alerts.jsonl`` by name, if they exist. `folder_changed` is the time of the last change to the names, `listed` that
    of the listing, in ns.
    """

    snapshots: Mapping[int, FileStamp]
    analyses: Mapping[int, FileStamp]
    others: Mapping[str, FileStamp]
    folder_changed: int
    listed: int
    links: tuple[str, ...] = ()

    @cached_property
    def stamp(self) -> str:
        """Digest that changes with any file of the folder."""
        return content_stamp(list(self.snapshots.items()), self.analyses_stamp, sorted(self.others.items()))

    @cached_property
    def analyses_stamp(self) -> str:
        """Digest that changes with any analysis."""
        return content_stamp(list(self.analyses.items()))


def list_folder(folder: Path, before: Listing | None = None) -> Listing:
    """List the folder of a table.

    The steps of the previous listing are used again for ten seconds if no name has changed since: a poll each second
    then takes four system calls instead of one for each of a thousand steps. A file that is overwritten in place, for
    example by a copy of a damaged one, changes no name.
    """
    others = {name: stamp for name in _OTHERS if (stamp := file_stamp(folder / name)) is not None}
    try:
        now, changed = time.time_ns(), os.stat(folder).st_mtime_ns
        fresh = now - changed > _SETTLED_NS and before is not None and 0 <= now - before.listed < _LISTED_NS
        if fresh and before is not None and before.folder_changed == changed:
            return before if before.others == others else replace(before, others=others)
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return Listing({}, {}, {}, 0, 0)
    files: dict[str, dict[int, FileStamp]] = {"snapshot": {}, "analysis": {}}
    for entry in entries:
        matched = _STEP.fullmatch(entry.name)
        if matched and (stamp := file_stamp(entry.path)) is not None:
            files[matched[1]][int(matched[2])] = stamp
    snapshots = dict(sorted(files["snapshot"].items()))
    analyses = {step: stamp for step, stamp in sorted(files["analysis"].items()) if step in snapshots}
    links = tuple(sorted(entry.name for entry in entries if entry.is_symlink()))
    return Listing(snapshots, analyses, others, changed, now, links)
