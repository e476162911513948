"""What usually helps, in words that several findings share."""

from __future__ import annotations

from visualdl_embedding.core.text import Text

__all__ = ["CLEAN", "CONTRAST", "INITIALIZE", "LEAVE_OUT", "PRETRAINED", "WEIGHT_NEGATIVES"]

PRETRAINED = Text(
    "Replace the table by a better pretrained one. Try it by comparing: the same rows of both tables side by side, by "
    "the numbers that this finding rests on, before any training.",
    "换用更好的预训练词表。先比较再决定：在训练之前，把两张表的相同行并排，用本发现所依据的数值比较。",
)
CLEAN = Text(
    "Clean what you find: correct the labels, or leave out the samples, of the words named here.",
    "清理发现的问题：修正这些词所在样本的标签，或去掉这些样本。",
)
CONTRAST = Text(
    "Add a contrastive pull: a small extra loss that draws words of one group together and holds groups apart, with a "
    "lexicon as weak supervision.",
    "加入对比约束：增加一个小的辅助损失，以词典为弱监督，把同组的词拉近、把不同组拉开。",
)
WEIGHT_NEGATIVES = Text(
    "Draw negatives by popularity^0.75 instead of evenly. It spreads the tail out, and costs hits among popular items: "
    "measure coverage and recall, both. Items that nobody chose are then never trained.",
    "按流行度的 0.75 次方采样负例，而不是均匀采样。这会使长尾散开，但会损失热门物品的命中：覆盖率与召回率都要测。"
    "此时无人选择的物品将完全得不到训练。",
)
INITIALIZE = Text(
    "Initialize with Item2Vec (skip-gram over each user's items), or with vectors of the items' content, which tail "
    "items have as well.",
    "用 Item2Vec（对每个用户的物品做 skip-gram）初始化，或用物品内容的向量初始化：长尾物品同样有内容。",
)
LEAVE_OUT = Text(
    "Leave them out where the model serves, or map them to a trained row.",
    "线上不使用这些行，或将其映射到已训练的行。",
)
