"""Embedding tables of a Paddle network in memory."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.suggest import did_you_mean, listed
from visualdl_embedding.core.table import Table, block_ranges
from visualdl_embedding.models._shards import Shards, find_shards, is_auto_parallel, is_vocab_parallel, local_part

if TYPE_CHECKING:
    import paddle

__all__ = ["LiveTable", "ScopeTable", "find_tables", "is_paddle", "is_scope", "live_table", "require_dynamic_mode"]

logger = logging.getLogger("visualdl_embedding")

ROOT_NAME = "embedding"
"""Table name if the network itself is the embedding layer: its sublayer name is empty."""
NAMED = 8
"""Number of 2-D parameters named in a line of the log."""


@dataclass(frozen=True)
class LiveTable:
    """Table in a parameter of a network.

    Attributes
    ----------
    table
        Name and shape when the table was found.
    parameter
        Parameter when the table was found.
    layers
        ``nn.Embedding`` layers that use it.
    shards
        How its rows are spread over ranks, all of which then read at the same time; None if they are not.
    holder
        Layer, and path in it, where the parameter is held; None if it is not part of a network.
    """

    table: Table
    parameter: paddle.Tensor
    layers: tuple[paddle.nn.Layer, ...] = ()
    shards: Shards | None = None
    holder: tuple[paddle.nn.Layer, str] | None = field(default=None, kw_only=True)

    @property
    def current(self) -> paddle.Tensor:
        """Parameter in this place now; None if there is none.

        A training may replace it or its layer, as to add tokens; ``weight_norm`` does at each forward pass.
        """
        if self.holder is None:
            return self.parameter
        layer, path = self.holder
        try:
            return attrgetter(path)(layer)
        except AttributeError:
            return None

    @property
    def has_new_layer(self) -> bool:
        """Whether another layer has taken the place of the one that was found."""
        if self.holder is None or not self.layers:
            return False
        network, path = self.holder
        place = path.rpartition(".")[0]
        return self.current is not None and (attrgetter(place)(network) if place else network) is not self.layers[0]

    @property
    def is_countable(self) -> bool:
        """Whether lookups can be counted: ids and gradients of auto-parallel layers are distributed tensors."""
        return not is_auto_parallel(self.parameter)

    def read_rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Gather rows on the parameter's device: `ids` ``(m,)`` int64 from 0 to V - 1, result ``(m, d)`` float32.

        Call it on the training thread: a background thread can read partly updated rows.
        """
        return self._gather(ids) if self.shards is None else self.shards.read_rows(ids, self._gather)

    def _gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Gather rows of this process."""
        import paddle

        with paddle.no_grad():
            parameter = local_part(self.current)
            index = paddle.to_tensor(ids, place=parameter.place)
            if parameter.dtype == paddle.float16:
                # Paddle cannot gather float16 on the CPU, but int16; the view copies nothing.
                bits = paddle.gather(parameter.view("int16"), index).numpy()
                return np.asarray(bits.view(np.float16), dtype=np.float32)
            # Cast first: .numpy() returns bfloat16 as uint16.
            vectors: NDArray[np.float32] = paddle.gather(parameter, index).astype("float32").numpy()
        return vectors

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks of about 8 MiB: the number of the first row, and ``(b, d)`` float32."""
        return _read_in_blocks(self)


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
        return _read_in_blocks(self)

    @contextmanager
    def _live(self) -> Iterator[LiveTable]:
        import paddle

        with paddle.base.dygraph.guard():
            # The tensor shares its memory with the variable; an executor may exchange that memory at each run.
            yield LiveTable(self.table, paddle.Tensor(self.scope.find_var(self.variable).get_tensor()))


def _read_in_blocks(reader: LiveTable | ScopeTable) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start, stop in block_ranges(reader.table.num_rows, reader.table.dim):
        yield start, reader.read_rows(np.arange(start, stop))


def require_dynamic_mode(reader: str) -> None:
    """Raise a RuntimeError in static mode; `reader` names the class that reads the layers, for the message."""
    import paddle

    if not paddle.in_dynamic_mode():
        raise RuntimeError(
            f"{reader} reads layers in dynamic mode; remove paddle.enable_static(), or pass the "
            "scope of the static program (paddle.static.global_scope()) and the names of its variables as tables."
        )


