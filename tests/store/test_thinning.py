from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.store._table_store import choose_to_drop

Case = tuple[list[int], list[int], int, set[int]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    steps = sorted(draw(st.sets(st.integers(0, 10**9), max_size=40)))
    sizes = [draw(st.integers(0, 1000)) for _ in steps]
    protected = draw(st.sets(st.sampled_from(steps), max_size=5)) if steps else set()
    return steps, sizes, draw(st.integers(0, sum(sizes) + 1)), protected | {10**10}


@given(cases())
def test_the_budget_is_met_if_the_protected_steps_fit(case: Case) -> None:
    steps, sizes, budget, protected = case
    dropped = choose_to_drop(steps, sizes, budget=budget, protected=protected)
    size_of = dict(zip(steps, sizes, strict=True))
    kept = [step for step in steps if step not in dropped]
    must = {*steps[:1], *steps[-1:], *(protected & set(steps))}
    assert dropped == sorted(set(dropped))
    assert must <= set(kept)
    if sum(size_of[step] for step in must) <= budget:
        assert sum(size_of[step] for step in kept) <= budget
    else:
        assert set(kept) == must
    if sum(sizes) <= budget:
        assert dropped == []


def test_kept_steps_are_spaced_geometrically() -> None:
    steps = list(range(0, 100_001, 100))
    dropped = choose_to_drop(steps, [1] * len(steps), budget=20)
    kept = np.array(sorted(set(steps) - set(dropped)))
    ratios = kept[3:] / kept[2:-1]
    assert len(kept) == 20
    assert ratios.max() / ratios.min() < 2.2
    assert kept[1] == 100


def test_thinning_as_it_grows_is_like_thinning_at_the_end() -> None:
    kept: list[int] = []
    for step in range(0, 50_001, 50):
        kept.append(step)
        dropped = choose_to_drop(kept, [1] * len(kept), budget=24)
        kept = [s for s in kept if s not in dropped]
    ratios = np.array(kept[3:]) / np.array(kept[2:-1])
    assert len(kept) == 24
    assert ratios.max() < 2.5
    # Near half of them stand in the first twentieth of the training.
    assert sum(step <= 2500 for step in kept) >= 10


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="have 2 and 1"):
        choose_to_drop([1, 2], [1], budget=0)
    with pytest.raises(ValueError, match="ascend"):
        choose_to_drop([2, 1], [1, 1], budget=0)
