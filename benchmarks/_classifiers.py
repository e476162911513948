"""Small Paddle classifiers of reviews, retrained on resampled reviews: a second kind of training without a change.

The network of the demo learns whether a review is positive, from another initialization and another bootstrap resample
of 2,000 reviews each time.
"""

from __future__ import annotations

import numpy as np
import paddle

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.demo import Corpus, ReviewClassifier

EPOCHS, BATCH, RATE = 4, 64, 5e-3


def rows_of(corpus: Corpus, count: int) -> Rows:
    """The most frequent words."""
    ids = np.arange(2, 2 + count)
    columns = {name: tuple(str(values[i]) for i in ids) for name, values in corpus.columns.items()}
    return Rows(ids, tuple(corpus.vocabulary[i] for i in ids), columns)


def train(corpus: Corpus, rows: Rows, seed: int, *, step: int = 0) -> Snapshot:
    """Train on a bootstrap resample of the reviews."""
    paddle.seed(seed)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(corpus.train_words), len(corpus.train_words))
    network = ReviewClassifier(len(corpus.vocabulary))
    adam = paddle.optimizer.Adam(RATE, parameters=network.parameters())
    for _ in range(EPOCHS):
        order = rng.permutation(chosen)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            logits = network(paddle.to_tensor(corpus.train_words[part]))
            loss = paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(corpus.train_labels[part]))
            loss.backward()
            adam.step()
            adam.clear_grad()
    vectors = paddle.gather(network.embedding.weight, paddle.to_tensor(rows.ids)).numpy()
    return Snapshot("word", step, rows, vectors)
