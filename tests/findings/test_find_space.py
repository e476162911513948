"""Collapse and hubs, maps, and what `find` itself promises."""

from __future__ import annotations

import importlib
import json
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
from finding_examples import analysis, gaussian, look, snapshot

from visualdl_embedding import findings
from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.findings import SEVERITIES, Finding, find
from visualdl_embedding.metrics.agreement import map_agreement, map_clusters


def everything() -> dict[str, Finding]:
    """One finding of nearly every kind."""
    rng = np.random.default_rng(0)
    vectors = gaussian(600, 40)
    vectors[0] = 40 * rng.normal(size=40)
    vectors[1] = np.nan
    vectors[2:4] = 0
    vectors[4:6] = vectors[4]
    vectors[6:12] = vectors[6] + 1e-4 * rng.normal(size=(6, 40))
    vectors[20:80] = 0.02 * rng.normal(size=(60, 40))
    vectors[100:150] = 2 * rng.normal(size=40) + 0.3 * rng.normal(size=(50, 40))
    labels = [str(i) if 100 <= i < 150 else chr(0x4E00 + i) for i in range(600)]
    groups = rng.choice(["x", "y"], 600)
    return look(vectors, labels=labels, columns={"group": groups, "frequency": np.arange(600)})


def test_every_finding_speaks_two_languages_and_points_at_rows_that_exist() -> None:
    found = everything()
    assert {"nonfinite_rows", "zero_rows", "duplicate_rows", "tight_clumps", "script_corner", "mixed_groups"} <= set(
        found
    )
    assert {"untrained_rows", "unusual_lengths"} <= set(found)
    for finding in found.values():
        assert finding.severity in SEVERITIES
        sentences = (finding.title, finding.evidence, finding.next_check, *finding.causes, *finding.remedies)
        chinese = (
            finding.title_zh,
            finding.evidence_zh,
            finding.next_check_zh,
            *finding.causes_zh,
            *finding.remedies_zh,
        )
        assert len(sentences) == len(chinese)
        assert len(finding.causes) >= 1
        for english, other in zip(sentences, chinese, strict=True):
            assert english
            assert other
            assert any("\u4e00" <= character <= "\u9fff" for character in other), other
            assert "nan" not in english
        assert all(0 <= row < 600 for row in finding.row_indices)
        assert len(set(finding.row_indices)) == len(finding.row_indices)
        assert len(finding.labels) <= 20
        assert len(finding.labels) == min(20, len(finding.row_indices))
        assert all(np.isfinite(value) for value in finding.numbers.values()), finding.numbers
        json.dumps(finding.to_dict(), allow_nan=False)


def test_critical_findings_come_first() -> None:
    shot = snapshot(np.r_[gaussian(100, 20), np.full((1, 20), np.inf), np.zeros((2, 20))])
    severities = [finding.severity for finding in find(shot, analysis(shot))]
    assert severities == sorted(severities, key=SEVERITIES.index)
    assert severities[0] == "critical"


def test_the_same_input_gives_the_same_findings() -> None:
    assert everything() == everything()


def test_an_analysis_that_was_stored_with_zero_rows_is_read() -> None:
    vectors = gaussian(100, 20)
    vectors[:10] = 0
    shot = snapshot(vectors)
    graph = nearest_neighbors(vectors + np.float32(1e-6), 15)
    found = find(shot, replace(analysis(shot), neighbors=graph))
    assert [finding.kind for finding in found] == ["zero_rows"]


def test_an_analysis_of_another_snapshot_is_refused() -> None:
    shot, other = snapshot(gaussian(50, 8)), snapshot(gaussian(40, 8))
    with pytest.raises(ValueError, match="pass the graph of this snapshot"):
        find(shot, analysis(other))


def test_a_cone_and_a_line_are_collapsed() -> None:
    cone = gaussian(200, 30) * np.float32(0.05) + 1
    assert look(cone)["collapsed_space"].severity == "critical"
    line = np.outer(np.random.default_rng(0).normal(size=200), np.ones(30)) + 1e-3 * gaussian(200, 30)
    assert "effective rank" in look(line)["collapsed_space"].evidence
    assert "mean_cosine" in look(line)["collapsed_space"].numbers


