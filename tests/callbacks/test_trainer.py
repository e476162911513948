"""The adapter of PaddleNLP's and PaddleFormers' Trainer, with a loop that has their events."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import LABELS, V
from duck_trainer import EVENTS, Trainer, VisualDLCallback
from visualdl import LogReader, LogWriter

from visualdl_embedding import EmbeddingCallback, EmbeddingTrainerCallback, open_run
from visualdl_embedding.alerts import Above
from visualdl_embedding.callbacks.register import ConfiguredTrainerCallback, read_options, register_callback

HERE = Path(__file__).resolve().parent
QUICK: dict[str, Any] = {"methods": ("pca",), "n_neighbors": 5, "rows": 40, "background": False}


def ours(*arguments: Any, **options: Any) -> EmbeddingTrainerCallback:
    return EmbeddingTrainerCallback(*arguments, **{**QUICK, **options})


def logged(log_dir: Path, tag: str) -> list[int]:
    (path,) = log_dir.glob("vdlrecords.*.log")
    return [record.id for record in LogReader(file_path=str(path)).get_data("scalar", tag)]


@pytest.mark.parametrize("first", [True, False])
def test_steps_are_optimizer_steps_in_one_file_with_the_trainers_log(tmp_path: Path, first: bool) -> None:
    callbacks = [ours(every_n_steps=3), VisualDLCallback()]
    trainer = Trainer(tmp_path, *(callbacks if first else callbacks[::-1]))
    assert trainer.train(8) == 8
    log_dir = Path(trainer.args.logging_dir)
    run = open_run(log_dir)
    assert run.steps("word") == [0, 3, 6, 8]
    assert run.snapshot("word", 8).counters["forwards"] == 16
    assert np.array_equal(run.snapshot("word", 8).vectors, trainer.model.word.weight.numpy()[:40])
    assert logged(log_dir, "embedding/word/effective_rank")[-1] == 8
    assert logged(log_dir, "train/loss") == [*range(1, 9), 8]


def test_epochs_end_in_the_middle_of_no_schedule(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ours())
    trainer.train(10)
    assert open_run(trainer.args.logging_dir).steps("word") == [0, 4, 8, 10]


def test_steps_that_are_jumped_over_make_a_snapshot_due(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ours(every_n_steps=10))
    trainer.train(32, jump=4)
    assert open_run(trainer.args.logging_dir).steps("word") == [0, 12, 20, 32]


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_training_from_a_checkpoint_continues_run_and_file(tmp_path: Path, fixed: bool, first: bool) -> None:
    logging_dir = tmp_path / "log" if fixed else None
    for start, end in ((0, 6), (4, 8)):
        callbacks = [ours(every_n_steps=2), VisualDLCallback()]
        trainer = Trainer(tmp_path, *(callbacks if first else callbacks[::-1]), logging_dir=logging_dir)
        trainer.train(end, from_step=start)
        if not start:
            log_dir = Path(trainer.args.logging_dir)
    assert open_run(log_dir).steps("word") == [0, 2, 4, 6, 8]
    assert set(logged(log_dir, "train/loss")) == set(range(1, 9))
    if not fixed:
        assert [path.name for path in (tmp_path / "runs").iterdir()] == [log_dir.name]


def test_a_directory_that_the_user_chose_for_a_resume_is_used(tmp_path: Path) -> None:
    Trainer(tmp_path, ours(every_n_steps=2), VisualDLCallback()).train(4)
    trainer = Trainer(tmp_path, ours(every_n_steps=2), VisualDLCallback(), logging_dir=tmp_path / "chosen")
    trainer.train(6, from_step=4)
    assert open_run(tmp_path / "chosen").steps("word") == [4, 6]
    assert logged(tmp_path / "chosen", "train/loss")[0] == 5


def test_a_callback_that_was_added_late_uses_the_open_writer(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, VisualDLCallback())
    trainer.callbacks.append(ours(every_n_steps=4))
    trainer.train(4)
    assert open_run(trainer.args.logging_dir).steps("word") == [0, 4]
    assert logged(Path(trainer.args.logging_dir), "embedding/word/norm_mean")[-1] == 4


def test_the_directory_of_a_writer_that_the_user_gave_to_the_trainer(tmp_path: Path) -> None:
    theirs = VisualDLCallback()
    theirs.vdl_writer = LogWriter(str(tmp_path / "mine"))
    Trainer(tmp_path, theirs, ours(every_n_steps=4)).train(4)
    assert open_run(tmp_path / "mine").steps("word") == [0, 4]
    assert logged(tmp_path / "mine", "train/loss")[:4] == [1, 2, 3, 4]


def test_a_directory_of_its_own_is_said_to_be_another_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Trainer(tmp_path, VisualDLCallback(), ours(tmp_path / "b", every_n_steps=4)).train(4)
    assert logged(tmp_path / "b", "train/loss") == []
    assert sum("shows them as two runs" in record.message for record in caplog.records) == 1


def test_labels_come_from_the_trainers_tokenizer_unless_given(tmp_path: Path) -> None:
    tokenizer = SimpleNamespace(get_vocab=lambda: {label: i for i, label in enumerate(LABELS)})
    trainer = Trainer(tmp_path, ours(every_n_steps=4, watch=["词55"]), tokenizer=tokenizer)
    trainer.train(4)
    assert "词55" in open_run(trainer.args.logging_dir).snapshot("word", 4).labels
    callback = ours(tmp_path / "b", vocabulary=[f"w{i}" for i in range(V)])
    Trainer(tmp_path, callback, tokenizer=tokenizer).train(4)
    assert open_run(tmp_path / "b").snapshot("word", 4).labels[0] == "w0"
    Trainer(tmp_path, ours(tmp_path / "c"), tokenizer=SimpleNamespace()).train(4)  # an image processor
    assert open_run(tmp_path / "c").snapshot("word", 4).labels[0] == "row 0"


def test_an_alert_stops_the_trainer(tmp_path: Path) -> None:
    rule = Above("norm_mean", 0.0, severity="critical")
    trainer = Trainer(tmp_path, ours(every_n_steps=2, alerts=rule, stop_on="critical"))
    assert trainer.train(100) < 5


def test_the_same_callback_records_a_second_training_from_a_checkpoint(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ours(every_n_steps=2))
    trainer.train(4)
    trainer.train(6, from_step=4)
    assert open_run(trainer.args.logging_dir).steps("word") == [0, 2, 4, 6]


@pytest.mark.filterwarnings("ignore:Tensor do not have 'place' interface")
def test_a_network_compiled_by_to_static(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ours(every_n_steps=4))
    trainer.model = paddle.jit.to_static(trainer.model, full_graph=True)
    trainer.train(4)
    assert open_run(trainer.args.logging_dir).steps("word") == [0, 4]
    # A trainer may hold the compiled function in place of the layer.
    callback = ours(tmp_path / "b")
    callback.on_train_begin(trainer.args, SimpleNamespace(global_step=0), trainer.control, model=trainer.model.forward)
    assert open_run(tmp_path / "b").tables() == ["word"]


def test_a_failed_training_ends_with_its_error_and_a_run_that_opens(tmp_path: Path) -> None:
    code = f"""
        import sys
        sys.path.insert(0, {str(HERE)!r})
        from pathlib import Path
        from duck_trainer import Trainer, VisualDLCallback
        from test_trainer import ours
        out = Path({str(tmp_path)!r})
        callbacks = VisualDLCallback(), ours(every_n_steps=2, background=True)
        Trainer(out, *callbacks, logging_dir=out / "log").train(8, fails_at=5)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert "RuntimeError: the training failed" in done.stderr
    assert open_run(tmp_path / "log").steps("word") == [0, 2, 4]
    assert logged(tmp_path / "log", "train/loss") == [1, 2, 3, 4]


