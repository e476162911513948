from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from report_examples import clustered, example, words

from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.metrics import trustworthiness
from visualdl_embedding.reports import report


def test_the_numbers_are_those_of_a_training_snapshot() -> None:
    made = example()
    expected, _ = analyze(made.snapshot, None, Config(methods=("pca",)))
    for name, value in expected.scalars.items():
        if "noise_floor" not in name:
            assert made.analysis.scalars[name] == pytest.approx(value), name
    np.testing.assert_array_equal(made.analysis.neighbors.indices, expected.neighbors.indices)
    np.testing.assert_allclose(made.analysis.row_metrics["norm"], expected.row_metrics["norm"])


def test_zero_rows_are_shown_as_nobodys_neighbors() -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 300)).astype(np.float32)
    vectors[::10] = 0
    made = report(vectors, vocabulary=words(500), methods=("pca", "tsne"))
    indices, cosines, _ = made.neighbors
    assert (indices[::10] == -1).all()
    shown = np.delete(indices, np.arange(0, 500, 10), axis=0)
    assert shown.size == 6750
    assert (shown >= 0).all()
    assert (shown % 10 != 0).all()
    assert np.isnan(cosines[::10]).all()
    assert made.analysis.scalars["zero_rows"] == 50
    assert sum("50 of 500 rows are zero" in note for note in made.notes) == 1
    assert next(finding for finding in made.findings if finding.kind == "zero_rows").numbers["num_rows"] == 50
    with pytest.raises(ValueError, match="None of the 500 rows"):
        report(0 * vectors, vocabulary=words(500))


def test_every_view_is_measured_on_its_own_coordinates() -> None:
    made = example()
    for view in made.views:
        places = view.projection.coordinates
        expected = trustworthiness(made.snapshot.vectors, places)
        assert view.numbers["trustworthiness"] == pytest.approx(expected)
        assert np.nanmean(view.trustworthiness) == pytest.approx(expected, abs=1e-5)


def test_one_neighbor_graph_serves_all_views(monkeypatch: pytest.MonkeyPatch) -> None:
    from visualdl_embedding.analysis import _space

    widths = []
    original = _space.nearest_neighbors
    monkeypatch.setattr(_space, "nearest_neighbors", lambda v, k, **more: widths.append(k) or original(v, k, **more))
    monkeypatch.setattr("visualdl_embedding.projection._project.nearest_neighbors", None)
    made = report(clustered(200), methods=("pca", "tsne", "umap"), perplexity=(5, 20), n_neighbors=(10, 40))
    assert widths == [60]
    assert made.analysis.neighbors.n_neighbors == 10


def test_parameters_and_seeds_give_a_view_each() -> None:
    made = example(methods=("pca", "umap", "tsne"), perplexity=(5, 20), repeats=2, n_components=(2, 3))
    assert [view.key for view in made.views if view.spec.n_components == 2] == [
        "pca",
        "umap",
        "umap_seed43",
        "tsne_perplexity5",
        "tsne_perplexity5_seed43",
        "tsne_perplexity20",
        "tsne_perplexity20_seed43",
    ]
    assert {view.projection.coordinates.shape for view in made.views} == {(90, 2), (90, 3)}
    assert made.study.stability is not None
    assert 0 < made.study.stability.mean() <= 1
    assert made.view("tsne_3d_perplexity5_seed43").spec.random_state == 43
    with pytest.raises(ValueError, match=r"no view 'tsne'.*tsne_perplexity5"):
        made.view("tsne")


def test_views_of_one_kind_are_turned_alike() -> None:
    made = example(methods="tsne", repeats=2)
    first, second = (view.projection.coordinates for view in made.views)
    np.testing.assert_allclose(first.mean(axis=0), second.mean(axis=0), atol=1e-2 * np.ptp(first))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9


def test_agreement_stability_and_clusters_are_of_all_rows() -> None:
    made = example()
    assert made.study.agreement is not None
    assert made.study.agreement.shape == (90,)
    assert ((made.study.agreement >= 0) & (made.study.agreement <= 1)).all()
    assert made.study.stability is None
    assert made.clusters.shape == (90,)
    # Three clumps were made, and three are found, whatever their numbers.
    inside = made.clusters >= 0
    assert inside.mean() > 0.8
    assert len({(c, i % 3) for i, c in enumerate(made.clusters.tolist()) if c >= 0}) == 3


