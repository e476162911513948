"""Severities of findings and alerts."""

from __future__ import annotations

from typing import Literal

__all__ = ["SEVERITIES", "Severity"]

Severity = Literal["info", "warning", "critical"]
"""``"critical"``: broken; ``"warning"``: probably requires a change; ``"info"``: useful for interpretation."""
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""Most urgent first."""
