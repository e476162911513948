"""Current runs below one or several log directories."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from visualdl_embedding.core.stamps import content_stamp
from visualdl_embedding.errors import DamagedFileError, NewerFormatError
from visualdl_embedding.server._curves import Curves
from visualdl_embedding.server._files import Listing, list_folder
from visualdl_embedding.server._http import Asked, Cache, NotFound
from visualdl_embedding.server._served import BoundedReader, ServedTable
from visualdl_embedding.store import read_description

__all__ = ["KnownRuns", "RunSource", "ServedRun"]

LOOK_SECONDS = 0.3
"""Maximum age of a view: a page that polls every second shows a new frame within two seconds."""
WALK_SECONDS = 1.0
_MAX_DEPTH = 12
_CACHE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class ServedRun:
    """Run with the directories of its tables, its readable tables by name, and sentences about unreadable files.

    Its name is its path relative to the log directory, ``"."`` for the log directory itself; with the name of the log
    directory in front if there are several.
    """

    name: str
    path: Path
    log_dir: Path
    folders: tuple[Path, ...]
    tables: Mapping[str, ServedTable] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownRuns:
    """All runs at a moment, by name."""

    runs: Mapping[str, ServedRun]
    revision: str
    missing: tuple[str, ...] = ()


class RunSource:
    """Finds runs and caches what is read from them.

    Links to directories are followed within the log directories only: no file outside of them is read.

    Parameters
    ----------
    logdir
        One log directory or several. They may be created later.

    Attributes
    ----------
    given, log_dirs
        The log directories as given, by which VisualDL names runs, and absolute.
    cache
        Cache of all answers.
    """

    def __init__(self, logdir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> None:
        given = [logdir] if isinstance(logdir, str | os.PathLike) else list(logdir)
        if not given:
            raise ValueError("No log directory was given; pass that of a training, such as 'runs'.")
        for folder in given:
            if os.path.exists(folder) and not os.path.isdir(folder):
                raise NotADirectoryError(
                    f"{os.fspath(folder)} is a file, not a log directory; pass the directory that contains it."
                )
        self.given = tuple(os.fspath(folder) for folder in given)
        self.log_dirs = tuple(dict.fromkeys(Path(folder).resolve() for folder in given))
        self.cache = Cache(_CACHE_BYTES)
        self._prefixes = _prefixes(self.log_dirs)
        self._lock = threading.Lock()
        self._view: KnownRuns | None = None
        self._looked = self._walked = float("-inf")
        self._walk_took = 0.0
        self._found: list[ServedRun] = []
        self._notes: list[str] = []
        self._tables: dict[Path, ServedTable] = {}
        self._curves: dict[Path, Curves] = {}

    def view(self) -> KnownRuns:
        """All runs, at most `LOOK_SECONDS` old."""
        with self._lock:
            if self._view is None or time.monotonic() - self._looked > LOOK_SECONDS:
                self._view = self._look()
                self._looked = time.monotonic()
            return self._view

    def run(self, name: str) -> ServedRun:
        """Return a run. Raise `NotFound` if there is none; the message lists up to ten runs."""
        runs = self.view().runs
        if name not in runs:
            known = ", ".join(map(repr, list(runs)[:10])) or "none yet"
            raise NotFound(f"There is no run {name!r}; the runs are {known}{' and more' if len(runs) > 10 else ''}.")
        return runs[name]

    def table(self, run: str, table: str) -> ServedTable:
        """Return a table of a run. Raise `NotFound` if there is no such run or table; the message lists known ones."""
        tables = self.run(run).tables
        if table not in tables:
            known = ", ".join(map(repr, tables)) or "none"
            raise NotFound(f"Run {run!r} has no table {table!r}; its tables are {known}.")
        return tables[table]

    def table_at(self, asked: Asked, *, analyzed: bool = False) -> tuple[ServedTable, int]:
        """Return the table and the step of a request, after `ServedTable.check_step`."""
        table = self.table(asked["run"], asked["table"])
        table.check_step(asked["step"], analyzed=analyzed)
        return table, asked["step"]

    def curves(self, run: ServedRun) -> Curves:
        """Read the scalars of other writers in the log of a run."""
        with self._lock:
            curves = self._curves.setdefault(run.path, Curves(run.path))
        return curves.refresh()

    def redact(self, text: str) -> str:
        """Remove the paths of the log directories from a sentence for a client."""
        for folder in self.log_dirs:
            text = text.replace(str(folder) + os.sep, "").replace(str(folder), folder.name)
        return text

    def _look(self) -> KnownRuns:
        # Large trees are walked less often, so that walking takes at most a tenth of the time.
        if time.monotonic() - self._walked > max(WALK_SECONDS, 10 * self._walk_took):
            start = time.monotonic()
            self._notes = []
            self._found = self._walk()
            self._walked = time.monotonic()
            self._walk_took = self._walked - start
            there = {folder for run in self._found for folder in run.folders}
            self._tables = {folder: table for folder, table in self._tables.items() if folder in there}
        runs = {run.name: self._serve(run) for run in self._found}
        stamps = [
            (run.name, [(name, table.listing.stamp) for name, table in run.tables.items()], run.missing)
            for run in runs.values()
        ]
        return KnownRuns(runs, content_stamp(stamps, self._notes), tuple(map(self.redact, self._notes)))

    def _serve(self, run: ServedRun) -> ServedRun:
        tables, missing = {}, []
        for folder in run.folders:
            before = self._tables.get(folder)
            listing = list_folder(folder, before.listing if before else None)
            if not all(self._is_within((folder / name).resolve()) for name in listing.links):
                missing.append(
                    f"{folder.name} is skipped: a file in it is a link out of the log directories; replace it by its "
                    "target."
                )
                continue
            try:
                table = self._table(run, folder, listing)
            except FileNotFoundError:
                missing.append(f"{folder.name}: table.json is missing, so its snapshots cannot be read.")
                continue
            except (DamagedFileError, NewerFormatError, OSError) as error:
                missing.append(self.redact(str(error)))
                continue
            tables[table.name] = self._tables[folder] = table
        return replace(run, tables=dict(sorted(tables.items())), missing=tuple(missing))

    def _table(self, run: ServedRun, folder: Path, listing: Listing) -> ServedTable:
        before = self._tables.get(folder)
        if before is not None and before.listing.others.get("table.json") == listing.others.get("table.json"):
            return replace(before, listing=listing)
        description = read_description(folder / "table.json")
        reader = BoundedReader(folder, description, cache=self.cache)
        return ServedTable(run.name, reader, listing, cache=self.cache)

    def _walk(self) -> list[ServedRun]:
        found: dict[Path, ServedRun] = {}
        for log_dir, prefix in zip(self.log_dirs, self._prefixes, strict=True):
            if not log_dir.is_dir():
                self._notes.append(
                    f"There is no directory {log_dir.name} yet; its runs appear as soon as a training creates it."
                )
            for path, folders in self._below(log_dir):
                below = path.relative_to(log_dir).as_posix()
                name = below if not prefix else prefix if below == "." else f"{prefix}/{below}"
                # Nested log directories, and links within one, lead to the same run: it keeps its first name.
                found.setdefault(path.resolve(), ServedRun(name, path, log_dir, folders))
        return sorted(found.values(), key=lambda run: run.name)

    def _below(self, log_dir: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
        seen = {log_dir}
        for folder, names, _ in os.walk(log_dir, followlinks=True):
            children = [Path(folder, name) for name in names if not name.startswith(".")]
            children = [child for child in children if self._may_follow(child, seen)]
            for child in children:
                if child.name == "embeddings" and (tables := tuple(self._table_folders(child))):
                    yield child.parent, tables
            depth = len(Path(folder).relative_to(log_dir).parts)
            names[:] = [child.name for child in children if child.name != "embeddings" and depth < _MAX_DEPTH]

    def _table_folders(self, embeddings: Path) -> Iterator[Path]:
        names, _ = _entries(embeddings)
        for folder in [embeddings / name for name in sorted(names)]:
            if self._may_follow(folder, set()):
                _, files = _entries(folder)
                if "table.json" in files or any(name.startswith("snapshot-") for name in files):
                    yield folder

    def _may_follow(self, path: Path, seen: set[Path]) -> bool:
        """Whether a path is no link, or a link to a target within the log directories that is not in `seen`."""
        if not path.is_symlink():
            return True
        target = path.resolve()
        if not self._is_within(target):
            self._notes.append(f"{path} leads out of the log directories and is skipped; pass its target as well.")
            return False
        if target in seen:
            return False
        seen.add(target)
        return True

    def _is_within(self, target: Path) -> bool:
        return any(target.is_relative_to(log_dir) for log_dir in self.log_dirs)


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the directories and files in a folder; none if it cannot be read."""
    _, folders, files = next(os.walk(folder), ("", [], []))
    return folders, files


def _prefixes(log_dirs: Sequence[Path]) -> list[str]:
    """Different names for several log directories; no name for a single one."""
    if len(log_dirs) == 1:
        return [""]
    names: list[str] = []
    for folder in log_dirs:
        name = folder.name or "root"
        names.append(next(free for i in count(1) if (free := name if i == 1 else f"{name}-{i}") not in names))
    return names
