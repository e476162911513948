"""Watch sentences beside words: a probe on the hidden layer of the demo's sentiment classifier.

pip install "visualdl-embedding[demo]"
python examples/sentence_probe.py [--log-dir runs/sentences] [--size full|small] [--json sentences.json]
visualdl-embedding serve --logdir runs

No row of a word table stands for a sentence such as 您服务真好啊, whose words are all positive and which may be meant
otherwise. The probe records what the classifier makes of held-out reviews of three groups, and of written sentences:

positive, negative   reviews whose words agree with their label
contrary             negative reviews with more positive than negative words of the lexicon: irony, negated praise, and
                     praise that a "but" takes back. The corpus does not mark irony.
sincere, ironic      pairs of sentences with the same praise, written for this example and watched by name
"""

import argparse
import json
from pathlib import Path

import numpy as np
import paddle

from visualdl_embedding import EmbeddingCallback, Probe, nearest_neighbors, open_run
from visualdl_embedding.demo import ReviewClassifier, Reviews, cut_words, encode, load_corpus

PAIRS = {
    "服务员很热情，服务真好": "您服务真好啊，等了一个小时才有人理我",
    "房间很干净，非常满意": "房间真干净啊，满地都是头发，太满意了",
    "电脑速度很快，很喜欢": "速度真快啊，开机要五分钟，佩服佩服",
    "这本书写得很好，值得推荐": "写得真好啊，看了三页就睡着了",
    "早餐很丰富，下次还来": "早餐真丰富啊，就两个馒头，下次绝对不来",
    "送货很快，包装很好": "送货可真快，才等了一个月，谢谢你们",
}

parser = argparse.ArgumentParser(description="Record sentences beside words.")
parser.add_argument("--log-dir", default="runs/sentences")
parser.add_argument("--size", choices=["full", "small"], default="full")
parser.add_argument("--json", help="write the figures to this file")
options = parser.parse_args()

corpus = load_corpus(options.size)
ids = {word: i for i, word in enumerate(corpus.vocabulary)}
reviews, is_positive = corpus.held_out_words, corpus.held_out_labels == 1

# Balance of each review: its positive words minus its negative words.
sign = np.array([{"positive": 1, "negative": -1}.get(group, 0) for group in corpus.columns["group"]])
balance = sign[reviews].sum(axis=1)
per_group = 150 if options.size == "full" else 60
chosen = {
    "positive": np.flatnonzero(is_positive & (balance > 0))[:per_group],
    "negative": np.flatnonzero(~is_positive & (balance < 0))[:per_group],
    "contrary": np.flatnonzero(~is_positive & (balance > 0))[:per_group],
}
written = [*PAIRS, *PAIRS.values()]
rows = np.concatenate([*(reviews[rows] for rows in chosen.values()), encode(map(cut_words, written), ids)])
texts = ["".join(corpus.vocabulary[i] for i in row if i)[:24] for row in rows[: -len(written)]]
sizes = {**{group: len(rows) for group, rows in chosen.items()}, "sincere": len(PAIRS), "ironic": len(PAIRS)}
groups = np.repeat(list(sizes), list(sizes.values()))
probe = Probe(
    rows,
    layer="judge.1",  # the hidden layer, after its activation
    labels=[*texts, *written],
    metadata={"group": groups.tolist()},
    watch=written,
)

paddle.seed(42)
np.random.seed(42)  # noqa: NPY002  Paddle's sampler shuffles with NumPy's global state.
network = ReviewClassifier(len(corpus.vocabulary))
model = paddle.Model(network)
model.prepare(paddle.optimizer.Adam(5e-4, parameters=network.parameters()), paddle.nn.CrossEntropyLoss())
model.fit(
    Reviews(corpus.train_words, corpus.train_labels),
    batch_size=32,
    epochs=3,
    verbose=0,
    callbacks=[
        EmbeddingCallback(
            options.log_dir,
            vocabulary=corpus.vocabulary,
            metadata=corpus.columns,
            rows=300,
            probes={"sentences": probe},
        )
    ],
)

run = open_run(options.log_dir)
figures = {}
# The two sides are the reviews whose words agree with their label; the question is which side the others are near.
sides = np.isin(groups, ["positive", "negative"])
for step in run.steps("sentences"):
    snapshot = run.snapshot("sentences", step)
    nearest = nearest_neighbors(snapshot.vectors, len(groups) - 1).indices
    share = np.array([(groups[row[sides[row]][:10]] == "negative").mean() for row in nearest])
    figures[step] = {group: float(share[groups == group].mean()) for group in sizes}
    print(f"Step {step}, share of negative reviews among the 10 nearest:")
    print("  " + ", ".join(f"{group} {value:.2f}" for group, value in figures[step].items()))
for sincere, ironic in zip(np.flatnonzero(groups == "sincere"), np.flatnonzero(groups == "ironic"), strict=True):
    print(f"  {share[sincere]:.1f} {snapshot.labels[sincere]}   {share[ironic]:.1f} {snapshot.labels[ironic]}")
if options.json:
    Path(options.json).write_text(json.dumps(figures, indent=1), "utf-8")
