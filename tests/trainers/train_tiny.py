"""Train a tiny random network with the real Trainer of PaddleNLP or PaddleFormers, two batches for each step.

    python tests/trainers/train_tiny.py paddlenlp OUTPUT_DIR --max-steps 10 [--options JSON] [--resume CHECKPOINT]

Runs in an environment of `trainer_environments`. With ``--report-to`` the callback is made by the trainer, from
``embedding.toml``, and not passed by this script.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import Any

import numpy as np
import paddle

from visualdl_embedding import EmbeddingTrainerCallback
from visualdl_embedding.alerts import Above

V, D = 500, 32


class Data(paddle.io.Dataset):
    def __init__(self, labels: Any) -> None:
        self.ids = np.random.default_rng(0).integers(1, V, size=(64, 12)).astype("int64")
        self.labels = labels(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"input_ids": self.ids[i], "labels": self.labels[i]}


def stack(samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}


def paddlenlp() -> dict[str, Any]:
    from paddlenlp.transformers import ErnieConfig, ErnieForSequenceClassification

    sizes = {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = ErnieForSequenceClassification(ErnieConfig(vocab_size=V, max_position_embeddings=64, num_labels=2, **sizes))
    return {
        "model": model,
        "criterion": paddle.nn.CrossEntropyLoss(),
        "train_dataset": Data(lambda ids: (ids[:, 0] > 250).astype("int64")),
        "arguments": {},
    }


def paddleformers() -> dict[str, Any]:
    from paddleformers.transformers import LlamaConfig, LlamaForCausalLM

    # PaddleFormers 1.2.0 calls it at each step if gradients are accumulated, and the CPU build raises a TypeError.
    paddle.device.synchronize = lambda *_, **__: None
    sizes = {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=V, intermediate_size=64, max_position_embeddings=64, fuse_rms_norm=False, **sizes)
    formats = dict.fromkeys(("save_checkpoint_format", "load_checkpoint_format"), "unified_checkpoint")
    return {
        "model": LlamaForCausalLM(config),
        "train_dataset": Data(lambda ids: ids),
        "arguments": {"amp_master_grad": False, **formats},
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("framework", choices=["paddlenlp", "paddleformers"])
    options.add_argument("output_dir")
    options.add_argument("--max-steps", type=int, required=True)
    options.add_argument("--options", type=json.loads, default={}, help="of the callback")
    options.add_argument("--arguments", type=json.loads, default={}, help="of the trainer")
    options.add_argument("--resume", metavar="CHECKPOINT")
    options.add_argument("--report-to", nargs="+")
    options.add_argument("--stops", action="store_true", help="stop at the first alert, which every snapshot raises")
    options.add_argument("--fails-at", type=int, metavar="STEP")
    given = options.parse_args()
    trainer_module = import_module(f"{given.framework}.trainer")
    made = globals()[given.framework]()
    if given.stops:
        given.options |= {"alerts": Above("norm_mean", 0.0, severity="critical"), "stop_on": "critical"}
    callbacks: list[Any] = []
    if given.report_to:
        import_module("visualdl_embedding.callbacks.register")
    else:
        callbacks.append(EmbeddingTrainerCallback(**given.options))
    if given.fails_at:

        class Fails(trainer_module.TrainerCallback):  # type: ignore[misc,name-defined]
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step == given.fails_at:
                    raise RuntimeError("the training failed")

        callbacks.append(Fails())
    arguments = trainer_module.TrainingArguments(
        **{
            "output_dir": given.output_dir,
            "max_steps": given.max_steps,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "logging_steps": 1,
            "save_steps": 4,
            "learning_rate": 1e-2,
            "report_to": given.report_to or ["visualdl"],
            "disable_tqdm": True,
            "device": "cpu",
            "seed": 1,
            **made.pop("arguments"),
            **given.arguments,
        }
    )
    trainer = trainer_module.Trainer(args=arguments, data_collator=stack, callbacks=callbacks, **made)
    trainer.train(resume_from_checkpoint=given.resume)
    print("STOPPED AT", trainer.state.global_step)


if __name__ == "__main__":
    sys.exit(main())