def test_the_same_call_makes_the_same_report() -> None:
    a, b = example(), example()
    for name, values in a.coordinates().items():
        np.testing.assert_array_equal(values, b.coordinates()[name], err_msg=name)
    assert a.parameters == b.parameters
    assert a.findings == b.findings


def test_rows_that_are_not_finite_are_left_out_and_counted() -> None:
    vectors = clustered()
    vectors[[3, 7], 0] = np.nan, np.inf
    made = report(vectors, vocabulary=words(90))
    assert made.analysis.scalars["nonfinite_rows"] == 2
    assert any("2 of 90 rows contain NaN or inf" in note for note in made.notes)
    columns = made.coordinates()
    assert np.flatnonzero(np.isnan(columns["tsne_x"])).tolist() == [3, 7]
    assert columns["cluster"][[3, 7]].tolist() == [-1, -1]
    with pytest.raises(ValueError, match=r"None of the 4 rows.*NaN or inf"):
        report(np.full((4, 2), np.nan))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_very_few_rows_make_a_report(n: int, d: int) -> None:
    made = report(clustered(n, d), methods=("pca", "tsne", "umap"), repeats=2)
    assert len(made.coordinates()["pca_x"]) == n
    assert "<table>" in made._repr_html_()


def test_equal_rows_make_a_report() -> None:
    made = report(np.ones((30, 4), np.float32))
    assert any("all rows are equal" in note for note in made.notes)


def test_more_rows_than_the_table_has_are_lowered_and_said() -> None:
    made = example(rows=500)
    assert len(made.snapshot.rows) == 90
    assert any("500 rows were requested; the table has 90" in note for note in made.notes)
    assert not any("requested" in note for note in example(rows=50).notes)


def test_a_path_is_opened_and_only_its_rows_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "word_embedding.npy", clustered())
    (tmp_path / "vocab.txt").write_text("\n".join(f"词{i}" for i in range(90)), "utf-8")
    heard: dict[str, tuple[int, int]] = {}
    made = report(
        tmp_path / "word_embedding.npy",
        vocabulary=tmp_path / "vocab.txt",
        rows=40,
        methods="pca",
        on_progress=lambda part, done, total: heard.update({part: (done, total)}),
    )
    assert made.snapshot.labels == tuple(f"词{i}" for i in range(40))
    np.testing.assert_array_equal(made.snapshot.vectors, clustered()[:40])
    assert made.table.num_rows == 90
    assert made.counters["num_rows"] == 90
    assert heard["counters"] == (90, 90)
    assert heard["projections"] == (1, 1)
    assert str(tmp_path) not in "".join((*made.notes, str(made.parameters)))


def test_a_stored_table_is_taken_as_it_is(tmp_path: Path) -> None:
    from visualdl_embedding.files import open_tables

    np.save(tmp_path / "word_embedding.npy", clustered())
    (stored,) = open_tables(tmp_path / "word_embedding.npy")
    made = report(stored, methods="pca")
    assert made.snapshot.labels[0] == "row 0"
    assert any("No vocabulary" in note for note in made.notes)


def test_words_in_the_file_are_the_vocabulary(tmp_path: Path) -> None:
    lines = [
        f"{word} {' '.join(f'{x:.5f}' for x in row)}" for word, row in zip(["高兴", "=1"], clustered(2), strict=True)
    ]
    path = tmp_path / "vectors.txt"
    path.write_text("2 12\n" + "\n".join(lines) + "\n", "utf-8")
    made = report(path, methods="pca")
    assert made.snapshot.labels == ("高兴", "=1")
    np.testing.assert_allclose(made.snapshot.vectors, clustered(2), atol=1e-5)


