"""How urgent findings and alerts are: one scale for both."""

from __future__ import annotations

from typing import Literal

__all__ = ["SEVERITIES", "Severity"]

Severity = Literal["info", "warning", "critical"]
"""``"critical"``: something is broken; ``"warning"``: probably worth a change; ``"info"``: good to know."""
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""The most urgent first."""
