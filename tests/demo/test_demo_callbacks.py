from __future__ import annotations

import io

import pytest
from rich.console import Console

from visualdl_embedding.demo._classifier import TrainingProgress


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_line_per_epoch_and_on_a_terminal_a_bar(terminal: bool) -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, force_terminal=terminal, width=100))
    progress.set_params({"epochs": 2, "steps": 3})
    progress.on_train_begin()
    for epoch, accuracy in enumerate((0.5, 0.75)):
        progress.on_epoch_begin(epoch)
        for step in range(3):
            progress.on_train_batch_end(step)
        progress.on_epoch_end(epoch, {"acc": 0.9})
        progress.on_eval_end({"acc": accuracy})
    progress.on_train_end()
    progress.stop()
    assert progress.held_out_accuracy == [0.5, 0.75]
    text = out.getvalue()
    assert "Epoch 2 of 2" in text
    assert ("Training" in text) == terminal
    assert ("6/6" in text) == terminal
