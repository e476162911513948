"""The file of a table's alerts: one line of JSON each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from visualdl_embedding.alerts import Alert
from visualdl_embedding.core.jsonable import dumps_exact, loads_exact
from visualdl_embedding.store._files import append_line, write_atomically

__all__ = ["append_alerts", "parse_alerts", "read_alerts", "write_alerts"]


def append_alerts(path: str | os.PathLike[str], alerts: Iterable[Mapping[str, Any]]) -> None:
    """Append alerts, all in one write, and bring them to the disk; nothing is touched where there are none.

    A last line that a killed writer left torn is closed first, so that it spoils itself only.

    Parameters
    ----------
    path
        ``alerts.jsonl`` in the table's folder, which must be there.
    alerts
        As `Alert.to_dict` makes them.

    Raises
    ------
    OSError
        With the cause of the system; the file is then as long as it was.
    """
    if lines := [dumps_exact(alert) for alert in alerts]:
        append_line(Path(path), "\n".join(lines))


def write_alerts(path: Path, alerts: Iterable[Mapping[str, Any]]) -> None:
    """Put these alerts in the place of those in the file, at once."""
    write_atomically(path, [f"{dumps_exact(alert)}\n".encode() for alert in alerts])


def parse_alerts(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read all alerts as they were written, oldest first; none where there is no file.

    A line that is torn is passed over: one bad line must not hide the others.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [alert for line in lines if (alert := _parse(line)) is not None]


def read_alerts(path: str | os.PathLike[str]) -> tuple[Alert, ...]:
    """Read all alerts, oldest first; what `parse_alerts` finds, but is no alert, is passed over as well."""
    return tuple(alert for values in parse_alerts(path) if (alert := _alert(values)) is not None)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        found = loads_exact(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _alert(values: dict[str, Any]) -> Alert | None:
    try:
        return Alert.from_dict(values)
    except ValueError:
        return None
