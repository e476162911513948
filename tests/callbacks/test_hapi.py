from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import LABELS, QUICK, Bag, D, V, WithPositions, fit, make_model, scalar_steps, tags
from visualdl import LogReader, LogWriter

from visualdl_embedding import Config, EmbeddingCallback, EmbeddingMonitor, RecorderSettings, open_run
from visualdl_embedding.alerts import Above, DriftTowards
from visualdl_embedding.training import TrainingCallback


@pytest.mark.parametrize("ours_first", [True, False])
def test_both_callbacks_share_one_file_and_one_count_of_steps(tmp_path: Path, ours_first: bool) -> None:
    ours = EmbeddingCallback(tmp_path, rows=40, every_n_steps=5, watch=["词55"], **QUICK)
    theirs = paddle.callbacks.VisualDL(str(tmp_path))
    fit(*([ours, theirs] if ours_first else [theirs, ours]))
    found = tags(tmp_path)
    assert "train/loss" in found["scalar"]
    assert "embedding/word/effective_rank" in found["scalar"]
    assert "watch 词55/word/tsne/x" in found["scalar"]
    assert {"embedding/word/tsne/map", "embedding/word/pca/map"} <= found["image"]
    assert {"word/vectors/step_000000000", "word/tsne/step_000000016"} <= found["embeddings"]
    assert {"embedding/word/norms", "embedding/word/displacements"} <= found["histogram"]
    assert scalar_steps(tmp_path, "train/loss") == list(range(1, 17))
    logged = scalar_steps(tmp_path, "embedding/word/effective_rank")
    assert set(logged) <= {0, 5, 10, 15, 16}
    assert logged[-1] == 16
    run = open_run(tmp_path)
    assert run.tables() == ["word"]
    assert run.steps("word") == [0, 5, 10, 15, 16]


def test_in_the_training_thread_every_snapshot_is_analyzed(tmp_path: Path) -> None:
    model = fit(EmbeddingCallback(tmp_path, rows=40, every_n_steps=8, background=False, **QUICK))
    run = open_run(tmp_path)
    assert run.steps("word", analyzed=True) == [0, 8, 16]
    snapshot = run.snapshot("word", 16)
    assert snapshot.labels == tuple(LABELS[:40])
    assert np.array_equal(snapshot.vectors, model.network.word.weight.numpy()[:40])
    projection = run.projection("word", 16, "tsne")
    assert projection.coordinates.shape == (40, 2)
    assert projection.parameters["random_state"] == 42
    assert set(run.scalars("word")["neighbor_overlap"]) == {8, 16}


def test_the_run_directory_may_come_from_visualdl(tmp_path: Path) -> None:
    fit(paddle.callbacks.VisualDL(str(tmp_path)), EmbeddingCallback(**QUICK), epochs=1)
    assert open_run(tmp_path).steps("word") == [0, 8]
    assert "train/loss" in tags(tmp_path)["scalar"]


def test_another_directory_than_visualdls_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(paddle.callbacks.VisualDL(str(tmp_path / "a")), EmbeddingCallback(tmp_path / "b", **QUICK), epochs=1)
    assert "train/loss" not in tags(tmp_path / "b")["scalar"]
    assert sum("VisualDL" in record.message for record in caplog.records) == 1


def test_a_writer_of_the_user_is_used_and_left_open(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path))
    fit(EmbeddingCallback(tmp_path, writer=writer, **QUICK), epochs=1)
    writer.add_scalar("mine", 1.0, 3)
    writer.close()
    found = tags(tmp_path)["scalar"]
    assert {"mine", "embedding/word/norm_mean"} <= found


def test_epochs_and_geometric_schedules(tmp_path: Path) -> None:
    fit(EmbeddingCallback(tmp_path / "a", every_n_epochs=2, **QUICK), epochs=3)
    assert open_run(tmp_path / "a").steps("word") == [0, 16, 24]
    fit(EmbeddingCallback(tmp_path / "b", every_n_steps="geometric", methods=(), vocabulary=LABELS), epochs=2)
    assert open_run(tmp_path / "b").steps("word") == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16]


