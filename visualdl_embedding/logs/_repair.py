"""VisualDL's log files: which there are, how to repair and how to rebuild them."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from visualdl_embedding.logs._entries import Tally, tag_and_kind
from visualdl_embedding.logs._library import record_class
from visualdl_embedding.logs._scan import HEADER_BYTES, Gap, scan, walk

__all__ = ["hidden_files_note", "log_files", "repair", "rewrite"]

logger = logging.getLogger("visualdl_embedding")

MARK = "vdlrecords"
"""VisualDL reads a file whose name holds this word, whatever else stands there."""


def log_files(log_dir: str | os.PathLike[str]) -> list[Path]:
    """List VisualDL's files of a directory; a fresh server reads the last one and no other.

    Returns
    -------
    Paths by name, as VisualDL sorts them; empty where there is no such directory.
    """
    folder = Path(log_dir)
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if MARK in p.name and p.is_file()), key=lambda p: p.name)


def hidden_files_note(log_dir: str | os.PathLike[str]) -> str | None:
    """Say which files of a directory VisualDL will not show; None where it shows all there is."""
    files = log_files(log_dir)
    if len(files) < 2:
        return None
    hidden = ", ".join(path.name for path in files[:-1])
    return (
        f"{os.fspath(log_dir)} holds {len(files)} VisualDL files, of which VisualDL shows only {files[-1].name}; "
        f"{hidden} stay hidden. `visualdl-embedding relog {os.fspath(log_dir)}` joins them."
    )


def repair(path: str | os.PathLike[str], *, tally: Tally | None = None) -> int:
    """Remove what cannot be read from a file, for VisualDL's reader breaks on it; all whole records stay.

    A record that the end of the file cuts off is simply removed. Where anything else goes, the damaged file is kept as
    ``damaged.….log``, which VisualDL does not read. One line of the log says how much went.

    Nobody else may be writing to the file.

    Parameters
    ----------
    path
        A log file.
    tally
        Counts every whole record.

    Returns
    -------
    How many bytes were removed.
    """
    path = Path(path)
    gaps = []
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
        with _replacing(path) as file:
            for entry in scan(path):
                _write(file, entry.data)
            _sync(file)
            copy = _keep_copy(path)
        _sync_folder(path.parent)
    _report(path, gaps, copy)
    return sum(gap.stop - gap.start for gap in gaps)


def rewrite(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    keep: Callable[[str], bool],
    append: Iterable[bytes] = (),
) -> Path:
    """Rebuild a log from what it holds and new records; a reader never sees half of it.

    Several files, which hide one another in VisualDL, become one under the name of the last. The others are renamed
    out of VisualDL's sight (``merged.….log``), never deleted.

    Parameters
    ----------
    paths
        One log file, or several in the order in which their records shall stand (that of `log_files`).
    keep
        Is asked for the tag of every record; ``train/loss`` and all else that is not rebuilt wants to stay. The file's
        own heading is kept in any case, once.
    append
        Serialized records that follow, such as those of `snapshot_records`; taken one at a time.

    Returns
    -------
    The file, whole. Records of the inputs that cannot be read are not in it; one line of the log counts them, and the
    damaged file is kept (the last of `paths` as ``damaged.….log``).
    """
    inputs = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not inputs:
        raise ValueError("rewrite needs at least one log file; none was given.")
    target = inputs[-1]
    gaps: dict[Path, list[Gap]] = {path: [] for path in inputs}
    copy = None
    with _replacing(target) as file:
        for data in _kept(inputs, keep, gaps):
            _write(file, data)
        for data in append:
            if tag_and_kind(data) is None:
                raise ValueError("rewrite appends serialized VisualDL records; these bytes are none.")
            _write(file, data)
        _sync(file)
        if gaps[target] and not _only_torn(gaps[target]):
            copy = _keep_copy(target)
    copies = {path: _hide(path) for path in inputs[:-1]}
    _sync_folder(target.parent)
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
                # Each time a writer opens a file it adds one; only its display name tells them apart.
                name = record_class().FromString(entry.data).values[0].meta_data.display_name
                if name not in headings and (name or not headings):
                    headings.add(name)
                    yield entry.data
            elif keep(entry.tag):
                # A crash after the last file was replaced, before the others were renamed, leaves their records twice.
                digest = hashlib.blake2b(entry.data, digest_size=16).digest() if len(inputs) > 1 else b""
                if digest not in earlier:
                    yield entry.data
                if path != inputs[-1]:
                    earlier.add(digest)


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `target` at the end, or is removed after an error."""
    # A name with the mark would be a log file of its own to a server that looks just now.
    handle, temporary = tempfile.mkstemp(prefix=".relog-", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _only_torn(gaps: Sequence[Gap]) -> bool:
    return len(gaps) == 1 and gaps[0].torn


def _keep_copy(path: Path) -> Path:
    """Keep a file that is about to be replaced under a second name."""
    copy = _free_name(path, "damaged")
    try:
        os.link(path, copy)
    except OSError:  # such as a file system without hard links
        shutil.copy2(path, copy)
    return copy


def _report(path: Path, gaps: Sequence[Gap], copy: Path | None) -> None:
    lost = sum(gap.stop - gap.start for gap in gaps)
    if copy is None:
        logger.warning("%s: removed %d bytes of a record that was cut off at the end.", path, lost)
        return
    records = "1 unreadable record" if len(gaps) == 1 else f"{len(gaps)} unreadable records"
    logger.warning("%s: removed %s (%d bytes); the damaged file is kept as %s.", path, records, lost, copy.name)


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(len(data).to_bytes(HEADER_BYTES, "little"))
    file.write(data)


def _hide(path: Path) -> Path:
    hidden = _free_name(path, "merged")
    os.replace(path, hidden)
    return hidden


def _free_name(path: Path, word: str) -> Path:
    """Name beside `path` that VisualDL does not read, for `word` replaces its mark."""
    name = path.name.replace(MARK, word)
    taken = {other.name for other in path.parent.iterdir()}
    names = (name if count == 1 else f"{name}.{count}" for count in itertools.count(1))
    return path.with_name(next(free for free in names if free not in taken))


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
