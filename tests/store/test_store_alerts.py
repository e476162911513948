from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_examples import fill, new_store

from visualdl_embedding.alerts import Alert
from visualdl_embedding.core.jsonable import dumps_exact
from visualdl_embedding.store import open_run, read_alerts
from visualdl_embedding.store._files import append_line


def make_alert(step: int, *, message: str = "高于 0.8", value: float = 0.9) -> Alert:
    return Alert("词/表", step, "odd", "warning", "mean_cosine", value, 0.8, message, message, {"before": None})


def append(path: str | Path, alerts: Iterable[Alert]) -> None:
    """As `TableStore.append_alert`, for a file without a store."""
    for alert in alerts:
        append_line(Path(path), dumps_exact(alert.to_dict()))


ALERTS = tuple(make_alert(step) for step in (100, 200, 300))


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    assert read_alerts(path) == ()
    append(path, [])
    assert not path.exists()
    append(path, ALERTS[:1])
    append(str(path), iter(ALERTS[1:]))
    assert read_alerts(str(path)) == ALERTS
    assert path.read_bytes().count(b"\n") == 3


def test_the_run_reads_them_too(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, [100])
    append(store.folder / "alerts.jsonl", ALERTS)
    assert open_run(tmp_path).alerts(store.description.table.name) == [alert.to_dict() for alert in ALERTS]
    store.append_alert(make_alert(400).to_dict())
    assert [alert.step for alert in read_alerts(store.folder / "alerts.jsonl")] == [100, 200, 300, 400]


@pytest.mark.parametrize("message", ["a\nb\r\u2028c", "\ud800", '"\\', ""])
def test_a_label_never_breaks_a_line(tmp_path: Path, message: str) -> None:
    path = tmp_path / "alerts.jsonl"
    append(path, [make_alert(1, message=message), make_alert(2)])
    assert [alert.message for alert in read_alerts(path)] == [message, "高于 0.8"]


def test_nan_is_null_to_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append(path, [make_alert(1, value=math.nan)])
    assert json.loads(path.read_bytes())["value"] is None
    assert math.isnan(read_alerts(path)[0].value)


@given(cut=st.integers(1, 10_000))
def test_an_incomplete_line_loses_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "alerts.jsonl"
    append(path, ALERTS[:2])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    # Anywhere inside the second line, in the middle of a Chinese character too.
    path.write_bytes(whole[: first + cut % (len(whole) - first - 1)])
    assert read_alerts(path) == ALERTS[:1]
    append(path, ALERTS[2:])
    assert read_alerts(path) == (ALERTS[0], ALERTS[2])


def test_a_last_line_without_a_line_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append(path, ALERTS[:2])
    path.write_bytes(path.read_bytes()[:-1])
    assert read_alerts(path) == ALERTS[:2]
    append(path, ALERTS[2:])
    assert read_alerts(path) == ALERTS


def test_lines_without_an_alert_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append(path, ALERTS[:1])
    with path.open("ab") as file:
        file.write(b'\n3\n[]\n{"step": 5}\n' + b"[" * 100_000 + b"\n\xff\n")
    append(path, ALERTS[1:])
    assert read_alerts(path) == ALERTS


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    code = (
        "import sys\nfrom pathlib import Path\nfrom visualdl_embedding.alerts import Alert\n"
        "from visualdl_embedding.core.jsonable import dumps_exact\n"
        "from visualdl_embedding.store._files import append_line\n"
        "for step in range(40):\n"
        "    alert = Alert(sys.argv[2], step, 'r', 'warning', 'm', 1, 0, 'x' * 9000, '')\n"
        "    append_line(Path(sys.argv[1]), dumps_exact(alert.to_dict()))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    found = read_alerts(path)
    for name in ("a", "b"):
        assert [alert.step for alert in found if alert.table == name] == list(range(40))


def test_a_folder_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        append(tmp_path / "nothing" / "alerts.jsonl", ALERTS)
