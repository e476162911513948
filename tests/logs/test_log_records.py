from __future__ import annotations

import dataclasses
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_examples import PNG, Record, base_component, make_frame

from visualdl_embedding.analysis import Config
from visualdl_embedding.logs import _records as records_module
from visualdl_embedding.logs import snapshot_records, text_record
from visualdl_embedding.logs._records import reduce_dimensions, snapshot_sizes


def values_of(records: list[bytes]) -> dict[str, object]:
    values = [Record.FromString(data).values[0] for data in records]
    assert len({value.tag for value in values}) == len(values)
    return {value.tag: value for value in values}


def matrix(value: object) -> np.ndarray:
    return np.array([row.vectors for row in value.embeddings.embeddings], dtype=np.float32)


def test_a_frame_has_every_kind_under_its_tag() -> None:
    snapshot, analysis = make_frame()
    found = values_of(snapshot_records(snapshot, analysis, images={"tsne": PNG}, walltime=7))
    assert {tag: value.WhichOneof("one_value") for tag, value in found.items()} == {
        "embedding/word/norm_mean": "value",
        "embedding/word/tsne/trustworthiness": "value",
        "watch 词1/word/norm": "value",
        "embedding/word/norms": "histogram",
        "embedding/word/tsne/map": "image",
        "word/vectors/step_000000100": "embeddings",
        "word/pca/step_000000100": "embeddings",
        "word/tsne/step_000000100": "embeddings",
    }
    assert all(value.timestamp == 7 for value in found.values())
    assert {value.id for tag, value in found.items() if tag.startswith("embedding/")} == {100}
    assert found["embedding/word/norm_mean"].value == 2.5
    assert found["embedding/word/tsne/map"].image.encoded_image_string == PNG


@pytest.mark.parametrize("what", ["scalars", "vectors", "projections"])
def test_each_part_can_be_left_out(what: str) -> None:
    snapshot, analysis = make_frame()
    whole = values_of(snapshot_records(snapshot, analysis, walltime=0))
    part = values_of(snapshot_records(snapshot, analysis, walltime=0, **{what: False}))
    expected = {"scalars": 4, "vectors": 1, "projections": 2}[what]
    assert len(whole) - len(part) == expected
    assert set(part) < set(whole)


def test_an_embeddings_record_equals_visualdls_own() -> None:
    snapshot, analysis = make_frame(12, 5)
    found = values_of(snapshot_records(snapshot, analysis, walltime=3))
    ours = found["word/vectors/step_000000100"]
    cells = [list(row.label) for row in ours.embeddings.embeddings]
    theirs = base_component.embedding(
        ours.tag,
        [list(column) for column in zip(*cells, strict=True)],
        (snapshot.vectors - snapshot.vectors.mean(axis=0)).tolist(),
        step=0,
        labels_meta=list(ours.embeddings.label_meta),
        walltime=3,
    ).values[0]
    np.testing.assert_allclose(matrix(ours), matrix(theirs), atol=1e-5)
    assert ours.embeddings.label_meta == theirs.embeddings.label_meta
    assert [row.label for row in ours.embeddings.embeddings] == [row.label for row in theirs.embeddings.embeddings]
    np.testing.assert_array_equal(matrix(found["word/tsne/step_000000100"]), analysis.projections["tsne"].coordinates)


def test_metadata_has_label_group_other_columns_and_finite_row_metrics() -> None:
    columns = {"frequency": tuple("12345"), "group": tuple("aabbb")}
    snapshot, analysis = make_frame(5, columns=columns)
    message = values_of(snapshot_records(snapshot, analysis))["word/pca/step_000000100"].embeddings
    assert list(message.label_meta) == ["label", "group", "frequency", "id", "norm"]
    assert list(message.embeddings[2].label)[:4] == ["词2", "b", "3", "2"]
    assert float(message.embeddings[2].label[4]) == pytest.approx(float(analysis.row_metrics["norm"][2]), rel=1e-3)


def test_there_are_two_columns_even_without_any_but_labels() -> None:
    snapshot, analysis = make_frame(3, columns={})
    analysis = dataclasses.replace(analysis, row_metrics={})
    message = values_of(snapshot_records(snapshot, analysis))["word/pca/step_000000100"].embeddings
    assert list(message.label_meta) == ["label", "id"]


def test_rows_that_are_not_finite_are_left_out() -> None:
    snapshot, analysis = make_frame(6)
    snapshot.vectors[2, 0] = np.nan
    analysis.projections["tsne"].coordinates[2] = np.nan
    found = values_of(snapshot_records(snapshot, analysis))
    for kind in ("vectors", "tsne"):
        value = found[f"word/{kind}/step_000000100"]
        assert np.isfinite(matrix(value)).all()
        assert [row.label[0] for row in value.embeddings.embeddings] == ["词0", "词1", "词3", "词4", "词5"]


def test_without_any_finite_row_there_is_no_embeddings_record() -> None:
    snapshot, analysis = make_frame(4)
    snapshot.vectors[:] = np.inf
    found = values_of(snapshot_records(snapshot, analysis))
    assert not any(value.WhichOneof("one_value") == "embeddings" for value in found.values())


