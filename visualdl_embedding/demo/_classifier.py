"""Network, data set, progress display and training of the demo."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from visualdl_embedding.demo._corpus import PAD, WATCH, Corpus

__all__ = ["ReviewClassifier", "Reviews", "TrainingProgress", "train"]

BATCH_SIZE = 32
LEARNING_RATE = 5e-4


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
    vocabulary_size, dim
        V and d, the numbers of rows and columns of the table.
    hidden, dropout
        Width and dropout rate of the perceptron.

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

        Words are ``(batch, max_words)`` int64, padded with 0; the result is ``(batch, 2)`` float32: logits of negative
        and positive.
        """
        is_word = (words != PAD).astype("float32").unsqueeze(-1)
        mean = (self.embedding(words) * is_word).sum(axis=1) / is_word.sum(axis=1).clip(min=1)
        return self.judge(mean)


class TrainingProgress(paddle.callbacks.Callback):  # type: ignore[misc]
    """Prints a line per epoch, with a progress bar if the console is a terminal.

    Attributes
    ----------
    held_out_accuracy
        Accuracy after each epoch, 0 to 1.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.held_out_accuracy: list[float] = []
        self._console = console
        self._trained: dict[str, Any] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("Training, with an analysis of each snapshot"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    def stop(self) -> None:
        """Remove the bar. Can be called twice."""
        self._progress.stop()

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the bar."""
        self._progress.update(self._task, total=self.params["epochs"] * self.params["steps"])
        self._progress.start()

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Advance the bar."""
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Store the training accuracy for `on_eval_end`."""
        self._trained = dict(logs or {})

    def on_eval_end(self, logs: Any = None) -> None:
        """Print the epoch's line."""
        trained, accuracy = float(self._trained["acc"]), float((logs or {})["acc"])
        self.held_out_accuracy.append(accuracy)
        self._console.print(
            f"Epoch {len(self.held_out_accuracy)} of {self.params['epochs']}: accuracy {trained:.1%} "
            f"in training, {accuracy:.1%} held out.",
            highlight=False,
        )


def train(
    corpus: Corpus,
    log_dir: str | os.PathLike[str],
    *,
    epochs: int,
    every_n_steps: int,
    rows: int,
    methods: Sequence[str],
    seed: int,
    console: Console,
) -> float:
    """Train with recording; return the held-out accuracy after the last epoch."""
    from visualdl_embedding.callbacks import EmbeddingCallback

    paddle.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - paddle's sampler uses NumPy's global state
    network = ReviewClassifier(len(corpus.vocabulary))
    model = paddle.Model(network)
    model.prepare(
        paddle.optimizer.Adam(LEARNING_RATE, parameters=network.parameters()),
        paddle.nn.CrossEntropyLoss(),
        paddle.metric.Accuracy(),
    )
    watch = [word for word in WATCH if word in corpus.vocabulary]
    if absent := [word for word in WATCH if word not in watch]:
        console.print(f"Not watched, as they are not in the vocabulary of these reviews: {' '.join(absent)}.")
    embedding = EmbeddingCallback(
        log_dir,
        vocabulary=corpus.vocabulary,
        metadata=corpus.columns,
        rows=rows,
        watch=watch,
        methods=methods,
        every_n_steps=every_n_steps,
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
                epochs=epochs,
                verbose=0,
                callbacks=[progress, paddle.callbacks.VisualDL(str(log_dir)), embedding],
            )
    finally:
        progress.stop()
    return progress.held_out_accuracy[-1]
