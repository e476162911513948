"""Small reports for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from visualdl_embedding.page import missing_page
from visualdl_embedding.reports import Report, report

PAGE = {"report.html"} if missing_page() is None else set()
"""Absent where the page was not built."""

NASTY = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "=cmd()",
    "+1",
    "@x",
    "-y",
    "a\tb",
    "c\nd",
    "e\r",
    "\x1b[31mred",
    "a\u202eb",
    "\u2028",
    "&amp;",
    '"quoted"',
    "$x$",
    "%{text}",
    "@@DATA@@!",
    "👩‍👩‍👧",
)
"""Labels that somebody might take for something else."""


def clustered(n: int = 90, d: int = 12, *, seed: int = 0) -> np.ndarray:
    """Three clumps of rows."""
    rng = np.random.default_rng(seed)
    centers = 4 * rng.normal(size=(3, d))
    return (centers[np.arange(n) % 3] + rng.normal(size=(n, d))).astype(np.float32)


def words(n: int) -> list[str]:
    return [*NASTY[:n], *(f"词{i}" for i in range(max(0, n - len(NASTY))))]


def example(n: int = 90, *, equal: int = 0, **changes: Any) -> Report:
    """Report of three clumps; the last `equal` rows have one vector, which is a finding."""
    vectors = clustered(n)
    vectors[n - equal :] = vectors[-1]
    values: dict[str, Any] = {
        "vocabulary": words(n),
        "metadata": {
            "group": [("a", "b", "<b>c</b>")[i % 3] for i in range(n)],
            "frequency": [str(1000 // (i + 1)) for i in range(n)],
        },
        "methods": ("pca", "tsne"),
    }
    return report(vectors, **(values | changes))
