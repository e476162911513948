from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_examples import PAGE, clustered, example, words

from visualdl_embedding.reports import Report, check_folder, report


@pytest.fixture(scope="module")
def made() -> Report:
    return example()


@pytest.fixture(scope="module")
def folder(made: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("reports") / "new" / "out"
    made.write(target)
    return target


def test_all_files_are_there(made: Report, folder: Path) -> None:
    names = PAGE | {"pca.png", "tsne.png", "coordinates.csv", "neighbors.tsv", "report.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert set(json.loads((folder / "report.json").read_text("utf-8"))["files"]) == names
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_list_of_files_is_returned(made: Report, tmp_path: Path) -> None:
    files = made.write(str(tmp_path / "out"))
    assert {files[0].name} == (PAGE or {"pca.png"})
    assert all(path.is_file() for path in files)
    assert {path.name for path in files} == {path.name for path in (tmp_path / "out").iterdir()}


def test_pictures_are_fit_for_print(folder: Path) -> None:
    for name in ("pca.png", "tsne.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.info["dpi"]) >= 199.9
            assert picture.width >= 2000


def test_coordinates_come_back_as_they_were(made: Report, folder: Path) -> None:
    with open(folder / "coordinates.csv", encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    columns = made.coordinates()
    assert list(lines[0]) == list(columns)
    assert len(lines) == 90
    x = np.array([float(line["tsne_x"]) for line in lines])
    np.testing.assert_allclose(x, columns["tsne_x"], rtol=1e-5)
    assert [line["group"] for line in lines] == list(columns["group"])
    assert lines[-1]["label"] == made.snapshot.labels[-1]


def test_no_label_is_a_formula_or_breaks_a_line(made: Report, folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for name, column, separator in (("coordinates.csv", "label", ","), ("neighbors.tsv", "row", "\t")):
        frame = pandas.read_csv(
            folder / name, sep=separator, quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
        )
        labels = [str(label) for label in frame[column]]
        assert "'=cmd()" in labels
        assert "'@x" in labels
        assert "a\\tb" in labels
        assert not any(label.startswith(("=", "@")) for label in labels)
        assert "\x1b" not in "".join(labels)
        assert "\u202e" not in "".join(labels)


def test_neighbors_are_ranked(made: Report, folder: Path) -> None:
    lines = (folder / "neighbors.tsv").read_text("utf-8").splitlines()
    assert lines[0] == "row\trank\tneighbor\tcosine"
    cells = [line.split("\t") for line in lines[1:]]
    assert {len(line) for line in cells} == {4}
    assert len(cells) == 90 * 15
    last = [line for line in cells if line[0] == "词71"]
    assert [int(line[1]) for line in last] == list(range(1, 16))
    assert [float(line[3]) for line in last] == sorted((float(line[3]) for line in last), reverse=True)


def test_the_record_tells_how_to_make_it_again(made: Report, folder: Path) -> None:
    record = json.loads((folder / "report.json").read_text("utf-8"))
    assert record["format"] == "visualdl-embedding report"
    parameters = record["parameters"]
    chosen = (
        "methods",
        "n_components",
        "perplexity",
        "n_neighbors",
        "repeats",
        "color",
        "distance",
        "random_state",
        "n_jobs",
    )
    again = example(**{name: parameters[name] for name in chosen})
    np.testing.assert_array_equal(again.coordinates()["tsne_x"], made.coordinates()["tsne_x"])
    assert {"numpy", "scikit-learn", "visualdl-embedding", "python"} <= set(record["versions"])
    assert record["views"][1]["parameters"]["random_state"] == 42
    assert record["views"][1]["metrics"]["trustworthiness"] == made.view("tsne").numbers["trustworthiness"]
    assert record["metrics"]["effective_rank"] == made.analysis.scalars["effective_rank"]
    assert len(record["findings"]) == len(made.findings)


def test_numbers_that_are_not_finite_leave_the_record_readable(tmp_path: Path) -> None:
    vectors = clustered()
    vectors[2, 1] = np.inf
    report(vectors, vocabulary=words(90), methods="pca").write(tmp_path / "out")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads((tmp_path / "out" / "report.json").read_text("utf-8"), parse_constant=refuse)
    with open(tmp_path / "out" / "coordinates.csv", encoding="utf-8-sig", newline="") as file:
        assert list(csv.DictReader(file))[2]["pca_x"] == ""


def test_an_earlier_report_is_replaced_as_a_whole(made: Report, tmp_path: Path) -> None:
    example(methods=("pca", "umap")).write(tmp_path / "out")
    assert (tmp_path / "out" / "umap.png").exists()
    made.write(tmp_path / "out")
    assert not (tmp_path / "out" / "umap.png").exists()
    assert (tmp_path / "out" / "tsne.png").exists()


def test_an_empty_folder_is_filled(made: Report, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert made.write(tmp_path / "out")[0].exists()


def test_a_folder_with_other_things_is_left_alone(made: Report, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    (out / "report.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"report\.json, thesis\.tex.*overwrite"):
        made.write(out)
    assert {path.name for path in out.iterdir()} == {"thesis.tex", "report.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    made.write(out, overwrite=True)
    assert (out / "thesis.tex").read_text() == "years of work"
    assert (out / "report.html").exists()


def test_a_note_beside_an_earlier_report_is_not_lost(made: Report, tmp_path: Path) -> None:
    made.write(tmp_path / "out")
    (tmp_path / "out" / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"\(note\.txt\)"):
        made.write(tmp_path / "out")


def test_a_record_does_not_make_a_folder_or_a_thesis_ours(made: Report, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "data.csv").mkdir()
    record = {"format": "visualdl-embedding report", "files": ["thesis.tex", "data.csv", "report.json"]}
    (tmp_path / "report.json").write_text(json.dumps(record))
    with pytest.raises(FileExistsError, match=r"\(data\.csv, thesis\.tex\)"):
        made.write(tmp_path)


def test_a_record_names_no_file_outside_its_folder(made: Report, tmp_path: Path) -> None:
    made.write(tmp_path / "out")
    (tmp_path / "thesis.csv").write_text("years of work")
    record = {"format": "visualdl-embedding report", "files": [*os.listdir(tmp_path / "out"), "../thesis.csv"]}
    (tmp_path / "out" / "report.json").write_text(json.dumps(record))
    made.write(tmp_path / "out")
    assert (tmp_path / "thesis.csv").exists()


@pytest.mark.parametrize("record", ["", "[]", '{"format": "other"}', '{"format": "visualdl-embedding report"}', "\x00"])
def test_what_is_hardly_a_record_is_none(made: Report, tmp_path: Path, record: str) -> None:
    (tmp_path / "report.json").write_text(record)
    with pytest.raises(FileExistsError):
        made.write(tmp_path)


def test_a_file_in_the_way_is_told(made: Report, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        made.write(tmp_path / "out")
    message = f"Cannot create the folder '{tmp_path / 'out' / 'below'}': '{tmp_path / 'out'}' is a file."
    with pytest.raises(NotADirectoryError, match=re.escape(message)):
        made.write(tmp_path / "out" / "below")
    with pytest.raises(NotADirectoryError, match=re.escape(message)):
        check_folder(tmp_path / "out" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_told(made: Report, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=r"Cannot write the report.*--output"):
            made.write(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_what_fails_leaves_nothing_behind(made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.write(tmp_path / "out")
    before = (tmp_path / "out" / "report.html").read_bytes()

    def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("visualdl_embedding.reports._write.neighbors_tsv", full)
    with pytest.raises(OSError, match="No space left on device"):
        made.write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "report.html").read_bytes() == before


def test_a_read_only_place_is_told_whoever_asks(made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("visualdl_embedding.reports._write.tempfile.mkdtemp", refuse)
    with pytest.raises(PermissionError, match=r"^Cannot write the report to .*Permission denied.*--output") as raised:
        made.write(tmp_path / "out")
    assert raised.value.errno == errno.EACCES


def test_a_mounted_folder_is_filled_from_within(made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(methods=("pca", "umap")).write(tmp_path / "out")
    (tmp_path / "out" / ".out.killed.partial").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "out")
    monkeypatch.setattr(Path, "rename", None)
    files = made.write(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()} - {".out.killed.partial"}
    assert names == {path.name for path in files}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_to_a_folder_stays_a_link(made: Report, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    made.write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "report.html").exists()


def test_only_the_first_seed_gets_a_picture(tmp_path: Path) -> None:
    made = example(methods="tsne", repeats=2)
    made.write(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["tsne.png"]
    header = next(csv.reader(io.StringIO((tmp_path / "out" / "coordinates.csv").read_text("utf-8-sig"))))
    assert {"tsne_x", "tsne_seed43_x", "stability"} <= set(header)