def is_paddle(source: Any, kind: Literal["nn.Layer", "Tensor", "DataParallel"]) -> bool:
    """Whether something is of a class of Paddle, such as ``paddle.Tensor``, without importing Paddle."""
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
        None: every ``nn.Embedding`` and ``VocabParallelEmbedding``; other 2-D parameters that may be tables are named
        in the log. Names or globs (``"encoder.*"``) choose among the layers, and the name of any 2-D parameter
        (``"decoder.table"``) selects it. A mapping selects 2-D parameters under names of your choice; for a scope, it
        has names of variables.

    Raises
    ------
    ValueError
        If nothing is found or a name matches nothing; the message lists the candidates.
    """
    if is_scope(network):
        return _scope_tables(network, tables)
    found = _embedding_layers(network)
    if isinstance(tables, Mapping):
        return [_as_table(network, found, name, parameter) for name, parameter in tables.items()]
    if tables is None:
        _log_passed_over(network, found)
        if not found:
            shown = listed([f"{name} {tuple(p.shape)}" for name, p in network.named_parameters()], 20)
            flat = [name for name, parameter in network.named_parameters() if len(parameter.shape) == 2]
            example = next(iter([*_possible_tables(network, found), *flat]), "decoder.table")
            raise ValueError(
                f"No paddle.nn.Embedding was found in {type(network).__name__}. Its parameters are:\n{shown}\n"
                f"Choose the table: tables=[{example!r}]."
            )
        return list(found.values())
    chosen: dict[str, LiveTable] = {}
    for pattern in [tables] if isinstance(tables, str) else tables:
        chosen.update(_matches(network, found, pattern))
    return list(chosen.values())


def _matches(network: paddle.nn.Layer, found: Mapping[str, LiveTable], pattern: str) -> dict[str, LiveTable]:
    """Select the layers that match a name or glob, else the parameter with this name."""
    matches = {name: live for name, live in found.items() if name == pattern or fnmatchcase(name, pattern)}
    if matches:
        return matches
    parameters = dict(network.named_parameters())
    if pattern not in parameters:
        names = ", ".join(found) or "none"
        matrices = [name for name, parameter in parameters.items() if len(parameter.shape) == 2]
        raise ValueError(
            f"tables={pattern!r} matches no paddle.nn.Embedding of {type(network).__name__}; it has: {names}. It is no "
            f"2-D parameter either: {did_you_mean(pattern, [*found, *matrices])}"
        )
    for name, live in found.items():
        if live.parameter is parameters[pattern]:
            return {name: live}
    return {pattern: _as_table(network, found, pattern, parameters[pattern])}


def _as_table(network: paddle.nn.Layer, found: Mapping[str, LiveTable], name: str, parameter: Any) -> LiveTable:
    """Table in a given parameter, with the layers of the network that hold it."""
    for live in found.values():
        if live.parameter is parameter:
            return replace(live, table=replace(live.table, name=name))
    for layer in network.sublayers(include_self=True):
        for attribute, held in layer._parameters.items():
            if held is parameter:
                return live_table(name, parameter, holder=(layer, attribute))
    return live_table(name, parameter)


def _possible_tables(network: paddle.nn.Layer, found: Mapping[str, LiveTable]) -> dict[str, Any]:
    """2-D parameters that no found table has and that no layer class of Paddle defines, as ``nn.Linear`` does."""
    import paddle

    lists = (paddle.nn.ParameterList, paddle.nn.ParameterDict)
    seen = {id(live.parameter) for live in found.values()}
    possible = {}
    for prefix, layer in network.named_sublayers(include_self=True):
        bases = (base for base in type(layer).__mro__ if base is not paddle.nn.Layer)
        if not isinstance(layer, lists) and any(base.__module__.startswith("paddle.") for base in bases):
            continue
        for attribute, parameter in layer._parameters.items():
            if parameter is not None and len(parameter.shape) == 2 and id(parameter) not in seen:
                seen.add(id(parameter))
                possible[f"{prefix}.{attribute}" if prefix else attribute] = parameter
    return possible


def _log_passed_over(network: paddle.nn.Layer, found: Mapping[str, LiveTable]) -> None:
    possible = _possible_tables(network, found)
    if found and possible:
        shown = [f"{name} ({' × '.join(map(str, parameter.shape))})" for name, parameter in possible.items()]
        more = [f"{len(shown) - NAMED} more"] if len(shown) > NAMED else []
        logger.info(
            "Passed over, because they belong to no nn.Embedding: the 2-D parameters %s. If one of them is an "
            "embedding table, name all tables to record: tables=%r.",
            ", ".join([*shown[:NAMED], *more]),
            [*found, next(iter(possible))],
        )


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
        padding_idx = getattr(first, "_padding_idx", None)
        path = "weight" if first is network else f"{name}.weight"
        found[name] = live_table(name, first.weight, padding_idx, layers=layers, holder=(network, path))
    return found


def live_table(
    name: str,
    parameter: Any,
    padding_idx: int | None = None,
    *,
    layers: tuple[paddle.nn.Layer, ...] = (),
    holder: tuple[paddle.nn.Layer, str] | None = None,
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
    return LiveTable(table, parameter, layers, find_shards(table, parameter, layer), holder=holder)
