"""Result of a detector, and the format of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from visualdl_embedding.core.severity import SEVERITIES, Severity
from visualdl_embedding.core.text import Text

__all__ = ["EMPTY", "SEVERITIES", "Finding", "Severity", "name_some", "percent", "rounded"]

EMPTY = Text("", "")


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
        Usual causes. Where the run has measurements of one, a sentence states whether they support it.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def rounded(value: float) -> str:
    """Format with three significant digits, without an exponent for large numbers.

    >>> rounded(0.12345), rounded(20941.0), rounded(0.00001234), rounded(7.0)
    ('0.123', '20,941', '1.23e-05', '7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """Format a share as a percentage.

    >>> percent(0.5), percent(0.0123), percent(0.00004)
    ('50%', '1.2%', '<0.1%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.0f}%" if share >= 0.1 or share == 0 else f"{100 * share:.1f}%"


def name_some(labels: Sequence[str], limit: int = 5) -> Text:
    """List the first few labels and count the others.

    >>> name_some(["一", "二", "三"], 2)
    Text(en='一, 二 and 1 more', zh='一、二 等 3 个')
    """
    shown = list(labels[:limit])
    if len(labels) <= limit:
        return Text(", ".join(shown), "、".join(shown))
    return Text(f"{', '.join(shown)} and {len(labels) - limit:,} more", f"{'、'.join(shown)} 等 {len(labels):,} 个")
