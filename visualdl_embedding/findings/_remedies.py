"""Remedies used by several findings."""

from __future__ import annotations

from visualdl_embedding.core.text import Text

__all__ = ["CLEAN", "CONTRAST", "INITIALIZE", "LEAVE_OUT", "PRETRAINED", "WEIGHT_NEGATIVES"]

PRETRAINED = Text(
    "Replace the table by a better pretrained one. Before any training, compare the same rows of both tables by "
    "the numbers of this finding.",
    "换用更好的预训练词表。训练之前，先用本发现的数值比较两张表的相同行。",
)
CLEAN = Text(
    "Clean the data: correct the labels, or remove the samples, of the words listed here.",
    "清洗数据：修正这些词所在样本的标签，或去掉这些样本。",
)
CONTRAST = Text(
    "Add a contrastive loss with a small weight that attracts words of one group and separates groups, with a "
    "lexicon as weak supervision.",
    "加入对比损失：以词典为弱监督，增加一个小权重的辅助损失，拉近同组的词、拉开不同组。",
)
WEIGHT_NEGATIVES = Text(
    "Sample negatives by popularity^0.75 instead of uniformly. This spreads the tail, but lowers recall of popular "
    "items: measure both coverage and recall. Items without interactions are then never trained.",
    "按流行度的 0.75 次方采样负例，而不是均匀采样。这会使长尾散开，但会降低热门物品的召回：覆盖率与召回率都要评估。"
    "此时没有交互的物品将得不到训练。",
)
INITIALIZE = Text(
    "Initialize with Item2Vec (skip-gram over each user's items), or with content vectors, which tail items have too.",
    "用 Item2Vec（对每个用户的物品做 skip-gram）初始化，或用物品内容的向量初始化：长尾物品同样有内容。",
)
LEAVE_OUT = Text(
    "Exclude them in serving, or map them to a trained row.",
    "线上不使用这些行，或将其映射到已训练的行。",
)
