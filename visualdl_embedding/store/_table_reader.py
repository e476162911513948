"""Read access to one table's folder in a run."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from visualdl_embedding.alerts import Alert
from visualdl_embedding.analysis import Analysis, Frame, State
from visualdl_embedding.core.jsonable import loads_exact
from visualdl_embedding.core.names import escape, step_name
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.store import _frames
from visualdl_embedding.store._description import Description, read_description
from visualdl_embedding.store._metadata import parse_rows

__all__ = ["KINDS", "Kind", "TableReader", "folder_name", "list_steps", "read_alerts", "table_folder"]

Kind = Literal["snapshot", "analysis"]
KINDS: tuple[Kind, ...] = ("analysis", "snapshot")
"""Kinds of files of a step, the one to remove first before the one that it requires."""
Reader = TypeVar("Reader", bound="TableReader")
_STEP = re.compile(r"(snapshot|analysis)-(\d{9,})\.safetensors")
_FORBIDDEN = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in ':*?"<>|'})
"""Full-width replacements for characters that Windows forbids, like the slash in `escape`."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
_LOOKS_HASHED = re.compile(r"-[0-9a-f]{10}$")
_MAX_BYTES = 100
"""Maximum length of the readable part in bytes: file systems allow 255 (eCryptfs 143); Chinese characters take 3."""


def folder_name(table: str) -> str:
    """Return a folder name that is valid on every file system and unique per table.

    Plain lowercase names are unchanged. Names with replaced characters, and names that may differ from another only in
    case or Unicode composition, get a hash of the original name, which ``table.json`` holds.

    >>> folder_name("encoder.word_embeddings")
    'encoder.word_embeddings'
    >>> folder_name("a/b")
    'a／b-c14cddc033'
    """
    text = escape(table).translate(_FORBIDDEN)
    if text.startswith("."):
        text = "．" + text[1:]
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(" .") or "_"
    folded = text.casefold() == text and text.upper().lower() == text
    composed = unicodedata.normalize("NFC", text) == text
    if text == table and folded and composed and not _RESERVED.match(text) and not _LOOKS_HASHED.search(text):
        return text
    digest = hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    # A reserved name with any extension is also reserved, so put the hash before the dot.
    return f"{text.replace('.', '．') if _RESERVED.match(text.casefold()) else text}-{digest}"


def table_folder(log_dir: str | os.PathLike[str], name: str) -> Path:
    """Return the path of a table's folder in a log directory; it need not exist."""
    return Path(log_dir) / "embeddings" / folder_name(name)


