"""Make the runs of ``tests/data/old_stores``.

This was run once, with version 0.1.0 before its modules were moved. It is kept to show what the runs are, and is not
to be rerun: runs made anew would no longer be those of that version.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from visualdl_embedding import open_run
from visualdl_embedding.alerts import load_rules
from visualdl_embedding.analysis import Config
from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.files import choose_table, open_tables, table_counters
from visualdl_embedding.runs import record_once
from visualdl_embedding.vocabulary import open_vocabulary, select_rows

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "store"))
from test_old_stores import FOLDER, numbers_of, plain  # noqa: E402

V, D = 60, 8
GROUPS = ("正面", "负面", "中性")
WORDS = [f"词{i}" for i in range(V)]


class Bag(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(V, D)
        self.head = paddle.nn.Linear(D, len(GROUPS))

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head(self.word(ids).mean(axis=1))


class Sentences(paddle.io.Dataset):
    """Sentences of one group's words each; frequent words come first, and the last few never."""

    def __init__(self, n: int = 64) -> None:
        rng = np.random.default_rng(0)
        self.classes = rng.integers(0, 3, n)
        self.ids = (np.minimum(rng.geometric(0.15, (n, 6)), 18) * 3 + self.classes[:, None]).astype("int64")

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return self.ids[i], self.classes[i : i + 1].astype("int64")

    def __len__(self) -> int:
        return len(self.ids)


def make_training(folder: Path) -> None:
    data = Sentences()
    counts = np.bincount(data.ids.ravel(), minlength=V)
    metadata = {
        "group": {word: GROUPS[i % 3] for i, word in enumerate(WORDS)},
        "frequency": {word: int(n) for word, n in zip(WORDS, counts, strict=True)},
    }
    rules = FOLDER / "rules.toml"
    rules.write_text(
        '[[rule]]\nkind = "above"\nmetric = "norm_mean"\nvalue = 0.0\nname = "长度"\n'
        '[[rule]]\nkind = "below"\nmetric = "neighbor_overlap"\nvalue = 0.999\nseverity = "critical"\n',
        "utf-8",
    )
    paddle.seed(0)
    model = paddle.Model(Bag())
    model.prepare(paddle.optimizer.Adam(0.05, parameters=model.parameters()), paddle.nn.CrossEntropyLoss())
    callback = EmbeddingCallback(
        folder,
        vocabulary=WORDS,
        metadata=metadata,
        rows="all",
        n_components=(2, 3),
        every_n_steps=6,
        watch=["词3", "词4"],
        alerts=rules,
        background=False,
        max_log_bytes=0,
        n_neighbors=8,
        perplexity=10,
    )
    model.fit(data, batch_size=8, epochs=2, verbose=0, shuffle=False, callbacks=[callback])
    rules.unlink()


def make_weekly(folder: Path) -> None:
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(3, D))
    space = (centers[np.arange(V) % 3] + 0.4 * rng.normal(size=(V, D))).astype(np.float32)
    rules = load_rules(
        {
            "rule": [
                {"kind": "non_finite"},
                {"kind": "below", "metric": "neighbor_overlap", "value": 0.8},
                {"kind": "drift_towards", "group": "负面", "words": ["词15"]},
            ]
        }
    )
    saved = FOLDER / "week"
    for week in range(4):
        words = WORDS[5 * week : 5 * week + 45]
        vectors = space[5 * week : 5 * week + 45] + 0.05 * rng.normal(size=(45, D)).astype(np.float32)
        if week == 2:
            vectors[0], vectors[1, 0] = 0, np.nan
        if week == 3:
            vectors[words.index("词15")] = centers[1]
        saved.mkdir()
        paddle.save({"word.weight": paddle.to_tensor(vectors)}, str(saved / "model_state.pdparams"))
        (saved / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
        stored = choose_table(open_tables(saved), None)
        table: Table = stored.table
        groups = {"group": {word: GROUPS[WORDS.index(word) % 3] for word in words}}
        vocabulary = open_vocabulary(stored.vocabulary).with_columns(groups)
        rows = select_rows(vocabulary, rows="all", num_rows=table.num_rows, watch=["词15"])
        snapshot = Snapshot(table.name, week, rows, stored.read_rows(rows.ids), counters=table_counters(stored))
        config = Config(methods=("pca", "tsne"), distance="euclidean", n_neighbors=6, perplexity=8, null_pairs=1)
        record_once(folder, snapshot, table=table, config=config if week == 0 else None, rules=rules)
        shutil.rmtree(saved)
    for log in folder.glob("*.log"):
        log.unlink()


if __name__ == "__main__":
    for name, make in (("training", make_training), ("weekly", make_weekly)):
        make(FOLDER / name)
        numbers = plain(numbers_of(open_run(FOLDER / name)))
        text = json.dumps(numbers, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")
