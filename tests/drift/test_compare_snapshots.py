"""Comparison of two snapshots: detection, false alarms, notes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from drift_examples import noisy, seed_pair, snapshot, space
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, ortho_group

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift, compare_snapshots, measure_pair

LABELS = [f"词{i}" for i in range(300)]


def two_sides(seed: int, *, moved: float = 0.0) -> tuple[Snapshot, Snapshot]:
    """Rows 0 to 99 are good, 100 to 199 bad, 200 to 299 neither; row 250 moves from the good ones to the bad ones."""
    rng = np.random.default_rng(99)
    side = np.repeat([1.0, -1.0, 0.0], 100)
    truth = rng.normal(size=(300, 8)) * 0.5
    truth[:, 0] += side
    truth[250, 0] = 1
    after = truth.copy()
    after[250, 0] -= 2 * moved
    groups = {"group": ["good"] * 100 + ["bad"] * 100 + [""] * 100}
    return (
        snapshot(noisy(truth, 0.1, seed=2 * seed), columns=groups),
        snapshot(noisy(after, 0.1, seed=2 * seed + 1), columns=groups, step=100),
    )


def compared(seed: int, *, moved: float, num_null: int) -> Drift:
    null = [two_sides(1000 + 100 * seed + i) for i in range(num_null)]
    return compare_snapshots(*two_sides(seed, moved=moved), watch=["词250"], null=null or None)


@pytest.mark.parametrize("num_null", [0, 5])
def test_a_word_that_moved_towards_a_group_is_told_and_named(num_null: int) -> None:
    drift = compared(1, moved=1.0, num_null=num_null)
    bad, good = drift.directions
    assert (bad.label, bad.group, good.group) == ("词250", "bad", "good")
    assert bad.significant
    assert not good.significant
    assert bad.share_before < 0.4 < 0.6 < bad.share_after
    assert bad.lean_before < 0 < bad.lean_after
    assert bad.lean_before == pytest.approx(-good.lean_before)
    assert bad.sentence().startswith("词250 moved towards bad: its share of bad neighbors went from 0.")
    assert drift.watched[0].p_corrected <= 0.01
    assert drift.moved[0].label == "词250"
    assert set(drift.moved[0].neighbors_before) != set(drift.moved[0].neighbors_after)


@pytest.mark.parametrize("num_null", [0, 5])
def test_where_nothing_changed_alarms_are_as_rare_as_the_level_says(num_null: int) -> None:
    rng = np.random.default_rng(0)
    null = [measure_pair(*seed_pair(seed=500 + i)) for i in range(40)]
    found: dict[str, list[float]] = {"word": [], "direction": [], "group": []}
    for seed in range(60):
        groups = dict(zip(LABELS, rng.permutation(["a", "b", ""] * 100).tolist(), strict=True))
        watch = rng.choice(LABELS, 5, replace=False).tolist()
        others = [null[i] for i in rng.choice(40, num_null, replace=False)]
        drift = compare_snapshots(*seed_pair(seed=seed), groups=groups, watch=watch, null=others or None)
        found["word"] += [word.p_value for word in drift.watched]
        found["direction"] += [d.p_value for d in drift.directions if d.group == "a"]
        found["group"] += [group.p_value for group in drift.groups if group.group == "a"]
    if not num_null:
        assert np.isnan(found.pop("group")).all()
    for name, p_values in found.items():
        assert kstest(p_values, "uniform").pvalue > 0.005, name


def test_the_space_is_ranked_among_null_pairs() -> None:
    null = [seed_pair(seed=100 + i) for i in range(19)]
    quiet = compare_snapshots(*seed_pair(seed=1), null=null)
    truth = space()
    other = snapshot(noisy(truth + 0.3 * space(seed=7), 0.15, seed=3), step=1)
    loud = compare_snapshots(snapshot(noisy(truth, 0.15, seed=2)), other, null=null)
    assert set(loud.space_p_values) == {"neighbor_overlap", "displacement", "cka"}
    assert max(loud.space_p_values.values()) == 0.05
    assert min(quiet.space_p_values.values()) > 0.05
    assert loud.floor is not None
    means = [measure_pair(*pair).means for pair in null]
    for name, value in loud.floor.items():
        assert value == pytest.approx(np.mean([m[name] for m in means]))
    assert "19 null pairs" in loud.null
    nothing = compare_snapshots(*seed_pair(seed=1))
    assert nothing.floor is None
    assert not nothing.space_p_values
    assert any("Without null pairs" in note for note in nothing.notes)
    assert "without null pairs" in nothing.null


def test_snapshots_and_what_was_measured_of_them_are_the_same_null() -> None:
    null = [seed_pair(seed=100 + i) for i in range(4)]
    one = compare_snapshots(*seed_pair(seed=1), null=null, watch=["词3"])
    two = compare_snapshots(*seed_pair(seed=1), null=[measure_pair(*pair) for pair in null], watch=["词3"])
    np.testing.assert_array_equal(one.p_values, two.p_values)
    assert one.to_dict() == two.to_dict()
    assert any("this requires 19" in note for note in one.notes)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31 - 1), scale=st.floats(0.1, 10), shift=st.floats(-3, 3), mirror=st.booleans())
@example(seed=2608, scale=10, shift=-0.2609, mirror=True)
@example(seed=5, scale=1, shift=0.004, mirror=False)
def test_turning_mirroring_shifting_and_scaling_raises_no_alarm(
    seed: int, scale: float, shift: float, mirror: bool
) -> None:
    before = space(100, 6, seed=seed)
    turn = ortho_group.rvs(6, random_state=seed)
    if mirror:
        turn[0] *= -1
    groups = {f"词{i}": "ab"[i % 2] for i in range(50)}
    after = snapshot(scale * (before @ turn + shift), step=1)
    drift = compare_snapshots(snapshot(before), after, groups=groups, watch=["词1", "词99"])
    assert drift.mean_neighbor_overlap > 0.99
    assert drift.cka == pytest.approx(1, abs=1e-5)
    assert not any(direction.significant for direction in drift.directions)
    assert min(word.p_value for word in drift.watched) > 0.9


def test_groups_report_their_means_and_the_one_that_moved() -> None:
    truth = space()
    after = truth.copy()
    after[:30] = after[:30][::-1]
    groups = {label: "x" if i < 30 else "y" if i < 60 else "" for i, label in enumerate(LABELS)}
    before, later = snapshot(noisy(truth, 0.05, seed=1)), snapshot(noisy(after, 0.05, seed=2))
    seeds = range(10, 48, 2)
    null = [(snapshot(noisy(truth, 0.05, seed=i)), snapshot(noisy(truth, 0.05, seed=i + 1))) for i in seeds]
    drift = compare_snapshots(before, later, groups=groups, null=null)
    x, y = drift.groups
    assert (x.group, x.size, y.group, y.size) == ("x", 30, "y", 30)
    assert x.p_value == 0.05
    assert y.p_value > 0.05
    assert x.neighbor_overlap == pytest.approx(drift.neighbor_overlap[:30].mean())
    assert drift.displacement is not None
    assert x.displacement == pytest.approx(drift.displacement[:30].mean())


def test_moved_words_are_in_the_order_of_the_evidence() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 8)).astype(np.float32)
    rare = np.arange(400) >= 200
    noise = np.where(rare, 2, 0.05)[:, None]
    one, two = (truth + noise * rng.normal(size=truth.shape) for _ in range(2))
    two[7] = -one[7]
    columns = {"frequency": np.where(rare, 3, 1000)}
    drift = compare_snapshots(snapshot(one, columns=columns), snapshot(two, columns=columns))
    assert drift.relative_displacement is not None
    # Rare words are displaced farther than the one that changed.
    assert (drift.relative_displacement > drift.relative_displacement[7]).sum() > 20
    assert drift.moved[0].label == "词7"
    assert [word.p_value for word in drift.moved] == sorted(drift.p_values)[:20]


def test_rows_are_matched_by_a_column() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 8)).astype(np.float32)
    rare = np.arange(400) >= 200
    noise = np.where(rare, 0.5, 0.05)[:, None]
    columns = {"frequency": np.where(rare, 3, 1000)}
    one, two = (snapshot(truth + noise * rng.normal(size=truth.shape), columns=columns) for _ in range(2))
    matched, free = (compare_snapshots(one, two, match_by=column) for column in ("frequency", None))
    # As many of the rare rows are called unusual as of the frequent ones.
    assert np.mean(matched.p_values[rare] <= 0.1) == pytest.approx(0.1, abs=0.04)
    assert np.mean(matched.p_values[~rare] <= 0.1) == pytest.approx(0.1, abs=0.04)
    assert np.mean(free.p_values[rare] <= 0.1) > 0.18
    assert "of similar frequency" in matched.null


def test_graphs_that_are_given_change_nothing() -> None:
    before, after = two_sides(1, moved=1.0)
    graphs = nearest_neighbors(before.vectors, 20), nearest_neighbors(after.vectors, 20)
    with_them = compare_snapshots(before, after, neighbors=graphs, watch=["词250"])
    assert with_them.to_dict() == compare_snapshots(before, after, watch=["词250"]).to_dict()


def test_other_vocabularies_widths_and_broken_rows_are_noted() -> None:
    vectors = space(40, 6)
    broken = vectors.copy()
    broken[0, 0] = np.nan
    before = snapshot(broken, labels=LABELS[:40], columns={"group": ["a"] * 40})
    after = snapshot(np.hstack([vectors, vectors]), labels=LABELS[:30] + LABELS[90:100])
    drift = compare_snapshots(before, after, watch=["词35", "词1"], groups={"词1": "a"}, n_neighbors=20)
    notes = " ".join(drift.notes)
    assert "29 rows are compared, 10 labels are only before (of 40), 10 only after (of 40)" in notes
    assert "1 rows are left out, because they contain NaN" in notes
    assert "The widths differ (6 columns before, 12 after)" in notes
    assert "lowered from 20 to 14, because only 29 rows" in notes
    assert "Watched, but not among the compared rows: 词35." in notes
    assert "only the group 'a'" in notes
    assert "no column 'frequency'" in notes
    assert drift.displacement is None
    assert drift.mean_displacement is None
    assert [word.label for word in drift.watched] == ["词1"]
    assert drift.watched[0].displacement is None
    assert drift.directions == ()
    assert drift.moved[0].label in drift.labels


def test_fewer_rows_than_columns_is_noted() -> None:
    drift = compare_snapshots(snapshot(space(10, 20)), snapshot(space(10, 20, seed=1)))
    assert any("aligned almost freely in 20 columns" in note for note in drift.notes)


def test_questions_that_cannot_be_answered_are_noted() -> None:
    columns = {"group": ["good"] * 30 + ["bad"] * 30}
    before, after, *null = (
        snapshot(side.vectors[70:130], labels=LABELS[70:130], columns=columns) for i in (1, 2) for side in two_sides(i)
    )
    watch = LABELS[70:80]
    few = compare_snapshots(before, after, watch=watch[:1])
    many = compare_snapshots(before, after, watch=watch)
    helped = compare_snapshots(before, after, watch=watch, null=[(null[0], null[1])])
    assert [any("No result can be significant" in n for n in d.notes) for d in (few, many, helped)] == [
        False,
        True,
        False,
    ]


def test_a_null_pair_with_another_vocabulary_serves_for_what_it_has() -> None:
    one, two = seed_pair(seed=9)
    part = [snapshot(s.vectors[:100], labels=LABELS[:100]) for s in (one, two)]
    drift = compare_snapshots(*seed_pair(seed=1), null=[(part[0], part[1])], watch=["词5", "词200"])
    assert np.isfinite(drift.p_values).all()
    assert any("only 100 of the 300" in note for note in drift.notes)


def test_it_goes_into_json() -> None:
    found = compared(1, moved=1.0, num_null=1).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["num_rows"] == 300
    assert found["directions"][0]["group"] == "bad"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_very_few_rows(n: int) -> None:
    one, two = snapshot(space(n)), snapshot(space(n, seed=1))
    drift = compare_snapshots(one, two, watch=["词0"], null=[(one, two)], groups={"词0": "a"})
    assert len(drift.labels) == n
    json.dumps(drift.to_dict(), allow_nan=False)


def test_bad_arguments_are_reported(recwarn: pytest.WarningsRecorder) -> None:
    one, two = seed_pair(seed=1)
    with pytest.raises(ValueError, match="No row has the label '词3000'"):
        compare_snapshots(one, two, watch=["词3000"])
    with pytest.raises(TypeError, match="must be a list"):
        compare_snapshots(one, two, watch="词3")
    with pytest.raises(ValueError, match=r"alpha must be between 0 and 1, not 5"):
        compare_snapshots(one, two, alpha=5)
    with pytest.raises(ValueError, match="correction must be one of holm, fdr, not 'bonferroni'"):
        compare_snapshots(one, two, correction="bonferroni")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has 20 neighbors by euclidean distance, but this pair has 15 by cosine"):
        compare_snapshots(one, two, null=[measure_pair(one, two, n_neighbors=20, distance="euclidean")])
    other: NDArray[np.float32] = space(3)
    with pytest.raises(ValueError, match="share no label"):
        compare_snapshots(one, snapshot(other, labels=["x", "y", "z"]))
    assert not recwarn.list
