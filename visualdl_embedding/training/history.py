"""How often training looks up each watched row, and how strong the gradients are that come back."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.models.live import LiveTable

__all__ = ["HistoryCounts", "RowHistory", "TrainingHistory"]

logger = logging.getLogger("visualdl_embedding")

_MAX_WAITING = 1 << 20
"""Lookups that wait on an accelerator, 12 MB of ids and norms: fetching every batch would stop its queue each time."""
_MAX_WAITING_ON_CPU = 1 << 17
"""Ids that wait in memory, 1 MB: counted one batch at a time they took 0.3 ms, for the map from rows to positions had
left the caches by then; together 0.02 ms a batch."""
_ALL_MEASURED, _MEASURED_EVERY = 64, 32
"""Gradients of the first so many forward passes are measured, then those of every so many."""
_set_compiler: Callable[[Any], Any] = getattr(paddle.framework.core, "set_eval_frame", lambda compiler: None)
"""Set what compiles the bytecode of frames in this thread, and return what did before."""


@dataclass(frozen=True)
class HistoryCounts:
    """What training did to n watched rows.

    Attributes
    ----------
    lookups
        ``(n,)`` int64: how often each row was looked up in training.
    gradient_mean
        ``(n,)`` float32: mean length of the gradient of the layer's output, over the lookups that were measured: those
        of the first 64 forward passes, then of every 32nd. NaN for a row without any. Under a loss scaler it is
        scaled as the loss is.
    forwards
        Forward passes of the layers in training.
    """

    lookups: NDArray[np.int64]
    gradient_mean: NDArray[np.float32]
    forwards: int


class TrainingHistory:
    """Counts lookups of watched rows, and measures the gradients of their vectors, by hooks on the embedding layers.

    A hook after the forward pass reads the ids; a hook on the layer's output sees the gradient of every single lookup,
    whether the table's own gradient is dense or sparse, before they are summed by row. Evaluation, ``no_grad``, a
    frozen table and the padding row are not counted. Nothing is raised into training: the first error ends the history.

    Parameters
    ----------
    layers
        An ``nn.Embedding``, or those that share one table; a layer given twice counts once.
    ids
        ``(n,)`` int64: the rows to count, 0 to V - 1, or -1 for one that is no row of the table (its count stays 0).
        Ids that occur twice are counted at their last place, so give distinct ones (`Rows.gather_ids`).
    gradients
        False counts lookups only.
    on_error
        Called once, with the exception, when the history ends by one.

    Attributes
    ----------
    error
        What ended the history; None while it goes on.

    Raises
    ------
    TypeError
        For a layer that is no ``nn.Embedding``.
    ValueError
        For no layer, layers of tables of different size, or ids beyond the table.

    Notes
    -----
    A forward pass of 64 x 50 lookups takes 0.02 ms on the CPU, and a backward pass that is measured 0.1 to 0.3 ms (128
    columns): 1% of a batch of 4 ms. On an accelerator lengths are computed there, and ids and lengths fetched once in a
    million lookups. 4 bytes are held per row of the table.

    Examples
    --------
    >>> layer = paddle.nn.Embedding(10, 4)
    >>> with TrainingHistory(layer, np.array([1, 2, 3])) as history:
    ...     layer(paddle.to_tensor([[1, 1, 3, 9]])).sum().backward()
    ...     counts = history.take()
    >>> counts.lookups.tolist(), counts.gradient_mean.tolist()
    ([2, 0, 1], [2.0, nan, 2.0])
    """

    def __init__(
        self,
        layers: paddle.nn.Embedding | Sequence[paddle.nn.Embedding],
        ids: NDArray[np.int64],
        *,
        gradients: bool = True,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        several = list(layers) if isinstance(layers, Sequence) else [layers]
        several = list({id(layer): layer for layer in several}.values())
        self._positions = _position_map(several, ids)
        self._dim = int(several[0].weight.shape[1])
        self._gradients = gradients
        self._on_error = on_error
        self.error: Exception | None = None
        self._lookups = np.zeros(len(ids), dtype=np.int64)
        self._graded = np.zeros(len(ids), dtype=np.int64)
        self._length_sum = np.zeros(len(ids), dtype=np.float64)
        self._forwards = 0
        self._waiting: list[tuple[paddle.Tensor, paddle.Tensor | None]] = []
        self._num_waiting = 0
        self._off = False
        self._handles = [_register(layer, self._after_forward) for layer in several]

    def take(self) -> HistoryCounts:
        """Give all that was counted since the start."""
        self._guarded(self._fetch)
        mean = np.full(len(self._lookups), np.nan, dtype=np.float32)
        np.divide(self._length_sum, self._graded, out=mean, where=self._graded > 0, casting="same_kind")
        return HistoryCounts(self._lookups.copy(), mean, self._forwards)

    def close(self) -> None:
        """Take the hooks off; what was counted stays."""
        self._guarded(self._fetch)
        self._off = True
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> TrainingHistory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after_forward(self, layer: Any, inputs: Any, keywords: Any, output: Any) -> None:
        """Count ids. Returns None, for a hook's result would replace the layer's output."""
        # to_static compiles bytecode piece by piece, and gets this wrong (3.3.1: UnboundLocalError); so it looks away.
        compiler = _set_compiler(None)
        try:
            # no_grad, a frozen table, and the first pass of recomputation make outputs that no gradient comes back to.
            if not self._off and layer.training and not output.stop_gradient:
                self._guarded(lambda: self._count(next(iter((*inputs, *keywords.values()))), output))
        finally:
            _set_compiler(compiler)

    def _count(self, ids: Any, output: Any) -> None:
        if not paddle.in_dynamic_mode():
            raise RuntimeError("the network is compiled by to_static, which hides lookups; train it in dynamic mode")
        measured = self._gradients and (self._forwards < _ALL_MEASURED or self._forwards % _MEASURED_EVERY == 0)
        self._forwards += 1
        if not _on_cpu(output):
            # A copy: the trainer may write the next batch into the same tensor.
            kept = ids.detach().flatten().clone()
            self._wait(kept, None)
            if measured:
                output.register_hook(lambda gradient: self._after_backward(gradient, kept))
            return
        # A copy: the trainer may write the next batch into the same memory.
        kept_ids = np.array(ids.numpy()).ravel()
        self._wait(kept_ids, None)
        if measured:
            output.register_hook(lambda gradient: self._after_backward_on_cpu(gradient, kept_ids))

    def _after_backward(self, gradient: Any, ids: Any) -> None:
        """Measure on the device. Returns None: any other value that is no tensor ends the process."""

        def measure() -> None:
            with paddle.no_grad():
                rows = gradient.detach().astype("float32").reshape([-1, self._dim])
                self._wait(ids, paddle.linalg.norm(rows, axis=1))

        if not self._off:
            self._guarded(measure)

    def _after_backward_on_cpu(self, gradient: Any, ids: NDArray[np.integer]) -> None:
        """Measure the gradients where they lie. Returns None: any other value that is no tensor ends the process."""

        def measure() -> None:
            positions = self._positions[ids]
            occurrences = np.flatnonzero(positions >= 0)
            if not len(occurrences):
                return
            rows = _view(gradient).reshape(-1, self._dim)
            # Picking rows copies them, which takes longer than the lengths of all if most are wanted.
            few = 4 * len(occurrences) < len(rows)
            lengths = _lengths(rows[occurrences]) if few else _lengths(rows)[occurrences]
            self._add_lengths(positions[occurrences], lengths)

        if not self._off:
            self._guarded(measure)

    def _add_lengths(self, positions: NDArray[np.int32], lengths: NDArray[np.floating]) -> None:
        finite = np.isfinite(lengths)
        if not finite.all():
            # A batch that overflowed, which a loss scaler skips.
            positions, lengths = positions[finite], lengths[finite]
        np.add.at(self._length_sum, positions, lengths.astype(np.float64))
        np.add.at(self._graded, positions, 1)

    def _wait(self, ids: Any, lengths: Any) -> None:
        """Keep for later: ids of a forward pass, or with lengths those of a backward pass on a device."""
        self._waiting.append((ids, lengths))
        self._num_waiting += int(ids.shape[0])
        if self._num_waiting >= (_MAX_WAITING_ON_CPU if isinstance(ids, np.ndarray) else _MAX_WAITING):
            self._fetch()

    def _fetch(self) -> None:
        """Count what waits; what waits on a device is brought to NumPy first."""
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        looked_up = [ids if isinstance(ids, np.ndarray) else ids.numpy() for ids, lengths in waiting if lengths is None]
        if looked_up:
            positions = self._positions[np.concatenate(looked_up)]
            self._lookups += np.bincount(positions[positions >= 0], minlength=len(self._lookups))
        for ids, lengths in waiting:
            if lengths is not None:
                positions = self._positions[ids.numpy()]
                occurrences = np.flatnonzero(positions >= 0)
                self._add_lengths(positions[occurrences], lengths.numpy()[occurrences])

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do something that must not end a training."""
        try:
            action()
        except Exception as error:
            # Paddle walks over the hooks right now, so they are taken off by `close` only.
            self._off = True
            if self.error is None:
                self.error = error
                if self._on_error is not None:
                    with contextlib.suppress(Exception):
                        self._on_error(error)


