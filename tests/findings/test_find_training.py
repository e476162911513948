"""What training did: crowding, exposure, drift, and causes that are held against the numbers of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
from finding_examples import gaussian, null_spaces
from scipy.stats import mannwhitneyu

from visualdl_embedding.analysis import Analysis, Config, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import Finding, find

NEW = {"crowded_rows", "tail_crowded", "tail_apart", "never_looked_up", "moved_rows", "moved_towards_group"}


def frames(
    *stages: np.ndarray,
    columns: Mapping[str, Iterable[object]] | None = None,
    row_values: Mapping[str, np.ndarray] | None = None,
    watch: Sequence[str] = (),
    distance: str = "cosine",
) -> tuple[Snapshot, Analysis]:
    """The last of some stages of a space, as `analyze` saw it after those before."""
    n = len(stages[0])
    filled = {name: tuple(map(str, values)) for name, values in (columns or {}).items()}
    rows = Rows(np.arange(n), tuple(f"词{i}" for i in range(n)), filled, watch=tuple(watch))
    values = {name: np.asarray(v, dtype=np.float32) for name, v in (row_values or {}).items()}
    state = None
    for step, vectors in enumerate(stages):
        shot = Snapshot("word", step, rows, np.asarray(vectors, dtype=np.float32), row_values=values)
        analysis, state = analyze(shot, state, Config(methods=("pca",), distance=distance))  # type: ignore[arg-type]
    return shot, analysis


def look(*stages: np.ndarray, **known: object) -> dict[str, Finding]:
    return {finding.kind: finding for finding in find(*frames(*stages, **known))}  # type: ignore[arg-type]


def zipf(n: int) -> np.ndarray:
    return (100_000 / np.arange(1, n + 1)).astype(int)


def packed_tail(n: int = 800, d: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """The last half of the rows, the rarest, in one spot."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(n, d))
    vectors[n // 2 :] = 2 * rng.normal(size=d) + 0.3 * rng.normal(size=(n - n // 2, d))
    return vectors, (1e6 * 0.99 ** np.arange(n)).astype(int) + 1


def test_a_packed_tail_is_found_with_the_rows_that_are_packed() -> None:
    vectors, frequency = packed_tail()
    shot, analysis = frames(vectors, columns={"frequency": frequency})
    finding = {f.kind: f for f in find(shot, analysis)}["tail_crowded"]
    assert finding.severity == "critical"
    assert finding.numbers["crowding"] == analysis.scalars["stratum/tail/crowding"]
    # The tail begins before the packed half, at 90% of all occurrences.
    assert set(finding.row_indices) <= set(range(229, 800))
    assert len(set(finding.row_indices) & set(range(400, 800))) > 300
    assert len(set(finding.row_indices) - set(range(400, 800))) < 20
    assert finding.numbers["space_share"] < 0.2
    assert any("popularity^0.75" in remedy for remedy in finding.remedies)
    assert len(finding.remedies) == len(finding.remedies_zh)
    # Without frequencies nobody knows a tail, but the crowd is there.
    assert "crowded_rows" in look(vectors)
    # By a column that the analysis has not read, no stratum is told.
    renamed = frames(vectors, columns={"count": frequency})
    assert not {"tail_crowded", "tail_apart"} & {f.kind for f in find(*renamed, frequency="count")}


def unequal(n: int, d: int, seed: int = 0) -> np.ndarray:
    """A Gaussian whose deviations fall as 1 / rank."""
    return np.random.default_rng(seed).normal(size=(n, d)) / np.arange(1, d + 1)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_unequal_axes_are_not_crowding(distance: str) -> None:
    shot, analysis = frames(unequal(800, 32), distance=distance)
    assert not {"crowded_rows", "unusual_lengths"} & {finding.kind for finding in find(shot, analysis)}
    assert distance == "euclidean" or analysis.scalars["crowding"] > 0.2


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_spot_among_unequal_axes_is_crowding(distance: str) -> None:
    vectors = unequal(600, 32)
    vectors[300:] = 2 * vectors[0] + 0.2 * vectors[300:]
    finding = look(vectors, distance=distance)["crowded_rows"]
    assert finding.numbers["unevenness"] > 2 * finding.numbers["gaussian_unevenness"]
    assert len(set(finding.row_indices) & set(range(300, 600))) > 0.8 * len(finding.row_indices)


def topics(n: int = 600, d: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Rows in eight clusters of equal density, and the cluster of each."""
    rng = np.random.default_rng(0)
    topic = np.arange(n) % 8
    return 2 * rng.normal(size=(8, d))[topic] + rng.normal(size=(n, d)), topic


def test_topics_are_not_crowding_and_a_random_tail_is_not_crowded() -> None:
    vectors, topic = topics()
    rng = np.random.default_rng(1)
    assert frames(vectors)[1].scalars["crowding"] > 0.2
    for _ in range(5):
        assert not {"crowded_rows", "tail_crowded"} & set(
            look(vectors, columns={"frequency": rng.permutation(zipf(600))})
        )
    # A tail of two topics is.
    frequency = np.where(topic < 2, 1, 1000) + rng.integers(0, 2, 600)
    finding = look(vectors, columns={"frequency": frequency})["tail_crowded"]
    assert finding.numbers["p_value"] == pytest.approx(0.001)
    assert finding.numbers["random_crowding"] < finding.numbers["crowding"]
    assert "random rows" in finding.evidence
    assert "随机" in finding.evidence_zh


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_equal_rows_are_duplicates_and_not_crowding(distance: str) -> None:
    vectors = unequal(800, 32)
    vectors[560:] = vectors[0]
    tail = np.r_[np.full(560, 1000), np.full(240, 1)]
    for columns in ({}, {"frequency": tail}):
        shot, analysis = frames(vectors, columns=columns, distance=distance)
        assert analysis.scalars["crowding"] > 0.2
        found = {finding.kind: finding for finding in find(shot, analysis)}
        assert found["duplicate_rows"].numbers["num_rows"] == 241
        assert not {"crowded_rows", "tail_crowded", "tail_apart"} & set(found)
    # A spot remains crowded, and its equal rows count once.
    vectors[200:560] = 2 * vectors[1] + 0.2 * vectors[200:560]
    finding = look(vectors, distance=distance)["crowded_rows"]
    assert not set(finding.row_indices) & set(range(560, 800))
    assert len(set(finding.row_indices) & set(range(200, 560))) > 0.8 * len(finding.row_indices)
    assert finding.numbers["share"] == pytest.approx(len(finding.row_indices) / 560)


def test_the_share_of_the_space_is_what_the_lorenz_curve_says() -> None:
    from visualdl_embedding.metrics import crowding

    vectors, _ = packed_tail()
    shot, analysis = frames(vectors)
    finding = {f.kind: f for f in find(shot, analysis)}["crowded_rows"]
    curve = crowding(shot.vectors, analysis.neighbors)
    # The fullest parts first are the parts that the finding takes.
    assert finding.numbers["space_share"] == pytest.approx(
        np.interp(finding.numbers["share"], curve.rows_share, curve.space_share), abs=1e-3
    )


def test_a_tail_on_the_other_side_stands_apart() -> None:
    n = 600
    vectors = gaussian(n, 20)
    frequency = np.r_[np.full(100, 1000), np.full(500, 10)]
    mixed = look(vectors, columns={"frequency": frequency})
    assert "tail_apart" not in mixed
    vectors[:100, 0] += 8
    vectors[100:, 0] -= 8
    finding = look(vectors, columns={"frequency": frequency})["tail_apart"]
    # Six of the hundred are counted as tail, for they come after 90% of all occurrences.
    assert 0.9 < finding.numbers["head_purity"] < 1
    assert finding.numbers["tail_purity"] > 0.95


def test_rows_without_a_lookup_are_named_once_training_has_looked_up_enough() -> None:
    first = gaussian(200, 20)
    lookups = np.r_[np.zeros(30), np.full(170, 40)]
    now = np.where(lookups[:, None] > 0, first + 1, first)
    found = look(first, now, row_values={"lookups": lookups}, columns={"frequency": lookups})["never_looked_up"]
    assert found.row_indices == tuple(range(30))
    assert found.numbers["share"] == pytest.approx(0.15)
    assert found.severity == "warning"
    assert "bitwise equal to the snapshot of step 0" in found.evidence
    assert "never_looked_up" not in look(first, now, row_values={"lookups": np.minimum(lookups, 5)})
    assert "never_looked_up" not in look(first, now, row_values={"lookups": np.zeros(200)})
    assert "never_looked_up" not in look(first, now)


def test_a_row_that_moved_without_a_lookup_is_not_called_untrained() -> None:
    """A tied output layer trains rows that no call of the layer has looked up."""
    first = gaussian(500, 20)
    lookups = np.r_[np.zeros(400), np.full(100, 200)]
    shot, analysis = frames(first, first + 1, row_values={"lookups": lookups})
    assert "never_looked_up" not in {finding.kind for finding in find(shot, analysis)}
    assert analysis.scalars["never_trained_rows"] == 0
    assert "never_looked_up" not in look(first, row_values={"lookups": lookups})


def mood(n: int = 400, d: int = 20) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Positive and negative words, 20 positive ones among the negative."""
    vectors = gaussian(n, d, decay=0.2)
    vectors[: n // 2, 0] += 6
    vectors[n // 2 :, 0] -= 6
    wrong = np.arange(20)
    vectors[wrong, 0] -= 12
    return vectors, ["positive"] * (n // 2) + ["negative"] * (n // 2), wrong


def test_causes_that_the_numbers_speak_for_come_first() -> None:
    vectors, groups, wrong = mood()
    rng = np.random.default_rng(0)
    gradient, lookups = rng.lognormal(size=400), rng.lognormal(5, 1, size=400)
    usual = look(vectors, columns={"group": groups})["misplaced_rows"]
    assert set(usual.row_indices) == set(wrong)
    assert "irony" in usual.causes[0]
    assert not any("The measurements" in cause for cause in usual.causes)
    noisy = look(
        vectors,
        columns={"group": groups},
        row_values={"lookups": lookups, "gradient_mean": np.where(np.isin(np.arange(400), wrong), 5, 1) * gradient},
    )["misplaced_rows"]
    assert noisy.causes[0].startswith("Label noise")
    assert "measurements support this" in noisy.causes[0]
    assert "数据支持这一点" in noisy.causes_zh[0]
    rare = np.where(np.isin(np.arange(400), wrong), 0.01, 1) * lookups
    few = look(vectors, columns={"group": groups}, row_values={"lookups": rare})["misplaced_rows"]
    assert few.causes[0].startswith("Too few")
    others = np.setdiff1d(np.arange(400), wrong)
    expected = mannwhitneyu(rare[wrong], rare[others], method="asymptotic").pvalue
    assert few.numbers["lookups_p_value"] == pytest.approx(expected, rel=1e-3)
    assert few.numbers["median_lookups"] == pytest.approx(np.median(rare[wrong]), rel=1e-5)


def test_a_gradient_that_frequency_explains_is_no_label_noise() -> None:
    vectors, groups, wrong = mood()
    rng = np.random.default_rng(1)
    lookups = rng.lognormal(5, 1, size=400)
    lookups[wrong] *= 20
    gradient = lookups**0.5 * rng.lognormal(sigma=0.3, size=400)
    found = look(vectors, columns={"group": groups}, row_values={"lookups": lookups, "gradient_mean": gradient})
    (noise,) = (cause for cause in found["misplaced_rows"].causes if cause.startswith("Label noise"))
    assert "do not support this" in noise


def test_groups_found_only_by_a_probe_are_reported() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 600)
    vectors = rng.normal(size=(600, 100)) * 3
    shuffled = look(vectors, columns={"group": codes})["mixed_groups"]
    assert "A linear probe does not distinguish the groups well either" in shuffled.evidence
    # A direction that is small beside a hundred others.
    vectors[:, 0] = 0.8 * (2 * codes - 1) + 0.02 * vectors[:, 0]
    finding = look(vectors, columns={"group": codes}).get("mixed_groups")
    assert finding is not None
    assert "A linear probe distinguishes the groups" in finding.evidence


def turned(vectors: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(vectors.shape[1],) * 2))[0]
    return 3 * vectors @ rotation + rng.normal(size=vectors.shape[1])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_rows_that_left_are_named_and_a_rotation_is_nothing(distance: str) -> None:
    rng = np.random.default_rng(0)
    before = gaussian(400, 20, decay=0.2)
    after = before + 0.05 * rng.normal(size=before.shape)
    assert "moved_rows" not in look(before, turned(after, 1), distance=distance)
    after[[7, 70, 300]] = gaussian(3, 20, seed=9, decay=0.2)
    found = look(before, turned(after, 1), distance=distance)["moved_rows"]
    assert set(found.row_indices) == {7, 70, 300}
    assert found.numbers["displacement"] > 2 * found.numbers["median_displacement"]
    assert len(found.details) == 3


def test_rows_that_moved_are_compared_with_rows_of_similar_frequency() -> None:
    """Rare rows move ten times as far as frequent ones at every step."""
    rng = np.random.default_rng(0)
    before = gaussian(600, 20, decay=0.2)
    frequency = np.r_[np.full(300, 1000), np.full(300, 1)]
    noise = rng.normal(size=before.shape) * np.where(frequency == 1, 0.1, 0.01)[:, None]
    noise[7] *= 60
    noise[[400, 500]] *= 12
    columns = {"frequency": frequency}
    finding = look(before, before + noise, columns=columns)["moved_rows"]
    # Row 7 moved less than the others, but more than any other frequent row.
    assert finding.labels[0] == "词7"
    assert set(finding.row_indices) == {7, 400, 500}
    assert "compared with rows of similar frequency" in finding.evidence
    assert "与词频相近的行比较" in finding.evidence_zh
    quiet = np.where(np.isin(np.arange(600), [7, 400, 500])[:, None], 0, noise)
    assert "moved_rows" not in look(before, before + quiet, columns=columns)


def test_a_watched_word_that_moved_to_a_group_is_named_with_its_direction() -> None:
    before, groups, _ = mood()
    before[:20, 0] += 12
    after = before + 0.02 * np.random.default_rng(0).normal(size=before.shape)
    columns = {"group": groups}
    assert "moved_towards_group" not in look(before, after, columns=columns, watch=["词5"])
    after[5] = after[250] + 0.1
    found = look(before, after, columns=columns, watch=["词5"])["moved_towards_group"]
    assert found.title.startswith("词5 moved towards negative")
    assert found.labels == ("词5",)
    assert found.numbers["share_after"] > found.numbers["share_before"]
    assert "moved_towards_group" not in look(before, after, columns=columns)


@pytest.mark.parametrize(("n", "d"), [(60, 4), (300, 20), (1000, 64)])
def test_spaces_with_nothing_to_find_stay_silent(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    alarms: Counter[str] = Counter()
    spaces = 0
    for seed in range(3 if n > 500 else 8):
        for _, vectors in null_spaces(n, d, seed):
            spaces += 1
            after = turned(vectors + 0.1 * vectors.std() * rng.normal(size=vectors.shape), seed)
            found = look(
                vectors,
                after,
                columns={"frequency": rng.permutation(zipf(n)), "group": rng.choice(["a", "b"], n)},
                row_values={"lookups": rng.poisson(30, n), "gradient_mean": rng.lognormal(size=n)},
                watch=["词1", "词2"],
            )
            alarms.update(set(found) & NEW)
    # 5%, and three deviations.
    assert all(count <= 0.05 * spaces + 3 * np.sqrt(0.0475 * spaces) for count in alarms.values()), (alarms, spaces)