def test_equal_rows_are_a_collapse_and_copies() -> None:
    found = look(np.ones((50, 16)))
    assert found["collapsed_space"].severity == "critical"
    assert found["duplicate_rows"].severity == "critical"


def test_hubs_are_counted_as_numpy_counts() -> None:
    # By Euclidean distance the rows near the middle of a ball are neighbors of all.
    vectors = np.random.default_rng(0).normal(size=(1000, 200))
    vectors[7] *= 0.2
    shot = snapshot(vectors)
    done = analysis(shot, distance="euclidean")
    found = {finding.kind: finding for finding in find(shot, done)}["hubs"]
    counts = np.bincount(done.neighbors.indices.ravel(), minlength=1000)
    assert found.row_indices[0] == 7
    assert found.numbers["most"] == counts[7] > 900
    assert any("Euclidean" in cause for cause in found.causes)
    assert "hubs" not in {finding.kind for finding in find(shot, analysis(shot))}


def test_a_hub_by_cosine_is_found_and_a_large_table_is_sampled() -> None:
    """A row in the common direction of all rows is near to all of them."""
    for n in (600, 3000):
        vectors = np.random.default_rng(0).normal(size=(n, 200)) + 1
        vectors[5] = 1
        finding = look(vectors)["hubs"]
        assert finding.row_indices == (5,)
        assert finding.numbers["most_share"] > 0.9
        assert finding.numbers["gaussian_most_share"] < 0.5
        assert f"Gaussian tables of {min(n, 2000):,} rows" in finding.evidence
        assert f"共 {min(n, 2000):,} 行的高斯分布" in finding.evidence_zh


def test_rows_near_the_mean_are_no_hubs_beyond_those_of_a_gaussian() -> None:
    """By Euclidean distance some row of a Gaussian is a neighbor of a third of the rows, or more."""
    most = []
    for seed in range(8):
        vectors = np.random.default_rng(seed).normal(size=(400, 100))
        graph = nearest_neighbors(vectors.astype(np.float32), 15, distance="euclidean")
        most.append(np.bincount(graph.indices.ravel()).max() / 400)
        assert "hubs" not in look(vectors, distance="euclidean")
    assert max(most) > 0.5


def test_doubtful_clusters_and_loose_maps_are_reported() -> None:
    shot = snapshot(gaussian(300, 50, decay=0.2))
    done, _ = analyze(shot, None, Config(methods=("pca",), noise_floor_every=0))
    island = np.random.default_rng(0).normal(size=(300, 2))
    island[:30] = 40 + 0.1 * island[:30]
    maps = {"pca": done.projections["pca"].coordinates, "tsne": island}
    agreement, clusters = map_agreement(maps, done.neighbors), map_clusters(maps, done.neighbors)
    found = {f.kind: f for f in find(shot, done, agreement=agreement, clusters=clusters)}
    assert set(range(30)) <= set(found["doubtful_clusters"].row_indices)
    assert found["doubtful_clusters"].severity == "info"
    assert "tsne" in found["loose_maps"].title


def test_agreement_and_clusters_of_other_rows_are_refused() -> None:
    shot, other = snapshot(gaussian(40, 8)), snapshot(gaussian(60, 8))
    maps = {"pca": gaussian(60, 2)}
    with pytest.raises(ValueError, match="60 rows"):
        find(shot, analysis(shot), agreement=map_agreement(maps, analysis(other).neighbors))


def test_positions_stay_those_of_the_snapshot_when_rows_are_left_out() -> None:
    vectors = gaussian(200, 30)
    vectors[[0, 1, 2, 50]] = np.nan
    vectors[120] = vectors[121]
    found = look(vectors)
    assert found["duplicate_rows"].row_indices == (120, 121)
    assert found["duplicate_rows"].labels == ("词120", "词121")


def test_each_detector_is_run() -> None:
    names = [module.name for module in pkgutil.iter_modules(findings.__path__, "visualdl_embedding.findings.")]
    modules = map(importlib.import_module, names)
    detectors = {name for module in modules for name in vars(module) if name.startswith("find_")}
    assert len(detectors) > 10
    assert detectors <= set(find.__code__.co_names)
