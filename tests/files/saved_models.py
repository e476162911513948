"""Models saved by Paddle itself, and the files of other programs, for the tests of the sources."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from safetensors.paddle import save_file

WORDS = ["的", "高兴", "悲伤", "讽刺", "加息", "a", "b c", "\u3000", "1998", "😀"]
VECTORS = np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32)


class Classifier(paddle.nn.Layer):
    """A table, a layer with running statistics, and a layer whose weight is as tall as a table."""

    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(50, 8, padding_idx=0)
        self.norm = paddle.nn.BatchNorm1D(8)
        self.hidden = paddle.nn.Linear(8, 400)
        self.out = paddle.nn.Linear(400, 2)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.out(self.hidden(self.norm(self.word(ids).mean(1))))


class Embeddings(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = paddle.nn.Embedding(60, 8)
        self.position_embeddings = paddle.nn.Embedding(64, 8)
        self.token_type_embeddings = paddle.nn.Embedding(2, 8)
        self.layer_norm = paddle.nn.LayerNorm(8)


class Ernie(paddle.nn.Layer):
    """Names and shapes as PaddleNLP's; its decoder is tied to the word table."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.pooler = paddle.nn.Linear(8, 8)
        self.decoder = paddle.nn.Embedding(60, 8)
        self.decoder.weight = self.embeddings.word_embeddings.weight