def test_a_vocabulary_of_another_model_is_refused_or_told() -> None:
    with pytest.raises(ValueError, match="100 ids, but the table has only 90 rows"):
        report(clustered(), vocabulary=words(100))
    made = report(clustered(), vocabulary=words(40), methods="pca")
    assert any("the last 50 rows have no label" in note for note in made.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("tnse",)}, "Unknown in methods: 'tnse'; known are pca, tsne, umap"),
        ({"methods": ()}, "methods is empty"),
        ({"n_components": 4}, "Unknown in n_components: 4"),
        ({"perplexity": (5, 0)}, "perplexity must be at least 1, not 0"),
        ({"perplexity": float("nan")}, "perplexity must be at least 1"),
        ({"n_neighbors": 0}, "n_neighbors must be at least 1"),
        ({"repeats": 0}, "repeats counts the seeds from 1"),
        ({"distance": "manhattan"}, "Unknown distance 'manhattan'"),
        ({"color": "gruop"}, "did you mean 'group'"),
        ({"watch": ["absent"]}, "absent"),
    ],
)
def test_wrong_arguments_are_explained(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        example(**changes)


@pytest.mark.parametrize("source", [None, 3, {"a": 1}])
def test_a_wrong_source_is_explained(source: object) -> None:
    with pytest.raises(TypeError, match=r"path to a model.*\(n, d\) array"):
        report(source)


def test_a_wrong_array_is_explained() -> None:
    with pytest.raises(ValueError, match=r"\(n, d\) and not empty"):
        report(np.zeros(5))
    with pytest.raises(TypeError, match="real numbers"):
        report(np.array([["a", "b"]]))
    with pytest.raises(FileNotFoundError):
        report("no/such/model")


def test_points_are_colored_by_what_there_is() -> None:
    assert example(methods="pca").color == "group"
    assert example(methods="pca", color="frequency").color == "frequency"
    assert example(methods="pca", color="trustworthiness").color == "trustworthiness"
    plain = example(methods="pca", metadata=None)
    assert plain.color == "cluster"
    assert {"cluster", "norm", "agreement"} <= set(plain.colorings)
    taken = example(methods="pca", metadata={"cluster": ["x"] * 45 + ["y"] * 45})
    assert taken.colorings["cluster"].groups == ("x",) * 45 + ("y",) * 45
    assert "cluster (computed)" in taken.colorings


def test_representative_labels_are_honest_and_frequent() -> None:
    made = example()
    best = int(np.argmax(made.representative))
    assert made.representative.shape == (90,)
    assert made.study.agreement is not None
    assert made.study.agreement[best] >= np.median(made.study.agreement)
    assert best < 45


def test_watched_rows_join_and_are_kept() -> None:
    made = example(rows=20, watch=["词60"])
    assert made.snapshot.rows.watch == ("词60",)
    assert len(made.snapshot.rows) == 21


def test_a_frame_holds_every_row() -> None:
    frame = example().to_frame()
    assert frame.shape[0] == 90
    assert {"id", "label", "group", "frequency", "norm", "cluster", "agreement", "tsne_x", "tsne_y"} <= set(
        frame.columns
    )


def test_a_figure_shows_labels_as_text() -> None:
    made = example()
    figure = made.figures["tsne"]
    assert sum(len(trace.x) for trace in figure.data) == 90
    hover = " ".join(text for trace in figure.data for text in trace.text)
    assert "<script" not in hover
    assert "&lt;script&gt;" in hover
    assert "$" not in hover
    assert "\u202e" not in hover
    names = [trace.name for trace in figure.data]
    assert "&lt;b&gt;c&lt;/b&gt; (30)" in names
    assert made.figure("pca", color="frequency").data[0].marker.colorscale is not None
    assert made.figure("pca", color="trustworthiness").data[0].marker.color is not None
    assert example(n_components=3, methods="pca").figure("pca_3d").data[0].type == "scatter3d"


def test_in_a_notebook_a_report_is_a_small_summary() -> None:
    shown = example()._repr_html_()
    assert len(shown) < 20_000
    assert "<script" not in shown
    assert "trustworthiness" in shown


def test_neighbors_by_euclidean_distance_come_with_their_cosine() -> None:
    made = report(clustered(), distance="euclidean", methods="pca")
    indices, cosines, distances = made.neighbors
    v = made.snapshot.vectors.astype(float)
    a, b = v[0], v[indices[0, 0]]
    assert cosines[0, 0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    assert distances[0, 0] == pytest.approx(np.linalg.norm(a - b), rel=1e-3)


def test_a_report_of_two_methods_loads_neither_umap_nor_paddle() -> None:
    code = (
        "import sys, numpy as np\n"
        "from visualdl_embedding.reports import report\n"
        "report(np.random.default_rng(0).normal(size=(60, 4)))\n"
        "print([m for m in ('umap', 'openTSNE', 'paddle', 'visualdl', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
