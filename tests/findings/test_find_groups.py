"""Separate scripts, groups that are not visible, words among another group."""

from __future__ import annotations

import numpy as np
import pytest
from finding_examples import blobs, gaussian, look
from sklearn.neighbors import NearestNeighbors

from visualdl_embedding.findings import script_of


@pytest.mark.parametrize(
    ("label", "script"),
    [
        ("2024", "digits"),
        ("3.5%", "digits"),
        ("１２", "digits"),
        ("⑼", "digits"),
        ("④", "digits"),
        ("##ing", "latin"),
        ("▁the", "latin"),
        ("don't", "latin"),
        ("été", "latin"),
        ("ＡＢ", "latin"),
        ("low@@", "latin"),
        ("高兴", "han"),
        ("〇", "han"),
        ("一", "han"),
        ("高兴 (12)", "han"),
        ("食べる", "kana"),
        ("カタカナー", "kana"),
        ("ｶﾅ", "kana"),
        ("한국", "hangul"),
        ("！", "punctuation"),
        ("##", "punctuation"),
        ("+", "punctuation"),
        ("😀", "punctuation"),
        ("T恤", "mixed"),
        ("5G", "mixed"),
        ("мир", "other"),
        ("", "other"),
        ("\t", "other"),
    ],
)
def test_script_of_a_label(label: str, script: str) -> None:
    assert script_of(label) == script


def test_digits_in_a_corner_are_found_with_the_purity_that_scikit_learn_counts() -> None:
    vectors = gaussian(400, 20)
    vectors[:40] += 3 * np.random.default_rng(0).normal(size=20)
    labels = [str(i) if i < 40 else f"{chr(0x4E00 + i)}" for i in range(400)]
    found = look(vectors, labels=labels)["script_corner"]
    assert set(found.row_indices) == set(range(40))
    assert found.title == "Digits are separate"
    assert found.severity == "warning"
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = NearestNeighbors(n_neighbors=15).fit(unit).kneighbors(return_distance=False)
    assert found.numbers["purity"] == pytest.approx((nearest[:40] < 40).mean(), abs=1e-3)
    assert found.numbers["chance"] == pytest.approx(39 / 399)
    assert found.numbers["shuffled_max"] < found.numbers["purity"]


def test_the_script_of_most_rows_is_no_corner() -> None:
    vectors = gaussian(100, 20)
    vectors[:70] += 5
    labels = [f"{chr(0x4E00 + i)}" if i < 70 else f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(100)]
    found = look(vectors, labels=labels)
    assert found["script_corner"].title == "Latin letters are separate"


def mood(n: int = 200, d: int = 30) -> tuple[np.ndarray, list[str]]:
    """Positive and negative words, well apart."""
    vectors = gaussian(n, d, decay=0.2)
    vectors[: n // 2, 0] += 6
    vectors[n // 2 :, 0] -= 6
    return vectors, ["positive"] * (n // 2) + ["negative"] * (n // 2)


def test_a_happy_word_among_sad_ones_is_named_with_its_neighbors() -> None:
    vectors, groups = mood()
    labels = ["高兴", *(f"好{i}" for i in range(1, 100)), *(f"坏{i}" for i in range(100, 200))]
    vectors[0] = vectors[150] + 0.3 * gaussian(1, 30, seed=5)[0]
    found = look(vectors, labels=labels, columns={"group": groups})
    finding = found["misplaced_rows"]
    assert finding.labels == ("高兴",)
    assert "高兴 (positive)" in finding.evidence
    assert finding.details[0].startswith("高兴 (positive) → negative 15/15: 坏")
    assert "坏150" in finding.evidence
    assert "mixed_groups" not in found


def test_groups_that_do_not_show_are_told_and_no_word_is_blamed() -> None:
    groups = np.random.default_rng(0).choice(["positive", "negative"], 300)
    found = look(gaussian(300, 30), columns={"group": groups})
    finding = found["mixed_groups"]
    assert finding.numbers["purity"] <= finding.numbers["shuffled_95"]
    assert abs(finding.numbers["purity"] - finding.numbers["chance"]) < 0.1
    assert "misplaced_rows" not in found


def test_groups_well_apart_are_no_finding() -> None:
    vectors, groups = mood()
    assert not {"mixed_groups", "misplaced_rows"} & set(look(vectors, columns={"group": groups}))


def test_few_rows_with_a_group_are_compared_among_themselves() -> None:
    vectors, groups = mood(60)
    crowd = gaussian(1000, 30, seed=3, decay=0.2) * 3
    vectors[0] = vectors[45] + 0.1 * gaussian(1, 30, seed=5)[0]
    known = {"group": [*groups, *[""] * 1000]}
    found = look(np.r_[vectors, crowd], columns=known)
    assert found["misplaced_rows"].row_indices == (0,)


@pytest.mark.parametrize("groups", [["a"] * 100, [str(i) for i in range(100)], [""] * 100, ["a"] * 97 + ["b"] * 3])
def test_columns_that_are_no_groups_are_left_alone(groups: list[str]) -> None:
    assert not {"mixed_groups", "misplaced_rows"} & set(look(gaussian(100, 20), columns={"group": groups}))


def test_a_small_group_beside_a_large_one_is_not_misplaced_by_its_size() -> None:
    vectors, _ = blobs(400, 20, n_blobs=1)
    groups = np.where(np.arange(400) < 20, "rare", "usual")
    vectors[:10] += 4
    found = look(vectors, columns={"group": groups})
    assert "misplaced_rows" not in found


def beside_a_visible_group(seed: int, n: int = 300, d: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """A sixth of the rows far away, with a group of its own; the groups of the other rows are shuffled."""
    rng = np.random.default_rng(seed)
    vectors, groups = rng.normal(size=(n, d)), rng.choice(["red", "green", "blue"], n).astype("<U5")
    vectors[: n // 6, 0] += 20
    groups[: n // 6] = "apart"
    return vectors, groups


def test_shuffled_groups_beside_a_visible_one_have_no_misplaced_rows() -> None:
    fired = 0
    for seed in range(8):
        vectors, groups = beside_a_visible_group(seed)
        fired += "misplaced_rows" in look(vectors, columns={"group": groups}, distance="euclidean")
    assert fired <= 1


def test_rows_among_the_visible_group_are_misplaced() -> None:
    vectors, groups = beside_a_visible_group(0)
    groups[:5] = "red"
    finding = look(vectors, columns={"group": groups}, distance="euclidean")["misplaced_rows"]
    assert set(finding.row_indices) == set(range(5))
    assert finding.numbers["false_discovery_rate"] == 0.05
    assert "false discovery rate" in finding.evidence
    assert "错误发现率" in finding.evidence_zh
