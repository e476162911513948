"""Where there is nothing to find, nothing is found: each detector's false alarms, counted on simulated spaces."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from finding_examples import analysis, gaussian, look, null_spaces, snapshot

from visualdl_embedding.findings import find

DESCRIPTIVE = {"collapsed_space"}
"""Not tests but descriptions: a steep spectrum *is* narrow."""


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    ("n", "d", "repeats"),
    [
        (50, 1, 40),
        (50, 2, 40),
        pytest.param(60, 300, 6, marks=pytest.mark.slow),
        (300, 20, 20),
        pytest.param(1500, 64, 4, marks=pytest.mark.slow),
    ],
)
def test_gaussian_spaces_of_any_shape_give_about_no_findings(n: int, d: int, repeats: int, distance: str) -> None:
    alarms: Counter[str] = Counter()
    spaces = 0
    for seed in range(repeats):
        for _, vectors in null_spaces(n, d, seed):
            spaces += 1
            alarms.update(set(look(vectors, distance=distance)) - DESCRIPTIVE)
    # At 5% of false alarms, 0.05 × 160 + 3 deviations = 17; few spaces still allow one.
    limit = 0.05 * spaces + 3 * np.sqrt(0.05 * 0.95 * spaces)
    assert all(count <= limit for count in alarms.values()), (alarms, spaces)
    assert sum(alarms.values()) <= limit, (alarms, spaces)


@pytest.mark.parametrize(("n", "d"), [(40, 2), (300, 30), (3000, 100)])
def test_no_gaussian_space_is_narrow_or_has_hubs_by_cosine(n: int, d: int) -> None:
    for seed in range(5):
        assert not {"collapsed_space", "hubs"} & set(look(gaussian(n, d, seed=seed)))


def test_shuffled_groups_are_never_said_to_hold_misplaced_words() -> None:
    rng = np.random.default_rng(0)
    fired = 0
    for seed in range(30):
        groups = rng.choice(["positive", "negative", "neutral"], 200)
        fired += "misplaced_rows" in look(gaussian(200, 20, seed=seed), columns={"group": groups})
    assert fired <= 2


def test_shuffled_scripts_keep_to_nothing() -> None:
    rng = np.random.default_rng(0)
    fired = 0
    for seed in range(30):
        kinds = rng.permutation(200) % 4
        labels = [(f"{i}", f"word{chr(97 + i % 26)}{chr(97 + i // 26)}", f"字{i}", f"か{chr(0x3041 + i % 80)}{i}")[k]
                  for i, k in enumerate(kinds)]  # fmt: skip
        fired += "script_corner" in look(gaussian(200, 20, seed=seed), labels=labels)
    assert fired <= 2


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 25])
@pytest.mark.parametrize("d", [1, 2, 40])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_few_rows_and_few_columns_are_no_trouble(n: int, d: int, distance: str) -> None:
    columns = {"group": ["a", "b"] * (n // 2) + ["a"] * (n % 2), "frequency": range(n)}
    assert not {"outliers", "tight_clumps", "zero_rows"} & set(look(gaussian(n, d), distance=distance, columns=columns))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_space_without_any_row_or_finite_row(distance: str) -> None:
    shot = snapshot(np.full((4, 3), np.nan))
    empty = analysis(snapshot(gaussian(4, 3)))
    graph = type(empty.neighbors)(np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32), "cosine")
    nothing = type(empty)("word", 3, None, 3, 0, graph, {}, {}, {})
    found = find(shot, nothing)
    assert [finding.kind for finding in found] == ["nonfinite_rows"]
    assert found[0].numbers["num_rows"] == 4
