"""Who stands on the wrong side, against a loop and a space where one knows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from group_examples import blobs
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.metrics.groups import _misplaced as misplaced_module
from visualdl_embedding.metrics.groups import encode_groups, wrong_side
from visualdl_embedding.metrics.groups._misplaced import count_wrong_side


def test_words_put_among_another_group_are_found_with_their_neighbors() -> None:
    vectors, groups = blobs(60, 40, gap=12)
    labels = [f"word {i}" for i in range(100)]
    moved = [i for i, group in enumerate(groups) if group == "negative"][:3]
    target = next(i for i, group in enumerate(groups) if group == "positive")
    vectors[moved] = vectors[target] + np.float32(0.3) * np.random.default_rng(2).normal(size=(3, 16))
    codes, names = encode_groups(groups)
    neighbors = nearest_neighbors(vectors, 15)
    found = wrong_side(neighbors, codes, names, labels=labels)
    assert {one.row for one in found} == set(moved)
    for one in found:
        assert (one.label, one.group, one.other) == (f"word {one.row}", "negative", "positive")
        assert one.share == 13 / 15
        assert one.own_share == 2 / 15
        assert one.n_known == 15
        assert one.chance == 60 / 99
        assert len(one.evidence) == 5
        assert all(groups[near.row] == "positive" and near.label == f"word {near.row}" for near in one.evidence)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for near in one.evidence:
            assert near.cosine == pytest.approx(unit[one.row] @ unit[near.row], abs=1e-5)
            assert near.distance == pytest.approx(1 - near.cosine)
        assert list(one.evidence) == sorted(one.evidence, key=lambda near: near.distance)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(2, 40),
    k=st.integers(1, 9),
    n_groups=st.integers(1, 5),
    min_share=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
)
def test_they_are_those_of_a_loop(seed: int, n: int, k: int, n_groups: int, min_share: float) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, n_groups, n).astype(np.int32)
    indices = np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)], dtype=np.int32)
    expected = {}
    for i in range(n):
        votes = Counter(int(codes[j]) for j in indices[i] if codes[j] >= 0)
        total, own = votes.total(), votes.pop(int(codes[i]), 0)
        if codes[i] >= 0 and votes and max(votes.values()) > own and max(votes.values()) / total >= min_share:
            expected[i] = (max(votes.values()) / total, own / total, total)
    graph = Neighbors(indices, np.sort(rng.random(indices.shape)).astype(np.float32), "euclidean")
    names = [f"g{code}" for code in range(n_groups)]
    found = wrong_side(graph, codes, names, min_share=min_share, limit=None)
    assert {one.row: (one.share, one.own_share, one.n_known) for one in found} == expected
    assert count_wrong_side(indices, codes, n_groups, min_share=min_share) == len(expected)
    for one in found:
        assert one.group == names[codes[one.row]] != one.other
        assert 1 <= len(one.evidence) <= 5
        assert all(names[codes[near.row]] == one.other and np.isnan(near.cosine) for near in one.evidence)
    size = misplaced_module._VOTES_AT_A_TIME
    misplaced_module._VOTES_AT_A_TIME = 7
    try:
        in_chunks = wrong_side(graph, codes, names, min_share=min_share, limit=None)
        assert [repr(one) for one in in_chunks] == [repr(one) for one in found]
    finally:
        misplaced_module._VOTES_AT_A_TIME = size


def test_the_most_certain_rows_come_first() -> None:
    """14 of 15 before 4 of 4 before 1 of 1; a tie keeps the order of rows."""
    indices = np.zeros((60, 15), dtype=np.int32)
    codes = np.full(60, -1, dtype=np.int32)
    codes[:5], codes[10:40] = 0, 1
    without = 50
    indices[0] = [10, *[without] * 14]
    indices[1] = [10, 11, 12, 13, *[without] * 11]
    indices[2] = [*range(10, 24), 3]
    indices[3] = [*range(10, 24), 2]
    indices[4] = [0, 1, 2, 3, *range(10, 13), *[without] * 8]
    indices[10:40] = np.arange(10, 25)
    graph = Neighbors(indices, np.zeros((60, 15), np.float32), "cosine")
    found = wrong_side(graph, codes, ("small", "large"))
    assert [one.row for one in found] == [2, 3, 1, 0]
    assert [one.n_known for one in found] == [15, 15, 4, 1]
    assert [one.row for one in wrong_side(graph, codes, ("small", "large"), limit=1)] == [2]
    assert wrong_side(graph, codes, ("small", "large"), k_evidence=2)[0].evidence[1].row == 11


def test_bad_arguments_are_refused() -> None:
    vectors, groups = blobs(10, 10)
    codes, names = encode_groups(groups)
    graph = nearest_neighbors(vectors, 3)
    with pytest.raises(ValueError, match=r"one group per row \(20 rows\), not"):
        wrong_side(graph, codes[:-1], names)
    with pytest.raises(ValueError, match="codes must be -1 to 0 for 1 groups, not 0 to 1"):
        wrong_side(graph, codes, names[:1])
    with pytest.raises(ValueError, match=r"one entry per row \(20\), not 1"):
        wrong_side(graph, codes, names, labels=["a"])
    with pytest.raises(ValueError, match="min_share must be from 0 to 1, not 50"):
        wrong_side(graph, codes, names, min_share=50)
    with pytest.raises(ValueError, match="must be at least 0, not 5 and -1"):
        wrong_side(graph, codes, names, limit=-1)
