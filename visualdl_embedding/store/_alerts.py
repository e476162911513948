"""The file of a table's alerts: one line of JSON each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from visualdl_embedding.alerts import Alert
from visualdl_embedding.store._files import append_line
from visualdl_embedding.store._json import dumps

__all__ = ["append_alerts", "read_alerts"]


def append_alerts(path: str | os.PathLike[str], alerts: Iterable[Alert]) -> None:
    """Append alerts, all in one write, and bring them to the disk; nothing is touched where there are none.

    A last line that a killed writer left torn is closed first, so that it spoils itself only.

    Parameters
    ----------
    path
        ``alerts.jsonl`` in the table's folder, which must be there.

    Raises
    ------
    OSError
        With the cause of the system; the file is then as long as it was.
    """
    lines = [dumps(alert.to_dict()) for alert in alerts]
    if lines:
        append_line(Path(path), "\n".join(lines))


def read_alerts(path: str | os.PathLike[str]) -> tuple[Alert, ...]:
    """Read all alerts, oldest first; none where there is no file.

    A line that is torn, or that holds no alert, is passed over: one bad line must not hide the others.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    return tuple(alert for line in lines if (alert := _parse(line)) is not None)


def _parse(line: bytes) -> Alert | None:
    try:
        found = json.loads(line)
        return Alert.from_dict(found) if isinstance(found, dict) else None
    # What is nested without end was not written here.
    except (ValueError, RecursionError):
        return None
