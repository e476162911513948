"""Embedding tables of a Paddle network in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.suggest import listed
from visualdl_embedding.core.table import Table, block_ranges
from visualdl_embedding.models._shards import Shards, find_shards, is_auto_parallel, is_vocab_parallel, local_part

if TYPE_CHECKING:
    import paddle

__all__ = ["LiveTable", "ScopeTable", "find_tables", "is_paddle", "is_scope", "live_table", "require_dynamic_mode"]

ROOT_NAME = "embedding"
"""Table name if the network itself is the embedding layer: its sublayer name is empty."""


@dataclass(frozen=True)
class LiveTable:
    """Table in a parameter of a network, and the ``nn.Embedding`` layers that use it, if any.

    `shards` says how its rows are spread over ranks, all of which then read at the same time.
    """

    table: Table
    parameter: paddle.Tensor
    layers: tuple[paddle.nn.Layer, ...] = ()
    shards: Shards | None = None

    def read_rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Gather rows on the parameter's device: `ids` ``(m,)`` int64 from 0 to V - 1, result ``(m, d)`` float32.

        Call it on the training thread: a background thread can read partly updated rows.
        """
        return self._gather(ids) if self.shards is None else self.shards.read_rows(ids, self._gather)

    def _gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Gather rows of this process."""
        import paddle

        with paddle.no_grad():
            parameter = local_part(self.parameter)
            index = paddle.to_tensor(ids, place=parameter.place)
            if self.table.dtype == "float16":
                # Paddle cannot gather float16 on the CPU, but int16; the view copies nothing.
                bits = paddle.gather(parameter.view("int16"), index).numpy()
                return np.asarray(bits.view(np.float16), dtype=np.float32)
            # Cast first: .numpy() returns bfloat16 as uint16.
            vectors: NDArray[np.float32] = paddle.gather(parameter, index).astype("float32").numpy()
        return vectors

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks of about 8 MiB: the number of the first row, and ``(b, d)`` float32."""
        for start, stop in block_ranges(self.table.num_rows, self.table.dim):
            yield start, self.read_rows(np.arange(start, stop))


