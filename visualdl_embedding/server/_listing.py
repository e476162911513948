"""Content of a table's folder by names and stamps, without reading any file."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from visualdl_embedding.server._stamps import Stamp, stamp_of

__all__ = ["Listing", "list_folder"]

_STEP = re.compile(r"(snapshot|analysis)-(\d{9,})\.safetensors")
_OTHERS = ("table.json", "metadata.tsv", "alerts.jsonl")
_SETTLED_NS = 2_000_000_000
"""Age of a change from which on the folder's time is reliable: file systems have a resolution of up to 2 s."""


@dataclass(frozen=True)
class Listing:
    """Content of a table's folder.

    Attributes
    ----------
    snapshots, analyses
        Stamps by step, ascending; analyses of stored snapshots only.
    others
        Stamps of ``table.json``, ``metadata.tsv`` and ``alerts.jsonl`` by name, if they exist.
    folder_changed
        Time of the last change to the names in the folder, in ns.
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
        """Digest that changes with any file of the folder."""
        content = repr((list(self.snapshots.items()), list(self.analyses.items()), sorted(self.others.items())))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def list_folder(folder: Path, before: Listing | None = None) -> Listing:
    """List a folder.

    Parameters
    ----------
    folder
        Folder of a table.
    before
        Previous listing. Its steps are used again if no name has changed since: a poll each second then takes four
        system calls instead of one for each of a thousand steps.
    """
    others = {name: stamp for name in _OTHERS if (stamp := stamp_of(folder / name)) is not None}
    try:
        changed = os.stat(folder).st_mtime_ns
        if before is not None and before.folder_changed == changed and time.time_ns() - changed > _SETTLED_NS:
            return before if before.others == others else replace(before, others=others)
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return Listing({}, {}, {}, 0)
    files: dict[str, dict[int, Stamp]] = {"snapshot": {}, "analysis": {}}
    for entry in entries:
        matched = _STEP.fullmatch(entry.name)
        if matched and (stamp := stamp_of(entry.path)) is not None:
            files[matched[1]][int(matched[2])] = stamp
    snapshots = dict(sorted(files["snapshot"].items()))
    analyses = {step: stamp for step, stamp in sorted(files["analysis"].items()) if step in snapshots}
    links = tuple(sorted(entry.name for entry in entries if entry.is_symlink()))
    return Listing(snapshots, analyses, others, changed, links)
