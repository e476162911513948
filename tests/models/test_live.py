from __future__ import annotations

import numpy as np
import paddle
import pytest

from visualdl_embedding.models.live import find_tables


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(50, 8, padding_idx=0)
        self.tower = paddle.nn.LayerDict({"item": paddle.nn.Embedding(20, 4), "user": paddle.nn.Embedding(10, 4)})
        self.again = self.word
        self.tied = paddle.nn.Embedding(50, 8)
        self.tied.weight = self.word.weight
        self.bare = self.create_parameter([30, 6])


def names(found: list) -> list[str]:
    return [live.table.name for live in found]


def test_every_embedding_once_by_its_first_name() -> None:
    assert names(find_tables(Net())) == ["word", "tower.item", "tower.user"]


def test_the_network_may_be_the_layer_itself() -> None:
    found = find_tables(paddle.nn.Embedding(5, 3))
    assert names(found) == ["embedding"]


def test_names_and_globs_choose() -> None:
    assert names(find_tables(Net(), "tower.*")) == ["tower.item", "tower.user"]
    assert names(find_tables(Net(), ["tower.user", "word"])) == ["tower.user", "word"]


def test_a_parameter_outside_any_embedding_layer() -> None:
    net = Net()
    (live,) = find_tables(net, {"my/table": net.bare})
    assert (live.table.name, live.table.num_rows, live.table.dim) == ("my/table", 30, 6)
    assert np.array_equal(live.read_rows(np.array([29, 0])), net.bare.numpy()[[29, 0]])


@pytest.mark.parametrize(("given", "kept"), [(None, None), (3, 3), (-1, 49), (-50, 0)])
def test_padding_idx(given: int | None, kept: int | None) -> None:
    (live,) = find_tables(paddle.nn.Embedding(50, 4, padding_idx=given))
    assert live.table.padding_idx == kept


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types_are_read_as_float32(dtype: str) -> None:
    layer = paddle.nn.Embedding(50, 4)
    expected = layer.weight.astype(dtype).astype("float32").numpy()[[4, 2]]
    layer.to(dtype=dtype)
    (live,) = find_tables(layer)
    assert live.table.dtype == dtype
    block = live.read_rows(np.array([4, 2]))
    assert block.dtype == np.float32
    assert np.array_equal(block, expected)


def test_a_read_block_is_a_copy() -> None:
    layer = paddle.nn.Embedding(50, 4)
    (live,) = find_tables(layer)
    before = live.read_rows(np.array([1]))
    kept = before.copy()
    layer.weight.set_value(np.zeros((50, 4), np.float32))
    assert np.array_equal(before, kept)
    assert np.array_equal(live.read_rows(np.array([1])), np.zeros((1, 4)))


def test_nothing_found_lists_what_there_is() -> None:
    with pytest.raises(
        ValueError, match=r"No paddle.nn.Embedding was found in Linear(.|\n)*weight \(3, 2\)(.|\n)*tables="
    ):
        find_tables(paddle.nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"Choose the table: tables=\['1.weight'\]"):
        find_tables(paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(3, 2)))


def test_an_unknown_name_suggests_a_parameter() -> None:
    with pytest.raises(ValueError, match=r"'bar' matches no .* no 2-D parameter either: did you mean 'bare'"):
        find_tables(Net(), "bar")


def test_a_name_that_matches_nothing_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"'towel.\*' matches no .* it has: word, tower.item, tower.user"):
        find_tables(Net(), "towel.*")


@pytest.mark.parametrize("name", ["bare", "tower.item.weight", "head.weight"])
def test_a_parameter_is_chosen_by_its_name(name: str) -> None:
    network = Net()
    network.head = paddle.nn.Linear(8, 3)
    parameter = dict(network.named_parameters())[name]
    (live,) = find_tables(network, name)
    assert live.table.name == name.removesuffix(".weight" if "item" in name else "")
    assert live.parameter is live.current is parameter
    assert len(live.layers) == ("item" in name)


def test_a_parameter_by_any_name_has_the_layers_that_hold_it() -> None:
    network = Net()
    word, bare, own = find_tables(network, {"w": network.word.weight, "b": network.bare, "o": paddle.ones([3, 2])})
    assert (word.table.name, word.table.padding_idx, word.layers) == ("w", 0, (network.word, network.tied))
    assert (bare.layers, bare.holder) == ((), (network, "bare"))
    assert own.holder is None


@pytest.mark.parametrize("name", ["word", "bare"])
def test_a_replaced_parameter_is_read(name: str) -> None:
    network = Net()
    (live,) = find_tables(network, name)
    setattr(
        *(network.word, "weight") if name == "word" else (network, "bare"), paddle.create_parameter([70, 8], "float32")
    )
    assert live.current.shape == [70, 8]
    assert np.array_equal(live.read_rows(np.array([1, 29])), live.current.numpy()[[1, 29]])


def test_other_matrices_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    network = Net()
    network.more = paddle.nn.ParameterList([paddle.create_parameter([9, 4], "float32")])
    network.alias = network.bare
    network.head = paddle.nn.TransformerEncoderLayer(8, 2, 16)
    with caplog.at_level("INFO"):
        find_tables(network)
        find_tables(network, "word")
        find_tables(paddle.nn.Sequential(paddle.nn.Embedding(5, 3), paddle.nn.Linear(3, 2), paddle.nn.LSTM(2, 2)))
    (message,) = caplog.messages
    assert "the 2-D parameters bare (30 × 6), more.0 (9 × 4). If" in message
    assert "tables=['word', 'tower.item', 'tower.user', 'bare']" in message
    assert names(find_tables(network, ["word", "tower.item", "tower.user", "bare"]))[-1] == "bare"


def test_a_parameter_that_is_no_matrix() -> None:
    with pytest.raises(
        ValueError, match=r"'bias' must be a 2-D parameter of shape \(V, d\), not a tensor of shape \(2,\)"
    ):
        find_tables(Net(), {"bias": paddle.zeros([2])})


class VocabParallelEmbedding(paddle.nn.Layer):
    """The attributes of PaddleFleet's class, on its only rank."""

    def __init__(self, num_embeddings: int, dim: int) -> None:
        super().__init__()
        self.num_embeddings, self.vocab_start_index, self.tp_group = num_embeddings, 0, None
        self.weight = self.create_parameter([num_embeddings, dim])

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return paddle.nn.functional.embedding(ids, self.weight)


def test_a_vocab_parallel_layer_is_found_by_its_name_and_its_lookups_count() -> None:
    from visualdl_embedding.training.history import TrainingHistory

    net = paddle.nn.Sequential(("word", VocabParallelEmbedding(6, 2)), ("head", paddle.nn.Linear(2, 2)))
    (live,) = find_tables(net)
    assert (live.table.name, live.table.num_rows, live.shards) == ("word", 6, None)
    np.testing.assert_array_equal(live.read_rows(np.array([5, 1])), net.word.weight.numpy()[[5, 1]])
    with TrainingHistory(live.layers, np.arange(6)) as history:
        net(paddle.to_tensor([5, 5, 1])).sum().backward()
        assert history.take().lookups.tolist() == [0, 1, 0, 0, 0, 2]
