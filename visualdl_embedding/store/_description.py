"""Content of ``table.json``, the description of a table in a run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.jsonable import dumps_exact, known_fields, loads_exact
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Table
from visualdl_embedding.store._files import FORMAT_VERSION, check_format, reading, write_atomically

__all__ = ["Description", "Selection", "describe", "read_description", "write_description"]

_LIBRARIES = (
    "visualdl-embedding", "numpy", "scipy", "scikit-learn", "openTSNE", "umap-learn", "pynndescent", "visualdl",
    "paddlepaddle", "paddlepaddle-gpu",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of the rows of one version, as in `Rows`: the part that ``metadata.tsv`` does not hold."""

    how: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    watch: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """Description of a table in a run, without its snapshots.

    Attributes
    ----------
    table
        Watched table.
    config
        Settings of the analysis.
    rows_version
        Version of the rows that newer snapshots use.
    selections
        Selections by version of the rows, oldest first.
    versions
        Versions of Python and the libraries, by name.
    created
        Time of the first write, ISO 8601 in UTC.
    resumed_after
        Last stored step at each resume of the training, in order of time.
    extra
        Additional values from the writer: the schedule, the command, …
    """

    table: Table
    config: Config
    rows_version: str
    selections: Mapping[str, Selection]
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    resumed_after: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """Description of the selection of rows."""
        return self.selections[self.rows_version].how

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of candidates left out, by reason."""
        return self.selections[self.rows_version].left_out

    @property
    def watch(self) -> tuple[str, ...]:
        """Labels with their own scalars."""
        return self.selections[self.rows_version].watch

    def with_rows(self, rows: Rows) -> Description:
        """Return a description with newer rows."""
        selection = Selection(rows.how, dict(rows.left_out), tuple(rows.watch))
        return replace(self, rows_version=rows.version, selections={**self.selections, rows.version: selection})


def describe(table: Table, rows: Rows, *, config: Config, extra: Mapping[str, Any] | None = None) -> Description:
    """Create the description of a table whose run begins now."""
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    empty = Description(table, config, rows.version, {}, installed_versions(), created, extra=dict(extra or {}))
    return empty.with_rows(rows)


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that affect results; libraries not installed are omitted."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_description(path: Path, description: Description) -> None:
    """Write ``table.json`` as indented UTF-8."""
    values = asdict(description) | {"config": description.config.to_dict()}
    text = dumps_exact({"format_version": FORMAT_VERSION, **values}, indent=2)
    write_atomically(path, [text.encode(), b"\n"])


def read_description(path: Path) -> Description:
    """Read ``table.json``, with the errors of `TableReader.open`.

    Unknown fields are ignored: a newer library may add fields within the same format.
    """
    with reading(path):
        found = loads_exact(path.read_bytes())
        check_format(found.get("format_version"), path)
        description = Description(
            table=Table(**known_fields(Table, found["table"])),
            config=Config.from_dict(found["config"]),
            selections={
                version: Selection(**known_fields(Selection, value) | {"watch": tuple(value["watch"])})
                for version, value in found["selections"].items()
            },
            resumed_after=tuple(found["resumed_after"]),
            **{name: found[name] for name in ("rows_version", "versions", "created", "extra")},
        )
        if description.rows_version not in description.selections:
            raise ValueError(f"it has no selection for the rows {description.rows_version!r}")
        return description
