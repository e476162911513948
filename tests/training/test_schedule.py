from __future__ import annotations

import itertools

import pytest

from visualdl_embedding.training import Schedule


def steps(schedule: Schedule, n: int) -> list[int]:
    taken, last = [], 0
    for step in range(1, n + 1):
        if schedule.due_at_step(step, last):
            taken.append(step)
            last = step
    return taken


def test_every_n_steps() -> None:
    assert steps(Schedule(every_n_steps=25), 100) == [25, 50, 75, 100]


def test_a_multiple_that_was_jumped_over_is_due() -> None:
    schedule = Schedule(every_n_steps=10)
    assert [schedule.due_at_step(step, last) for step, last in ((9, 0), (13, 9), (19, 13), (40, 13))] == [
        *(False, True, False, True),
    ]


def test_steps_come_before_epochs() -> None:
    schedule = Schedule(every_n_steps=25, every_n_epochs=1)
    assert not schedule.due_at_epoch(1)


def test_every_n_epochs() -> None:
    schedule = Schedule(every_n_epochs=2)
    assert [e for e in range(1, 7) if schedule.due_at_epoch(e)] == [2, 4, 6]
    assert steps(schedule, 100) == []


def test_geometric_is_dense_early_and_sparse_late() -> None:
    taken = steps(Schedule(every_n_steps="geometric"), 10_000)
    assert taken[:11] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]
    assert len(taken) < 60
    late = [b / a for a, b in itertools.pairwise(taken[20:])]
    assert max(late) <= 1.25
    assert min(late) >= 1.1


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "often"])
def test_bad_steps_say_what_is_expected(bad: object) -> None:
    with pytest.raises(ValueError, match=r"every_n_steps takes .* not"):
        Schedule(every_n_steps=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0, -3, 1.5])
def test_bad_epochs_say_what_is_expected(bad: object) -> None:
    with pytest.raises(ValueError, match="every_n_epochs takes a positive number"):
        Schedule(every_n_epochs=bad)  # type: ignore[arg-type]
