"""Probes in real trainings: what is recorded, and that the training is the same without them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import GROUPS, LABELS, QUICK, Bag, D, Sentences, fit, make_model, tags

from visualdl_embedding import EmbeddingCallback, Probe, compare_snapshots, open_run

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track global mean")

PLAIN: dict[str, Any] = {**QUICK, "methods": (), "background": False}
DATA = Sentences(30)
NAMES = [f"句{i}" for i in range(30)]


def probe(**options: Any) -> Probe:
    group = {"group": [f"class {c}" for c in DATA.classes]}
    return Probe(DATA.ids, **{"layer": "pooler", "labels": NAMES, "metadata": group, **options})


class Noisy(Bag):
    """Network that draws random numbers, also in evaluation, and keeps running statistics."""

    def __init__(self, *, fails_after: int | None = None) -> None:
        super().__init__()
        self.norm = paddle.nn.BatchNorm1D(D)
        self.dropout = paddle.nn.Dropout(0.3)
        self.pooler = paddle.nn.Sequential(paddle.nn.Linear(D, D), paddle.nn.Tanh())
        self.head = paddle.nn.Linear(D, GROUPS)
        self.passes = 0
        self.fails_after = fails_after

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        self.passes += self.training
        if not self.training and self.fails_after is not None and self.passes > self.fails_after:
            raise RuntimeError("out of luck")
        paddle.rand([1]), np.random.rand()  # noqa: NPY002
        return self.head(self.pooler(self.dropout(self.norm(self.word(ids).mean(axis=1)))))


class Losses(paddle.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        self.losses.append(float(logs["loss"][0]))


def train(log_dir: Path, **options: Any) -> tuple[list[float], dict[str, bytes], Any]:
    losses = Losses()
    callback = EmbeddingCallback(log_dir, every_n_steps=3, **PLAIN, **options)
    paddle.seed(0)
    np.random.seed(0)  # noqa: NPY002  shuffles
    model = make_model(Noisy())
    model.fit(Sentences(), batch_size=8, epochs=2, verbose=0, shuffle=True, callbacks=[losses, callback])
    weights = {name: value.numpy().tobytes() for name, value in model.network.state_dict().items()}
    return losses.losses, weights, open_run(log_dir).snapshot("word", 16)


def test_a_training_with_a_probe_gives_the_bits_of_one_without(tmp_path: Path) -> None:
    losses, weights, table = train(tmp_path / "a")
    probed, theirs, its_table = train(tmp_path / "b", probes={"sentences": probe()})
    assert len(losses) == 16
    assert probed == losses
    assert theirs == weights
    assert its_table.counters == table.counters  # lookups of the probe's passes are not counted
    for name, values in table.row_values.items():
        assert np.array_equal(its_table.row_values[name], values, equal_nan=True)


def test_a_probe_is_recorded_like_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "visualdl_embedding")
    callback = EmbeddingCallback(
        tmp_path, probes={"sentences": probe(watch=["句3"])}, every_n_steps=8, background=False, **QUICK
    )
    model = fit(callback, model=make_model(Noisy()))
    run = open_run(tmp_path)
    assert run.tables() == ["sentences", "word"]
    assert run.steps("sentences", analyzed=True) == [0, 8, 16]
    snapshot = run.snapshot("sentences", 16)
    assert snapshot.labels == tuple(NAMES)
    assert snapshot.rows.columns["group"][0] == f"class {DATA.classes[0]}"
    network = model.network
    network.eval()
    states = network.norm(network.word(paddle.to_tensor(DATA.ids)).mean(axis=1))
    np.testing.assert_allclose(snapshot.vectors, network.pooler(states).numpy(), rtol=1e-5, atol=1e-6)
    moved = compare_snapshots(run.snapshot("sentences", 0), snapshot)
    assert moved.labels == tuple(NAMES)
    purity = run.scalars("sentences")["group_purity"]
    assert set(purity) == {0, 8, 16}
    assert "watch 句3/sentences/tsne/x" in tags(tmp_path)["scalar"]
    assert "embedding/sentences/tsne/map" in tags(tmp_path)["image"]
    (said,) = [record for record in caplog.records if record.getMessage().startswith("Probe sentences: ")]
    assert said.levelno == logging.INFO
    assert "30 rows x 8 from pooler, " in said.getMessage()
    assert said.getMessage().endswith(" ms per snapshot.")


def test_probes_without_tables(tmp_path: Path) -> None:
    network = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(6, D), paddle.nn.Linear(D, GROUPS))

    class Floats(Sentences):
        def __getitem__(self, i: int) -> tuple[Any, Any]:
            ids, group = super().__getitem__(i)
            return ids.astype("float32") / 60, group

    probes = {"hidden": Probe(DATA.ids.astype("float32"), layer="1"), "logits": Probe(DATA.ids.astype("float32"))}
    callback = EmbeddingCallback(tmp_path, tables=(), probes=probes, methods=(), background=False)
    make_model(network).fit(Floats(), batch_size=8, epochs=1, verbose=0, callbacks=[callback])
    run = open_run(tmp_path)
    assert run.tables() == ["hidden", "logits"]
    assert run.snapshot("logits", 8).vectors.shape == (30, GROUPS)


def test_a_run_with_a_probe_is_resumed_with_the_same_rows_only(tmp_path: Path) -> None:
    model = make_model(Noisy())
    fit(EmbeddingCallback(tmp_path, probes={"sentences": probe()}, **PLAIN), model=model, epochs=1)
    fit(EmbeddingCallback(tmp_path, probes={"sentences": probe()}, resume=True, **PLAIN), model=model, epochs=1)
    assert open_run(tmp_path).steps("sentences") == [0, 8, 16]
    others = [f"other {i}" for i in range(30)]
    for changed, message in ((probe(labels=others), "30 labels are new"), (probe(layer="head"), "is now 30×3")):
        with pytest.raises(ValueError, match=message):
            fit(EmbeddingCallback(tmp_path, probes={"sentences": changed}, resume=True, **PLAIN), model=model)
    assert open_run(tmp_path).steps("sentences") == [0, 8, 16]


def test_a_probe_does_not_choose_the_step_of_a_resume(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same weights give outputs that differ in the last bits, as with another number of threads."""
    model = make_model(Noisy())
    for resume, scale in ((False, 1), (True, 1 + 1e-5)):
        a = probe(layer=lambda network, ids, scale=scale: network.word(ids).mean(axis=1) * scale)
        fit(EmbeddingCallback(tmp_path, probes={"a": a}, resume=resume, **PLAIN), model=model)
    assert open_run(tmp_path).steps("a") == [0, 8, 16, 24, 32]
    assert "rows" not in caplog.text


