"""Fixed batches whose layer outputs are recorded like the rows of a table."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.models.live import is_paddle
from visualdl_embedding.training._forward import capture, is_split, undisturbed
from visualdl_embedding.training._sources import SourceEndedError
from visualdl_embedding.vocabulary import KEEP, MetadataLike, Vocabulary, open_vocabulary, select_rows

if TYPE_CHECKING:
    from visualdl_embedding.store import TableStore

__all__ = ["Probe", "ProbeSource", "read_probes"]

logger = logging.getLogger("visualdl_embedding")

_POOLS = ("first", "mean", "last")


@dataclass(frozen=True, eq=False)
class Probe:
    """Small fixed batch, such as 200 sentences, on which a network is run at every snapshot.

    The output of a layer is recorded like a table with n rows: the same metrics, maps, alerts and comparisons apply.
    The network is run in evaluation mode without gradients, autocast and ``to_static``, and is left as it was, so the
    training gives the same bits with and without a probe. Forward hooks of the user are called.

    Attributes
    ----------
    inputs
        Input of the network: an array or tensor; a tuple or list of positional inputs; or a dict of inputs by keyword.
        The first dimension of every array is n. Other values, such as None, are passed unchanged.
    layer
        Name of the sublayer whose output is recorded; ``""`` for the network itself. Or a function of the network and
        the inputs that returns the tensor.
    labels
        n labels. Default: ``row 0``, ``row 1``, …. Repeated labels are shown as ``label (position)``.
    metadata
        Columns of the rows, such as ``group``, as for tables; or a list of these.
    watch
        Labels with their own curves.
    select
        Index or key of the tensor, if the output is a tuple or a dict.
    pool
        How an output ``(n, t, d)`` becomes ``(n, d)``: ``"first"``, ``"mean"`` or ``"last"`` of the t positions.
    mask
        Positions that `pool` uses, 1 or 0, ``(n, t)``: an array, or the keyword or index of an input.
    batch_size
        Rows per forward pass. None: all.

    Raises
    ------
    ValueError, TypeError
        If the inputs, labels and options do not fit together.

    Examples
    --------
    >>> Probe(np.array([[4, 7], [5, 0]]), layer="encoder.pooler", labels=["服务真好", "太差"]).num_rows
    2
    """

    inputs: Any = field(repr=False)
    layer: str | Callable[[Any, Any], Any] = ""
    _: KW_ONLY
    labels: Sequence[str] | None = field(default=None, repr=False)
    metadata: MetadataLike | Sequence[MetadataLike] | None = field(default=None, repr=False)
    watch: str | Sequence[str] = ()
    select: int | str | None = None
    pool: Literal["first", "mean", "last"] | None = None
    mask: Any = field(default=None, repr=False)
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.layer, str) or callable(self.layer)):
            raise TypeError(f"layer takes the name of a sublayer or a function, not {type(self.layer).__name__}.")
        if self.pool not in (None, *_POOLS):
            raise ValueError(f"pool takes {', '.join(map(repr, _POOLS))} or None, not {self.pool!r}.")
        if self.mask is not None and self.pool is None:
            raise ValueError("mask chooses the positions that are pooled. Give pool, or remove mask.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size takes a number of rows from 1, or None, not {self.batch_size}.")
        names = [name for name, _ in _items(self.inputs)]
        if isinstance(self.mask, str | int) and str(self.mask) not in names:
            raise ValueError(f"mask={self.mask!r} is no input of this probe; it has {', '.join(names)}.")
        n = self.num_rows
        if self.labels is not None:
            wrong = [label for label in self.labels if not isinstance(label, str) or not label]
            if len(self.labels) != n or wrong:
                found = f"the label {wrong[0]!r}" if wrong else f"{len(self.labels)} labels"
                raise ValueError(f"A probe of {n} rows takes {n} labels, each a string that is not empty, not {found}.")

    @property
    def num_rows(self) -> int:
        """n, the number of rows."""
        sizes: dict[str, int] = {}
        for name, value in _items(self.inputs):
            if isinstance(value, list | tuple):
                raise TypeError(
                    f"The input {name} of a probe is a {type(value).__name__}. Give it as an array or a tensor; a "
                    "tuple or list holds the positional inputs of the network."
                )
            if _is_batch(value):
                sizes[name] = int(value.shape[0])
        if len(set(sizes.values())) != 1 or 0 in sizes.values():
            found = ", ".join(f"{size} in {name}" for name, size in sizes.items()) or "no array"
            raise ValueError(
                f"The arrays of a probe must have the same number of rows, at least 1; it has {found}. Give the arrays "
                "or tensors that the network takes, such as ids; texts must be tokenized first."
            )
        return next(iter(sizes.values()))


def read_probes(probes: Mapping[str, Probe] | None) -> dict[str, Probe]:
    """Validate the option `probes`."""
    if not isinstance(probes or {}, Mapping):
        raise TypeError(f'probes takes {{"name": Probe(...)}}, not {type(probes).__name__}.')
    for name, probe in (probes or {}).items():
        if not isinstance(name, str) or not name or not isinstance(probe, Probe):
            raise TypeError(f'probes takes {{"name": Probe(...)}}, not {name!r}: {type(probe).__name__}.')
    return dict(probes or {})


class ProbeSource:
    """Rows of a probe in one training."""

    def __init__(self, name: str, probe: Probe, network: object) -> None:
        self._name = name
        self._probe = probe
        self._network: Any = network
        self._dtype = ""
        try:
            if not is_paddle(network, "nn.Layer"):
                raise ValueError(f"a probe runs a paddle.nn.Layer, not a {type(network).__name__}. Remove the probe.")
            if is_split(self._network):
                raise ValueError(
                    "several processes hold parts of this network's layers, and a probe runs in one process only. "
                    "Remove the probe, or record a checkpoint of the whole network."
                )
            self.rows = _rows_of(name, probe)
            # Copies: the trainer may write the next batch into the same memory.
            self._inputs = _map(probe.inputs, _as_tensor)
            width = self._run().shape[1]
            # The first pass may compile kernels; the second one is like those of the snapshots.
            start = time.perf_counter()
            self._run()
            self._seconds = time.perf_counter() - start
        except Exception as error:
            given = ", ".join(f"{key} {_described(value)}" for key, value in _items(probe.inputs))
            hint = "" if _is_own(error) else f" It was run on {given}: check that the network takes these."
            raise ValueError(f"Probe {name!r}: {_sentence(error)}{hint}") from error
        self.table = Table(name, probe.num_rows, width, self._dtype)

    def past(self, store: TableStore) -> None:
        """Read nothing: nothing is counted beside the vectors."""

    def begin(self, past: None) -> None:
        """Log what a snapshot costs."""
        layer = self._probe.layer
        where = (layer or type(self._network).__name__) if isinstance(layer, str) else "a function"
        size = f"{self.table.num_rows} rows x {self.table.dim}"
        logger.info("Probe %s: %s from %s, %.3g ms per snapshot.", self._name, size, where, 1e3 * self._seconds)

    def snapshot(self, step: int) -> Snapshot:
        """Run the network on the batch; SourceEndedError if this fails or the output has another width."""
        try:
            vectors = self._run()
            if vectors.shape[1] != self.table.dim:
                raise ValueError(f"the output has {vectors.shape[1]} columns, and had {self.table.dim} before")
        except Exception as error:
            raise SourceEndedError(f"probe {self._name!r}, {_sentence(error).rstrip('.')}") from error
        return Snapshot(self._name, step, self.rows, vectors)

    def close(self) -> None:
        """Release the network and the batch."""
        self._network = self._inputs = None

    def _run(self) -> NDArray[np.float32]:
        """Run the network on all rows: ``(n, d)`` float32."""
        n, size = self._probe.num_rows, self._probe.batch_size or self._probe.num_rows
        with undisturbed(self._network):
            return np.concatenate([self._run_on(start, min(start + size, n)) for start in range(0, n, size)])

    def _run_on(self, start: int, stop: int) -> NDArray[np.float32]:
        probe, network = self._probe, self._network
        inputs = _map(self._inputs, lambda value: value[start:stop].clone())
        if isinstance(probe.layer, str):
            output = capture(network, probe.layer, lambda: _call(network, inputs))
        else:
            output = probe.layer(network, inputs)
        output = _selected(output, probe.select)
        self._dtype = str(output.dtype).rsplit(".", 1)[-1]
        if "float" not in self._dtype:
            raise ValueError(f"the output holds {self._dtype}, not real numbers. Choose another layer.")
        if tuple(output.shape)[:1] != (stop - start,) or output.ndim not in (2, 3):
            raise ValueError(
                f"the output has shape {tuple(output.shape)}, not ({stop - start}, d). Choose another layer, or give "
                "a function layer=lambda network, inputs: … that returns this shape."
            )
        # Cast first: .numpy() returns bfloat16 as uint16.
        output = output.astype("float32")
        if output.ndim == 3:
            output = _pooled(output, probe.pool, self._mask(inputs, start, stop))
        vectors: NDArray[np.float32] = output.numpy()
        return vectors

    def _mask(self, inputs: Any, start: int, stop: int) -> Any:
        mask = self._probe.mask
        if isinstance(mask, str | int):
            return inputs[mask]
        return None if mask is None else _as_tensor(mask)[start:stop]


def _rows_of(name: str, probe: Probe) -> Rows:
    n = probe.num_rows
    labels = open_vocabulary(None, num_rows=n).labels if probe.labels is None else tuple(probe.labels)
    words = Vocabulary(labels, source="the probe", composes=False)
    if probe.metadata is not None:
        given: Any = probe.metadata
        for columns in given if isinstance(given, list | tuple) else [given]:
            words = words.with_columns(columns)
    for note in words.notes:
        logger.warning("Probe %s: %s", name, note)
    watch = (probe.watch,) if isinstance(probe.watch, str) else probe.watch
    return select_rows(words, num_rows=n, rows="all", watch=watch, keep=KEEP)


def _items(inputs: Any) -> Iterator[tuple[str, Any]]:
    named: Iterable[tuple[Any, Any]] = [("inputs", inputs)]
    if isinstance(inputs, Mapping):
        named = inputs.items()
    elif isinstance(inputs, list | tuple):
        named = enumerate(inputs)
    return ((str(name), value) for name, value in named)


def _is_batch(value: Any) -> bool:
    return len(getattr(value, "shape", ())) > 0


def _map(inputs: Any, action: Callable[[Any], Any]) -> Any:
    """Apply `action` to each array in inputs of any form."""
    if isinstance(inputs, Mapping):
        return {name: _map(value, action) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return tuple(_map(value, action) for value in inputs)
    return action(inputs) if _is_batch(inputs) else inputs


def _as_tensor(value: Any) -> Any:
    import paddle

    with paddle.amp.auto_cast(enable=False):
        return value.detach().clone() if isinstance(value, paddle.Tensor) else paddle.to_tensor(np.asarray(value))


def _call(network: Any, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


def _selected(output: Any, select: int | str | None) -> Any:
    """Choose the tensor among several outputs."""
    if hasattr(output, "astype"):
        if select is not None:
            raise ValueError(f"the output is one tensor of shape {tuple(output.shape)}. Remove select={select!r}.")
        return output
    if not isinstance(output, Mapping | list | tuple):
        raise ValueError(f"the output is a {type(output).__name__}, not a tensor. Choose another layer.")
    parts = dict(output if isinstance(output, Mapping) else enumerate(output))
    if select not in parts or not hasattr(parts[select], "astype"):
        shown = ", ".join(f"{key!r}: {tuple(getattr(part, 'shape', ()))}" for key, part in parts.items())
        raise ValueError(f"the output holds {shown}; choose one of them by select=, not {select!r}.")
    return parts[select]


def _pooled(output: Any, pool: str | None, mask: Any) -> Any:
    """Reduce ``(b, t, d)`` to ``(b, d)``; a row whose mask is 0 everywhere becomes NaN by ``"mean"``."""
    import paddle

    size, length, _ = output.shape
    if pool is None:
        raise ValueError(
            f"the output has shape ({size}, {length}, {output.shape[2]}), with {length} positions a row. Choose by "
            'pool="first", "mean" or "last" (and mask=, if the rows are padded).'
        )
    if mask is None:
        mask = paddle.ones([size, length])
    mask = mask.astype("float32")
    if tuple(mask.shape) != (size, length) or bool((mask < 0).any()):
        raise ValueError(f"mask must be 1 or 0 in shape ({size}, {length}); it has shape {tuple(mask.shape)}.")
    used = mask > 0
    if pool == "mean":
        total = paddle.where(used.unsqueeze(-1), output, paddle.zeros_like(output)).sum(axis=1)
        return total / used.astype("float32").sum(axis=1, keepdim=True)
    places = paddle.arange(length)
    if pool == "first":
        chosen = paddle.where(used, places, paddle.full_like(places, length)).min(axis=1).clip(max=length - 1)
    else:
        chosen = paddle.where(used, places, paddle.zeros_like(places)).max(axis=1)
    return output[paddle.arange(size), chosen]


def _described(value: Any) -> str:
    if not _is_batch(value):
        return repr(value)
    return f"{tuple(value.shape)} {str(value.dtype).rsplit('.', 1)[-1]}"


def _is_own(error: Exception) -> bool:
    """Whether an error was raised here, and not by Paddle or the network."""
    return type(error) is ValueError and not str(error).startswith("(")


def _sentence(error: Exception) -> str:
    """First line of an error, with its kind unless it is a ValueError raised here."""
    first = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
    stop = "" if first.endswith("?") else "."
    return f"{first}{stop}" if _is_own(error) else f"{type(error).__name__}: {first}{stop}"
