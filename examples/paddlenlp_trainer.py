"""The callback in PaddleNLP's Trainer: synthetic data and a tiny ERNIE with random weights; nothing is downloaded.

pip install paddlenlp==2.8.1 "datasets<4" "aistudio-sdk<0.3" "huggingface_hub<0.30" "protobuf<7"
python examples/paddlenlp_trainer.py [OUTPUT_DIR]
visualdl-embedding serve --logdir OUTPUT_DIR/runs
"""

import sys

import numpy as np
import paddle
from paddlenlp.trainer import Trainer, TrainingArguments
from paddlenlp.transformers import ErnieConfig, ErnieForSequenceClassification

from visualdl_embedding import EmbeddingTrainerCallback, open_run

output_dir = sys.argv[1] if len(sys.argv) > 1 else "output"
table = "ernie.embeddings.word_embeddings"
words = ["[PAD]", *(f"sun {i}" for i in range(50)), *(f"rain {i}" for i in range(50))]


class Weather(paddle.io.Dataset):
    """Samples of six words, most of them of one class; the class is the target."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(42)
        self.kinds = random.integers(0, 2, size=(2000, 1))
        other = random.random((2000, 6)) < 0.2
        self.ids = 1 + random.integers(0, 50, size=(2000, 6)) + 50 * (self.kinds ^ other)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"input_ids": self.ids[index], "labels": self.kinds[index]}

    def __len__(self) -> int:
        return len(self.ids)


model = ErnieForSequenceClassification(
    ErnieConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=2,
    )
)
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir,
        max_steps=100,
        per_device_train_batch_size=25,
        gradient_accumulation_steps=2,
        learning_rate=1e-3,
        logging_steps=10,
        save_steps=50,
        report_to=["visualdl"],
        device=paddle.get_device().partition(":")[0],
        disable_tqdm=True,
    ),
    train_dataset=Weather(),
    callbacks=[
        EmbeddingTrainerCallback(
            tables=table,
            vocabulary=words,
            metadata={"group": [word.split()[0] for word in words]},
            watch=["sun 0", "rain 0"],
            every_n_steps=20,
        ),
    ],
)
trainer.train()

run = open_run(trainer.args.logging_dir)
print("steps:", run.steps(table))
print("metrics at the last step:", {key: round(values[max(values)], 3) for key, values in run.scalars(table).items()})
