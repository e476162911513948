"""Listing, repair and rebuild of VisualDL's log files."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from visualdl_embedding.core.atomic import move_synced, replacing
from visualdl_embedding.logs._budget import Tally
from visualdl_embedding.logs._scan import HEADER_BYTES, Gap, parse_entry, record_class, scan, walk

__all__ = ["hidden_files_note", "log_files", "repair", "rewrite"]

logger = logging.getLogger("visualdl_embedding")

MARK = "vdlrecords"
"""VisualDL reads every file whose name contains this word."""


def log_files(log_dir: str | os.PathLike[str]) -> list[Path]:
    """List VisualDL's files in a directory. A newly started server reads only the last one.

    Returns
    -------
    Paths sorted by name, as VisualDL sorts them; empty if there is no such directory.
    """
    folder = Path(log_dir)
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if MARK in p.name and p.is_file()), key=lambda p: p.name)


def hidden_files_note(log_dir: str | os.PathLike[str]) -> str | None:
    """Describe the files of a directory that VisualDL does not show; None if it shows all."""
    files = log_files(log_dir)
    if len(files) < 2:
        return None
    hidden = ", ".join(path.name for path in files[:-1])
    return (
        f"{os.fspath(log_dir)} holds {len(files)} VisualDL files, but VisualDL shows only {files[-1].name}; "
        f"{hidden} stay hidden. `visualdl-embedding relog {os.fspath(log_dir)}` joins them."
    )


def repair(path: str | os.PathLike[str], *, tally: Tally | None = None) -> int:
    """Remove unreadable bytes from a file, because they break VisualDL's reader. All complete records are kept.

    If only a record at the end is incomplete, it is removed. Otherwise the damaged file is kept as ``damaged.….log``,
    which VisualDL does not read. A warning in the log gives the number of bytes removed.

    No other process may write to the file.

    Parameters
    ----------
    path
        Path of a log file.
    tally
        Counts every complete record.

    Returns
    -------
    Number of bytes removed.
    """
    path = Path(path)
    gaps: list[Gap] = []
    for part in walk(path):
        if isinstance(part, Gap):
            gaps.append(part)
        elif tally is not None:
            tally.add(part)
    if not gaps:
        return 0
    copy = None
    if _only_torn(gaps):
        with open(path, "r+b") as file:
            file.truncate(gaps[0].start)
            os.fsync(file.fileno())
    else:
        copy = _rebuild(path, (entry.data for entry in scan(path)), gaps)
    _report(path, gaps, copy)
    return sum(gap.stop - gap.start for gap in gaps)


def rewrite(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    keep: Callable[[str], bool],
    append: Iterable[bytes] = (),
) -> Path:
    """Rebuild a log from existing and new records. Readers never see an incomplete file.

    Several files, of which VisualDL shows only one, are merged under the name of the last. The others are renamed to
    ``merged.….log``, which VisualDL does not read, and never deleted.

    Parameters
    ----------
    paths
        One log file, or several in the order of their records (that of `log_files`).
    keep
        Function of a record's tag that returns whether to keep the record, such as ``train/loss`` and all else that is
        not rebuilt. The file's header record is always kept, once.
    append
        Serialized records to append, such as those of `snapshot_records`; consumed one at a time.

    Returns
    -------
    Path of the rebuilt file. Unreadable records of the inputs are not in it; a warning in the log counts them, and
    the damaged file is kept (the last of `paths` as ``damaged.….log``).
    """
    inputs = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not inputs:
        raise ValueError("paths must have at least one log file, but is empty.")
    target = inputs[-1]
    gaps: dict[Path, list[Gap]] = {path: [] for path in inputs}
    copy = _rebuild(target, itertools.chain(_kept(inputs, keep, gaps), _checked(append)), gaps[target])
    copies = {}
    for path in inputs[:-1]:
        copies[path] = _free_name(path, "merged")
        move_synced(path, copies[path])
    for path, found in gaps.items():
        if found:
            _report(path, found, copies.get(path, copy))
    return target


def _kept(inputs: Sequence[Path], keep: Callable[[str], bool], gaps: Mapping[Path, list[Gap]]) -> Iterator[bytes]:
    headings: set[str] = set()
    earlier: set[bytes] = set()
    for path in inputs:
        for entry in walk(path):
            if isinstance(entry, Gap):
                gaps[path].append(entry)
            elif entry.kind == "meta_data":
                # A writer adds a header record each time it opens a file; only the display name identifies it.
                name = record_class().FromString(entry.data).values[0].meta_data.display_name
                if name not in headings and (name or not headings):
                    headings.add(name)
                    yield entry.data
            elif keep(entry.tag):
                # A crash after the last file is replaced, before the others are renamed, leaves duplicate records.
                digest = hashlib.blake2b(entry.data, digest_size=16).digest() if len(inputs) > 1 else b""
                if digest not in earlier:
                    yield entry.data
                if path != inputs[-1]:
                    earlier.add(digest)


def _checked(records: Iterable[bytes]) -> Iterator[bytes]:
    for data in records:
        if parse_entry(data) is None:
            raise ValueError("append must yield serialized VisualDL records; these bytes are not a record.")
        yield data


def _rebuild(target: Path, records: Iterable[bytes], gaps: Sequence[Gap]) -> Path | None:
    """Replace a file by records. Return the copy of a damaged file, one with more gaps than an incomplete record."""
    # Avoid the mark in the name: a server would read the file.
    with replacing(target, prefix=".relog") as file:
        for data in records:
            file.writelines((len(data).to_bytes(HEADER_BYTES, "little"), data))
        copy = _keep_copy(target) if gaps and not _only_torn(gaps) else None
        if target.exists():
            os.chmod(file.name, target.stat().st_mode & 0o777)
    return copy


def _only_torn(gaps: Sequence[Gap]) -> bool:
    return len(gaps) == 1 and gaps[0].torn


def _keep_copy(path: Path) -> Path:
    """Keep a copy of a file that is about to be replaced."""
    copy = _free_name(path, "damaged")
    try:
        os.link(path, copy)
    except OSError:  # for example on file systems without hard links
        shutil.copy2(path, copy)
    return copy


def _report(path: Path, gaps: Sequence[Gap], copy: Path | None) -> None:
    lost = sum(gap.stop - gap.start for gap in gaps)
    if copy is None:
        logger.warning("%s: removed %d bytes of a record that was cut off at the end.", path, lost)
        return
    records = "1 unreadable record" if len(gaps) == 1 else f"{len(gaps)} unreadable records"
    logger.warning("%s: removed %s (%d bytes); the damaged file is kept as %s.", path, records, lost, copy.name)


def _free_name(path: Path, word: str) -> Path:
    """Unused name next to `path` with `word` in place of the mark, so that VisualDL does not read it."""
    name = path.name.replace(MARK, word)
    taken = {other.name for other in path.parent.iterdir()}
    names = (name if count == 1 else f"{name}.{count}" for count in itertools.count(1))
    return path.with_name(next(free for free in names if free not in taken))