class Recommender(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.user = paddle.nn.Embedding(90, 4)
        self.item = paddle.nn.Embedding(70, 4)


def save_inference(folder: Path) -> np.ndarray:
    """Save with today's paddle.jit.save, as PIR; return the table."""
    net = Classifier()
    net.eval()
    spec = [paddle.static.InputSpec([None, 4], "int64")]
    paddle.jit.save(net, str(folder / "m"), input_spec=spec)
    return net.word.weight.numpy()


OLDER = """
import sys, numpy, paddle
from saved_models import Classifier
net = Classifier(); net.eval()
paddle.jit.save(net, sys.argv[1] + "/m", input_spec=[paddle.static.InputSpec([None, 4], "int64")])
numpy.save(sys.argv[1] + "/../expected.npy", net.word.weight.numpy())
"""


def save_older_inference(folder: Path) -> np.ndarray:
    """Save as Paddle did before PIR: a .pdmodel, which takes a flag at start."""
    subprocess.run(
        [sys.executable, "-c", OLDER, str(folder)],
        env={**os.environ, "FLAGS_enable_pir_api": "0", "PYTHONPATH": str(Path(__file__).parent)},
        check=True,
        capture_output=True,
    )
    return np.load(folder.parent / "expected.npy")


def word2vec_text(words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> bytes:
    return f"{len(words)} {vectors.shape[1]}\n".encode() + glove(words, vectors)


def glove(words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> bytes:
    # repr of a float32 is the shortest text that reads back as the same value.
    lines = [" ".join([word, *(str(value) for value in row)]) for word, row in zip(words, vectors, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def word2vec_binary(words: list[str] = WORDS, vectors: np.ndarray = VECTORS, *, newline: bytes = b"\n") -> bytes:
    # In this form a space ends the word, so no word has one.
    words = [word.replace(" ", "_") for word in words]
    entries = [w.encode() + b" " + v.astype("<f4").tobytes() for w, v in zip(words, vectors, strict=True)]
    return f"{len(words)} {vectors.shape[1]}\n".encode() + newline.join(entries) + newline


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def raw_tensor(values: np.ndarray) -> bytes:
    description = b"\x08\x05" + b"".join(b"\x10" + bytes([dim]) for dim in values.shape)
    return b"\0" * 16 + struct.pack("<i", len(description)) + description + values.astype("<f4").tobytes()


def write_npz(path: Path) -> None:
    np.savez(path, word_emb=VECTORS, bias=np.zeros(3))


def write_npz_compressed(path: Path) -> None:
    np.savez_compressed(path, word_emb=VECTORS, bias=np.zeros(3))


def write_safetensors(path: Path) -> None:
    # What `paddle.save(..., safetensors=True)` calls, in the versions of Paddle that have it.
    save_file({"word_emb.weight": paddle.to_tensor(VECTORS), "b": paddle.zeros([3])}, str(path))


def write_checkpoint(protocol: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        layer = paddle.nn.Embedding(*VECTORS.shape)
        layer.set_state_dict({"weight": VECTORS})
        paddle.save(layer.state_dict(), str(path), protocol=protocol)

    return write


STATES = {
    "SparseNaiveSGDRule": (0, lambda dim: 0),
    "SparseAdaGradSGDRule": (1, lambda dim: 1),
    "StdAdaGradSGDRule": (1, lambda dim: dim),
    "SparseAdamSGDRule": (4, lambda dim: 2 * dim + 2),
    "SparseSharedAdamSGDRule": (4, lambda dim: 4),
}
"""Numbers of state of embed_w and of embedx, by rule."""


@dataclass
class ServerRow:
    """Row of a parameter server; without embedx it is not admitted yet."""

    key: int
    vector: list[float]
    slot: int = 101
    show: float = 10.0
    click: float = 1.0
    unseen_days: float = 0.0
    admitted: bool = True

    def line(self, accessor: str, rule: str) -> bytes:
        """Text as the accessor's ParseToString writes it, after the key."""
        embed_w, *embedx = self.vector
        of_embed, of_embedx = STATES[rule][0], STATES[rule][1](len(embedx))
        state, more_state = [0.5] * of_embed, [0.25] * of_embedx
        counted = [self.unseen_days, 0.125, self.show, self.click, embed_w]
        if accessor in ("SparseAccessor", "CtrCommonAccessor"):
            numbers, tail = [self.slot, *counted, *state], [*embedx, *more_state]
        else:
            numbers, tail = [*counted, *state, self.slot], [*more_state, *embedx]
            if accessor == "CtrDymfAccessor":
                numbers.append(len(embedx))
        # C++ streams write six digits.
        texts = [f"{number:.6g}" for number in [*numbers, *(tail if self.admitted else [])]]
        return " ".join([str(self.key), *texts]).encode() + b"\n"


def server_rows(count: int = 60, dim: int = 9, *, seed: int = 0) -> list[ServerRow]:
    """Rows with hashed keys; every sixth is not admitted yet."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(2**62, 2**64, count, dtype=np.uint64).tolist()
    vectors = rng.standard_normal((count, dim)).round(4).tolist()
    return [
        ServerRow(key, vector, 100 + i % 3, 10.0 * (count - i), 2.0 * (count - i), i % 4, i % 6 != 5)
        for i, (key, vector) in enumerate(zip(keys, vectors, strict=True))
    ]


def save_server_table(
    folder: Path,
    rows: list[ServerRow],
    *,
    accessor: str = "SparseAccessor",
    rule: str = "SparseAdaGradSGDRule",
    num_shards: int = 4,
    num_servers: int = 2,
    zipped: bool = False,
) -> list[ServerRow]:
    """Write the shards of a table as servers do; return its admitted rows in the order of the shards."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[list[ServerRow]] = [[row for row in rows if row.key % num_shards == n] for n in range(num_shards)]
    for number, shard in enumerate(shards):
        server = number * num_servers // num_shards
        text = b"".join(row.line(accessor, rule) for row in shard)
        file = folder / f"part-{server:03}-{number:05}{'.gz' if zipped else ''}"
        file.write_bytes(gzip.compress(text) if zipped else text)
    return [row for shard in shards for row in shard if row.admitted]


def server_settings(accessor: str = "SparseAccessor", rule: str = "SparseAdaGradSGDRule") -> str:
    """Part of a PaddleRec configuration that describes the table."""
    return f"""hyper_parameters:
  sparse_feature_dim: 9
table_parameters:
  embedding:
    shard_num: 10
    accessor:  # of the table
      accessor_class: "{accessor}"
      embed_sgd_param:
        name: "{rule}"
      embedx_threshold: 10
      embedx_sgd_param:
        name: "{rule}"
"""


WRITERS: dict[str, Callable[[Path], object]] = {
    "m.pdparams": write_checkpoint(4),
    "m2.pdparams": write_checkpoint(2),
    "m.safetensors": write_safetensors,
    "m.npy": lambda path: np.save(path, VECTORS),
    "f.npy": lambda path: np.save(path, np.asfortranarray(VECTORS)),
    "m.npz": write_npz,
    "c.npz": write_npz_compressed,
    "m.vec": lambda path: path.write_bytes(word2vec_text()),
    "m.vec.gz": lambda path: path.write_bytes(gzip.compress(word2vec_text())),
    "m.bin": lambda path: path.write_bytes(word2vec_binary()),
    "m.bin.gz": lambda path: path.write_bytes(gzip.compress(word2vec_binary())),
    "glove.txt": lambda path: path.write_bytes(glove()),
    "glove.txt.gz": lambda path: path.write_bytes(gzip.compress(glove())),
    "word_emb": lambda path: path.write_bytes(raw_tensor(VECTORS)),
}
"""Writers of a file that holds `VECTORS`, by the name it goes by."""
