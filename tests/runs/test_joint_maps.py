"""Two runs on one map."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from visualdl_embedding.analysis import Config, State, analyze, plan_projections, projection_key
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.pairing import pair_labels
from visualdl_embedding.core.process import start_child
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.runs import (
    Joint,
    SnapshotReference,
    align_maps,
    cache_folder,
    compare,
    project_jointly,
    read_cached,
    record_once,
    turn_onto,
)
from visualdl_embedding.store import TableStore

CONFIG = Config(methods=("pca", "tsne"), n_neighbors=5, perplexity=8.0, noise_floor_every=0)


def make_rows(labels: list[str]) -> Rows:
    return Rows(np.arange(len(labels), dtype=np.int64), tuple(labels))


def make_snapshot(n: int = 80, dim: int = 10, *, seed: int = 0, first: int = 0) -> Snapshot:
    rng = np.random.default_rng(seed)
    centers = 4 * np.random.default_rng(99).normal(size=(4, dim))
    vectors = (centers[(np.arange(n) + first) % 4] + rng.normal(size=(n, dim))).astype(np.float32)
    return Snapshot("word", 0, make_rows([f"词{i + first}" for i in range(n)]), vectors)


def turned(snapshot: Snapshot, *, seed: int = 1) -> Snapshot:
    """The same space, seen from elsewhere, its rows in another order."""
    rng = np.random.default_rng(seed)
    rotation = ortho_group.rvs(snapshot.vectors.shape[1], random_state=seed)
    order = rng.permutation(len(snapshot.rows))
    rows = make_rows([snapshot.labels[i] for i in order])
    return Snapshot("word", 0, rows, (snapshot.vectors[order] @ rotation).astype(np.float32))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_a_rotation_is_undone(distance: Any, seed: int) -> None:
    a = make_snapshot(seed=seed)
    b = turned(a, seed=seed)
    in_a, in_b = pair_labels(a.labels, b.labels)
    np.testing.assert_allclose(turn_onto(a, b, distance=distance)[in_b], a.vectors[in_a], atol=1e-4)


def test_shift_and_scale_are_undone_for_euclidean_alone() -> None:
    a = make_snapshot()
    b = replace(a, vectors=a.vectors * 3 + 5)
    np.testing.assert_allclose(turn_onto(a, b, distance="euclidean"), a.vectors, atol=1e-3)
    # With cosine the origin has a meaning, and lengths have none.
    np.testing.assert_allclose(np.linalg.norm(turn_onto(a, b), axis=1), np.linalg.norm(b.vectors, axis=1), rtol=1e-4)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_neighbors_within_a_side_are_untouched(distance: Any) -> None:
    a, b = make_snapshot(), make_snapshot(seed=3, first=20)
    before = nearest_neighbors(b.vectors, 5, distance=distance)
    after = nearest_neighbors(turn_onto(a, b, distance=distance), 5, distance=distance)
    assert (before.indices == after.indices).mean() > 0.99


def test_the_rotation_is_that_of_scipy() -> None:
    a, b = make_snapshot(), make_snapshot(seed=3, first=20)
    in_a, in_b = pair_labels(a.labels, b.labels)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (b.vectors[in_b], a.vectors[in_a])]
    rotation, _ = orthogonal_procrustes(*(v.astype(float) for v in unit))
    np.testing.assert_allclose(turn_onto(a, b), b.vectors @ rotation, atol=1e-4)


def test_broken_rows_are_left_out_and_stay_broken() -> None:
    a = make_snapshot()
    b = turned(a)
    a.vectors[3] = np.nan
    b.vectors[5] = np.inf
    joint = project_jointly(a, b, config=CONFIG, spec=CONFIG.spec("pca"))
    assert joint.n_shared == 78 + (a.labels[3] == b.labels[5])
    assert np.isnan(joint.a[3]).all()
    assert np.isnan(joint.b[5]).all()
    assert np.isfinite(np.delete(joint.a, 3, axis=0)).all()


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
@pytest.mark.parametrize("n_components", [2, 3])
def test_a_word_stands_beside_itself(method: str, n_components: int) -> None:
    a = make_snapshot()
    b = turned(replace(a, vectors=a.vectors + 0.1 * np.random.default_rng(2).normal(size=a.vectors.shape)))
    b = replace(b, vectors=b.vectors.astype(np.float32))
    shares: list[float] = []
    spec = CONFIG.spec(projection_key(method, n_components))
    joint = project_jointly(a, b, config=CONFIG, spec=spec, on_progress=shares.append)
    assert joint.how == "joint"
    assert joint.n_shared == 80
    assert shares == sorted(shares)
    in_a, in_b = pair_labels(a.labels, b.labels)
    together = np.linalg.norm(joint.a[in_a] - joint.b[in_b], axis=1)
    apart = np.linalg.norm(joint.a[in_a] - np.roll(joint.a[in_a], 1, axis=0), axis=1)
    assert np.median(together) < 0.25 * np.median(apart)
    lower, upper = joint.axes.T
    assert ((joint.a >= lower) & (joint.a <= upper)).all()


def test_a_map_that_is_known_is_gone_on_with() -> None:
    a = make_snapshot()
    # The joint map of equal snapshots is that of one.
    noise = np.random.default_rng(2).normal(size=a.vectors.shape).astype(np.float32)
    b = turned(replace(a, vectors=a.vectors + np.float32(0.1) * noise))
    analysis, _ = analyze(a, State(), CONFIG)
    start = analysis.projections["tsne"].coordinates
    joint = project_jointly(a, b, config=CONFIG, spec=CONFIG.spec("tsne"), start=start)
    fresh = project_jointly(a, b, config=CONFIG, spec=CONFIG.spec("tsne"))
    size = np.sqrt(start.var(axis=0).mean())

    def far(found: Joint) -> float:
        return float(np.median(np.linalg.norm(found.a - start, axis=1)) / size)

    assert far(joint) < 0.5
    assert far(joint) < far(fresh)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
@pytest.mark.parametrize("known", [False, True])
def test_rows_that_coincide_have_one_place(method: str, distance: Any, known: bool) -> None:
    a = make_snapshot()
    a.vectors[:20] = a.vectors[0]
    a.vectors[10:20, 0] = np.nextafter(a.vectors[0, 0], np.float32(np.inf))
    b = turned(replace(a, vectors=np.where(np.arange(80)[:, None] < 60, a.vectors, a.vectors[::-1])))
    config = replace(CONFIG, methods=(method,), distance=distance)
    start = analyze(a, State(), config)[0].projections[method].coordinates if known else None
    joint = project_jointly(a, b, config=config, spec=config.spec(method), start=start)
    same = joint.b[[b.labels.index(label) for label in (*a.labels[:20], *a.labels[60:])]]
    assert len(np.unique(joint.a[:20], axis=0)) == len(np.unique(same, axis=0)) == 1
    assert len(np.unique(joint.a, axis=0)) == 61
    assert len(np.unique(joint.b, axis=0)) == 41


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
def test_equal_snapshots_coincide_whatever_the_rotation_between_them(method: str) -> None:
    a = make_snapshot()
    b = turned(a)
    joint = project_jointly(a, b, config=CONFIG, spec=CONFIG.spec(method))
    in_a, in_b = pair_labels(a.labels, b.labels)
    np.testing.assert_array_equal(joint.a[in_a], joint.b[in_b])
    assert len(np.unique(joint.a, axis=0)) == 80


def test_rows_of_a_coarse_table_coincide_as_on_their_own_map() -> None:
    a = make_snapshot()
    a.vectors.view(np.uint32)[:] &= 0xFFFF0000
    a.vectors[1] = a.vectors[0]
    a.vectors.view(np.uint32)[1, 0] += 0x10000  # one unit in the last place of bfloat16
    b = replace(a, vectors=a.vectors + np.float32(0.01))
    for one, two in ((a, b), (b, a)):
        joint = project_jointly(one, two, config=CONFIG, spec=CONFIG.spec("tsne"))
        side = joint.a if one is a else joint.b
        np.testing.assert_array_equal(side[0], side[1])


def test_few_shared_rows_are_said() -> None:
    a, b = make_snapshot(), make_snapshot(seed=3, first=75)
    joint = project_jointly(a, b, config=CONFIG, spec=CONFIG.spec("pca"))
    assert joint.n_shared == 5
    assert "5 shared labels do not determine a rotation of 10 dimensions" in joint.notes[0]


def test_nothing_shared_is_an_error() -> None:
    with pytest.raises(ValueError, match="share no label"):
        turn_onto(make_snapshot(), make_snapshot(first=500))
    with pytest.raises(ValueError, match="one width"):
        turn_onto(make_snapshot(), make_snapshot(dim=7))


def test_maps_are_laid_on_one_another_by_label() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(30, 2)).astype(np.float32)
    labels = [f"词{i}" for i in range(30)]
    angle = 0.7
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = (2 * one[::-1] @ rotation + 7).astype(np.float32)
    other[4] = np.nan
    laid, n_shared = align_maps(labels, one, labels[::-1], map_b=other)
    assert n_shared == 29
    np.testing.assert_allclose(np.delete(laid, 4, axis=0), np.delete(one[::-1], 4, axis=0), atol=1e-5)
    assert np.isnan(laid[4]).all()


def make_run(log_dir: Path, snapshot: Snapshot) -> SnapshotReference:
    table = Table("word", num_rows=1000, dim=snapshot.vectors.shape[1])
    store = TableStore.open_for_writing(log_dir, table, snapshot.rows, config=CONFIG)
    store.write_snapshot(snapshot)
    store.write_analysis(analyze(snapshot, State(), CONFIG)[0])
    return SnapshotReference(str(log_dir), "word", snapshot.step)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[SnapshotReference, SnapshotReference]:
    a = make_snapshot()
    return make_run(tmp_path / "runs" / "a", a), make_run(tmp_path / "runs" / "b", turned(a))


def test_a_comparison_is_made_once(sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path) -> None:
    a, b = sides
    cache = tmp_path / "cache"
    assert read_cached(a, b, projection="tsne", cache=cache) is None
    made = compare(a, b, projection="tsne", cache=cache)
    told: list[float] = []
    again = compare(a, b, projection="tsne", cache=cache, on_progress=told.append)
    assert told == []
    for name in ("a", "b", "axes"):
        np.testing.assert_array_equal(getattr(made, name), getattr(again, name))
    assert (again.n_shared, again.how, again.notes) == (80, "joint", made.notes)
    assert read_cached(b, a, projection="tsne", cache=cache) is None
    assert read_cached(a, b, projection="pca", cache=cache) is None
    snapshot = Path(a.log_dir) / "embeddings" / "word" / "snapshot-000000000.safetensors"
    os.utime(snapshot, ns=(1, 1))
    assert read_cached(a, b, projection="tsne", cache=cache) is None


def test_a_result_of_another_version_is_made_again(
    sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(*sides, projection="pca", cache=tmp_path)
    assert read_cached(*sides, projection="pca", cache=tmp_path) is not None
    monkeypatch.setattr("visualdl_embedding.core.stamps.library_version", lambda: "99.0")
    assert read_cached(*sides, projection="pca", cache=tmp_path) is None


def test_a_damaged_result_is_made_again(sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path) -> None:
    made = compare(*sides, projection="pca", cache=tmp_path)
    (path,) = tmp_path.glob("joint-*.npz")
    for content in (b"", b"PK\x03\x04", path.read_bytes()[:200]):
        path.write_bytes(content)
        assert read_cached(*sides, projection="pca", cache=tmp_path) is None
        np.testing.assert_array_equal(compare(*sides, projection="pca", cache=tmp_path).b, made.b)


def test_the_oldest_results_go(
    sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = sides
    monkeypatch.setattr("visualdl_embedding.runs._joint.CACHE_BYTES", 6000)
    for projection in ("pca", "tsne"):
        compare(a, b, projection=projection, cache=tmp_path)
        compare(b, a, projection=projection, cache=tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.glob("joint-*")) <= 6000
    assert read_cached(b, a, projection="tsne", cache=tmp_path) is not None
    assert read_cached(a, b, projection="pca", cache=tmp_path) is None


def test_tables_of_different_width_have_their_maps_aligned(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", make_snapshot()), make_run(tmp_path / "b", make_snapshot(dim=6))
    joint = compare(a, b, projection="tsne")
    assert (joint.how, joint.n_shared) == ("procrustes", 80)
    assert "10 and 6 columns" in joint.notes[0]
    assert joint.a.shape == joint.b.shape == (80, 2)


def test_what_is_not_there_is_an_error(sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path) -> None:
    a, b = sides
    with pytest.raises(ValueError, match="no snapshot at step 7"):
        compare(a, replace(b, step=7))
    with pytest.raises(FileNotFoundError):
        compare(a, replace(b, log_dir=str(tmp_path / "nothing")))
    with pytest.raises(ValueError, match=r"no projection .isomap.; known are pca, tsne"):
        compare(a, b, projection="isomap")


def test_results_go_beside_the_runs_or_into_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    runs = tmp_path / "runs"
    runs.mkdir()
    assert cache_folder(runs) == runs / ".visualdl-embedding-cache"
    # Root may write anywhere, whatever the mode says.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != runs)
    assert (tmp_path / "home") in cache_folder(runs).parents
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    (runs / ".visualdl-embedding-cache").symlink_to(tmp_path / "elsewhere")
    assert (tmp_path / "home") in cache_folder(runs).parents
    assert stat.S_ISDIR(runs.stat().st_mode)


def start(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    process = start_child("visualdl_embedding.runs.joint_worker", stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    return process


def test_the_child_process_tells_its_progress_and_leaves_the_result(
    sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path
) -> None:
    a, b = sides
    job = {"a": vars(a), "b": vars(b), "projection": "tsne", "cache": str(tmp_path / "cache")}
    with start(job) as process:
        assert process.stdout is not None
        shares = [float(line) for line in process.stdout]
        assert process.wait(60) == 0
    assert shares == sorted(shares)
    assert len(shares) >= 3
    assert read_cached(a, b, projection="tsne", cache=tmp_path / "cache") is not None


def test_the_child_process_says_what_cannot_be_done(
    sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path
) -> None:
    a, b = sides
    with start({"a": vars(a), "b": {**vars(b), "step": 7}, "projection": "tsne", "cache": str(tmp_path)}) as process:
        assert process.stdout is not None
        assert "no snapshot at step 7" in json.loads(process.stdout.read())["error"]


def test_the_child_process_ends_with_its_parent(
    sides: tuple[SnapshotReference, SnapshotReference], tmp_path: Path
) -> None:
    a, b = sides
    with start({"a": vars(a), "b": vars(b), "projection": "tsne", "cache": str(tmp_path)}) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_projection_of_several_has_a_joint_map_of_its_own(tmp_path: Path) -> None:
    specs = plan_projections("tsne", perplexity=(4, 8))
    sides = []
    for name in ("a", "b"):
        snapshot = make_snapshot(seed=len(sides))
        record_once(
            tmp_path / name,
            snapshot,
            table=Table("word", 80, 10),
            config=Config(projections=specs, n_neighbors=5, noise_floor_every=0),
            rules=(),
        )
        sides.append(SnapshotReference(str(tmp_path / name), "word", 0))
    narrow, wide = (compare(*sides, projection=spec.key) for spec in specs)
    assert np.abs(narrow.a - wide.a).max() > 1
    with pytest.raises(ValueError, match="no projection 'tsne_perplexity5'"):
        compare(*sides, projection="tsne_perplexity5")
