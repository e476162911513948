from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_examples import make_frame

from visualdl_embedding.analysis import Config
from visualdl_embedding.logs import DEFAULT_LOG_BYTES, LogBudget
from visualdl_embedding.logs._budget import SHARES

MB = 1_000_000


def logged(
    budget: LogBudget, frames: int, nbytes: int, *, kind: str = "vectors", start: int = 0, spent: int = 0
) -> tuple[list[int], int]:
    """The frames that are logged, and the bytes they take."""
    chosen = []
    for frame in range(start, frames):
        if budget.wants(frame, nbytes, kind=kind, spent=spent, final=frame == frames - 1):
            chosen.append(frame)
            spent += nbytes
    return chosen, spent


def frame_bytes(rows: int, dim: int) -> int:
    return rows * (4 * dim + 45)


@pytest.mark.parametrize("frames", [10, 100, 1000, 100_000])
@pytest.mark.parametrize("rows", [500, 2000, 10_000, 50_000])
@pytest.mark.parametrize("dim", [2, 64, 200])
def test_a_log_stays_within_its_limit_with_first_and_last(frames: int, rows: int, dim: int) -> None:
    nbytes = frame_bytes(rows, dim)
    chosen, spent = logged(LogBudget(), frames, nbytes)
    share = SHARES["vectors"] * DEFAULT_LOG_BYTES
    assert spent <= share
    assert {0, frames - 1} <= set(chosen) or 2 * nbytes > share
    affordable = share / nbytes
    # The last frame has its place besides, so a tenth of the bytes may lie idle, not more.
    assert len(chosen) >= min(frames, int(0.25 * affordable))


@pytest.mark.parametrize("frames", [10, 60])
def test_a_short_training_is_logged_whole(frames: int) -> None:
    chosen, _ = logged(LogBudget(), frames, frame_bytes(500, 128))
    assert chosen == list(range(frames))


@pytest.mark.parametrize("frames", [1000, 100_000])
def test_gaps_grow_no_faster_than_the_training(frames: int) -> None:
    chosen, _ = logged(LogBudget(), frames, frame_bytes(2000, 128))
    affordable = SHARES["vectors"] * DEFAULT_LOG_BYTES / frame_bytes(2000, 128)
    ratio = 1_000_000 ** (1.1 / affordable)
    for before, after in itertools.pairwise(chosen[:-1]):
        assert after - before <= max(1, round((ratio - 1) * (after + 1)) + 1)


def test_a_known_number_of_frames_uses_the_bytes_up() -> None:
    nbytes = frame_bytes(2000, 128)
    affordable = SHARES["vectors"] * DEFAULT_LOG_BYTES / nbytes
    known, spent = logged(LogBudget(frames=400), 400, nbytes)
    unknown, _ = logged(LogBudget(), 400, nbytes)
    assert len(known) > len(unknown)
    assert len(known) >= int(affordable) - 3
    assert spent <= SHARES["vectors"] * DEFAULT_LOG_BYTES


def test_more_bytes_log_more_and_tables_share() -> None:
    nbytes = frame_bytes(2000, 128)
    counts = [len(logged(LogBudget(n * MB), 500, nbytes)[0]) for n in (50, 200, 1000)]
    assert counts[0] < counts[1] < counts[2]
    budget = LogBudget()
    alone = sum(budget.wants(frame, nbytes, spent=frame * nbytes) for frame in range(100))
    shared = sum(budget.wants(frame, nbytes, spent=frame * nbytes, tables=4) for frame in range(100))
    assert shared < alone


def test_without_a_bound_everything_is_logged() -> None:
    assert logged(LogBudget(None), 1000, 100 * MB)[0] == list(range(1000))
    assert logged(LogBudget(0), 1000, 1)[0] == []


@given(
    st.integers(2, 3000),
    st.integers(1, 40 * MB),
    st.integers(1, 400) | st.none(),
    st.floats(0, 1),
    st.sampled_from(sorted(SHARES)),
)
@settings(max_examples=60, deadline=None)
def test_a_resumed_run_continues_the_budget(
    frames: int, nbytes: int, known: int | None, where: float, kind: str
) -> None:
    budget = LogBudget(frames=known)
    chosen, total = logged(budget, frames, nbytes, kind=kind)
    stop = int(where * (frames - 1))
    early = [frame for frame in chosen if frame < stop]
    late, resumed = logged(LogBudget(frames=known), frames, nbytes, kind=kind, start=stop, spent=len(early) * nbytes)
    assert early + late == chosen
    assert resumed == total <= SHARES[kind] * DEFAULT_LOG_BYTES


def test_the_last_frame_is_logged_even_if_its_reserve_is_used() -> None:
    share = int(SHARES["vectors"] * 10 * MB)
    assert LogBudget(10 * MB).wants(99, MB, spent=share, final=True)
    assert not LogBudget(10 * MB).wants(99, share // 2 + 1, spent=share, final=True)


def test_choose_answers_for_every_kind() -> None:
    snapshot, _ = make_frame(500, 128)
    config = Config()
    everything = LogBudget().choose(snapshot, config, frame=0, spent={})
    assert everything == {"vectors": True, "projections": True, "images": True}
    full = {"vectors": 90 * MB}
    assert LogBudget().choose(snapshot, config, frame=50, spent=full) == everything | {"vectors": False}
    assert LogBudget().choose(snapshot, config, frame=50, spent=full, final=True) == everything


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        LogBudget(-1)
    with pytest.raises(ValueError, match="at least 1"):
        LogBudget(frames=0)
    with pytest.raises(ValueError, match="vectors, projections, images"):
        LogBudget().wants(0, 1, kind="sounds")