class RowHistory:
    """The history of one table's watched rows, composed ones among them.

    Parameters
    ----------
    live
        The table, with at least one layer.
    rows
        Its watched rows.
    """

    def __init__(self, live: LiveTable, rows: Rows) -> None:
        self._rows = rows
        self._counts = TrainingHistory(list(live.layers), rows.gather_ids, on_error=self._say)
        self._table = live.table.name

    def values(self) -> dict[str, NDArray[np.float32]]:
        """Give what `visualdl_embedding.core.snapshot.Snapshot.row_values` holds; nothing where the history ended.

        A composed row has the mean of its pieces' numbers.
        """
        if self._counts.error is not None:
            return {}
        counts = self._counts.take()
        gathered = np.column_stack([counts.lookups, counts.gradient_mean]).astype(np.float32)
        lookups, gradients = np.ascontiguousarray(self._rows.assemble(gathered).T)
        return {"lookups": lookups, "gradient_mean": gradients}

    def close(self) -> None:
        """Take the hooks off."""
        self._counts.close()

    def _say(self, error: Exception) -> None:
        logger.warning(
            "Table %s: lookups and gradients are no longer counted (%s: %s). Everything else goes on.",
            self._table,
            type(error).__name__,
            error,
        )


def _position_map(layers: Sequence[Any], ids: NDArray[np.int64]) -> NDArray[np.int32]:
    """Position among `ids` of every row of the table, ``(V,)`` int32: -1 where it is not watched, or is padding."""
    if not layers:
        raise ValueError("TrainingHistory needs an nn.Embedding to watch; no layer was given.")
    for layer in layers:
        if not isinstance(layer, paddle.nn.Embedding):
            raise TypeError(f"TrainingHistory watches layers of type paddle.nn.Embedding, not {type(layer).__name__}.")
    sizes = {tuple(layer.weight.shape) for layer in layers}
    if len(sizes) > 1:
        raise ValueError(f"Layers of one history must share one table; these have tables of {sorted(sizes)}.")
    num_rows = int(layers[0].weight.shape[0])
    wanted = np.asarray(ids, dtype=np.int64)
    if wanted.ndim != 1 or (wanted < -1).any() or (wanted >= num_rows).any():
        raise ValueError(f"ids are rows of the table, 0 to {num_rows - 1}, or -1, as a one-dimensional array.")
    positions = np.full(num_rows, -1, dtype=np.int32)
    known = np.flatnonzero(wanted >= 0)
    positions[wanted[known]] = known
    for layer in layers:
        padding = getattr(layer, "_padding_idx", None)
        if padding is not None:
            positions[int(padding)] = -1
    return positions


