"""Tables whose rows are spread over the processes of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import Table, block_ranges

__all__ = ["Shards", "find_shards", "is_auto_parallel", "is_vocab_parallel", "local_part"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shards:
    """Consecutive rows of a table that this rank holds, and the ranks that hold the others.

    Every rank of `group` reads at the same time: each gathers the rows that it owns into a block of zeros, and the sum
    of the blocks is the answer on all of them. An error on one rank is an error on all.

    Attributes
    ----------
    table
        Whole table.
    num_own
        Number of rows that this rank holds.
    group
        Group of ``paddle.distributed``; None for all ranks.
    part, num_parts
        Number of the part that this rank holds, and of all parts.
    contributes
        Whether this rank adds its rows: one of several that hold the same part does.
    """

    table: Table
    num_own: int
    group: Any = None
    part: int = 0
    num_parts: int = 1
    contributes: bool = True

    def read_rows(self, ids: NDArray[np.int64], read_own: Callable[[NDArray[np.int64]], Floats]) -> Floats:
        """Read rows from all ranks, 8 MiB at a time: `ids` ``(m,)`` int64, result ``(m, d)`` float32.

        `read_own` reads rows of this rank, counted from its first.
        """
        first, rows = self._first, np.empty((len(ids), self.table.dim), dtype=np.float32)
        for start, stop in block_ranges(len(ids), self.table.dim):
            rows[start:stop] = self._joined(ids[start:stop] - first, read_own)
        return rows

    def _joined(self, positions: NDArray[np.int64], read_own: Callable[[NDArray[np.int64]], Floats]) -> Floats:
        """Sum of all ranks' blocks, for positions relative to the first row of this rank."""
        block = np.zeros((len(positions) + 1, self.table.dim), dtype=np.float32)
        failure: Exception | None = None
        try:
            held = np.flatnonzero((positions >= 0) & (positions < self.num_own) & self.contributes)
            if len(held):
                block[held] = read_own(positions[held])
        except Exception as error:
            failure = error
            block[-1] = 1  # The last row counts failures, so that no rank waits for one that failed.
        rows = _summed(block, self.group)
        if rows[-1].any():
            raise failure or RuntimeError(f"Table {self.table.name!r} could not be read on another rank.")
        return rows[:-1]

    @cached_property
    def _first(self) -> int:
        """Number of the first row that this rank holds, from the sizes of all parts."""
        sizes = np.zeros(self.num_parts)
        sizes[self.part] = self.num_own if self.contributes else 0
        sizes = _summed(sizes, self.group).astype(np.int64)
        if sizes.sum() != self.table.num_rows:
            raise ValueError(
                f"The parts of table {self.table.name!r} have {', '.join(map(str, sizes))} rows, but the table has "
                f"{self.table.num_rows}. Leave it out with tables=[…]."
            )
        return int(sizes[: self.part].sum())


def is_vocab_parallel(layer: object) -> bool:
    """Whether a layer is the ``VocabParallelEmbedding`` of ``paddle.distributed.fleet`` or of PaddleFleet."""
    named = any(base.__name__ == "VocabParallelEmbedding" for base in type(layer).__mro__)
    return named and all(hasattr(layer, name) for name in ("weight", "vocab_start_index", "num_embeddings"))


def is_auto_parallel(parameter: Any) -> bool:
    """Whether a parameter was made by ``paddle.distributed.shard_tensor``."""
    return bool(getattr(parameter, "is_dist", bool)())


def local_part(parameter: Any) -> Any:
    """Return the tensor of a parameter in this process, which for an auto-parallel one can be a part."""
    return parameter._local_value() if is_auto_parallel(parameter) else parameter


def find_shards(table: Table, parameter: Any, layer: Any = None) -> Shards | None:
    """Find out how the rows of a whole table are spread over ranks; None if this process holds all of them.

    Raises
    ------
    ValueError
        If an auto-parallel parameter is not placed by rows.
    """
    num_own = int(local_part(parameter).shape[0])
    if layer is not None and is_vocab_parallel(layer):
        group: Any = getattr(layer, "model_parallel_group", None) or getattr(layer, "tp_group", None)
        together = group is not None and num_own < table.num_rows
        return Shards(table, num_own, group, group.rank, group.nranks) if together else None
    if not is_auto_parallel(parameter):
        return None
    import paddle

    placements, mesh = parameter.placements, parameter.process_mesh
    shards = [axis for axis, placement in enumerate(placements) if placement.is_shard(0)]
    others = [placement for placement in placements if not placement.is_shard(0)]
    everywhere = set(mesh.process_ids) == set(range(paddle.distributed.get_world_size()))
    if len(shards) > 1 or not all(placement.is_replicated() for placement in others) or not everywhere:
        raise ValueError(
            f"Table {table.name!r} is placed as {placements} on the processes {mesh.process_ids}. Tables can be "
            "read that are replicated, or whose rows are split along one dimension of a mesh of all processes "
            "(Shard(0)). Place it so, or leave it out with tables=[…]."
        )
    if not shards:
        return None
    at = np.unravel_index(mesh.process_ids.index(paddle.distributed.get_rank()), mesh.shape)
    first_copy = all(place == 0 for axis, place in enumerate(at) if axis != shards[0])
    return Shards(table, num_own, None, int(at[shards[0]]), int(mesh.shape[shards[0]]), first_copy)


def _summed(block: NDArray[Any], group: Any) -> NDArray[Any]:
    import paddle

    with paddle.no_grad():
        total = paddle.to_tensor(block)
        paddle.distributed.all_reduce(total, group=group)
        return np.asarray(total.numpy())
