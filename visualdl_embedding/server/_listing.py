"""What lies in a table's folder at a moment, by names and stamps alone."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

__all__ = ["Listing", "Stamp", "list_folder", "stamp_of"]

Stamp = tuple[int, int, int]
"""Moment of the last change (ns), bytes, and the file's number: a file that is replaced has another."""

_STEP = re.compile(r"(snapshot|analysis)-(\d{9,})\.safetensors")
_OTHERS = ("table.json", "metadata.tsv", "alerts.jsonl")
_SETTLED_NS = 2_000_000_000
"""A folder changed this long ago has not changed since it was read: file systems count in steps of up to 2 s."""


@dataclass(frozen=True)
class Listing:
    """A table's folder.

    Attributes
    ----------
    snapshots, analyses
        Stamp by step, ascending; analyses only where there is a snapshot too.
    others
        Stamp by name of ``table.json``, ``metadata.tsv`` and ``alerts.jsonl``, where they are there.
    folder_changed
        When a name in the folder last changed, in ns.
    links
        Names of entries that are links.
    """

    snapshots: Mapping[int, Stamp]
    analyses: Mapping[int, Stamp]
    others: Mapping[str, Stamp]
    folder_changed: int
    links: tuple[str, ...] = ()

    @cached_property
    def stamp(self) -> str:
        """Changes whenever anything in the folder does."""
        content = repr((list(self.snapshots.items()), list(self.analyses.items()), sorted(self.others.items())))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def stamp_of(path: str | os.PathLike[str] | int) -> Stamp | None:
    """Stamp of a file, by its path or the descriptor of an open one; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def list_folder(folder: Path, before: Listing | None = None) -> Listing:
    """Look at a folder.

    Parameters
    ----------
    folder
        Of a table.
    before
        What was found the last time: its steps are taken over where no name has changed since, so that a poll every
        second costs three calls, and not one for each of a thousand steps.
    """
    others = {name: stamp for name in _OTHERS if (stamp := stamp_of(folder / name)) is not None}
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return Listing({}, {}, {}, 0)
    if before is not None and before.folder_changed == changed and time.time_ns() - changed > _SETTLED_NS:
        return before if before.others == others else replace(before, others=others)
    found: dict[str, dict[int, Stamp]] = {"snapshot": {}, "analysis": {}}
    links = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink():
                    links.append(entry.name)
                matched = _STEP.fullmatch(entry.name)
                if matched and (stamp := stamp_of(entry.path)) is not None:
                    found[matched[1]][int(matched[2])] = stamp
    except OSError:
        return Listing({}, {}, others, changed)
    snapshots = dict(sorted(found["snapshot"].items()))
    analyses = {step: stamp for step, stamp in sorted(found["analysis"].items()) if step in snapshots}
    return Listing(snapshots, analyses, others, changed, tuple(sorted(links)))
