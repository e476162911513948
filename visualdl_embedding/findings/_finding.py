"""Result of a detector."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from visualdl_embedding.core.severity import SEVERITIES, Severity
from visualdl_embedding.core.text import Text

__all__ = ["SEVERITIES", "Finding", "Severity"]

_SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """Defect or anomaly in a snapshot, with evidence.

    Texts are in English and, with the suffix ``_zh``, in Chinese. They contain labels without escaping; escape them for
    display.

    Attributes
    ----------
    kind
        Kind of the finding: ``"outliers"``, ``"untrained_rows"``, …
    severity
        ``"critical"``: something is broken; ``"warning"``: probably requires a change; ``"info"``: useful for
        interpretation.
    title
        Short title.
    evidence
        Measurement, and its reference.
    causes
        Usual causes; likely, not proven.
    next_check
        Check that distinguishes the causes.
    labels
        At most 20 rows, most representative first.
    row_indices
        All rows concerned, as positions in the snapshot, in the same order.
    numbers
        Values of the evidence, by name; unknown values are omitted.
    details
        One line for each of the first rows or groups of rows, the same in both languages.
    remedies
        Usual remedies with their costs, simplest first.
    """

    kind: str
    severity: Severity
    title: str
    title_zh: str
    evidence: str
    evidence_zh: str
    causes: tuple[str, ...]
    causes_zh: tuple[str, ...]
    next_check: str
    next_check_zh: str
    labels: tuple[str, ...] = ()
    row_indices: tuple[int, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    details: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    remedies_zh: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        kind: str,
        severity: Severity,
        title: Text,
        *,
        evidence: Text,
        causes: Sequence[Text],
        next_check: Text,
        rows: Iterable[int] = (),
        labels: Sequence[str] = (),
        numbers: Mapping[str, float] | None = None,
        details: Sequence[str] = (),
        remedies: Sequence[Text] = (),
    ) -> Finding:
        """Create a finding from texts in both languages.

        Parameters
        ----------
        rows
            Positions in the snapshot, most representative first.
        labels
            Labels of all rows of the snapshot.
        """
        positions = tuple(int(row) for row in rows)
        return cls(
            kind=kind,
            severity=severity,
            title=title.en,
            title_zh=title.zh,
            evidence=evidence.en,
            evidence_zh=evidence.zh,
            causes=tuple(cause.en for cause in causes),
            causes_zh=tuple(cause.zh for cause in causes),
            next_check=next_check.en,
            next_check_zh=next_check.zh,
            labels=tuple(labels[row] for row in positions[:_SHOWN]),
            row_indices=positions,
            numbers={name: float(value) for name, value in (numbers or {}).items() if not math.isnan(value)},
            details=tuple(details[:_SHOWN]),
            remedies=tuple(remedy.en for remedy in remedies),
            remedies_zh=tuple(remedy.zh for remedy in remedies),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