def test_every_event_exists_and_other_names_do_not() -> None:
    callback = ours()
    for event in (*EVENTS, "an_event_of_the_future"):
        assert callable(getattr(callback, f"on_{event}"))
    with pytest.raises(AttributeError, match="no attribute 'vdl_writer'"):
        callback.vdl_writer  # noqa: B018


def test_the_options_are_those_of_the_other_callback() -> None:
    import inspect

    assert inspect.signature(EmbeddingTrainerCallback) == inspect.signature(EmbeddingCallback)
    with pytest.raises(ValueError, match=r"initial_step=4 was given, but .* takes the step from the trainer"):
        ours(initial_step=4)


def test_a_model_without_a_layer_is_refused_in_a_sentence(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ours())
    trainer.model = SimpleNamespace()
    with pytest.raises(TypeError, match="SimpleNamespace holds no embedding tables"):
        trainer.call_event("on_train_begin")


# What stands for a trainer's package in sys.modules.
@pytest.fixture
def integrations(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("paddlenlp.trainer.integrations")
    module.INTEGRATION_TO_CALLBACK = {"visualdl": VisualDLCallback}  # type: ignore[attr-defined]
    for name, value in {
        "": ModuleType("paddlenlp"),
        ".trainer": ModuleType("t"),
        ".trainer.integrations": module,
    }.items():
        monkeypatch.setitem(sys.modules, f"paddlenlp{name}", value)
    return module.INTEGRATION_TO_CALLBACK  # type: ignore[attr-defined,no-any-return]


def test_a_registered_callback_takes_its_options_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, integrations: dict[str, Any]
) -> None:
    assert register_callback() == ["paddlenlp"]
    monkeypatch.chdir(tmp_path)
    assert integrations["embedding"]().schedule.every_n_steps is None
    (tmp_path / "embedding.toml").write_text('every_n_steps = 2\nmethods = "pca"\nrows = 10\n', "utf-8")
    trainer = Trainer(tmp_path, *(integrations[name]() for name in ("visualdl", "embedding")))
    trainer.train(4)
    run = open_run(trainer.args.logging_dir)
    assert run.steps("word") == [0, 2, 4]
    assert len(run.snapshot("word", 4).labels) == 10
    (tmp_path / "other.toml").write_text("every_n_steps = 7\n", "utf-8")
    monkeypatch.setenv("VISUALDL_EMBEDDING_CONFIG", "other.toml")
    assert ConfiguredTrainerCallback().schedule.every_n_steps == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "every_n_step = 2",
            r"embedding.toml has the unknown option 'every_n_step'; did you mean 'every_n_steps'\? .*rows",
        ),
        ("writer = 2", r"unknown option 'writer'.* Options are log_dir, vocabulary"),
        ("[probes.a]\nlayer = 'pooler'", "unknown option 'probes'"),
        (
            "every_n_steps = ",
            r"options of the embedding callback in .*embedding.toml cannot be read: it is not valid TOML",
        ),
        ("every_n_steps = 0", "every_n_steps takes a positive number"),
        (None, "VISUALDL_EMBEDDING_CONFIG names .*embedding.toml, but there is no such file"),
    ],
)
def test_mistakes_in_the_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, message: str
) -> None:
    path = tmp_path / "embedding.toml"
    monkeypatch.setenv("VISUALDL_EMBEDDING_CONFIG", str(path))
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ConfiguredTrainerCallback()


def test_without_a_file_the_options_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISUALDL_EMBEDDING_CONFIG", raising=False)
    assert read_options() == {}


def test_registering_without_a_framework_logs_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("visualdl_embedding.callbacks.register.FRAMEWORKS", ("no_such_framework",))
    assert register_callback() == []
    assert "none of no_such_framework is installed" in caplog.text
