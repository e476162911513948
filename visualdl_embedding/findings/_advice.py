"""Causes, next checks and remedies of findings."""

from __future__ import annotations

from dataclasses import dataclass

from visualdl_embedding.core.text import Text

__all__ = ["CLEAN", "INITIALIZE", "LEAVE_OUT", "PRETRAINED", "Advice", "Cause", "texts"]


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