def test_no_stray_output_and_nothing_left_open(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit(EmbeddingCallback(tmp_path, **QUICK), epochs=1)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every_n_steps": 0}, "every_n_steps takes a positive number"),
        ({"methods": ("tsna",)}, "Unknown method 'tsna'; known are pca, tsne, umap"),
        ({"on_error": "ignore"}, 'on_error takes "disable" or "raise"'),
        ({"initial_step": -1}, "initial_step takes a number of batches, 0 or more"),
        ({"distance": "l1"}, "Unknown distance 'l1'"),
    ],
)
def test_wrong_arguments_raise_at_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingCallback("runs/never", **arguments)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match=r"^EmbeddingCallback has no option 'every_n_step': did you mean 'every_n_st"):
        EmbeddingCallback("runs/never", every_n_step=5)
    with pytest.raises(
        TypeError, match=r"^EmbeddingMonitor has no option 'zzz': help.EmbeddingCallback. lists the options"
    ):
        EmbeddingMonitor(Bag(), "runs/never", zzz=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"watch": ["词5555"]}, "词5555"),
        ({"tables": "emb.*"}, "it has: word"),
        ({"vocabulary": [*LABELS, "zu viel"]}, "61"),
        ({"vocabulary": "no/such/file.txt"}, "no/such/file.txt"),
        ({"rows": [3, 60]}, "60"),
    ],
)
def test_wrong_arguments_raise_when_training_begins(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    log_dir = tmp_path / "run"
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        fit(EmbeddingCallback(log_dir, **{**QUICK, **arguments}))
    assert not list(log_dir.rglob("*.safetensors"))


def test_a_config_and_settings_take_the_place_of_single_options(tmp_path: Path) -> None:
    config = Config(methods=("pca",), n_neighbors=7, noise_floor_every=0, null_pairs=2)
    settings = RecorderSettings(background=False)
    fit(EmbeddingCallback(tmp_path, vocabulary=LABELS, config=config, settings=settings, methods="pca"), epochs=1)
    run = open_run(tmp_path)
    assert run.table("word").config == config
    assert run.steps("word", analyzed=True) == [0, 8]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"config": Config(n_neighbors=30), "n_neighbors": 15},
            ValueError,
            "config has n_neighbors=30, but n_neigh.*15",
        ),
        ({"config": Config(), "n_components": 3}, ValueError, r"config has n_components=\(2,\), but n_components=3"),
        ({"settings": RecorderSettings(), "background": False}, ValueError, "settings has background=True"),
        ({"config": {"n_neighbors": 30}}, TypeError, "config takes a Config, not dict"),
        ({"settings": Config()}, TypeError, "settings takes a RecorderSettings, not Config"),
    ],
)
def test_an_option_that_contradicts_config_or_settings_is_named(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        EmbeddingCallback("runs/never", **arguments)


def test_no_directory_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No log_dir was given"):
        fit(EmbeddingCallback(**QUICK))


def test_only_the_first_process_of_a_training_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle.distributed, "get_rank", lambda: 1)
    fit(EmbeddingCallback(tmp_path / "a", **QUICK), epochs=1)
    assert not (tmp_path / "a").exists()


def test_static_mode_is_refused(tmp_path: Path) -> None:
    callback = EmbeddingCallback(tmp_path / "a", **QUICK)
    callback.set_model(make_model())
    paddle.enable_static()
    try:
        with pytest.raises(RuntimeError, match=r"EmbeddingCallback reads layers in dynamic mode"):
            callback.on_train_begin()
    finally:
        paddle.disable_static()


