"""Ranks without other processes."""

from __future__ import annotations

import socket
from itertools import repeat

import numpy as np
import paddle
import pytest

from visualdl_embedding.training import _ranks
from visualdl_embedding.training._ranks import Ranks, _portable


class Unportable(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


def test_one_rank_does_not_communicate() -> None:
    ranks, numbers = Ranks.current(), np.arange(3.0)
    assert (ranks.rank, ranks.size, ranks.writes, ranks.has_tables) == (0, 1, True, True)
    assert ranks.sum(numbers) is numbers
    assert ranks.all(True)
    assert not ranks.all(False)
    assert ranks.decide(lambda: 5) == ranks.attempt(lambda: 5) == 5
    called: list[int] = []
    ranks.wait(lambda: called.append(1))
    assert called == [1]


def test_errors_of_one_rank_are_raised_as_they_are() -> None:
    for call in (Ranks().decide, Ranks().attempt):
        with pytest.raises(ZeroDivisionError):
            call(lambda: 1 // 0)


def test_an_error_that_cannot_be_pickled_keeps_its_text() -> None:
    error = FileExistsError("a: taken")
    assert _portable(error) is error
    sent = _portable(Unportable("a", "taken"))
    assert isinstance(sent, RuntimeError)
    assert str(sent) == "Unportable: a: taken"


def test_rank_0_records_alone_after_another_rank_has_stopped_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = paddle.base.core.TCPStore("127.0.0.1", port, True, 1, 60)
    monkeypatch.setattr(paddle.distributed.collective, "_default_store", store)
    monkeypatch.setattr(_ranks, "_meetings", repeat(1))  # both ranks are this process
    monkeypatch.setattr(_ranks, "MEETING_SECONDS", 0.2)
    assert Ranks(1, 2).meet("EmbeddingCallback") == Ranks(1)
    assert Ranks(0, 2).meet("EmbeddingCallback") == Ranks(0)
