"""Removal of a run from VisualDL's reader after its log was replaced or deleted, so that it is read again."""

from __future__ import annotations

import os
from typing import Any

from visualdl_embedding.server._stamps import Mark, mark

__all__ = ["register_readers"]

_MARKS = "_visualdl_embedding_marks"


def register_readers(stock: Any, self: Any, update: bool = False) -> None:
    """Forget the runs of replaced files before ``LogReader.register_readers`` reads on."""
    # A file is always marked before it is read: the next call notices a replacement in between.
    marks: dict[str, Mark] = vars(self).setdefault(_MARKS, {})
    replaced = []
    for path in self.readers:
        found = mark(path, marks.get(path))
        if found is not None:
            marks[path] = found
        elif path in marks:
            replaced.append(path)
    for folder in {self.readers[path].dir for path in replaced}:
        for path in _forget(self, folder):
            marks.pop(path, None)
    stock(self, update)
    marks |= {path: found for path in self.readers.keys() - marks.keys() if (found := mark(path)) is not None}


def _forget(reader: Any, folder: str) -> list[str]:
    """Remove the data of a run's files from a `LogReader`; return the paths of the files."""
    from visualdl.io import bfile

    paths = [path for path, one in reader.readers.items() if one.dir == folder]
    for path in paths:
        del reader.readers[path]
    # VisualDL stores `a/b` as `a%b`, so the tag follows the last slash.
    tags = {path: os.path.basename(path) for path in reader._tags}
    for path, tag in tags.items():
        if bfile.join(folder, tag) == path:
            _forget_tag(reader.data_manager, reader._tags.pop(path), folder, tag)
    reader._log_datas.pop(folder, None)
    name = reader.tags2name.pop(folder, None)
    reader.name2tags.pop(name, None)
    return paths


def _forget_tag(data_manager: Any, component: str, folder: str, tag: str) -> None:
    several = component == "scalars"
    reservoir = data_manager.get_reservoir("scalar" if several else component)
    with reservoir._mutex:
        gone = [f"{folder}/{tag}"]
        if several:
            # A tag of several curves has one bucket for each: see VisualDL's `Reservoir.add_scalar_item`.
            begin, end = f"{folder}/{tag.replace('%', '_')}_", f"/{tag}"
            gone = [key for key in reservoir._buckets if key.startswith(begin) and key.endswith(end)]
        for key in gone:
            reservoir._buckets.pop(key, None)
