"""Frames and logs for the tests, and VisualDL's own reader."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from visualdl_embedding.analysis import Analysis, Projection
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@contextmanager
def quiet_import() -> Iterator[None]:
    """VisualDL imports baidubce, whose regular expressions have invalid escapes."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning):
            warnings.filterwarnings("ignore", message=".*invalid escape sequence", category=category)
        yield


with quiet_import():
    from visualdl import LogReader, LogWriter
    from visualdl.component import base_component
    from visualdl.proto.record_pb2 import Record

__all__ = [
    "PNG",
    "LogReader",
    "LogWriter",
    "Record",
    "base_component",
    "make_frame",
    "new_writer",
    "read_log",
    "scalar",
]


def make_frame(
    n: int = 20,
    d: int = 8,
    *,
    step: int = 100,
    table: str = "word",
    methods: Mapping[str, int] | None = None,
    **rows: Any,
) -> tuple[Snapshot, Analysis]:
    rng = np.random.default_rng(n + d + step)
    labels = rows.pop("labels", tuple(f"词{i}" for i in range(n)))
    columns = rows.pop("columns", {"group": tuple("ab"[i % 2] for i in range(n))})
    known = Rows(np.arange(n), labels, columns, **rows)
    vectors = (rng.normal(size=(n, d)) + 5).astype(np.float32)
    snapshot = Snapshot(table, step, known, vectors)
    projections = {
        (key if c == 2 else f"{key}_3d"): Projection(
            key,
            rng.normal(size=(n, c)).astype(np.float32),
            {"random_state": 42},
            np.array([[-5, 5]] * c, np.float32),
            noise_floor=0.1,
        )
        for key, c in (methods or {"pca": 2, "tsne": 2}).items()
    }
    analysis = Analysis(
        table=table,
        step=step,
        previous_step=None,
        first_step=0,
        frame=0,
        neighbors=Neighbors(np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32), "cosine"),
        projections=projections,
        scalars={"norm_mean": 2.5, "tsne/trustworthiness": 0.9, "watch/词1/norm": 1.25},
        row_metrics={
            "norm": np.linalg.norm(vectors, axis=1).astype(np.float32),
            "displacement": np.full(n, np.nan, np.float32),
        },
    )
    return snapshot, analysis


def scalar(tag: str, value: float, step: int = 1) -> bytes:
    """A record as VisualDL itself makes it."""
    return base_component.scalar(tag, value, step, walltime=1).SerializeToString()


def new_writer(log_dir: Path, **kwargs: Any) -> Any:
    return LogWriter(str(log_dir), **kwargs)


def read_log(path: Path) -> dict[str, list[Any]]:
    """All values of a log file by tag, read by VisualDL."""
    reader = LogReader(file_path=str(path))
    found = defaultdict(list)
    for component, tags in reader.get_tags().items():
        for tag in tags:
            found[tag] += reader.get_data(component, tag)
    return dict(found)
