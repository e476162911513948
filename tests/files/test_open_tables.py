from __future__ import annotations

import importlib.resources
import json
import pickle
from pathlib import Path
from unittest.mock import patch

import numpy as np
import paddle
import pytest
from safetensors.paddle import save_file
from saved_models import (
    VECTORS,
    WRITERS,
    Classifier,
    Ernie,
    Recommender,
    save_inference,
    save_older_inference,
)

from visualdl_embedding.files import StoredTable, UnreadableModelError, choose_table, find_vocabulary, open_tables
from visualdl_embedding.files._formats import FORMATS
from visualdl_embedding.vocabulary import open_vocabulary


def only(path: Path, **options: bool) -> StoredTable:
    (stored,) = open_tables(path, **options)
    return stored


def assert_reads(stored: StoredTable, expected: np.ndarray) -> None:
    """Rows in any order, repeated, and all blocks, bit for bit."""
    num_rows = stored.table.num_rows
    assert (num_rows, stored.table.dim) == expected.shape
    ids = np.array([num_rows - 1, 0, 1, 0])
    rows = stored.read_rows(ids)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, expected[ids], equal_nan=True)
    for block_bytes in (1, 3 * 4 * stored.table.dim, 8 * 2**20):
        with patch("visualdl_embedding.core.table._BLOCK_BYTES", block_bytes):
            blocks = list(stored.blocks())
        assert np.array_equal(np.concatenate([block for _, block in blocks]), expected, equal_nan=True)
        assert [start for start, _ in blocks] == list(np.cumsum([0, *(len(b) for _, b in blocks[:-1])]))


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_kind_of_file_gives_the_same_table(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert_reads(only(tmp_path / name), VECTORS)
    assert_reads(only(tmp_path), VECTORS)


@pytest.mark.parametrize("ending", [found.ending for found in FORMATS])
def test_every_format_is_found_by_folder_prefix_name_and_content(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{ending}"
    WRITERS["word_emb" if ending == ".pdiparams" else path.name](path)
    for given in (tmp_path, tmp_path / "m", path):
        assert_reads(only(given), VECTORS)
    assert_reads(only(path.rename(tmp_path / "without_ending")), VECTORS)


def test_a_missing_model_names_every_ending(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\.pdparams, \.safetensors, \.pdiparams, \.npz, \.npy or \.vec\)"):
        open_tables(tmp_path / "m")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_checkpoint_reads_as_paddle_loads_it(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "m.pdparams"
    net = Classifier()
    # Over 4 KiB, so that the values are skipped and not kept.
    net.word = paddle.nn.Embedding(700, 33)
    paddle.save(net.state_dict(), str(path), protocol=protocol)
    stored = only(path)
    assert (stored.table.name, stored.key, stored.table.dtype) == ("word", "word.weight", "float32")
    assert_reads(stored, paddle.load(str(path))["word.weight"].numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types_are_widened(dtype: str, tmp_path: Path) -> None:
    layer = paddle.nn.Embedding(40, 6).to(dtype=dtype)
    expected = layer.weight.astype("float32").numpy()
    paddle.save(layer.state_dict(), str(tmp_path / "m.pdparams"))
    save_file({"emb.weight": layer.weight}, str(tmp_path / "m.safetensors"))
    for name in ("m.pdparams", "m.safetensors"):
        stored = only(tmp_path / name)
        assert stored.table.dtype == dtype
        assert_reads(stored, expected)


def test_a_model_that_is_one_layer_has_the_table_name_embedding(tmp_path: Path) -> None:
    paddle.save(paddle.nn.Embedding(9, 3).state_dict(), str(tmp_path / "m.pdparams"))
    assert only(tmp_path / "m.pdparams").table.name == "embedding"


def test_a_nested_checkpoint_without_its_optimizer(tmp_path: Path) -> None:
    net = Classifier()
    net.eval()
    adam = paddle.optimizer.Adam(parameters=net.parameters())
    net(paddle.ones([3, 4], "int64")).sum().backward()
    adam.step()
    path = tmp_path / "latest.pdparams"
    paddle.save(
        {"model": net.state_dict(), "optimizer": adam.state_dict(), "epoch": 3, "loss": np.float64(0.5)}, str(path)
    )
    stored = only(path)
    assert stored.table.name == "model.word"
    assert_reads(stored, net.word.weight.numpy())
    paddle.save(adam.state_dict(), str(tmp_path / "latest.pdopt"))
    with pytest.raises(UnreadableModelError, match=r"optimizer.*\.pdparams file of the model"):
        open_tables(tmp_path / "latest.pdopt")


def test_a_single_tensor_in_each_format_of_paddle(tmp_path: Path) -> None:
    weight = paddle.nn.Embedding(9, 3).weight
    paddle.save(weight, str(tmp_path / "one.pdparams"))
    paddle.save(weight, str(tmp_path / "word_emb"), use_binary_format=True)
    # A DenseTensor is pickled as a call of eval, which is understood and not made.
    paddle.save(weight.value().get_tensor(), str(tmp_path / "dense.pdparams"))
    for name in ("one.pdparams", "word_emb", "dense.pdparams"):
        assert_reads(only(tmp_path / name), weight.numpy())


def test_slices_of_a_tensor_too_large_for_protocol_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Paddle's own cutting, at 1 GiB / 2**22 elements' worth instead of 1 GiB.
    values = np.random.default_rng(1).standard_normal((500, 7)).astype(np.float32)
    flat = values.ravel()
    parts = {f"word.weight@@.{i}": flat[i * 1000 : (i + 1) * 1000] for i in range(4)}
    info = {"word.weight": {"OriginShape": values.shape, "slices": list(parts)}}
    for protocol in (2, 3):
        content = {
            **parts,
            "UnpackBigParamInfor@@": info,
            "StructuredToParameterName@@": {"word.weight": "embedding_0.w_0"},
        }
        (tmp_path / "m.pdparams").write_bytes(pickle.dumps(content, protocol=protocol))
        assert np.array_equal(paddle.load(str(tmp_path / "m.pdparams"))["word.weight"].numpy(), values)
        assert_reads(only(tmp_path / "m.pdparams"), values)


def test_arrays_in_every_pickle_layout(tmp_path: Path) -> None:
    values = np.arange(3000, dtype=np.float32).reshape(500, 6)
    layouts = [values, np.asfortranarray(values), values.astype(">f4"), values.astype(">f8"), values.astype("<f2")]
    for protocol in range(2, 6):
        for array in layouts:
            (tmp_path / "m.pdparams").write_bytes(pickle.dumps({"word_emb": array, "step": 3}, protocol=protocol))
            assert_reads(only(tmp_path / "m.pdparams"), array.astype(np.float32))


def test_the_shape_of_a_save_pretrained_folder(tmp_path: Path) -> None:
    net = Ernie()
    paddle.save(net.state_dict(), str(tmp_path / "model_state.pdparams"))
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 60, "hidden_size": 8}))
    (tmp_path / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(60)))
    tables = open_tables(tmp_path)
    assert [stored.table.name for stored in tables] == [
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
    ]
    assert [stored.vocabulary for stored in tables] == [tmp_path / "vocab.txt", None, None]
    chosen = choose_table(tables)
    assert chosen is tables[0]
    assert_reads(chosen, net.embeddings.word_embeddings.weight.numpy())


