"""Result of a detector, and the texts of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from visualdl_embedding.core.severity import SEVERITIES, Severity
from visualdl_embedding.core.text import Text

__all__ = [
    "CLEAN",
    "EMPTY",
    "INITIALIZE",
    "LEAVE_OUT",
    "PRETRAINED",
    "SEVERITIES",
    "Advice",
    "Cause",
    "Finding",
    "Severity",
    "name_some",
    "percent",
    "rounded",
    "texts",
]

EMPTY = Text("", "")
PRETRAINED = Text(
    "Replace the table by a better pretrained one. Before any training, compare the same rows of both tables by the "
    "numbers of this finding.",
    "换用更好的预训练词表。训练之前，先用本发现的数值比较两张表的相同行。",
)
CLEAN = Text(
    "Clean the data: correct the labels, or remove the samples, of the words listed here.",
    "清洗数据：修正这些词所在样本的标签，或去掉这些样本。",
)
INITIALIZE = Text(
    "Initialize with Item2Vec (skip-gram over each user's items), or with content vectors, which tail items have too.",
    "用 Item2Vec（对每个用户的物品做 skip-gram）初始化，或用物品内容的向量初始化：长尾物品同样有内容。",
)
LEAVE_OUT = Text("Exclude them in serving, or map them to a trained row.", "线上不使用这些行，或将其映射到已训练的行。")


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cause(Text):
    """Likely cause, and the value per row in which it would show.

    Attributes
    ----------
    lower, higher
        Keys of `_shared.QUANTITIES` that are lower or higher in the rows concerned than elsewhere; the first that the
        run has is used.
    matched
        Whether to compare with rows of similar frequency, because gradients depend on frequency.
    """

    lower: tuple[str, ...] = ()
    higher: tuple[str, ...] = ()
    matched: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """What is usual for a kind of finding: next check, causes and remedies, see `Finding`."""

    check: str
    check_zh: str
    causes: tuple[Text, ...]
    remedies: tuple[Text, ...] = ()


def texts(*alternating: str) -> tuple[Text, ...]:
    """Texts from alternating English and Chinese.

    >>> texts("one", "一", "two", "二")
    (Text(en='one', zh='一'), Text(en='two', zh='二'))
    """
    return tuple(Text(en, zh) for en, zh in zip(alternating[::2], alternating[1::2], strict=True))


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