def test_the_callback_of_a_trainer_must_say_how_to_stop_it(tmp_path: Path) -> None:
    class Incomplete(TrainingCallback):
        pass

    with pytest.raises(TypeError, match="_stop_training"):
        Incomplete(tmp_path)  # type: ignore[abstract]


def test_what_goes_wrong_is_logged_once_and_training_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = EmbeddingCallback(tmp_path, every_n_steps=2, background=False, **QUICK)
    seen: list[int] = []

    class Breaks(paddle.callbacks.Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            seen.append(step)
            if len(seen) == 5:
                for path in (tmp_path / "embeddings" / "word").iterdir():
                    path.unlink()
                (tmp_path / "embeddings" / "word").rmdir()
                (tmp_path / "embeddings" / "word").write_text("no folder")

    with caplog.at_level(logging.WARNING, "visualdl_embedding"):
        fit(Breaks(), callback)
    assert len(seen) == 16
    assert [r.message for r in caplog.records if "from step 6 on" in r.message]
    assert len([r for r in caplog.records if "no longer recorded" in r.message]) == 1


def test_an_error_can_be_raised_instead(tmp_path: Path) -> None:
    class Breaks(paddle.callbacks.Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            (tmp_path / "embeddings" / "word").rename(tmp_path / "gone")

    callback = EmbeddingCallback(tmp_path, every_n_steps=1, background=False, on_error="raise", **QUICK)
    with pytest.raises(OSError, match=r"embeddings"):
        fit(Breaks(), callback)


def test_several_tables_and_a_slash_in_a_name(tmp_path: Path) -> None:
    network = WithPositions()
    tables = {"tower/word": network.word.weight, "position": network.position.weight}
    fit(EmbeddingCallback(tmp_path, tables=tables, **QUICK), model=make_model(network), epochs=1)
    run = open_run(tmp_path)
    assert sorted(run.tables()) == ["position", "tower/word"]
    assert run.snapshot("tower/word", 8).labels[0] == "词0"
    assert len(run.snapshot("position", 8).labels) == 12
    assert "embedding/tower／word/norm_mean" in tags(tmp_path)["scalar"]


def test_rows_that_become_nan_are_counted_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Poison(paddle.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            weight = self.model.network.word.weight
            values = weight.numpy()
            values[3] = np.nan
            weight.set_value(values)

    fit(Poison(), EmbeddingCallback(tmp_path, rows=V, background=False, **QUICK), epochs=1)
    assert open_run(tmp_path).scalars("word")["nonfinite_rows"] == {0: 0.0, 8: 1.0}
    assert any("contain NaN or inf and are left out" in r.message for r in caplog.records)


def test_special_and_markup_labels_reach_visualdl_as_text(tmp_path: Path) -> None:
    labels = [f"w{i}" for i in range(V)]
    labels[1:6] = ["a\tb", "two\nlines", "100%", "<script>alert(1)</script>", "😀/x"]
    arguments = {**QUICK, "vocabulary": labels}
    fit(EmbeddingCallback(tmp_path, watch=labels[1:6], background=False, **arguments), epochs=1)
    assert open_run(tmp_path).snapshot("word", 8).labels[:6] == tuple(labels[:6])
    found = tags(tmp_path)["scalar"]
    for name in ("a b", "two lines", "100％", "<script>alert(1)<／script>", "😀／x"):
        assert f"watch {name}/word/norm" in found


def test_every_record_is_read_back(tmp_path: Path) -> None:
    fit(paddle.callbacks.VisualDL(str(tmp_path)), EmbeddingCallback(tmp_path, background=False, **QUICK), epochs=1)
    (path,) = tmp_path.glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(path))
    counts: dict[str, int] = defaultdict(int)
    for kind, names in reader.get_tags().items():
        for name in names:
            counts[kind] += len(reader.get_data(kind, name))
    assert counts["image"] == 4
    assert counts["embeddings"] == 6
    assert counts["histogram"] == 3
    assert counts["scalar"] > 40


@pytest.mark.parametrize(("padding_idx", "first"), [(None, 0), (0, 1), (55, 0)])
def test_without_a_vocabulary_rows_go_by_their_numbers(tmp_path: Path, padding_idx: int | None, first: int) -> None:
    network = Bag()
    network.word = paddle.nn.Embedding(V, D, padding_idx=padding_idx)
    fit(EmbeddingCallback(tmp_path, rows=20, methods=(), background=False), model=make_model(network), epochs=1)
    snapshot = open_run(tmp_path).snapshot("word", 8)
    assert snapshot.ids.tolist() == list(range(first, first + 20))
    assert snapshot.labels[0] == f"row {first}"
    assert snapshot.rows.how == "the first 20"


def test_without_a_vocabulary_rows_are_watched_by_number(tmp_path: Path) -> None:
    fit(EmbeddingCallback(tmp_path, rows=5, watch=["row 40"], methods=(), background=False), epochs=1)
    assert open_run(tmp_path).snapshot("word", 8).labels[-1] == "row 40"


def towers() -> paddle.nn.Layer:
    class Towers(Bag):
        def __init__(self) -> None:
            super().__init__()
            self.item = paddle.nn.Embedding(12, D)

        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.head((self.word(ids) + self.item(paddle.arange(6))).mean(axis=1))

    return Towers()


def test_each_of_several_vocabularies_watches_the_labels_that_it_has(tmp_path: Path) -> None:
    arguments = {"vocabulary": {"word": LABELS, "item": [f"商品{i}" for i in range(12)]}, "methods": ()}
    callback = EmbeddingCallback(tmp_path, watch=["词55", "商品3"], rows=5, background=False, **arguments)
    fit(callback, model=make_model(towers()), epochs=1)
    run = open_run(tmp_path)
    assert run.rows("word").watch == ("词55",)
    assert run.rows("item").watch == ("商品3",)
    with pytest.raises(ValueError, match=r"in no vocabulary of word, item: 商品99"):
        fit(EmbeddingCallback(tmp_path / "b", watch=["商品99"], **arguments), model=make_model(towers()))


def test_a_table_without_labels_is_not_watched_whole_because_another_is_chosen_by_label(tmp_path: Path) -> None:
    callback = EmbeddingCallback(tmp_path, vocabulary=LABELS, rows=["词1"], methods=(), background=False)
    fit(callback, model=make_model(towers()), epochs=1)
    assert open_run(tmp_path).rows("word").labels == ("词1",)
    assert len(open_run(tmp_path).rows("item")) == 12


def test_a_rule_that_cannot_fire_is_refused_before_training(tmp_path: Path) -> None:
    rule = DriftTowards("negative", ("词55",), looks=52)
    with pytest.raises(ValueError, match=r"cannot fire for 'word': the p-values are at least 0\.\d+ among these rows"):
        fit(EmbeddingCallback(tmp_path, rows=40, watch=["词55"], alerts=rule, **QUICK))
    assert not list(tmp_path.iterdir())


def test_a_rule_about_unknown_words_groups_or_tables_is_refused_before_training(tmp_path: Path) -> None:
    metadata = {"group": {label: ("negative", "positive")[i % 2] for i, label in enumerate(LABELS)}}
    for rule, said in (
        (DriftTowards("negative", ("词5",)), "'词5' is not watched; watched are '词55'"),
        (DriftTowards("negativ", ("词55",)), "no row is in the group 'negativ'; did you mean 'negative'"),
        (Above("watch/词5/norm", 9), "'词5' is not watched"),
        (Above("norm_mean", 9, tables="wrod"), "no table matches 'wrod'; did you mean 'word'"),
    ):
        with pytest.raises(ValueError, match=said):
            fit(EmbeddingCallback(tmp_path, watch=["词55"], metadata=metadata, alerts=rule, **QUICK))
    assert not list(tmp_path.iterdir())
