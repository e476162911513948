"""Network and data set of the demo."""

from __future__ import annotations

import numpy as np
import paddle
from numpy.typing import NDArray

from visualdl_embedding.demo._corpus import PAD

__all__ = ["ReviewClassifier", "Reviews"]


class Reviews(paddle.io.Dataset):  # type: ignore[misc]
    """Encoded reviews with their labels.

    Parameters
    ----------
    words
        ``(n, max_words)`` int64.
    labels
        ``(n,)`` int64: 0 or 1.
    """

    def __init__(self, words: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        super().__init__()
        self.words = words
        self.labels = labels[:, None]

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.words[index], self.labels[index]

    def __len__(self) -> int:
        return len(self.words)


class ReviewClassifier(paddle.nn.Layer):  # type: ignore[misc]
    """Perceptron on the mean of a review's word embeddings.

    The rows of the table hold everything the network knows about the words.

    Parameters
    ----------
    vocabulary_size
        V, the number of rows.
    dim
        d, the number of columns.
    hidden
        Width of the perceptron.
    dropout
        Dropout rate of its units.

    References
    ----------
    Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods for text classification".
    """

    def __init__(self, vocabulary_size: int, *, dim: int = 64, hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.embedding = paddle.nn.Embedding(vocabulary_size, dim, padding_idx=PAD)
        self.judge = paddle.nn.Sequential(
            paddle.nn.Linear(dim, hidden),
            paddle.nn.ReLU(),
            paddle.nn.Dropout(dropout),
            paddle.nn.Linear(hidden, 2),
        )

    def forward(self, words: paddle.Tensor) -> paddle.Tensor:
        """Classify reviews.

        Parameters
        ----------
        words
            ``(batch, max_words)`` int64, padded with 0.

        Returns
        -------
        ``(batch, 2)`` float32: logits of negative and positive.
        """
        is_word = (words != PAD).astype("float32").unsqueeze(-1)
        mean = (self.embedding(words) * is_word).sum(axis=1) / is_word.sum(axis=1).clip(min=1)
        return self.judge(mean)