def list_steps(folder: Path, kind: Kind) -> set[int]:
    """List the steps with a file of a kind, from file names; empty if there is no folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return {int(found[2]) for name in names if (found := _STEP.fullmatch(name)) and found[1] == kind}


class TableReader:
    """Read-only access to the folder of one table.

    Attributes
    ----------
    folder
        ``<log_dir>/embeddings/<table>``.
    description
        Content of ``table.json``.
    """

    def __init__(self, folder: Path, description: Description) -> None:
        self.folder = folder
        self.description = description
        self._rows: dict[str, Rows] = {}

    @classmethod
    def open(cls: type[Reader], log_dir: str | os.PathLike[str], name: str) -> Reader:
        """Open the folder of an existing table.

        Raises
        ------
        FileNotFoundError
            If the log directory has no such table.
        DamagedFileError, NewerFormatError
            If its ``table.json`` is invalid or newer than this library.
        """
        folder = table_folder(log_dir, name)
        path = folder / "table.json"
        if not path.is_file():
            raise FileNotFoundError(f"{log_dir} holds no table {name!r}: {path} is missing.")
        return cls(folder, read_description(path))

    def steps(self, *, analyzed: bool = False) -> list[int]:
        """List the stored steps, ascending, from file names.

        Parameters
        ----------
        analyzed
            List only steps with an analysis.
        """
        found = list_steps(self.folder, "snapshot")
        return sorted(found & list_steps(self.folder, "analysis") if analyzed else found)

    def path(self, kind: Kind, step: int) -> Path:
        """Return the path of a step's file; it need not exist."""
        return self.folder / f"{kind}-{step_name(step)}.safetensors"

    def read_snapshot(self, step: int) -> Snapshot:
        """Read the snapshot of a step."""
        return _frames.read_snapshot(self.path("snapshot", step), self.read_rows)

    def read_analysis(self, step: int) -> Analysis:
        """Read the analysis of a step."""
        return _frames.read_analysis(self.path("analysis", step))

    def read_numbers(self, step: int) -> tuple[dict[str, float], tuple[Direction, ...]]:
        """Read the scalars of an analysis and the directions of its watched words; only the file header is read."""
        header = _frames.read_header(self.path("analysis", step))
        return dict(header["scalars"]), header["directions"]

    def read_rows(self, version: str | None = None) -> Rows:
        """Read the rows of a version, by default the current one.

        Raises
        ------
        ValueError
            If there is no such version, or its file was modified.
        """
        version = version or self.description.rows_version
        if version not in self._rows:
            self._rows[version] = self._read_rows(version)
        return self._rows[version]

    def all_rows(self) -> list[Rows]:
        """Read the rows of all versions, the current one first; damaged earlier ones are left out."""
        current = self.read_rows()
        found = [current]
        for version in self.description.selections:
            if version != current.version:
                with suppress(OSError, ValueError):
                    found.append(self.read_rows(version))
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Read all alerts, oldest first; incomplete lines are skipped."""
        return _parse_alerts(self.folder / "alerts.jsonl")

    def load_state(self, step: int | None = None) -> State:
        """Rebuild the state for the next analysis from the analyses on disk.

        Parameters
        ----------
        step
            Use the newest readable analysis at or before this step; None for the newest of all.

        Returns
        -------
        The state, empty if nothing is analyzed.
        """
        analyzed = [s for s in self.steps(analyzed=True) if step is None or s <= step]
        previous = next((frame for s in reversed(analyzed) if (frame := self._read_frame(s))), None)
        if previous is None:
            return State()
        # If the run's first frame is missing, use the earliest remaining one.
        earlier = [previous.analysis.first_step, *(s for s in analyzed if s < previous.analysis.step)]
        found = (previous if s == previous.analysis.step else self._read_frame(s) for s in earlier if s in analyzed)
        wanted = 2 * self.description.config.null_pairs
        before = [s for s in analyzed if s < previous.analysis.step][-wanted:] if wanted else []
        frames = (self._read_frame(s) for s in before)
        snapshots = tuple(frame.snapshot for frame in frames if frame is not None)
        return State(first=next(filter(None, found), previous), previous=previous, earlier=snapshots)

    def _read_frame(self, step: int) -> Frame | None:
        try:
            frame = Frame(self.read_snapshot(step), self.read_analysis(step))
        except (OSError, ValueError):
            return None
        # A frame with too few usable rows cannot be a previous state; `analyze` skips it as well.
        return frame if frame.snapshot.is_measurable(frame.analysis.neighbors.distance) else None

    def _metadata_path(self, version: str) -> Path:
        return self.folder / f"metadata-{version}.tsv"

    def _read_rows(self, version: str) -> Rows:
        if version not in self.description.selections:
            # Another process may have stored newer rows.
            self.description = read_description(self.folder / "table.json")
        selections = self.description.selections
        if version not in selections:
            table = self.description.table.name
            raise ValueError(f"Table {table!r} has no rows of version {version!r}; stored: {', '.join(selections)}.")
        selection = selections[version]
        others = {"how": selection.how, "left_out": selection.left_out, "watch": selection.watch}
        own, current = self._metadata_path(version), self.folder / "metadata.tsv"
        # Rows may be replaced at any moment: then `current` holds newer ones, and the second read of `own` succeeds.
        for path in (own, current, own):
            if not path.exists():
                continue
            try:
                # Path.read_text would treat a carriage return as a line end.
                rows = parse_rows(path.read_bytes().decode("utf-8"), **others)
            except ValueError as error:
                raise DamagedFileError(path, str(error)) from error
            # The version is a hash of the content and serves as a checksum.
            if rows.version == version:
                return rows
        raise DamagedFileError(current, f"its rows were changed since they were written (they were version {version})")


def read_alerts(path: str | os.PathLike[str]) -> tuple[Alert, ...]:
    """Read all alerts of a file, oldest first; invalid ones are skipped."""
    found = []
    for values in _parse_alerts(path):
        with suppress(ValueError):
            found.append(Alert.from_dict(values))
    return tuple(found)


def _parse_alerts(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a file with one alert per line, as written, oldest first; none if there is no file."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError):
            if isinstance(alert := loads_exact(line), dict):
                found.append(alert)
    return found
