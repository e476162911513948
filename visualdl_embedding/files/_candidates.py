"""Detection of embedding tables among the tensors of a saved model.

The evidence, strongest first:

1. the program of an inference model looks up rows in the tensor (operator ``embedding`` or ``lookup_table_v2``);
2. Paddle's name of the parameter, which names the layer type: ``embedding_0.w_0`` is a table, ``linear_3.w_0`` is not;
3. the name in the checkpoint: it has a part such as ``embedding``, ``emb``, ``word`` or ``lookup``, and no part such
   as ``linear``, ``proj`` or ``norm``;
4. without any of these, the shape: at least 32 rows, and at least 8 times as many rows as columns. Linear layers
   rarely have such a shape; the usual hidden layer of a transformer has a ratio of 4.

A table is always a matrix of floats. A file with one array (``.npy``, word vectors, a single tensor) needs no evidence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from visualdl_embedding.core.table import Table
from visualdl_embedding.files._matrix import MAX_DIM, Tensor
from visualdl_embedding.files._stored import StoredTable

__all__ = ["candidates"]

_ROOT_NAME = "embedding"
"""Name of the table when the model is itself the embedding layer, as for live networks."""

_PARAMETER = re.compile(r"(.{1,200})_\d{1,9}\.([wb])_\d{1,9}")
_OTHER_LAYERS = ("linear", "conv", "norm", "lstm", "gru", "rnn", "cell")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_EMBEDDING_PARTS = {
    "embed", "embeds", "embedding", "embeddings", "embedder", "emb", "embs", "lookup", "word", "words", "vocab",
    "vocabulary", "wte", "wpe", "tok", "token", "tokens", "shared", "table",
}  # fmt: skip
_OTHER_PARTS = {
    "linear", "fc", "proj", "project", "projection", "dense", "mlp", "norm", "layernorm", "conv", "attn", "attention",
    "mapping", "bias", "gate", "moment", "moment1", "moment2", "velocity", "pow", "beta", "beta1", "beta2", "master",
}  # fmt: skip
_WORD_PARTS = {"word", "words", "vocab", "vocabulary", "wte", "tok", "token", "tokens", "shared"}
_POSITION_PARTS = {
    "position", "positions", "positional", "pos", "type", "types", "segment", "sent", "sentence", "task", "relative",
    "rel", "time", "timestep", "wpe", "patch", "role", "level", "speaker", "turn",
}  # fmt: skip
_SHAPE = "its shape"
_RATIO = 8
_MIN_ROWS = 32


def candidates(tensors: Sequence[Tensor], *, all_matrices: bool, vocab_size: int | None = None) -> list[StoredTable]:
    """Choose the embedding tables among the tensors of a model. Tables that hold words come first.

    A parameter with several names (tied weights) is listed once, under its first name. A table with `vocab_size` rows,
    the size in the model's configuration, holds words.
    """
    usable = [t for t in tensors if t.reader is not None and t.shape[0] > 0 and 0 < t.shape[1] <= MAX_DIM]
    first: dict[object, Tensor] = {}
    for tensor in usable:
        first.setdefault(tensor.parameter or id(tensor), tensor)
    found = [(tensor, _evidence(tensor)) for tensor in first.values()]
    strong = [(tensor, evidence) for tensor, evidence in found if evidence not in ("", _SHAPE)]
    if all_matrices or len(tensors) == 1:
        found = [(tensor, "it is a matrix" if evidence in ("", _SHAPE) else evidence) for tensor, evidence in found]
    else:
        found = strong or [(tensor, evidence) for tensor, evidence in found if evidence]
    names = Counter(_layer_name(tensor.key) for tensor, _ in found)
    tables = []
    for tensor, evidence in found:
        name = _layer_name(tensor.key)
        num_rows, dim = tensor.shape
        padding = tensor.padding_idx if tensor.padding_idx is not None and tensor.padding_idx < num_rows else None
        table = Table((name if names[name] == 1 else tensor.key) or _ROOT_NAME, num_rows, dim, tensor.dtype, padding)
        assert tensor.reader is not None
        priority = _priority(tensor, vocab_size)
        tables.append(StoredTable(table, tensor.path, tensor.key, evidence, priority, tensor.reader))
    return sorted(tables, key=lambda stored: stored.priority)


def _evidence(tensor: Tensor) -> str:
    if tensor.looked_up:
        return "the program looks up rows in it"
    layer, parts = _layer_of(tensor), _name_parts(tensor.key)
    if layer == "embedding":
        return "Paddle's name of the parameter"
    if tensor.looked_up is False or layer == "other" or parts & _OTHER_PARTS:
        return ""
    num_rows, dim = tensor.shape
    return "its name" if parts & _EMBEDDING_PARTS else _SHAPE if num_rows >= max(_MIN_ROWS, _RATIO * dim) else ""


def _layer_of(tensor: Tensor) -> str:
    """Return the layer type in a parameter's Paddle name: ``"embedding"``, ``"other"``, or ``""`` if unknown."""
    for name in (tensor.parameter, tensor.key):
        if match := _PARAMETER.fullmatch(name):
            if match[2] == "w" and match[1].endswith(("embedding", "lookup_table")):
                return "embedding"
            if match[1].endswith("fc") or any(layer in match[1] for layer in _OTHER_LAYERS):
                return "other"
    return ""


def _name_parts(key: str) -> set[str]:
    """Split a name into its words.

    >>> sorted(_name_parts("encoder.tokEmbedding_2.weight"))
    ['2', 'embedding', 'encoder', 'tok', 'weight']
    """
    return {part.lower() for part in _PARTS.findall(key)}


def _priority(tensor: Tensor, vocab_size: int | None) -> int:
    parts = _name_parts(tensor.key)
    if parts & _POSITION_PARTS:
        return 2
    return 0 if parts & _WORD_PARTS or tensor.shape[0] == vocab_size else 1


def _layer_name(key: str) -> str:
    """Name of the layer in the live network."""
    return _ROOT_NAME if key == "weight" else key.removesuffix(".weight")