def _register(layer: Any, hook: Callable[[Any, Any, Any, Any], None]) -> Any:
    """Put a hook on a layer's forward pass; ids given by keyword are seen where Paddle can tell them to a hook."""
    if "with_kwargs" in inspect.signature(layer.register_forward_post_hook).parameters:
        return layer.register_forward_post_hook(hook, with_kwargs=True)
    return layer.register_forward_post_hook(lambda layer, inputs, output: hook(layer, inputs, {}, output))


def _on_cpu(output: Any) -> bool:
    return bool(output.place.is_cpu_place())


def _view(gradient: Any) -> NDArray[Any]:
    """See a gradient's memory as an array; a copy only of types that NumPy lacks."""
    gradient = gradient.detach()
    if gradient.dtype not in (paddle.float32, paddle.float64):
        with paddle.no_grad():
            gradient = gradient.astype("float32")
    return np.asarray(np.from_dlpack(gradient))


def _lengths(rows: NDArray[Any]) -> NDArray[Any]:
    # 45 µs for 3,200 x 128; einsum, which NumPy 1 has, takes 70 and linalg.norm 350.
    squares = np.vecdot(rows, rows) if hasattr(np, "vecdot") else np.einsum("ij,ij->i", rows, rows)
    return np.asarray(np.sqrt(squares))