@dataclass(frozen=True)
class ScopeTable:
    """Table in a variable of a scope, which the executor of a static program trains."""

    table: Table
    scope: Any
    variable: str

    def read_rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Gather rows on the variable's device, as `LiveTable.read_rows`."""
        with self._live() as live:
            return live.read_rows(ids)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks of about 8 MiB, as `LiveTable.blocks`."""
        for start, stop in block_ranges(self.table.num_rows, self.table.dim):
            yield start, self.read_rows(np.arange(start, stop))

    @contextmanager
    def _live(self) -> Iterator[LiveTable]:
        import paddle

        with paddle.base.dygraph.guard():
            # The tensor shares its memory with the variable; an executor may exchange that memory at each run.
            yield LiveTable(self.table, paddle.Tensor(self.scope.find_var(self.variable).get_tensor()))


def require_dynamic_mode(reader: str) -> None:
    """Raise a RuntimeError in static mode; `reader` names the class that reads the layers, for the message."""
    import paddle

    if not paddle.in_dynamic_mode():
        raise RuntimeError(
            f"{reader} reads layers in dynamic mode; remove paddle.enable_static(), or pass the "
            "scope of the static program (paddle.static.global_scope()) and the names of its variables as tables."
        )


def is_paddle(source: Any, kind: Literal["nn.Layer", "Tensor"]) -> bool:
    """Whether something is a ``paddle.nn.Layer`` or a ``paddle.Tensor``, without importing Paddle."""
    return "paddle" in sys.modules and isinstance(source, attrgetter(kind)(sys.modules["paddle"]))


def is_scope(source: Any) -> bool:
    """Whether something is a scope, such as ``paddle.static.global_scope()``, without importing Paddle."""
    return "paddle" in sys.modules and isinstance(source, sys.modules["paddle"].base.core._Scope)


def find_tables(
    network: Any,
    tables: str | Sequence[str] | Mapping[str, Any] | None = None,
) -> list[LiveTable] | list[ScopeTable]:
    """Find the embedding tables of a network.

    Parameters
    ----------
    network
        Network, searched with all its sublayers. A shared layer or tied weight counts once, under its first name.
        Or a scope, in which `tables` names variables.
    tables
        None: every ``nn.Embedding`` and ``VocabParallelEmbedding``. Names or globs (``"encoder.*"``) choose among them.
        A mapping from names to 2-D parameters selects tables outside ``nn.Embedding`` (``F.embedding(x, self.table)``);
        for a scope, from names to names of variables.

    Raises
    ------
    ValueError
        If nothing is found or a name matches nothing; the message lists the candidates.
    """
    if is_scope(network):
        return _scope_tables(network, tables)
    if isinstance(tables, Mapping):
        return [live_table(name, parameter) for name, parameter in tables.items()]
    found = _embedding_layers(network)
    if tables is None:
        if not found:
            shown = listed([f"{name} {tuple(p.shape)}" for name, p in network.named_parameters()], 20)
            raise ValueError(
                f"No paddle.nn.Embedding was found in {type(network).__name__}. Its parameters are:\n{shown}\n"
                'Choose the table: tables={"my_table": network.my_parameter}.'
            )
        return list(found.values())
    patterns = [tables] if isinstance(tables, str) else list(tables)
    chosen: dict[str, LiveTable] = {}
    for pattern in patterns:
        matches = {name: live for name, live in found.items() if name == pattern or fnmatchcase(name, pattern)}
        if not matches:
            names = ", ".join(found) or "none"
            raise ValueError(
                f"tables={pattern!r} matches no paddle.nn.Embedding of {type(network).__name__}; it has: {names}. "
                'For a parameter outside nn.Embedding use tables={"name": parameter}.'
            )
        chosen.update(matches)
    return list(chosen.values())


def _scope_tables(scope: Any, tables: str | Sequence[str] | Mapping[str, Any] | None) -> list[ScopeTable]:
    names = [tables] if isinstance(tables, str) else tables or ()
    chosen = names if isinstance(names, Mapping) else {name: name for name in names}
    if not chosen:
        raise ValueError(
            'A scope does not tell which of its variables are tables. Name them: tables=["embedding_0.w_0"]; '
            "embedding_layer.weight.name is the name."
        )
    found = []
    for name, variable in chosen.items():
        held = scope.find_var(variable)
        if held is None or not held.get_tensor()._is_initialized():
            raise ValueError(
                f"The scope holds no value of {variable!r} for the table {name!r}. Run the startup program first, and "
                "give the name of the variable: embedding_layer.weight.name."
            )
        table = ScopeTable(Table(name, 1, 1), scope, variable)
        with table._live() as live:
            found.append(replace(table, table=live_table(name, live.parameter).table))
    return found


def _embedding_layers(network: paddle.nn.Layer) -> dict[str, LiveTable]:
    import paddle

    sharing: dict[int, list[tuple[str, Any]]] = {}
    for name, layer in network.named_sublayers(include_self=True):
        if isinstance(layer, paddle.nn.Embedding) or is_vocab_parallel(layer):
            sharing.setdefault(id(layer.weight), []).append((name or ROOT_NAME, layer))
    found: dict[str, LiveTable] = {}
    for (name, first), *others in sharing.values():
        layers = (first, *(layer for _, layer in others))
        found[name] = live_table(name, first.weight, getattr(first, "_padding_idx", None), layers=layers)
    return found


def live_table(
    name: str, parameter: Any, padding_idx: int | None = None, *, layers: tuple[paddle.nn.Layer, ...] = ()
) -> LiveTable:
    """Table in a parameter, which may be spread over processes; ValueError if the parameter is not 2-D."""
    shape = tuple(getattr(parameter, "shape", ()))
    if len(shape) != 2:
        kind = f"a tensor of shape {shape}" if shape else f"{type(parameter).__name__}"
        raise ValueError(f"Table {name!r} must be a 2-D parameter of shape (V, d), not {kind}.")
    if padding_idx is not None and padding_idx < 0:
        padding_idx += int(shape[0])
    dtype = str(parameter.dtype).rsplit(".", 1)[-1]
    layer: Any = layers[0] if layers else None
    num_rows = layer.num_embeddings if is_vocab_parallel(layer) else shape[0]
    table = Table(name, int(num_rows), int(shape[1]), dtype, padding_idx)
    shards = find_shards(table, parameter, layer)
    # Ids and gradients of auto-parallel layers are distributed tensors, which the hooks of a history cannot read.
    return LiveTable(table, parameter, () if is_auto_parallel(parameter) else layers, shards)
