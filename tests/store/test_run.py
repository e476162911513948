from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from store_examples import (
    CONFIG,
    ROWS,
    TABLE,
    assert_same_analysis,
    fill,
    make_analysis,
    make_rows,
    make_snapshot,
    new_store,
)

import visualdl_embedding
from visualdl_embedding import open_run
from visualdl_embedding.core.table import Table
from visualdl_embedding.errors import DamagedFileError, NewerFormatError, NotAnalyzedError
from visualdl_embedding.store import Run, TableStore

NAME = TABLE.name


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return new_store(tmp_path / "runs" / "a")


@pytest.fixture
def run(store: TableStore) -> Run:
    fill(store, [0, 100, 200])
    fill(store, [300], analyzed=False)
    return open_run(store.folder.parent.parent)


def test_a_run_lists_its_content(run: Run, store: TableStore) -> None:
    other = new_store(run.path, table=Table("A/b 情感", 9, 4))
    assert run.tables() == ["A/b 情感", NAME]
    assert run.steps(NAME) == [0, 100, 200, 300]
    assert run.steps(NAME, analyzed=True) == [0, 100, 200]
    with pytest.warns(DeprecationWarning, match="analyzed="):
        assert run.steps(NAME, analysed=True) == [0, 100, 200]
    assert run.steps("A/b 情感") == other.steps() == []
    assert run.table(NAME).config == CONFIG
    assert run.table(NAME).how == ROWS.how
    assert run.rows(NAME).labels == ROWS.labels
    assert run.alerts(NAME) == []
    assert repr(run) == f"Run({str(run.path)!r})"
    store.append_alert({"step": 100})
    assert run.alerts(NAME) == [{"step": 100}]


def test_snapshot_projection_and_analysis(run: Run) -> None:
    snapshot = make_snapshot(100)
    found = run.snapshot(NAME, 100)
    assert found.ids.shape == (6,)
    assert found.labels == ROWS.labels
    np.testing.assert_array_equal(found.vectors, snapshot.vectors)
    analysis = make_analysis(snapshot, previous=0)
    assert_same_analysis(run.analysis(NAME, 100), analysis)
    projection = run.projection(NAME, 100, "tsne", n_components=3)
    np.testing.assert_array_equal(projection.coordinates, analysis.projections["tsne_3d"].coordinates)
    assert projection.parameters == {"perplexity": 1.5, "early": None}
    assert run.projection(NAME, 100, "pca").parameters["basis_version"] == 1


def test_pca_of_every_step_uses_the_newest_basis(run: Run, store: TableStore) -> None:
    fill(store, [400, 500], version=2)
    last = run.analysis(NAME, 500)
    assert last.basis is not None
    seen = run.projection(NAME, 100, "pca")
    vectors = make_snapshot(100).vectors
    np.testing.assert_array_equal(seen.coordinates, last.basis.transform(vectors, 2))
    np.testing.assert_array_equal(seen.axes, last.projections["pca"].axes)
    assert seen.parameters == {"basis_version": 2, "basis_step": 500, "distance": "cosine"}
    as_logged = run.projection(NAME, 100, "pca", reproject=False)
    assert as_logged.parameters["basis_version"] == 1
    np.testing.assert_array_equal(as_logged.coordinates, run.analysis(NAME, 100).projections["pca"].coordinates)
    assert not np.array_equal(seen.coordinates, as_logged.coordinates)
    newest = run.projection(NAME, 500, "pca")
    np.testing.assert_array_equal(newest.coordinates, last.projections["pca"].coordinates)
    store.path("analysis", 500).write_bytes(b"half")
    assert run.projection(NAME, 100, "pca").parameters["basis_step"] == 400


def test_reprojection_leaves_rows_that_are_not_finite_out(store: TableStore) -> None:
    snapshot = make_snapshot(0)
    snapshot.vectors[2, 0] = np.inf
    store.write_snapshot(snapshot)
    store.write_analysis(make_analysis(snapshot))
    fill(store, [100], version=2)
    found = open_run(store.folder.parent.parent).projection(NAME, 0, "pca").coordinates
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, axis=0)).all()


def test_a_table_that_changed_its_width_keeps_its_own_bases(store: TableStore) -> None:
    fill(store, [0])
    wider = make_snapshot(100, dim=5)
    store.write_snapshot(wider)
    store.write_analysis(make_analysis(wider, version=2))
    run = open_run(store.folder.parent.parent)
    assert run.projection(NAME, 0, "pca").parameters["basis_version"] == 1
    assert run.projection(NAME, 100, "pca").parameters["basis_version"] == 2