def test_scalars_that_are_not_finite_are_left_out() -> None:
    snapshot, analysis = make_frame()
    scalars = {"good": 1.0, "nan": float("nan"), "inf": float("inf"), "beyond_float32": 1e300}
    analysis = dataclasses.replace(analysis, scalars=scalars)
    tags = values_of(snapshot_records(snapshot, analysis, vectors=False, projections=False))
    assert [tag for tag, value in tags.items() if value.WhichOneof("one_value") == "value"] == ["embedding/word/good"]


def test_histograms_count_finite_rows() -> None:
    snapshot, analysis = make_frame(9)
    analysis.row_metrics["displacement"][:4] = [0.1, 0.2, 0.2, 0.9]
    found = values_of(snapshot_records(snapshot, analysis))
    assert sum(found["embedding/word/norms"].histogram.hist) == 9
    moved = found["embedding/word/displacements"].histogram
    assert sum(moved.hist) == 4
    assert moved.bin_edges[0] == pytest.approx(0.1)
    assert len(moved.bin_edges) == len(moved.hist) + 1


@given(st.lists(st.text(), min_size=3, max_size=3, unique=True), st.text(min_size=1))
@settings(deadline=None, max_examples=50)
def test_any_label_and_any_table_name_can_be_logged(labels: list[str], table: str) -> None:
    snapshot, analysis = make_frame(3, labels=tuple(labels), table=table)
    found = values_of(snapshot_records(snapshot, analysis))
    assert not any("%" in tag for tag in found)
    embeddings = [value for value in found.values() if value.WhichOneof("one_value") == "embeddings"]
    assert len(embeddings) == 3
    for value in embeddings:
        assert value.tag.count("/") == 2
        for row, label in zip(value.embeddings.embeddings, labels, strict=True):
            assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in row.label[0])
            assert len(row.label[0]) == len(label)


def test_half_a_surrogate_does_not_stop_a_record() -> None:
    snapshot, analysis = make_frame(3, labels=("a\ud800", "b", "c\td"))
    value = values_of(snapshot_records(snapshot, analysis))["word/pca/step_000000100"]
    assert [row.label[0] for row in value.embeddings.embeddings] == ["a\ufffd", "b", "c d"]


def test_wide_vectors_become_200_and_the_variance_kept_is_logged() -> None:
    snapshot, analysis = make_frame(400, 300)
    found = values_of(snapshot_records(snapshot, analysis))
    shown = matrix(found["word/vectors/step_000000100"])
    assert shown.shape == (400, 200)
    centered = snapshot.vectors - snapshot.vectors.mean(axis=0)
    squares = np.linalg.svd(centered.astype(np.float64), compute_uv=False) ** 2
    kept = found["embedding/word/vectors_variance_kept"].value
    assert kept == pytest.approx(squares[:200].sum() / squares.sum(), abs=0.01)


def test_vectors_up_to_200_are_only_centered() -> None:
    vectors = np.random.default_rng(0).normal(3, 1, (30, 200)).astype(np.float32)
    shown, kept = reduce_dimensions(vectors)
    assert kept == 1.0
    np.testing.assert_allclose(shown, vectors - vectors.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_few_wide_rows_keep_their_distances(n: int) -> None:
    vectors = np.random.default_rng(n).normal(size=(n, 700)).astype(np.float32)
    shown, kept = reduce_dimensions(vectors)
    assert shown.shape[1] <= 200
    assert kept == pytest.approx(1.0, abs=1e-4)
    before = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(shown[:, None] - shown[None], axis=2), before, atol=1e-2)


def test_equal_wide_rows_keep_all_variance() -> None:
    shown, kept = reduce_dimensions(np.full((10, 500), 2.5, np.float32))
    assert kept == 1.0
    assert (shown == 0).all()


def test_more_rows_than_the_page_draws_are_thinned_evenly_and_watched_ones_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records_module, "PAGE_ROWS", 10)
    snapshot, analysis = make_frame(101, watch=("词37",))
    value = values_of(snapshot_records(snapshot, analysis))["word/vectors/step_000000100"]
    labels = [row.label[0] for row in value.embeddings.embeddings]
    assert len(labels) == 10
    assert "词37" in labels
    assert {"词0", "词100"} <= set(labels)


@pytest.mark.parametrize(("n", "d"), [(500, 128), (2000, 300), (3000, 16)])
def test_sizes_are_estimated_within_a_quarter(n: int, d: int) -> None:
    snapshot, analysis = make_frame(n, d, methods={"pca": 2, "tsne": 2, "umap": 2})
    numbers = np.random.default_rng(0).random(n).astype(np.float32)
    metrics = dict.fromkeys(("norm", "displacement", "neighbor_overlap"), numbers)
    analysis = dataclasses.replace(analysis, row_metrics=metrics)
    sizes = snapshot_sizes(snapshot, Config())
    found = values_of(snapshot_records(snapshot, analysis))
    vectors = found["word/vectors/step_000000100"].ByteSize()
    projections = sum(found[f"word/{key}/step_000000100"].ByteSize() for key in ("pca", "tsne", "umap"))
    assert sizes["vectors"] == pytest.approx(vectors, rel=0.25)
    assert sizes["projections"] == pytest.approx(projections, rel=0.25)


def test_a_text_is_a_record_of_the_table() -> None:
    value = Record.FromString(text_record("a/b", "alerts", "加息 drifts \ud800", step=5, walltime=1)).values[0]
    assert (value.tag, value.id, value.text.encoded_text_string) == ("embedding/a／b/alerts", 5, "加息 drifts ?")
