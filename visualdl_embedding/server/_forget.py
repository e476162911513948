"""Lets VisualDL's reader forget a run whose file was replaced or taken away, and read it anew."""

from __future__ import annotations

import os
from typing import Any

from visualdl_embedding.server._listing import stamp_of
from visualdl_embedding.server._replaced import Mark, is_same, mark_of

__all__ = ["forget_replaced"]

_MARKS = "_visualdl_embedding_marks"


def forget_replaced(stock: Any) -> Any:
    """Look at all files before they are read on: where one is another by now, what its run held is forgotten."""

    def register_readers(self: Any, update: bool = False) -> None:
        # A file is always marked before it is read: one that is replaced in between is found the next time.
        marks: dict[str, Mark] = vars(self).setdefault(_MARKS, {})
        replaced = []
        for path in self.readers:
            mark = _look(path, marks.get(path))
            if mark is not None:
                marks[path] = mark
            elif path in marks:
                replaced.append(path)
        for folder in {self.readers[path].dir for path in replaced}:
            for path in _forget(self, folder):
                marks.pop(path, None)
        stock(self, update)
        for path in self.readers.keys() - marks.keys():
            mark = _look(path, None)
            if mark is not None:
                marks[path] = mark

    return register_readers


def _look(path: str, before: Mark | None) -> Mark | None:
    """Mark a file as it is now; None where it is not what it was, or not of this machine."""
    if before is not None and before.stamp == stamp_of(path):
        return before
    try:
        with open(path, "rb") as file:
            return mark_of(file) if before is None or is_same(file, before) else None
    except OSError:
        return None


def _forget(reader: Any, folder: str) -> list[str]:
    """Take all that a run's files gave out of a `LogReader`, and give their paths."""
    from visualdl.io import bfile

    paths = [path for path, one in reader.readers.items() if one.dir == folder]
    for path in paths:
        del reader.readers[path]
    # VisualDL keeps `a/b` as `a%b`, so what follows the last slash is the tag.
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
            # One tag of several curves has a place for each: see `Reservoir.add_scalar_item` of VisualDL.
            begin, end = f"{folder}/{tag.replace('%', '_')}_", f"/{tag}"
            gone = [key for key in reservoir._buckets if key.startswith(begin) and key.endswith(end)]
        for key in gone:
            reservoir._buckets.pop(key, None)