def test_scalars_are_by_key_and_step(run: Run) -> None:
    found = run.scalars(NAME)
    assert found["norm_mean"] == {0: 0.1, 100: 100.1, 200: 200.1}
    assert np.isnan(found["hubness"][100])
    assert found["watch/词1/tsne_3d/x"][200] == -np.inf


def test_scalars_skip_a_damaged_file_with_one_warning(run: Run, store: TableStore) -> None:
    store.path("analysis", 100).write_bytes(b"")
    with pytest.warns(UserWarning, match="analysis-000000100.safetensors is damaged") as caught:
        found = run.scalars(NAME)
    assert len(caught) == 1
    assert sorted(found["norm_mean"]) == [0, 200]


def test_a_growing_run_shows_its_current_content(run: Run, store: TableStore) -> None:
    fill(store, [400])
    assert run.steps(NAME, analyzed=True)[-1] == 400
    newer = make_rows(4)
    assert run.rows(NAME).version == ROWS.version
    store.add_rows(newer)
    assert run.rows(NAME).version == newer.version
    assert run.rows(NAME, ROWS.version).labels == ROWS.labels


def test_missing_items_are_reported_with_alternatives(run: Run) -> None:
    with pytest.raises(ValueError, match=r"no table 'word'; its tables are 'encoder\.word'"):
        run.steps("word")
    with pytest.raises(ValueError, match=r"no snapshot at step 150; the nearest stored are 100 and 200 \(4 in all\)"):
        run.snapshot(NAME, 150)
    with pytest.raises(ValueError, match="nearest stored is 300"):
        run.analysis(NAME, 999)
    with pytest.raises(NotAnalyzedError, match=r"not analyzed; the nearest analyzed is 200.*analyze .*/runs/a`"):
        run.projection(NAME, 300, "tsne")
    with pytest.raises(NotAnalyzedError):
        run.analysis(NAME, 300)
    with pytest.raises(ValueError, match=r"no projection 'umap' in .*; stored there: pca, tsne_3d"):
        run.projection(NAME, 100, "umap")
    with pytest.raises(ValueError, match="no projection 'tsne' in"):
        run.projection(NAME, 100, "tsne")


def test_a_table_without_steps_is_reported(store: TableStore) -> None:
    with pytest.raises(ValueError, match="no steps are stored"):
        open_run(store.folder.parent.parent).snapshot(NAME, 0)


def test_a_damaged_step_is_named_and_the_others_open(run: Run, store: TableStore) -> None:
    path = store.path("snapshot", 100)
    path.write_bytes(path.read_bytes()[:-1])
    assert run.steps(NAME) == [0, 100, 200, 300]
    with pytest.raises(
        DamagedFileError, match=r"snapshot-000000100\.safetensors is damaged: its tensor 'vectors' ends"
    ):
        run.snapshot(NAME, 100)
    assert run.snapshot(NAME, 200).step == 200


def test_a_newer_format_is_named(run: Run, store: TableStore) -> None:
    path = store.path("analysis", 100)
    old, new = (json.dumps(json.dumps({"format_version": v}))[2:-2].encode() for v in (1, 9))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(NewerFormatError, match=r"has format 9, .* reads formats up to 1"):
        run.analysis(NAME, 100)


def test_a_path_that_is_not_a_run_is_reported(run: Run, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(FileNotFoundError, match=r"no directory .*runs/b\. Beside it are the runs .*runs/a\."):
        open_run(runs / "b")
    with pytest.raises(
        FileNotFoundError, match=r"it has no embeddings/\*/table\.json\. It contains the runs .*runs/a\."
    ):
        open_run(runs)
    with pytest.raises(FileNotFoundError, match="is a file"):
        open_run(run.path / "embeddings" / NAME / "table.json")
    (runs / "c").mkdir()
    (runs / "c" / "vdlrecords.1700000000.log").touch()
    with pytest.raises(FileNotFoundError, match="train with an EmbeddingCallback"):
        open_run(str(runs / "c"))
    with pytest.raises(FileNotFoundError, match="There is no directory"):
        open_run(tmp_path / "x" / "y" / "z")


def test_reading_changes_nothing(run: Run, store: TableStore) -> None:
    (store.folder / "left.tmp").touch()

    def listing() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in run.path.rglob("*")}

    before = listing()
    run.tables(), run.scalars(NAME), run.projection(NAME, 100, "pca"), run.snapshot(NAME, 0), run.alerts(NAME)
    TableStore.open(run.path, NAME).load_state()
    assert listing() == before


def test_the_package_offers_runs_at_its_top() -> None:
    assert visualdl_embedding.open_run is open_run
    assert visualdl_embedding.Run is Run
    assert isinstance(visualdl_embedding.__version__, str)
    assert {"Run", "open_run", "__version__"} <= set(dir(visualdl_embedding))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        visualdl_embedding.nonsense  # noqa: B018
