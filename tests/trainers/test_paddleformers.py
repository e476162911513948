"""The callback in the real Trainer of PaddleFormers, and in its command line as the guide describes it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from real_trainings import RealTrainings, logged, only_run
from trainer_environments import ROOT, run

from visualdl_embedding import open_run

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1800)]

GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")
CONFIG = """
stage: SFT
fine_tuning: full
model_name_or_path: model
continue_training: false
_attn_implementation: eager
train_dataset_path: train.jsonl
train_dataset_type: messages
train_dataset_prob: "1.0"
eval_dataset_path: train.jsonl
eval_dataset_type: messages
eval_dataset_prob: "1.0"
max_seq_len: 64
packing: false
output_dir: out
do_train: true
do_eval: false
max_steps: 4
per_device_train_batch_size: 2
gradient_accumulation_steps: 1
logging_steps: 1
save_strategy: "no"
device: cpu
compute_type: bf16
fp16_opt_level: O1
amp_master_grad: false
template_backend: jinja
seed: 1
"""


def block(language: str, holding: str) -> str:
    """The block of the guide that holds a text."""
    (found,) = [b for b in re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.S | re.M) if holding in b]
    return found


class TestPaddleFormers(RealTrainings):
    framework = "paddleformers"
    table = "model.embed_tokens"

    def test_the_command_line_as_the_guide_describes_it(self, python: Path, tmp_path: Path) -> None:
        run([python, ROOT / "tests" / "trainers" / "make_llama.py", tmp_path])
        (tmp_path / "register.py").write_text(block("python", "callbacks.register"), "utf-8")
        (tmp_path / "embedding.toml").write_text(block("toml", "every_n_steps"), "utf-8")
        (tmp_path / "train.yaml").write_text(block("yaml", "custom_register_path") + CONFIG, "utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        command = [python.with_name("paddleformers-cli"), "train", "train.yaml"]
        path = f"{python.parent}:/usr/bin:/bin"
        run(command, cwd=tmp_path, timeout=300, CUDA_VISIBLE_DEVICES="0", MASTER_PORT=port, PATH=path)
        log_dir = only_run(tmp_path / "out")
        recorded = open_run(log_dir)
        assert recorded.steps(self.table) == [0, 4]
        labels = recorded.snapshot(self.table, 4).labels
        assert {"高兴", "讽刺", "w0"} <= set(labels)
        assert set(logged(log_dir, "train/loss")) == {1, 2, 3, 4}
