"""Directions alone are those that the whole comparison finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import compare_snapshots
from visualdl_embedding.drift._towards import watched_directions


def snapshots(n: int = 300, d: int = 16, *, grouped: bool = True) -> tuple[Snapshot, Snapshot]:
    """Two stages of a space, turned and shifted; some rows hold NaN, one moves to the other group."""
    rng = np.random.default_rng(0)
    groups = rng.choice(["", "bad", "good"], n) if grouped else np.full(n, "")
    before = rng.normal(size=(n, d)) + 2 * (groups == "good")[:, None] * np.eye(d)[0]
    after = before + 0.1 * rng.normal(size=(n, d))
    after[3] = before[groups == "good"][:5].mean(axis=0) if grouped else after[3]
    after = 2 * after @ np.linalg.qr(rng.normal(size=(d, d)))[0] + 0.5
    after[7] = np.nan
    columns = {"group": tuple(map(str, groups)), "frequency": tuple(str(1000 // (i + 1)) for i in range(n))}
    rows = Rows(np.arange(n), tuple(f"w{i}" for i in range(n)), columns)
    order = rng.permutation(n)[: n - 20]
    few = Rows(
        rows.ids[order],
        tuple(rows.labels[i] for i in order),
        {name: tuple(column[i] for i in order) for name, column in columns.items()},
    )
    return Snapshot("t", 0, few, before[order].astype(np.float32)), Snapshot("t", 1, rows, after.astype(np.float32))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("match_by", ["frequency", None])
def test_they_are_those_of_the_whole_comparison(distance: str, match_by: str | None) -> None:
    before, after = snapshots()
    watch = [label for label in ("w3", "w5", "w7", "w9") if label in before.labels]
    options = {"distance": distance, "match_by": match_by, "n_neighbors": 10}
    expected = compare_snapshots(before, after, watch=watch, **options).directions  # type: ignore[arg-type]
    assert len(expected) >= 4
    if distance == "cosine":
        assert any(direction.significant for direction in expected)
    assert watched_directions(before, after, watch, **options) == expected  # type: ignore[arg-type]
    assert {direction.smallest_p for direction in expected} == {1e-6}


def test_without_groups_or_words_there_are_none() -> None:
    before, after = snapshots(grouped=False)
    assert watched_directions(before, after, ["w3"]) == ()
    before, after = snapshots()
    assert watched_directions(before, after, []) == ()
    with pytest.raises(ValueError, match="nowhere"):
        watched_directions(before, after, ["nowhere"])


def test_a_lean_does_not_depend_on_lengths() -> None:
    half = [replace(of, vectors=of.vectors.astype(np.float16).astype(np.float32)) for of in snapshots()]

    def found(scale: float) -> list[float]:
        before, after = (replace(of, vectors=np.float32(scale) * of.vectors) for of in half)
        watch = ["w3", "w5", "w9"]
        return [direction.p_value for direction in watched_directions(before, after, watch, distance="euclidean")]

    assert found(2**-7) == found(1) == found(2**7)
