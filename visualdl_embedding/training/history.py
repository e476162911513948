"""Lookups of each watched row in training, and the gradients of its vectors."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.models import is_vocab_parallel
from visualdl_embedding.training._functional import FunctionalHook
from visualdl_embedding.training._positions import position_map

__all__ = ["HistoryCounts", "TrainingHistory"]

_MAX_WAITING = 1 << 20
"""Lookups buffered on an accelerator, 12 MB of ids and norms: fetching every batch would stall its queue."""
_MAX_WAITING_ON_CPU = 1 << 17
"""Ids buffered in memory, 1 MB: counting takes 0.02 ms per batch. Counting each batch took 0.3 ms, because the map from
rows to positions had left the caches."""
_ALL_MEASURED, _ONE_OF = 64, 32
"""Gradients of the first 64 forward passes are measured, then those of one of every 32, drawn at random: with a fixed
choice, one of several layers, or one batch of the epoch, could always be the one that is measured."""
_RECOMPUTATION = "paddle.distributed.fleet.recompute.recompute"
AddUp = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_set_compiler: Callable[[Any], Any] = getattr(paddle.framework.core, "set_eval_frame", lambda compiler: None)
"""Sets the bytecode compiler of this thread, and returns the previous one."""


@dataclass(frozen=True)
class HistoryCounts:
    """Lookups of n watched rows in training, and the number of forward passes.

    `graded` counts the lookups whose gradient was measured, and `length_sum` adds the lengths of their gradients: of
    the first 64 forward passes and one of every 32 later ones, which counts 32 times.
    """

    lookups: NDArray[np.int64]
    graded: NDArray[np.int64]
    length_sum: NDArray[np.float64]
    forwards: int

    @property
    def gradient_mean(self) -> NDArray[np.float32]:
        """Mean length of the gradient of the layer's output over the measured lookups; NaN for rows without one.

        A loss scaler scales it too.
        """
        mean = np.full(len(self.graded), np.nan, dtype=np.float32)
        np.divide(self.length_sum, self.graded, out=mean, where=self.graded > 0, casting="same_kind")
        return mean


class TrainingHistory:
    """Counts lookups of watched rows, and measures the gradients of their vectors, with hooks on embedding layers.

    A hook after the forward pass of a layer, or after ``paddle.nn.functional.embedding(ids, weight)``, reads the ids. A
    hook on the output receives the gradient of every single lookup before they are summed by row, for dense and sparse
    gradients of the table. Evaluation, ``no_grad``, frozen tables, traces (``paddle.jit.save``, ``to_static``) and the
    padding row are not counted, and a recomputed pass is counted once. The hooks raise no errors: the first error ends
    the history.

    Parameters
    ----------
    layers
        An ``nn.Embedding``, or several that share one table; repetitions are ignored. Without a layer give `weight`.
    ids
        ``(n,)`` int64: distinct rows to count (`Rows.gather_ids`), 0 to V - 1, or -1 for none (its count stays 0).
    on_error
        Called once with the exception that ends the history.
    earlier
        Last snapshot of the training that is resumed: its counts are continued.
    weight
        Table of functional calls. None: that of the first layer.
    holder
        Layer whose attribute a `weight` outside ``nn.Embedding`` is; while it is in evaluation mode, functional calls
        are not counted.

    Attributes
    ----------
    error
        Exception that ended the history, or None.

    Raises
    ------
    TypeError
        If a layer is not an ``nn.Embedding``.
    ValueError
        If there is neither a layer nor a weight, the tables differ in size, or an id is out of range.

    Notes
    -----
    A forward pass of 64 x 50 lookups takes 0.02 ms on the CPU, and a measured backward pass 0.1 to 0.3 ms (128
    columns): 1% of a batch of 4 ms. On an accelerator the lengths are computed there; ids and lengths are fetched once
    per million lookups. The map from rows to positions takes 4 bytes per row of a table of up to 67 million rows.

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
        on_error: Callable[[Exception], None] | None = None,
        earlier: Snapshot | None = None,
        weight: paddle.Tensor | None = None,
        holder: paddle.nn.Layer | None = None,
    ) -> None:
        given = layers if isinstance(layers, Sequence) else [layers]
        several = list({id(layer): layer for layer in given}.values())
        self._positions, self._num_rows = _position_map(several, weight, ids)
        weight = several[0].weight if weight is None else weight
        self._dim = int(weight.shape[1])
        self._in_layer = False
        self._holders = several or ([] if holder is None else [holder])
        self._on_error = on_error
        self.error: Exception | None = None
        self._earlier = {} if earlier is None else earlier.row_values
        self._earlier_forwards = 0 if earlier is None else int(earlier.counters.get("forwards", 0))
        self._random = np.random.default_rng(0)
        self._measured = 0
        self._lookups = np.zeros(len(ids), dtype=np.int64)
        self._graded = np.zeros(len(ids), dtype=np.int64)  # weighted like the lengths
        self._length_sum = np.zeros(len(ids), dtype=np.float64)
        self._forwards = 0
        self._waiting: list[tuple[paddle.Tensor, paddle.Tensor | None, int]] = []
        self._num_waiting = 0
        self._off = False
        self._handles = [_register(layer, self._after_forward) for layer in several]
        self._handles += [layer.register_forward_pre_hook(self._before_forward) for layer in several]
        self._calls: FunctionalHook | None = None
        self.follow(weight)

    def follow(self, weight: paddle.Tensor) -> None:
        """Count functional calls with a tensor, which may have replaced the table's."""
        # Ids of functional calls with a part of a table are not those of the table.
        if self._off or int(weight.shape[0]) < self._num_rows or (self._calls and self._calls.weight is weight):
            return
        if self._calls is not None:
            self._calls.remove()
        self._calls = FunctionalHook(weight, self._after_call)

    def take(self, add_up: AddUp | None = None) -> HistoryCounts:
        """Return the counts since the start, without those of the earlier snapshot.

        `add_up` sums an array over the processes of a training, all of which call this method; the history of each
        ends with an error if that of one did.
        """
        self._guarded(self._fetch)
        counts = HistoryCounts(self._lookups.copy(), self._graded.copy(), self._length_sum.copy(), self._forwards)
        if add_up is None:
            return counts
        failed = float(self.error is not None)
        total = add_up(np.concatenate([counts.lookups, counts.graded, counts.length_sum, [self._forwards, failed]]))
        if total[-1] and self.error is None:
            self._guarded(_raise_lost)
        lookups, graded, length_sum = total[:-2].reshape(3, -1)
        return HistoryCounts(lookups.astype(np.int64), graded.astype(np.int64), length_sum, int(total[-2]))

    def counters(self, counts: HistoryCounts | None = None) -> dict[str, float]:
        """Return the number of ``"forwards"`` for `visualdl_embedding.core.snapshot.Snapshot.counters`.

        `counts` are of `take`, which is called without them.
        """
        if self.error is not None:
            return {}
        return {"forwards": float(self._earlier_forwards + (counts or self.take()).forwards)}

    def row_values(self, rows: Rows, counts: HistoryCounts | None = None) -> dict[str, NDArray[np.float32]]:
        """Return `visualdl_embedding.core.snapshot.Snapshot.row_values` for `rows`, whose `gather_ids` are counted.

        `counts` as in `counters`. A composed row has the mean of its pieces' values. The result is empty after an
        error.
        """
        if self.error is not None:
            return {}
        counts = counts or self.take()
        gathered = np.column_stack([counts.lookups, counts.gradient_mean]).astype(np.float32)
        lookups, gradients = np.ascontiguousarray(rows.assemble(gathered).T)
        if self._earlier:
            before, mean = self._earlier["lookups"], self._earlier["gradient_mean"]
            known = np.isfinite([mean, gradients])
            shares = np.where(known, [before, lookups], 0)
            sums = np.where(known, [mean, gradients], 0) * shares
            gradients = np.where(known.any(axis=0), mean, np.nan)
            np.divide(sums.sum(axis=0), shares.sum(axis=0), out=gradients, where=shares.any(axis=0))
            lookups = before + lookups
        return {"lookups": lookups, "gradient_mean": gradients}

    def close(self) -> None:
        """Remove the hooks and keep the counts."""
        self._guarded(self._fetch)
        self._off = True
        if self._calls is not None:
            self._calls.remove()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> TrainingHistory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _before_forward(self, layer: Any, inputs: Any) -> None:
        """Leave the layer's own call of ``F.embedding`` to the hook after its forward pass."""
        self._in_layer = True

    def _after_forward(self, layer: Any, inputs: Any, keywords: Any, output: Any) -> None:
        """Count ids. Return None, because any other value would replace the layer's output."""
        # Disable SOT for this hook: it miscompiles it (Paddle 3.3.1, UnboundLocalError).
        compiler = _set_compiler(None)
        self._in_layer = False
        try:
            if layer.training and self._is_in_use(output):
                self._guarded(lambda: self._count(next(iter((*inputs, *keywords.values()))), output))
        finally:
            _set_compiler(compiler)

    def _after_call(self, ids: Any, padding_idx: int | None, output: Any) -> None:
        """Count ids of ``F.embedding``."""
        compiler = _set_compiler(None)
        try:
            in_training = not self._holders or any(layer.training for layer in self._holders)
            if not self._in_layer and in_training and self._is_in_use(output):
                self._guarded(lambda: self._count(ids, output, padding_idx))
        finally:
            _set_compiler(compiler)

    def _is_in_use(self, output: Any) -> bool:
        """Whether a pass is counted: no_grad, frozen tables, and a first pass of recomputation give no gradient."""
        return not (self._off or not paddle.in_dynamic_mode() or output.stop_gradient or _is_recomputed())

    def _count(self, ids: Any, output: Any, padding_idx: int | None = None) -> None:
        weight = self._weight()
        self._forwards += 1
        on_cpu = _on_cpu(output)
        # Copy the ids: the trainer may write the next batch into the same memory.
        kept = np.array(ids.numpy()).ravel() if on_cpu else ids.detach().flatten().clone()
        if padding_idx is not None:
            padding, kept = padding_idx % self._num_rows, kept.astype("int64")
            kept[kept == padding] = self._num_rows
        self._wait(kept, None)
        if weight:
            measure = self._measure_on_cpu if on_cpu else self._measure_on_device
            output.register_hook(lambda gradient: self._after_backward(measure, gradient, kept, weight))

    def _weight(self) -> int:
        """Return how many forward passes this one represents in `gradient_mean`; 0 if it is not measured."""
        number = self._earlier_forwards + self._forwards
        if number < _ALL_MEASURED:
            return 1
        place = number % _ONE_OF
        if not place or not self._forwards:
            self._measured = int(self._random.integers(_ONE_OF))
        return _ONE_OF if place == self._measured else 0

    def _after_backward(self, measure: Callable[[Any, Any, int], None], gradient: Any, ids: Any, weight: int) -> None:
        """Measure gradients. Return None: any other value that is not a tensor ends the process."""
        if not self._off:
            self._guarded(lambda: measure(gradient, ids, weight))

    def _measure_on_device(self, gradient: Any, ids: Any, weight: int = 1) -> None:
        with paddle.no_grad():
            rows = gradient.detach().astype("float32").reshape([-1, self._dim])
            self._wait(ids, paddle.linalg.norm(rows, axis=1), weight)

    def _measure_on_cpu(self, gradient: Any, ids: NDArray[np.integer], weight: int = 1) -> None:
        occurrences = np.flatnonzero(self._positions(ids) >= 0)
        if not len(occurrences):
            return
        rows = _view(gradient).reshape(-1, self._dim)
        # Indexing copies rows; for more than a quarter of them, computing all lengths is faster.
        few = 4 * len(occurrences) < len(rows)
        lengths = _lengths(rows[occurrences]) if few else _lengths(rows)[occurrences]
        self._add_lengths(ids[occurrences], lengths, weight)

    def _add_lengths(self, ids: NDArray[np.integer], lengths: NDArray[np.floating], weight: int) -> None:
        # Lengths that are not finite are of an overflowed batch, which a loss scaler skips.
        positions = self._positions(ids)
        kept = (positions >= 0) & np.isfinite(lengths)
        np.add.at(self._length_sum, positions[kept], weight * lengths[kept].astype(np.float64))
        np.add.at(self._graded, positions[kept], weight)

    def _wait(self, ids: Any, lengths: Any, weight: int = 1) -> None:
        """Buffer the ids of a forward pass, or the ids and lengths of a backward pass on a device."""
        self._waiting.append((ids, lengths, weight))
        self._num_waiting += int(ids.shape[0])
        if self._num_waiting >= (_MAX_WAITING_ON_CPU if isinstance(ids, np.ndarray) else _MAX_WAITING):
            self._fetch()

    def _fetch(self) -> None:
        """Count the buffered ids and lengths, after copying those on a device to NumPy."""
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        looked_up = [ids if isinstance(ids, np.ndarray) else ids.numpy() for ids, grads, _ in waiting if grads is None]
        if looked_up:
            positions = self._positions(np.concatenate(looked_up))
            self._lookups += np.bincount(positions[positions >= 0], minlength=len(self._lookups))
        for ids, lengths, weight in waiting:
            if lengths is not None:
                self._add_lengths(ids.numpy(), lengths.numpy(), weight)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Call `action` without letting its errors end the training."""
        try:
            action()
        except Exception as error:
            # Paddle is iterating over the hooks, so only `close` removes them.
            self._off = True
            if self.error is None:
                self.error = error
                if self._on_error is not None:
                    with contextlib.suppress(Exception):
                        self._on_error(error)


def _raise_lost() -> None:
    raise RuntimeError("they could not be counted on another rank")


def _position_map(
    layers: Sequence[Any], weight: Any, ids: NDArray[np.int64]
) -> tuple[Callable[[NDArray[np.integer]], NDArray[Any]], int]:
    """Return the `position_map` of a table without its padding rows, and its number of rows."""
    if not layers and weight is None:
        raise ValueError("TrainingHistory requires an nn.Embedding, but no layer was given.")
    for layer in layers:
        if not isinstance(layer, paddle.nn.Embedding) and not is_vocab_parallel(layer):
            raise TypeError(f"TrainingHistory takes layers of type paddle.nn.Embedding, not {type(layer).__name__}.")
    sizes = {tuple(layer.weight.shape) for layer in layers}
    if len(sizes) > 1:
        raise ValueError(f"The layers of a history must share one table; these have tables of {sorted(sizes)}.")
    # A VocabParallelEmbedding holds some rows, and is called with ids of all.
    held = int((layers[0].weight if layers else weight).shape[0])
    num_rows = int(getattr(layers[0], "num_embeddings", held)) if layers else held
    paddings = [getattr(layer, "_padding_idx", None) for layer in layers]
    skipped = [int(padding) % num_rows for padding in paddings if padding is not None]
    return position_map(ids, num_rows, skipped=skipped), num_rows


def _register(layer: Any, hook: Callable[[Any, Any, Any, Any], None]) -> Any:
    """Add a hook to a layer's forward pass, with ids given by keyword if this version of Paddle passes them."""
    if "with_kwargs" in inspect.signature(layer.register_forward_post_hook).parameters:
        return layer.register_forward_post_hook(hook, with_kwargs=True)
    return layer.register_forward_post_hook(lambda layer, inputs, output: hook(layer, inputs, {}, output))


def _is_recomputed() -> bool:
    """Whether a forward pass repeats, within the backward pass, one that has been counted.

    ``recompute(use_reentrant=True)`` makes the first pass without gradients, which is not counted; with False, the
    first pass has gradients, and the second is made by its function ``unpack`` of saved tensors.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "unpack" and frame.f_globals.get("__name__") == _RECOMPUTATION:
            return True
    return False


def _on_cpu(output: Any) -> bool:
    return bool(output.place.is_cpu_place())


def _view(gradient: Any) -> NDArray[Any]:
    """View a gradient as an array; copy only types that NumPy lacks."""
    gradient = gradient.detach()
    if gradient.dtype not in (paddle.float32, paddle.float64):
        with paddle.no_grad():
            gradient = gradient.astype("float32")
    return np.asarray(np.from_dlpack(gradient))


def _lengths(rows: NDArray[Any]) -> NDArray[Any]:
    # 45 µs for 3,200 x 128; einsum, which NumPy 1 has, takes 70 and linalg.norm 350.
    squares = np.vecdot(rows, rows) if hasattr(np, "vecdot") else np.einsum("ij,ij->i", rows, rows)
    return np.asarray(np.sqrt(squares))
