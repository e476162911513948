"""Embedding tables of a Paddle network in memory: found by walking its layers, read by gathering rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import Table, block_ranges

if TYPE_CHECKING:
    import paddle

__all__ = ["LiveTable", "find_tables", "is_layer", "is_tensor", "live_table"]

ROOT_NAME = "embedding"
"""Name of the table when the network itself is the embedding layer, whose sublayer name is empty."""


@dataclass(frozen=True)
class LiveTable:
    """A table together with the parameter that holds it.

    Attributes
    ----------
    table
        Name, shape, type, padding row.
    parameter
        The weight.
    layers
        The ``nn.Embedding`` layers that look rows up in it; none where a parameter was given by itself.
    """

    table: Table
    parameter: paddle.Tensor
    layers: tuple[paddle.nn.Layer, ...] = ()

    def read_rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read rows on the parameter's device and bring only them to NumPy.

        Call it on the training thread: a background reader sees torn rows.

        Parameters
        ----------
        ids
            ``(m,)`` int64, each in 0 to V - 1.

        Returns
        -------
        ``(m, d)`` float32.
        """
        import paddle

        with paddle.no_grad():
            index = paddle.to_tensor(ids, place=self.parameter.place)
            if self.table.dtype == "float16":
                # Paddle's CPU has no gather for float16; int16 has one, and the view copies nothing.
                bits = paddle.gather(self.parameter.view("int16"), index).numpy()
                return np.asarray(bits.view(np.float16), dtype=np.float32)
            # bfloat16 comes out of .numpy() as uint16, so the cast belongs before it.
            vectors: NDArray[np.float32] = paddle.gather(self.parameter, index).astype("float32").numpy()
        return vectors

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in order, about 8 MiB at a time: the number of a block's first row, and ``(b, d)`` float32."""
        for start, stop in block_ranges(self.table.num_rows, self.table.dim):
            yield start, self.read_rows(np.arange(start, stop))


def is_layer(source: Any) -> bool:
    """Whether something is a ``paddle.nn.Layer``; Paddle is not imported for that."""
    return "paddle" in sys.modules and isinstance(source, sys.modules["paddle"].nn.Layer)


def is_tensor(source: Any) -> bool:
    """Whether something is a ``paddle.Tensor``; Paddle is not imported for that."""
    return "paddle" in sys.modules and isinstance(source, sys.modules["paddle"].Tensor)


def find_tables(
    network: paddle.nn.Layer,
    tables: str | Sequence[str] | Mapping[str, paddle.Tensor] | None = None,
) -> list[LiveTable]:
    """Find the embedding tables of a network.

    Parameters
    ----------
    network
        Walked with all its sublayers. A shared layer or tied weight counts once, under its first name.
    tables
        None: every ``nn.Embedding``. Names or globs (``"encoder.*"``) choose among them. A mapping from a name to a
        2-D parameter takes tables that no ``nn.Embedding`` holds (``F.embedding(x, self.table)``).

    Raises
    ------
    ValueError
        Where nothing is found or a name matches nothing; the message lists what the network has.
    """
    if isinstance(tables, Mapping):
        return [live_table(name, parameter, None) for name, parameter in tables.items()]
    found = _embedding_layers(network)
    if tables is None:
        if not found:
            raise ValueError(
                f"No paddle.nn.Embedding was found in {type(network).__name__}. Its parameters are:\n"
                f"{_describe_parameters(network)}\n"
                'Name the table yourself: tables={"my_table": network.my_parameter}.'
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


def _embedding_layers(network: paddle.nn.Layer) -> dict[str, LiveTable]:
    import paddle

    sharing: dict[int, list[tuple[str, Any]]] = {}
    for name, layer in network.named_sublayers(include_self=True):
        if isinstance(layer, paddle.nn.Embedding):
            sharing.setdefault(id(layer.weight), []).append((name or ROOT_NAME, layer))
    found: dict[str, LiveTable] = {}
    for layers in sharing.values():
        name, first = layers[0]
        live = live_table(name, first.weight, getattr(first, "_padding_idx", None))
        found[live.table.name] = replace(live, layers=tuple(layer for _, layer in layers))
    return found


def live_table(name: str, parameter: Any, padding_idx: int | None = None) -> LiveTable:
    """Make a table of a 2-D parameter.

    Raises
    ------
    ValueError
        It is no matrix.
    """
    shape = tuple(getattr(parameter, "shape", ()))
    if len(shape) != 2:
        kind = f"a tensor of shape {shape}" if shape else f"{type(parameter).__name__}"
        raise ValueError(f"Table {name!r} must be a 2-D parameter of shape (V, d), not {kind}.")
    if padding_idx is not None and padding_idx < 0:
        padding_idx += int(shape[0])
    dtype = str(parameter.dtype).rsplit(".", 1)[-1]
    return LiveTable(Table(name, int(shape[0]), int(shape[1]), dtype, padding_idx), parameter)


def _describe_parameters(network: paddle.nn.Layer, limit: int = 20) -> str:
    lines = [f"  {name} {tuple(p.shape)}" for name, p in network.named_parameters()]
    more = [f"  … and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join([*lines[:limit], *more]) or "  none"