def test_a_pir_inference_model(tmp_path: Path) -> None:
    expected = save_inference(tmp_path)
    for path in (tmp_path, tmp_path / "m", tmp_path / "m.json", tmp_path / "m.pdiparams"):
        stored = only(path)
        assert (stored.table.name, stored.table.padding_idx) == ("embedding_0.w_0", 0) or "embedding_" in stored.key
        assert stored.evidence == "the program looks up rows in it"
        assert_reads(stored, expected)


def test_a_pdmodel_inference_model(tmp_path: Path) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    expected = save_older_inference(folder)
    for path in (folder, folder / "m", folder / "m.pdmodel", folder / "m.pdiparams"):
        stored = only(path)
        # The .pdiparams.info has the names of the layers.
        assert (stored.table.name, stored.table.padding_idx) == ("word", 0)
        assert stored.evidence == "the program looks up rows in it"
        assert_reads(stored, expected)
    (folder / "m.pdiparams.info").unlink()
    assert only(folder).table.name == "embedding_0.w_0"
    (folder / "m.pdmodel").unlink()
    tables = open_tables(folder / "m.pdiparams", all_matrices=True)
    assert np.array_equal(choose_table(tables, "parameter_4").read_rows([3]), expected[[3]])


def test_one_file_for_each_parameter(tmp_path: Path) -> None:
    net = Classifier()
    net.eval()
    spec = [paddle.static.InputSpec([None, 4], "int64")]
    paddle.jit.save(net, str(tmp_path / "m"), input_spec=spec, combine_params=False, separate_parameters=True)
    stored = only(tmp_path)
    assert stored.evidence == "the program looks up rows in it"
    assert_reads(stored, net.word.weight.numpy())


