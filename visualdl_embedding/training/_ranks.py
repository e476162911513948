"""Agreement between the processes of a distributed training."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["Ranks", "SilentRecorder"]

T = TypeVar("T")

logger = logging.getLogger("visualdl_embedding")

POLL_SECONDS = 0.02
ROUND_SECONDS = 1.0
"""Longest time in one collective while rank 0 works alone: gloo ends the process after 30 s, NCCL after 30 min."""
MEETING_SECONDS = 20.0
"""Time that rank 0 waits for the others at the beginning: less than gloo's 30 s, in case they train without it."""
_TOGETHER, _ALONE = 1, 2
_meetings = count(1)


@dataclass(frozen=True)
class Ranks:
    """Processes that train together through ``paddle.distributed``; `size` is 1 without them.

    All ranks call a method at the same place of the training; each call is at least one collective. With one rank the
    methods communicate nothing.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Return the ranks of this training."""
        import paddle

        together = paddle.distributed.is_initialized()
        return cls(paddle.distributed.get_rank(), paddle.distributed.get_world_size() if together else 1)

    @property
    def writes(self) -> bool:
        """Whether this process, rank 0, writes the run."""
        return self.rank == 0

    @property
    def has_tables(self) -> bool:
        """Whether this process holds embedding tables: with fleet's pipelines, the first stage does."""
        hybrid = _hybrid_groups() if self.size > 1 else None
        return hybrid is None or hybrid.get_stage_id() == 0

    def meet(self, reader: str) -> Ranks:
        """Wait for all ranks to begin; return them, or this rank alone if some of the others do not come.

        The ranks meet through the store of ``paddle.distributed``: a collective would be mixed up with those of a
        training whose other ranks lack the callback. `reader` names its class, for the message.
        """
        import paddle

        store = getattr(paddle.distributed.collective, "_default_store", None)
        if self.size == 1 or store is None:
            return self
        name = f"visualdl_embedding/meeting/{next(_meetings)}"
        waits = time.monotonic() + MEETING_SECONDS
        if not self.writes:
            store.add(name, 1)
            while not (verdict := store.add(f"{name}/verdict", 0)) and time.monotonic() < waits + MEETING_SECONDS:
                time.sleep(POLL_SECONDS)
            if not verdict:
                store.add(name, -1)  # rank 0, if it still comes, must not count on this one
            return self if verdict == _TOGETHER else Ranks(self.rank)
        while (missing := self.size - 1 - store.add(name, 0)) and time.monotonic() < waits:
            time.sleep(POLL_SECONDS)
        store.add(f"{name}/verdict", _ALONE if missing else _TOGETHER)
        if not missing:
            return self
        logger.warning(
            "%s: %d of %d ranks did not begin to record within %g s. Rank 0 records alone, so lookups and gradients "
            "are those of its own data. Give the callback to the training on every rank.",
            reader,
            missing,
            self.size,
            MEETING_SECONDS,
        )
        return Ranks(self.rank)

    def all(self, flag: bool) -> bool:
        """Whether `flag` is true on all ranks."""
        if self.size == 1:
            return flag
        import paddle

        missing = paddle.to_tensor([int(not flag)])
        paddle.distributed.all_reduce(missing)
        return int(missing.item()) == 0

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum an array over the ranks that see different data.

        With fleet these are the data-parallel, sharding and sequence-parallel groups: tensor-parallel ranks see the
        same ids, and the stages of a pipeline have different tables.
        """
        if self.size == 1 or not array.size:
            return array
        import paddle

        total = paddle.to_tensor(array)
        for group in _data_groups():
            paddle.distributed.all_reduce(total, group=group)
        return np.asarray(total.numpy())

    def attempt(self, action: Callable[[], T]) -> T:
        """Call `action` on every rank; if it raises on one, raise the error of the lowest such rank on all."""
        result: Any = None
        failure: BaseException | None = None
        try:
            result = action()
        except Exception as error:
            failure = error
        if self.size > 1:
            import paddle

            failures: list[Any] = []
            paddle.distributed.all_gather_object(failures, None if failure is None else _portable(failure))
            if failure is None:
                failure = next((other for other in failures if other is not None), None)
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]

    def decide(self, action: Callable[[], T]) -> T:
        """Return the result of `action`, called on rank 0 only, on all ranks; raise its error on all ranks."""
        if self.size == 1:
            return action()
        import paddle

        outcome: list[Any] = [None, None]

        def run() -> None:
            try:
                outcome[0] = action()
            except Exception as error:
                outcome[1] = error

        self.wait(run if self.writes else None)
        shared = [outcome[0], None if outcome[1] is None else _portable(outcome[1])]
        paddle.distributed.broadcast_object_list(shared, src=0)
        if (error := outcome[1] or shared[1]) is not None:
            raise error
        return shared[0] if outcome[0] is None else outcome[0]  # type: ignore[no-any-return]

    def wait(self, action: Callable[[], None] | None) -> None:
        """Call `action` where it is given; all ranks return when it has ended, and none waits long in a collective."""
        if self.size == 1:
            if action is not None:
                action()
            return
        thread = threading.Thread(target=action, daemon=True)  # ends at once without an action
        thread.start()
        while True:
            thread.join(ROUND_SECONDS)
            if self.all(not thread.is_alive()):
                return


class SilentRecorder:
    """Stands for `Recorder` on the ranks that do not write."""

    error: BaseException | None = None

    def start(self) -> None:
        """Do nothing."""

    def record(self, snapshot: Snapshot, *, final: bool = False) -> bool:
        """Accept any snapshot."""
        return True

    def after_batch(self, step: int) -> None:
        """Do nothing."""

    def close(self, *, timeout: float | None = None) -> None:
        """Do nothing."""

    def take_alerts(self) -> list[Any]:
        """Return no alerts."""
        return []


def _data_groups() -> list[Any]:
    """Return the groups over which different data are spread; ``[None]`` is the group of all ranks."""
    hybrid = _hybrid_groups()
    if hybrid is None:
        return [None]
    groups = [hybrid.get_data_parallel_group(), hybrid.get_sharding_parallel_group()]
    if hybrid.get_sep_parallel_world_size() > 1:
        groups.append(hybrid.get_sep_parallel_group())
    return [group for group in groups if group.nranks > 1]


def _hybrid_groups() -> Any:
    """Return the ``HybridCommunicateGroup`` of fleet, or None."""
    from paddle.distributed import fleet

    return getattr(fleet.fleet, "_hcg", None)


def _portable(error: BaseException) -> BaseException:
    """Return an error that another process can raise: itself if it can be pickled, else its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
