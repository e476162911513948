"""File with a table's alerts, one JSON object per line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from visualdl_embedding.alerts import Alert
from visualdl_embedding.core.jsonable import dumps_exact, loads_exact
from visualdl_embedding.store._files import append_line, write_atomically

__all__ = ["append_alerts", "parse_alerts", "read_alerts", "write_alerts"]


def append_alerts(path: str | os.PathLike[str], alerts: Iterable[Mapping[str, Any]]) -> None:
    """Append alerts from `Alert.to_dict` in one write, as in `append_line`; the folder must exist.

    Without alerts the file is not touched.
    """
    if lines := [dumps_exact(alert) for alert in alerts]:
        append_line(Path(path), "\n".join(lines))


def write_alerts(path: Path, alerts: Iterable[Mapping[str, Any]]) -> None:
    """Replace the alerts in the file atomically."""
    write_atomically(path, [f"{dumps_exact(alert)}\n".encode() for alert in alerts])


def parse_alerts(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read all alerts as written, oldest first. Return an empty list if there is no file.

    Incomplete lines are skipped.
    """
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


def read_alerts(path: str | os.PathLike[str]) -> tuple[Alert, ...]:
    """Read all alerts, oldest first. Entries of `parse_alerts` that are not valid alerts are skipped."""
    found = []
    for values in parse_alerts(path):
        with suppress(ValueError):
            found.append(Alert.from_dict(values))
    return tuple(found)
