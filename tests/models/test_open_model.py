"""One way from anything that holds tables to rows: the same answers from every kind of source."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances
from sklearn.preprocessing import normalize

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.query import axis_between, position_on_axis
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.files import UnreadableModelError, open_tables
from visualdl_embedding.models import Model, ModelTable, open_model
from visualdl_embedding.models.live import LiveTable
from visualdl_embedding.store import TableStore
from visualdl_embedding.vocabulary import Vocabulary, select_rows

N, DIM = 40, 6
WORDS = [f"词{i}" for i in range(N)]
VECTORS = np.random.default_rng(5).normal(size=(N, DIM)).astype(np.float32)
STEP = 7


def layer(vectors: np.ndarray = VECTORS, **options: Any) -> paddle.nn.Layer:
    embedding = paddle.nn.Embedding(*vectors.shape, **options)
    embedding.weight.set_value(vectors)
    return embedding


def write_run(folder: Path, vectors: np.ndarray = VECTORS, *, steps: tuple[int, ...] = (0, STEP)) -> Path:
    rows = select_rows(Vocabulary(tuple(WORDS)), num_rows=N, rows="all", watch=["词3"])
    store = TableStore.open_for_writing(folder, Table("embedding", N, DIM), rows, config=Config())
    for step in steps:
        values = {"lookups": np.arange(N, dtype=np.float32)}
        scale = np.float32(1 if step == STEP else 2)
        store.write_snapshot(Snapshot("embedding", step, rows, vectors * scale, {"zero_rows": 0.0}, values))
    return folder


def saved(folder: Path) -> Path:
    np.save(folder / "table.npy", VECTORS)
    return folder / "table.npy"


def word_vectors(folder: Path) -> Path:
    lines = [f"{word} {' '.join(map(repr, row.tolist()))}" for word, row in zip(WORDS, VECTORS, strict=True)]
    (folder / "words.vec").write_text(f"{N} {DIM}\n" + "\n".join(lines) + "\n", "utf-8")
    return folder / "words.vec"


def checkpoint(folder: Path) -> Path:
    paddle.save(layer().state_dict(), str(folder / "model.pdparams"))
    return folder / "model.pdparams"


SOURCES: dict[str, Callable[[Path], Model]] = {
    "path": lambda folder: open_model(saved(folder), vocabulary=WORDS),
    "checkpoint": lambda folder: open_model(checkpoint(folder), vocabulary=WORDS),
    "words in the file": lambda folder: open_model(word_vectors(folder)),
    "opened table": lambda folder: open_model(open_tables(saved(folder))[0], vocabulary=WORDS),
    "array": lambda folder: open_model(VECTORS, vocabulary=WORDS),
    "list": lambda folder: open_model(VECTORS.tolist(), vocabulary=WORDS),
    "layer": lambda folder: open_model(layer(), vocabulary=WORDS),
    "tensor": lambda folder: open_model(paddle.to_tensor(VECTORS), vocabulary=WORDS),
    "run": lambda folder: open_model(open_run(write_run(folder / "run")), step=STEP),
    "path of a run": lambda folder: open_model(write_run(folder / "run")),
}


@pytest.fixture(params=SOURCES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> ModelTable:
    return SOURCES[request.param](tmp_path).table()


def test_tables_are_listed(opened: ModelTable) -> None:
    assert (opened.table.num_rows, opened.table.dim, opened.num_rows) == (N, DIM, N)
    assert str(opened).startswith(f"{opened.name} ({N} × {DIM}, float")


def test_rows_become_a_snapshot(opened: ModelTable) -> None:
    asked = ["词5", "词2"]
    snapshot = opened.snapshot(rows=asked, watch=[9])
    assert (snapshot.table, snapshot.ids.tolist()) == (opened.name, [5, 2, 9])
    assert snapshot.labels == ("词5", "词2", "词9")
    assert snapshot.rows.watch == ("词9",)
    assert np.array_equal(snapshot.vectors, VECTORS[[5, 2, 9]])
    assert opened.choose_rows(rows=asked, watch=[9]).version == snapshot.rows.version
    assert np.array_equal(opened.snapshot().vectors, VECTORS)
    assert opened.snapshot(rows=3).ids.tolist() == [0, 1, 2]


def test_groups_choose_rows(opened: ModelTable) -> None:
    rows = opened.snapshot(rows=["词5"], groups={"a": ["词1", "词2"], "b": ["词5"]}).rows
    assert (rows.ids.tolist(), rows.columns["group"]) == ([5, 1, 2], ("b", "a", "a"))


def test_answers_are_those_of_the_pure_functions(opened: ModelTable) -> None:
    away = cosine_distances(VECTORS[[3]], VECTORS)[0]
    near = np.argsort(away)[1:6].tolist()
    found = opened.closest("词3", k=5)
    assert [(match.row, match.label) for match in found] == [(row, WORDS[row]) for row in near]
    np.testing.assert_allclose([match.distance for match in found], away[near], atol=1e-6)
    far = np.argsort(euclidean_distances(VECTORS[[3]], VECTORS)[0])[1:6].tolist()
    assert [match.row for match in opened.closest(3, k=5, distance="euclidean")] == far
    units = normalize(VECTORS)
    order = np.argsort(-(units @ (units[1] + units[2] - units[3])))
    expected = [row for row in order.tolist() if row not in (1, 2, 3)][:4]
    assert [match.row for match in opened.solve_analogy(["词1", "词2"], ["词3"], k=4)] == expected
    places = position_on_axis(VECTORS, axis_between(VECTORS[[1]], VECTORS[[2, 3]]))
    np.testing.assert_allclose(opened.positions(opened.axis("词1", ["词2", "词3"])), places, rtol=1e-6)
    snapshot = opened.with_axes(opened.snapshot(rows=[1, 2]), [(["词1"], ["词2"])])
    assert snapshot.rows.columns["词1 → 词2"] == ("0.0000", "1.0000")


def test_rows_are_read_by_id_and_in_blocks(opened: ModelTable) -> None:
    assert np.array_equal(opened.read_rows(np.array([4, 4, 0])), VECTORS[[4, 4, 0]])
    assert np.array_equal(np.concatenate([block for _, block in opened.blocks()]), VECTORS)


def test_an_unknown_word_names_the_nearest(opened: ModelTable) -> None:
    with pytest.raises(ValueError, match="did you mean '词9'"):
        opened.closest("词99")
    with pytest.raises(ValueError, match=r"did you mean '词9'|has none"):
        opened.snapshot(rows=["词99"])


def test_a_run_is_its_stored_snapshot(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path))
    newest, first = (open_model(run, step=step).table().snapshot() for step in (None, 0))
    assert (newest.step, first.step) == (STEP, 0)
    assert np.array_equal(first.vectors, 2 * newest.vectors)
    assert newest.rows.version == run.rows("embedding").version
    part = open_model(tmp_path).table().snapshot(rows=["词8"], watch=["词6"])
    assert part.step == STEP
    assert dict(part.counters) == {"zero_rows": 0.0}
    assert part.row_values["lookups"].tolist() == [8, 6]


def test_a_run_answers_with_ids_and_holds_nothing_but_its_rows(tmp_path: Path) -> None:
    words = Vocabulary(("[PAD]", *WORDS[1:]), {"frequency": tuple(map(str, range(N)))})
    rows = select_rows(words, num_rows=N, rows=["词30", "词20", "词10", "词30词20"])
    store = TableStore.open_for_writing(tmp_path, Table("embedding", N, DIM, padding_idx=0), rows, config=Config())
    store.write_snapshot(Snapshot("embedding", 0, rows, rows.assemble(VECTORS[rows.gather_ids])))
    opened = open_model(tmp_path).table()
    assert {match.row for match in opened.closest("词10")} == {20, 30, -1}
    assert opened.closest(20) == opened.closest("词20")
    part = opened.snapshot(rows=["词30词20", 20]).rows
    assert (part.ids.tolist(), dict(part.pieces)) == ([-1, 20], {0: (30, 20)})
    assert part.columns["frequency"] == ("", "20")
    for absent in (11, "词20词10"):
        with pytest.raises(ValueError, match=r"Row 11 is not watched|'词20词10'.*step 0 of|step 0 of.*'词20词10'"):
            opened.closest(absent)


def test_what_a_run_cannot_do(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    with pytest.raises(ValueError, match=r"no snapshot at step 3; the nearest stored are 0 and 7"):
        open_model(tmp_path / "run", step=3)
    with pytest.raises(ValueError, match="is a run, which holds the labels"):
        open_model(tmp_path / "run", vocabulary=WORDS)
    TableStore.open_for_writing(
        tmp_path / "new", Table("e", N, DIM), open_model(VECTORS).table().choose_rows(), config=Config()
    )
    with pytest.raises(ValueError, match="holds no snapshot yet"):
        open_model(tmp_path / "new")
    with pytest.raises(ValueError, match="step=3 chooses a snapshot of a run, but a ndarray is not a run"):
        open_model(VECTORS, step=3)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        (3, TypeError, r"int holds no embedding tables. Give a path to a model or a run"),
        (np.zeros(3), ValueError, r"must be \(n, d\) and not empty; its shape is \(3,\)"),
        (np.array([["a"]]), TypeError, "must be real numbers"),
        ("no/such/model", FileNotFoundError, "no/such/model"),
    ],
)
def test_what_is_no_model(source: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        open_model(source)


def test_a_paddle_model_is_told_from_its_network() -> None:
    model = paddle.Model(paddle.nn.Embedding(3, 2))
    with pytest.raises(TypeError, match=r"Model holds no embedding tables. Pass its network: model.network. Give"):
        open_model(model)


def test_a_damaged_file_is_refused_by_its_reader(tmp_path: Path) -> None:
    (tmp_path / "model.pdparams").write_bytes(b"nothing")
    with pytest.raises(UnreadableModelError):
        open_model(tmp_path / "model.pdparams")


class Towers(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.user = paddle.nn.Embedding(20, 4), paddle.nn.Embedding(10, 4, padding_idx=0)
        self.bare = self.create_parameter([30, 4])


def test_a_vocabulary_belongs_to_the_table_that_it_fits() -> None:
    model = open_model(Towers(), vocabulary=[f"u{i}" for i in range(9)])
    assert [table.has_words for table in model.tables] == [False, True]
    rows = model.choose_rows(rows=["u3"], watch=["u4"])
    assert {name: chosen.how for name, chosen in rows.items()} == {"item": "all 20", "user": "1 named and 1 watched"}
    with pytest.raises(ValueError, match=r"21 labels, more than any table has rows: item \(20\), user \(10\)"):
        open_model(Towers(), vocabulary=["x"] * 21).choose_rows()


def test_tables_of_a_layer_are_chosen_by_pattern_or_parameter(tmp_path: Path) -> None:
    network = Towers()
    assert [table.name for table in open_model(network).tables] == ["item", "user"]
    assert [table.name for table in open_model(network, table="us*").tables] == ["user"]
    bare = open_model(network, table={"bare": network.bare}).table()
    assert np.array_equal(bare.read_rows(np.array([29])), network.bare.numpy()[[29]])
    with pytest.raises(ValueError, match="2 of them may be the right one"):
        open_model(network).table()
    with pytest.raises(TypeError, match="selects parameters, which only a layer in memory has"):
        open_model(saved(tmp_path), table={"bare": network.bare})


def test_a_table_of_a_saved_model_is_chosen_by_name(tmp_path: Path) -> None:
    paddle.save(Towers().state_dict(), str(tmp_path / "model.pdparams"))
    model = open_model(tmp_path / "model.pdparams")
    assert {table.name for table in model.tables} == {"item", "user"}
    assert model.table("us*").table.num_rows == 10
    assert [table.name for table in open_model(tmp_path / "model.pdparams", table=["user", "item"]).tables] == [
        "user",
        "item",
    ]
    with pytest.raises(ValueError, match="no table 'usr'; did you mean 'user'"):
        open_model(tmp_path / "model.pdparams", table="usr")


@pytest.mark.parametrize("kind", ["layer", "array", "path"])
def test_with_a_padding_row_the_first_rows_of_many_are_not_all(tmp_path: Path, kind: str) -> None:
    if kind == "path":
        np.save(tmp_path / "table.npy", np.ones((3000, 4), np.float32))
    source = {"layer": layer(np.ones((3000, 4), np.float32), padding_idx=0), "array": np.ones((3000, 4))}
    opened = open_model(source.get(kind, tmp_path / "table.npy")).table()
    rows = opened.choose_rows(rows=500)
    assert (rows.how, rows.labels[-1]) == ("the first 500", "row 500" if kind == "layer" else "row 499")
    assert dict(rows.left_out) == ({"padding row": 1} if kind == "layer" else {})


def test_what_follows_training_is_not_kept() -> None:
    network = layer()
    opened = open_model(network, vocabulary=WORDS).table()
    before = opened.closest("词1", k=3)
    network.weight.set_value(VECTORS[::-1].copy())
    assert opened.closest("词1", k=3) != before
    assert opened.snapshot().counters == {}
    assert opened.counters()["num_rows"] == N


def test_counters_of_a_saved_model_are_those_of_every_source(tmp_path: Path) -> None:
    saved_counters = open_model(saved(tmp_path)).table().snapshot().counters
    assert saved_counters == open_model(VECTORS).table().counters() == open_model(layer()).table().counters()


def test_a_large_array_is_never_held_a_second_time() -> None:
    vectors = np.zeros((600_000, 64), np.float16)
    vectors[:, 0] = np.arange(600_000) % 2048
    opened = open_model(vectors).table()
    tracemalloc.start()
    try:
        assert len(opened.closest(3, k=5)) == 5
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # As float32 the array takes 154 MB; a block of 8 MiB becomes float64, with its differences.
    assert peak < 80e6


def test_of_a_large_layer_only_the_rows_asked_for_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered: list[int] = []
    real = LiveTable.read_rows

    def counting(table: LiveTable, ids: np.ndarray) -> np.ndarray:
        gathered.append(len(ids))
        return real(table, ids)

    monkeypatch.setattr(LiveTable, "read_rows", counting)
    opened = open_model(paddle.nn.Embedding(1_000_000, 8, padding_idx=0)).table()
    snapshot = opened.snapshot(rows=500, watch=["row 777777"])
    assert (snapshot.rows.how, gathered) == ("the first 500 and 1 watched", [501])
    gathered.clear()
    opened.closest(777_777, k=3)
    assert gathered[0] == 1
    assert max(gathered) * 8 * 4 <= 8 * 2**20


def test_a_file_is_opened_without_the_store_and_paddle(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", VECTORS)
    code = (
        "import sys; from visualdl_embedding.models import open_model; "
        f"print(len(open_model({str(tmp_path / 'table.npy')!r}).table().closest(3, k=2))); "
        "print([name for name in ('paddle', 'visualdl_embedding.store') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["2", "[]"]
