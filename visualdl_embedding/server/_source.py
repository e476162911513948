"""Runs below one or several log directories, as they are at the moment."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visualdl_embedding.server._cache import Cache
from visualdl_embedding.server._curves import Curves
from visualdl_embedding.server._listing import Listing, list_folder
from visualdl_embedding.server._served import BoundedReader, NotFound, OneTable, ServedTable
from visualdl_embedding.store import DamagedFileError, NewerFormatError, read_description

__all__ = ["KnownRuns", "RunSource", "ServedRun"]

LOOK_SECONDS = 0.3
"""How old an answer may be: a page that polls every second then sees a new frame within two."""
WALK_SECONDS = 1.0
_MAX_DEPTH = 12


@dataclass(frozen=True)
class ServedRun:
    """A run as it is served.

    Attributes
    ----------
    name
        Path below the log directory, ``"."`` for the log directory itself; after the name of the log directory where
        there are several.
    path, log_dir
        Its directory, and the log directory that it was found below.
    tables
        By name, sorted.
    missing
        Sentences about what cannot be read.
    """

    name: str
    path: Path
    log_dir: Path
    tables: Mapping[str, ServedTable]
    missing: tuple[str, ...] = ()

    def table(self, name: str) -> ServedTable:
        """Find a table.

        Raises
        ------
        NotFound
            Naming those that there are.
        """
        if name not in self.tables:
            known = ", ".join(map(repr, self.tables)) or "none"
            raise NotFound(f"Run {self.name!r} has no table {name!r}; its tables are {known}.")
        return self.tables[name]


@dataclass(frozen=True)
class KnownRuns:
    """All runs at a moment."""

    runs: Mapping[str, ServedRun]
    revision: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Place:
    name: str
    path: Path
    log_dir: Path
    folders: tuple[Path, ...]


class RunSource:
    """Finds runs and keeps what was read of them.

    Links to directories are followed within the log directories only: nothing outside of them is ever read.

    Parameters
    ----------
    logdir
        A log directory, or several; one that is not there yet may come.
    cache_bytes
        Bound of what is kept in memory.

    Attributes
    ----------
    given
        The log directories as they were given: VisualDL names runs by them.
    log_dirs
        The same, absolute.
    cache
        Shared by all answers.
    """

    def __init__(
        self, logdir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, cache_bytes: int = 128 * 2**20
    ) -> None:
        given = [logdir] if isinstance(logdir, str | os.PathLike) else list(logdir)
        if not given:
            raise ValueError("No log directory was given; pass the one that a training writes to, such as 'runs'.")
        for folder in given:
            if os.path.exists(folder) and not os.path.isdir(folder):
                raise NotADirectoryError(f"{os.fspath(folder)} is a file; a log directory is needed.")
        self.given = tuple(os.fspath(folder) for folder in given)
        self.log_dirs = tuple(dict.fromkeys(Path(folder).resolve() for folder in given))
        self.cache = Cache(cache_bytes)
        self._prefixes = _prefixes(self.log_dirs)
        self._lock = threading.Lock()
        self._view: KnownRuns | None = None
        self._looked = self._walked = float("-inf")
        self._walk_took = 0.0
        self._places: list[_Place] = []
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
        """Find a run by its name.

        Raises
        ------
        NotFound
            Naming some of those that there are.
        """
        runs = self.view().runs
        if name not in runs:
            known = ", ".join(map(repr, list(runs)[:10])) or "none yet"
            raise NotFound(f"There is no run {name!r}; the runs are {known}{' and more' if len(runs) > 10 else ''}.")
        return runs[name]

    def table(self, run: str, table: str) -> ServedTable:
        """Find a table of a run; errors as `run` and `ServedRun.table`."""
        return self.run(run).table(table)

    def curves(self, run: ServedRun) -> Curves:
        """Read what others logged beside a run."""
        with self._lock:
            curves = self._curves.setdefault(run.path, Curves(run.path))
        return curves.refresh()

    def redact(self, text: str) -> str:
        """Take the places of the log directories out of a sentence that goes to a client."""
        for folder in self.log_dirs:
            text = text.replace(str(folder) + os.sep, "").replace(str(folder), folder.name)
        return text

    def _look(self) -> KnownRuns:
        # A huge tree is walked less often, for walking must not become what the server does.
        if time.monotonic() - self._walked > max(WALK_SECONDS, 10 * self._walk_took):
            start = time.monotonic()
            self._notes = []
            self._places = self._walk()
            self._walked = time.monotonic()
            self._walk_took = self._walked - start
            there = {folder for place in self._places for folder in place.folders}
            self._tables = {folder: table for folder, table in self._tables.items() if folder in there}
        runs = {place.name: self._serve(place) for place in self._places}
        stamps = [
            (run.name, [(name, table.listing.stamp) for name, table in run.tables.items()], run.missing)
            for run in runs.values()
        ]
        revision = hashlib.sha256(repr((stamps, self._notes)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
        return KnownRuns(runs, revision, tuple(map(self.redact, self._notes)))

    def _serve(self, place: _Place) -> ServedRun:
        tables, missing = {}, []
        for folder in place.folders:
            before = self._tables.get(folder)
            listing = list_folder(folder, before.listing if before else None)
            if not all(self._is_within((folder / name).resolve()) for name in listing.links):
                missing.append(
                    f"{folder.name}: a file in it is a link out of the log directories, which is not followed."
                )
                continue
            try:
                table = self._table(place, folder, listing)
            except FileNotFoundError:
                missing.append(f"{folder.name}: table.json is missing, so its snapshots cannot be read.")
                continue
            except (DamagedFileError, NewerFormatError, OSError) as error:
                missing.append(self.redact(str(error)))
                continue
            tables[table.name] = self._tables[folder] = table
        return ServedRun(place.name, place.path, place.log_dir, dict(sorted(tables.items())), tuple(missing))

    def _table(self, place: _Place, folder: Path, listing: Listing) -> ServedTable:
        before = self._tables.get(folder)
        if before is not None and before.listing.others.get("table.json") == listing.others.get("table.json"):
            if before.listing is listing:
                return before
            return before.at(listing)
        description = read_description(folder / "table.json")
        reader = BoundedReader(folder, description, cache=self.cache)
        return ServedTable(place.name, OneTable(place.path, reader), reader, listing, cache=self.cache)

    def _walk(self) -> list[_Place]:
        found: dict[Path, _Place] = {}
        for log_dir, prefix in zip(self.log_dirs, self._prefixes, strict=True):
            if not log_dir.is_dir():
                self._notes.append(f"There is no directory {log_dir.name} yet; it is shown when a training makes it.")
            for path, folders in self._below(log_dir):
                below = path.relative_to(log_dir).as_posix()
                name = below if not prefix else prefix if below == "." else f"{prefix}/{below}"
                # A log directory below another one, or a link within it: one run has one name.
                found.setdefault(path.resolve(), _Place(name, path, log_dir, folders))
        return sorted(found.values(), key=lambda place: place.name)

    def _below(self, log_dir: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
        seen = {log_dir}
        waiting = [(log_dir, 0)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                with os.scandir(folder) as entries:
                    children = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
            except OSError:
                continue
            for entry in children:
                child = Path(entry.path)
                if entry.is_symlink() and not self._within(child, seen):
                    continue
                if entry.name == "embeddings":
                    tables = tuple(self._table_folders(child))
                    if tables:
                        yield folder, tables
                elif depth < _MAX_DEPTH:
                    waiting.append((child, depth + 1))

    def _table_folders(self, embeddings: Path) -> Iterator[Path]:
        try:
            names = sorted(os.listdir(embeddings))
        except OSError:
            return
        for name in names:
            folder = embeddings / name
            if folder.is_symlink() and not self._within(folder, set()):
                continue
            listing = list_folder(folder) if folder.is_dir() else None
            if listing is not None and (listing.snapshots or "table.json" in listing.others):
                yield folder

    def _within(self, link: Path, seen: set[Path]) -> bool:
        """Whether a link may be followed: it leads into a log directory, and not there a second time."""
        target = link.resolve()
        if not self._is_within(target):
            self._notes.append(
                f"{link} leads out of the log directories and is not followed; serve its target as well."
            )
            return False
        if target in seen:
            return False
        seen.add(target)
        return True

    def _is_within(self, target: Path) -> bool:
        return any(target.is_relative_to(log_dir) for log_dir in self.log_dirs)


def _prefixes(log_dirs: Sequence[Path]) -> list[str]:
    """Name the log directories, where there are several, each differently."""
    if len(log_dirs) == 1:
        return [""]
    names: list[str] = []
    for folder in log_dirs:
        name, count = folder.name or "root", 1
        while name in names:
            count += 1
            name = f"{folder.name or 'root'}-{count}"
        names.append(name)
    return names
