"""Tables of parameter servers, in files made from the layouts in Paddle's source (its CPU wheel has no server)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import refused
from saved_models import STATES, ServerRow, save_server_table, server_rows, server_settings

from visualdl_embedding.files import StoredTable, UnreadableModelError, open_tables
from visualdl_embedding.models import open_model

ACCESSORS = ("SparseAccessor", "CtrCommonAccessor", "CtrDoubleAccessor", "CtrDymfAccessor")
LAYOUTS = [(a, r) for a in ACCESSORS for r in STATES if a != "CtrDoubleAccessor" or r == "SparseAdaGradSGDRule"]


def only(path: Path, **options: object) -> StoredTable:
    (stored,) = open_tables(path, **options)  # type: ignore[arg-type]
    return stored


def matches(stored: StoredTable, rows: list[ServerRow]) -> None:
    expected = np.array([row.vector for row in rows], np.float32)
    assert (stored.table.num_rows, stored.table.dim) == expected.shape
    assert stored.read_labels() == [str(row.key) for row in rows]
    ids = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(stored.read_rows(ids), expected[ids])
    np.testing.assert_array_equal(np.concatenate([block for _, block in stored.blocks()]), expected)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("accessor", "rule"), LAYOUTS)
def test_every_layout_is_read_by_the_settings_of_the_training(
    tmp_path: Path, accessor: str, rule: str, zipped: bool
) -> None:
    rows = save_server_table(tmp_path / "20260105/6/000", server_rows(), accessor=accessor, rule=rule, zipped=zipped)
    (tmp_path / "config.yaml").write_text(server_settings(accessor, rule))
    stored = only(tmp_path / "20260105/6")
    matches(stored, rows)
    assert stored.table.name == "table_000"
    assert stored.is_keyed
    assert "10 rows of table_000 are not yet admitted" in " ".join(stored.notes)
    assert f"read as {accessor}" in stored.notes[0]
    assert "'config.yaml'" in stored.notes[0]
    assert stored.read_columns()["group"] == tuple(f"slot {row.slot}" for row in rows)
    assert stored.read_columns()["frequency"] == tuple(f"{row.show:g}" for row in rows)
    assert set(stored.read_columns()["click rate"]) == {"0.2"}
    assert stored.read_columns()["unseen days"] == tuple(f"{row.unseen_days:g}" for row in rows)


@pytest.mark.parametrize(("accessor", "rule"), LAYOUTS)
def test_accessor_and_dim_decide_the_layout(tmp_path: Path, accessor: str, rule: str) -> None:
    every = [ServerRow(row.key, row.vector) for row in server_rows()]
    rows = save_server_table(tmp_path, every, accessor=accessor, rule=rule)
    matches(only(tmp_path, accessor=accessor, dim=9), rows)


def test_width_alone_does_not_tell_the_accessor(tmp_path: Path) -> None:
    every = [ServerRow(row.key, row.vector) for row in server_rows()]
    save_server_table(tmp_path / "000", every)
    message = refused(tmp_path / "000", "its rows have 16 numbers, and nothing names its accessor")
    for layout in (
        "SparseAccessor with SparseNaiveSGDRule, embedx_dim 10",
        "SparseAccessor with SparseAdaGradSGDRule, embedx_dim 8",
        "CtrCommonAccessor with SparseAdaGradSGDRule, embedx_dim 8",
    ):
        assert layout in message
    # In its order, the state of embed_w would be the slot, which is a whole number.
    assert "CtrDoubleAccessor" not in message
    assert "'accessor_class: SparseAccessor' and 'embedx_dim: 8'" in message
    (tmp_path / "000/accessor.yaml").write_text("accessor_class: SparseAccessor\nembedx_dim: 8\n")
    assert only(tmp_path / "000").table.dim == 9
    with pytest.raises(UnreadableModelError, match="rows of 16 numbers have several layouts"):
        open_tables(tmp_path / "000", accessor="SparseAccessor")
    with pytest.raises(UnreadableModelError, match=r"do not fit SparseAccessor by 'accessor\.yaml'"):
        open_tables(tmp_path / "000", dim=200)


def test_a_wrong_accessor_is_refused_by_the_values(tmp_path: Path) -> None:
    save_server_table(tmp_path, server_rows())
    with pytest.raises(
        UnreadableModelError, match=r"CtrDoubleAccessor .* but then (slot would be 0\.5|click would be)"
    ):
        open_tables(tmp_path, accessor="CtrDoubleAccessor", dim=9)
    with pytest.raises(UnreadableModelError, match="do not fit CtrDymfAccessor by the arguments"):
        open_tables(tmp_path, accessor="CtrDymfAccessor", dim=200)
    with pytest.raises(ValueError, match=r"accessor='SparseAcessor' is not supported .did you mean 'SparseAccessor'"):
        open_tables(tmp_path, accessor="SparseAcessor")


def test_admitted_and_waiting_rows_tell_the_rule_of_a_known_accessor(tmp_path: Path) -> None:
    rows = save_server_table(tmp_path, server_rows())
    matches(only(tmp_path, accessor="SparseAccessor"), rows)


def test_a_protobuf_text_describes_the_table(tmp_path: Path) -> None:
    rows = save_server_table(tmp_path / "1/001", server_rows(), accessor="CtrDymfAccessor", rule="SparseAdamSGDRule")
    (tmp_path / "fleet_desc.prototxt").write_text(
        'accessor {\n  accessor_class: "CtrDymfAccessor"\n  fea_dim: 11\n  embed_sgd_param {\n'
        '    name: "SparseAdamSGDRule"\n  }\n  embedx_sgd_param {\n    name: "SparseAdamSGDRule"\n  }\n}\n'
    )
    matches(only(tmp_path / "1"), rows)


def test_rows_of_another_width_and_damaged_lines_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "000"
    rows = save_server_table(folder, server_rows(), accessor="CtrDymfAccessor")
    part = folder / "part-000-00000"
    wide = ServerRow(4, [0.5] * 17).line("CtrDymfAccessor", "SparseAdaGradSGDRule")
    part.write_bytes(part.read_bytes() + wide + b"8 1 2\nnot a key 1 2 3\n12 " + b"x " * 17 + b"\n")
    stored = only(folder, accessor="CtrDymfAccessor", dim=9)
    matches(stored, rows)
    matches(only(folder, accessor="CtrDymfAccessor", dim=17), [ServerRow(4, [0.5] * 17)])
    assert "1 rows of table_000 have 17 columns, not 9" in " ".join(stored.notes)
    assert "3 damaged lines of table_000 were skipped; the first is line" in " ".join(stored.notes)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    save_server_table(tmp_path, server_rows())
    part = tmp_path / "part-001-00003"
    part.write_bytes(part.read_bytes()[:-3])
    with pytest.raises(UnreadableModelError, match=r"part-001-00003.*last line is not complete, so it is cut off"):
        open_tables(tmp_path, accessor="SparseAccessor")


@pytest.mark.parametrize("kept", [0, 2])
def test_one_shard_never_poses_as_the_table(tmp_path: Path, kept: int) -> None:
    save_server_table(tmp_path / "000", server_rows(400))
    part = tmp_path / "000" / f"part-{kept // 2:03}-{kept:05}"
    assert "1 of the 4 shards of table_000 are read" in " ".join(only(part, accessor="SparseAccessor").notes)
    for other in (tmp_path / "000").iterdir():
        if other != part:
            other.unlink()
    assert "1 of the 4 shards of table_000 are read" in " ".join(only(part.parent, accessor="SparseAccessor").notes)


def test_shards_of_two_saves_are_refused(tmp_path: Path) -> None:
    save_server_table(tmp_path, server_rows(), num_servers=1)
    save_server_table(tmp_path, server_rows(), num_servers=2)
    with pytest.raises(UnreadableModelError, match=r"shard 2 is there twice .'part-000-00002', 'part-001-00002'"):
        open_tables(tmp_path, accessor="SparseAccessor")


def test_a_watched_key_needs_one_shard(tmp_path: Path) -> None:
    rows = save_server_table(tmp_path, server_rows(400))
    wanted = [rows[7], rows[3]]
    assert {row.key % 4 for row in wanted} == {0}
    # The other shards are damaged after their first line, which only matters if they are read.
    for part in tmp_path.glob("part-*-*[123]"):
        part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(UnreadableModelError, match="cut off"):
        open_tables(tmp_path, accessor="SparseAccessor", dim=9)
    (tmp_path / "accessor.yaml").write_text(server_settings())
    stored = only(tmp_path, keys=[row.key for row in wanted] + [8])
    matches(stored, sorted(wanted, key=rows.index))
    assert f"1 of 3 keys have no row in {stored.table.name}, such as 8" in " ".join(stored.notes)


def test_binary_shards_and_options_of_other_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "000").mkdir()
    (tmp_path / "000/part-0-3-1-7").write_bytes(b"\x14\0\0\0" + b"\1" * 16)
    refused(tmp_path / "000", "SSD, in binary form")
    refused(tmp_path, "SSD, in binary form")
    np.save(tmp_path / "m.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="accessor, dim and keys are for tables of parameter servers"):
        open_tables(tmp_path / "m.npy", accessor="SparseAccessor")


def test_tables_without_admitted_rows_and_empty_ones_are_refused(tmp_path: Path) -> None:
    waiting = [ServerRow(row.key, row.vector, admitted=False) for row in server_rows()]
    save_server_table(tmp_path / "000", waiting)
    (tmp_path / "config.yaml").write_text(server_settings())
    refused(tmp_path / "000", "end after 7 numbers: the server has admitted none of them")
    save_server_table(tmp_path / "001", [])
    refused(tmp_path / "001", "its shards are empty")


def test_keys_are_labels_and_a_side_file_names_them(tmp_path: Path) -> None:
    rows = save_server_table(tmp_path / "000", server_rows())
    (tmp_path / "000/accessor.yaml").write_text(server_settings())
    plain = open_model(tmp_path / "000").table()
    chosen = plain.choose_rows(rows=5)
    top = sorted(rows, key=lambda row: -row.show)[:5]
    assert set(chosen.labels) == {str(row.key) for row in top}
    assert chosen.how == "the 5 most frequent"
    names = tmp_path / "names.tsv"
    names.write_text(f"手机\t{rows[0].key}\n耳机\t{rows[1].key}\n耳机\t{rows[2].key}\n别的\t5\n", "utf-8")
    named = open_model(tmp_path / "000", vocabulary=names).table()
    assert named.vocabulary.labels[:4] == ("手机", f"耳机 [{rows[1].key}]", f"耳机 [{rows[2].key}]", str(rows[3].key))
    assert f"{len(rows) - 3} of {len(rows)} keys have no name in 'names.tsv'" in " ".join(
        named.snapshot(rows=["手机"]).notes
    )
    np.testing.assert_array_equal(named.vectors("手机")[0], np.array(rows[0].vector, np.float32))
    by_key = open_model(tmp_path / "000", vocabulary={rows[0].key: "手机"}).table()
    assert by_key.vocabulary.labels[0] == "手机"
    with pytest.raises(ValueError, match="has no name for a key of the table"):
        open_model(tmp_path / "000", vocabulary={5: "手机"}).table().choose_rows()
    with pytest.raises(TypeError, match="a vocabulary must map keys to names"):
        open_model(tmp_path / "000", vocabulary=["手机"]).table().choose_rows()


def test_memory_is_bounded_by_the_rows_not_by_the_text(tmp_path: Path) -> None:
    save_server_table(tmp_path, server_rows(20_000, 33), num_shards=1, num_servers=1, zipped=True)
    tracemalloc.start()
    try:
        stored = only(tmp_path, accessor="SparseAccessor", dim=33)
        for _ in stored.blocks():
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 5.6 MB of text; a block of the table takes 2.6 MB, and a run of lines 4 MiB.
    assert peak < 16 * 2**20


def exercise(path: Path) -> np.ndarray | None:
    try:
        stored = only(path)
        vectors = np.concatenate([block for _, block in stored.blocks()])
    except UnreadableModelError:
        return None
    assert all(len(values) == len(vectors) for values in (stored.read_labels() or (), *stored.read_columns().values()))
    np.testing.assert_array_equal(stored.read_rows(np.arange(len(vectors))), vectors)
    return vectors


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_a_damaged_shard_is_refused_or_read_in_part(
    place: float, changes: list[tuple[int, int]], tmp_path: Path
) -> None:
    folder = tmp_path / "000"
    rows = save_server_table(folder, server_rows(20), num_shards=1, num_servers=1)
    (folder / "accessor.yaml").write_text(server_settings())
    part = folder / "part-000-00000"
    text = bytearray(part.read_bytes())
    part.write_bytes(text[: int(place * len(text))])
    cut = exercise(folder)
    assert cut is None or np.array_equal(cut, np.array([row.vector for row in rows], np.float32)[: len(cut)])
    for position, byte in changes:
        text[position % len(text)] = byte
    part.write_bytes(text)
    exercise(folder)
