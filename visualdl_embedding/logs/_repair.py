"""VisualDL's log files: what is in them, where the last whole record ends, and how to rebuild them."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from visualdl_embedding.logs._entries import Entry, Tally, describe
from visualdl_embedding.logs._library import record_class

__all__ = ["hidden_files_note", "log_files", "repair", "rewrite", "scan", "whole_length"]

MARK = "vdlrecords"
"""VisualDL reads a file whose name holds this word, whatever else stands there."""
HEADER_BYTES = 8
LARGEST_RECORD_BYTES = 512 * 1024**2
"""A longer one is taken for garbage: protobuf itself reads no more than 2 GB, and ours stay under 100 MB."""


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


def scan(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """Read a log file record by record, as far as its records are whole.

    A record is whole if its bytes are all there, they are a message of VisualDL's, and it says something: a crash of
    the machine can leave zeros at the end of a file, which are empty messages to protobuf and break the server.
    """
    size = os.path.getsize(path)
    offset = 0
    with open(path, "rb") as file:
        while entry := _read_entry(file, offset, size):
            yield entry
            offset = entry.end


def _read_entry(file: IO[bytes], offset: int, size: int) -> Entry | None:
    header = file.read(HEADER_BYTES)
    length = int.from_bytes(header, "little")
    end = offset + HEADER_BYTES + length
    if len(header) < HEADER_BYTES or not 0 < length <= LARGEST_RECORD_BYTES or end > size:
        return None
    data = file.read(length)
    found = describe(data) if len(data) == length else None
    return None if found is None else Entry(*found, data, end)


def whole_length(path: str | os.PathLike[str], *, tally: Tally | None = None) -> int:
    """Find the offset in bytes at which the last whole record of a file ends; 0 where there is none.

    Reads the file once and holds one record in memory at a time. `tally` is told of each.
    """
    end = 0
    for entry in scan(path):
        end = entry.end
        if tally is not None:
            tally.add(entry)
    return end


def repair(path: str | os.PathLike[str], *, tally: Tally | None = None) -> int:
    """Cut a file back to its last whole record, for VisualDL's reader breaks on half a one.

    Nobody else may be writing to it.

    Parameters
    ----------
    path
        A log file.
    tally
        Is told of every whole record.

    Returns
    -------
    How many bytes were cut.
    """
    whole = whole_length(path, tally=tally)
    cut = os.path.getsize(path) - whole
    if cut:
        with open(path, "r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return cut


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
    The file, whole. What stood behind a broken record of an input could not be read and is not in it.
    """
    inputs = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not inputs:
        raise ValueError("rewrite needs at least one log file; none was given.")
    target = inputs[-1]
    # A name with the mark would be a log file of its own to a server that looks just now.
    handle, temporary = tempfile.mkstemp(prefix=".relog-", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for data in _kept(inputs, keep):
                _write(file, data)
            for data in append:
                if describe(data) is None:
                    raise ValueError("rewrite appends serialized VisualDL records; these bytes are none.")
                _write(file, data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    for path in inputs[:-1]:
        _hide(path)
    _sync_folder(target.parent)
    return target


def _kept(inputs: Iterable[Path], keep: Callable[[str], bool]) -> Iterator[bytes]:
    headings: set[str] = set()
    for path in inputs:
        for entry in scan(path):
            if entry.kind == "meta_data":
                # Each time a writer opens a file it adds one; only its display name tells them apart.
                name = record_class().FromString(entry.data).values[0].meta_data.display_name
                if name not in headings and (name or not headings):
                    headings.add(name)
                    yield entry.data
            elif keep(entry.tag):
                yield entry.data


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(len(data).to_bytes(HEADER_BYTES, "little"))
    file.write(data)


def _hide(path: Path) -> None:
    name = path.name.replace(MARK, "merged")
    taken = {other.name for other in path.parent.iterdir()}
    names = (name if count == 1 else f"{name}.{count}" for count in itertools.count(1))
    os.replace(path, path.with_name(next(free for free in names if free not in taken)))


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