@pytest.mark.parametrize("ending", ["safetensors", "pdparams"])
def test_a_sharded_model(ending: str, tmp_path: Path) -> None:
    state = Ernie().state_dict()
    shards: dict[str, str] = {}
    for i, key in enumerate(state):
        shards[key] = f"model-0000{i % 2 + 1}-of-00002.{ending}"
    for name in set(shards.values()):
        part = {key: value for key, value in state.items() if shards[key] == name}
        (save_file if ending == "safetensors" else paddle.save)(part, str(tmp_path / name))
    stem = "model.safetensors" if ending == "safetensors" else "model_state.pdparams"
    (tmp_path / f"{stem}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    chosen = choose_table(open_tables(tmp_path))
    assert chosen.table.name == "embeddings.word_embeddings"
    assert_reads(chosen, state["embeddings.word_embeddings.weight"].numpy())


def test_the_table_that_jieba_ships() -> None:
    folder = Path(str(importlib.resources.files("jieba"))) / "lac_small" / "model_baseline"
    with open(folder / "word_emb", "rb") as file:
        file.seek(-20941 * 128 * 4, 2)
        expected = np.frombuffer(file.read(), "<f4").reshape(20941, 128)
    for path in (folder, folder / "word_emb"):
        stored = only(path)
        assert stored.table.name == "word_emb"
        assert np.array_equal(stored.read_rows(np.arange(0, 20941, 37)), expected[::37])
        assert stored.vocabulary == folder.parent / "word.dic" == find_vocabulary(path)
    assert len(open_vocabulary(stored.vocabulary)) == 20941


def test_a_model_with_two_tables_requires_a_choice(tmp_path: Path) -> None:
    paddle.save(Recommender().state_dict(), str(tmp_path / "m.pdparams"))
    tables = open_tables(tmp_path / "m.pdparams")
    with pytest.raises(ValueError, match=r"2 tables(.|\n)*user \(90 × 4, float32\)\n  item \(70 × 4") as error:
        choose_table(tables)
    assert "Choose one by its name" in str(error.value)
    assert choose_table(tables, "item").table.num_rows == 70
    assert choose_table(tables, "us*").table.num_rows == 90
    assert choose_table(tables, "item.weight").table.num_rows == 70
    with pytest.raises(ValueError, match=r"no table 'itme'; did you mean 'item'\? It has:"):
        choose_table(tables, "itme")
    with pytest.raises(ValueError, match="matches 2 tables"):
        choose_table(tables, "*e*")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["emb.weight", "embed_fc.weight", "fc.weight"], ["emb.weight"]),
        (["embeddings.word_embeddings.weight", "embeddings_project.weight"], ["embeddings.word_embeddings.weight"]),
        (["gpt.wte.weight", "gpt.wpe.weight", "lm_head.weight"], ["gpt.wte.weight", "gpt.wpe.weight"]),
        (["userEmbedding", "tower.dense.weight"], ["userEmbedding"]),
        (["linear_0.w_0", "lookup_table_0.w_0", "embedding_1.w_0"], ["lookup_table_0.w_0", "embedding_1.w_0"]),
        # Nothing says so by its name: the tall ones.
        (["user.weight", "item.weight", "out.linear.weight"], ["user.weight", "item.weight"]),
    ],
)
def test_tables_detected_by_name(names: list[str], expected: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((64, 4)).astype(np.float32) for name in names}
    np.savez(tmp_path / "m.npz", **arrays, scale=np.ones(4), ids=np.ones((64, 4), np.int64))
    assert [stored.key for stored in open_tables(tmp_path / "m.npz")] == expected
    assert {stored.key for stored in open_tables(tmp_path / "m.npz", all_matrices=True)} == set(names)


def test_a_model_without_a_table_lists_its_tensors(tmp_path: Path) -> None:
    paddle.save(paddle.nn.Linear(4, 4).state_dict(), str(tmp_path / "m.pdparams"))
    with pytest.raises(
        UnreadableModelError, match=r"none of its 2 tensors(.|\n)*all_matrices(.|\n)*weight \(4, 4\) float32"
    ):
        open_tables(tmp_path / "m.pdparams")


def test_opening_reads_next_to_nothing(tmp_path: Path) -> None:
    import tracemalloc

    paddle.save(paddle.nn.Embedding(40_000, 128).state_dict(), str(tmp_path / "m.pdparams"))
    only(tmp_path / "m.pdparams")
    tracemalloc.start()
    stored = only(tmp_path / "m.pdparams")
    stored.read_rows(np.arange(0, 40_000, 100))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("ids", [[-1], [50], [0, 2**40], [0.5], [[1]]])
def test_invalid_rows(ids: list, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros((50, 2), np.float32))
    with pytest.raises(ValueError, match=r"rows 0 to 49|list of integers"):
        only(tmp_path / "m.npy").read_rows(ids)


def test_no_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros((50, 2), np.float32))
    assert only(tmp_path / "m.npy").read_rows([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["vocab.json", "tokenizer.json", "vocab.txt"], "vocab.txt"),
        (["vocab.json", "tokenizer.json"], "tokenizer.json"),
        (["vocab.json", "x.vocab"], "vocab.json"),
        (["x.vocab"], "x.vocab"),
        (["x.vocab", "y.vocab"], None),
        (["m.vocab.txt", "vocab.txt"], "m.vocab.txt"),
        (["readme.txt"], None),
    ],
)
def test_the_vocabulary_next_to_a_model(files: list[str], found: str | None, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros((50, 2), np.float32))
    for name in files:
        (tmp_path / name).write_text("a")
    expected = tmp_path / found if found else None
    assert find_vocabulary(tmp_path / "m.npy") == expected
    assert only(tmp_path / "m.npy").vocabulary == expected
    assert find_vocabulary(tmp_path / "m") == expected