def test_tables_that_select_nothing_without_probes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tables=\(\) selects nothing"):
        EmbeddingCallback(tmp_path, tables=())


def test_an_error_of_a_probe_while_training_ends_its_recording_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = EmbeddingCallback(tmp_path, probes={"sentences": probe()}, every_n_steps=4, **PLAIN)
    fit(callback, model=make_model(Noisy(fails_after=8)))
    run = open_run(tmp_path)
    assert run.steps("sentences") == [0, 4, 8]
    assert run.steps("word") == [0, 4, 8, 12, 16]
    said = [record.getMessage() for record in caplog.records if "probe" in record.getMessage()]
    assert said == [
        "Table sentences is no longer recorded from step 12 on: probe 'sentences', RuntimeError: out of luck."
    ]


def test_on_error_raise_raises_for_a_probe(tmp_path: Path) -> None:
    callback = EmbeddingCallback(tmp_path, probes={"sentences": probe()}, every_n_steps=4, on_error="raise", **PLAIN)
    with pytest.raises(RuntimeError, match="probe 'sentences', RuntimeError: out of luck"):
        fit(callback, model=make_model(Noisy(fails_after=8)))


def test_an_output_whose_width_changes_ends_the_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def widening(network: Noisy, ids: paddle.Tensor) -> paddle.Tensor:
        return network.word(ids)[:, 0, : 4 if network.passes < 8 else 5]

    callback = EmbeddingCallback(tmp_path, probes={"sentences": probe(layer=widening)}, **PLAIN)
    fit(callback, model=make_model(Noisy()))
    assert open_run(tmp_path).steps("sentences") == [0]
    assert "from step 8 on: probe 'sentences', the output has 5 columns, and had 4 before." in caplog.text


def test_rows_that_are_not_finite_are_recorded_and_raise_the_alert(tmp_path: Path) -> None:
    def broken(network: Noisy, ids: paddle.Tensor) -> paddle.Tensor:
        return network.word(ids)[:, 0] / (0.0 if network.passes else 1.0)

    callback = EmbeddingCallback(tmp_path, probes={"sentences": probe(layer=broken)}, **PLAIN)
    fit(callback, model=make_model(Noisy()))
    run = open_run(tmp_path)
    assert not np.isfinite(run.snapshot("sentences", 16).vectors).any()
    assert [alert["severity"] for alert in run.alerts("sentences")] == ["critical"]


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        ({"word": probe()}, "'word' is the name of a table and of a probe"),
        ({"sentences": probe(layer="poolr")}, "Probe 'sentences': Noisy has no layer 'poolr'; did you mean 'pooler'"),
        ({"sentences": probe(watch=["句99"])}, "Probe 'sentences': watch has labels that are not in the probe"),
    ],
)
def test_a_probe_that_does_not_fit_raises_when_training_begins(
    tmp_path: Path, probes: dict[str, Probe], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(EmbeddingCallback(tmp_path / "run", probes=probes, **PLAIN), model=make_model(Noisy()))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [probe(), [probe()], {"a": LABELS}, {"": probe()}, {1: probe()}])
def test_what_is_no_probe_is_refused_at_once(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r'probes takes \{"name": Probe'):
        EmbeddingCallback(tmp_path, probes=wrong)
